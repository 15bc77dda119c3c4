//! How much goes to one destination.

use std::fmt;

use super::boxed::BoxError;
use super::callback::DestinationOf;
use crate::send::{MaybeSend, MaybeSync};

/// How much a queue lets go to one destination. Other queues on the same storage know nothing of it. A
/// message counts for each destination of its recipients, for which its envelope is read once more when it
/// is due.
///
/// What waits for a destination lets what goes elsewhere pass, as long as no more than 10,000 messages
/// wait so. A message to several begins when it is the next at each of them: then what came later to any of them
/// waits for it.
#[derive(Default)]
pub struct Destination {
    /// Which destination an address belongs to. Unless given, it is what follows the last `@`, in lower
    /// case.
    pub of: Option<Box<DestinationOf>>,
    /// How many attempts may be under way at once, at least 1; any number unless given.
    pub pool: Option<usize>,
    /// How many attempts may begin in a second, evenly, more than 0: 0.5 is one every two seconds. Any number
    /// unless given.
    pub per_second: Option<f64>,
}

impl fmt::Debug for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Destination")
            .field("pool", &self.pool)
            .field("per_second", &self.per_second)
            .finish_non_exhaustive()
    }
}

impl Destination {
    /// The same, with [`Destination::of`].
    #[must_use]
    pub fn with_of(self, of: impl Fn(&str) -> Result<String, BoxError> + MaybeSend + MaybeSync + 'static) -> Self {
        Self { of: Some(Box::new(of)), ..self }
    }

    /// The same, with [`Destination::pool`].
    #[must_use]
    pub fn with_pool(self, pool: usize) -> Self {
        Self { pool: Some(pool), ..self }
    }

    /// The same, with [`Destination::per_second`].
    #[must_use]
    pub fn with_per_second(self, per_second: f64) -> Self {
        Self { per_second: Some(per_second), ..self }
    }
}
