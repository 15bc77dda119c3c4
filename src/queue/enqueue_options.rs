//! How a message is queued.

use crate::error::{Got, Invalid, finite};
use crate::id::{Id, NoRandomness};
use crate::timestamp::Timestamp;

/// How a message is queued.
///
/// ```
/// use slimta_queue_dict::queue::EnqueueOptions;
/// use std::time::{Duration, SystemTime};
///
/// let hour = Duration::from_secs(3600);
/// let options = EnqueueOptions::default().with_key("order 17").with_at(SystemTime::now() + hour);
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EnqueueOptions {
    /// The id of the first message that it becomes, those of the others follow from it; generated unless
    /// given. What is there already under an id stays as it is.
    pub id: Option<Id>,
    /// Any text but an empty one that stands for the message, in the place of an `id`: the ids follow from it. A repeat
    /// with the same key stores only what is missing, as long as the message is there.
    /// After its delivery it is there for [`Options::keep_delivered`](super::Options::keep_delivered) only.
    pub key: Option<String>,
    /// When the first attempt is due; now unless given.
    pub at: Option<Timestamp>,
    /// When nobody wants the message any more, which is after `at`, or after now. Whoever has not got it by
    /// then is given up: [`Kind::Failed`](super::Kind) tells of it, the sender and the dead letter hear
    /// nothing. Never unless given.
    pub expires: Option<Timestamp>,
}

/// The name space of the ids that follow from a key; generated once, for this crate.
const KEYS: u128 = 0x6f0d_3c52_9b1e_4d6a_8c57_21e4_b0a9_7d35;

impl EnqueueOptions {
    /// The same, with [`EnqueueOptions::id`].
    #[must_use]
    pub fn with_id(self, id: Id) -> Self {
        Self { id: Some(id), ..self }
    }

    /// The same, with [`EnqueueOptions::key`].
    #[must_use]
    pub fn with_key(self, key: impl Into<String>) -> Self {
        Self { key: Some(key.into()), ..self }
    }

    /// The same, with [`EnqueueOptions::at`]: a `SystemTime`, or milliseconds since the epoch.
    #[must_use]
    pub fn with_at(self, at: impl Into<Timestamp>) -> Self {
        Self { at: Some(at.into()), ..self }
    }

    /// The same, with [`EnqueueOptions::expires`]: a `SystemTime`, or milliseconds since the epoch.
    #[must_use]
    pub fn with_expires(self, expires: impl Into<Timestamp>) -> Self {
        Self { expires: Some(expires.into()), ..self }
    }

    /// Refuses a message that nobody would want when it is due first, and two names for one.
    pub(super) fn check(&self, now: f64) -> Result<(), Invalid> {
        if let Some(key) = &self.key {
            if key.is_empty() {
                return Err(Invalid::new("options.key", "a text that is not empty", Got::Text(key.clone())));
            }
            if self.id.is_some() {
                return Err(Invalid::new("options.key", "no key beside an id", Got::Text(key.clone())));
            }
        }
        let [at, expires] = [self.at, self.expires].map(|time| time.map(Timestamp::as_millis));
        finite("options.at", at.unwrap_or_default())?;
        finite("options.expires", expires.unwrap_or_default())?;
        match expires {
            Some(expires) if expires <= at.unwrap_or(now) => {
                let (argument, expected) = ("options.expires", "a time after options.at, or after now");
                Err(Invalid::new(argument, expected, Got::Time(expires.into())))
            }
            _ => Ok(()),
        }
    }

    /// The id of the first message. A key that is an id stands for itself.
    pub(super) fn first_id(&self) -> Result<Id, NoRandomness> {
        match (self.id, &self.key) {
            (Some(id), _) => Ok(id),
            (None, Some(key)) => {
                Ok(Id::read(key.as_bytes()).unwrap_or_else(|| Id::new_v5(Id::from_u128(KEYS), key.as_bytes())))
            }
            (None, None) => Id::generate(),
        }
    }
}
