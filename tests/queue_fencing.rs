//! An owner whose claim was lost records whom it delivered to, hears of it, and changes nothing else.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::support::queues::{Answering, Events, HostTimer, later, no_user, watched};
use crate::support::{Fault, FaultHost, Step, Traits, Trouble, envelope, poll_once, run, yields};
use slimta_queue_dict::queue::{
    Answer, Attempt, BounceQueue, BoxError, BoxFuture, Options, Queue, Relay, Timer, Verdict,
};
use slimta_queue_dict::{Attempts, Change, DictStorage, Envelope, Host, Id, Lease, Meta};

const LEASE: f64 = 20_000.0;

/// The one message.
fn id() -> Id {
    Id::from_u128(7)
}

/// A host with one message for two recipients, due at once.
fn with_message() -> FaultHost {
    let host = FaultHost::new(Traits::default());
    run(DictStorage::new(host.clone()).write(envelope(2, "hello"), 0.0, Some(id()))).unwrap();
    host
}

fn on_host<R>(host: &FaultHost, relay: R, options: Options<FaultHost>) -> Queue<FaultHost, R, HostTimer> {
    let options = Options { lease: Duration::from_secs_f64(LEASE / 1_000.0), ..options };
    Queue::with_timer(DictStorage::new(host.clone()), relay, options, HostTimer(host.clone())).unwrap()
}

fn meta(host: &FaultHost) -> Option<Meta> {
    host.record(id())
}

/// Claims the message as a deliverer does who finds it when its lease has ended.
fn steal(host: &FaultHost) {
    let lease = Lease { until: 1e12, owner: "another".into() };
    let change = Change {
        timestamp: Some(lease.until),
        attempts: Some(Attempts::Set(2)),
        lease: Some(Some(lease)),
        ..Change::default()
    };
    assert!(run(DictStorage::new(host.clone()).change(&id(), change)).unwrap());
}

fn lost(events: &Events) -> usize {
    events.of("error").iter().filter(|error| error.cause == "LeaseLost").count()
}

/// Takes its time, until it may answer.
#[derive(Clone)]
struct Held {
    has_message: Arc<AtomicBool>,
    may_answer: Arc<AtomicBool>,
}

impl Relay<Envelope> for Held {
    async fn attempt(&self, _: &Envelope, _: Attempt) -> Result<Answer, BoxError> {
        self.has_message.store(true, Ordering::Relaxed);
        while !self.may_answer.load(Ordering::Relaxed) {
            yields(1).await;
        }
        Ok(Answer::Each(vec![Verdict::Delivered(None), no_user()]))
    }
}

/// An owner stands still for longer than its lease, while its relay has the message and `other` attempts it. What the
/// record says before the first one goes on, what it says after that, and what that one has heard.
fn stand_still(other: fn() -> Answer) -> (Option<Meta>, Option<Meta>, Events) {
    let host = with_message();
    let (options, events) = watched();
    let relay = Held { has_message: Arc::default(), may_answer: Arc::default() };
    let first = on_host(&host, relay.clone(), options);
    let mut attempting = Box::pin(first.run());
    while !relay.has_message.load(Ordering::Relaxed) {
        assert!(poll_once(attempting.as_mut()).is_pending());
    }
    host.advance(LEASE + 1_000.0);
    run(on_host(&host, Answering(move |_: &Envelope, _| other()), Options::default()).run()).unwrap();
    let before = meta(&host);
    relay.may_answer.store(true, Ordering::Relaxed);
    let result = run(attempting).unwrap();
    assert_eq!((result.delivered, result.failed), (1, 0));
    (before, meta(&host), events)
}

#[test]
fn an_owner_that_stood_still_for_longer_than_its_lease_adds_whom_it_delivered_to_and_changes_nothing_else() {
    let (before, after, events) = stand_still(|| later().into());
    let before = before.unwrap();
    assert_eq!((before.attempts, before.lease.as_ref()), (2, None));
    assert_eq!(after, Some(Meta { delivered: vec![0], ..before }));
    assert_eq!((lost(&events), events.of("delivered")[0].indexes.clone()), (1, vec![0]));
    assert_eq!((events.of("failed").len(), events.of("bounced").len()), (0, 0));
}

