//! Two dictionaries on a Redis server or a Redis Cluster.

mod buckets;
mod commit;
mod connection;
mod error;
mod subscription;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use redis::cmd;
use tokio::runtime::Handle;
use tokio::task::JoinSet;

use crate::clock;
use crate::envelope::Envelope;
use crate::error::{Got, Invalid};
use crate::host::{BatchOf, ChangeListener, Dict, Host, Page, Record, Sizes, Stored};
use crate::hosts::record::{decode_envelope, decode_meta, encode_meta};
use crate::id::Id;
use crate::meta::Meta;
use crate::sync::{Mutex, lock};

use buckets::{Buckets, bucket_of, bytes_of, name_of, place_of};
use connection::Connection;

pub use buckets::RedisCursor;
pub use error::RedisError;

const PREFIX: &str = "slimta-queue";

/// How durable what a server has acknowledged is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Durability {
    /// It lasts as long as the server: there is no append-only file, or the server does not tell.
    None,
    /// It is handed to the operating system, which survives the end of the server.
    Os,
    /// It is on disk (`appendfsync always`), which survives a power cut.
    Disk,
}

/// A host that keeps both dictionaries on a Redis server, or in a Redis Cluster, in the very records of
/// the npm package: programs in Rust and in JavaScript work on one queue. Any number of programs may
/// write. Clones share a connection.
///
/// Messages are spread over 256 buckets by the first two digits of their ids. All keys of a bucket have
/// one hash tag, `{prefix:ab}`, and with it one server: `:envelopes` and `:metas`, sorted sets of ids;
/// `:records`, a hash of `envelope:<id>`, `message:<id>` and `meta:<id>`. A commit is one script, so it is
/// all or nothing, in a cluster too. One whose answer is lost with the connection is an
/// [`RedisError::UnknownOutcome`] and is never sent twice. A connection that was lost is made again by
/// the next call; a command that a cluster refuses while it moves the key is sent again for five seconds.
///
/// Which changes others make is told on the channel that is named as the prefix is: a
/// [`Wait`](crate::Wait) and a queue on this host hear of them at once.
///
/// How durable a commit is, is the server's `appendfsync`; [`RedisHost::durability`] says it. A server
/// that may evict any key (`maxmemory-policy allkeys-*`) would throw mail away: it is refused. What a
/// primary has acknowledged, a replica that takes its place may not have.
///
/// A host works within the tokio runtime in which it was connected. For `rediss://` a program adds the
/// crate `redis` with one of its features for TLS, such as `tokio-rustls-comp`.
///
/// ```no_run
/// use slimta_queue_dict::{DictStorage, Envelope, RedisHost};
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let host = RedisHost::connect("redis://127.0.0.1/").await?;
/// let storage = DictStorage::new(host.with_prefix("mail")?);
/// let envelope = Envelope { recipients: vec!["you@example.com".into()], ..Envelope::default() };
/// storage.write(envelope, 0.0, None).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct RedisHost {
    /// None once this is closed.
    connection: Mutex<Option<Arc<Connection>>>,
    prefix: Arc<str>,
    durability: Durability,
    runtime: Handle,
    /// They end with the host.
    subscriptions: Mutex<JoinSet<()>>,
}

impl Clone for RedisHost {
    fn clone(&self) -> Self {
        Self {
            connection: Mutex::new(lock(&self.connection).clone()),
            prefix: Arc::clone(&self.prefix),
            durability: self.durability,
            runtime: self.runtime.clone(),
            subscriptions: Mutex::default(),
        }
    }
}

impl RedisHost {
    /// Connects to a server.
    ///
    /// # Errors
    /// [`RedisError::Failed`] when it is not there, [`RedisError::Evicts`] when it may throw mail away.
    ///
    /// # Panics
    /// Outside of a runtime of tokio.
    pub async fn connect(url: &str) -> Result<Self, RedisError> {
        Self::over(Connection::to_server(url).await?).await
    }

    /// Connects to a cluster of which at least one server is named.
    ///
    /// # Errors
    /// As for [`RedisHost::connect`].
    ///
    /// # Panics
    /// Outside of a runtime of tokio.
    pub async fn connect_cluster(urls: impl IntoIterator<Item = impl Into<String>>) -> Result<Self, RedisError> {
        Self::over(Connection::to_cluster(urls.into_iter().map(Into::into).collect()).await?).await
    }

    /// The same host on other keys: `prefix`, which is `slimta-queue` unless given, begins them all, and
    /// names the channel on which changes are told.
    ///
    /// # Errors
    /// A prefix with braces, which Redis would read as another hash tag.
    pub fn with_prefix(mut self, prefix: &str) -> Result<Self, Invalid> {
        if prefix.contains(['{', '}']) {
            let (argument, expected) = ("prefix", "a text without braces");
            return Err(Invalid::new(argument, expected, Got::Text(prefix.into())));
        }
        self.prefix = prefix.into();
        Ok(self)
    }

