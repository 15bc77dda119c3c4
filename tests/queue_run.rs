//! Runs of a queue: what they attempt, when they end, and what they tell.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use crate::support::queues::{
    Answering, Slow, id_of, later, left, no_user, queue_on, start, stop, tally, watched, with_messages,
};
use crate::support::{Fault, FaultHost, Step, Traits, Trouble, envelope, poll_once, run, yields};
use slimta_queue_dict::queue::{
    AbortSignal, Answer, Attempt, BoxError, EnqueueOptions, Options, Queue, Relay, RunOptions, Timer, Verdict,
};
use tokio::sync::Notify;

use slimta_queue_dict::{Attempts, Change, DictStorage, Envelope, Lease, MemoryHost, Timestamp};

fn delivering() -> Answering<impl Fn(&Envelope, u32) -> Answer> {
    Answering(|_: &Envelope, _| Answer::delivered())
}

fn planned(at: f64) -> EnqueueOptions {
    EnqueueOptions::default().with_at(at)
}

/// Defers the first attempt of each message, and delivers with the second.
fn deferring() -> Answering<impl Fn(&Envelope, u32) -> Answer> {
    Answering(|_: &Envelope, attempts| if attempts == 0 { later().into() } else { Answer::delivered() })
}

fn attempted(attempted: u64, delivered: u64, deferred: u64, failed: u64) -> [u64; 4] {
    [attempted, delivered, deferred, failed]
}

#[tokio::test]
async fn a_run_attempts_what_is_due_once_and_tells_what_came_of_it() {
    let host = MemoryHost::new();
    let relay = Answering(|envelope: &Envelope, _| match envelope.headers[0].1.as_str() {
        "delivered" => Answer::delivered(),
        "each" => Answer::Each(vec![Verdict::Delivered(None), later(), no_user()]),
        _ => later().into(),
    });
    let options = Options::default().with_backoff(|_, _, _, _| Ok(Some(Duration::ZERO)));
    let queue = queue_on(
        &host,
        relay,
        Options { bounce_factory: Some(Box::new(|_, _, _| Box::pin(async { Ok(None) }))), ..options },
    );
    for subject in ["delivered", "each", "deferred"] {
        queue.enqueue(envelope(3, subject)).await.unwrap();
    }
    queue.enqueue_with(envelope(1, "planned"), planned(1e15)).await.unwrap();
    let result = queue.run().await.unwrap();
    assert_eq!(tally(result), attempted(3, 2, 2, 1));
    assert_eq!((result.left, left(&host).await), (3, 3));
    assert!(result.next_due.unwrap() < Timestamp::from(1e15));
}

#[tokio::test]
async fn a_run_leaves_what_was_deferred_to_its_time_and_a_flush_does_not() {
    let host = with_messages(2).await;
    let queue = queue_on(&host, deferring(), Options::default());
    queue.enqueue_with(envelope(1, "planned"), planned(1e15)).await.unwrap();
    assert_eq!(tally(queue.run().await.unwrap()), attempted(2, 0, 2, 0));
    let second = queue.run().await.unwrap();
    assert_eq!((tally(second), second.left), (attempted(0, 0, 0, 0), 3));
    let flushed = queue.flush().await.unwrap();
    assert_eq!(
        (tally(flushed), flushed.left, flushed.next_due),
        (attempted(2, 2, 0, 0), 1, Some(Timestamp::from(1e15)))
    );
    assert_eq!(tally(queue.flush().await.unwrap()), attempted(0, 0, 0, 0));
}

#[tokio::test]
async fn a_run_tells_of_the_claims_of_others_and_leaves_them() {
    let host = with_messages(2).await;
    let queue = queue_on(&host, delivering(), Options::default());
    let id = queue.storage().load().next().await.unwrap().unwrap().1;
    let change = Change {
        timestamp: Some(1e15),
        attempts: Some(Attempts::Set(1)),
        lease: Some(Some(Lease { until: 1e15, owner: "another".into() })),
        ..Change::default()
    };
    queue.storage().change(&id, change).await.unwrap();
    for (expected, result) in
        [(attempted(1, 1, 0, 0), queue.run().await.unwrap()), (attempted(0, 0, 0, 0), queue.flush().await.unwrap())]
    {
        assert_eq!((tally(result), result.left, result.next_due), (expected, 1, Some(Timestamp::from(1e15))));
    }
}

