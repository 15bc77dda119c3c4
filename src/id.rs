//! Message ids.

use core::fmt;
use core::hash::{Hash, Hasher};
use core::str::FromStr;

use uuid::{Builder, Uuid};

use crate::sync::{Mutex, lock};

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
#[derive(Clone, Copy, Eq, PartialOrd, Ord)]
pub struct Id([u64; 2]);

impl Hash for Id {
    fn hash<S: Hasher>(&self, state: &mut S) {
        self.0.hash(state);
    }
}

impl PartialEq for Id {
    fn eq(&self, other: &Self) -> bool {
        let ([high, low], [other_high, other_low]) = (self.0, other.0);
        high == other_high && low == other_low // derived, it would call memcmp
    }
}

/// The text is no [`Id`]: it is not 32 lower-case hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAnId;

impl fmt::Display for NotAnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an id is 32 lower-case hexadecimal digits")
    }
}

impl core::error::Error for NotAnId {}

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
            for eight in digits.as_chunks::<8>().0 {
                *half = half.wrapping_shl(32) | eight_digits(u64::from_be_bytes(*eight)).ok_or(NotAnId)?;
            }
        }
        Ok(Self(halves))
    }

    /// The digits of this id, written into `buffer`.
    pub fn encode<'a>(&self, buffer: &'a mut [u8; 32]) -> &'a str {
        Uuid::from_u128(self.as_u128()).simple().encode_lower(buffer)
    }

    /// The same id as a number: what its digits say in base 16.
    #[must_use]
    pub fn as_u128(self) -> u128 {
        let [high, low] = self.0;
        u128::from(high).wrapping_shl(64) | u128::from(low)
    }

    /// The id whose digits write `number` in base 16.
    #[must_use]
    pub fn from_u128(number: u128) -> Self {
        // Both halves are cut to size on purpose.
        Self([number.wrapping_shr(64) as u64, number as u64])
    }

    /// One of `places`, the same for the same id; drawn ids are spread evenly.
    pub(crate) fn spread(self, places: usize) -> usize {
        let [high, low] = self.0;
        let mixed = (high ^ low).wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_shr(40);
        (mixed as usize).checked_rem(places).unwrap_or(0)
    }
}

/// The number that eight hexadecimal digits say, one in each byte: every change of every message
/// reads an id, so they are read together.
#[inline(never)] // four copies of it would be no faster
fn eight_digits(text: u64) -> Option<u64> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let each = |byte: u64| ONES.wrapping_mul(byte);
    let letters = text.wrapping_shr(6) & ONES;
    let values = (text & each(0x0f)).wrapping_add(letters.wrapping_mul(9));
    // Only if they are lower-case digits do the values say the same text again.
    let tens = values.wrapping_add(each(0x76)).wrapping_shr(7) & ONES;
    let again = values.wrapping_add(each(0x30)).wrapping_add(tens.wrapping_mul(39));
    if again != text || values & each(0xf0) != 0 {
        return None;
    }
    let pairs = (values | values.wrapping_shr(4)) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs | pairs.wrapping_shr(8)) & 0x0000_ffff_0000_ffff;
    Some((fours | fours.wrapping_shr(16)) & 0xffff_ffff)
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
        let mut block = lock(&self.0);
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
        Ok(Id::from_u128(uuid.as_u128()))
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
