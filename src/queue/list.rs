//! What is in the storage, as the records say.

use std::vec;

use super::queue::Queue;
use super::reply::Reply;
use super::timer::Timer;
use super::watcher::AT_ONCE;
use crate::error::{Error, Got, Invalid};
use crate::host::Host;
use crate::id::Id;
use crate::load::Position;
use crate::meta::Meta;
use crate::storage::{DictStorage, Result};
use crate::timestamp::Timestamp;

/// What becomes of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "lowercase"))]
#[non_exhaustive]
pub enum MessageState {
    /// It waits and was never attempted.
    Waiting,
    /// A claim holds.
    Sending,
    /// It was attempted and waits.
    Deferred,
    /// It was given up and is kept, in the dead letter.
    Failed,
    /// All its recipients are marked: it is attempted no more and will be removed.
    Delivered,
}

impl MessageState {
    const ALL: [Self; 5] = [Self::Waiting, Self::Sending, Self::Deferred, Self::Failed, Self::Delivered];

    /// The name of the state, the same that JavaScript sees.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Sending => "sending",
            Self::Deferred => "deferred",
            Self::Failed => "failed",
            Self::Delivered => "delivered",
        }
    }

    /// The state of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }
}

/// Which messages are listed; see [`Queue::list`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ListOptions {
    /// Those in this state; in any unless given.
    pub state: Option<MessageState>,
    /// How many at most; any number unless given.
    pub limit: Option<u64>,
    /// Those after the one that was listed last: see [`Listing::cursor`].
    pub cursor: Option<String>,
    /// Whether the envelopes are read.
    pub envelopes: bool,
}

impl ListOptions {
    /// The same, with [`ListOptions::state`].
    #[must_use]
    pub fn with_state(self, state: MessageState) -> Self {
        Self { state: Some(state), ..self }
    }

    /// The same, with [`ListOptions::limit`].
    #[must_use]
    pub fn with_limit(self, limit: u64) -> Self {
        Self { limit: Some(limit), ..self }
    }

    /// The same, with [`ListOptions::cursor`].
    #[must_use]
    pub fn with_cursor(self, cursor: impl Into<String>) -> Self {
        Self { cursor: Some(cursor.into()), ..self }
    }

    /// The same, and the envelopes are read.
    #[must_use]
    pub fn with_envelopes(self) -> Self {
        Self { envelopes: true, ..self }
    }
}

/// A message as its record says.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Listed<E> {
    /// The message.
    pub id: Id,
    /// What becomes of it.
    pub state: MessageState,
    /// When it is due, when its claim ends, or, in the dead letter, when it was given up.
    pub due: Timestamp,
    /// How often it was attempted, in the dead letter until it was given up.
    pub attempts: u32,
    /// The last replies to its recipients, each different one once, in no order: those to whom it was delivered are
    /// among them.
    pub replies: Vec<Reply>,
    /// Its envelope with the recipients that are left, if that was asked for and can be read.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub envelope: Option<E>,
}

/// How many messages are in which state; see [`Queue::count`].
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[cfg_attr(any(feature = "serde", target_family = "wasm"), derive(serde::Serialize))]
#[cfg_attr(any(feature = "serde", target_family = "wasm"), serde(rename_all = "camelCase"))]
#[non_exhaustive]
pub struct Counts {
    /// Messages that wait and were never attempted.
    pub waiting: u64,
    /// Those that wait, attempted before or not, and are due now.
    pub due: u64,
    /// Those that were attempted and wait.
    pub deferred: u64,
    /// Those that are claimed.
    pub sending: u64,
    /// Those in the dead letter.
    pub failed: u64,
    /// The earliest time at which one that waits is due.
    pub oldest_due: Option<Timestamp>,
}

