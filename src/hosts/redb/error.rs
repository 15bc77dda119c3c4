//! What can go wrong with the file.

use std::error::Error;
use std::fmt;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why a call of a [`RedbHost`](crate::RedbHost) failed. Unless it says otherwise, nothing was
/// written.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum RedbError {
    /// The file at this path is open already, in this program or another one.
    Blocked(PathBuf),
    /// There is no room for it.
    Full(Arc<dyn Error + Send + Sync>),
    /// A message of this many bytes, which is more than 3 GiB.
    TooLarge(usize),
    /// The file is of this format, which a later version of this library has written. It is left
    /// as it is.
    NewerFormat(u64),
    /// The disk failed, or redb panicked, while this was committed, and the file cannot be opened to
    /// see whether it was.
    UnknownOutcome(Arc<dyn Error + Send + Sync>),
    /// The host was closed.
    Closed,
    /// The disk failed, or this is no file of a queue. The source names the path.
    Failed(Arc<dyn Error + Send + Sync>),
    /// redb panicked, and said this. The next call opens the file anew.
    Panicked(String),
}

impl RedbError {
    pub(super) fn failed(source: impl Error + Send + Sync + 'static) -> Self {
        Self::Failed(Arc::new(source))
    }

    /// The same, of the file at this path.
    pub(super) fn at(self, path: &Path) -> Self {
        match self {
            Self::Blocked(_) => Self::Blocked(path.into()),
            Self::Failed(source) => Self::failed(FileError { path: path.into(), source }),
            other => other,
        }
    }
}

/// What failed with a file.
#[derive(Debug)]
struct FileError {
    path: PathBuf,
    source: Arc<dyn Error + Send + Sync>,
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.source)
    }
}

impl Error for FileError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.source)
    }
}

impl From<redb::Error> for RedbError {
    fn from(error: redb::Error) -> Self {
        match error {
            redb::Error::DatabaseAlreadyOpen => Self::Blocked(PathBuf::new()),
            redb::Error::ValueTooLarge(length) => Self::TooLarge(length),
            redb::Error::Io(io) if is_full(io.kind()) => Self::Full(Arc::new(io)),
            redb::Error::Io(io) => Self::failed(io),
            other => Self::Failed(Arc::from(Box::<dyn Error + Send + Sync>::from(other.to_string()))),
        }
    }
}

fn is_full(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge)
}

impl fmt::Display for RedbError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Blocked(path) => {
                let path = path.display();
                write!(f, "the file {path} is open already, in this program or another one: let that one list its ")?;
                f.write_str("messages, or end it first")
            }
            Self::Full(source) => write!(f, "there is no room for it: {source}"),
            Self::TooLarge(length) => write!(f, "message: expected at most 3 GiB, got {length} bytes"),
            Self::NewerFormat(format) => write!(f, "the file is of format {format}, which a later version has written"),
            Self::UnknownOutcome(source) => write!(f, "whether it was committed cannot be seen: {source}"),
            Self::Closed => f.write_str("the host is closed"),
            Self::Failed(source) => write!(f, "the file failed: {source}"),
            Self::Panicked(message) => write!(f, "redb panicked: {message}"),
        }
    }
}

impl Error for RedbError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Full(source) | Self::UnknownOutcome(source) | Self::Failed(source) => Some(&**source),
            _ => None,
        }
    }
}
