//! Dead letters that are queued again while nobody could be told of them yet, and by several at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use crate::support::queues::{Answering, HostTimer, later, no_user};
use crate::support::{Fault, FaultHost, Step, Traits, Trouble, envelope, poll_once, run};
use slimta_queue_dict::queue::{Answer, BounceQueue, BoxError, BoxFuture, Options, Queue, Verdict};
use slimta_queue_dict::{DictStorage, Envelope, Host, Id, NoticeOf};

/// No notice can be handed over to it.
struct Away;

impl BounceQueue<Envelope> for Away {
    fn enqueue(&self, _: Envelope, _: Id) -> BoxFuture<'_, Result<(), BoxError>> {
        Box::pin(async { Err("away".into()) })
    }
}

/// A storage, and one that keeps its dead letters.
struct Scene {
    host: FaultHost,
    kept: FaultHost,
    is_good: Arc<AtomicBool>,
    asked: Arc<AtomicUsize>,
}

fn id() -> Id {
    Id::from_u128(7)
}

impl Scene {
    fn new() -> Self {
        let [host, kept] = [(); 2].map(|()| FaultHost::new(Traits::default()));
        Self { host, kept, is_good: Arc::default(), asked: Arc::default() }
    }

    fn write(&self, recipients: usize) {
        run(DictStorage::new(self.host.clone()).write(envelope(recipients, "hello"), 0.0, Some(id()))).unwrap();
    }

    /// Refuses the first recipient and defers the others, until all is good.
    fn queue(
        &self,
        options: Options<FaultHost>,
    ) -> Queue<FaultHost, Answering<impl Fn(&Envelope, u32) -> Answer + use<>>, HostTimer> {
        let (is_good, asked) = (self.is_good.clone(), self.asked.clone());
        let relay = Answering(move |envelope: &Envelope, _| {
            asked.fetch_add(1, Ordering::Relaxed);
            if is_good.load(Ordering::Relaxed) {
                return Answer::delivered();
            }
            let verdict = |place| -> Verdict { if place == 0 { no_user() } else { later() } };
            Answer::Each((0..envelope.recipients.len()).map(verdict).collect())
        });
        let options = Options {
            dead_letter: Some(Arc::new(DictStorage::new(self.kept.clone()))),
            backoff: Some(Box::new(|_, _, _, _| Ok(Some(Duration::from_secs(3_600))))),
            ..options
        };
        Queue::with_timer(DictStorage::new(self.host.clone()), relay, options, HostTimer(self.host.clone())).unwrap()
    }

    fn counts(&self) -> (usize, usize) {
        (self.host.dicts().meta.len(), self.kept.dicts().meta.len())
    }
}

fn away() -> Options<FaultHost> {
    Options { bounce_queue: Some(Box::new(Away)), ..Options::default() }
}

fn no_notice() -> Options<FaultHost> {
    Options { bounce_factory: Some(Box::new(|_, _, _| Box::pin(async { Ok(None) }))), ..Options::default() }
}

#[test]
fn a_dead_letter_stays_while_the_record_of_its_message_cannot_say_that_nobody_is_to_be_told() {
    let scene = Scene::new();
    scene.write(1);
    let queue = scene.queue(away());
    run(queue.run()).unwrap();
    assert_eq!(scene.host.record(id()).unwrap().untold, Some(1));
    scene.host.fault_once(Step::Commit, Fault::Before(Trouble::Fail));
    run(queue.retry(&id())).unwrap_err();
    assert_eq!(scene.counts(), (1, 1), "nothing is queued");
    let again = run(queue.retry(&id())).unwrap();
    assert_eq!(scene.counts(), (1, 0), "the message that was given up is gone");
    assert!(scene.host.record(again).is_some());
}

