//! Operations on one message follow each other.
//!
//! Each message with operations under way has a line. Changes that wait together are one group:
//! whoever of them is polled first when the turn comes leads, makes all of them in one commit, and
//! the others take their results.

use core::future::{Future, poll_fn};
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use std::sync::Arc;

use crate::error::Error;
use crate::id::Id;
use crate::sync::{Mutex, lock};

/// How far a call has come with the host, for the error of one that is cut short. By default nobody
/// watches it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Progress(Option<Arc<Mutex<Step>>>);

#[derive(Clone, Copy, Debug, Default)]
enum Step {
    #[default]
    Nothing,
    /// A batch went to the host, which has not answered or has made it.
    Handed(Id),
    /// A check of the last batch has failed.
    Refused(Id),
}

impl Progress {
    pub(crate) fn watched() -> Self {
        Self(Some(Arc::default()))
    }

    pub(crate) fn handed(&self, id: Id) {
        self.set(Step::Handed(id));
    }

    pub(crate) fn refused(&self, id: Id) {
        self.set(Step::Refused(id));
    }

    fn set(&self, step: Step) {
        if let Some(watched) = &self.0 {
            *lock(watched) = step;
        }
    }

    /// Whether a batch went to the host and may have been made.
    fn is_handed(&self) -> bool {
        self.0.as_deref().is_some_and(|step| matches!(*lock(step), Step::Handed(_)))
    }

    /// What is known of a call that ends here.
    pub(crate) fn interrupted<E>(&self) -> Error<E> {
        match self.0.as_deref().map(|step| *lock(step)) {
            Some(Step::Handed(id)) => Error::UnknownOutcome { id, source: None },
            Some(Step::Refused(id)) => Error::Conflict(id),
            Some(Step::Nothing) | None => Error::Timeout,
        }
    }
}

/// Over how many rows the lines are spread.
const ROWS: usize = 256;

/// The lines of all messages. `T` is a change, `R` its result.
#[derive(Debug)]
pub(crate) struct Turns<T, R> {
    /// Each message has one row, which it may share: its line is what is its own there, in order.
    rows: Mutex<Vec<Row<T, R>>>,
}

type Row<T, R> = Vec<(Id, Shared<T, R>)>;

type Shared<T, R> = Arc<Mutex<Group<T, R>>>;

#[derive(Debug)]
struct Group<T, R> {
    stage: Stage<R>,
    /// By member; `None` once the member has gone.
    tasks: Vec<Option<T>>,
    /// The members that went away while another one did the work.
    gone: Vec<usize>,
    /// Whether others may still join.
    open: bool,
    progress: Progress,
    wakers: Vec<Waker>,
}

#[derive(Debug)]
enum Stage<R> {
    Waiting,
    Running,
    Done(Vec<Option<R>>),
    Abandoned,
}

/// What a member of a line gets when its turn comes.
#[derive(Debug)]
pub(crate) enum Turn<'a, T, R> {
    /// It does the work of its group.
    Lead(Lead<'a, T, R>),
    /// Another member has done it.
    Done(R),
    /// Another member began it and went away.
    Abandoned,
}

impl<T, R> Turns<T, R> {
    pub(crate) fn new() -> Self {
        Self { rows: Mutex::new(Vec::new()) }
    }

