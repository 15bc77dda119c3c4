//! Who gets a message and what it says.

use std::fmt;

use crate::error::{Got, Invalid, finite};
use crate::id::Id;
use crate::send::{MaybeSend, MaybeSync};
use crate::timestamp::Timestamp;

/// What a storage must know of an envelope. A host keeps envelopes as whatever suits it; one is
/// never changed after `write`.
pub trait EnvelopeHandle: Clone + MaybeSend + MaybeSync {
    /// How many recipients the message was accepted for.
    fn recipient_count(&self) -> usize;

    /// A copy of the envelope, sharing nothing with it, without the recipients at the positions in
    /// `delivered`, which are ascending and unique.
    ///
    /// # Errors
    /// A field of a stored envelope that is not as it must be.
    fn without(self, delivered: &[u32]) -> Result<Self, Invalid>;

    /// Refuses what could not be sent as it stands, before anything is written.
    ///
    /// # Errors
    /// The first field that is not as it must be.
    fn check(&self) -> Result<(), Invalid>;
}

/// An envelope and the message in it, as Rust hosts keep them. `Debug` shows how long the message is, and not what
/// it says.
#[derive(Clone, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "camelCase", default))]
pub struct Envelope {
    /// The address that bounces go to; `None` or an empty string is the null sender.
    pub sender: Option<String>,
    /// The addresses to deliver to; the same one may be there several times.
    pub recipients: Vec<String>,
    /// Names and values in the order of the message. A value may be folded.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Vec::is_empty"))]
    pub headers: Vec<(String, String)>,
    /// What follows the headers.
    #[cfg_attr(feature = "serde", serde(with = "crate::shapes::message"))]
    pub message: Vec<u8>,
    /// Who handed the message in.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Client::is_unknown"))]
    pub client: Client,
    /// The name of the host that took the message.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub receiver: Option<String>,
    /// When the message was received.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub timestamp: Option<Timestamp>,
    /// Of what it tells, if a queue has made it to tell a sender of failures.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub notice_of: Option<NoticeOf>,
    /// The fields that this version does not know, as the host encodes them: whatever a program in JavaScript
    /// has put beside these. Who reads the message there gets them back.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub unknown: Vec<u8>,
}

impl fmt::Debug for Envelope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sender, recipients, headers, message, client, receiver, timestamp, notice_of, unknown } = self;
        f.debug_struct("Envelope")
            .field("sender", sender)
            .field("recipients", recipients)
            .field("headers", headers)
            .field("message", &format_args!("{} bytes", message.len()))
            .field("client", client)
            .field("receiver", receiver)
            .field("timestamp", timestamp)
            .field("notice_of", notice_of)
            .field("unknown", &format_args!("{} bytes", unknown.len()))
            .finish()
    }
}

/// What a notice tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct NoticeOf {
    /// The message whose recipients were given up.
    pub id: Id,
    /// The attempt that gave them up.
    pub attempt: u32,
}

/// What is known of the one who handed a message in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "camelCase", default))]
pub struct Client {
    /// Its network address.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub ip: Option<String>,
    /// The host name that belongs to the address.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub host: Option<String>,
    /// The name it gave itself (EHLO).
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub name: Option<String>,
    /// How it spoke, for example `ESMTPS`.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub protocol: Option<String>,
    /// As whom it was authenticated.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub auth: Option<String>,
    /// The fields that this version does not know, as [`Envelope::unknown`] has them.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub unknown: Vec<u8>,
}

#[cfg(feature = "serde")]
impl Client {
    /// Whether nothing is known.
    fn is_unknown(&self) -> bool {
        *self == Self::default()
    }
}

impl EnvelopeHandle for Envelope {
    fn recipient_count(&self) -> usize {
        self.recipients.len()
    }

    fn without(mut self, delivered: &[u32]) -> Result<Self, Invalid> {
        let mut position = 0_u32;
        self.recipients.retain(|_| {
            let stays = delivered.binary_search(&position).is_err();
            position = position.saturating_add(1);
            stays
        });
        Ok(self)
    }

    fn check(&self) -> Result<(), Invalid> {
        if let Some(sender) = &self.sender {
            check_text(("sender", None, None), sender, is_address, ADDRESS)?;
        }
        for (index, recipient) in self.recipients.iter().enumerate() {
            check_text(("recipients", Some(index), None), recipient, is_address, ADDRESS)?;
        }
        check_headers(&self.headers)?;
        self.timestamp.map_or(Ok(()), |timestamp| finite("timestamp", timestamp.as_millis()))
    }
}