#[test]
fn an_owner_that_stood_still_until_its_message_was_gone_brings_nothing_back_and_hears_of_it() {
    let (before, after, events) = stand_still(Answer::delivered);
    assert_eq!((before, after), (None, None));
    assert_eq!((lost(&events), events.of("failed").len(), events.of("bounced").len()), (1, 0, 0));
}

#[test]
fn an_owner_that_stood_still_tells_nobody_of_whom_another_one_has_delivered_to_since() {
    let (before, after, events) = stand_still(|| Answer::Each(vec![later(), Verdict::Delivered(None)]));
    assert_eq!(before.unwrap().delivered, [1]);
    let after = after.unwrap();
    assert_eq!((after.delivered, after.failed, after.untold), (vec![0, 1], vec![], None));
    assert_eq!((lost(&events), events.of("bounced").len()), (1, 0));
}

/// Refuses everybody, with these options; what is left of the queue's storage, and what it told.
fn refuse(host: &FaultHost, options: Options<FaultHost>, policy: bool) -> Events {
    let (watched, events) = watched::<FaultHost>();
    let options = Options { listener: options.listener.or(watched.listener), ..options };
    let queue = on_host(host, Answering(|_: &Envelope, _| no_user().into()), options);
    if policy {
        let host = host.clone();
        queue.add_policy(Arc::new(move |envelope: Envelope| {
            steal(&host);
            Box::pin(async { Ok(vec![envelope]) })
        }));
    }
    run(queue.run()).unwrap();
    events
}

/// The record is as the other one has left it, who is to tell.
fn is_left_to_the_other(host: &FaultHost) {
    let Meta { timestamp, attempts, lease, untold, .. } = meta(host).unwrap();
    assert_eq!((timestamp, attempts, untold), (1e12, 2, Some(1)));
    assert_eq!(lease.unwrap().owner, "another");
}

/// A queue elsewhere, and how much it was given.
#[derive(Clone, Default)]
struct Elsewhere {
    given: Arc<AtomicUsize>,
    /// Whose message is claimed by another one meanwhile.
    steals: Arc<Mutex<Option<FaultHost>>>,
}

impl BounceQueue<Envelope> for Elsewhere {
    fn enqueue(&self, _: Envelope, _: Id) -> BoxFuture<'_, Result<(), BoxError>> {
        self.given.fetch_add(1, Ordering::Relaxed);
        self.steals.lock().unwrap().iter().for_each(steal);
        Box::pin(async { Ok(()) })
    }
}

#[test]
fn an_owner_that_loses_its_claim_while_the_notice_is_made_stores_none() {
    for goes_elsewhere in [false, true] {
        let host = with_message();
        let stolen = host.clone();
        let elsewhere = Elsewhere::default();
        let options = Options {
            bounce_factory: Some(Box::new(move |failed: &Envelope, _, _| {
                steal(&stolen);
                let notice = Envelope { recipients: vec!["me@example.com".into()], ..failed.clone() };
                Box::pin(async {
                    yields(3).await;
                    Ok(Some(notice))
                })
            })),
            bounce_queue: goes_elsewhere.then(|| Box::new(elsewhere.clone()) as _),
            ..Options::default()
        };
        let events = refuse(&host, options, false);
        assert_eq!((host.dicts().meta.len(), elsewhere.given.load(Ordering::Relaxed)), (1, 0));
        assert_eq!((lost(&events), events.of("failed").len(), events.of("bounced").len()), (1, 1, 0));
        is_left_to_the_other(&host);
    }
}

#[test]
fn an_owner_that_loses_its_claim_while_policies_are_applied_to_the_notice_stores_none() {
    let host = with_message();
    let events = refuse(&host, Options::default(), true);
    assert_eq!((host.dicts().meta.len(), lost(&events), events.of("bounced").len()), (1, 1, 0));
    is_left_to_the_other(&host);
}

