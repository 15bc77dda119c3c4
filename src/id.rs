//! Message ids.

use std::fmt;
use std::str::FromStr;

use uuid::{Builder, Uuid};

/// The name of one message in both dictionaries: 32 lower-case hexadecimal digits, a version 4
/// UUID ([RFC 9562, section 5.4](https://www.rfc-editor.org/rfc/rfc9562#section-5.4)) in its simple
/// form unless the caller chose the digits.
///
/// ```
/// use slimta_queue_dict::Id;
/// let id: Id = "0123456789abcdef0123456789abcdef".parse()?;
/// assert_eq!(id.to_string(), "0123456789abcdef0123456789abcdef");
/// assert!("0123456789ABCDEF0123456789ABCDEF".parse::<Id>().is_err());
/// # Ok::<(), slimta_queue_dict::NotAnId>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id(Uuid);

/// The text is no [`Id`]: it is not 32 lower-case hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotAnId {
    /// What came, cut where it is long.
    got: String,
}

/// How many characters an error says of a text that is no id.
const SAID: usize = 60;

impl NotAnId {
    fn new(text: &[u8]) -> Self {
        let text = String::from_utf8_lossy(text);
        let mut got: String = text.chars().take(SAID).collect();
        if got.len() < text.len() {
            got.push('…');
        }
        Self { got }
    }
}

/// The operating system, or the JavaScript host, gives no randomness.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoRandomness(getrandom::Error);

impl fmt::Display for NoRandomness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for NoRandomness {}

impl fmt::Display for NotAnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected 32 lower-case hexadecimal digits, got {:?}", self.got)
    }
}

impl std::error::Error for NotAnId {}

impl FromStr for Id {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, NotAnId> {
        Self::from_ascii(text.as_bytes())
    }
}

impl Id {
    /// The id that these characters write.
    ///
    /// # Errors
    /// They are not 32 lower-case hexadecimal digits.
    pub fn from_ascii(text: &[u8]) -> Result<Self, NotAnId> {
        Self::read(text).ok_or_else(|| NotAnId::new(text))
    }

    /// The same, for whoever says nothing of what is no id.
    pub(crate) fn read(text: &[u8]) -> Option<Self> {
        // `Uuid` also reads hyphens, braces and upper case: other texts for the same id.
        let digits: &[u8; 32] = text.try_into().ok()?;
        let number = digits.iter().try_fold(0, |number: u128, &digit| {
            let digit = char::from(digit).to_digit(16).filter(|_| !digit.is_ascii_uppercase())?;
            Some(number << 4 | u128::from(digit))
        });
        number.map(Self::from_u128)
    }

    /// A fresh id: a version 4 UUID.
    ///
    /// # Errors
    /// The operating system or the JavaScript host gives no randomness.
    pub fn generate() -> Result<Self, NoRandomness> {
        let mut random = [0; 16];
        fill(&mut random)?;
        Ok(Self(Builder::from_random_bytes(random).into_uuid()))
    }

    /// The digits of this id, written into `buffer`.
    pub fn encode<'a>(&self, buffer: &'a mut [u8; 32]) -> &'a str {
        self.0.simple().encode_lower(buffer)
    }

    /// The same id as a number: what its digits say in base 16.
    #[must_use]
    pub fn as_u128(self) -> u128 {
        self.0.as_u128()
    }

    /// The id whose digits write `number` in base 16.
    #[must_use]
    pub fn from_u128(number: u128) -> Self {
        Self(Uuid::from_u128(number))
    }

    /// The id that follows from another one and a name: a version 5 UUID
    /// ([RFC 9562, section 5.5](https://www.rfc-editor.org/rfc/rfc9562#section-5.5)).
    pub(crate) fn new_v5(of: Self, name: &[u8]) -> Self {
        Self(Uuid::new_v5(&of.0, name))
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.encode(&mut [0; 32]))
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Generates random bytes.
pub(crate) fn fill(random: &mut [u8]) -> Result<(), NoRandomness> {
    getrandom::fill(random).map_err(NoRandomness)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_and_written_as_the_same_digits() {
        let text = "00000000000000000000000000000abc";
        assert_eq!(text.parse::<Id>().unwrap().to_string(), text);
    }

    #[test]
    fn what_is_not_thirty_two_lower_case_digits_is_no_id() {
        for text in [
            "",
            "0",
            "__proto__",
            "0123456789ABCDEF0123456789abcdef",
            "+123456789abcdef0123456789abcdef",
            "0123456789abcdef0123456789abcdeg",
            "01234567-89ab-cdef-0123-456789abcdef",
            "0123456789abcdef0123456789abcde\u{fffd}",
            "0123456789abcdef0123456789abcdef0",
        ] {
            assert_eq!(text.parse::<Id>(), Err(NotAnId::new(text.as_bytes())), "{text}");
        }
    }

    #[test]
    fn every_byte_but_a_lower_case_digit_is_refused_wherever_it_stands() {
        for byte in 0..=u8::MAX {
            for place in 0..32 {
                let mut text = *b"0123456789abcdeffedcba9876543210";
                text[place] = byte;
                let read = Id::from_ascii(&text);
                assert_eq!(read.is_ok(), matches!(byte, b'0'..=b'9' | b'a'..=b'f'), "{byte} at {place}");
                if let Ok(id) = read {
                    assert_eq!(id.encode(&mut [0; 32]).as_bytes(), text);
                }
            }
        }
    }

    #[test]
    fn the_error_says_what_is_no_id_and_cuts_what_is_long() {
        let said = |text: &str| text.parse::<Id>().unwrap_err().to_string();
        assert_eq!(said("xyz"), "expected 32 lower-case hexadecimal digits, got \"xyz\"");
        let cut = format!("expected 32 lower-case hexadecimal digits, got \"{}…\"", "ü".repeat(60));
        assert_eq!(said(&"ü".repeat(61)), cut);
    }

    #[test]
    fn generated_ids_are_version_4_and_differ() {
        let ids: std::collections::HashSet<Id> = (0..1000).map(|_| Id::generate().unwrap()).collect();
        assert_eq!(ids.len(), 1000);
        for id in ids {
            let uuid = Uuid::from_u128(id.as_u128());
            assert_eq!(uuid.get_version_num(), 4);
            assert_eq!(uuid.get_variant(), uuid::Variant::RFC4122);
        }
    }
}