/// Refuses headers of which one would not be one header.
pub(crate) fn check_headers(headers: &[(String, String)]) -> Result<(), Invalid> {
    for (index, (name, value)) in headers.iter().enumerate() {
        check_text(("headers", Some(index), Some(0)), name, is_header_name, HEADER_NAME)?;
        check_text(("headers", Some(index), Some(1)), value, is_header_value, HEADER_VALUE)?;
    }
    Ok(())
}

/// Refuses a text that a rule does not allow: the argument, with its index and part.
pub(crate) fn check_text(
    (argument, index, part): (&'static str, Option<usize>, Option<usize>),
    text: &str,
    rule: fn(&[u8]) -> bool,
    expected: &'static str,
) -> Result<(), Invalid> {
    if rule(text.as_bytes()) {
        return Ok(());
    }
    Err(Invalid { argument, index, part, expected, got: Got::Text(text.to_owned()) })
}

pub(crate) const ADDRESS: &str = "an address without CR, LF or NUL";
pub(crate) const HEADER_NAME: &str = "a header name: at least one character, no CR, LF, NUL or colon";
pub(crate) const FIELD_NAME: &str = "a header name of printable US-ASCII without a colon";
pub(crate) const HEADER_VALUE: &str = "a header value without NUL, CR or LF, except where it is folded";

/// Whether an address can stand in an SMTP command and in a header without ending either.
pub(crate) fn is_address(text: &[u8]) -> bool {
    !text.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0))
}

/// Whether a header of this name is one header.
pub(crate) fn is_header_name(text: &[u8]) -> bool {
    !text.is_empty() && is_address(text) && !text.contains(&b':')
}

/// Whether it is a name as
/// [RFC 5322, section 3.6.8](https://www.rfc-editor.org/rfc/rfc5322#section-3.6.8) allows it.
pub(crate) fn is_field_name(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|byte| byte.is_ascii_graphic() && *byte != b':')
}

/// Whether a header of this value is one header: a line end is allowed only before a space or tab,
/// as [RFC 5322, section 2.2.3](https://www.rfc-editor.org/rfc/rfc5322#section-2.2.3) folds lines.
pub(crate) fn is_header_value(text: &[u8]) -> bool {
    let mut rest = text;
    loop {
        rest = match rest {
            [] => return true,
            [b'\r', b'\n', b' ' | b'\t', after @ ..] | [b'\n', b' ' | b'\t', after @ ..] => after,
            [b'\r' | b'\n' | 0, ..] => return false,
            [_, after @ ..] => after,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn three() -> Envelope {
        Envelope { recipients: ["a", "b", "a"].map(String::from).to_vec(), ..Envelope::default() }
    }

    #[test]
    fn delivered_positions_are_left_out_even_of_equal_addresses() {
        assert_eq!(three().without(&[0]).unwrap().recipients, ["b", "a"]);
        assert_eq!(three().without(&[0, 1, 2]).unwrap().recipients, [""; 0]);
        assert_eq!(three().without(&[7]).unwrap().recipients, ["a", "b", "a"]);
    }

    #[test]
    fn an_address_that_would_end_its_line_is_refused_by_name() {
        for bad in ["a@b\r\nRCPT TO:<x>", "a\n", "a\0b"] {
            let envelope = Envelope { recipients: vec!["ok".into(), bad.into()], ..Envelope::default() };
            assert_eq!(
                envelope.check().unwrap_err().to_string(),
                format!("recipients[1]: expected {ADDRESS}, got {bad:?}")
            );
            let envelope = Envelope { sender: Some(bad.into()), ..Envelope::default() };
            let error = envelope.check().unwrap_err();
            assert_eq!(error.name(), "sender");
        }
    }

    #[test]
    fn what_a_message_says_is_not_shown() {
        let envelope = Envelope { message: b"secret".to_vec(), ..three() };
        let shown = format!("{envelope:?}");
        assert!(shown.contains(r#"recipients: ["a", "b", "a"]"#) && shown.contains("message: 6 bytes"), "{shown}");
    }

    #[test]
    fn a_folded_header_is_fine_and_an_injected_one_is_not() {
        for good in ["", "plain", "two\r\n lines", "tab\n\tline", "caf\u{e9}"] {
            assert!(is_header_value(good.as_bytes()), "{good:?}");
        }
        for bad in ["a\r\nBcc: x", "a\nBcc: x", "a\rb", "a\0", "a\r\n", "a\r\n \r\nBcc: x", "\n"] {
            assert!(!is_header_value(bad.as_bytes()), "{bad:?}");
        }
        for bad in ["", "A:B", "A\r\n", "A\0"] {
            assert!(!is_header_name(bad.as_bytes()), "{bad:?}");
        }
    }
}
