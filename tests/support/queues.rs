//! Short ways to make queues and to hear what they tell.

use std::fmt::Debug;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use slimta_queue_dict::queue::{
    Answer, Attempt, BoxError, Event, Kind, Options, Queue, Relay, Reply, RunResult, SystemTimer, Timer, Verdict,
};
use slimta_queue_dict::{DictStorage, Envelope, Error, Host, Id, MemoryHost};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::{FaultHost, envelope, yields};

/// Answers with what a function says of an envelope after so many attempts.
pub struct Answering<F>(pub F);

impl<F: Fn(&Envelope, u32) -> Answer + Send + Sync> Relay<Envelope> for Answering<F> {
    async fn attempt(&self, envelope: &Envelope, attempt: Attempt) -> Result<Answer, BoxError> {
        Ok(self.0(envelope, attempt.attempts))
    }
}

/// Yields so often before it answers.
pub struct Slow(pub u32);

impl Relay<Envelope> for Slow {
    async fn attempt(&self, _: &Envelope, _: Attempt) -> Result<Answer, BoxError> {
        yields(self.0).await;
        Ok(Answer::delivered())
    }
}

pub fn no_user() -> Verdict {
    Reply::new(550, "5.1.1 no such user").into()
}

pub fn later() -> Verdict {
    Reply::new(450, "4.2.0 later").into()
}

/// How many messages were attempted, delivered, deferred and given up.
pub fn tally(result: RunResult) -> [u64; 4] {
    [result.attempted, result.delivered, result.deferred, result.failed]
}

/// An event, as far as tests ask for it.
#[derive(Clone, Debug)]
pub struct Heard {
    pub name: &'static str,
    pub id: Option<Id>,
    pub subject: String,
    pub indexes: Vec<u32>,
    pub bounce: Option<Id>,
    pub cause: String,
}

/// The events of a queue.
#[derive(Clone, Debug, Default)]
pub struct Events(Arc<(Mutex<Vec<Heard>>, Notify)>);

impl Events {
    pub fn push<X: Debug>(&self, event: &Event<'_, Envelope, X>) {
        let bounce = if let Kind::Bounced { id, .. } = &event.kind { Some(*id) } else { None };
        let subject = event.envelope.and_then(|envelope| envelope.headers.first()).map(|(_, text)| text.clone());
        let heard = Heard {
            name: event.kind.name(),
            id: event.id,
            subject: subject.unwrap_or_default(),
            indexes: event.kind.recipients().iter().map(|recipient| recipient.index).collect(),
            bounce,
            cause: if let Kind::Error(cause) = &event.kind { format!("{cause:?}") } else { String::new() },
        };
        self.0.0.lock().unwrap().push(heard);
        self.0.1.notify_one();
    }

    pub fn all(&self) -> Vec<Heard> {
        self.0.0.lock().unwrap().clone()
    }

    pub fn names(&self) -> Vec<&'static str> {
        self.all().into_iter().map(|event| event.name).collect()
    }

    pub fn of(&self, name: &str) -> Vec<Heard> {
        self.all().into_iter().filter(|event| event.name == name).collect()
    }

    /// Waits for an event.
    pub async fn until(&self, name: &str) {
        while self.of(name).is_empty() {
            self.0.1.notified().await;
        }
    }
}

/// Options that collect events.
pub fn watched<H: Host<Envelope = Envelope>>() -> (Options<H>, Events) {
    let events = Events::default();
    let heard = events.clone();
    (Options { listener: Some(Box::new(move |event| heard.push(event))), ..Options::default() }, events)
}

pub fn queue_on<R>(host: &MemoryHost, relay: R, options: Options<MemoryHost>) -> Queue<MemoryHost, R, SystemTimer> {
    Queue::new(DictStorage::new(host.clone()), relay, options).unwrap()
}

type Ended = Result<(), Error<<MemoryHost as Host>::Error>>;

/// Lets a queue work until it is stopped.
pub fn start<R: Relay<Envelope> + 'static>(queue: &Arc<Queue<MemoryHost, R, SystemTimer>>) -> JoinHandle<Ended> {
    let queue = Arc::clone(queue);
    tokio::spawn(async move { queue.start().await })
}

/// Stops it, and waits for its end.
pub async fn stop<R>(queue: &Queue<MemoryHost, R, SystemTimer>, task: JoinHandle<Ended>) {
    queue.stop().await;
    task.await.unwrap().unwrap();
}

type Stored = Vec<(Envelope, Id)>;

/// The id of the one message that was stored.
pub fn id_of<X: Debug>(stored: &Result<Stored, X>) -> Id {
    stored.as_ref().unwrap()[0].1
}

/// A host on which so many messages wait, each for one recipient.
pub async fn with_messages(count: usize) -> MemoryHost {
    let host = MemoryHost::new();
    let storage = DictStorage::new(host.clone());
    for number in 0..count {
        storage.write(envelope(1, &format!("{number}")), 0.0, None).await.unwrap();
    }
    host
}

/// How many messages are there.
pub async fn left(host: &MemoryHost) -> u64 {
    DictStorage::new(host.clone()).get_info().await.unwrap().meta_size
}

/// Its clock is that of a host, on which time goes by as it is looked at.
pub struct HostTimer(pub FaultHost);

impl Timer for HostTimer {
    fn wall(&self) -> f64 {
        self.0.now()
    }

    fn steady(&self) -> f64 {
        self.0.now()
    }

    fn random(&self) -> f64 {
        1.0
    }

    async fn sleep(&self, time: Duration) {
        self.0.sleep(time).await;
    }
}
