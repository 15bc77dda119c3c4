//! The Rust of the documents: each file beside this one is a block of theirs, which is compiled and run here.

pub mod host;
mod readme;
mod redb;
mod retries;
mod service;
mod threads;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use slimta_queue_dict::queue::{Answer, Attempt, Options, Queue, Reply, Verdict, relay_fn};
use slimta_queue_dict::{DictStorage, Envelope, MemoryHost, RedbHost};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// All documents in a folder and below.
fn documents(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            documents(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            found.push(path);
        }
    }
}

#[test]
fn every_block_of_rust_in_the_documents_is_compiled_here() {
    let mut paths = vec![Path::new(ROOT).join("README.md"), Path::new(ROOT).join("CONTRIBUTING.md")];
    documents(&Path::new(ROOT).join("docs"), &mut paths);
    let code = [
        include_str!("host.rs"),
        include_str!("readme.rs"),
        include_str!("redb.rs"),
        include_str!("retries.rs"),
        include_str!("service.rs"),
        include_str!("threads.rs"),
    ];
    let mut count = 0;
    for path in paths {
        let text = fs::read_to_string(&path).unwrap();
        for block in text.split("```rust\n").skip(1) {
            let block = block.split("```").next().unwrap();
            assert!(code.contains(&block), "{}: no file here has this:\n{block}", path.display());
            count += 1;
        }
    }
    assert_eq!(count, code.len());
}

#[tokio::test]
async fn the_block_about_threads_runs_a_queue() {
    let relay = relay_fn(|_: &Envelope, _: Attempt| async { Ok(Answer::delivered()) });
    let queue = Queue::new(DictStorage::new(MemoryHost::new()), relay, Options::default()).unwrap();
    queue.enqueue(Envelope { recipients: vec!["you@example.com".into()], ..Envelope::default() }).await.unwrap();
    assert_eq!(threads::run(Arc::new(queue)).await.unwrap(), Ok(1));
}

async fn left(path: &Path) -> u64 {
    let storage = DictStorage::new(RedbHost::open(path).unwrap());
    let left = storage.get_info().await.unwrap().meta_size;
    storage.close().await.unwrap();
    left
}

#[tokio::test]
async fn the_block_of_the_readme_sends_what_it_is_given() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("queue");
    let mail = Envelope { recipients: vec!["you@example.com".into()], ..Envelope::default() };
    readme::send_one(&path, mail).await.unwrap();
    assert_eq!(left(&path).await, 0);
}

#[tokio::test]
async fn the_block_about_redb_keeps_what_it_writes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("queue");
    assert_eq!(redb::write_one(&path).await.unwrap(), 1);
    assert_eq!(left(&path).await, 1);
}

#[tokio::test]
async fn the_service_sends_what_it_takes_and_ends_when_it_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("queue");
    service::serve(&path, std::future::ready(())).await.unwrap();
    for milliseconds in [300, 3_000, 30_000] {
        service::serve(&path, tokio::time::sleep(std::time::Duration::from_millis(milliseconds))).await.unwrap();
        if left(&path).await == 0 {
            return; // on a machine that does much else it takes longer
        }
    }
    panic!("it sends nothing");
}

#[tokio::test]
async fn the_block_about_retries_queues_again_what_was_given_up() {
    let folder = tempfile::tempdir().unwrap();
    let relay = relay_fn(|_: &Envelope, _: Attempt| async {
        Ok(Answer::All(Verdict::Failed(Reply::new(550, "5.1.1 No such user"))))
    });
    let queue = retries::open(folder.path(), relay).unwrap();
    queue.enqueue(Envelope { recipients: vec!["you@example.com".into()], ..Envelope::default() }).await.unwrap();
    queue.run().await.unwrap();
    assert_eq!(retries::retry_what_failed(&queue).await.unwrap(), 1);
    assert_eq!(queue.count().await.unwrap().failed, 0);
}
