//! The queue of Rust programs: one behaviour a test, on the in-memory host.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::support::queues::{Answering, id_of, later, left, no_user, queue_on, watched, with_messages};
use crate::support::{Fault, FaultHost, Traits, Trouble, envelope, poll_once};
use slimta_queue_dict::queue::{Answer, Attempt, BoxError, Options, Queue, Relay, SystemTimer, Timer, Verdict};
use slimta_queue_dict::{Attempts, Change, DictStorage, Envelope, Error, Expect, Lease, MemoryHost};

#[tokio::test]
async fn what_is_delivered_is_removed_after_the_events_of_its_way() {
    let host = MemoryHost::new();
    let (options, events) = watched();
    let queue = queue_on(&host, Answering(|_: &Envelope, _| Answer::delivered()), options);
    id_of(&queue.enqueue(envelope(2, "hello")).await);
    queue.flush().await.unwrap();
    assert_eq!(events.names(), ["queued", "attempt", "delivered"]);
    assert_eq!(left(&host).await, 0);
    assert_eq!(queue.get_info().delivered, 1);
}

#[tokio::test]
async fn each_recipient_has_its_own_outcome_and_keeps_its_original_index() {
    let host = MemoryHost::new();
    let (options, events) = watched();
    let relay = Answering(|envelope: &Envelope, attempts| match (envelope.recipients.len(), attempts) {
        (3, 0) => Answer::Each(vec![Verdict::Delivered(None), later(), no_user()]),
        _ => Answer::delivered(),
    });
    let queue = queue_on(&host, relay, options);
    let id = id_of(&queue.enqueue(envelope(3, "hello")).await);
    queue.flush().await.unwrap();
    let waiting = queue.storage().get(&id).await.unwrap();
    assert_eq!((waiting.attempts, waiting.indexes), (1, vec![1]));
    queue.flush().await.unwrap();
    assert_eq!(left(&host).await, 0);
    let indexes = |name| events.of(name).into_iter().filter(|event| event.id == Some(id)).map(|event| event.indexes);
    assert_eq!(indexes("delivered").collect::<Vec<_>>(), [[0], [1]]);
    assert_eq!(indexes("failed").collect::<Vec<_>>(), [[2]]);
}

#[tokio::test]
async fn a_bounce_names_the_recipient_and_is_never_bounced() {
    let host = MemoryHost::new();
    let (options, events) = watched();
    let queue = queue_on(&host, Answering(|_: &Envelope, _| no_user().into()), options);
    id_of(&queue.enqueue(envelope(1, "hello")).await);
    queue.flush().await.unwrap();
    let bounce = events.of("bounced").pop().unwrap().bounce.unwrap();
    let bounce = queue.storage().get(&bounce).await.unwrap().envelope;
    assert_eq!(bounce.sender.as_deref(), Some(""));
    assert_eq!(bounce.recipients, ["sender@example.com"]);
    let text = String::from_utf8(bounce.message).unwrap();
    let fields = "Final-Recipient: rfc822; 0@example.com\r\nAction: failed\r\nStatus: 5.1.1\r\n";
    assert!(text.contains(fields), "{text}");
    queue.flush().await.unwrap();
    assert_eq!((left(&host).await, events.of("bounced").len()), (0, 1));
}

#[tokio::test]
async fn what_another_one_holds_is_left_to_it_until_its_lease_ends() {
    let host = with_messages(1).await;
    let queue = queue_on(&host, Answering(|_: &Envelope, _| Answer::delivered()), Options::default());
    let id = queue.storage().load().next().await.unwrap().unwrap().1;
    let lease = |until| Change { lease: Some(Some(Lease { until, owner: "another".into() })), ..Change::default() };
    queue.storage().change(&id, lease(1e15)).await.unwrap();
    queue.flush().await.unwrap();
    assert_eq!(queue.storage().get(&id).await.unwrap().attempts, 0);
    queue.storage().change(&id, lease(5.0)).await.unwrap();
    queue.flush().await.unwrap();
    assert_eq!(left(&host).await, 0);
}

#[tokio::test]
async fn one_whose_lease_is_lost_adds_its_marks_and_changes_nothing_else() {
    let host = MemoryHost::new();
    let (options, events) = watched();
    let other = DictStorage::new(host.clone());
    let lease = Lease { until: 1e15, owner: "another".into() };
    struct Stealing(DictStorage<MemoryHost>, Lease);
    impl Relay<Envelope> for Stealing {
        async fn attempt(&self, _: &Envelope, attempt: Attempt) -> Result<Answer, BoxError> {
            let change = Change {
                lease: Some(Some(self.1.clone())),
                attempts: Some(Attempts::Set(2)),
                timestamp: Some(77.0),
                ..Change::default()
            };
            assert!(self.0.change(&attempt.id, change).await?);
            Ok(Answer::Each(vec![Verdict::Delivered(None), later()]))
        }
    }
    let queue = queue_on(&host, Stealing(DictStorage::new(host.clone()), lease.clone()), options);
    let id = id_of(&queue.enqueue(envelope(2, "hello")).await);
    queue.flush().await.unwrap();
    assert_eq!(events.of("error").pop().unwrap().cause, "LeaseLost");
    let waiting = other.get(&id).await.unwrap();
    assert_eq!((waiting.attempts, waiting.indexes), (2, vec![1]));
    let same = Expect { timestamp: Some(77.0), lease: Some(Some(lease)), ..Expect::default() };
    assert!(other.change(&id, Change { expect: same, ..Change::default() }).await.unwrap());
}

