//! How the queue of Rust programs starts and stops.

use std::future::pending;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::support::queues::{
    Answering, HostTimer, Slow, id_of, later, left, queue_on, start, stop, watched, with_messages,
};
use crate::support::{Fault, FaultHost, Step, Traits, Trouble, envelope, poll_once, run};
use slimta_queue_dict::queue::{Answer, Attempt, BoxError, Options, Queue, Relay, Timer, Verdict};
use slimta_queue_dict::{Change, DictStorage, Envelope, Error, Expect, MemoryHost};

#[tokio::test]
async fn a_queue_that_runs_as_a_task_delivers_what_comes_and_ends_when_it_is_stopped() {
    let host = MemoryHost::new();
    let (options, events) = watched();
    let relay = Answering(|_: &Envelope, _| Answer::delivered());
    let queue = Arc::new(queue_on(&host, relay, Options { lease: Duration::from_secs(9), ..options }));
    let task = start(&queue);
    id_of(&queue.enqueue(envelope(1, "hello")).await);
    events.until("delivered").await;
    queue.stop().await;
    assert_eq!(task.await.unwrap(), Ok(()));
    assert_eq!(left(&host).await, 0);
}

#[tokio::test]
async fn a_queue_hears_of_what_is_written_beside_it() {
    let host = MemoryHost::new();
    let (options, events) = watched();
    let options = Options { scan: Duration::from_secs(3_600), ..options }; // no scan finds it
    let queue = Arc::new(queue_on(&host, Answering(|_: &Envelope, _| Answer::delivered()), options));
    let task = start(&queue);
    queue.storage().write(envelope(1, "hello"), 0.0, None).await.unwrap();
    events.until("delivered").await;
    queue.storage().close().await.unwrap();
    assert_eq!(task.await.unwrap(), Err(Error::Closed));
}

#[tokio::test]
async fn a_queue_whose_storage_is_closed_under_an_attempt_ends_with_it() {
    let host = MemoryHost::new();
    let (options, events) = watched();
    let queue = Arc::new(queue_on(&host, Slow(50), options));
    let task = start(&queue);
    id_of(&queue.enqueue(envelope(1, "hello")).await);
    events.until("attempt").await;
    queue.storage().close().await.unwrap();
    assert_eq!(task.await.unwrap(), Err(Error::Closed));
}

/// A timer on which attempts take all the time there is, and nothing else ever has its turn.
struct Busy(AtomicUsize);

impl Timer for Busy {
    fn wall(&self) -> f64 {
        0.0
    }

    fn steady(&self) -> f64 {
        self.0.fetch_add(20, Ordering::Relaxed) as f64
    }

    fn random(&self) -> f64 {
        1.0
    }

    async fn sleep(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }

    async fn yield_now(&self) {
        pending().await
    }
}

#[tokio::test]
async fn a_message_is_stored_where_nobody_polls_the_attempts_meanwhile() {
    let storage = DictStorage::new(MemoryHost::new());
    let timer = Busy(AtomicUsize::new(0));
    let relay = Answering(|_: &Envelope, _| Answer::delivered());
    let queue = Queue::with_timer(storage, relay, Options::default(), timer).unwrap();
    let mut work = pin!(queue.start());
    assert!(poll_once(work.as_mut()).is_pending());
    id_of(&queue.enqueue(envelope(1, "hello")).await);
}

#[tokio::test]
async fn a_queue_whose_storage_was_closed_says_so_when_it_is_started() {
    let host = MemoryHost::new();
    let queue = queue_on(&host, Answering(|_: &Envelope, _| Answer::delivered()), Options::default());
    queue.storage().close().await.unwrap();
    assert_eq!(queue.start().await, Err(Error::Closed));
    assert_eq!(queue.run().await.unwrap_err(), Error::Closed);
}

