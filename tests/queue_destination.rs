//! The limits of a queue for each destination.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use crate::support::queues::{Events, HostTimer, tally};
use crate::support::{Fault, FaultHost, Step, Traits, Trouble, envelope, poll_once, run};
use slimta_queue_dict::queue::{
    AbortSignal, Answer, Attempt, BoxError, Destination, Options, Queue, Relay, RunOptions,
};
use slimta_queue_dict::{Attempts, Change, DictStorage, Envelope, Host, Id, Lease, Timestamp};
use tokio::sync::Semaphore;

type Slots = HashMap<String, (usize, usize, Arc<Semaphore>)>;

/// An attempt ends when the test lets one to its recipients end.
#[derive(Clone, Default)]
struct Slow(Arc<Mutex<(Vec<String>, Slots)>>);

impl Slow {
    /// Whom attempts were for, in the order in which they began.
    fn begun(&self) -> Vec<String> {
        self.0.lock().unwrap().0.clone()
    }

    /// How many were under way at most at a domain, or in all.
    fn most(&self, what: &str) -> usize {
        self.0.lock().unwrap().1.get(what).map_or(0, |(_, most, _)| *most)
    }

    /// Lets so many attempts for these recipients end.
    fn end(&self, recipients: &str, count: usize) {
        self.0.lock().unwrap().1.entry(recipients.into()).or_insert_with(slot).2.add_permits(count);
    }
}

fn slot() -> (usize, usize, Arc<Semaphore>) {
    (0, 0, Arc::new(Semaphore::new(0)))
}

impl Relay<Envelope> for Slow {
    async fn attempt(&self, envelope: &Envelope, _: Attempt) -> Result<Answer, BoxError> {
        let recipients = envelope.recipients.join(" ");
        let domains = envelope.recipients.iter().map(|address| address.split('@').next_back().unwrap().to_owned());
        let all: Vec<String> = domains.chain(["all".into()]).collect();
        let gate = {
            let (begun, slots) = &mut *self.0.lock().unwrap();
            begun.push(recipients.clone());
            for name in &all {
                let (under_way, most, _) = slots.entry(name.clone()).or_insert_with(slot);
                *under_way += 1;
                *most = (*most).max(*under_way);
            }
            Arc::clone(&slots.entry(recipients).or_insert_with(slot).2)
        };
        gate.acquire().await.unwrap().forget();
        for name in &all {
            self.0.lock().unwrap().1.get_mut(name).unwrap().0 -= 1;
        }
        Ok(Answer::delivered())
    }
}

fn mail(recipients: &str) -> Envelope {
    let recipients = recipients.split(' ').map(str::to_owned).collect();
    Envelope { recipients, ..envelope(1, "hello") }
}

fn pool(pool: usize) -> Destination {
    Destination { pool: Some(pool), ..Destination::default() }
}

fn per_second(per_second: f64) -> Destination {
    Destination { per_second: Some(per_second), ..Destination::default() }
}

/// A queue whose clock goes on as it is looked at, and on whose storage these wait.
fn queue_of(
    destination: Destination,
    relay_pool: usize,
    recipients: &[&str],
) -> (Queue<FaultHost, Slow, HostTimer>, Slow, FaultHost, Events) {
    let (host, relay, events) = (FaultHost::new(Traits::default()), Slow::default(), Events::default());
    for (number, recipients) in recipients.iter().enumerate() {
        run(DictStorage::new(host.clone()).write(mail(recipients), number as f64 - 10_000.0, None)).unwrap();
    }
    let heard = events.clone();
    let mut options = Options { destination, relay_pool, ..Options::default() };
    options.listener = Some(Box::new(move |event| heard.push(event)));
    let queue = Queue::with_timer(DictStorage::new(host.clone()), relay.clone(), options, HostTimer(host.clone()));
    (queue.unwrap(), relay, host, events)
}

/// The id of the message at this place.
fn id_of_place(queue: &Queue<FaultHost, Slow, HostTimer>, place: usize) -> Id {
    let mut load = queue.storage().load();
    loop {
        let (timestamp, id) = run(load.next()).unwrap().unwrap();
        if timestamp == place as f64 - 10_000.0 {
            return id;
        }
    }
}

/// Goes on until nothing more happens; whether it has ended.
fn settle<F: Future>(mut working: Pin<&mut F>) -> Option<F::Output> {
    (0..40).find_map(|_| match poll_once(working.as_mut()) {
        std::task::Poll::Ready(output) => Some(output),
        std::task::Poll::Pending => None,
    })
}

fn attempted(attempted: u64) -> [u64; 4] {
    [attempted, attempted, 0, 0]
}

