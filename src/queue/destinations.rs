//! Who may begin at which destination: so many attempts at once, and so many in a second.
//!
//! Visits wait in the order in which they came, at each of their destinations. One to several destinations
//! begins when it is the first at each of them and each has room. While it is not the first, those to one
//! destination alone overtake it; once it is, they wait for it, so that it begins some day.

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
    /// Where somebody may begin now or after a time, as far as is known;
    open: Vec<Arc<str>>,
    /// not before that.
    opens_at: f64,
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
    /// Whether it is one of those that are open.
    is_open: bool,
}

/// Who begins at a destination.
enum Next {
    Begins(Arc<Visit>),
    /// Nobody before this time.
    After(f64),
    /// Nobody before somebody ends or comes.
    Nobody,
    /// Nobody, and nobody is there.
    Unused,
}

/// Where a visit stands that waits for its destinations.
#[derive(Clone, Copy, PartialEq)]
enum Standing {
    /// Somebody is before it.
    Behind,
    First,
    /// It is the first, and has to wait.
    Held,
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
            opens_at: f64::INFINITY,
        }
    }

    /// Whether there is any limit.
    pub(super) fn is_limited(&self) -> bool {
        self.pool < usize::MAX || self.interval > 0.0
    }

    /// A delivery waits until [`Destinations::next`] says that it begins. A destination that is named again
    /// counts once.
    pub(super) fn wait(&mut self, id: Id, number: u64, is_listed: bool, named: Vec<Arc<str>>) -> Arc<Visit> {
        let mut names = Vec::new();
        for name in named {
            let destination = self.destinations.entry(Arc::clone(&name)).or_insert_with(Destination::new);
            if std::mem::replace(&mut destination.last, number) != number {
                names.push(name);
            }
        }
        let visit = Arc::new(Visit { id, number, names, is_listed, waits_no_more: Notify::new() });
        self.each(&visit, |destination| destination.line.push(Arc::clone(&visit)));
        visit
    }

    /// Whoever waits begins now, whatever the limits are.
    pub(super) fn begin(&mut self, visit: &Visit, now: f64) {
        let interval = self.interval;
        self.each(visit, |destination| {
            destination.step_out(visit);
            destination.under_way = destination.under_way.saturating_add(1);
            destination.free_at = destination.free_at.max(now) + interval;
        });
        visit.waits_no_more.notify_one();
    }

    /// Whoever waits does so no more.
    pub(super) fn give_up(&mut self, visit: &Visit) {
        self.each(visit, |destination| destination.step_out(visit));
        visit.waits_no_more.notify_one();
    }

    /// Whoever has begun has ended. If nothing was attempted, that took no place in the second.
    pub(super) fn leave(&mut self, visit: &Visit, attempted: bool) {
        let refunded = if attempted { 0.0 } else { self.interval };
        self.each(visit, |destination| {
            destination.under_way = destination.under_way.saturating_sub(1);
            destination.free_at -= refunded;
        });
    }

    /// Lets the next one begin, of those that are listed alone if `only_listed` says so.
    pub(super) fn next(&mut self, now: f64, only_listed: bool) -> Option<Arc<Visit>> {
        if now < self.opens_at {
            return None;
        }
        self.opens_at = f64::INFINITY;
        let mut standings = HashMap::new();
        let mut place = 0_usize;
        while let Some(name) = self.open.get(place) {
            match self.next_at(name, now, only_listed, &mut standings) {
                Next::Begins(visit) => {
                    let name = self.open.remove(place); // others have their turn before
                    self.open.push(name);
                    self.begin(&visit, now);
                    return Some(visit);
                }
                Next::After(time) => {
                    self.opens_at = self.opens_at.min(time);
                    place = place.saturating_add(1);
                }
                Next::Nobody => {
                    let name = self.open.swap_remove(place);
                    if let Some(destination) = self.destinations.get_mut(&name) {
                        destination.is_open = false;
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

    /// When somebody may begin, if nobody ends or comes before.
    pub(super) fn opens_at(&self) -> f64 {
        self.opens_at
    }

    /// Who begins at this destination.
    fn next_at(&self, name: &str, now: f64, only_listed: bool, standings: &mut HashMap<u64, Standing>) -> Next {
        let Some(destination) = self.destinations.get(name) else { return Next::Unused };
        let Some(visit) = destination.line.iter().find(|visit| self.standing(visit, standings) != Standing::Behind)
        else {
            return if destination.under_way > 0 || !destination.line.is_empty() {
                Next::Nobody
            } else if destination.free_at > now {
                Next::After(destination.free_at) // it is remembered until then
            } else {
                Next::Unused
            };
        };
        if self.standing(visit, standings) == Standing::Held {
            return Next::Nobody; // where it was found first, it is looked at again
        }
        let next = self.time_of(visit, now, only_listed);
        if visit.names.len() > 1 {
            standings.insert(visit.number, Standing::Held);
        }
        next
    }

    /// When one begins before whom nobody is.
    fn time_of(&self, visit: &Arc<Visit>, now: f64, only_listed: bool) -> Next {
        let mut free_at = now;
        for at in visit.names.iter().filter_map(|name| self.destinations.get(name)) {
            if at.under_way >= self.pool {
                return Next::Nobody; // it is looked at again when that has room
            }
            free_at = free_at.max(at.free_at);
        }
        if free_at > now {
            Next::After(free_at)
        } else if only_listed && !visit.is_listed {
            Next::After(now)
        } else {
            Next::Begins(Arc::clone(visit))
        }
    }

    /// Whether somebody is before this one whom it may not overtake, at the destination where it was found.
    fn standing(&self, visit: &Visit, standings: &mut HashMap<u64, Standing>) -> Standing {
        if visit.names.len() == 1 {
            return Standing::First;
        }
        *standings.entry(visit.number).or_insert_with(|| {
            let is_first = |name: &Arc<str>| {
                let first = self.destinations.get(name).and_then(|at| at.line.first());
                first.is_some_and(|first| first.number == visit.number)
            };
            if visit.names.iter().all(is_first) { Standing::First } else { Standing::Behind }
        })
    }

    /// Changes where one is or was: somebody may begin there.
    fn each(&mut self, visit: &Visit, mut change: impl FnMut(&mut Destination)) {
        for name in &visit.names {
            let Some(destination) = self.destinations.get_mut(name) else { continue };
            change(destination);
            if !std::mem::replace(&mut destination.is_open, true) {
                self.open.push(Arc::clone(name));
            }
        }
        self.opens_at = f64::NEG_INFINITY;
    }
}

impl Destination {
    fn new() -> Self {
        Self { under_way: 0, free_at: f64::NEG_INFINITY, line: Vec::new(), last: 0, is_open: false }
    }

    fn step_out(&mut self, visit: &Visit) {
        if let Some(place) = self.line.iter().position(|other| other.number == visit.number) {
            self.line.remove(place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(destinations: &mut Destinations, number: u64, names: &[&str]) -> Arc<Visit> {
        let names = names.iter().map(|name| Arc::from(*name)).collect();
        destinations.wait(Id::from_u128(number.into()), number, false, names)
    }

    fn begun(destinations: &mut Destinations, now: f64) -> Vec<u64> {
        std::iter::from_fn(|| destinations.next(now, false)).map(|visit| visit.number).collect()
    }

    #[test]
    fn a_destination_that_nobody_uses_is_forgotten_once_its_second_is_over() {
        let mut destinations = Destinations::new(Some(1), Some(1.0));
        for number in 1..=1_000 {
            let visit = wait(&mut destinations, number, &[&format!("{number}.example")]);
            assert_eq!(begun(&mut destinations, number as f64), [number]);
            destinations.leave(&visit, true);
        }
        assert_eq!(begun(&mut destinations, 1_500.0), [0; 0]);
        assert_eq!((destinations.destinations.len(), destinations.opens_at()), (500, 1_501.0));
        assert_eq!(begun(&mut destinations, 2_000.0), [0; 0]);
        assert_eq!((destinations.destinations.len(), destinations.opens_at()), (0, f64::INFINITY));
    }

    #[test]
    fn what_was_not_attempted_takes_no_place_in_the_second() {
        let mut destinations = Destinations::new(None, Some(1.0));
        let first = wait(&mut destinations, 1, &["one"]);
        wait(&mut destinations, 2, &["one", "one"]);
        let third = wait(&mut destinations, 3, &["one"]);
        assert_eq!((begun(&mut destinations, 5.0), destinations.opens_at()), (vec![1], 1_005.0));
        destinations.leave(&first, false);
        assert_eq!((begun(&mut destinations, 6.0), destinations.opens_at()), (vec![2], 1_006.0));
        destinations.give_up(&third);
        assert_eq!(begun(&mut destinations, 1_006.0), [0; 0]);
    }

    #[test]
    fn several_that_wait_for_each_other_s_destinations_all_begin() {
        let mut destinations = Destinations::new(Some(1), None);
        let names = ["one", "two", "three"];
        let mut visits: HashMap<u64, Arc<Visit>> = HashMap::new();
        for number in 1..=60_u64 {
            let place = |more: u64| names[usize::try_from((number * 7 + more) % 3).unwrap()];
            let visit = match number % 3 {
                0 => wait(&mut destinations, number, &[place(0)]),
                1 => wait(&mut destinations, number, &[place(1), place(0)]),
                _ => wait(&mut destinations, number, &[place(2), place(1), place(0)]),
            };
            visits.insert(number, visit);
        }
        let mut all = Vec::new();
        loop {
            let now = begun(&mut destinations, 0.0);
            if now.is_empty() {
                break;
            }
            now.iter().for_each(|number| destinations.leave(&visits[number], true));
            all.extend(now);
        }
        all.sort_unstable();
        assert_eq!(all, (1..=60).collect::<Vec<u64>>());
    }
}
