//! Queues on a disk without room.

use std::fs;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::support::disk::SmallDisk;
use crate::support::envelope;
use crate::support::queues::{Answering, watched};
use slimta_queue_dict::queue::{Answer, Options, Queue};
use slimta_queue_dict::{DictStorage, Envelope, RedbHost};
use tokio::time::sleep;

#[tokio::test]
async fn two_queues_on_a_file_whose_disk_is_full_attempt_each_message_once() {
    let Some(disk) = SmallDisk::new() else { return };
    let (path, ballast) = (disk.path().join("queue"), disk.path().join("ballast"));
    let host = RedbHost::open(&path).unwrap();
    let attempts: Arc<Mutex<Vec<String>>> = Arc::default();
    let (options, events) = watched();
    let queue_with = |options| {
        let attempts = attempts.clone();
        let relay = Answering(move |envelope: &Envelope, _| {
            attempts.lock().unwrap().push(envelope.headers[0].1.clone());
            Answer::delivered()
        });
        Arc::new(Queue::new(DictStorage::new(host.clone()), relay, options).unwrap())
    };
    let queues = [queue_with(options), queue_with(Options::default())];
    for number in 0..20 {
        queues[0].enqueue(envelope(1, &number.to_string())).await.unwrap();
    }
    assert!(fs::write(&ballast, vec![0; 16 << 20]).is_err());
    for size in [40_000, 4_000, 400, 1] {
        let filling = || Envelope { message: vec![1; size], ..envelope(1, "filling") };
        while queues[0].storage().write(filling(), 1e15, None).await.is_ok() {} // in the room that the file has itself
    }
    let tasks = queues.clone().map(|queue| tokio::spawn(async move { queue.start().await }));
    while events.names().iter().filter(|name| ["error", "delivered"].contains(name)).count() < 20 {
        sleep(Duration::from_millis(5)).await;
    }
    fs::remove_file(&ballast).unwrap();
    while attempts.lock().unwrap().len() < 20 || queues[0].count().await.unwrap().due > 0 {
        sleep(Duration::from_millis(5)).await;
    }
    for queue in &queues {
        queue.stop().await;
    }
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    let mut each = attempts.lock().unwrap().clone();
    each.sort();
    each.dedup();
    assert_eq!((each.len(), attempts.lock().unwrap().len()), (20, 20));
}
