//! A program in Rust and one in JavaScript, which takes `make pkg`, at once on one queue on Redis.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::join_all;
use slimta_queue_dict::host::{Batch, Host, Stored};
use slimta_queue_dict::queue::{Answer, Attempt, Options, Queue, relay_fn};
use slimta_queue_dict::{DictStorage, Envelope, Id, Meta, RedisHost};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::support::redis::{cluster, new_prefix, server};
use crate::support::{envelope, in_repository};

/// A program in JavaScript, which ends with its input.
struct Program {
    child: Child,
    input: Option<ChildStdin>,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Program {
    fn start(arguments: &[&str]) -> Self {
        let mut command = Command::new("node");
        command.arg(in_repository("tests/support/work.js")).args(arguments);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let (input, output) = (child.stdin.take(), child.stdout.take().unwrap());
        Self { child, input, lines: BufReader::new(output).lines() }
    }

    /// What it says next; nothing after its end.
    async fn line(&mut self) -> Option<String> {
        self.lines.next_line().await.unwrap()
    }
}

/// A place for both programs: what work.js calls it, and the host here.
async fn on_server() -> (&'static str, String, RedisHost) {
    let prefix = new_prefix();
    let host = RedisHost::connect(&server().url()).await.unwrap().with_prefix(&prefix).unwrap();
    ("redis", format!("{}/{prefix}", server().port), host)
}

async fn on_cluster() -> (&'static str, String, RedisHost) {
    let prefix = new_prefix();
    let host = RedisHost::connect_cluster(cluster().urls()).await.unwrap().with_prefix(&prefix).unwrap();
    let ports: Vec<String> = cluster().0.iter().map(|server| server.port.to_string()).collect();
    ("cluster", format!("{}/{prefix}", ports.join(",")), host)
}

fn count_of(short: u32, long: u32) -> u32 {
    if std::env::var_os("LONG").is_some() { long } else { short }
}

async fn no_increment_is_lost((kind, place, host): (&str, String, RedisHost)) {
    let each = count_of(1_000, 5_000);
    let storage = DictStorage::new(host);
    let id = storage.write(envelope(1, "text"), 1.0, Some(Id::from_u128(0))).await.unwrap();
    let mut program = Program::start(&["count", kind, &place, &each.to_string()]);
    for _ in 0..each / 50 {
        for count in join_all((0..50).map(|_| storage.increment_attempts(&id))).await {
            count.unwrap();
        }
    }
    assert_eq!(program.line().await.unwrap(), "counted");
    assert_eq!(storage.get(&id).await.unwrap().attempts, 2 * each);
}

async fn every_message_is_delivered_once((kind, place, host): (&str, String, RedisHost)) {
    let each = count_of(200, 1_000);
    let delivered: Arc<Mutex<Vec<String>>> = Arc::default();
    let relay = {
        let delivered = Arc::clone(&delivered);
        relay_fn(move |envelope: &Envelope, _: Attempt| {
            delivered.lock().unwrap().extend(envelope.recipients.iter().take(1).cloned());
            async { Ok(Answer::delivered()) }
        })
    };
    let queue = Queue::new(DictStorage::new(host), relay, Options::default()).unwrap();
    let mut program = Program::start(&["deliver", kind, &place, &each.to_string()]);
    let mut by_node = Vec::new();
    let work = async {
        for number in 0..each {
            let envelope = Envelope { recipients: vec![format!("rust-{number}")], ..Envelope::default() };
            queue.enqueue(envelope).await.unwrap();
        }
        let all = usize::try_from(2 * each).unwrap();
        while by_node.len() + delivered.lock().unwrap().len() < all {
            if let Ok(line) = tokio::time::timeout(Duration::from_millis(100), program.line()).await {
                by_node.push(line.unwrap());
            }
        }
        while queue.storage().get_info().await.unwrap().size > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        drop(program.input.take());
        while let Some(line) = program.line().await {
            by_node.push(line);
        }
        program.child.wait().await.unwrap();
        queue.stop().await;
    };
    let (worked, ()) = tokio::join!(queue.start(), work);
    worked.unwrap();
    let by_rust = delivered.lock().unwrap().clone();
    println!("{} delivered by Node, {} by Rust", by_node.len(), by_rust.len());
    let mut times: BTreeMap<String, u32> = BTreeMap::new();
    for name in by_node.into_iter().chain(by_rust) {
        *times.entry(name).or_default() += 1;
    }
    let expected = (0..each).flat_map(|number| [format!("js-{number}"), format!("rust-{number}")]);
    assert_eq!(times, expected.map(|name| (name, 1)).collect());
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_server_no_increment_is_lost() {
    no_increment_is_lost(on_server().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_cluster_no_increment_is_lost() {
    no_increment_is_lost(on_cluster().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_server_every_message_is_delivered_once() {
    every_message_is_delivered_once(on_server().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_cluster_every_message_is_delivered_once() {
    every_message_is_delivered_once(on_cluster().await).await;
}

#[tokio::test]
async fn records_of_each_go_through_the_other_unharmed() {
    let count = count_of(300, 5_000);
    let prefix = new_prefix();
    let host = RedisHost::connect(&server().url()).await.unwrap().with_prefix(&prefix).unwrap();
    let run = async |what: &str| {
        let mut command = Command::new("node");
        command.arg(in_repository("tests/support/random-records.js"));
        command.args([what, server().port.to_string().as_str(), &prefix, &count.to_string()]);
        let output = command.output().await.unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    let read = async |number: u32| {
        let id = Id::from_u128(number.into());
        match (host.read_envelope(id).await.unwrap(), host.read_meta(id).await.unwrap().map(|record| record.meta)) {
            (Some(Stored::Good(envelope)), Some(Stored::Good(meta))) => (envelope, meta),
            other => panic!("message {number}: {other:?}"),
        }
    };
    run("write").await;
    let mut copies = Vec::new();
    for number in 0..count {
        let (envelope, meta) = read(number).await;
        let (id, meta) = (Id::from_u128((number + count).into()), Meta { attempts: meta.attempts + 1, ..meta });
        assert!(host.commit(Batch::write(id, envelope.clone(), meta.clone())).await.unwrap());
        copies.push((envelope, meta));
    }
    run("compare").await;
    for (number, copy) in (2 * count..).zip(copies) {
        assert_eq!(read(number).await, copy);
    }
}