#[tokio::test]
async fn no_attempt_begins_after_the_time_that_a_run_was_given() {
    let host = with_messages(2).await;
    let queue = queue_on(&host, delivering(), Options::default());
    let result = queue.run_with(RunOptions::default().with_until(5.0)).await.unwrap();
    assert_eq!((tally(result), result.left, result.next_due), ([0; 4], 2, Some(Timestamp::from(0.0))));
    let until = RunOptions::default().with_until(1e15);
    assert_eq!(queue.run_with(until).await.unwrap().left, 0);
}

#[tokio::test]
async fn a_system_time_is_a_time_and_what_is_told_is_one_again() {
    let queue = queue_on(&MemoryHost::new(), delivering(), Options::default());
    let hour = SystemTime::now() + Duration::from_secs(3600);
    let planned = EnqueueOptions::default().with_at(hour).with_expires(hour + Duration::from_secs(1));
    let id = id_of(&queue.enqueue_with(envelope(1, "planned"), planned).await);
    let until = RunOptions::default().with_until(hour + Duration::from_secs(3600));
    let next_due = SystemTime::from(queue.run_with(until).await.unwrap().next_due.unwrap());
    assert_eq!((Timestamp::from(next_due), next_due <= hour), (Timestamp::from(hour), true));
    queue.storage().set_timestamp(&id, SystemTime::now()).await.unwrap();
    queue.storage().write(envelope(1, "now"), SystemTime::now(), None).await.unwrap();
    assert_eq!(tally(queue.run().await.unwrap()), attempted(2, 2, 0, 0));
}

#[tokio::test]
async fn a_run_makes_no_more_attempts_than_it_may_also_where_others_have_claimed() {
    let host = with_messages(9).await;
    let limit = |limit| RunOptions { limit: Some(limit), ..RunOptions::default() };
    let (one, two) = (queue_on(&host, Slow(9), Options::default()), queue_on(&host, Slow(9), Options::default()));
    let (first, second) = tokio::join!(one.run_with(limit(4)), two.run_with(limit(3)));
    assert_eq!((first.unwrap().attempted, second.unwrap().attempted), (4, 3));
    assert_eq!(left(&host).await, 2);
    assert_eq!(one.run_with(limit(0)).await.unwrap().left, 2);
}

#[tokio::test]
async fn an_aborted_signal_begins_no_more_attempts_and_lets_those_under_way_end() {
    let host = with_messages(3).await;
    let queue = queue_on(&host, Slow(9), Options { relay_pool: 1, ..Options::default() });
    let signal = AbortSignal::default();
    let mut run = Box::pin(queue.run_with(RunOptions { signal: Some(signal.clone()), ..RunOptions::default() }));
    while queue.get_info().in_attempt == 0 {
        assert!(poll_once(run.as_mut()).is_pending());
    }
    signal.abort();
    let result = run.await.unwrap();
    assert_eq!((tally(result), result.left, left(&host).await), (attempted(1, 1, 0, 0), 2, 2));
    let aborted = RunOptions { signal: Some(signal), ..RunOptions::default() };
    assert_eq!(tally(queue.run_with(aborted).await.unwrap()), [0; 4]);
}

#[tokio::test]
async fn two_runs_of_one_queue_attempt_each_message_once_and_both_wait_for_the_end() {
    let host = with_messages(5).await;
    let (options, events) = watched();
    let queue = queue_on(&host, Slow(9), options);
    let (first, second) = tokio::join!(queue.run(), queue.run());
    let (first, second) = (first.unwrap(), second.unwrap());
    assert_eq!(first.attempted + second.attempted, 5);
    assert_eq!((first.left, second.left, events.of("attempt").len()), (0, 0, 5));
}

#[tokio::test]
async fn a_run_of_a_queue_that_is_started_counts_what_that_attempts_meanwhile() {
    let host = MemoryHost::new();
    let (options, events) = watched();
    let answer = Arc::new(Notify::new());
    let relay = Waiting(answer.clone());
    let queue = Arc::new(queue_on(&host, relay, options));
    let task = start(&queue);
    id_of(&queue.enqueue(envelope(1, "hello")).await);
    events.until("attempt").await;
    let mut run = Box::pin(queue.run());
    for _ in 0..9 {
        assert!(poll_once(run.as_mut()).is_pending());
    }
    answer.notify_one();
    let result = run.await.unwrap();
    assert_eq!((tally(result), result.left), (attempted(1, 1, 0, 0), 0));
    stop(&queue, task).await;
}

