use std::sync::Arc;

use slimta_queue_dict::queue::{Queue, QueueEnvelope, Relay};
use slimta_queue_dict::{Error, Host};
use tokio::task::JoinHandle;

pub fn run<H, R>(queue: Arc<Queue<H, R>>) -> JoinHandle<Result<u64, Error<H::Error>>>
where
    H: Host<Envelope: QueueEnvelope> + 'static,
    R: Relay<H::Envelope> + 'static,
{
    tokio::spawn(async move { Ok(queue.run().await?.delivered) })
}
