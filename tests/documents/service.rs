use std::path::Path;
use std::sync::Arc;

use slimta_queue_dict::queue::policies::{add_date_header, add_message_id_header};
use slimta_queue_dict::queue::{Answer, Attempt, BoxError, Kind, Options, Queue, Relay, Reply, Verdict};
use slimta_queue_dict::{DictStorage, Envelope, RedbHost};

/// Delivers to everybody at example.com, and to nobody else.
struct Example;

impl Relay<Envelope> for Example {
    async fn attempt(&self, envelope: &Envelope, _: Attempt) -> Result<Answer, BoxError> {
        let answer_for = |to: &String| match to.ends_with("@example.com") {
            true => Verdict::Delivered(Some(Reply::new(250, "2.0.0 Ok"))),
            false => Verdict::Failed(Reply::new(550, "5.1.1 No such user")),
        };
        Ok(Answer::Each(envelope.recipients.iter().map(answer_for).collect()))
    }
}

pub async fn serve(path: &Path, until: impl Future<Output = ()>) -> Result<(), BoxError> {
    let storage = DictStorage::new(RedbHost::open(path)?);
    let options = Options::<RedbHost>::default().with_listener(|event| match &event.kind {
        Kind::Error(cause) => eprintln!("{:?}: {cause:?}", event.id),
        kind => println!("{} {:?}", kind.name(), event.id),
    });
    let queue = Arc::new(Queue::new(storage, Example, options)?);
    queue.add_policy(add_date_header());
    queue.add_policy(add_message_id_header());
    let work = tokio::spawn({
        let queue = Arc::clone(&queue);
        async move { queue.start().await }
    });

    let mail = Envelope {
        sender: Some("me@example.com".into()),
        recipients: vec!["you@example.com".into()],
        ..Envelope::parse(b"From: me@example.com\r\nTo: you@example.com\r\nSubject: Hello\r\n\r\nHow are you?\r\n")
    };
    queue.enqueue(mail).await?; // it is on the disk

    until.await;
    queue.stop().await; // attempts under way end
    work.await??;
    queue.storage().close().await?;
    Ok(())
}