#[test]
fn an_owner_that_loses_its_claim_between_record_and_telling_keeps_no_dead_letter_and_stores_no_notice() {
    let host = with_message();
    let kept = FaultHost::new(Traits::default());
    let (watched, events) = watched::<FaultHost>();
    let (stolen, told) = (host.clone(), watched.listener.unwrap());
    let options = Options {
        dead_letter: Some(Arc::new(DictStorage::new(kept.clone()))),
        listener: Some(Box::new(move |event| {
            if event.kind.name() == "failed" {
                steal(&stolen);
            }
            told(event);
        })),
        ..Options::default()
    };
    refuse(&host, options, false);
    assert_eq!((host.dicts().meta.len(), kept.dicts().meta.len()), (1, 0));
    assert_eq!((lost(&events), events.of("failed").len(), events.of("bounced").len()), (1, 1, 0));
    is_left_to_the_other(&host);
}

#[test]
fn an_owner_that_loses_its_claim_after_telling_leaves_the_record_as_it_is_and_hears_of_it() {
    let host = with_message();
    let elsewhere = Elsewhere { steals: Arc::new(Mutex::new(Some(host.clone()))), ..Elsewhere::default() };
    let options = Options { bounce_queue: Some(Box::new(elsewhere.clone())), ..Options::default() };
    let events = refuse(&host, options, false);
    assert_eq!((elsewhere.given.load(Ordering::Relaxed), lost(&events)), (1, 1));
    is_left_to_the_other(&host);
}

#[test]
fn a_claim_that_holds_is_left_alone_also_after_a_look_that_has_failed() {
    let host = with_message();
    let claim = Change {
        timestamp: Some(LEASE),
        attempts: Some(Attempts::Set(1)),
        lease: Some(Some(Lease { until: LEASE, owner: "another".into() })),
        ..Change::default()
    };
    assert!(run(DictStorage::new(host.clone()).change(&id(), claim)).unwrap());
    let queue = on_host(&host, Answering(|_: &Envelope, _| Answer::delivered()), Options::default());
    let mut working = Box::pin(queue.start());
    while queue.get_info().size == 0 {
        assert!(poll_once(working.as_mut()).is_pending());
    }
    host.fault_once(Step::ReadMeta, Fault::Before(Trouble::Fail));
    queue.wake();
    while queue.get_info().delivered == 0 {
        assert!(poll_once(working.as_mut()).is_pending());
    }
    assert!(host.now() >= LEASE, "{}", host.now());
}

/// Counts what it is asked for, and delivers it.
fn counting(asked: &Arc<AtomicUsize>) -> Answering<impl Fn(&Envelope, u32) -> Answer + use<>> {
    let asked = asked.clone();
    Answering(move |_: &Envelope, _| {
        asked.fetch_add(1, Ordering::Relaxed);
        Answer::delivered()
    })
}

/// Lets an owner go on until a commit of its own is made, whose answer is long in coming.
fn stand_still_after_a_commit<F: Future + ?Sized>(host: &FaultHost, mut owner: Pin<&mut F>, made: fn(&Meta) -> bool) {
    host.fault_once(Step::Commit, Fault::After(Trouble::Late(10_000)));
    while !made(&meta(host).unwrap()) {
        assert!(poll_once(owner.as_mut()).is_pending());
    }
}

#[test]
fn an_owner_that_stood_still_between_its_claim_and_its_read_leaves_the_message_to_whoever_has_it() {
    let (host, asked) = (with_message(), Arc::default());
    let (options, events) = watched();
    let queue = on_host(&host, counting(&asked), options);
    let mut attempting = Box::pin(queue.run());
    stand_still_after_a_commit(&host, attempting.as_mut(), |meta| meta.lease.is_some());
    steal(&host);
    run(attempting).unwrap();
    assert_eq!((asked.load(Ordering::Relaxed), lost(&events)), (0, 1));
    assert_eq!(meta(&host).unwrap().lease.unwrap().owner, "another");
}

