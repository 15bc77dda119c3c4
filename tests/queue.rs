//! The queue of Rust programs: one behaviour a test, on the in-memory host.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::support::queues::{
    Answering, Events, HostTimer, id_of, later, left, no_user, queue_on, watched, with_messages,
};
use crate::support::{Fault, FaultHost, Step, Traits, Trouble, envelope, poll_once, run, yields};
use slimta_queue_dict::queue::{
    Answer, Attempt, BounceQueue, BoxError, BoxFuture, BoxRelay, EnqueueError, EnqueueOptions, Options, Queue, Relay,
    SystemTimer, Timer, Verdict, relay_fn,
};
use slimta_queue_dict::{Attempts, Change, DictStorage, Envelope, Error, Expect, Host, Id, Lease, MemoryHost};

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
    if let Ok(bounce) = queue.storage().get(&bounce).await {
        assert_eq!(bounce.envelope.sender.as_deref(), Some(""));
        assert_eq!(bounce.envelope.recipients, ["sender@example.com"]);
        let text = String::from_utf8(bounce.envelope.message).unwrap();
        let fields = "Final-Recipient: rfc822; 0@example.com\r\nAction: failed\r\nStatus: 5.1.1\r\n";
        assert!(text.contains(fields), "{text}");
    }
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

// ---- starting and stopping ----