    /// Joins the line of a message: with a change, in the group that waits last if there is one; to
    /// do something alone without.
    pub(crate) fn enter(&self, id: Id, task: Option<T>) -> Member<'_, T, R> {
        let mut rows = lock(&self.rows);
        if rows.is_empty() {
            rows.resize_with(ROWS, Vec::new);
        }
        let mut row = rows.get_mut(id.spread(ROWS));
        let shared = task.is_some();
        let last = row.as_ref().and_then(|row| row.iter().rfind(|(other, _)| *other == id));
        if shared && let Some((_, last)) = last {
            let mut group = lock(last);
            if group.open {
                group.tasks.push(task);
                let index = group.tasks.len().saturating_sub(1);
                let progress = group.progress.clone();
                drop(group);
                return Member { turns: self, id, group: last.clone(), index, progress, left: false };
            }
        }
        let progress = Progress::watched();
        let group = Arc::new(Mutex::new(Group {
            stage: Stage::Waiting,
            tasks: vec![task],
            gone: Vec::new(),
            open: shared,
            progress: progress.clone(),
            wakers: Vec::new(),
        }));
        if let Some(row) = &mut row {
            row.push((id, group.clone()));
        }
        Member { turns: self, id, group, index: 0, progress, left: false }
    }

    /// Ends when every operation that is in the line of this message now, or in any line, has ended.
    pub(crate) fn settled(&self, id: Option<Id>) -> Settled<T, R> {
        let rows = lock(&self.rows);
        let all = rows.iter().flatten().filter(|(other, _)| id.is_none_or(|id| *other == id));
        Settled(all.map(|(_, group)| group.clone()).collect())
    }

    /// Takes a group out of its line and wakes those that wait for that.
    fn leave(&self, id: Id, gone: &Shared<T, R>, stage: Stage<R>) {
        let mut wakers = Vec::new();
        {
            let mut rows = lock(&self.rows);
            {
                let mut group = lock(gone);
                group.stage = stage;
                group.open = false;
                wakers.append(&mut group.wakers);
            }
            if let Some(row) = rows.get_mut(id.spread(ROWS)) {
                row.retain(|(_, group)| !Arc::ptr_eq(group, gone));
                if let Some((_, next)) = row.iter().find(|(other, _)| *other == id) {
                    wakers.append(&mut lock(next).wakers);
                }
            }
        }
        for waker in wakers {
            waker.wake();
        }
    }
}

/// A place in a line; a future of the [`Turn`]. Dropping it gives the place up.
#[derive(Debug)]
pub(crate) struct Member<'a, T, R> {
    turns: &'a Turns<T, R>,
    id: Id,
    group: Shared<T, R>,
    index: usize,
    /// Of the group, so of whoever leads it.
    pub(crate) progress: Progress,
    left: bool,
}

impl<'a, T, R> Future for Member<'a, T, R> {
    type Output = Turn<'a, T, R>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let rows = lock(&this.turns.rows);
        let first = rows.get(this.id.spread(ROWS)).and_then(|row| row.iter().find(|(other, _)| *other == this.id));
        let is_first = first.is_some_and(|(_, first)| Arc::ptr_eq(first, &this.group));
        let mut group = lock(&this.group);
        let turn = match &mut group.stage {
            Stage::Done(results) => match results.get_mut(this.index).and_then(Option::take) {
                Some(result) => Turn::Done(result),
                None => Turn::Abandoned,
            },
            Stage::Abandoned => Turn::Abandoned,
            Stage::Waiting if is_first => {
                group.stage = Stage::Running;
                group.open = false;
                let tasks = core::mem::take(&mut group.tasks);
                Turn::Lead(Lead {
                    turns: this.turns,
                    id: this.id,
                    group: Some(this.group.clone()),
                    tasks,
                    index: this.index,
                })
            }
            Stage::Waiting | Stage::Running => {
                if !group.wakers.iter().any(|waker| waker.will_wake(cx.waker())) {
                    group.wakers.push(cx.waker().clone());
                }
                return Poll::Pending;
            }
        };
        drop(group);
        drop(rows);
        this.left = true;
        Poll::Ready(turn)
    }
}

