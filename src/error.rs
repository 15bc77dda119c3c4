//! What can go wrong.

use std::fmt;

use crate::id::{Id, NoRandomness};
use crate::timestamp::Timestamp;

/// Why a call of a storage failed. `E` is what the host itself throws.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Error<E> {
    /// There is no message of this id (any more).
    NoSuchMessage(Id),
    /// Others kept changing the message until this call ran out of tries. Nothing was changed.
    Conflict(Id),
    /// The change was handed to the host, which did not say whether it was made. Reading the
    /// message tells; a `write` can be repeated under the same id.
    UnknownOutcome {
        /// The message whose state is unknown.
        id: Id,
        /// What the host threw, unless it said nothing at all.
        source: Option<E>,
    },
    /// The host threw.
    Host(E),
    /// The host did not answer before the deadline, and nothing had been handed to it.
    Timeout,
    /// The record of this message is none that a storage writes. It is left as it is.
    Corrupt(Id),
    /// A newer version of this library wrote the record of this message. It is left as it is.
    NewerFormat(Id),
    /// The storage was closed.
    Closed,
    /// The operating system gave no randomness for a new id.
    Random(NoRandomness),
    /// An argument was refused; nothing was written.
    Invalid(Box<Invalid>),
}

/// An argument that was refused.
#[derive(Clone, Debug, PartialEq)]
pub struct Invalid {
    /// Which argument or field, for example `recipients`.
    pub argument: &'static str,
    /// Which element of it, if it is a list.
    pub index: Option<usize>,
    /// Which part of the element, if it has parts: the name of a header is 0, its value 1.
    pub part: Option<usize>,
    /// What it should have been.
    pub expected: &'static str,
    /// What it was.
    pub got: Got,
}

impl Invalid {
    /// Of an argument as a whole.
    pub(crate) fn new(argument: &'static str, expected: &'static str, got: Got) -> Self {
        Self { argument, index: None, part: None, expected, got }
    }

    /// The argument with its index and part, for example `headers[2][1]`.
    #[must_use]
    pub fn name(&self) -> String {
        let indexes = [self.index, self.part].into_iter().flatten();
        indexes.fold(self.argument.to_owned(), |name, index| format!("{name}[{index}]"))
    }
}

/// What came as an argument that was refused.
#[derive(Clone, Debug, PartialEq)]
pub enum Got {
    /// A number that is out of range.
    Number(f64),
    /// A text with something in it that may not be there.
    Text(String),
    /// A time that is out of range.
    Time(Timestamp),
    /// Anything else, in words.
    #[cfg(not(target_family = "wasm"))]
    Other(&'static str),
}

impl fmt::Display for Got {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Text(text) => write!(f, "{text:?}"),
            Self::Time(time) => time.fmt(f),
            #[cfg(not(target_family = "wasm"))]
            Self::Other(words) => f.write_str(words),
        }
    }
}

pub(crate) fn finite(name: &'static str, number: f64) -> Result<(), Invalid> {
    if number.is_finite() {
        return Ok(());
    }
    Err(Invalid::new(name, "a finite number", Got::Number(number)))
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: expected {}, got {}", self.name(), self.expected, self.got)
    }
}

impl std::error::Error for Invalid {}

impl<E> From<Invalid> for Error<E> {
    fn from(invalid: Invalid) -> Self {
        Self::Invalid(Box::new(invalid))
    }
}

impl<E> Error<E> {
    /// The stable name of this kind of error, the same that JavaScript sees in
    /// `QueueError.code`. [`Error::Invalid`] is `invalid`, which JavaScript knows as its own
    /// `TypeError` and `RangeError`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoSuchMessage(_) => "no-such-message",
            Self::Conflict(_) => "conflict",
            Self::UnknownOutcome { .. } => "unknown-outcome",
            Self::Host(_) | Self::Random(_) => "host",
            Self::Timeout => "timeout",
            Self::Corrupt(_) => "corrupt",
            Self::NewerFormat(_) => "newer-format",
            Self::Closed => "closed",
            Self::Invalid(_) => "invalid",
        }
    }

    /// The message that the error is about, where it is about one.
    #[must_use]
    pub fn id(&self) -> Option<Id> {
        match self {
            Self::NoSuchMessage(id)
            | Self::Conflict(id)
            | Self::Corrupt(id)
            | Self::NewerFormat(id)
            | Self::UnknownOutcome { id, .. } => Some(*id),
            _ => None,
        }
    }

    /// The sentence that says what happened, without the id and the source.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::NoSuchMessage(_) => "there is no such message",
            Self::Conflict(_) => "others kept changing this message; nothing was changed",
            Self::UnknownOutcome { .. } => {
                "the host did not say whether the change was made; read the message to find out"
            }
            Self::Host(_) => "the host failed",
            Self::Timeout => "the host did not answer before the deadline; nothing was changed",
            Self::Corrupt(_) => "the record of this message cannot be read; it is left as it is",
            Self::NewerFormat(_) => "the record of this message was written by a newer version; it is left as it is",
            Self::Closed => "the storage is closed",
            Self::Random(_) => "there is no randomness for a new id",
            Self::Invalid(_) => "an argument was refused",
        }
    }
}

impl<E: fmt::Display> fmt::Display for Error<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Self::Invalid(invalid) = self {
            return invalid.fmt(f);
        }
        f.write_str(self.reason())?;
        if let Some(id) = self.id() {
            write!(f, " ({id})")?;
        }
        match self {
            Self::Host(source) | Self::UnknownOutcome { source: Some(source), .. } => write!(f, ": {source}"),
            Self::Random(source) => write!(f, ": {source}"),
            _ => Ok(()),
        }
    }
}

impl<E: std::error::Error + 'static> std::error::Error for Error<E> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Host(source) | Self::UnknownOutcome { source: Some(source), .. } => Some(source),
            _ => None,
        }
    }
}
