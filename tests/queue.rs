//! The native queue: one behaviour a test, on the in-memory host and a clock of the tests.
#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod support;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use slimta_queue_dict::queue::{Answer, Event, Kind, Options, Queue, Relay, Reply, Said};
use slimta_queue_dict::{Change, DictStorage, Envelope, Error, Expect, Id, Lease, MemoryHost};
use support::{Fault, FaultHost, Traits, Trouble, envelope};

/// Answers with what a function says.
struct Saying<F>(F);

impl<F: Fn(&Envelope, u32) -> Answer> Relay for Saying<F> {
    async fn attempt(&self, envelope: &Envelope, attempts: u32) -> Answer {
        self.0(envelope, attempts)
    }
}

fn refused() -> Said {
    Said::Reply(Reply::new(550, "5.1.1 no such user"))
}

fn later() -> Said {
    Said::Reply(Reply::new(450, "4.2.0 later"))
}

type Events = Arc<Mutex<Vec<Event>>>;

/// Options that collect events.
fn watched() -> (Options<MemoryHost>, Events) {
    let events = Events::default();
    let heard = events.clone();
    let options = Options {
        listener: Some(Box::new(move |event: &Event| heard.lock().unwrap().push(event.clone()))),
        ..Options::default()
    };
    (options, events)
}

fn kinds(events: &Events) -> Vec<String> {
    let name = |event: &Event| {
        let text = format!("{:?}", event.kind);
        text.split(['(', ' ']).next().unwrap().to_owned()
    };
    events.lock().unwrap().iter().map(name).collect()
}

async fn left(host: &MemoryHost) -> u64 {
    DictStorage::new(host.clone()).get_info().await.unwrap().meta_size
}

#[tokio::test]
async fn what_is_delivered_is_removed_after_the_events_of_its_way() {
    let host = MemoryHost::new();
    let (options, events) = watched();
    let relay = Saying(|_: &Envelope, _| Answer::All(Said::Nothing));
    let queue = Queue::new(DictStorage::new(host.clone()), relay, options).unwrap();
    queue.enqueue(envelope(2, "hello")).await[0].1.as_ref().unwrap();
    queue.flush().await.unwrap();
    assert_eq!(kinds(&events), ["Queued", "Attempt", "Delivered"]);
    assert_eq!(left(&host).await, 0);
    assert_eq!(queue.get_info().tally.delivered, 1);
}

#[tokio::test]
async fn each_recipient_has_its_own_outcome_and_keeps_its_original_index() {
    let host = MemoryHost::new();
    let (options, events) = watched();
    let relay = Saying(|envelope: &Envelope, attempts| match (envelope.recipients.len(), attempts) {
        (3, 0) => Answer::Each(vec![Said::Nothing, later(), refused()]),
        _ => Answer::All(Said::Nothing),
    });
    let queue = Queue::new(DictStorage::new(host.clone()), relay, options).unwrap();
    let id = *queue.enqueue(envelope(3, "hello")).await[0].1.as_ref().unwrap();
    queue.flush().await.unwrap();
    let storage = DictStorage::new(host.clone());
    let waiting = storage.get(&id).await.unwrap();
    assert_eq!((waiting.attempts, waiting.indexes), (1, vec![1]));
    queue.flush().await.unwrap();
    assert_eq!(left(&host).await, 0);
    let events = events.lock().unwrap();
    let of = |kind: fn(&Kind) -> Option<Vec<u32>>| -> Vec<Vec<u32>> {
        events.iter().filter(|event| event.id == id).filter_map(|event| kind(&event.kind)).collect()
    };
    assert_eq!(
        of(|kind| match kind {
            Kind::Delivered(list) => Some(list.iter().map(|one| one.index).collect()),
            _ => None,
        }),
        [[0], [1]]
    );
    assert_eq!(
        of(|kind| match kind {
            Kind::Failed(list) => Some(list.iter().map(|one| one.index).collect()),
            _ => None,
        }),
        [[2]]
    );
}

