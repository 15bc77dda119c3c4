//! Code that is generic over host and relay spawns whatever storages and queues do.

use std::sync::Arc;
use std::time::Duration;

use slimta_queue_dict::host::Stored;
use slimta_queue_dict::queue::{
    Answer, Attempt, BoxRelay, ListOptions, Options, Queue, QueueEnvelope, Relay, RunResult, relay_fn,
};
use slimta_queue_dict::{Change, DictStorage, Envelope, Host, Id, MemoryHost, Repair};
use tokio::spawn;

use crate::support::envelope;

/// Has every call of a storage made in tasks; whatever was written is gone then.
async fn use_storage<H: Host + 'static>(storage: Arc<DictStorage<H>>, envelope: H::Envelope) -> u64 {
    let writing = spawn({
        let storage = Arc::clone(&storage);
        async move { storage.write(envelope, 0.0, None).await.unwrap() }
    });
    let id: Id = writing.await.unwrap();
    let working = spawn({
        let storage = Arc::clone(&storage);
        async move {
            assert_eq!(storage.load().next().await.unwrap().unwrap().1, id);
            assert_eq!(storage.wait(Duration::from_secs(1)).next(&storage).await.unwrap().unwrap().1, id);
            storage.set_timestamp(&id, 1.0).await.unwrap();
            storage.increment_attempts(&id).await.unwrap();
            storage.set_recipients_delivered(&id, &[0]).await.unwrap();
            storage.change(&id, Change::default()).await.unwrap();
            assert_eq!(storage.get(&id).await.unwrap().attempts, 1);
            assert!(matches!(storage.get_meta(&id).await.unwrap(), Some(Stored::Good(_))));
            storage.check().await.unwrap();
            storage.repair(Repair::default()).await.unwrap();
            storage.remove(&id).await.unwrap();
        }
    });
    working.await.unwrap();
    spawn(async move { storage.get_info().await.unwrap().meta_size }).await.unwrap()
}

/// Has every call of a queue made in tasks, one of them while another one attempts what is due.
async fn use_queue<H, R>(queue: Arc<Queue<H, R>>, envelope: H::Envelope) -> RunResult
where
    H: Host<Envelope: QueueEnvelope> + 'static,
    R: Relay<H::Envelope> + 'static,
{
    let starting = spawn({
        let queue = Arc::clone(&queue);
        async move { queue.start().await.unwrap() }
    });
    let working = spawn({
        let queue = Arc::clone(&queue);
        async move {
            let stored = queue.enqueue(envelope).await.ok().unwrap();
            assert_eq!(stored.len(), 1);
            queue.flush().await.unwrap();
            let mut listing = queue.list(ListOptions::default()).unwrap();
            while listing.next(&queue).await.unwrap().is_some() {}
            queue.count().await.unwrap();
            assert!(!queue.cancel(&stored[0].1).await.unwrap());
            assert!(queue.retry(&stored[0].1).await.is_err());
            queue.stop_within(Duration::from_secs(1)).await;
        }
    });
    working.await.unwrap();
    starting.await.unwrap();
    spawn(async move { queue.run().await.unwrap() }).await.unwrap()
}

#[tokio::test]
async fn generic_code_spawns_the_calls_of_a_storage() {
    assert_eq!(use_storage(Arc::new(DictStorage::new(MemoryHost::new())), envelope(1, "")).await, 0);
}

#[tokio::test]
async fn generic_code_spawns_the_calls_of_a_queue() {
    let relay = relay_fn(|_: &Envelope, _: Attempt| async { Ok(Answer::delivered()) });
    let queue = Queue::new(DictStorage::new(MemoryHost::new()), relay, Options::default()).unwrap();
    assert_eq!(use_queue(Arc::new(queue), envelope(1, "")).await.left, 0);
}

#[tokio::test]
async fn generic_code_spawns_the_calls_of_a_queue_whose_relay_is_chosen_while_it_runs() {
    let relay: BoxRelay<Envelope> = Box::new(relay_fn(|_: &Envelope, _: Attempt| async { Ok(Answer::delivered()) }));
    let queue = Queue::new(DictStorage::new(MemoryHost::new()), relay, Options::default()).unwrap();
    assert_eq!(use_queue(Arc::new(queue), envelope(1, "")).await.left, 0);
}

#[tokio::test]
async fn a_queue_whose_relay_is_a_closure_is_spawned_as_it_is() {
    let relay = relay_fn(|_: &Envelope, _: Attempt| async { Ok(Answer::delivered()) });
    let storage = DictStorage::new(MemoryHost::new());
    let queue = Arc::new(Queue::new(storage, relay, Options::default()).unwrap());
    queue.enqueue(envelope(1, "")).await.unwrap();
    let running = spawn({
        let queue = Arc::clone(&queue);
        async move { queue.run().await.unwrap() }
    });
    assert_eq!(running.await.unwrap().delivered, 1);
    queue.enqueue(envelope(1, "")).await.unwrap();
    let flushing = spawn({
        let queue = Arc::clone(&queue);
        async move { queue.flush().await.unwrap() }
    });
    assert_eq!(flushing.await.unwrap().delivered, 1);
    let starting = spawn({
        let queue = Arc::clone(&queue);
        async move { queue.start().await }
    });
    let stopping = spawn(async move { queue.stop().await });
    stopping.await.unwrap();
    starting.await.unwrap().unwrap();
}
