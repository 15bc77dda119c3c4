//! Positions in a list of recipients as bits, and as their hexadecimal digits.

use std::fmt::Write;

use minicbor::decode::Error;

pub(super) fn bits_of(positions: &[u32]) -> Vec<u8> {
    let place = |position: u32| usize::try_from(position.wrapping_shr(3)).unwrap_or(usize::MAX);
    let mut bits = vec![0_u8; positions.last().map_or(0, |last| place(*last).saturating_add(1))];
    for position in positions {
        if let Some(byte) = bits.get_mut(place(*position)) {
            *byte |= 1_u8.wrapping_shl(position & 7);
        }
    }
    bits
}

pub(super) fn positions_of(bits: &[u8]) -> Vec<u32> {
    let flags = bits.iter().flat_map(|byte| (0..8).map(|bit| byte.wrapping_shr(bit) & 1 == 1));
    (0..=u32::MAX).zip(flags).filter_map(|(position, set)| set.then_some(position)).collect()
}

/// Positions as text, which goes through a program unharmed that does not know the field.
pub(super) fn digits_of(positions: &[u32]) -> String {
    let mut digits = String::new();
    for byte in bits_of(positions) {
        let _ = write!(digits, "{byte:02x}");
    }
    digits
}

pub(super) fn positions_in(digits: &str) -> Result<Vec<u32>, Error> {
    let bytes = digits.as_bytes().chunks(2).map(|pair| {
        let pair = str::from_utf8(pair).ok().filter(|pair| pair.len() == 2);
        pair.and_then(|pair| u8::from_str_radix(pair, 16).ok()).ok_or_else(|| Error::message("no hexadecimal digits"))
    });
    Ok(positions_of(&bytes.collect::<Result<Vec<u8>, Error>>()?))
}