#[tokio::test]
async fn a_bounce_names_the_recipient_and_is_never_bounced() {
    let host = MemoryHost::new();
    let (options, events) = watched();
    let relay = Saying(|_: &Envelope, _| Answer::All(refused()));
    let queue = Queue::new(DictStorage::new(host.clone()), relay, options).unwrap();
    queue.enqueue(envelope(1, "hello")).await[0].1.as_ref().unwrap();
    queue.flush().await.unwrap();
    let bounce = {
        let events = events.lock().unwrap();
        let Some(Kind::Bounced(id)) =
            events.iter().map(|event| event.kind.clone()).find(|kind| matches!(kind, Kind::Bounced(_)))
        else {
            panic!("no bounce in {events:?}")
        };
        id
    };
    if let Ok(bounce) = DictStorage::new(host.clone()).get(&bounce).await {
        assert_eq!(bounce.envelope.sender.as_deref(), Some(""));
        assert_eq!(bounce.envelope.recipients, ["sender@example.com"]);
        let text = String::from_utf8(bounce.envelope.message).unwrap();
        assert!(
            text.contains("Final-Recipient: rfc822; 0@example.com\r\nAction: failed\r\nStatus: 5.1.1\r\n"),
            "{text}"
        );
    }
    queue.flush().await.unwrap();
    assert_eq!(left(&host).await, 0);
    assert_eq!(kinds(&events).iter().filter(|kind| *kind == "Bounced").count(), 1);
}

#[tokio::test]
async fn what_another_one_holds_is_left_to_it_until_its_lease_ends() {
    let host = MemoryHost::new();
    let relay = Saying(|_: &Envelope, _| Answer::All(Said::Nothing));
    let storage = DictStorage::new(host.clone());
    let id = storage.write(envelope(1, "hello"), 0.0, Some(Id::from_u128(5))).await.unwrap();
    let lease = |until| Change { lease: Some(Some(Lease { until, owner: "another".into() })), ..Change::default() };
    storage.change(&id, lease(1e15)).await.unwrap();
    let queue = Queue::new(DictStorage::new(host.clone()), relay, Options::default()).unwrap();
    queue.flush().await.unwrap();
    assert_eq!(storage.get(&id).await.unwrap().attempts, 0);
    storage.change(&id, lease(5.0)).await.unwrap();
    queue.flush().await.unwrap();
    assert_eq!(left(&host).await, 0);
}

#[tokio::test]
async fn a_late_owner_adds_its_marks_and_changes_nothing_else() {
    let host = MemoryHost::new();
    let (options, events) = watched();
    let other = DictStorage::new(host.clone());
    let lease = Lease { until: 1e15, owner: "another".into() };
    struct Stealing(DictStorage<MemoryHost>, Lease);
    impl Relay for Stealing {
        async fn attempt(&self, _: &Envelope, _: u32) -> Answer {
            let change = Change {
                lease: Some(Some(self.1.clone())),
                attempts: Some(slimta_queue_dict::Attempts::Set(2)),
                timestamp: Some(77.0),
                ..Change::default()
            };
            assert!(self.0.change(&Id::from_u128(5), change).await.unwrap());
            Answer::Each(vec![Said::Nothing, later()])
        }
    }
    let id = other.write(envelope(2, "hello"), 0.0, Some(Id::from_u128(5))).await.unwrap();
    let relay = Stealing(DictStorage::new(host.clone()), lease.clone());
    let queue = Queue::new(DictStorage::new(host.clone()), relay, options).unwrap();
    queue.flush().await.unwrap();
    assert!(kinds(&events).contains(&"LeaseLost".to_owned()));
    let waiting = other.get(&id).await.unwrap();
    assert_eq!((waiting.attempts, waiting.indexes), (2, vec![1]));
    let same = Expect { timestamp: Some(77.0), lease: Some(Some(lease)), ..Expect::default() };
    assert!(other.change(&id, Change { expect: same, ..Change::default() }).await.unwrap());
}

#[tokio::test]
async fn what_is_given_up_is_kept_and_can_be_queued_again() {
    let host = MemoryHost::new();
    let kept = MemoryHost::new();
    let good = Arc::new(Mutex::new(false));
    let now = good.clone();
    let relay = Saying(move |envelope: &Envelope, _| match envelope.sender.as_deref() {
        Some("sender@example.com") if !*now.lock().unwrap() => Answer::All(refused()),
        _ => Answer::All(Said::Nothing),
    });
    let options = Options { dead_letters: Some(DictStorage::new(kept.clone())), ..Options::default() };
    let queue = Queue::new(DictStorage::new(host.clone()), relay, options).unwrap();
    let id = *queue.enqueue(envelope(1, "hello")).await[0].1.as_ref().unwrap();
    queue.flush().await.unwrap();
    queue.flush().await.unwrap();
    assert_eq!((left(&host).await, left(&kept).await), (0, 1));
    *good.lock().unwrap() = true;
    queue.retry(&id).await.unwrap();
    queue.flush().await.unwrap();
    assert_eq!((left(&host).await, left(&kept).await), (0, 0));
    assert_eq!(queue.retry(&id).await, Err(Error::NoSuchMessage(id)));
}

