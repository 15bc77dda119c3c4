//! Message ids.

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasherDefault, Hasher};
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};

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
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(u128);

/// The text is no [`Id`]: it is not 32 lower-case hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAnId;

impl fmt::Display for NotAnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an id is 32 lower-case hexadecimal digits")
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
        let text: &[u8; 32] = text.try_into().map_err(|_| NotAnId)?;
        let mut halves = [0_u64; 2];
        for (half, digits) in halves.iter_mut().zip(text.as_chunks::<16>().0) {
            for digit in digits {
                let value = match digit {
                    b'0'..=b'9' => digit.wrapping_sub(b'0'),
                    b'a'..=b'f' => digit.wrapping_sub(b'a').wrapping_add(10),
                    _ => return Err(NotAnId),
                };
                *half = half.wrapping_shl(4) | u64::from(value);
            }
        }
        let [high, low] = halves;
        Ok(Self(u128::from(high).wrapping_shl(64) | u128::from(low)))
    }

    /// The digits of this id, written into `buffer`.
    pub fn encode<'a>(&self, buffer: &'a mut [u8; 32]) -> &'a str {
        Uuid::from_u128(self.0).simple().encode_lower(buffer)
    }

    /// The same id as a number: what its digits say in base 16.
    #[must_use]
    pub fn as_u128(self) -> u128 {
        self.0
    }

    /// The id whose digits write `number` in base 16.
    #[must_use]
    pub fn from_u128(number: u128) -> Self {
        Self(number)
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

/// Hashes ids by their own digits, which are random.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        // Caller's ids may be small numbers: the multiplication spreads them over the high bits,
        // which tables use too.
        for (chunk, _) in bytes.chunks(8).zip(0..2) {
            let mut word = [0; 8];
            for (to, from) in word.iter_mut().zip(chunk) {
                *to = *from;
            }
            self.0 = (self.0 ^ u64::from_le_bytes(word)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        }
        self.0 ^= self.0.wrapping_shr(32);
    }

    fn write_u128(&mut self, number: u128) {
        self.write(&number.to_le_bytes());
    }
}

/// A table by id.
pub(crate) type IdMap<V> = HashMap<Id, V, BuildHasherDefault<IdHasher>>;

// A call for randomness costs microseconds in JavaScript hosts. Elsewhere a block would be copied
// by fork(), and parent and child would draw the same ids.
const BLOCK: usize = if cfg!(target_family = "wasm") { 2048 } else { 16 };

/// Random numbers, drawn from the operating system or the JavaScript host in blocks, and never
/// before the first call that needs one: some workers refuse randomness while they load.
#[derive(Debug)]
pub(crate) struct Random(Mutex<Block>);

#[derive(Debug)]
struct Block {
    bytes: [u8; BLOCK],
    used: usize,
}

impl Random {
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(Block { bytes: [0; BLOCK], used: BLOCK }))
    }

    pub(crate) fn draw(&self) -> Result<[u8; 16], getrandom::Error> {
        let mut block = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let used = block.used;
            if let Some((fresh, _)) = block.bytes.get(used..).and_then(<[u8]>::split_first_chunk::<16>) {
                let fresh = *fresh;
                block.used = used.saturating_add(16);
                return Ok(fresh);
            }
            getrandom::fill(&mut block.bytes)?;
            block.used = 0;
        }
    }

    pub(crate) fn id(&self) -> Result<Id, getrandom::Error> {
        let uuid = Builder::from_random_bytes(self.draw()?).into_uuid();
        Ok(Id(uuid.as_u128()))
    }
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
            assert_eq!(text.parse::<Id>(), Err(NotAnId), "{text}");
        }
    }

    #[test]
    fn drawn_ids_are_version_4_and_differ() {
        let random = Random::new();
        let ids: std::collections::HashSet<Id> = (0..1000).map(|_| random.id().unwrap()).collect();
        assert_eq!(ids.len(), 1000);
        for id in ids {
            let uuid = Uuid::from_u128(id.as_u128());
            assert_eq!(uuid.get_version_num(), 4);
            assert_eq!(uuid.get_variant(), uuid::Variant::RFC4122);
        }
    }
}
