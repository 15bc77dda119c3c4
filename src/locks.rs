//! Operations on one message follow each other, in the order in which they were begun.
//!
//! Each message with operations under way has a lock. Changes that wait for it one behind the other
//! are a write group: the first of them to get the lock leads, makes the changes of the whole group
//! in one commit, and the followers take their results when the lock comes to them.

use std::collections::HashMap;
use std::mem::take;
use std::sync::Arc;

use tokio::sync::{Mutex as FairMutex, OwnedMutexGuard};

use crate::error::Error;
use crate::id::Id;
use crate::sync::{Mutex, lock};

/// How far a call has come with the host, for the error of one that is cut short.
#[derive(Debug, Default)]
pub(crate) struct Progress(Mutex<Step>);

#[derive(Clone, Copy, Debug, Default)]
enum Step {
    #[default]
    Nothing,
    /// A batch went to the host, which has not answered or has made it.
    InFlight(Id),
    /// A check of the last batch has failed.
    Rejected(Id),
}

impl Progress {
    pub(crate) fn in_flight(&self, id: Id) {
        *lock(&self.0) = Step::InFlight(id);
    }

    pub(crate) fn rejected(&self, id: Id) {
        *lock(&self.0) = Step::Rejected(id);
    }

    fn is_in_flight(&self) -> bool {
        matches!(*lock(&self.0), Step::InFlight(_))
    }

    /// What is known of a call that ends here.
    pub(crate) fn interrupted<E>(&self) -> Error<E> {
        match *lock(&self.0) {
            Step::InFlight(id) => Error::UnknownOutcome { id, source: None },
            Step::Rejected(id) => Error::Conflict(id),
            Step::Nothing => Error::Timeout,
        }
    }
}

/// The locks of all messages. `C` is a change, `R` its result.
#[derive(Debug)]
pub(crate) struct Locks<C, R>(Mutex<HashMap<Id, Line<C, R>>>);

#[derive(Debug)]
struct Line<C, R> {
    lock: Arc<FairMutex<()>>,
    /// The group that a change may still join: nothing stands behind it.
    open: Option<Arc<Group<C, R>>>,
    /// How many stand in this line.
    places: usize,
}

#[derive(Debug)]
struct Group<C, R> {
    progress: Arc<Progress>,
    writers: Mutex<Vec<(C, Receiver<R>)>>,
}

/// Where a writer of a group finds its result. Its writer has gone when nobody else holds it.
type Receiver<R> = Arc<Mutex<Outcome<R>>>;

#[derive(Debug)]
enum Outcome<R> {
    Pending,
    Done(R),
    /// The leader went away when a batch was in flight.
    Abandoned,
}

impl<C, R> Default for Locks<C, R> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<C, R> Locks<C, R> {
    fn stand(&self, id: Id, join: impl FnOnce(&mut Line<C, R>)) -> Place<'_, C, R> {
        let mut lines = lock(&self.0);
        let line = lines.entry(id).or_insert_with(|| Line { lock: Arc::default(), open: None, places: 0 });
        line.places = line.places.saturating_add(1);
        join(line);
        Place { locks: self, id, lock: Arc::clone(&line.lock), guard: None }
    }

    /// Waits for the lock of a message, to do something alone. It is free again when the place is dropped.
    pub(crate) async fn enter(&self, id: Id) -> Place<'_, C, R> {
        let mut place = self.stand(id, |line| line.open = None);
        place.wait().await;
        place
    }

    /// Joins the group that waits last for the lock of a message, or begins one.
    pub(crate) fn join(&self, id: Id, change: C) -> Writer<'_, C, R> {
        let receiver = Arc::new(Mutex::new(Outcome::Pending));
        let mut joined = None;
        let place = self.stand(id, |line| {
            let group = line
                .open
                .get_or_insert_with(|| Arc::new(Group { progress: Arc::default(), writers: Mutex::default() }));
            lock(&group.writers).push((change, Arc::clone(&receiver)));
            joined = Some(Arc::clone(group));
        });
        Writer { place, group: joined, receiver }
    }

    /// Ends when every operation that stands in the line of this message now has ended.
    pub(crate) async fn idle(&self, id: Id) {
        let last = lock(&self.0).get(&id).map(|line| Arc::clone(&line.lock));
        if let Some(last) = last {
            drop(last.lock().await);
        }
    }

    /// Ends when every operation that stands in any line now has ended.
    pub(crate) async fn all_idle(&self) {
        let all: Vec<_> = lock(&self.0).values().map(|line| Arc::clone(&line.lock)).collect();
        for lock in all {
            drop(lock.lock().await);
        }
    }
}