#[tokio::test]
async fn a_message_that_ended_every_deliverer_is_given_up_some_day() {
    let host = MemoryHost::new();
    let (options, events) = watched();
    let relay = Saying(|envelope: &Envelope, _| match envelope.sender.as_deref() {
        Some("") => Answer::All(Said::Nothing),
        _ => panic!("it was attempted again"),
    });
    let storage = DictStorage::new(host.clone());
    let id = storage.write(envelope(1, "hello"), 0.0, Some(Id::from_u128(5))).await.unwrap();
    let change = Change {
        lease: Some(Some(Lease { until: 5.0, owner: "dead".into() })),
        attempts: Some(slimta_queue_dict::Attempts::Set(40)),
        ..Change::default()
    };
    storage.change(&id, change).await.unwrap();
    let queue = Queue::new(DictStorage::new(host.clone()), relay, options).unwrap();
    queue.flush().await.unwrap();
    queue.flush().await.unwrap();
    assert_eq!(left(&host).await, 0);
    assert!(kinds(&events).contains(&"Bounced".to_owned()));
}

#[tokio::test]
async fn a_queue_that_runs_delivers_what_comes_and_ends_when_it_is_stopped() {
    let host = MemoryHost::new();
    let delivered = Arc::new(tokio::sync::Notify::new());
    let heard = delivered.clone();
    let relay = Saying(move |_: &Envelope, _| {
        heard.notify_one();
        Answer::All(Said::Nothing)
    });
    let options = Options { lease: Duration::from_secs(9), ..Options::default() };
    let queue = Arc::new(Queue::new(DictStorage::new(host.clone()), relay, options).unwrap());
    let work = async { queue.start().await };
    let test = async {
        queue.enqueue(envelope(1, "hello")).await[0].1.as_ref().unwrap();
        delivered.notified().await;
        queue.stop().await;
    };
    tokio::join!(work, test);
    assert_eq!(left(&host).await, 0);
}

/// A host on which so many messages wait, each for one recipient.
async fn with_messages(count: usize) -> MemoryHost {
    let host = MemoryHost::new();
    let storage = DictStorage::new(host.clone());
    for number in 0..count {
        storage.write(envelope(1, &format!("{number}")), 0.0, None).await.unwrap();
    }
    host
}

fn subject(envelope: &Envelope) -> &str {
    &envelope.headers[0].1
}

/// Yields a few times before it answers.
struct Slow(u32);

impl Relay for Slow {
    async fn attempt(&self, _: &Envelope, _: u32) -> Answer {
        support::yields(self.0).await;
        Answer::All(Said::Nothing)
    }
}

#[tokio::test]
async fn a_flush_that_is_dropped_gives_back_what_it_had_begun_to_attempt() {
    for polls in 1..8 {
        let host = with_messages(6).await;
        let queue = Queue::new(DictStorage::new(host.clone()), Slow(100), Options::default()).unwrap();
        let mut flush = Box::pin(queue.flush());
        for _ in 0..polls {
            assert!(support::poll_once(flush.as_mut()).is_pending());
        }
        assert!(queue.get_info().in_attempt > 0);
        drop(flush);
        assert_eq!((queue.get_info().in_attempt, queue.get_info().size), (0, 6), "after {polls} polls");
        queue.flush().await.unwrap();
        assert_eq!(left(&host).await, 0);
    }
}

#[tokio::test]
async fn a_relay_that_panics_defers_its_message_and_ends_no_other_attempt() {
    struct Panicking;
    impl Relay for Panicking {
        async fn attempt(&self, envelope: &Envelope, _: u32) -> Answer {
            support::yields(3).await;
            assert_ne!(subject(envelope), "1", "a relay that panics");
            support::yields(3).await;
            Answer::All(Said::Nothing)
        }
    }
    let host = with_messages(3).await;
    let (options, events) = watched();
    let queue = Queue::new(DictStorage::new(host.clone()), Panicking, options).unwrap();
    queue.flush().await.unwrap();
    assert_eq!((left(&host).await, queue.get_info().in_attempt), (1, 0));
    let about: Vec<String> = {
        let events = events.lock().unwrap();
        let of = events.iter().filter(|event| event.envelope.headers.iter().any(|(_, text)| text == "1"));
        of.map(|event| format!("{:?}", event.kind)).collect()
    };
    assert_eq!(about.len(), 3, "{about:?}");
    assert!(about[0].starts_with("Attempt") && about[1].starts_with("Trouble") && about[2].starts_with("Deferred"));
}

