//! Time that only goes forward, from two clocks neither of which can be trusted alone.

/// The clock of a schedule.
///
/// The clock on the wall says what the timestamps of messages mean, but it can be set; the monotonic
/// one never goes back, but stands still while some machines sleep. This one goes on with whichever
/// went further: nothing waits longer because the first was set back, and what became due during a
/// sleep is due at the end of it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Clock {
    wall: f64,
    steady: f64,
    now: f64,
    began: bool,
}

impl Clock {
    /// Reads both clocks, in milliseconds, and returns the time of the schedule.
    pub(super) fn tick(&mut self, wall: f64, steady: f64) -> f64 {
        let passed = forward(self.steady, steady);
        if !self.began && wall.is_finite() {
            (self.began, self.now, self.wall) = (true, wall, wall);
        } else if wall.is_finite() {
            self.now += passed.max(forward(self.wall, wall));
            self.wall = wall;
        } else {
            self.now += passed;
            self.wall += passed; // what it would say if it said anything
        }
        if steady.is_finite() {
            self.steady = steady;
        }
        self.now
    }

    /// The time of the schedule, as it was read last.
    pub(super) fn now(&self) -> f64 {
        self.now
    }

    /// What the clock on the wall said last.
    pub(super) fn wall(&self) -> f64 {
        self.wall
    }

    /// When it is, on the clock of the schedule, that the wall says `timestamp`.
    pub(super) fn due(&self, timestamp: f64) -> f64 {
        self.now + (timestamp - self.wall)
    }
}

fn forward(from: f64, to: f64) -> f64 {
    let passed = to - from;
    if passed.is_finite() { passed.max(0.0) } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_on_when_the_wall_is_set_back() {
        let mut clock = Clock::default();
        clock.tick(1_000_000.0, 50.0);
        let due = clock.due(1_000_500.0);
        clock.tick(2_000.0, 300.0);
        assert!(clock.now() < due);
        clock.tick(2_250.0, 550.0);
        assert!(clock.now() >= due);
    }

    #[test]
    fn what_became_due_during_a_sleep_is_due_at_its_end() {
        let mut clock = Clock::default();
        clock.tick(1_000.0, 50.0);
        let due = clock.due(60_000.0);
        clock.tick(3_600_000.0, 51.0); // the monotonic clock slept too
        assert!(clock.now() >= due);
    }

    #[test]
    fn a_wall_that_says_nothing_is_passed_over() {
        let mut clock = Clock::default();
        clock.tick(1_000.0, 0.0);
        for wall in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            clock.tick(wall, 100.0);
        }
        assert_eq!((clock.now(), clock.wall()), (1_100.0, 1_100.0));
        clock.tick(1_150.0, f64::NAN);
        assert_eq!(clock.now(), 1_150.0);
    }
}
