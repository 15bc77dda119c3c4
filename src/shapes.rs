//! How serde writes public data: as JavaScript has it, under the same names. The feature `serde`.

use std::fmt;
use std::time::Duration;

use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::id::Id;
use crate::millis;

/// Up to here each whole number is one of its own.
const MOST_WHOLE: f64 = 9_007_199_254_740_991.0;

impl Serialize for Id {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.encode(&mut [0; 32]))
    }
}

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Digits;
        impl Visitor<'_> for Digits {
            type Value = Id;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("32 lower-case hexadecimal digits")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Id, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Digits)
    }
}

/// A message in a format for people is a text where it is UTF-8.
pub(crate) mod message {
    use super::{Deserializer, Error, SeqAccess, Serializer, Visitor, fmt};

    pub(crate) fn serialize<S: Serializer>(message: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        match str::from_utf8(message) {
            Ok(text) if serializer.is_human_readable() => serializer.serialize_str(text),
            _ => serializer.serialize_bytes(message),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        struct Message;
        impl<'de> Visitor<'de> for Message {
            type Value = Vec<u8>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or bytes")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Vec<u8>, E> {
                Ok(text.as_bytes().to_vec())
            }
            fn visit_string<E: Error>(self, text: String) -> Result<Vec<u8>, E> {
                Ok(text.into_bytes())
            }
            fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
                Ok(bytes.to_vec())
            }
            fn visit_byte_buf<E: Error>(self, bytes: Vec<u8>) -> Result<Vec<u8>, E> {
                Ok(bytes)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut bytes: A) -> Result<Vec<u8>, A::Error> {
                let mut all = Vec::new();
                while let Some(byte) = bytes.next_element()? {
                    all.push(byte);
                }
                Ok(all)
            }
        }
        if deserializer.is_human_readable() {
            deserializer.deserialize_any(Message)
        } else {
            deserializer.deserialize_byte_buf(Message)
        }
    }
}

/// A number in a format for people has a fraction only where it is not whole.
pub(crate) fn number<S: Serializer>(number: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    let is_whole = number.fract() == 0.0 && number.abs() <= MOST_WHOLE;
    if is_whole && serializer.is_human_readable() {
        serializer.serialize_i64(*number as i64)
    } else {
        serializer.serialize_f64(*number)
    }
}

/// The same where there may be none.
pub(crate) fn some_number<S: Serializer>(some: &Option<f64>, serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    #[serde(transparent)]
    struct Number(#[serde(serialize_with = "number")] f64);
    some.map(Number).serialize(serializer)
}

/// A length of time is a number of milliseconds.
pub(crate) mod milliseconds {
    use super::{Deserialize, Deserializer, Duration, Error, Serializer, millis, some_number};

    pub(crate) fn serialize<S: Serializer>(time: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
        some_number(&time.map(millis::of), serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
        let time =
            |number| millis::checked(number).ok_or_else(|| D::Error::custom("expected milliseconds, not below 0"));
        Option::<f64>::deserialize(deserializer)?.map(time).transpose()
    }
}