#[tokio::test]
async fn waking_leaves_what_was_never_attempted_to_its_time() {
    let host = MemoryHost::new();
    let (options, events) = watched();
    let queue = Arc::new(queue_on(&host, deferring(), options));
    let id = id_of(&queue.enqueue_with(envelope(1, "planned"), planned(1e15)).await);
    let task = start(&queue);
    id_of(&queue.enqueue(envelope(1, "hello")).await);
    events.until("deferred").await;
    queue.wake();
    events.until("delivered").await;
    stop(&queue, task).await;
    assert_eq!(events.of("attempt").len(), 2);
    assert_eq!(queue.storage().get(&id).await.unwrap().attempts, 0);
}

#[tokio::test]
async fn what_a_storage_that_fails_leaves_is_due_when_the_queue_tries_again() {
    let host = FaultHost::new(Traits::default());
    let queue = Queue::new(DictStorage::new(host.clone()), delivering(), Options::default()).unwrap();
    id_of(&queue.enqueue(envelope(1, "hello")).await);
    let before =
        queue.run_with(RunOptions { limit: Some(0), ..RunOptions::default() }).await.unwrap().next_due.unwrap();
    host.fault_once(Step::Commit, Fault::Before(Trouble::Fail));
    let result = queue.run().await.unwrap();
    assert_eq!((tally(result), result.left), ([0; 4], 1));
    assert!(result.next_due.unwrap().as_millis() > before.as_millis() + 500.0, "{result:?}");
}

/// Delivers when it is told to.
struct Waiting(Arc<Notify>);

impl Relay<Envelope> for Waiting {
    async fn attempt(&self, _: &Envelope, _: Attempt) -> Result<Answer, BoxError> {
        self.0.notified().await;
        Ok(Answer::delivered())
    }
}

#[tokio::test]
async fn a_run_asks_once_whether_the_owner_of_many_claims_is_gone() {
    let host = with_messages(20).await;
    let storage = DictStorage::new(host.clone());
    let mut load = storage.load();
    let until = 1e15;
    while let Some((_, id)) = load.next().await.unwrap() {
        let lease = Some(Some(Lease { until, owner: "somebody".into() }));
        storage.change(&id, Change { timestamp: Some(until), lease, ..Change::default() }).await.unwrap();
    }
    let asked = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&asked);
    let options = Options::default().with_owner_gone(move |_| {
        count.fetch_add(1, Ordering::Relaxed);
        Box::pin(std::future::pending())
    });
    let result = queue_on(&host, delivering(), options).run().await.unwrap();
    assert_eq!((result.attempted, asked.load(Ordering::Relaxed)), (0, 1));
}

/// The clock on the wall shows whole milliseconds, as that of JavaScript does. Each look takes a part of one.
#[derive(Clone, Default)]
struct Ticking(Arc<AtomicU32>);

impl Timer for Ticking {
    fn wall(&self) -> f64 {
        1e6 + self.steady().floor()
    }

    fn steady(&self) -> f64 {
        f64::from(self.0.fetch_add(1, Ordering::Relaxed)) * 0.07
    }

    fn random(&self) -> f64 {
        1.0
    }

    async fn sleep(&self, _: Duration) {
        yields(1).await;
    }
}

#[test]
fn what_was_queued_within_one_millisecond_is_attempted_in_that_order() {
    let order: Arc<Mutex<Vec<String>>> = Arc::default();
    let told = order.clone();
    let relay = Answering(move |envelope: &Envelope, _| {
        told.lock().unwrap().push(envelope.headers[0].1.clone());
        Answer::delivered()
    });
    let options = Options { relay_pool: 1, ..Options::default() };
    let storage = DictStorage::new(MemoryHost::new());
    let queue = Queue::with_timer(storage, relay, options, Ticking::default()).unwrap();
    let subjects: Vec<String> = (10..99).map(|number| number.to_string()).collect();
    for subject in &subjects {
        run(queue.enqueue(envelope(1, subject))).unwrap();
    }
    let mut working = Box::pin(queue.start());
    let is_done =
        (0..100_000).any(|_| poll_once(working.as_mut()).is_ready() || order.lock().unwrap().len() == subjects.len());
    assert!(is_done);
    assert_eq!(*order.lock().unwrap(), subjects);
}
