//! What a relay says of a recipient.

use alloc::string::String;

/// An SMTP reply: a code and a text that may begin with an enhanced status code
/// ([RFC 3463](https://www.rfc-editor.org/rfc/rfc3463)).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    /// For example 250, 450 or 550.
    pub code: u16,
    /// For example `2.0.0 Ok`.
    pub message: String,
}

impl Reply {
    /// A reply with a code and a text.
    pub fn new(code: u16, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// The enhanced status code that the text begins with.
    #[must_use]
    pub fn status(&self) -> Option<&str> {
        let end = self.message.find([' ', '\t', '\r', '\n']).unwrap_or(self.message.len());
        let status = self.message.get(..end)?;
        let mut parts = status.split('.');
        let number = |part: Option<&str>, longest| {
            part.is_some_and(|part| {
                !part.is_empty() && part.len() <= longest && part.bytes().all(|byte| byte.is_ascii_digit())
            })
        };
        let class = parts.next().filter(|class| matches!(*class, "2" | "4" | "5"));
        let whole = class.is_some() && number(parts.next(), 3) && number(parts.next(), 3) && parts.next().is_none();
        whole.then_some(status)
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
}