#[tokio::test]
async fn what_is_given_up_is_kept_and_can_be_queued_again() {
    let host = MemoryHost::new();
    let kept = MemoryHost::new();
    let good = Arc::new(AtomicBool::new(false));
    let now = good.clone();
    let relay = Answering(move |envelope: &Envelope, _| match envelope.sender.as_deref() {
        Some("sender@example.com") if !now.load(Ordering::Relaxed) => no_user().into(),
        _ => Answer::delivered(),
    });
    let dead_letter = Some(Arc::new(DictStorage::new(kept.clone())));
    let queue = queue_on(&host, relay, Options { dead_letter, ..Options::default() });
    let id = id_of(&queue.enqueue(envelope(1, "hello")).await);
    queue.flush().await.unwrap();
    queue.flush().await.unwrap();
    assert_eq!((left(&host).await, left(&kept).await), (0, 1));
    good.store(true, Ordering::Relaxed);
    let again = queue.retry(&id).await.unwrap();
    assert_eq!(queue.storage().load().next().await.unwrap().map(|(_, id)| id), Some(again));
    assert_eq!(queue.retry(&again).await, Ok(again), "it waits");
    queue.flush().await.unwrap();
    assert_eq!((left(&host).await, left(&kept).await), (0, 0));
    assert_eq!(queue.retry(&id).await, Err(Error::NoSuchMessage(id)));
}

#[tokio::test]
async fn a_dead_letter_is_queued_once_wherever_its_retry_was_cut_short() {
    for remains in [false, true] {
        let (host, kept) = (FaultHost::new(Traits::default()), FaultHost::new(Traits::default()));
        let relay = Answering(move |_: &Envelope, _| match remains {
            true => Answer::Each(vec![no_user(), later()]),
            false => Answer::Each(vec![no_user(), Verdict::Delivered(None)]),
        });
        let options = Options {
            dead_letter: Some(Arc::new(DictStorage::new(kept.clone()))),
            bounce_factory: Some(Box::new(|_, _, _| Box::pin(async { Ok(None) }))),
            ..Options::default()
        };
        let queue = Queue::new(DictStorage::new(host.clone()), relay, options).unwrap();
        let id = id_of(&queue.enqueue(envelope(2, "hello")).await);
        queue.flush().await.unwrap();
        assert_eq!((host.dicts().meta.len(), kept.dicts().meta.len()), (usize::from(remains), 1));
        for host in [&host, &kept] {
            host.plan(|_, _| Fault::After(Trouble::Late(1))); // it can be cut between any two steps
        }
        for polls in 1.. {
            let mut retry = Box::pin(queue.retry(&id));
            if (0..polls).any(|_| poll_once(retry.as_mut()).is_ready()) {
                break;
            }
        }
        assert_eq!((host.dicts().meta.len(), kept.dicts().meta.len()), (if remains { 2 } else { 1 }, 0));
    }
}

#[tokio::test]
async fn a_message_that_ended_every_deliverer_is_given_up_some_day() {
    let host = with_messages(1).await;
    let (options, events) = watched();
    let relay = Answering(|envelope: &Envelope, _| match envelope.sender.as_deref() {
        Some("") => Answer::delivered(),
        _ => panic!("it was attempted again"),
    });
    let queue = queue_on(&host, relay, options);
    let id = queue.storage().load().next().await.unwrap().unwrap().1;
    let change = Change {
        lease: Some(Some(Lease { until: 5.0, owner: "dead".into() })),
        attempts: Some(Attempts::Set(40)),
        first_attempt: Some(1.0),
        scheduled: Some(39),
        timestamp: Some(SystemTimer::default().wall()),
        ..Change::default()
    };
    queue.storage().change(&id, change).await.unwrap();
    queue.flush().await.unwrap();
    queue.flush().await.unwrap();
    assert_eq!((left(&host).await, events.of("bounced").len()), (0, 1));
}

#[tokio::test]
async fn what_a_queue_held_that_has_ended_is_attempted_at_once_where_one_process_alone_can_have_it() {
    let host = with_messages(1).await;
    let queue = queue_on(&host, Answering(|_: &Envelope, _| Answer::delivered()), Options::default());
    let id = queue.storage().load().next().await.unwrap().unwrap().1;
    let until = SystemTimer::default().wall() + 3_600_000.0;
    let lease = |owner: &str| Some(Some(Lease { until, owner: owner.into() }));
    for (owner, remain) in [("another", 1), ("here:another", 0)] {
        let change = Change { lease: lease(owner), attempts: Some(Attempts::Set(1)), ..Change::default() };
        queue.storage().change(&id, change).await.unwrap();
        queue.run().await.unwrap();
        assert_eq!(left(&host).await, remain, "{owner}");
    }
}

#[tokio::test]
async fn an_attempt_that_meets_the_claim_of_a_queue_that_has_ended_is_made_again_at_once() {
    let host = with_messages(1).await;
    let (options, events) = watched();
    let options = Options { scan: Duration::from_secs(3_600), ..options };
    let queue = Arc::new(queue_on(&host, Answering(|_: &Envelope, _| Answer::delivered()), options));
    queue.pause();
    let running = queue.clone();
    let task = tokio::spawn(async move { running.start().await });
    while queue.get_info().size == 0 {
        tokio::task::yield_now().await;
    }
    let other = DictStorage::new(host.clone()); // of whose changes the queue does not hear
    let id = other.load().next().await.unwrap().unwrap().1;
    let until = SystemTimer::default().wall() + 3_600_000.0;
    let lease = Some(Some(Lease { until, owner: "here:another".into() }));
    let claim = Change { lease, timestamp: Some(until), attempts: Some(Attempts::Set(1)), ..Change::default() };
    other.change(&id, claim).await.unwrap();
    queue.resume();
    events.until("delivered").await;
    queue.stop().await;
    assert_eq!((task.await.unwrap(), left(&host).await), (Ok(()), 0));
}
