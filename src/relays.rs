//! Relays over what others have written; the feature `lettre`.

mod address;
mod meaning;
mod smtp;

pub use smtp::SmtpRelay;

/// Whether it stands between words; a byte order mark does too.
fn is_blank(letter: char) -> bool {
    letter.is_whitespace() || letter == '\u{feff}'
}