#[test]
fn a_retry_of_some_leaves_those_alone_who_wait_for_a_later_time() {
    let scene = Scene::new();
    scene.write(2);
    let queue = scene.queue(away());
    run(queue.run()).unwrap();
    let before = scene.host.record(id()).unwrap();
    assert_eq!((before.untold, before.timestamp > scene.host.now() + 3e6), (Some(1), true));
    run(queue.retry(&id())).unwrap();
    let after = scene.host.record(id()).unwrap();
    assert_eq!((after.untold, after.timestamp), (None, before.timestamp));
}

#[test]
fn a_retry_of_a_message_clears_nothing_of_a_later_one_with_its_id() {
    let scene = Scene::new();
    scene.write(1);
    let queue = scene.queue(no_notice());
    run(queue.run()).unwrap();
    assert_eq!(scene.counts(), (0, 1));
    scene.host.advance(1_000.0);
    scene.write(1);
    scene.kept.fault_always(Step::Commit, Fault::Before(Trouble::Fail));
    run(queue.run()).unwrap();
    scene.kept.plan(|_, _| Fault::None);
    assert_eq!(scene.host.record(id()).unwrap().untold, Some(1), "it could not be kept");
    run(queue.retry(&id())).unwrap();
    assert_eq!(scene.host.record(id()).unwrap().untold, Some(1));
    assert_eq!(scene.kept.dicts().meta.len(), 0);
}

#[test]
fn of_two_retries_at_once_the_slower_one_sends_nothing_again() {
    let scene = Scene::new();
    scene.write(1);
    let queue = scene.queue(no_notice());
    run(queue.run()).unwrap();
    scene.is_good.store(true, Ordering::Relaxed);
    let other = scene.queue(no_notice());
    scene.host.fault_once(Step::ReadMeta, Fault::After(Trouble::Late(10_000)));
    let id = id();
    let mut slower = Box::pin(other.retry(&id));
    assert!(poll_once(slower.as_mut()).is_pending());
    run(queue.retry(&id)).unwrap();
    run(queue.run()).unwrap();
    run(slower).unwrap_err();
    run(queue.run()).unwrap();
    assert_eq!((scene.asked.load(Ordering::Relaxed), scene.counts()), (2, (0, 0)));
}

#[test]
fn a_message_of_which_nobody_was_told_yet_whom_it_gave_up_cannot_be_cancelled() {
    let scene = Scene::new();
    scene.write(2);
    run(scene.queue(away()).run()).unwrap();
    assert!(!run(scene.queue(away()).cancel(&id())).unwrap());
    run(scene.queue(no_notice()).flush()).unwrap();
    assert_eq!(scene.host.record(id()).unwrap().untold, None);
    assert!(run(scene.queue(away()).cancel(&id())).unwrap());
}

#[test]
fn a_policy_that_keeps_a_notice_from_everybody_lets_the_others_of_its_message_be_attempted() {
    let scene = Scene::new();
    scene.write(2);
    let queue = scene.queue(Options::default());
    queue.add_policy(Arc::new(|mut envelope: Envelope| {
        Box::pin(async move {
            if envelope.sender.as_deref().unwrap_or_default().is_empty() {
                envelope.recipients.clear();
            }
            Ok(vec![envelope])
        })
    }));
    run(queue.run()).unwrap();
    let record = scene.host.record(id()).unwrap();
    assert_eq!((scene.counts(), record.untold), ((1, 1), None));
    assert!(record.timestamp > scene.host.now() + 3e6);
}

#[test]
fn a_notice_that_somebody_hands_on_to_a_queue_is_a_message_there() {
    let scene = Scene::new();
    scene.is_good.store(true, Ordering::Relaxed);
    let queue = scene.queue(Options::default());
    let notice_of = Some(NoticeOf { id: id(), attempt: 1 });
    run(queue.enqueue(Envelope { notice_of, ..envelope(1, "notice") })).unwrap();
    assert_eq!(run(queue.run()).unwrap().delivered, 1);
    assert_eq!(scene.asked.load(Ordering::Relaxed), 1);
}
