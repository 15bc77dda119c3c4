//! The host on Redis on real servers: one, and a cluster of three.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::time::Duration;

use slimta_queue_dict::conformance::Place;
use slimta_queue_dict::host::{Host, Stored};
use slimta_queue_dict::{DictStorage, Durability, Error, Id, RedisError, RedisHost, host_conforms};

use crate::support::envelope;
use crate::support::redis::{Cluster, Server, cluster, new_prefix, server};
use tokio::net::{TcpListener, TcpStream};

/// A prefix of its own on the server of all tests.
struct OnServer(String);

impl Place for OnServer {
    type Host = RedisHost;

    async fn new() -> Self {
        Self(new_prefix())
    }

    async fn open(&self) -> RedisHost {
        host_on(server(), &self.0).await
    }
}

/// A prefix of its own on the cluster of all tests.
struct OnCluster(String);

impl Place for OnCluster {
    type Host = RedisHost;

    async fn new() -> Self {
        Self(new_prefix())
    }

    async fn open(&self) -> RedisHost {
        RedisHost::connect_cluster(cluster().urls()).await.unwrap().with_prefix(&self.0).unwrap()
    }
}

host_conforms!(server, OnServer);
host_conforms!(cluster, OnCluster);

async fn host_on(server: &Server, prefix: &str) -> RedisHost {
    RedisHost::connect(&server.url()).await.unwrap().with_prefix(prefix).unwrap()
}

async fn storage_on(server: &Server) -> DictStorage<RedisHost> {
    DictStorage::new(host_on(server, &new_prefix()).await)
}

fn id(number: u128) -> Id {
    Id::from_u128(number)
}

#[tokio::test]
async fn hosts_that_share_connection_and_prefix_are_on_one_place() {
    let host = host_on(server(), &new_prefix()).await;
    assert!(host.is_same_place(&host.clone()));
    assert!(!host.is_same_place(&host.clone().with_prefix(&new_prefix()).unwrap()));
}

#[tokio::test]
async fn messages_are_spread_over_all_servers_of_a_cluster() {
    let storage = DictStorage::new(OnCluster("spread".into()).open().await);
    for number in 0..100 {
        storage.write(envelope(1, &number.to_string()), 1.0, None).await.unwrap();
    }
    for server in &cluster().0 {
        assert_ne!(server.ask(&["KEYS", "{spread:*}:metas"]), "");
    }
}

#[tokio::test]
async fn the_script_is_told_again_to_a_server_that_forgot_it() {
    let server = Server::start(&[]);
    let storage = storage_on(&server).await;
    let id = storage.write(envelope(1, "text"), 1.0, None).await.unwrap();
    for count in 1..=3 {
        server.ask(&["SCRIPT", "FLUSH"]);
        assert_eq!(storage.increment_attempts(&id).await.unwrap(), count);
    }
}

#[tokio::test]
async fn it_is_as_durable_as_the_append_only_file_of_the_server() {
    for (settings, durability) in [
        (&[][..], Durability::None),
        (&["--appendonly", "yes", "--appendfsync", "everysec"], Durability::Os),
        (&["--appendonly", "yes", "--appendfsync", "always"], Durability::Disk),
    ] {
        let server = Server::start(settings);
        assert_eq!(host_on(&server, "x").await.durability(), durability);
    }
    let host = OnCluster(new_prefix()).open().await;
    assert_eq!(host.durability(), Durability::Os);
}

#[tokio::test]
async fn a_server_that_would_throw_mail_away_is_refused() {
    let server = Server::start(&["--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"]);
    let refused = RedisHost::connect(&server.url()).await.unwrap_err();
    assert!(matches!(&refused, RedisError::Evicts(policy) if policy == "allkeys-lru"), "{refused}");
}

#[tokio::test]
async fn a_server_that_is_not_there_and_a_url_that_is_none_are_errors_that_say_so() {
    let mut server = Server::start(&[]);
    server.kill();
    assert!(matches!(RedisHost::connect(&server.url()).await, Err(RedisError::Failed(_))));
    assert!(matches!(RedisHost::connect("mail.example.com").await, Err(RedisError::Failed(_))));
    assert!(matches!(RedisHost::connect_cluster([server.url()]).await, Err(RedisError::Failed(_))));
}