#[test]
fn what_goes_elsewhere_goes_at_once_while_one_destination_is_slow() {
    let mut all = vec!["a@slow"; 10];
    all.push("a@fast");
    let (queue, relay, ..) = queue_of(pool(2), 5, &all);
    let mut working = Box::pin(queue.start());
    settle(working.as_mut());
    assert_eq!(relay.begun(), ["a@slow", "a@slow", "a@fast"]);
    assert_eq!(
        (queue.get_info().in_attempt, queue.get_info().size, queue.get_info().oldest_due),
        (3, 11, Some(Timestamp::from(-9_998.0)))
    );
    relay.end("a@slow", 1);
    settle(working.as_mut());
    assert_eq!(relay.begun()[3..], ["a@slow"]);
}

#[test]
fn three_thousand_due_messages_of_a_slow_domain_hold_up_none_of_another_one() {
    let mut all = vec!["a@slow"; 3_000];
    all.push("a@fast");
    let (queue, relay, ..) = queue_of(pool(2), 5, &all);
    let mut working = Box::pin(queue.start());
    while relay.begun().len() < 3 {
        settle(working.as_mut());
    }
    assert_eq!(relay.begun()[2], "a@fast");
    relay.end("a@slow", 3_000);
    relay.end("a@fast", 1);
    while queue.get_info().delivered < 3_001 {
        settle(working.as_mut());
    }
    assert_eq!(relay.most("slow"), 2);
}

#[test]
fn no_more_attempts_are_under_way_at_a_destination_than_its_pool_nor_in_all_than_the_relay_pool() {
    let recipients = ["a@one", "a@two", "a@three", "a@four"];
    let all: Vec<&str> = (0..40).map(|number| recipients[number / 10]).collect();
    let (queue, relay, ..) = queue_of(pool(2), 5, &all);
    let mut working = Box::pin(queue.start());
    let mut rounds = 0;
    while queue.get_info().delivered < 40 {
        settle(working.as_mut());
        recipients.iter().for_each(|recipients| relay.end(recipients, usize::from(rounds % 3 == 0)));
        rounds += 1;
    }
    assert_eq!(relay.most("all"), 5);
    assert!(["one", "two", "three", "four"].iter().all(|name| (1..=2).contains(&relay.most(name))));
}

#[test]
fn a_message_to_several_destinations_counts_for_each_of_them() {
    let (queue, relay, ..) = queue_of(pool(1), 9, &["a@one b@two c@one", "a@one", "a@two", "a@three"]);
    let mut working = Box::pin(queue.start());
    settle(working.as_mut());
    assert_eq!(relay.begun(), ["a@one b@two c@one", "a@three"]);
    relay.end("a@one b@two c@one", 1);
    settle(working.as_mut());
    assert_eq!(relay.begun()[2..], ["a@one", "a@two"]);
}

#[test]
fn a_message_that_waits_for_a_slow_destination_keeps_no_room_at_another_one_and_is_not_passed_over_for_ever() {
    let all = ["a@slow", "b@slow", "a@fast b@slow", "a@fast", "b@fast", "c@fast", "c@slow"];
    let (queue, relay, ..) = queue_of(pool(1), 9, &all);
    let mut working = Box::pin(queue.start());
    settle(working.as_mut());
    assert_eq!(relay.begun(), ["a@slow", "a@fast"]);
    relay.end("a@fast", 1);
    settle(working.as_mut());
    assert_eq!(relay.begun()[2..], ["b@fast"]);
    relay.end("a@slow", 1);
    settle(working.as_mut());
    relay.end("b@slow", 1);
    settle(working.as_mut());
    assert_eq!(relay.begun()[3..], ["b@slow"], "the next for both waits for one of them alone");
    relay.end("b@fast", 1);
    settle(working.as_mut());
    assert_eq!(relay.begun()[4..], ["a@fast b@slow"]);
    relay.end("a@fast b@slow", 1);
    settle(working.as_mut());
    assert_eq!(relay.begun()[5..], ["c@fast", "c@slow"]);
}

#[test]
fn so_many_attempts_begin_in_a_second_at_a_destination_as_it_takes() {
    let (queue, relay, host, _) = queue_of(per_second(0.5), 9, &["a@one", "a@one", "a@one", "a@two"]);
    ["a@one", "a@two"].iter().for_each(|recipients| relay.end(recipients, 3));
    let mut working = Box::pin(queue.run());
    let mut times = Vec::new();
    let result = loop {
        let polled = poll_once(working.as_mut());
        times.resize(relay.begun().len(), host.now());
        if let std::task::Poll::Ready(result) = polled {
            break result.unwrap();
        }
    };
    assert_eq!(relay.begun(), ["a@one", "a@two", "a@one", "a@one"]);
    let waits = [times[2] - times[1], times[3] - times[2]];
    assert!(waits.iter().all(|wait| (2_000.0..2_100.0).contains(wait)), "{times:?}");
    assert_eq!((tally(result), result.left), (attempted(4), 0));
}

