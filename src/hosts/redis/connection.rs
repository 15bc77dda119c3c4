//! One way to speak to a server and to a cluster.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::cluster::ClusterClient;
use redis::cluster_async::ClusterConnection;
use redis::cluster_routing::{MultipleNodeRoutingInfo, RoutingInfo};
use redis::io::tcp::TcpSettings;
use redis::io::tcp::socket2::TcpKeepalive;
use redis::{Client, Cmd, ErrorKind, IntoConnectionInfo, RedisResult, Value};

use super::error::is_reply;
use crate::clock;
use crate::sync::{Mutex, lock};

const CONNECTING: Duration = Duration::from_secs(5);
/// How long a call waits for a server that is not there, and for one that is to be found in a cluster.
const RECONNECTS: usize = 4;
const LONGEST_PAUSE: Duration = Duration::from_millis(500);
const MOVING: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(50);
/// How long a connection may be silent before the other end is asked for, and for how long what was sent may stay
/// unconfirmed; how often the other end is asked for then, and how many times.
const SILENCE: Duration = Duration::from_secs(20);
const PROBE: Duration = Duration::from_secs(5);
const PROBES: u32 = 4;

enum Link {
    One(Mutex<Arc<ConnectionManager>>),
    Cluster(ClusterConnection),
}

/// A connection that is made again when it was lost, or leads to a server that has become a replica. No command is
/// sent twice that may have been executed.
pub(super) struct Connection {
    link: Link,
    /// For connections of their own: the server, or those of a cluster that the caller named.
    pub(super) clients: Vec<Client>,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("clients", &self.clients.len()).finish_non_exhaustive()
    }
}

impl Connection {
    pub(super) async fn to_server(url: &str) -> RedisResult<Self> {
        let client = client_of(url)?;
        let link = client.get_connection_manager_with_config(config()).await?;
        Ok(Self { link: Link::One(Mutex::new(Arc::new(link))), clients: vec![client] })
    }

    pub(super) async fn to_cluster(urls: Vec<String>) -> RedisResult<Self> {
        let clients = urls.iter().map(|url| client_of(url)).collect::<RedisResult<_>>()?;
        // The library would send a command again after a connection was lost, too.
        let builder = ClusterClient::builder(urls).retries(0).connection_timeout(CONNECTING).tcp_settings(tcp());
        let link = builder.build()?.get_async_connection().await?;
        Ok(Self { link: Link::Cluster(link), clients })
    }

    /// Asks the server that has the first key of the command: again while a cluster moves that key. Where the server
    /// has become a replica, the next command goes over a new connection: its name may lead to another server by then.
    pub(super) async fn ask(&self, command: &Cmd) -> RedisResult<Value> {
        self.ask_unless(command, |_| false).await
    }

    /// The same for a script, whose results have the errors of its commands among them.
    pub(super) async fn run_script(&self, command: &Cmd) -> RedisResult<Value> {
        self.ask_unless(command, has_one_of_replica).await
    }

    /// The same, where some answers too say that a server is a replica.
    async fn ask_unless(&self, command: &Cmd, says_replica: impl Fn(&Value) -> bool) -> RedisResult<Value> {
        let begun = Instant::now();
        loop {
            let answer = match &self.link {
                Link::One(link) => {
                    let used = lock(link).clone();
                    let answer = command.query_async(&mut ConnectionManager::clone(&used)).await;
                    if answer.as_ref().map_or_else(|error| is_of_replica(error) || is_refusal(error), &says_replica) {
                        self.replace(link, &used)?;
                    }
                    answer
                }
                Link::Cluster(link) => command.query_async(&mut link.clone()).await,
            };
            match answer {
                Err(error) if is_elsewhere(&error) && begun.elapsed() < MOVING => clock::sleep(PAUSE).await,
                answer => return answer,
            }
        }
    }