#[tokio::test]
async fn a_flush_of_a_queue_that_runs_ends_when_what_waited_was_attempted() {
    let host = MemoryHost::new();
    let queue = Arc::new(queue_on(&host, Slow(20), Options::default()));
    for _ in 0..3 {
        queue.enqueue(envelope(1, "hello")).await.unwrap();
    }
    let task = start(&queue);
    queue.flush().await.unwrap();
    assert_eq!((queue.get_info().in_attempt, left(&host).await), (0, 0));
    stop(&queue, task).await;
}

#[tokio::test]
async fn what_waits_is_attempted_when_the_queue_is_woken() {
    let host = MemoryHost::new();
    let (options, events) = watched();
    let relay = Answering(|_: &Envelope, attempts| match attempts {
        0 => later().into(),
        _ => Answer::delivered(),
    });
    let queue = Arc::new(queue_on(&host, relay, options));
    let task = start(&queue);
    id_of(&queue.enqueue(envelope(1, "hello")).await);
    events.until("deferred").await;
    queue.wake();
    events.until("delivered").await;
    stop(&queue, task).await;
}

#[tokio::test]
async fn a_pause_keeps_claims_from_beginning_until_the_queue_goes_on() {
    let host = with_messages(2).await;
    let queue = queue_on(&host, Answering(|_: &Envelope, _| Answer::delivered()), Options::default());
    queue.pause();
    queue.flush().await.unwrap();
    assert_eq!(left(&host).await, 2);
    queue.resume();
    queue.flush().await.unwrap();
    assert_eq!(left(&host).await, 0);
}

#[tokio::test]
async fn a_flush_that_is_dropped_gives_back_what_it_had_begun_to_attempt() {
    for polls in 1..8 {
        let host = with_messages(6).await;
        let queue = queue_on(&host, Slow(100), Options::default());
        let mut flush = Box::pin(queue.flush());
        while queue.get_info().in_attempt == 0 {
            assert!(poll_once(flush.as_mut()).is_pending());
            tokio::task::yield_now().await; // on a busy machine it lets everything else have its turn first
        }
        for _ in 1..polls {
            assert!(poll_once(flush.as_mut()).is_pending());
        }
        drop(flush);
        assert_eq!((queue.get_info().in_attempt, queue.get_info().size), (0, 6), "after {polls} polls");
        queue.flush().await.unwrap();
        assert_eq!(left(&host).await, 0);
    }
}

#[tokio::test]
async fn a_queue_whose_stop_was_cut_short_can_be_started_again() {
    let host = with_messages(1).await;
    let queue = queue_on(&host, Slow(100), Options::default());
    let mut first = Box::pin(queue.start());
    while queue.get_info().in_attempt == 0 {
        assert!(poll_once(first.as_mut()).is_pending());
        tokio::task::yield_now().await;
    }
    let mut stop = Box::pin(queue.stop());
    assert!(poll_once(stop.as_mut()).is_pending());
    drop(stop);
    first.await.unwrap();
    assert_eq!(left(&host).await, 0);
    id_of(&queue.enqueue(envelope(1, "hello")).await);
    let mut again = Box::pin(queue.start());
    assert!(poll_once(again.as_mut()).is_pending(), "it ends at once");
    let delivered = async {
        while left(&host).await > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        _ = again.as_mut() => panic!("it has ended"),
        () = delivered => {}
    }
}

/// Says by its signal when an attempt is out of time, and never answers.
struct Endless(Arc<AtomicUsize>);

impl Relay<Envelope> for Endless {
    async fn attempt(&self, _: &Envelope, attempt: Attempt) -> Result<Answer, BoxError> {
        attempt.signal.aborted().await;
        self.0.fetch_add(1, Ordering::Relaxed);
        std::future::pending().await
    }
}

#[tokio::test]
async fn an_attempt_that_is_out_of_time_is_deferred_and_its_relay_hears_of_it() {
    let host = with_messages(2).await;
    let (options, events) = watched();
    let aborted = Arc::new(AtomicUsize::new(0));
    let options = Options { attempt_timeout: Some(Duration::from_millis(1)), ..options };
    let queue = queue_on(&host, Endless(aborted.clone()), options);
    queue.flush().await.unwrap();
    assert_eq!((aborted.load(Ordering::Relaxed), events.of("deferred").len()), (2, 2));
}