/// The messages of a queue, a page of the host at a time. Made by [`Queue::list`].
#[derive(Debug)]
pub struct Listing<C> {
    options: ListOptions,
    part: Part,
    position: Position<C>,
    /// Everything up to this one is passed over.
    after: Option<Id>,
    page: vec::IntoIter<(Id, Meta)>,
    listed: u64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Part {
    Queued,
    DeadLetters,
    End,
}

/// What a cursor begins with that stands for a dead letter.
const DEAD_LETTER: &str = "failed:";

impl<H: Host, R, T: Timer> Queue<H, R, T> {
    /// Lists the messages of the storage, then those in the dead letter: every one that is there from
    /// the first call of [`Listing::next`] to the last; of those that come or go meanwhile, any. Records
    /// that cannot be read are left out.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a cursor that is none.
    pub fn list(&self, options: ListOptions) -> Result<Listing<H::Cursor>, H> {
        let mut part = if options.state == Some(MessageState::Failed) { Part::DeadLetters } else { Part::Queued };
        let mut after = None;
        if let Some(cursor) = &options.cursor {
            let id = cursor.strip_prefix(DEAD_LETTER).unwrap_or(cursor).parse::<Id>();
            let refused = || Invalid::new("options.cursor", "the cursor of a list", Got::Text(cursor.clone()));
            after = Some(id.map_err(|_| refused())?);
            if cursor.starts_with(DEAD_LETTER) {
                part = Part::DeadLetters;
            }
        }
        let mut listing =
            Listing { options, part, position: Position::Start, after, page: Vec::new().into_iter(), listed: 0 };
        if let (Some(storage), Some(id)) = (listing.storage(self), after)
            && let Some(cursor) = storage.host().cursor_after(id)
        {
            (listing.position, listing.after) = (Position::At(cursor), None);
        }
        Ok(listing)
    }

    /// Counts the messages of the whole storage, those of others included, by a look through it.
    ///
    /// # Errors
    /// [`Error::Host`], [`Error::Timeout`], [`Error::Closed`].
    pub async fn count(&self) -> Result<Counts, H> {
        let mut counts = Counts::default();
        let mut listing = self.list(ListOptions::default())?;
        while let Some(Listed { state, due, .. }) = listing.next(self).await? {
            let number = match state {
                MessageState::Waiting => &mut counts.waiting,
                MessageState::Deferred => &mut counts.deferred,
                MessageState::Sending => &mut counts.sending,
                MessageState::Failed => &mut counts.failed,
                MessageState::Delivered => continue,
            };
            *number = number.saturating_add(1);
            if matches!(state, MessageState::Waiting | MessageState::Deferred) {
                counts.due = counts.due.saturating_add(u64::from(due.as_millis() <= self.timer.wall()));
                counts.oldest_due = counts.oldest_due.filter(|oldest| *oldest <= due).or(Some(due));
            }
            if listing.listed.is_multiple_of(AT_ONCE as u64) {
                self.timer.yield_now().await;
            }
        }
        Ok(counts)
    }

