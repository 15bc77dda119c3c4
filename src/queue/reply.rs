//! What a relay says of a recipient.

use std::fmt;
use std::time::Duration;

/// An SMTP reply: a code and a text that may begin with an enhanced status code
/// ([RFC 3463](https://www.rfc-editor.org/rfc/rfc3463)).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "camelCase"))]
pub struct Reply {
    /// For example 250, 450 or 550.
    pub code: u16,
    /// For example `2.0.0 Ok`.
    pub message: String,
    /// For how long the other side asks to be left alone.
    #[cfg_attr(
        feature = "serde",
        serde(default, with = "crate::shapes::milliseconds", skip_serializing_if = "Option::is_none")
    )]
    pub retry_after: Option<Duration>,
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.code, self.message)
    }
}

impl Reply {
    /// A reply with a code and a text.
    pub fn new(code: u16, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), retry_after: None }
    }

    /// A reply of which nothing is known but what it says: a code that cannot be one is no answer, so
    /// it is 450, and a time that is none is left out.
    pub(crate) fn foreign(code: f64, message: String, retry_after: Option<f64>) -> Self {
        let code = if (0.0..=999.0).contains(&code) { code as u16 } else { 450 };
        let asked = retry_after.filter(|milliseconds| *milliseconds > 0.0);
        let retry_after = asked.map(|milliseconds| Duration::from_millis(milliseconds as u64));
        Self { code, message, retry_after }
    }

    /// The enhanced status code that the text begins with.
    #[must_use]
    pub fn status(&self) -> Option<&str> {
        let status = self.message.split([' ', '\t', '\r', '\n']).next()?;
        let mut parts = status.split('.');
        let is_number = |part: &str| (1..=3).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
        let class = matches!(parts.next(), Some("2" | "4" | "5"));
        let detail = parts.next().is_some_and(is_number) && parts.next().is_some_and(is_number);
        (class && detail && parts.next().is_none()).then_some(status)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_is_what_the_text_begins_with_if_that_is_one() {
        for (text, status) in [
            ("5.1.1 no such user", Some("5.1.1")),
            ("4.7.650", Some("4.7.650")),
            ("2.0.0\tOk", Some("2.0.0")),
            ("3.0.0 odd", None),
            ("5.1 short", None),
            ("5.1.1.1 long", None),
            ("5.1111.1 wide", None),
            ("5.x.1", None),
            ("", None),
            ("mailbox full", None),
        ] {
            assert_eq!(Reply::new(550, text).status(), status, "{text:?}");
        }
    }

    #[test]
    fn what_cannot_be_a_code_or_a_time_is_none() {
        for (code, kept) in [(250.0, 250), (250.9, 250), (f64::NAN, 450), (-1.0, 450), (1e9, 450), (f64::INFINITY, 450)]
        {
            assert_eq!(Reply::foreign(code, String::new(), None).code, kept, "{code}");
        }
        for (asked, kept) in [(5_000.0, Some(5)), (0.0, None), (-1.0, None), (f64::NAN, None)] {
            let reply = Reply::foreign(450.0, String::new(), Some(asked));
            assert_eq!(reply.retry_after.map(|time| time.as_secs()), kept, "{asked}");
        }
        assert!(Reply::foreign(450.0, String::new(), Some(f64::INFINITY)).retry_after.is_some());
    }
}