#[tokio::test]
async fn a_prefix_with_braces_is_refused() {
    let host = RedisHost::connect(&server().url()).await.unwrap();
    let refused = host.with_prefix("a{b").unwrap_err();
    assert_eq!(refused.to_string(), r#"prefix: expected a text without braces, got "a{b""#);
}

#[tokio::test]
async fn a_full_server_is_full_leaves_nothing_of_what_it_refused_and_still_lets_mail_change_and_go() {
    let server = Server::start(&["--maxmemory-policy", "noeviction"]);
    let storage = storage_on(&server).await;
    let first = storage.write(envelope(1, "text"), 1.0, None).await.unwrap();
    server.ask(&["CONFIG", "SET", "maxmemory", "1mb"]);
    let refused = storage.write(envelope(1, "text"), 1.0, Some(id(1))).await.unwrap_err();
    assert!(matches!(refused, Error::Host(RedisError::Full(_))), "{refused}");
    assert_eq!(storage.get_info().await.unwrap().size, 1);
    assert_eq!(storage.increment_attempts(&first).await.unwrap(), 1);
    storage.remove(&first).await.unwrap();
    assert_eq!(server.ask(&["KEYS", "*"]), "");
}

#[tokio::test]
async fn a_record_of_a_newer_format_is_left_as_it_is() {
    let prefix = new_prefix();
    let storage = DictStorage::new(host_on(server(), &prefix).await);
    let id = storage.write(envelope(1, "text"), 1.0, Some(id(1))).await.unwrap();
    let (key, field) = (format!("{{{prefix}:00}}:records"), format!("meta:{id}"));
    server().ask(&["EVAL", "redis.call('HSET', KEYS[1], ARGV[1], '\\9\\160')", "1", &key, &field]);
    assert!(matches!(storage.increment_attempts(&id).await, Err(Error::NewerFormat(_))));
    assert_eq!(storage.host().read_meta(id).await.unwrap().unwrap().meta, Stored::Newer);
}

#[tokio::test]
async fn while_the_server_is_gone_calls_fail_and_when_it_is_there_again_they_go_on() {
    let settings = ["--appendonly", "yes", "--appendfsync", "always"];
    let mut server = Server::start(&settings);
    let storage = storage_on(&server).await.with_deadline(Duration::from_secs(2));
    let id = storage.write(envelope(1, "text"), 1.0, None).await.unwrap();
    server.kill();
    for _ in 0..2 {
        let failed = storage.increment_attempts(&id).await.unwrap_err();
        assert!(matches!(failed.code(), "host" | "timeout" | "unknown-outcome"), "{failed}");
        assert!(storage.get(&id).await.is_err());
    }
    server.restart(&settings);
    while storage.set_timestamp(&id, 2.0).await.is_err() {}
    let found = loop {
        if let Ok(found) = storage.get(&id).await {
            break found;
        }
    };
    assert_eq!(found.attempts, 0, "what had failed was made later");
}

#[tokio::test]
async fn a_commit_whose_connection_is_ended_before_the_answer_has_an_unknown_outcome_and_is_not_sent_again() {
    let server = Server::start(&[]);
    not_sent_again(RedisHost::connect(&server.url()).await.unwrap(), &[server]).await;
}

#[tokio::test]
async fn a_cluster_that_moves_slots_loses_no_increment_and_no_commit_is_sent_again_whose_answer_is_lost() {
    let cluster = Cluster::start();
    let storage = DictStorage::new(RedisHost::connect_cluster(cluster.urls()).await.unwrap());
    let id = storage.write(envelope(1, "text"), 1.0, Some(id(1))).await.unwrap();
    let has_moved = AtomicBool::new(false);
    let counting = async {
        let mut count = 0;
        while count < 2_000 || !has_moved.load(Ordering::Relaxed) {
            count += 1;
            assert_eq!(storage.increment_attempts(&id).await.unwrap(), count);
        }
        count
    };
    let cluster = Arc::new(cluster);
    let moving = async {
        let cluster = Arc::clone(&cluster);
        let moved = tokio::task::spawn_blocking(move || move_slot(&cluster.0, "{slimta-queue:00}:")).await;
        has_moved.store(true, Ordering::Relaxed);
        moved.unwrap();
    };
    let (count, ()) = tokio::join!(counting, moving);
    assert_eq!(storage.get(&id).await.unwrap().attempts, count);
    not_sent_again(storage.host().clone(), &cluster.0).await;
}

/// Moves the slot of a key, and what is in it, to another server.
fn move_slot(servers: &[Server], key: &str) {
    let slot = servers[0].ask(&["CLUSTER", "KEYSLOT", key]);
    let names: Vec<String> = servers.iter().map(|server| server.ask(&["CLUSTER", "MYID"])).collect();
    let from = servers.iter().position(|server| server.ask(&["CLUSTER", "COUNTKEYSINSLOT", &slot]) == "3").unwrap();
    let to = (from + 1) % servers.len();
    servers[to].ask(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &names[from]]);
    servers[from].ask(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &names[to]]);
    let port = servers[to].port.to_string();
    for key in servers[from].ask(&["CLUSTER", "GETKEYSINSLOT", &slot, "10"]).lines() {
        assert_eq!(servers[from].ask(&["MIGRATE", "127.0.0.1", &port, key, "0", "5000"]), "OK");
    }
    for server in [to, from] {
        assert_eq!(servers[server].ask(&["CLUSTER", "SETSLOT", &slot, "NODE", &names[to]]), "OK");
    }
}

