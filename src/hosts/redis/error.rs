//! What can go wrong with the server.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use redis::ErrorKind;

/// Why a call of a [`RedisHost`](crate::RedisHost) failed. Unless it says otherwise, nothing was
/// written.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum RedisError {
    /// The server, or its disk, has no room.
    Full(Arc<dyn Error + Send + Sync>),
    /// A commit of this many bytes, which is more than a string of Redis may have.
    TooLarge(usize),
    /// The server is set to this `maxmemory-policy`, under which it would throw mail away.
    Evicts(String),
    /// The answer to a commit was lost with the connection.
    UnknownOutcome(Arc<dyn Error + Send + Sync>),
    /// The host was closed.
    Closed,
    /// The server failed, is not there, or is none.
    Failed(Arc<dyn Error + Send + Sync>),
}

impl RedisError {
    /// Of a commit whose connection was there: whether it was made, only an answer says.
    pub(super) fn of_commit(error: redis::RedisError) -> Self {
        let is_known = is_reply(&error)
            || error.is_connection_refusal()
            || matches!(error.kind(), ErrorKind::ClusterConnectionNotFound | ErrorKind::AuthenticationFailed);
        if is_known { error.into() } else { Self::UnknownOutcome(Arc::new(error)) }
    }
}

/// Whether the server has said so.
pub(super) fn is_reply(error: &redis::RedisError) -> bool {
    matches!(error.kind(), ErrorKind::Server(_) | ErrorKind::Extension)
}

impl From<redis::RedisError> for RedisError {
    fn from(error: redis::RedisError) -> Self {
        let text = error.to_string();
        let is_full = error.code() == Some("OOM") || text.contains("OOM ") || text.contains("No space left");
        let source = Arc::new(error);
        if is_full && is_reply(&source) { Self::Full(source) } else { Self::Failed(source) }
    }
}

impl fmt::Display for RedisError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full(source) => write!(f, "the server is full: {source}"),
            Self::TooLarge(length) => write!(f, "message: expected at most 512 MiB, got {length} bytes"),
            Self::Evicts(policy) => write!(f, "maxmemory-policy: {policy} evicts mail"),
            Self::UnknownOutcome(source) => write!(f, "the answer was lost: {source}"),
            Self::Closed => f.write_str("the host is closed"),
            Self::Failed(source) => write!(f, "the server failed or is not there: {source}"),
        }
    }
}

impl Error for RedisError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Full(source) | Self::UnknownOutcome(source) | Self::Failed(source) => Some(&**source),
            Self::TooLarge(_) | Self::Evicts(_) | Self::Closed => None,
        }
    }
}
