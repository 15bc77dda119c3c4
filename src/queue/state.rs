//! What changes while a queue works, and how others hear of it.

use std::pin::pin;

use tokio::sync::Notify;

use super::owners::Owners;
use super::scheduler::Scheduler;
use super::timer::Timer;
use crate::host::Alone;
use crate::sync::{Mutex, MutexGuard, lock};

/// The state of a queue, as its parts share it. Nothing foreign is called while it is locked.
pub(super) struct Shared {
    state: Mutex<State>,
    /// Hears of every change of the state.
    pub(super) changed: Notify,
    /// Lets attempts at the relay look whether their claim is to be renewed, or their time is over.
    pub(super) at_relay: Notify,
}

/// What changes while a queue works.
pub(super) struct State {
    pub(super) scheduler: Scheduler,
    pub(super) owners: Owners,
    pub(super) paused: bool,
    /// How often the queue was stopped so far.
    pub(super) stops: u64,
    /// Attempts of workers that began before this stop are out of time.
    pub(super) aborted: u64,
    /// Who makes attempts now, each as the number of stops before it began. One that began before the
    /// last stop begins no more attempts.
    pub(super) workers: Vec<u64>,
    /// How many of them let everything else have its turn.
    pub(super) yielding: usize,
    /// How many turns of everything else have ended.
    pub(super) turns: u64,
    /// As long as this queue is the only one that attempts what nobody can claim.
    pub(super) alone: Option<Alone>,
    /// Whether it does.
    pub(super) attempts_unclaimed: bool,
    /// How many attempts wait for the relay.
    pub(super) relaying: usize,
    /// When their claims are looked at next, on the clock of the schedule: leases end while a machine sleeps.
    pub(super) renewal_at: f64,
}

impl Shared {
    pub(super) fn new(scheduler: Scheduler) -> Self {
        let state = State {
            scheduler,
            owners: Owners::default(),
            paused: false,
            stops: 0,
            aborted: 0,
            workers: Vec::new(),
            yielding: 0,
            turns: 0,
            alone: None,
            attempts_unclaimed: false,
            relaying: 0,
            renewal_at: 0.0,
        };
        Self { state: Mutex::new(state), changed: Notify::new(), at_relay: Notify::new() }
    }

    /// The state, for what nobody has to hear of.
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Changes the state, and tells those who wait for a change.
    pub(super) fn update<V>(&self, change: impl FnOnce(&mut State) -> V) -> V {
        let value = {
            let state = &mut *self.lock();
            let value = change(state);
            state.scheduler.open(state.workers.contains(&state.stops) && !state.paused);
            value
        };
        self.changed.notify_waiters();
        value
    }

    /// The same, after a look at the clocks.
    pub(super) fn update_now<V>(&self, timer: &impl Timer, change: impl FnOnce(&mut State) -> V) -> V {
        let (wall, steady) = (timer.wall(), timer.steady());
        self.update(|state| {
            state.scheduler.tick(wall, steady);
            change(state)
        })
    }

    /// The state after a look at the clocks.
    pub(super) fn lock_now(&self, timer: &impl Timer) -> MutexGuard<'_, State> {
        let (wall, steady) = (timer.wall(), timer.steady());
        let mut state = self.lock();
        state.scheduler.tick(wall, steady);
        state
    }

    /// Waits until something holds.
    pub(super) async fn until(&self, holds: impl Fn(&State) -> bool) {
        loop {
            let mut changed = pin!(self.changed.notified());
            changed.as_mut().enable(); // before the look, or the change could come in between
            if holds(&self.lock()) {
                return;
            }
            changed.await;
        }
    }
}
