//! Who may begin at which destination: so many attempts at once, and so many in a second.
//!
//! Visits wait in the order in which they came, at each of their destinations. One to several destinations
//! begins when it is the first at each of them and each has room. While it is not, those to one destination
//! alone overtake it: a destination that is slow keeps no room of another one.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::Notify;

use super::host_name::domain;
use crate::id::Id;

/// The destination of an address unless somebody says otherwise: its domain, or all of what has none.
pub(super) fn usual_destination(address: &str) -> String {
    let domain = domain(address);
    if domain.is_empty() { address } else { domain }.to_ascii_lowercase()
}

/// A delivery at its destinations, from when it waits for them to its end.
#[derive(Debug)]
pub(super) struct Visit {
    pub(super) id: Id,
    /// The number of its attempt.
    pub(super) number: u64,
    /// The destinations, each once.
    names: Vec<Arc<str>>,
    /// Whether it waits no longer because the storage fails.
    pub(super) is_listed: bool,
    /// Hears that it waits no more.
    pub(super) waits_no_more: Notify,
}

/// The limits of a queue and what they are about. It knows no clock: whoever asks tells the time, in
/// milliseconds.
#[derive(Debug)]
pub(super) struct Destinations {
    pool: usize,
    /// Between the beginnings of two attempts at a destination.
    interval: f64,
    /// Those in use.
    destinations: HashMap<Arc<str>, Destination>,
    /// Where somebody may begin, as far as is known.
    open: Vec<Arc<str>>,
    /// Where somebody may begin after a time,
    resting: Vec<Arc<str>>,
    /// the first of which ends then.
    rests_until: f64,
}

#[derive(Debug)]
struct Destination {
    under_way: usize,
    /// When the next attempt may begin.
    free_at: f64,
    /// Those who wait.
    line: Vec<Arc<Visit>>,
    /// The number of whoever came last.
    last: u64,
    /// Whether it is one of those that are open or resting.
    is_noted: bool,
}

/// Who begins at a destination.
enum Next {
    Begins(Arc<Visit>),
    /// Nobody before this time.
    After(f64),
    /// Nobody who is not listed.
    NotYet,
    /// Nobody before somebody ends or comes.
    Nobody,
    /// Nobody, and nobody is there.
    Unused,
}

impl Destinations {
    /// At most `pool` attempts are under way at a destination, and `per_second` begin in a second; any
    /// number where that is no positive number.
    pub(super) fn new(pool: Option<usize>, per_second: Option<f64>) -> Self {
        let per_second = per_second.filter(|per_second| *per_second > 0.0).unwrap_or(f64::INFINITY);
        Self {
            pool: pool.unwrap_or(usize::MAX).max(1),
            interval: (1_000.0 / per_second).min(f64::MAX),
            destinations: HashMap::new(),
            open: Vec::new(),
            resting: Vec::new(),
            rests_until: f64::INFINITY,
        }
    }

    /// Whether there is any limit.
    pub(super) fn is_limited(&self) -> bool {
        self.pool < usize::MAX || self.interval > 0.0
    }

    /// A delivery waits until [`Destinations::next`] says that it begins. A destination that is named again
    /// counts once.
    pub(super) fn wait(&mut self, id: Id, number: u64, is_listed: bool, mut names: Vec<Arc<str>>) -> Arc<Visit> {
        names.retain(|name| {
            let destination = self.destinations.entry(Arc::clone(name)).or_insert_with(|| Destination {
                under_way: 0,
                free_at: f64::NEG_INFINITY,
                line: Vec::new(),
                last: 0,
                is_noted: false,
            });
            std::mem::replace(&mut destination.last, number) != number
        });
        let visit = Arc::new(Visit { id, number, names, is_listed, waits_no_more: Notify::new() });
        for name in &visit.names {
            if let Some(destination) = self.destinations.get_mut(name) {
                destination.line.push(Arc::clone(&visit));
            }
        }
        self.note(&visit);
        visit
    }

    /// Whoever waits begins now, whatever the limits are.
    pub(super) fn begin(&mut self, visit: &Visit, now: f64) {
        for name in &visit.names {
            if let Some(destination) = self.destinations.get_mut(name) {
                destination.step_out(visit);
                destination.under_way = destination.under_way.saturating_add(1);
                destination.free_at = destination.free_at.max(now) + self.interval;
            }
        }
        self.note(visit);
        visit.waits_no_more.notify_one();
    }

