//! Claims of the queue of Rust programs, and a storage that fails beneath them.

use std::time::Duration;

use crate::support::queues::{Answering, Events, HostTimer, Slow, id_of, left, queue_on, with_messages};
use crate::support::{Fault, FaultHost, Step, Traits, Trouble, envelope, poll_once, run, yields};
use slimta_queue_dict::queue::{Answer, Attempt, BoxError, Options, Queue, Relay};
use slimta_queue_dict::{Attempts, Change, DictStorage, Envelope, Host, Lease, MemoryHost};

#[tokio::test]
async fn a_claim_is_renewed_while_the_relay_takes_its_time() {
    let host = with_messages(1).await;
    struct Patient(DictStorage<MemoryHost>);
    impl Relay<Envelope> for Patient {
        async fn attempt(&self, _: &Envelope, attempt: Attempt) -> Result<Answer, BoxError> {
            let mut seen: Vec<f64> = Vec::new();
            while seen.len() < 4 {
                let due = self.0.load().next().await?.map(|(timestamp, _)| timestamp).unwrap();
                if seen.last() != Some(&due) {
                    seen.push(due);
                }
                yields(1).await;
            }
            assert!(seen.is_sorted(), "{attempt:?}");
            Ok(Answer::delivered())
        }
    }
    let relay = Patient(DictStorage::new(host.clone()));
    let queue = queue_on(&host, relay, Options { lease: Duration::from_millis(40), ..Options::default() });
    queue.flush().await.unwrap();
    assert_eq!(left(&host).await, 0);
}

#[tokio::test]
async fn a_storage_that_fails_is_told_of_and_the_message_waits() {
    let host = FaultHost::new(Traits::default());
    let events = Events::default();
    let heard = events.clone();
    let options = Options { listener: Some(Box::new(move |event| heard.push(event))), ..Options::default() };
    let relay = Answering(|_: &Envelope, _| Answer::delivered());
    let queue = Queue::new(DictStorage::new(host.clone()), relay, options).unwrap();
    id_of(&queue.enqueue(envelope(1, "hello")).await);
    host.fault_once(Step::Commit, Fault::Before(Trouble::Fail));
    queue.flush().await.unwrap();
    assert_eq!(events.names(), ["queued", "error"]);
    assert!(events.of("error")[0].cause.starts_with("Storage(Host("));
    assert_eq!((queue.get_info().size, queue.get_info().in_attempt), (1, 0));
    queue.flush().await.unwrap();
    assert_eq!(host.dicts().meta.len(), 0);
}

#[test]
fn a_claim_that_ends_in_a_year_holds_for_one_lease_unless_its_owner_renews_it() {
    for is_renewed in [false, true] {
        let host = FaultHost::new(Traits::default());
        let storage = DictStorage::new(host.clone());
        let id = run(storage.write(envelope(1, "hello"), 0.0, None)).unwrap();
        let other = DictStorage::new(host.clone());
        let claim = |until| Change {
            timestamp: Some(until),
            attempts: Some(Attempts::Set(1)),
            lease: Some(Some(Lease { until, owner: "another".into() })),
            ..Change::default()
        };
        run(other.change(&id, claim(1e12))).unwrap();
        let relay = Answering(|_: &Envelope, _| Answer::delivered());
        let options = Options { lease: Duration::from_secs(20), ..Options::default() };
        let queue = Queue::with_timer(storage, relay, options, HostTimer(host.clone())).unwrap();
        let mut working = Box::pin(queue.start());
        let mut until = 1e12;
        while host.now() < 21_000.0 {
            assert!(queue.get_info().delivered == 0 || host.now() >= 20_000.0);
            if is_renewed && host.now() >= 5_000.0 && until == 1e12 {
                until += 5_000.0;
                run(other.change(&id, claim(until))).unwrap();
            }
            assert!(poll_once(working.as_mut()).is_pending());
        }
        assert_eq!(queue.get_info().delivered, u64::from(!is_renewed));
    }
}

#[test]
fn all_that_is_due_is_attempted_within_two_seconds_of_the_return_of_a_storage_that_was_left_alone() {
    for (count, away) in [(8, 1_000.0), (8, 60_000.0), (300, 1_000.0), (300, 60_000.0)] {
        let host = FaultHost::new(Traits::default());
        let storage = DictStorage::new(host.clone());
        for number in 0..count {
            run(storage.write(envelope(1, &format!("{number}")), 0.0, None)).unwrap();
        }
        let relay = Answering(|_: &Envelope, _| Answer::delivered());
        let queue = Queue::with_timer(storage, relay, Options::default(), HostTimer(host.clone())).unwrap();
        // It is read, and takes nothing, as a full disk.
        host.plan(|_, step| if step == Step::Commit { Fault::Before(Trouble::Fail) } else { Fault::None });
        let mut working = Box::pin(queue.start());
        while host.now() < away {
            assert!(poll_once(working.as_mut()).is_pending());
        }
        let at_most = count.min(100) as f64 + away / 1_000.0;
        assert!(host.batches().len() as f64 <= at_most, "{count} {away}: {}", host.batches().len());
        host.heal();
        while queue.get_info().delivered < count {
            assert!(host.now() < away + 2_000.0, "{count} {away}: {:?}", queue.get_info());
            assert!(poll_once(working.as_mut()).is_pending());
        }
    }
}

#[tokio::test]
async fn a_queue_that_takes_the_name_of_one_that_is_no_more_takes_what_that_had_claimed() {
    let host = with_messages(1).await;
    let named = || Options { owner: Some("me".into()), ..Options::default() };
    let first = queue_on(&host, Slow(100), named());
    let mut flush = Box::pin(first.flush());
    while first.get_info().in_attempt == 0 {
        assert!(poll_once(flush.as_mut()).is_pending());
        tokio::task::yield_now().await;
    }
    for _ in 0..4 {
        assert!(poll_once(flush.as_mut()).is_pending());
    }
    std::mem::forget(flush); // it is no more, and has released nothing
    let stranger = queue_on(&host, Slow(0), Options::default());
    stranger.flush().await.unwrap();
    assert_eq!(left(&host).await, 1);
    queue_on(&host, Slow(0), named()).flush().await.unwrap();
    assert_eq!(left(&host).await, 0);
}
