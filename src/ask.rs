//! How the rules speak with a host that may take its time.
//!
//! A rule is a plain function that asks and decides. Where the host has not answered yet, the
//! function ends; the driver in `storage.rs` waits for the answer and calls it again, and what was
//! answered before is then there at once. So there is one code for hosts that answer at once and
//! for those that do not, and the second kind costs a few repeated decisions, not a state machine
//! for each rule.

use core::future::Future;
use core::pin::pin;
use core::task::{Context, Poll, Waker};

use crate::error::Error;
use crate::host::{Batch, BatchOf, Dict, Host, HostId, Page, Record, Sizes, Stored};
use crate::id::Id;
use crate::meta::Meta;
use crate::turn::Progress;

/// What a rule asks of a host.
pub(crate) enum Request<H: Host> {
    Meta(H::Id),
    Envelope(H::Id),
    Commit(H::Id, BatchOf<H>),
    Page(Dict, Option<H::Cursor>),
    Sizes,
    Close,
}

/// What the host answered.
pub(crate) enum Answer<H: Host> {
    Meta(Option<Record<H::Version>>),
    Envelope(Option<Stored<H::Envelope>>),
    Committed(bool),
    Page(Option<Page<H::Id, H::Cursor>>),
    Sizes(Sizes),
    Closed,
}

/// Why a rule ended without a result.
pub(crate) enum Stop<H: Host> {
    /// The host has to answer first.
    Waiting(Request<H>),
    /// What was read has changed meanwhile: the rule begins anew.
    Again,
    Failed(Error<H::Error>),
}

impl<H: Host, T: Into<Error<H::Error>>> From<T> for Stop<H> {
    fn from(error: T) -> Self {
        Self::Failed(error.into())
    }
}

pub(crate) type Asked<T, H> = Result<T, Stop<H>>;

/// The answers so far of one run of a rule.
pub(crate) struct Ask<'a, H: Host> {
    host: &'a H,
    progress: &'a Progress,
    answers: Vec<Answer<H>>,
    next: usize,
    /// How often the rule had to begin anew.
    pub(crate) round: u32,
}

impl<'a, H: Host> Ask<'a, H> {
    pub(crate) fn new(host: &'a H, progress: &'a Progress) -> Self {
        Self { host, progress, answers: Vec::new(), next: 0, round: 0 }
    }

    /// The rule is called again, with one answer more.
    pub(crate) fn answered(&mut self, answer: Answer<H>) {
        self.answers.push(answer);
        self.next = 0;
    }

    /// The rule begins anew.
    pub(crate) fn again(&mut self) {
        self.answers.clear();
        self.next = 0;
        self.round = self.round.saturating_add(1);
    }

    fn given(&mut self) -> Option<&mut Answer<H>> {
        let answer = self.answers.get_mut(self.next)?;
        self.next = self.next.saturating_add(1);
        Some(answer)
    }

    pub(crate) fn meta(&mut self, id: &H::Id) -> Asked<Option<Record<H::Version>>, H> {
        if !self.host.overlaps() {
            return now(self.host.read_meta(id));
        }
        match self.given() {
            Some(Answer::Meta(record)) => Ok(record.clone()),
            _ => Err(Stop::Waiting(Request::Meta(id.clone()))),
        }
    }

    pub(crate) fn envelope(&mut self, id: &H::Id) -> Asked<Option<Stored<H::Envelope>>, H> {
        if !self.host.overlaps() {
            return now(self.host.read_envelope(id));
        }
        match self.given() {
            Some(Answer::Envelope(envelope)) => Ok(envelope.clone()),
            _ => Err(Stop::Waiting(Request::Envelope(id.clone()))),
        }
    }

    pub(crate) fn change(&mut self, id: &H::Id, version: H::Version, meta: &Meta) -> Asked<bool, H> {
        if self.host.overlaps() {
            return self.commit(id, Batch::change(id, version, meta.clone()));
        }
        committed(id, now(self.host.commit_change(id, version, meta)))
    }

    pub(crate) fn commit(&mut self, id: &H::Id, batch: BatchOf<H>) -> Asked<bool, H> {
        if !self.host.overlaps() {
            return committed(id, now(self.host.commit(batch)));
        }
        match self.given() {
            Some(Answer::Committed(true)) => Ok(true),
            Some(Answer::Committed(false)) => {
                self.progress.refused(id.id());
                Ok(false)
            }
            _ => {
                self.progress.handed(id.id());
                Err(Stop::Waiting(Request::Commit(id.clone(), batch)))
            }
        }
    }

    pub(crate) fn page(&mut self, dict: Dict, cursor: &mut Option<H::Cursor>) -> Asked<Page<H::Id, H::Cursor>, H> {
        if !self.host.overlaps() {
            return now(self.host.page(dict, cursor.take(), PAGE));
        }
        match self.given() {
            Some(Answer::Page(page)) => page.take().ok_or(Stop::Again),
            _ => Err(Stop::Waiting(Request::Page(dict, cursor.take()))),
        }
    }

    pub(crate) fn sizes(&mut self) -> Asked<Sizes, H> {
        if !self.host.overlaps() {
            return now(self.host.sizes());
        }
        match self.given() {
            Some(Answer::Sizes(sizes)) => Ok(*sizes),
            _ => Err(Stop::Waiting(Request::Sizes)),
        }
    }

    pub(crate) fn close(&mut self) -> Asked<(), H> {
        match self.given() {
            Some(Answer::Closed) => Ok(()),
            _ => Err(Stop::Waiting(Request::Close)),
        }
    }
}

fn committed<H: Host>(id: &H::Id, answer: Asked<bool, H>) -> Asked<bool, H> {
    answer.map_err(|stop| match stop {
        Stop::Failed(error) => Stop::Failed(after_commit::<H>(id.id(), error)),
        other => other,
    })
}

/// What the host's error of a commit means.
pub(crate) fn after_commit<H: Host>(id: Id, error: Error<H::Error>) -> Error<H::Error> {
    match error {
        Error::Host(source) if H::is_unknown_outcome(&source) => Error::UnknownOutcome { id, source: Some(source) },
        other => other,
    }
}

/// How many entries are asked for at once.
pub(crate) const PAGE: u32 = 1000;

/// The answer of a host that answers at once.
fn now<T, H: Host>(answer: impl Future<Output = Result<T, H::Error>>) -> Asked<T, H> {
    match pin!(answer).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Ok(answer)) => Ok(answer),
        Poll::Ready(Err(error)) => Err(Stop::Failed(Error::Host(error))),
        Poll::Pending => Err(Stop::Failed(Error::Timeout)),
    }
}