impl<T, R> Drop for Member<'_, T, R> {
    fn drop(&mut self) {
        if self.left {
            return;
        }
        let mut group = lock(&self.group);
        match group.stage {
            Stage::Waiting => {}
            Stage::Running => return group.gone.push(self.index),
            Stage::Done(_) | Stage::Abandoned => return,
        }
        if let Some(task) = group.tasks.get_mut(self.index) {
            *task = None;
        }
        let empty = group.tasks.iter().all(Option::is_none);
        if empty {
            group.open = false; // whoever comes now would join a group that nobody leads
        }
        // Whoever was woken for the turn may be the one that goes.
        let wakers = if empty { Vec::new() } else { core::mem::take(&mut group.wakers) };
        drop(group);
        if empty {
            self.turns.leave(self.id, &self.group, Stage::Abandoned);
        }
        for waker in wakers {
            waker.wake();
        }
    }
}

/// The work of one group. Dropped before [`Lead::finish`], it leaves the work to another member,
/// unless a batch went to the host: then nobody knows what came of it.
#[derive(Debug)]
pub(crate) struct Lead<'a, T, R> {
    turns: &'a Turns<T, R>,
    id: Id,
    group: Option<Shared<T, R>>,
    /// The changes of the group, by member; `None` of those that went away.
    pub(crate) tasks: Vec<Option<T>>,
    index: usize,
}

impl<T, R> Lead<'_, T, R> {
    /// Gives every member its result, by the position of its task, and returns the leader's own.
    pub(crate) fn finish(mut self, mut results: Vec<Option<R>>) -> Option<R> {
        let own = results.get_mut(self.index).and_then(Option::take);
        if let Some(group) = self.group.take() {
            self.turns.leave(self.id, &group, Stage::Done(results));
        }
        own
    }
}

impl<T, R> Drop for Lead<'_, T, R> {
    fn drop(&mut self) {
        let Some(shared) = self.group.take() else { return };
        let mut group = lock(&shared);
        let mut gone = core::mem::take(&mut group.gone);
        gone.push(self.index);
        for index in gone {
            if let Some(task) = self.tasks.get_mut(index) {
                *task = None;
            }
        }
        if group.progress.is_handed() || self.tasks.iter().all(Option::is_none) {
            drop(group);
            return self.turns.leave(self.id, &shared, Stage::Abandoned);
        }
        group.tasks = core::mem::take(&mut self.tasks);
        group.stage = Stage::Waiting;
        let wakers = core::mem::take(&mut group.wakers);
        drop(group);
        for waker in wakers {
            waker.wake();
        }
    }
}

/// Ends when the groups have ended.
#[derive(Debug)]
pub(crate) struct Settled<T, R>(Vec<Shared<T, R>>);

impl<T, R> Default for Settled<T, R> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T, R> Future for Settled<T, R> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        while let Some(last) = self.0.last() {
            let mut group = lock(last);
            if matches!(group.stage, Stage::Waiting | Stage::Running) {
                group.wakers.push(cx.waker().clone());
                return Poll::Pending;
            }
            drop(group);
            self.0.pop();
        }
        Poll::Ready(())
    }
}

/// How many calls are under way.
#[derive(Debug, Default)]
pub(crate) struct Calls(Arc<Mutex<Counter>>);

#[derive(Debug, Default)]
struct Counter {
    calls: usize,
    wakers: Vec<Waker>,
}

/// A call that is under way, until it is dropped.
#[derive(Debug)]
pub(crate) struct UnderWay(Arc<Mutex<Counter>>);

impl Calls {
    pub(crate) fn begin(&self) -> UnderWay {
        let mut counter = lock(&self.0);
        counter.calls = counter.calls.saturating_add(1);
        UnderWay(self.0.clone())
    }

    /// Ends when no call is under way.
    pub(crate) async fn ended(&self) {
        poll_fn(|cx| {
            let mut counter = lock(&self.0);
            if counter.calls == 0 {
                return Poll::Ready(());
            }
            counter.wakers.push(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let wakers = {
            let mut counter = lock(&self.0);
            counter.calls = counter.calls.saturating_sub(1);
            if counter.calls > 0 {
                return;
            }
            core::mem::take(&mut counter.wakers)
        };
        for waker in wakers {
            waker.wake();
        }
    }
}
