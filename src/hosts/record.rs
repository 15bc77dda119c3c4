//! Records as bytes: the same that the hosts of the npm package keep, so that other programs can
//! read them.
//!
//! A record is a CBOR sequence ([RFC 8742](https://www.rfc-editor.org/rfc/rfc8742)) of two items: the
//! number of its format, which is 1 where nothing else is said below, and a map of text to values, all of
//! definite length. That of an envelope has its fields; its message is kept beside it, and in the record
//! `message` is an array of 0 (for bytes; 1 would be text) and their number. That of a meta record has
//! `timestamp`, `attempts`, and where there are any `lease`, a map of `until` and `owner`, and
//! `deliveredIndexes`: bytes, of which bit i, the lowest of each byte first, says whether the recipient at
//! position i is delivered. Of a queue it has `failed`, `firstAttempt`, `expires`, `scheduled`, `untold`,
//! `notice` and `replies` where there are any, with positions as the hexadecimal digits of such bytes. A
//! record with any of these is of format 2: who does not know what they mean would drop them, and must
//! neither send nor remove the message. Whoever writes a record anew keeps the fields that it does not
//! know, after those that it knows.

mod envelope;
mod meta;
mod positions;
#[cfg(test)]
mod tests;

use std::convert::Infallible;

use minicbor::data::Type;
use minicbor::decode::Error;
use minicbor::{Decoder, Encoder, encode};

use crate::host::Stored;

pub(crate) use envelope::{decode_envelope, encode_envelope};
pub(crate) use meta::{decode_meta, encode_meta};

const FORMAT: u64 = 1;

type Bytes = Encoder<Vec<u8>>;
type Encoded = Result<(), encode::Error<Infallible>>;

/// How many entries of a map these are, without their map.
fn entries_of(encoded: &[u8]) -> u64 {
    let mut from = Decoder::new(encoded);
    let entries = std::iter::from_fn(|| from.skip().and_then(|()| from.skip()).ok());
    entries.map(|()| 1).sum()
}

/// Keeps a field that is not known here: its name and its value, one after the other.
fn keep(name: &str, from: &mut Decoder<'_>, unknown: &mut Bytes) -> Result<(), Error> {
    let start = from.position();
    from.skip()?;
    // A vector takes everything.
    let _ = unknown.str(name);
    unknown.writer_mut().extend_from_slice(from.input().get(start..from.position()).unwrap_or_default());
    Ok(())
}

/// A record with `always` fields and those of the others that are there, all of which `fields` writes.
fn record<const N: usize>(
    format: u64,
    always: u64,
    others: [bool; N],
    fields: impl FnOnce(&mut Bytes) -> Encoded,
) -> Vec<u8> {
    let mut to = Encoder::new(Vec::new());
    let count = others.into_iter().map(u64::from).sum::<u64>().saturating_add(always);
    // A vector takes everything.
    let _ = to.u64(format).and_then(|to| to.map(count)).and_then(fields);
    to.into_writer()
}

/// Hands over every field of a record; tells whether the record is of a format that is known here.
fn fields<'b>(
    bytes: &'b [u8],
    newest: u64,
    field: impl FnMut(&'b str, &mut Decoder<'b>) -> Result<(), Error>,
) -> Result<bool, Error> {
    let mut from = Decoder::new(bytes);
    match from.u64()? {
        0 => return Err(Error::message("no format")),
        format if format > newest => return Ok(false),
        _ => {}
    }
    entries(&mut from, field)?;
    if from.position() == bytes.len() { Ok(true) } else { Err(Error::message("more than a record")) }
}

fn entries<'b>(
    from: &mut Decoder<'b>,
    mut entry: impl FnMut(&'b str, &mut Decoder<'b>) -> Result<(), Error>,
) -> Result<(), Error> {
    let length = from.map()?;
    items(length, from, |from| {
        let name = from.str()?;
        entry(name, from)
    })
}

/// Hands over each item of a list or a map; one whose length is not given ends with a mark.
fn items<'b>(
    mut left: Option<u64>,
    from: &mut Decoder<'b>,
    mut item: impl FnMut(&mut Decoder<'b>) -> Result<(), Error>,
) -> Result<(), Error> {
    loop {
        match &mut left {
            Some(0) => return Ok(()),
            Some(left) => *left = left.saturating_sub(1),
            None if from.datatype()? == Type::Break => return from.skip(),
            None => {}
        }
        item(from)?;
    }
}

fn stored<T>(read: Result<bool, Error>, value: impl FnOnce() -> Option<T>) -> Stored<T> {
    match read {
        Ok(true) => value().map_or(Stored::Corrupt, Stored::Good),
        Ok(false) => Stored::Newer,
        Err(_) => Stored::Corrupt,
    }
}

fn optional<'b, T>(
    from: &mut Decoder<'b>,
    decode: impl FnOnce(&mut Decoder<'b>) -> Result<T, Error>,
) -> Result<Option<T>, Error> {
    if matches!(from.datatype()?, Type::Null | Type::Undefined) {
        return from.skip().map(|()| None);
    }
    decode(from).map(Some)
}

/// Any finite number, however another program wrote it.
fn number(from: &mut Decoder<'_>) -> Result<f64, Error> {
    let number = match from.datatype()? {
        Type::F16 | Type::F32 | Type::F64 => from.f64()?,
        _ => i128::from(from.int()?) as f64,
    };
    if number.is_finite() { Ok(number) } else { Err(Error::message("a number that is not finite")) }
}
