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
    assert!(scheduler.take().unwrap().early.flushed);
}

#[test]
fn what_somebody_let_be_due_keeps_its_time_however_often_its_attempt_fails_to_begin() {
    let mut scheduler = Scheduler::new(1, f64::INFINITY, Destinations::new(None, None));
    scheduler.tick(50.0, 0.0);
    scheduler.open(true);
    scheduler.put(id(), 9_000.0, Some(1));
    scheduler.flush_one(id(), 50.0, 9_000.0);
    scheduler.flush_one(id(), 50.0, 50.0);
    for step in 1..=4 {
        let due = scheduler.take().unwrap();
        assert_eq!(due.early, Early { flushed: true, planned: Some(9_000.0) }, "{step}");
        if step % 2 == 0 {
            scheduler.abandon(due.message, due.number, due.early);
        } else {
            let end = End::Rescheduled { due: None, timestamp: 50.0, attempts: 1 };
            scheduler.end(&AttemptState::new(due), due.number, end);
        }
        scheduler.tick(50.0 + 10_000.0 * f64::from(step), 10_000.0 * f64::from(step));
    }
}

#[test]
fn what_is_due_at_one_time_comes_in_the_order_in_which_it_was_added() {
    let mut scheduler = Scheduler::new(1_000, f64::INFINITY, Destinations::new(None, None));
    scheduler.tick(50.0, 0.0);
    scheduler.open(true);
    let ids: Vec<Id> = (0..500_u128).map(|number| Id::from_u128(number.wrapping_mul(0x9e37_79b9_7f4a_7c15))).collect();
    ids.iter().for_each(|id| scheduler.put(*id, 40.0, None));
    assert_eq!(std::iter::from_fn(|| scheduler.take()).map(|due| due.message.id).collect::<Vec<_>>(), ids);
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
        scheduler.abandon(due.message, due.number, due.early);
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
    scheduler.abandon(due.message, due.number, due.early);
    assert_eq!(scheduler.info().in_attempt, 0);
    scheduler.tick(1e6, 1e6);
    let again = scheduler.take().unwrap();
    scheduler.abandon(due.message, due.number, due.early);
    assert_eq!((again.message.id, scheduler.info().in_attempt), (id(), 1));
}