#[test]
fn what_is_claimed_when_the_time_of_a_stop_is_over_is_not_handed_to_the_relay() {
    let (host, asked) = (with_message(), Arc::default());
    let queue = on_host(&host, counting(&asked), Options::default());
    let mut working = Box::pin(queue.start());
    stand_still_after_a_commit(&host, working.as_mut(), |meta| meta.lease.is_some());
    let mut stopping = Box::pin(queue.stop_within(Duration::ZERO));
    while poll_once(stopping.as_mut()).is_pending() {
        let _ = poll_once(working.as_mut());
    }
    let Meta { attempts, lease, .. } = meta(&host).unwrap();
    assert_eq!((asked.load(Ordering::Relaxed), attempts, lease), (0, 0, None));
}

#[test]
fn an_owner_that_stood_still_after_its_record_removes_no_message_that_has_the_id_since() {
    let host = with_message();
    let queue = on_host(&host, counting(&Arc::default()), Options::default());
    let mut attempting = Box::pin(queue.run());
    stand_still_after_a_commit(&host, attempting.as_mut(), |meta| meta.lease.is_some());
    stand_still_after_a_commit(&host, attempting.as_mut(), |meta| meta.delivered.len() == 2);
    let other = DictStorage::new(host.clone());
    run(other.remove(&id())).unwrap();
    run(other.write(envelope(1, "the next one"), 1e12, Some(id()))).unwrap();
    run(attempting).unwrap();
    assert_eq!(run(other.get(&id())).unwrap().envelope.message, envelope(1, "the next one").message);
}

#[test]
fn nobody_takes_back_what_is_being_sent_although_its_claim_has_ended() {
    let host = with_message();
    let relay = Held { has_message: Arc::default(), may_answer: Arc::default() };
    let queue = on_host(&host, relay.clone(), Options::default());
    let mut attempting = Box::pin(queue.run());
    while !relay.has_message.load(Ordering::Relaxed) {
        assert!(poll_once(attempting.as_mut()).is_pending());
    }
    host.advance(LEASE + 1_000.0);
    assert!(!run(queue.cancel(&id())).unwrap());
    assert!(meta(&host).is_some());
}

#[test]
fn nobody_takes_back_what_was_delivered_although_no_record_says_so() {
    let (host, asked) = (with_message(), Arc::<AtomicUsize>::default());
    let (failing, count) = (host.clone(), asked.clone());
    let relay = Answering(move |_: &Envelope, _| {
        count.fetch_add(1, Ordering::Relaxed);
        failing.fault_always(Step::Commit, Fault::Before(Trouble::Fail));
        Answer::delivered()
    });
    let queue = on_host(&host, relay, Options::default());
    let mut working = Box::pin(queue.start());
    while asked.load(Ordering::Relaxed) == 0 {
        assert!(poll_once(working.as_mut()).is_pending());
    }
    let mut stopping = Box::pin(queue.stop());
    while poll_once(stopping.as_mut()).is_pending() {
        let _ = poll_once(working.as_mut());
    }
    host.plan(|_, _| Fault::None);
    host.advance(LEASE + 1_000.0);
    assert!(!run(queue.cancel(&id())).unwrap());
    assert!(meta(&host).unwrap().delivered.is_empty());
}

/// Has what a queue of the same name was told before it ended.
struct Kept;

impl Relay<Envelope> for Kept {
    async fn attempt(&self, _: &Envelope, _: Attempt) -> Result<Answer, BoxError> {
        Ok(Answer::delivered())
    }

    fn has(&self, _: Id) -> bool {
        true
    }
}

#[test]
fn what_a_relay_has_answered_already_is_recorded_although_the_time_of_a_stop_is_over() {
    let host = with_message();
    let lease = Lease { until: LEASE / 2.0, owner: "me".into() };
    let claimed = Change { attempts: Some(Attempts::Set(1)), lease: Some(Some(lease)), ..Change::default() };
    assert!(run(DictStorage::new(host.clone()).change(&id(), claimed)).unwrap());
    let queue = on_host(&host, Kept, Options { owner: Some("me".into()), ..Options::default() });
    let mut working = Box::pin(queue.start());
    stand_still_after_a_commit(&host, working.as_mut(), |meta| meta.timestamp > LEASE / 2.0);
    let mut stopping = Box::pin(queue.stop_within(Duration::ZERO));
    while poll_once(stopping.as_mut()).is_pending() {
        let _ = poll_once(working.as_mut());
    }
    assert!(meta(&host).is_none(), "it was delivered");
}

