use std::path::Path;
use std::time::Duration;

use slimta_queue_dict::queue::{BoxError, ListOptions, Options, Queue, Relay};
use slimta_queue_dict::{DictStorage, Envelope, RedbHost};

pub fn open<R: Relay<Envelope>>(folder: &Path, relay: R) -> Result<Queue<RedbHost, R>, BoxError> {
    let storage = DictStorage::new(RedbHost::open(folder.join("queue.redb"))?);
    let dead_letter = DictStorage::new(RedbHost::open(folder.join("dead.redb"))?); // a file of its own
    let wait = |attempts| Duration::from_secs(60).saturating_mul(attempts);
    let options = Options::default()
        .with_backoff(move |_, attempts, _, _| Ok((attempts < 6).then(|| wait(attempts))))
        .with_dead_letter(dead_letter);
    Ok(Queue::new(storage, relay, options)?)
}

pub async fn retry_what_failed<R: Relay<Envelope>>(queue: &Queue<RedbHost, R>) -> Result<u32, BoxError> {
    let mut failed = 0;
    let mut listing = queue.list(ListOptions::default())?;
    while let Some(message) = listing.next(queue).await? {
        println!("{} is {}: {:?}", message.id, message.state.name(), message.replies);
        if message.state.name() == "failed" {
            queue.retry(&message.id).await?;
            failed += 1;
        }
    }
    Ok(failed)
}
