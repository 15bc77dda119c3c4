//! What subscribers of `tracing` hear of a queue.

use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use slimta_queue_dict::queue::Options;
use slimta_queue_dict::{Envelope, MemoryHost};
use tracing::field::{Field, Visit};
use tracing::instrument::WithSubscriber;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use crate::support::envelope;
use crate::support::queues::{Answering, id_of, no_user, queue_on};

/// The level and fields of each event, and whether it was told within a span.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<(Vec<String>, u32)>>);

#[derive(Default)]
struct Fields(String);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        match field.name() {
            "message" => self.0 = format!("{value:?}{}", self.0),
            "id" | "bounce" => {}
            name => self.0 += &format!(" {name}={value:?}"),
        }
    }
}

impl Subscriber for Heard {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("slimta_queue_dict")
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        assert_eq!(span.metadata().name(), "attempt");
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let mut heard = self.0.lock().unwrap();
        let place = if heard.1 > 0 { "attempt: " } else { "" };
        heard.0.push(format!("{place}{} {}", event.metadata().level(), fields.0));
    }

    fn enter(&self, _: &Id) {
        self.0.lock().unwrap().1 += 1;
    }

    fn exit(&self, _: &Id) {
        self.0.lock().unwrap().1 -= 1;
    }
}

#[tokio::test]
async fn each_event_is_told_and_those_of_an_attempt_within_its_span() {
    let heard = Heard::default();
    let work = async {
        let queue = queue_on(&MemoryHost::new(), Answering(|_: &Envelope, _| no_user().into()), Options::default());
        let mail = Envelope { sender: None, ..envelope(2, "hello") };
        id_of(&queue.enqueue(mail).await);
        queue.flush().await.unwrap();
    };
    work.with_subscriber(heard.clone()).await;
    assert_eq!(
        heard.0.lock().unwrap().0,
        [
            "DEBUG queued attempts=0",
            "attempt: DEBUG attempt attempts=1",
            "attempt: WARN failed attempts=1 recipients=2 reply=\"550 5.1.1 no such user\"",
        ]
    );
}