    /// Asks every server that keeps keys; the text of each answer, none of a server that does not let
    /// everybody know.
    pub(super) async fn ask_all(&self, command: Cmd) -> RedisResult<Vec<String>> {
        let answer = match &self.link {
            Link::One(link) => {
                let mut link = ConnectionManager::clone(&lock(link));
                command.query_async(&mut link).await.map(|answer| vec![answer])
            }
            Link::Cluster(link) => {
                let all = RoutingInfo::MultiNode((MultipleNodeRoutingInfo::AllMasters, None));
                link.clone().route_command(command, all).await.map(|answer| match answer {
                    Value::Map(by_server) => by_server.into_iter().map(|(_, answer)| answer).collect(),
                    answer => vec![answer],
                })
            }
        };
        match answer {
            Ok(answers) => Ok(answers.iter().map(text).collect()),
            Err(error) if is_reply(&error) => Ok(vec![String::new()]),
            Err(error) => Err(error),
        }
    }

    /// Puts a connection that is still to be made in the place of `used`, unless another call has.
    fn replace(&self, link: &Mutex<Arc<ConnectionManager>>, used: &Arc<ConnectionManager>) -> RedisResult<()> {
        let mut link = lock(link);
        if let Some(client) = self.clients.first()
            && Arc::ptr_eq(&link, used)
        {
            *link = Arc::new(ConnectionManager::new_lazy_with_config(client.clone(), config())?);
        }
        Ok(())
    }
}

fn config() -> ConnectionManagerConfig {
    ConnectionManagerConfig::new()
        .set_connection_timeout(Some(CONNECTING))
        .set_response_timeout(None) // a storage has a deadline of its own
        .set_number_of_retries(RECONNECTS)
        .set_max_delay(LONGEST_PAUSE)
}

fn client_of(url: &str) -> RedisResult<Client> {
    Client::open(url.into_connection_info()?.set_tcp_settings(tcp()))
}

/// A connection of which nothing is heard any more ends by itself, whether something was sent or not.
fn tcp() -> TcpSettings {
    let probes = TcpKeepalive::new().with_time(SILENCE);
    #[cfg(not(windows))]
    let probes = probes.with_interval(PROBE).with_retries(PROBES);
    let settings = TcpSettings::default().set_keepalive(probes);
    #[cfg(any(target_os = "android", target_os = "linux"))]
    let settings = settings.set_user_timeout(SILENCE);
    settings
}

/// Whether a server says that it takes no writes.
fn is_of_replica(error: &redis::RedisError) -> bool {
    error.code() == Some("READONLY")
}

/// Whether a server refuses name and password. The manager does not connect again by itself then, although a server may
/// refuse for a moment only.
fn is_refusal(error: &redis::RedisError) -> bool {
    error.kind() == redis::ErrorKind::AuthenticationFailed
}

/// Whether the results of a script say that the server takes no writes.
fn has_one_of_replica(answer: &Value) -> bool {
    let Value::Array(results) = answer else { return false };
    results.iter().any(|result| match result {
        Value::ServerError(error) => error.code() == "READONLY",
        Value::BulkString(error) => error.starts_with(b"READONLY "),
        Value::SimpleString(error) => error.starts_with("READONLY "),
        _ => false,
    })
}

/// Whether the server has not executed the command since another one of the cluster is to, or will be.
fn is_elsewhere(error: &redis::RedisError) -> bool {
    matches!(error.code(), Some("ASK" | "CLUSTERDOWN" | "MASTERDOWN" | "MOVED" | "READONLY" | "TRYAGAIN"))
        || error.kind() == ErrorKind::ClusterConnectionNotFound
}

/// All the text of an answer.
fn text(answer: &Value) -> String {
    match answer {
        Value::BulkString(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => text.clone(),
        Value::Array(all) | Value::Set(all) => all.iter().map(|each| text(each) + " ").collect(),
        Value::Map(all) => all.iter().map(|(name, each)| format!("{} {} ", text(name), text(each))).collect(),
        _ => String::new(),
    }
}