#[tokio::test]
async fn a_queue_that_runs_as_a_task_delivers_what_comes_and_ends_when_it_is_stopped() {
    let host = MemoryHost::new();
    let (options, events) = watched();
    let relay = Answering(|_: &Envelope, _| Answer::delivered());
    let queue = Arc::new(queue_on(&host, relay, Options { lease: Duration::from_secs(9), ..options }));
    let running = queue.clone();
    let task = tokio::spawn(async move { running.start().await });
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
    let queue = Arc::new(queue_on(&host, Answering(|_: &Envelope, _| Answer::delivered()), options));
    let running = queue.clone();
    let task = tokio::spawn(async move { running.start().await });
    queue.storage().write(envelope(1, "hello"), 0.0, None).await.unwrap();
    events.until("delivered").await;
    queue.storage().close().await.unwrap();
    assert_eq!(task.await.unwrap(), Err(Error::Closed));
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
    let running = queue.clone();
    let task = tokio::spawn(async move { running.start().await });
    queue.flush().await.unwrap();
    assert_eq!((queue.get_info().in_attempt, left(&host).await), (0, 0));
    queue.stop().await;
    task.await.unwrap().unwrap();
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
    let running = queue.clone();
    let task = tokio::spawn(async move { running.start().await });
    id_of(&queue.enqueue(envelope(1, "hello")).await);
    events.until("deferred").await;
    queue.wake();
    events.until("delivered").await;
    queue.stop().await;
    task.await.unwrap().unwrap();
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
        for _ in 0..polls {
            assert!(poll_once(flush.as_mut()).is_pending());
        }
        assert!(queue.get_info().in_attempt > 0);
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
    assert!(poll_once(first.as_mut()).is_pending());
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

#[tokio::test]
async fn a_stop_within_a_time_ends_the_attempts_that_take_longer() {
    let host = with_messages(1).await;
    let (options, events) = watched();
    let aborted = Arc::new(AtomicUsize::new(0));
    let queue = Arc::new(queue_on(&host, Endless(aborted.clone()), options));
    let running = queue.clone();
    let task = tokio::spawn(async move { running.start().await });
    events.until("attempt").await;
    queue.stop_within(Duration::from_millis(1)).await;
    task.await.unwrap().unwrap();
    assert_eq!((aborted.load(Ordering::Relaxed), events.of("deferred").len()), (1, 1));
    let id = queue.storage().load().next().await.unwrap().unwrap().1;
    let nobody = Expect { lease: Some(None), ..Expect::default() };
    assert!(queue.storage().change(&id, Change { expect: nobody, ..Change::default() }).await.unwrap());
}

// ---- what callers hand over ----

/// Yields so often before it answers.
struct Slow(u32);

impl Relay<Envelope> for Slow {
    async fn attempt(&self, _: &Envelope, _: Attempt) -> Result<Answer, BoxError> {
        yields(self.0).await;
        Ok(Answer::delivered())
    }
}

#[tokio::test]
async fn a_relay_may_be_a_function_shared_or_chosen_while_the_program_runs() {
    let by_function = relay_fn(|envelope: &Envelope, _: Attempt| {
        let count = envelope.recipients.len();
        async move { Ok(Answer::Each(vec![Verdict::Delivered(None); count])) }
    });
    let any: BoxRelay<Envelope> = Box::new(by_function);
    for relay in [Arc::new(any)] {
        let host = with_messages(2).await;
        let queue = Arc::new(queue_on(&host, relay.clone(), Options::default()));
        let flushed = queue.clone();
        tokio::spawn(async move { flushed.flush().await }).await.unwrap().unwrap();
        assert_eq!(left(&host).await, 0);
    }
}

#[tokio::test]
async fn a_relay_that_fails_or_panics_defers_its_message_and_ends_no_other_attempt() {
    struct Failing;
    impl Relay<Envelope> for Failing {
        async fn attempt(&self, envelope: &Envelope, _: Attempt) -> Result<Answer, BoxError> {
            yields(3).await;
            match envelope.headers[0].1.as_str() {
                "1" => panic!("a relay that panics"),
                "2" => Err("no route".into()),
                _ => {
                    yields(3).await;
                    Ok(Answer::delivered())
                }
            }
        }
    }
    let host = with_messages(4).await;
    let (options, events) = watched();
    let queue = queue_on(&host, Failing, options);
    queue.flush().await.unwrap();
    assert_eq!((left(&host).await, queue.get_info().in_attempt), (2, 0));
    for (subject, cause) in [("1", "Relay(\"panicked: a relay that panics\")"), ("2", "Relay(\"no route\")")] {
        let about: Vec<_> = events.all().into_iter().filter(|event| event.subject == subject).collect();
        let names: Vec<_> = about.iter().map(|event| event.name).collect();
        assert_eq!(names, ["attempt", "error", "deferred"]);
        assert_eq!(about[1].cause, cause);
    }
}

#[tokio::test]
async fn a_listener_that_panics_harms_nobody() {
    let host = with_messages(3).await;
    let options = Options { listener: Some(Box::new(|_| panic!("a listener that panics"))), ..Options::default() };
    let queue = queue_on(&host, Answering(|_: &Envelope, _| Answer::delivered()), options);
    queue.flush().await.unwrap();
    assert_eq!((left(&host).await, queue.get_info().in_attempt), (0, 0));
}

#[tokio::test]
async fn a_backoff_that_fails_is_told_of_and_replaced_by_the_usual_one() {
    type Failing = fn() -> Result<Option<Duration>, BoxError>;
    let failing: [(Failing, &str); 2] = [
        (|| panic!("a backoff that panics"), "Callback(\"panicked: a backoff that panics\")"),
        (|| Err("no idea".into()), "Callback(\"no idea\")"),
    ];
    for (backoff, cause) in failing {
        let host = with_messages(1).await;
        let (options, events) = watched();
        let options = Options { backoff: Some(Box::new(move |_, _, _, _| backoff())), ..options };
        let queue = queue_on(&host, Answering(|_: &Envelope, _| later().into()), options);
        queue.flush().await.unwrap();
        assert_eq!(events.names(), ["attempt", "error", "deferred"]);
        assert_eq!(events.of("error")[0].cause, cause);
    }
}

#[tokio::test]
async fn a_bounce_factory_may_take_its_time_and_one_that_fails_is_replaced_by_the_usual_one() {
    type Factory = fn(&Envelope) -> BoxFuture<'static, Result<Option<Envelope>, BoxError>>;
    let own: Factory = |failed| {
        let bounce = Envelope { sender: None, recipients: vec!["me@example.com".into()], ..failed.clone() };
        Box::pin(async {
            yields(3).await;
            Ok(Some(bounce))
        })
    };
    let panicking: Factory = |_| panic!("a factory that panics");
    let failing: Factory = |_| Box::pin(async { Err("no idea".into()) });
    let none: Factory = |_| Box::pin(async { Ok(None) });
    for (factory, names) in [
        (own, &["attempt", "failed", "queued", "bounced"][..]),
        (panicking, &["attempt", "failed", "error", "queued", "bounced"]),
        (failing, &["attempt", "failed", "error", "queued", "bounced"]),
        (none, &["attempt", "failed"]),
    ] {
        let host = with_messages(1).await;
        let (options, events) = watched();
        let options = Options { bounce_factory: Some(Box::new(move |failed, _, _| factory(failed))), ..options };
        let relay = Answering(|envelope: &Envelope, _| match envelope.sender.as_deref() {
            Some("sender@example.com") => no_user().into(),
            _ => Answer::delivered(),
        });
        let queue = queue_on(&host, relay, options);
        queue.flush().await.unwrap();
        assert_eq!(events.names()[..names.len()], *names);
        queue.flush().await.unwrap();
        assert_eq!(left(&host).await, 0);
    }
}

#[tokio::test]
async fn policies_may_take_their_time_and_put_other_envelopes_in_the_place_of_one() {
    let host = MemoryHost::new();
    let queue = queue_on(&host, (), Options::default());
    queue.add_policy(Arc::new(|envelope: Envelope| {
        Box::pin(async move {
            yields(2).await;
            let one = |to: &String| Envelope { recipients: vec![to.clone()], ..envelope.clone() };
            Ok(envelope.recipients.iter().map(one).collect())
        })
    }));
    let given = EnqueueOptions::default().with_id(Id::from_u128(5)).with_at(77.0);
    for _ in 0..2 {
        let stored = queue.enqueue_with(envelope(2, "hello"), given.clone()).await.unwrap();
        let ids: Vec<Id> = stored.iter().map(|(_, id)| *id).collect();
        assert_eq!(ids[0], Id::from_u128(5));
        assert_eq!(queue.storage().get(&ids[1]).await.unwrap().envelope.recipients, ["1@example.com"]);
    }
    assert_eq!(left(&host).await, 2);
    queue.add_policy(Arc::new(|_| Box::pin(async { Err("not that one".into()) })));
    assert_eq!(queue.enqueue(envelope(1, "hello")).await.unwrap_err().to_string(), "not that one");
    assert_eq!(left(&host).await, 2);
}

#[tokio::test]
async fn a_message_that_is_not_stored_is_an_error_and_a_repeat_with_its_key_stores_it_once() {
    let host = FaultHost::new(Traits::default());
    host.plan(|_, step| if matches!(step, Step::Commit) { Fault::Before(Trouble::Fail) } else { Fault::None });
    let queue = Queue::new(DictStorage::new(host.clone()), (), Options::default()).unwrap();
    let Err(EnqueueError::Storage { key, results }) = queue.enqueue(envelope(1, "hello")).await else { panic!() };
    assert!(results[0].1.is_err());
    host.plan(|_, _| Fault::None);
    let options = EnqueueOptions::default().with_key(key);
    let ids: Vec<Id> = [
        id_of(&queue.enqueue_with(envelope(1, "hello"), options.clone()).await),
        id_of(&queue.enqueue_with(envelope(1, "hello"), options).await),
    ]
    .into();
    assert_eq!(ids[0], ids[1]);
    assert_eq!(queue.storage().get_info().await.unwrap().size, 1);
}

#[tokio::test]
async fn notices_go_to_another_queue_if_one_is_given() {
    #[derive(Clone, Default)]
    struct Other(Arc<Mutex<Vec<Id>>>);
    impl BounceQueue<Envelope> for Other {
        fn enqueue(&self, bounce: Envelope, id: Id) -> BoxFuture<'_, Result<(), BoxError>> {
            assert_eq!((bounce.recipients, bounce.notice_of), (vec!["sender@example.com".to_owned()], None));
            self.0.lock().unwrap().push(id);
            Box::pin(async { Ok(()) })
        }
    }
    let host = with_messages(1).await;
    let (options, events) = watched();
    let other = Other::default();
    let options = Options { bounce_queue: Some(Box::new(other.clone())), ..options };
    let queue = queue_on(&host, Answering(|_: &Envelope, _| no_user().into()), options);
    queue.flush().await.unwrap();
    assert_eq!(*other.0.lock().unwrap(), [events.of("bounced")[0].bounce.unwrap()]);
    assert_eq!(left(&host).await, 0);
}

#[tokio::test]
async fn no_more_operations_of_the_storage_are_under_way_than_the_store_pool_has_room_for() {
    for (store_pool, most) in [(Some(2), 2), (None, 12)] {
        let host = FaultHost::new(Traits::default());
        host.plan(|_, _| Fault::Before(Trouble::Late(3)));
        let queue =
            Queue::new(DictStorage::new(host.clone()), (), Options { store_pool, ..Options::default() }).unwrap();
        let mut writing: Vec<_> = (0..12).map(|_| Box::pin(queue.enqueue(envelope(1, "hello")))).collect();
        for one in &mut writing {
            assert!(poll_once(one.as_mut()).is_pending());
        }
        assert_eq!(host.steps().len(), most);
    }
}

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

#[tokio::test]
async fn a_queue_that_takes_the_name_of_one_that_is_no_more_takes_what_that_had_claimed() {
    let host = with_messages(1).await;
    let named = || Options { owner: Some("me".into()), ..Options::default() };
    let first = queue_on(&host, Slow(100), named());
    let mut flush = Box::pin(first.flush());
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