#[test]
fn what_somebody_else_has_takes_no_place_at_its_destination() {
    let (queue, relay, host, _) = queue_of(per_second(0.001), 1, &["a@one", "b@one"]);
    relay.end("b@one", 1);
    let id = id_of_place(&queue, 0);
    host.plan(|_, step| if step == Step::ReadEnvelope { Fault::Before(Trouble::Late(3)) } else { Fault::None });
    let other = DictStorage::new(host.clone());
    let mut working = Box::pin(queue.run());
    let lease = Lease { until: 1e12, owner: "another".into() };
    let claim = Change {
        timestamp: Some(1e12),
        attempts: Some(Attempts::Set(1)),
        lease: Some(Some(lease)),
        ..Change::default()
    };
    let mut is_claimed = false;
    while relay.begun().is_empty() {
        assert!(host.now() < 10_000.0);
        assert!(poll_once(working.as_mut()).is_pending());
        if !std::mem::replace(&mut is_claimed, true) {
            assert!(run(other.change(&id, claim.clone())).unwrap());
        }
    }
    assert_eq!(relay.begun(), ["b@one"]);
}

#[test]
fn a_run_ends_when_all_that_it_is_about_was_attempted_and_before_that_as_its_options_say() {
    let all = ["a@one", "a@one", "a@one"];
    let (queue, relay, ..) = queue_of(pool(1), 9, &all);
    relay.end("a@one", 3);
    assert_eq!(tally(run(queue.flush()).unwrap()), attempted(3));

    let (queue, relay, ..) = queue_of(pool(1), 9, &all);
    relay.end("a@one", 3);
    let limited = run(queue.run_with(RunOptions { limit: Some(2), ..RunOptions::default() })).unwrap();
    assert_eq!((tally(limited), limited.left), (attempted(2), 1));

    let (queue, relay, ..) = queue_of(per_second(0.5), 9, &all);
    relay.end("a@one", 3);
    let ended = run(queue.run_with(RunOptions::default().with_until(3_000.0))).unwrap();
    assert_eq!((tally(ended), ended.left, ended.next_due), (attempted(2), 1, Some(Timestamp::from(-9_998.0))));

    let (queue, relay, ..) = queue_of(pool(1), 9, &all);
    let signal = AbortSignal::default();
    let mut working = Box::pin(queue.run_with(RunOptions { signal: Some(signal.clone()), ..RunOptions::default() }));
    settle(working.as_mut());
    signal.abort();
    assert!(settle(working.as_mut()).is_none());
    relay.end("a@one", 1);
    let aborted = settle(working.as_mut()).unwrap().unwrap();
    assert_eq!((tally(aborted), aborted.left), (attempted(1), 2));
}

#[test]
fn a_run_waits_for_what_a_started_queue_lets_wait() {
    let (queue, relay, ..) = queue_of(pool(1), 9, &["a@one", "a@one"]);
    let mut working = Box::pin(queue.start());
    settle(working.as_mut());
    let mut running = Box::pin(queue.run());
    assert!(settle(running.as_mut()).is_none());
    relay.end("a@one", 2);
    settle(working.as_mut());
    assert_eq!(tally(settle(running.as_mut()).unwrap().unwrap()), attempted(2));
}

#[test]
fn a_stop_ends_those_that_wait_at_once_and_their_messages_are_as_before() {
    let (queue, relay, host, _) = queue_of(pool(1), 9, &["a@one", "b@one", "c@one"]);
    let mut working = Box::pin(queue.start());
    settle(working.as_mut());
    let mut stopping = Box::pin(queue.stop());
    assert!(poll_once(stopping.as_mut()).is_pending());
    settle(working.as_mut());
    assert_eq!((queue.get_info().in_attempt, queue.get_info().oldest_due), (1, Some(Timestamp::from(-9_999.0))));
    relay.end("a@one", 1);
    assert!(settle(working.as_mut()).is_some());
    run(stopping);
    let records = host.dicts().meta;
    assert_eq!(records.len(), 2);
    let mut again = Box::pin(queue.start());
    settle(again.as_mut());
    assert_eq!(relay.begun(), ["a@one", "b@one"]);
    drop(again);
    assert_eq!(queue.get_info().in_attempt, 0);
}

