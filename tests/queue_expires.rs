//! Messages that nobody wants any more after a time.

use std::future::ready;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::support::queues::{Events, HostTimer, id_of, later, no_user, tally};
use crate::support::{FaultHost, Traits, envelope, run};
use slimta_queue_dict::queue::{Answer, BoxRelay, EnqueueOptions, Options, Queue, relay_fn};
use slimta_queue_dict::{DictStorage, Envelope, Error, Id, Timestamp};

const HOUR: f64 = 3_600_000.0;

/// A queue with a dead letter, whose relay answers so, and whose clock a test sets forward.
struct Scene {
    host: FaultHost,
    dead_letter: FaultHost,
    events: Events,
    calls: Arc<AtomicUsize>,
    queue: Queue<FaultHost, BoxRelay<Envelope>, HostTimer>,
}

impl Scene {
    fn new(answer: impl Fn(&Envelope) -> Answer + Send + Sync + 'static, options: Options<FaultHost>) -> Self {
        let (host, dead_letter) = (FaultHost::new(Traits::default()), FaultHost::new(Traits::default()));
        let (events, calls) = (Events::default(), Arc::new(AtomicUsize::new(0)));
        let (heard, counted) = (events.clone(), calls.clone());
        let relay: BoxRelay<Envelope> = Box::new(relay_fn(move |envelope: &Envelope, _| {
            counted.fetch_add(1, Ordering::Relaxed);
            ready(Ok(answer(envelope)))
        }));
        let options = Options {
            dead_letter: Some(Arc::new(DictStorage::new(dead_letter.clone()))),
            listener: Some(Box::new(move |event| heard.push(event))),
            ..options
        };
        let timer = HostTimer(host.clone());
        let queue = Queue::with_timer(DictStorage::new(host.clone()), relay, options, timer).unwrap();
        Self { host, dead_letter, events, calls, queue }
    }

    fn enqueue(&self, recipients: usize) -> Id {
        let options = EnqueueOptions { expires: Some(HOUR.into()), ..EnqueueOptions::default() };
        id_of(&run(self.queue.enqueue_with(envelope(recipients, "hello"), options)))
    }

    fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }
}

#[test]
fn what_expires_is_given_up_then_and_an_event_alone_tells_of_it() {
    let scene = Scene::new(|_| later().into(), Options::default());
    let id = scene.enqueue(2);
    assert_eq!(tally(run(scene.queue.run()).unwrap()), [1, 0, 1, 0]);
    scene.host.advance(HOUR);
    assert_eq!(tally(run(scene.queue.run()).unwrap()), [1, 0, 0, 1]);
    assert_eq!(scene.events.names(), ["queued", "attempt", "deferred", "failed"]);
    assert_eq!(scene.events.of("failed")[0].indexes, [0, 1]);
    assert_eq!((scene.host.dicts().meta.len(), scene.dead_letter.dicts().meta.len()), (0, 0));
    assert_eq!(tally(run(scene.queue.flush()).unwrap()), [0, 0, 0, 0]);
    assert_eq!(scene.calls(), 1);
    assert_eq!(run(scene.queue.retry(&id)), Err(Error::NoSuchMessage(id)));
}

#[test]
fn what_has_expired_before_its_first_attempt_is_never_attempted() {
    let scene = Scene::new(|_| Answer::delivered(), Options::default());
    scene.enqueue(1);
    scene.host.advance(HOUR);
    assert_eq!(tally(run(scene.queue.run()).unwrap()), [1, 0, 0, 1]);
    assert_eq!((scene.calls(), scene.host.dicts().meta.len()), (0, 0));
}

#[test]
fn what_expires_is_put_off_no_longer_than_until_then() {
    let backoff: Options<FaultHost> =
        Options { backoff: Some(Box::new(|_, _, _, _| Ok(Some(5 * Duration::from_secs(3600))))), ..Options::default() };
    let scene = Scene::new(|_| later().into(), backoff);
    scene.enqueue(1);
    assert_eq!(run(scene.queue.run()).unwrap().next_due, Some(HOUR.into()));
}

#[test]
fn the_sender_of_what_expires_hears_of_those_who_were_refused_before() {
    let scene = Scene::new(
        |envelope| match envelope.sender.as_deref() {
            Some("") | None => Answer::delivered(),
            _ => Answer::Each(vec![no_user(), later()]),
        },
        Options::default(),
    );
    scene.enqueue(2);
    run(scene.queue.run()).unwrap();
    scene.host.advance(HOUR);
    for _ in 0..3 {
        run(scene.queue.run()).unwrap();
    }
    assert_eq!((scene.host.dicts().meta.len(), scene.dead_letter.dicts().meta.len()), (0, 1));
    let bounced = scene.events.of("bounced");
    assert_eq!(bounced.iter().map(|event| event.indexes.clone()).collect::<Vec<_>>(), [[0]]);
}

#[test]
fn an_end_that_would_be_before_the_first_attempt_or_is_no_time_is_refused() {
    let scene = Scene::new(|_| Answer::delivered(), Options::default());
    scene.host.advance(100.0);
    for (at, expires) in [(Some(500.0), 500.0), (Some(500.0), 400.0), (None, 100.0), (None, f64::NAN)] {
        let options =
            EnqueueOptions { at: at.map(Timestamp::from), expires: Some(expires.into()), ..EnqueueOptions::default() };
        let refused = run(scene.queue.enqueue_with(envelope(1, "hello"), options)).unwrap_err().to_string();
        assert!(refused.starts_with("options.expires: expected a "), "{refused}");
    }
    assert_eq!(scene.host.dicts().meta.len(), 0);
}