    /// The state of a message of the storage; none if it is gone by now.
    async fn state_of(&self, id: Id, meta: &Meta) -> Result<Option<MessageState>, H> {
        if meta.claim(self.timer.wall()).is_some() {
            return Ok(Some(MessageState::Sending));
        }
        // Only the envelope says how many recipients there are.
        let could_be_all =
            meta.delivered.last().map(|last| *last as usize).is_some_and(|last| last < meta.delivered.len());
        if could_be_all && meta.untold.is_none() {
            match self.storage.get(&id).await {
                Ok(queued) if queued.indexes.is_empty() => return Ok(Some(MessageState::Delivered)),
                Err(Error::NoSuchMessage(_)) => return Ok(None),
                read => {
                    readable(read)?;
                }
            }
        }
        Ok(Some(if meta.attempts > 0 { MessageState::Deferred } else { MessageState::Waiting }))
    }
}

/// What a read came to; nothing if the message is gone by now, or cannot be read.
pub(super) fn readable<T, E>(read: std::result::Result<T, Error<E>>) -> std::result::Result<Option<T>, Error<E>> {
    match read {
        Ok(value) => Ok(Some(value)),
        Err(Error::NoSuchMessage(_) | Error::Corrupt(_) | Error::NewerFormat(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The last replies to the recipients of a message.
fn replies(meta: &Meta) -> Vec<Reply> {
    meta.replies.iter().map(|last| Reply::new(last.code, last.message.clone())).collect()
}

impl<C> Listing<C> {
    /// Text that goes on after a message that was yielded last, as [`ListOptions::cursor`]. If that one is
    /// gone by then, and the host has no [`Host::cursor_after`], the list begins anew.
    #[must_use]
    pub fn cursor<E>(last: &Listed<E>) -> String {
        let mark = if last.state == MessageState::Failed { DEAD_LETTER } else { "" };
        format!("{mark}{}", last.id)
    }

    /// The next message; `None` after the last one. A call that is given up takes no message with it.
    ///
    /// # Errors
    /// [`Error::Host`], [`Error::Timeout`], [`Error::Closed`]; the listing is at its end then.
    pub async fn next<H: Host<Cursor = C>, R, T: Timer>(
        &mut self,
        queue: &Queue<H, R, T>,
    ) -> Result<Option<Listed<H::Envelope>>, H> {
        let next = self.step(queue).await;
        if next.is_err() {
            self.part = Part::End;
        }
        next
    }

    async fn step<H: Host<Cursor = C>, R, T: Timer>(
        &mut self,
        queue: &Queue<H, R, T>,
    ) -> Result<Option<Listed<H::Envelope>>, H> {
        while self.options.limit.is_none_or(|limit| self.listed < limit) {
            let Some(storage) = self.storage(queue) else {
                if self.part == Part::End {
                    break;
                }
                self.part = Part::End;
                continue;
            };
            if let Some((id, meta)) = self.page.as_slice().first() {
                let listed = match self.after {
                    Some(after) => {
                        self.after = (*id != after).then_some(after);
                        None
                    }
                    None => self.look_up(queue, storage, *id, meta).await?,
                };
                self.page.next(); // not before it was looked up: this call may be given up meanwhile
                if listed.is_some() {
                    self.listed = self.listed.saturating_add(1);
                    return Ok(listed);
                }
            } else if !matches!(self.position, Position::End) {
                self.page = storage.load_records(&mut self.position).await?.into_iter();
            } else if self.after.take().is_some() {
                self.position = Position::Start; // that one is gone: nothing may be passed over
            } else {
                let all = self.part == Part::Queued && self.options.state.is_none();
                self.part = if all { Part::DeadLetters } else { Part::End };
                self.position = Position::Start;
            }
        }
        Ok(None)
    }

    fn storage<'q, H: Host<Cursor = C>, R, T>(&self, queue: &'q Queue<H, R, T>) -> Option<&'q DictStorage<H>> {
        match self.part {
            Part::Queued => Some(&queue.storage),
            Part::DeadLetters => queue.options.dead_letter.as_deref(),
            Part::End => None,
        }
    }

    /// A message of a page, if it is one that is asked for.
    async fn look_up<H: Host<Cursor = C>, R, T: Timer>(
        &self,
        queue: &Queue<H, R, T>,
        storage: &DictStorage<H>,
        id: Id,
        meta: &Meta,
    ) -> Result<Option<Listed<H::Envelope>>, H> {
        let is_dead = self.part == Part::DeadLetters;
        let state = if is_dead { Some(MessageState::Failed) } else { queue.state_of(id, meta).await? };
        let Some(state) = state.filter(|state| self.options.state.is_none_or(|asked| asked == *state)) else {
            return Ok(None);
        };
        let envelope = if self.options.envelopes { readable(storage.get(&id).await)? } else { None };
        Ok(Some(Listed {
            id,
            state,
            due: meta.timestamp.into(),
            attempts: meta.attempts,
            replies: replies(meta),
            envelope: envelope.map(|queued| queued.envelope),
        }))
    }
}
