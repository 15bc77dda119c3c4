use super::*;

fn id() -> Id {
    Id::from_u128(1)
}

fn begun() -> (Scheduler, Due) {
    let mut scheduler = Scheduler::new(1, f64::INFINITY, Destinations::new(None, None));
    scheduler.tick(50.0, 0.0);
    scheduler.open(true);
    scheduler.put(id(), 40.0, None);
    let due = scheduler.take().unwrap();
    (scheduler, due)
}

#[test]
fn what_is_flushed_twice_before_its_attempt_begins_is_not_taken_for_due() {
    let mut scheduler = Scheduler::new(1, f64::INFINITY, Destinations::new(None, None));
    scheduler.tick(50.0, 0.0);
    scheduler.open(true);
    scheduler.put(id(), 9_000.0, Some(1));
    scheduler.flush();
    scheduler.tick(51.0, 1.0);
    scheduler.flush();
    assert!(scheduler.take().unwrap().flushed);
}

#[test]
fn no_more_attempts_are_under_way_than_may_be() {
    let (mut scheduler, _) = begun();
    scheduler.put(Id::from_u128(2), 40.0, None);
    assert_eq!((scheduler.take(), scheduler.idle()), (None, None));
    assert_eq!((scheduler.info().size, scheduler.info().in_attempt), (2, 1));
}

#[test]
fn what_was_heard_of_a_message_while_it_was_attempted_counts_at_the_end_if_it_is_sooner() {
    for (timestamp, next) in [(45.0, 45.0), (90.0, 80.0), (40.0, 80.0)] {
        let (mut scheduler, due) = begun();
        scheduler.put(id(), timestamp, None);
        let attempt = AttemptState::new(due);
        scheduler.end(&attempt, due.number, End::Rescheduled { due: Some(80.0), timestamp: 80.0, attempts: 1 });
        assert_eq!(scheduler.info().oldest_due, Some(next.into()), "{timestamp}");
    }
}

#[test]
fn while_the_storage_fails_one_message_a_second_is_attempted_and_all_that_are_due_once_it_takes_something() {
    let mut scheduler = Scheduler::new(10, f64::INFINITY, Destinations::new(None, None));
    scheduler.tick(50.0, 0.0);
    scheduler.open(true);
    (1..=5).for_each(|number| scheduler.put(Id::from_u128(number), 40.0, None));
    let fail = |scheduler: &mut Scheduler| {
        let due = scheduler.take().unwrap();
        scheduler.note(&Input::Failed, 0.0);
        scheduler.abandon(due.message, due.number, due.flushed);
        due.message.id
    };
    let first = fail(&mut scheduler);
    let second = fail(&mut scheduler);
    assert_eq!((scheduler.take(), scheduler.idle()), (None, Some(1_000.0)));
    scheduler.tick(1_050.0, 1_000.0);
    let third = scheduler.take().unwrap().message.id;
    assert!(third != first && third != second, "what has failed goes behind what is due");
    assert_eq!(scheduler.take(), None);
    assert!(scheduler.note(&Input::Changed(true), 0.0));
    assert_eq!(std::iter::from_fn(|| scheduler.take()).count(), 4);
}

#[test]
fn an_attempt_that_is_abandoned_after_its_end_changes_nothing() {
    let (mut scheduler, due) = begun();
    scheduler.abandon(due.message, due.number, due.flushed);
    assert_eq!(scheduler.info().in_attempt, 0);
    scheduler.tick(1e6, 1e6);
    let again = scheduler.take().unwrap();
    scheduler.abandon(due.message, due.number, due.flushed);
    assert_eq!((again.message.id, scheduler.info().in_attempt), (id(), 1));
}