#[test]
fn a_queue_that_is_paused_claims_nothing_of_what_waits() {
    let (queue, relay, ..) = queue_of(pool(1), 9, &["a@one", "b@one"]);
    let mut working = Box::pin(queue.start());
    settle(working.as_mut());
    queue.pause();
    relay.end("a@one", 1);
    settle(working.as_mut());
    assert_eq!((relay.begun().len(), queue.get_info().delivered), (1, 1));
    queue.resume();
    settle(working.as_mut());
    assert_eq!(relay.begun(), ["a@one", "b@one"]);
}

#[test]
fn what_is_cancelled_while_it_waits_is_removed_at_once() {
    let (queue, relay, _, events) = queue_of(pool(1), 9, &["a@one", "b@one", "c@one"]);
    let mut working = Box::pin(queue.start());
    settle(working.as_mut());
    assert!(run(queue.cancel(&id_of_place(&queue, 1))).unwrap());
    settle(working.as_mut());
    assert_eq!((queue.get_info().size, events.of("removed").len()), (2, 1));
    ["a@one", "c@one"].iter().for_each(|recipients| relay.end(recipients, 1));
    settle(working.as_mut());
    assert_eq!((relay.begun(), queue.get_info().size), (vec!["a@one".to_owned(), "c@one".to_owned()], 0));
}

#[test]
fn a_destination_that_cannot_be_named_is_told_of_and_is_the_usual_one() {
    let name = |address: &str| match address {
        "bad@One" => Err("not that one".into()),
        "worse@ONE" => panic!("nor that one"),
        _ => Ok("other".to_owned()),
    };
    let destination = Destination { of: Some(Box::new(name)), ..pool(1) };
    let all = ["bad@One", "worse@ONE", "good@one", "good@two"];
    let (queue, relay, host, events) = queue_of(destination, 9, &all);
    let mut working = Box::pin(queue.start());
    settle(working.as_mut());
    assert_eq!(relay.begun(), ["bad@One", "good@one"]);
    let causes: Vec<String> = events.of("error").into_iter().map(|event| event.cause).collect();
    assert_eq!(causes, ["Callback(\"not that one\")", "Callback(\"panicked: nor that one\")"]);
    all.iter().for_each(|recipients| relay.end(recipients, 1));
    while !host.dicts().meta.is_empty() {
        settle(working.as_mut());
    }
}

#[test]
fn an_envelope_is_read_once_for_its_destinations_and_not_at_all_where_there_are_no_limits() {
    for (destination, reads) in [(pool(1), 5), (Destination::default(), 4)] {
        let (queue, relay, host, _) = queue_of(destination, 9, &["a@one", "a@one", "a@one", "a@one"]);
        let mut working = Box::pin(queue.start());
        (0..10).for_each(|_| drop(settle(working.as_mut())));
        let read = host.steps().into_iter().filter(|step| *step == Step::ReadEnvelope).count();
        assert_eq!((read, relay.begun().len()), (reads, if reads == 5 { 1 } else { 4 }));
    }
}

#[test]
fn where_the_destination_cannot_be_read_the_message_is_tried_again() {
    let (queue, relay, host, events) = queue_of(pool(1), 9, &["a@one"]);
    relay.end("a@one", 1);
    host.plan(|_, step| match step {
        Step::Page => Fault::None,
        _ => Fault::Before(Trouble::Fail),
    });
    let mut working = Box::pin(queue.start());
    settle(working.as_mut());
    assert_eq!(events.names(), ["error"]);
    host.heal();
    while queue.get_info().delivered == 0 {
        settle(working.as_mut());
    }
    assert_eq!(relay.begun(), ["a@one"]);
}

#[test]
fn while_the_storage_fails_what_waits_is_left_alone_as_what_is_due() {
    let all = vec!["a@one"; 20];
    let (queue, relay, host, events) = queue_of(pool(1), 9, &all);
    let mut working = Box::pin(queue.start());
    settle(working.as_mut());
    host.plan(|_, step| if step == Step::Commit { Fault::Before(Trouble::Fail) } else { Fault::None });
    relay.end("a@one", 20);
    let since = host.now();
    while host.now() < since + 10_000.0 {
        settle(working.as_mut());
    }
    assert!(events.of("error").len() < 20, "{}", events.of("error").len());
    host.heal();
    while queue.get_info().delivered < 20 {
        assert!(host.now() < since + 14_000.0, "{:?}", queue.get_info());
        settle(working.as_mut());
    }
}

#[test]
fn what_waits_for_its_destination_is_told_of_as_overdue() {
    let (queue, _, host, events) = queue_of(pool(1), 9, &["a@one", "b@one"]);
    let mut working = Box::pin(queue.start());
    while host.now() < 1_000_000.0 && events.of("overdue").is_empty() {
        settle(working.as_mut());
    }
    assert_eq!(events.of("overdue").len(), 1);
}
