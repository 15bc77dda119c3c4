//! Relays over what others have written; the feature `lettre`.

mod address;
mod meaning;
mod smtp;

pub use smtp::SmtpRelay;