/// Lets a server end the connection of a commit that waits for it.
async fn not_sent_again(host: RedisHost, servers: &[Server]) {
    let storage = DictStorage::new(host.with_prefix("again").unwrap());
    let id = storage.write(envelope(1, "text"), 1.0, None).await.unwrap();
    for server in servers {
        server.ask(&["CLIENT", "PAUSE", "60000", "WRITE"]);
    }
    let waits = |server: &&Server| {
        let clients = server.ask(&["CLIENT", "LIST"]);
        clients.lines().any(|line| line.contains(" flags=b") && line.contains("cmd=evalsha"))
    };
    let ending = async {
        let blocked = loop {
            tokio::time::sleep(Duration::from_millis(10)).await;
            if let Some(server) = servers.iter().find(waits) {
                break server;
            }
        };
        blocked.ask(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
        for server in servers {
            server.ask(&["CLIENT", "UNPAUSE"]);
        }
    };
    let (failed, ()) = tokio::join!(storage.increment_attempts(&id), ending);
    assert_eq!(failed.unwrap_err().code(), "unknown-outcome");
    while storage.get(&id).await.is_err() {}
    assert_eq!(storage.increment_attempts(&id).await.unwrap(), 1);
}

#[tokio::test]
async fn who_waits_hears_of_what_another_program_does_also_after_its_connection_was_lost() {
    let server = Server::start(&[]);
    let prefix = new_prefix();
    let storage = DictStorage::new(host_on(&server, &prefix).await);
    let other = DictStorage::new(host_on(&server, &prefix).await);
    // Nobody looks through everything meanwhile.
    let mut wait = storage.wait(Duration::from_secs(3600));
    for number in 1..=3 {
        let heard = async { while wait.next(&storage).await.unwrap().unwrap().1 != id(number) {} };
        let written = async { other.write(envelope(1, "text"), 1.0, Some(id(number))).await.unwrap() };
        tokio::join!(heard, written);
        server.ask(&["CLIENT", "KILL", "TYPE", "pubsub"]);
    }
}

/// A port that leads each connection to the server which `target` names when it is made.
async fn name_of(target: Arc<AtomicU16>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (mut client, _) = listener.accept().await.unwrap();
            let mut server = TcpStream::connect(("127.0.0.1", target.load(Ordering::Relaxed))).await.unwrap();
            tokio::spawn(async move { tokio::io::copy_bidirectional(&mut client, &mut server).await });
        }
    });
    port
}