#[tokio::test]
async fn a_listener_that_panics_harms_nobody() {
    let host = with_messages(3).await;
    let options =
        Options { listener: Some(Box::new(|_: &Event| panic!("a listener that panics"))), ..Options::default() };
    let relay = Saying(|_: &Envelope, _| Answer::All(Said::Nothing));
    let queue = Queue::new(DictStorage::new(host.clone()), relay, options).unwrap();
    queue.flush().await.unwrap();
    assert_eq!((left(&host).await, queue.get_info().in_attempt), (0, 0));
}

#[tokio::test]
async fn a_backoff_that_panics_is_told_of_and_replaced_by_the_usual_one() {
    let host = with_messages(1).await;
    let (options, events) = watched();
    let options = Options { backoff: Some(Box::new(|_, _, _| panic!("a backoff that panics"))), ..options };
    let queue = Queue::new(DictStorage::new(host), Saying(|_: &Envelope, _| Answer::All(later())), options).unwrap();
    queue.flush().await.unwrap();
    assert_eq!(kinds(&events), ["Attempt", "Trouble", "Deferred"]);
}

#[tokio::test]
async fn a_bounce_factory_that_panics_is_told_of_and_replaced_by_the_usual_one() {
    let host = with_messages(1).await;
    let (options, events) = watched();
    let options = Options { bounce_factory: Some(Box::new(|_, _| panic!("a factory that panics"))), ..options };
    let relay = Saying(|envelope: &Envelope, _| match envelope.sender.as_deref() {
        Some("") => Answer::All(Said::Nothing),
        _ => Answer::All(refused()),
    });
    let queue = Queue::new(DictStorage::new(host.clone()), relay, options).unwrap();
    queue.flush().await.unwrap();
    queue.flush().await.unwrap();
    assert_eq!(left(&host).await, 0);
    assert_eq!(kinds(&events)[..4], ["Attempt", "Trouble", "Queued", "Bounced"]);
}

#[tokio::test]
async fn a_dead_letter_is_queued_once_wherever_its_retry_was_cut_short() {
    for remains in [false, true] {
        let (host, kept) = (FaultHost::new(Traits::default()), FaultHost::new(Traits::default()));
        let relay = Saying(move |_: &Envelope, _| match remains {
            true => Answer::Each(vec![refused(), later()]),
            false => Answer::Each(vec![refused(), Said::Nothing]),
        });
        let options = Options {
            dead_letters: Some(DictStorage::new(kept.clone())),
            bounce_factory: Some(Box::new(|_, _| None)),
            ..Options::default()
        };
        let queue = Queue::new(DictStorage::new(host.clone()), relay, options).unwrap();
        let id = *queue.enqueue(envelope(2, "hello")).await[0].1.as_ref().unwrap();
        queue.flush().await.unwrap();
        assert_eq!((host.dicts().meta.len(), kept.dicts().meta.len()), (usize::from(remains), 1));
        for host in [&host, &kept] {
            host.plan(|_, _| Fault::After(Trouble::Late(1))); // it can be cut between any two steps
        }
        for polls in 1.. {
            let mut retry = Box::pin(queue.retry(&id));
            if (0..polls).any(|_| support::poll_once(retry.as_mut()).is_ready()) {
                break;
            }
        }
        let messages = host.dicts().meta.len();
        assert_eq!((messages, kept.dicts().meta.len()), (if remains { 2 } else { 1 }, 0));
    }
}

#[tokio::test]
async fn a_queue_whose_stop_was_cut_short_can_be_started_again() {
    let host = with_messages(1).await;
    let relay = Slow(100);
    let queue = Queue::new(DictStorage::new(host.clone()), relay, Options::default()).unwrap();
    let mut first = Box::pin(queue.start());
    assert!(support::poll_once(first.as_mut()).is_pending());
    let mut stop = Box::pin(queue.stop());
    assert!(support::poll_once(stop.as_mut()).is_pending());
    drop(stop);
    first.await;
    assert_eq!(left(&host).await, 0);
    queue.enqueue(envelope(1, "hello")).await[0].1.as_ref().unwrap();
    let mut again = Box::pin(queue.start());
    assert!(support::poll_once(again.as_mut()).is_pending(), "it ends at once");
    let delivered = async {
        while left(&host).await > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        () = again.as_mut() => panic!("it has ended"),
        () = delivered => {}
    }
}
