//! One way to speak to a server and to a cluster.

use std::fmt;
use std::time::{Duration, Instant};

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::cluster::ClusterClient;
use redis::cluster_async::ClusterConnection;
use redis::cluster_routing::{MultipleNodeRoutingInfo, RoutingInfo};
use redis::{Client, Cmd, ErrorKind, RedisResult, Value};

use super::error::is_reply;
use crate::clock;

const CONNECTING: Duration = Duration::from_secs(5);
/// How long a call waits for a server that is not there, and for one that is to be found in a cluster.
const RECONNECTS: usize = 4;
const LONGEST_PAUSE: Duration = Duration::from_millis(500);
const MOVING: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(50);

#[derive(Clone)]
enum Link {
    One(ConnectionManager),
    Cluster(ClusterConnection),
}

/// A connection that is made again when it was lost. No command is sent twice that may have been executed.
#[derive(Clone)]
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
        let client = Client::open(url)?;
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(CONNECTING))
            .set_response_timeout(None) // a storage has a deadline of its own
            .set_number_of_retries(RECONNECTS)
            .set_max_delay(LONGEST_PAUSE);
        let link = client.get_connection_manager_with_config(config).await?;
        Ok(Self { link: Link::One(link), clients: vec![client] })
    }

    pub(super) async fn to_cluster(urls: Vec<String>) -> RedisResult<Self> {
        let clients = urls.iter().map(|url| Client::open(url.as_str())).collect::<RedisResult<_>>()?;
        // The library would send a command again after a connection was lost, too.
        let builder = ClusterClient::builder(urls).retries(0).connection_timeout(CONNECTING);
        let link = builder.build()?.get_async_connection().await?;
        Ok(Self { link: Link::Cluster(link), clients })
    }

    /// Asks the server that has the first key of the command: again while a cluster moves that key.
    pub(super) async fn ask(&self, command: &Cmd) -> RedisResult<Value> {
        let begun = Instant::now();
        loop {
            let answer = match self.link.clone() {
                Link::One(mut link) => command.query_async(&mut link).await,
                Link::Cluster(mut link) => command.query_async(&mut link).await,
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
        let answer = match self.link.clone() {
            Link::One(mut link) => command.query_async(&mut link).await.map(|answer| vec![answer]),
            Link::Cluster(mut link) => {
                let all = RoutingInfo::MultiNode((MultipleNodeRoutingInfo::AllMasters, None));
                link.route_command(command, all).await.map(|answer| match answer {
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