    /// How durable a commit is: the least that any server said of itself when this was connected.
    #[must_use]
    pub fn durability(&self) -> Durability {
        self.durability
    }

    async fn over(connection: Connection) -> Result<Self, RedisError> {
        let mut command = cmd("CONFIG");
        command.arg("GET").arg("appendfsync");
        let (infos, syncs) = (connection.ask_all(cmd("INFO")).await?, connection.ask_all(command).await?);
        let policies =
            infos.iter().flat_map(|info| info.lines()).filter_map(|line| line.split_once("maxmemory_policy:"));
        if let Some((_, policy)) = policies.into_iter().find(|(_, policy)| policy.starts_with("allkeys")) {
            return Err(RedisError::Evicts(policy.into()));
        }
        let durability = if !infos.iter().all(|info| info.contains("aof_enabled:1")) {
            Durability::None
        } else if syncs.iter().all(|sync| sync.contains("always")) {
            Durability::Disk
        } else {
            Durability::Os
        };
        Ok(Self {
            connection: Mutex::new(Some(Arc::new(connection))),
            prefix: PREFIX.into(),
            durability,
            runtime: Handle::current(),
            subscriptions: Mutex::default(),
        })
    }

    fn connection(&self) -> Result<Arc<Connection>, RedisError> {
        lock(&self.connection).clone().ok_or(RedisError::Closed)
    }

    /// What stands in the records of a message under these names.
    async fn read(&self, id: Id, names: &[&str]) -> Result<Vec<Option<Vec<u8>>>, RedisError> {
        let mut command = cmd("HMGET");
        command.arg(format!("{}records", place_of(&self.prefix, bucket_of(id))));
        for name in names {
            command.arg(format!("{name}:{id}"));
        }
        Ok(bytes_of(self.connection()?.ask(&command).await?))
    }
}

impl Host for RedisHost {
    type Envelope = Envelope;
    /// The bytes of a meta record.
    type Version = Arc<[u8]>;
    type Cursor = RedisCursor;
    type Error = RedisError;

    async fn read_meta(&self, id: Id) -> Result<Option<Record<Arc<[u8]>>>, RedisError> {
        let found = self.read(id, &[name_of(Dict::Meta)]).await?;
        let record = found.into_iter().flatten().next();
        Ok(record.map(|bytes| Record { meta: decode_meta(&bytes), version: bytes.into() }))
    }

    async fn read_envelope(&self, id: Id) -> Result<Option<Stored<Envelope>>, RedisError> {
        let mut found = self.read(id, &[name_of(Dict::Envelope), "message"]).await?.into_iter();
        let (record, message) = (found.next().flatten(), found.next().flatten());
        Ok(record.map(|bytes| decode_envelope(&bytes, message.as_deref())))
    }

    async fn commit(&self, batch: BatchOf<Self>) -> Result<bool, RedisError> {
        commit::run(&*self.connection()?, &self.prefix, batch).await
    }

    async fn page(&self, dict: Dict, cursor: Option<RedisCursor>, limit: u32) -> Result<Page<RedisCursor>, RedisError> {
        let connection = self.connection()?;
        Buckets { connection: &connection, prefix: &self.prefix }.page(dict, cursor, limit).await
    }

    fn cursor_after(&self, id: Id) -> Option<RedisCursor> {
        Some(RedisCursor::after(id))
    }

    async fn sizes(&self) -> Result<Sizes, RedisError> {
        let connection = self.connection()?;
        Buckets { connection: &connection, prefix: &self.prefix }.sizes().await
    }

    fn sleep(&self, time: Duration) -> impl Future<Output = ()> + Send {
        clock::sleep(time)
    }

    fn now(&self) -> f64 {
        clock::now()
    }

    fn version_of(&self, meta: &Meta) -> Option<Arc<[u8]>> {
        Some(encode_meta(meta).into())
    }

    /// Whether they share a connection and a prefix: of two connections it is not known.
    fn is_same_place(&self, other: &Self) -> bool {
        let [own, others] = [self, other].map(Self::connection);
        self.prefix == other.prefix && own.ok().zip(others.ok()).is_some_and(|(own, other)| Arc::ptr_eq(&own, &other))
    }

    fn is_too_large(error: &RedisError) -> bool {
        matches!(error, RedisError::TooLarge(_))
    }

    fn is_full(error: &RedisError) -> bool {
        matches!(error, RedisError::Full(_))
    }

    fn is_unknown_outcome(error: &RedisError) -> bool {
        matches!(error, RedisError::UnknownOutcome(_))
    }

    fn subscribe(&self, listener: ChangeListener) {
        let Ok(connection) = self.connection() else { return };
        let hearing = subscription::hear(connection.clients.clone(), self.prefix.to_string(), listener);
        lock(&self.subscriptions).spawn_on(hearing, &self.runtime);
    }

    /// Ends the subscriptions, and the connection unless a clone has it.
    async fn close(&self) -> Result<(), RedisError> {
        lock(&self.subscriptions).abort_all();
        drop(lock(&self.connection).take());
        Ok(())
    }
}