/// Answers when its attempt is aborted and others have had so many turns.
struct Late(usize);

impl Relay<Envelope> for Late {
    async fn attempt(&self, _: &Envelope, attempt: Attempt) -> Result<Answer, BoxError> {
        attempt.signal.aborted().await;
        for _ in 0..self.0 {
            tokio::task::yield_now().await;
        }
        Ok(Answer::delivered())
    }
}

#[tokio::test]
async fn an_answer_counts_that_comes_at_once_after_the_attempt_is_aborted_and_a_later_one_does_not() {
    for (turns, outcome) in [(0, "delivered"), (100, "deferred")] {
        for is_stopped in [false, true] {
            let host = with_messages(1).await;
            let (options, events) = watched();
            let attempt_timeout = if is_stopped { options.attempt_timeout } else { Some(Duration::from_millis(1)) };
            let queue = Arc::new(queue_on(&host, Late(turns), Options { attempt_timeout, ..options }));
            let task = start(&queue);
            events.until(if is_stopped { "attempt" } else { outcome }).await;
            queue.stop_within(Duration::from_millis(1)).await;
            task.await.unwrap().unwrap();
            assert_eq!(events.of(outcome).len(), 1, "{outcome}, stopped: {is_stopped}");
        }
    }
}

#[tokio::test]
async fn a_stop_within_a_time_ends_the_attempts_that_take_longer() {
    let host = with_messages(1).await;
    let (options, events) = watched();
    let aborted = Arc::new(AtomicUsize::new(0));
    let queue = Arc::new(queue_on(&host, Endless(aborted.clone()), options));
    let task = start(&queue);
    events.until("attempt").await;
    queue.stop_within(Duration::from_millis(1)).await;
    task.await.unwrap().unwrap();
    assert_eq!((aborted.load(Ordering::Relaxed), events.of("deferred").len()), (1, 1));
    let id = queue.storage().load().next().await.unwrap().unwrap().1;
    let nobody = Expect { lease: Some(None), ..Expect::default() };
    assert!(queue.storage().change(&id, Change { expect: nobody, ..Change::default() }).await.unwrap());
}

#[test]
fn an_outcome_that_was_not_recorded_when_a_queue_ended_is_recorded_by_its_next_start() {
    for is_dropped in [false, true] {
        let host = FaultHost::new(Traits::default());
        let (calls, failing) = (Arc::new(AtomicUsize::new(0)), host.clone());
        let counted = calls.clone();
        let relay = Answering(move |_: &Envelope, _| {
            counted.fetch_add(1, Ordering::Relaxed);
            failing.fault_always(Step::Commit, Fault::Before(Trouble::Fail));
            Answer::Each(vec![Verdict::Delivered(None), later()])
        });
        let queue =
            Queue::with_timer(DictStorage::new(host.clone()), relay, Options::default(), HostTimer(host.clone()));
        let queue = queue.unwrap();
        let id = id_of(&run(queue.enqueue(envelope(2, "hello"))));
        let mut working = Box::pin(queue.start());
        while calls.load(Ordering::Relaxed) == 0 || host.batches().is_empty() {
            assert!(poll_once(working.as_mut()).is_pending());
        }
        if !is_dropped {
            let mut stopping = Box::pin(queue.stop());
            assert!(poll_once(stopping.as_mut()).is_pending());
            assert_eq!(run(working.as_mut()), Ok(()));
        }
        drop(working);
        let mut working = Box::pin(queue.start());
        for _ in 0..2_000 {
            assert!(poll_once(working.as_mut()).is_pending());
        }
        host.heal();
        while run(queue.storage().get(&id)).unwrap().indexes != [1] {
            assert!(poll_once(working.as_mut()).is_pending());
        }
        assert_eq!((calls.load(Ordering::Relaxed), run(queue.storage().get(&id)).unwrap().attempts), (1, 1));
    }
}