    /// Whoever waits does so no more.
    pub(super) fn give_up(&mut self, visit: &Visit) {
        for name in &visit.names {
            if let Some(destination) = self.destinations.get_mut(name) {
                destination.step_out(visit);
            }
        }
        self.end_rest();
        self.note(visit);
        visit.waits_no_more.notify_one();
    }

    /// Whoever has begun has ended. If nothing was attempted, that took no place in the second.
    pub(super) fn leave(&mut self, visit: &Visit, attempted: bool) {
        for name in &visit.names {
            if let Some(destination) = self.destinations.get_mut(name) {
                destination.under_way = destination.under_way.saturating_sub(1);
                if !attempted {
                    destination.free_at -= self.interval;
                }
            }
        }
        if !attempted {
            self.end_rest();
        }
        self.note(visit);
    }

    /// Lets the next one begin, of those that are listed alone if `only_listed` says so.
    pub(super) fn next(&mut self, now: f64, only_listed: bool) -> Option<Arc<Visit>> {
        if self.rests_until <= now {
            self.end_rest();
        }
        let mut place = 0_usize;
        while let Some(name) = self.open.get(place) {
            match self.ask(name, now, only_listed) {
                Next::Begins(visit) => {
                    let name = self.open.remove(place); // others have their turn before
                    self.open.push(name);
                    self.begin(&visit, now);
                    return Some(visit);
                }
                Next::NotYet => place = place.saturating_add(1),
                Next::After(time) => {
                    let name = self.open.swap_remove(place);
                    self.rests_until = self.rests_until.min(time);
                    self.resting.push(name);
                }
                Next::Nobody => {
                    let name = self.open.swap_remove(place);
                    if let Some(destination) = self.destinations.get_mut(&name) {
                        destination.is_noted = false;
                    }
                }
                Next::Unused => {
                    let name = self.open.swap_remove(place);
                    self.destinations.remove(&name);
                }
            }
        }
        None
    }

    /// When somebody may begin, if nobody ends or comes before; at once where [`Destinations::next`] has
    /// not looked yet.
    pub(super) fn next_at(&self) -> f64 {
        if self.open.is_empty() { self.rests_until } else { f64::NEG_INFINITY }
    }

    fn ask(&self, name: &str, now: f64, only_listed: bool) -> Next {
        let Some(destination) = self.destinations.get(name) else { return Next::Unused };
        let Some(visit) = destination.line.iter().find(|visit| self.is_next(visit)) else {
            return if destination.under_way > 0 || !destination.line.is_empty() {
                Next::Nobody
            } else if destination.free_at > now {
                Next::After(destination.free_at) // it is remembered until then
            } else {
                Next::Unused
            };
        };
        let mut free_at = now;
        for at in visit.names.iter().filter_map(|name| self.destinations.get(name)) {
            if at.under_way >= self.pool {
                return Next::Nobody; // it is asked again when that has room
            }
            free_at = free_at.max(at.free_at);
        }
        if free_at > now {
            Next::After(free_at)
        } else if only_listed && !visit.is_listed {
            Next::NotYet
        } else {
            Next::Begins(Arc::clone(visit))
        }
    }

    /// Whether nobody is before this one, or only those whom it may overtake, at the destination where it
    /// was found.
    fn is_next(&self, visit: &Visit) -> bool {
        let is_first = |name: &Arc<str>| {
            self.destinations.get(name).and_then(|at| at.line.first()).is_some_and(|first| first.number == visit.number)
        };
        visit.names.len() == 1 || visit.names.iter().all(is_first)
    }

    /// Somebody may begin where this one is or was.
    fn note(&mut self, visit: &Visit) {
        for name in &visit.names {
            if let Some(destination) = self.destinations.get_mut(name)
                && !std::mem::replace(&mut destination.is_noted, true)
            {
                self.open.push(Arc::clone(name));
            }
        }
    }

    fn end_rest(&mut self) {
        self.rests_until = f64::INFINITY;
        self.open.append(&mut self.resting);
    }
}

impl Destination {
    fn step_out(&mut self, visit: &Visit) {
        if let Some(place) = self.line.iter().position(|other| other.number == visit.number) {
            self.line.remove(place);
        }
    }
}