#[test]
fn a_notice_that_no_storage_takes_is_put_off_like_one_that_is_refused() {
    let host = with_message();
    let options = Options {
        bounce_factory: Some(Box::new(|failed: &Envelope, _, _| {
            let headers = vec![("Subject".into(), "two\r\nlines".into())];
            let notice = Envelope { headers, ..failed.clone() };
            Box::pin(async { Ok(Some(notice)) })
        })),
        ..Options::default()
    };
    refuse(&host, options, false);
    let Meta { lease, untold, timestamp, .. } = meta(&host).unwrap();
    assert_eq!((lease, untold), (None, Some(1)));
    assert!(timestamp > host.now() + 10_000.0, "{timestamp}");
}

/// The clock of a machine that sleeps: the wall goes on, the steady clock stands still.
struct Asleep {
    host: FaultHost,
    slept: Arc<AtomicUsize>,
}

impl Timer for Asleep {
    fn wall(&self) -> f64 {
        self.host.now() + self.slept.load(Ordering::Relaxed) as f64
    }

    fn steady(&self) -> f64 {
        self.host.now()
    }

    fn random(&self) -> f64 {
        1.0
    }

    async fn sleep(&self, time: Duration) {
        self.host.sleep(time).await;
    }
}

#[test]
fn a_claim_is_renewed_as_soon_as_something_happens_after_a_sleep_of_the_machine() {
    let (host, slept) = (with_message(), Arc::<AtomicUsize>::default());
    let timer = Asleep { host: host.clone(), slept: slept.clone() };
    let relay = Held { has_message: Arc::default(), may_answer: Arc::default() };
    let options = Options { lease: Duration::from_secs_f64(LEASE / 1_000.0), ..Options::default() };
    let queue = Queue::with_timer(DictStorage::new(host.clone()), relay.clone(), options, timer).unwrap();
    let mut working = Box::pin(queue.start());
    while !relay.has_message.load(Ordering::Relaxed) {
        assert!(poll_once(working.as_mut()).is_pending());
    }
    let until = |host| meta(host).unwrap().lease.unwrap().until;
    let claimed = until(&host);
    slept.store(15_000, Ordering::Relaxed);
    queue.wake();
    while until(&host) == claimed {
        assert!(host.now() < LEASE / 5.0, "it waits for the steady clock");
        assert!(poll_once(working.as_mut()).is_pending());
    }
}

/// What a later message with the id says after an answer for the one before it, which was removed while its relay had it.
fn answered_late(is_claimed: bool) -> Meta {
    let host = with_message();
    let relay = Held { has_message: Arc::default(), may_answer: Arc::default() };
    let first = on_host(&host, relay.clone(), Options::default());
    let mut attempting = Box::pin(first.run());
    while !relay.has_message.load(Ordering::Relaxed) {
        assert!(poll_once(attempting.as_mut()).is_pending());
    }
    let storage = DictStorage::new(host.clone());
    run(storage.remove(&id())).unwrap();
    run(storage.write(envelope(0, "later"), 1e12, Some(id()))).unwrap();
    if is_claimed {
        let lease = Some(Some(Lease { until: 1e12, owner: "another".into() }));
        let change = Change { attempts: Some(Attempts::Set(1)), lease, ..Change::default() };
        assert!(run(storage.change(&id(), change)).unwrap());
    }
    relay.may_answer.store(true, Ordering::Relaxed);
    run(attempting).unwrap();
    meta(&host).unwrap()
}

#[test]
fn an_answer_for_more_recipients_than_the_next_message_with_the_id_has_is_no_end_of_the_queue() {
    for is_claimed in [false, true] {
        let record = answered_late(is_claimed);
        assert_eq!((record.timestamp, record.delivered), (1e12, vec![]));
    }
}
