//! The texts of an envelope, which JavaScript copies and the core judges.

use wasm_bindgen::prelude::*;

use crate::envelope::{ADDRESS, HEADER_NAME, HEADER_VALUE, is_address, is_header_name, is_header_value};

/// What a text is.
#[wasm_bindgen]
#[derive(Clone, Copy, Debug)]
pub enum Text {
    /// A sender or a recipient.
    Address,
    /// The name of a header.
    HeaderName,
    /// The value of a header.
    HeaderValue,
}

/// Whether `count` texts in UTF-8 may be in an envelope: addresses first, then names and values of headers by
/// turns, with a NUL between each two. One within a text makes one text too many.
#[wasm_bindgen]
pub fn allows(joined: &[u8], addresses: u32, count: u32) -> bool {
    let mut found = 0_u32;
    for text in joined.split(|byte| *byte == 0) {
        let good = match found.checked_sub(addresses) {
            None => is_address(text),
            Some(place) if place & 1 == 0 => is_header_name(text),
            Some(_) => is_header_value(text),
        };
        if !good {
            return false;
        }
        found = found.saturating_add(1);
    }
    found == count
}

/// What is expected of a text.
#[wasm_bindgen]
pub fn expectation(text: Text) -> String {
    String::from(match text {
        Text::Address => ADDRESS,
        Text::HeaderName => HEADER_NAME,
        Text::HeaderValue => HEADER_VALUE,
    })
}