/// A place in the line of a message. Dropping it gives the lock to the next one.
#[derive(Debug)]
pub(crate) struct Place<'a, C, R> {
    locks: &'a Locks<C, R>,
    id: Id,
    lock: Arc<FairMutex<()>>,
    guard: Option<OwnedMutexGuard<()>>,
}

impl<C, R> Place<'_, C, R> {
    async fn wait(&mut self) {
        self.guard = Some(Arc::clone(&self.lock).lock_owned().await);
    }

    /// Lets nobody join the group any more: it is being worked on.
    fn close(&self, group: &Arc<Group<C, R>>) {
        if let Some(line) = lock(&self.locks.0).get_mut(&self.id)
            && line.open.as_ref().is_some_and(|open| Arc::ptr_eq(open, group))
        {
            line.open = None;
        }
    }
}

impl<C, R> Drop for Place<'_, C, R> {
    fn drop(&mut self) {
        self.guard = None;
        let mut lines = lock(&self.locks.0);
        if let Some(line) = lines.get_mut(&self.id) {
            line.places = line.places.saturating_sub(1);
            if line.places == 0 {
                lines.remove(&self.id);
            }
        }
    }
}

/// A change in a group that waits for the lock.
#[derive(Debug)]
pub(crate) struct Writer<'a, C, R> {
    place: Place<'a, C, R>,
    group: Option<Arc<Group<C, R>>>,
    receiver: Receiver<R>,
}

/// What a writer of a group is when the lock comes to it.
#[derive(Debug)]
pub(crate) enum Role<'a, C, R> {
    /// It makes the changes of its group.
    Leader(Leader<'a, C, R>),
    /// Another writer has made its change.
    Follower(R),
    /// Another writer began to and went away.
    Abandoned,
}

impl<'a, C, R> Writer<'a, C, R> {
    /// Of the group, so of whoever leads it.
    pub(crate) fn progress(&self) -> Arc<Progress> {
        self.group.as_ref().map(|group| Arc::clone(&group.progress)).unwrap_or_default()
    }

    /// Waits for the lock.
    pub(crate) async fn role(mut self) -> Role<'a, C, R> {
        self.place.wait().await;
        match std::mem::replace(&mut *lock(&self.receiver), Outcome::Pending) {
            Outcome::Done(result) => return Role::Follower(result),
            Outcome::Abandoned => return Role::Abandoned,
            Outcome::Pending => {}
        }
        let Some(group) = self.group.take() else { return Role::Abandoned };
        self.place.close(&group);
        let mut writers = take(&mut *lock(&group.writers));
        // Who is gone wants nothing any more.
        writers.retain(|(_, receiver)| Arc::strong_count(receiver) > 1);
        let (changes, receivers) = writers.into_iter().unzip();
        Role::Leader(Leader { group, changes, receivers, own: self.receiver, _place: self.place })
    }
}

/// Makes the changes of its group. Dropped before [`Leader::finish`], it leaves them to another
/// writer, unless a batch is in flight: then nobody knows what came of it.
#[derive(Debug)]
pub(crate) struct Leader<'a, C, R> {
    group: Arc<Group<C, R>>,
    /// The changes of the group, in the order in which they were asked for.
    pub(crate) changes: Vec<C>,
    receivers: Vec<Receiver<R>>,
    own: Receiver<R>,
    _place: Place<'a, C, R>,
}

impl<C, R> Leader<'_, C, R> {
    /// Gives every writer its result, in the order of the changes, and returns the leader's own.
    pub(crate) fn finish(mut self, results: impl IntoIterator<Item = R>) -> Option<R> {
        for (receiver, result) in take(&mut self.receivers).into_iter().zip(results) {
            *lock(&receiver) = Outcome::Done(result);
        }
        match std::mem::replace(&mut *lock(&self.own), Outcome::Abandoned) {
            Outcome::Done(result) => Some(result),
            Outcome::Pending | Outcome::Abandoned => None,
        }
    }
}

impl<C, R> Drop for Leader<'_, C, R> {
    fn drop(&mut self) {
        let receivers = take(&mut self.receivers);
        if self.group.progress.is_in_flight() {
            receivers.iter().for_each(|receiver| *lock(receiver) = Outcome::Abandoned);
        } else {
            lock(&self.group.writers).extend(take(&mut self.changes).into_iter().zip(receivers));
        }
    }
}
