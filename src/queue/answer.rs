//! What a relay answers.

use std::collections::HashMap;

use super::reply::Reply;

/// What a relay's answer says of one recipient, or of all of them.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// It has the message.
    Delivered(Option<Reply>),
    /// It is tried again, whatever the code.
    Deferred(Reply),
    /// It is given up, whatever the code.
    Failed(Reply),
    /// Nobody knows what that means: it is tried again.
    Unrecognised,
    /// The answer leaves it out: it is tried again.
    Missing,
}

impl From<Reply> for Verdict {
    /// The code decides: 2xx delivered, 5xx failed, everything else deferred.
    fn from(reply: Reply) -> Self {
        match reply.code {
            200..=299 => Self::Delivered(Some(reply)),
            500..=599 => Self::Failed(reply),
            _ => Self::Deferred(reply),
        }
    }
}

/// Something that came as an answer for a recipient from outside of Rust: what of it may mean
/// something. Of an error that has a reply, code, text and time are those of the reply.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(not(target_family = "wasm"), allow(dead_code))]
pub(crate) struct Foreign {
    /// What it is called, if it is an error.
    pub(crate) name: Option<String>,
    /// Its code, if it has one.
    pub(crate) code: Option<f64>,
    /// Its text, if it has one.
    pub(crate) message: Option<String>,
    /// For how many milliseconds the other side asks to be left alone.
    pub(crate) retry_after: Option<f64>,
}

impl From<Foreign> for Verdict {
    fn from(foreign: Foreign) -> Self {
        let Foreign { name, code, message, retry_after } = foreign;
        let reply = |code| Reply::foreign(code, message.unwrap_or_default(), retry_after);
        // By name: the class may be of another copy of the package.
        match (name.as_deref(), code) {
            (Some("PermanentRelayError"), code) => Self::Failed(reply(code.unwrap_or(550.0))),
            (Some("TransientRelayError"), code) => Self::Deferred(reply(code.unwrap_or(450.0))),
            (_, Some(code)) => reply(code).into(),
            (_, None) => Self::Unrecognised,
        }
    }
}

/// A relay's answer to an attempt.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// One for everybody.
    All(Verdict),
    /// One for each recipient, by its position in the envelope that the relay was given.
    Each(Vec<Verdict>),
    /// By address; one stands for every recipient of that address.
    ByAddress(HashMap<String, Verdict>),
}

impl Answer {
    /// Everybody has the message.
    #[must_use]
    pub fn delivered() -> Self {
        Self::All(Verdict::Delivered(None))
    }
}

impl<V: Into<Verdict>> From<V> for Answer {
    fn from(verdict: V) -> Self {
        Self::All(verdict.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_foreign_answer_is_judged_by_its_name_then_by_its_code() {
        let foreign = |name: &str, code| Foreign { name: Some(name.into()), code, ..Foreign::default() };
        for (foreign, verdict) in [
            (foreign("PermanentRelayError", Some(450.0)), Verdict::Failed(Reply::new(450, ""))),
            (foreign("TransientRelayError", None), Verdict::Deferred(Reply::new(450, ""))),
            (foreign("Error", Some(554.0)), Verdict::Failed(Reply::new(554, ""))),
            (foreign("Error", None), Verdict::Unrecognised),
            (Foreign { code: Some(f64::NAN), ..Foreign::default() }, Verdict::Deferred(Reply::new(450, ""))),
            (Foreign { message: Some("ok".into()), ..Foreign::default() }, Verdict::Unrecognised),
        ] {
            assert_eq!(Verdict::from(foreign), verdict);
        }
    }
}
