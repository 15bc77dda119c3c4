//! What a relay says of a recipient.

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
        let mut end = 0_usize;
        let mut dots = 0_u8;
        let mut digits = 0_u8; // since the last dot
        for byte in self.message.bytes() {
            match byte {
                b'0'..=b'9' if digits < 3 => digits = digits.saturating_add(1),
                b'.' if digits > 0 && dots < 2 => (dots, digits) = (dots.saturating_add(1), 0),
                b' ' | b'\t' | b'\r' | b'\n' => break,
                _ => return None,
            }
            end = end.saturating_add(1);
        }
        let status = self.message.get(..end)?;
        let class = matches!(status.as_bytes(), [b'2' | b'4' | b'5', b'.', ..]);
        (class && dots == 2 && digits > 0).then_some(status)
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
