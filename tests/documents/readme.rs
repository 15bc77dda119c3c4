use slimta_queue_dict::queue::{Answer, Attempt, BoxError, Options, Queue, relay_fn};
use slimta_queue_dict::{DictStorage, Envelope, RedbHost};

pub async fn send_one(path: &std::path::Path, mail: Envelope) -> Result<(), BoxError> {
    let relay = relay_fn(|_: &Envelope, _: Attempt| async { Ok(Answer::delivered()) });
    let queue = Queue::new(DictStorage::new(RedbHost::open(path)?), relay, Options::default())?;
    queue.enqueue(mail).await?;
    queue.run().await?;
    Ok(())
}
