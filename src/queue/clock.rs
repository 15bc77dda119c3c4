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
    /// Since when both went on alike.
    since: Reading,
}

#[derive(Clone, Copy, Debug, Default)]
struct Reading {
    wall: f64,
    steady: f64,
    now: f64,
}

/// How far the two clocks may be apart and still go on alike, in milliseconds: that of JavaScript on the wall shows whole
/// ones. Were each look to take whichever went further, the schedule of a busy queue would be twice as fast.
const APART: f64 = 100.0;

impl Clock {
    /// Reads both clocks, in milliseconds, and returns the time of the schedule.
    pub(super) fn tick(&mut self, wall: f64, steady: f64) -> f64 {
        let begins = !self.began && wall.is_finite();
        // What one would say if it said anything.
        let steady = if steady.is_finite() { steady } else { self.steady + forward(self.wall, wall) };
        let wall = if wall.is_finite() { wall } else { self.wall + forward(self.steady, steady) };
        let (by_wall, by_steady) = (wall - self.since.wall, steady - self.since.steady);
        if begins {
            (self.began, self.now) = (true, wall);
        } else if (by_wall - by_steady).abs() <= APART {
            self.now = self.now.max(self.since.now + by_wall.max(by_steady));
        } else {
            self.now += forward(self.steady, steady).max(forward(self.wall, wall));
        }
        (self.wall, self.steady) = (wall, steady);
        if begins || (by_wall - by_steady).abs() > APART {
            self.since = Reading { wall, steady, now: self.now };
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

    /// When it is, on the clock of the schedule, that the wall says `timestamp`. As long as both clocks go on alike, this
    /// is the same whenever it is asked: of messages for one time the first one is first.
    pub(super) fn due(&self, timestamp: f64) -> f64 {
        self.since.now + (timestamp - self.since.wall)
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
    fn it_is_no_faster_than_the_clocks_however_often_they_are_read() {
        let mut clock = Clock::default();
        clock.tick(1_000.0, 0.0);
        for tenths in 1..100_000_u32 {
            let steady = f64::from(tenths) / 10.0;
            clock.tick(1_000.0 + steady.floor(), steady);
        }
        assert!((clock.now() - 11_000.0).abs() <= 1.0, "{}", clock.now());
    }

    #[test]
    fn what_is_for_one_time_is_due_at_once_whenever_that_is_asked() {
        let mut clock = Clock::default();
        clock.tick(1_000.0, 0.2);
        clock.tick(1_050.0, 50.9);
        let due = clock.due(1_050.0);
        clock.tick(1_051.0, 51.1);
        assert_eq!(clock.due(1_050.0), due);
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