#[tokio::test]
async fn where_a_name_leads_to_another_server_after_a_failover_a_commit_fails_and_later_ones_are_made_there() {
    let [primary, replica] = [(); 2].map(|()| Server::start(&["--repl-diskless-sync-delay", "0"]));
    let [old, new] = [&primary, &replica].map(|server| server.port.to_string());
    let target = Arc::new(AtomicU16::new(primary.port));
    let port = name_of(Arc::clone(&target)).await;
    let storage = DictStorage::new(RedisHost::connect(&format!("redis://127.0.0.1:{port}/")).await.unwrap());
    let id = storage.write(envelope(1, "text"), 1.0, None).await.unwrap();
    replica.ask(&["REPLICAOF", "127.0.0.1", &old]);
    while !replica.ask(&["INFO", "replication"]).contains("master_link_status:up") {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    replica.ask(&["REPLICAOF", "NO", "ONE"]);
    primary.ask(&["REPLICAOF", "127.0.0.1", &new]);
    target.store(replica.port, Ordering::Relaxed);
    let failed = storage.increment_attempts(&id).await.unwrap_err();
    assert!(failed.code() == "host" && failed.to_string().contains("READONLY"), "{failed}");
    assert_eq!(storage.increment_attempts(&id).await.unwrap(), 1);
    assert_eq!(storage.get(&id).await.unwrap().attempts, 1);
}

#[tokio::test]
async fn where_a_lost_connection_is_refused_later_calls_make_it_again() {
    let server = Server::start(&["--requirepass", "one"]);
    let url = format!("redis://:one@127.0.0.1:{}/", server.port);
    let storage = DictStorage::new(RedisHost::connect(&url).await.unwrap());
    let id = storage.write(envelope(1, "text"), 1.0, None).await.unwrap();
    server.ask(&["-a", "one", "CONFIG", "SET", "requirepass", "other"]);
    server.ask(&["-a", "other", "CLIENT", "KILL", "TYPE", "normal"]);
    let refused = loop {
        // The first calls may find that the connection is gone.
        let failed = storage.increment_attempts(&id).await.unwrap_err().to_string();
        if failed.contains("WRONGPASS") || failed.contains("uthentication") {
            break failed;
        }
    };
    assert!(!refused.contains(":one@"), "{refused}");
    server.ask(&["-a", "other", "CONFIG", "SET", "requirepass", "one"]);
    let again = async { while storage.increment_attempts(&id).await.is_err() {} };
    tokio::time::timeout(Duration::from_secs(60), again).await.unwrap();
    assert_eq!(storage.get(&id).await.unwrap().attempts, 1);
}

/// The timer of each connection to a port: `02` is that of a probe, `00` none.
#[cfg(target_os = "linux")]
fn timers(port: u16) -> Vec<String> {
    let (end, table) = (format!(":{port:04X}"), std::fs::read_to_string("/proc/net/tcp").unwrap());
    let rows = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let established = rows.filter(|row| row[2].ends_with(&end) && row[3] == "01");
    established.filter_map(|row| row[5].split_once(':')).map(|(timer, _)| timer.to_owned()).collect()
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_connection_and_a_subscription_that_are_silent_are_probed() {
    let server = Server::start(&[]);
    let storage = storage_on(&server).await;
    let mut wait = storage.wait(Duration::from_secs(3600));
    let id = storage.write(envelope(1, "text"), 1.0, None).await.unwrap();
    assert_eq!(wait.next(&storage).await.unwrap(), Some((1.0, id)));
    // What was just sent has a timer of its own.
    let timers = loop {
        tokio::time::sleep(Duration::from_millis(10)).await;
        let timers = timers(server.port);
        if timers.len() == 2 && !timers.contains(&"01".to_owned()) {
            break timers;
        }
    };
    assert_eq!(timers, ["02", "02"]);
}

#[tokio::test]
async fn a_host_that_is_closed_or_dropped_leaves_no_connection() {
    let server = Server::start(&[]);
    let connections = || server.ask(&["CLIENT", "LIST"]).lines().count();
    let before = connections();
    for close in [true, false] {
        let storage = storage_on(&server).await;
        let mut wait = storage.wait(Duration::from_secs(3600));
        let id = storage.write(envelope(1, "text"), 1.0, None).await.unwrap();
        assert_eq!(wait.next(&storage).await.unwrap(), Some((1.0, id)));
        if close {
            storage.close().await.unwrap();
            assert_eq!(storage.get(&id).await.unwrap_err().code(), "closed");
        }
        drop(storage);
        while connections() > before {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}
