//! Meta records as bytes.

use minicbor::data::Type;
use minicbor::decode::Error;
use minicbor::{Decoder, Encoder};

use super::positions::{bits_of, digits_of, positions_in, positions_of};
use super::{Bytes, Encoded, FORMAT, entries, entries_of, fields, items, keep, number, optional, record, stored};
use crate::host::Stored;
use crate::meta::{FORMAT_QUEUE, Failed, LastReply, Lease, Meta, Notice, integer};

/// What a record says of a notice.
const OPEN: &str = "open";
const CONFIRMED: &str = "confirmed";
const VOID: &str = "void";

pub(crate) fn encode_meta(meta: &Meta) -> Vec<u8> {
    let Meta { timestamp, attempts, delivered, lease, unknown, .. } = meta;
    let Meta { failed, first_attempt, expires, scheduled, untold, notice, replies, .. } = meta;
    let there = [
        !delivered.is_empty(),
        lease.is_some(),
        !failed.is_empty(),
        first_attempt.is_some(),
        expires.is_some(),
        *scheduled > 0,
        untold.is_some(),
        notice.is_some(),
        !replies.is_empty(),
    ];
    let has_queue_fields = there.iter().skip(2).any(|is_there| *is_there);
    let format = if has_queue_fields { u64::from(FORMAT_QUEUE) } else { FORMAT };
    record(format, entries_of(unknown).saturating_add(2), there, |to| {
        to.str("timestamp")?.f64(*timestamp)?.str("attempts")?.u32(*attempts)?;
        if !delivered.is_empty() {
            to.str("deliveredIndexes")?.bytes(&bits_of(delivered))?;
        }
        if let Some(Lease { until, owner }) = lease {
            to.str("lease")?.map(2)?.str("until")?.f64(*until)?.str("owner")?.str(owner)?;
        }
        encode_queue_fields(to, meta)?;
        to.writer_mut().extend_from_slice(unknown);
        Ok(())
    })
}

fn encode_queue_fields(to: &mut Bytes, meta: &Meta) -> Encoded {
    if !meta.failed.is_empty() {
        to.str("failed")?.array(length_of(&meta.failed))?;
        for Failed { attempt, indexes } in &meta.failed {
            to.map(2)?.str("attempt")?.u32(*attempt)?.str("indexes")?.str(&digits_of(indexes))?;
        }
    }
    if let Some(first_attempt) = meta.first_attempt {
        to.str("firstAttempt")?.f64(first_attempt)?;
    }
    if let Some(expires) = meta.expires {
        to.str("expires")?.f64(expires)?;
    }
    if meta.scheduled > 0 {
        to.str("scheduled")?.u32(meta.scheduled)?;
    }
    if let Some(untold) = meta.untold {
        to.str("untold")?.u32(untold)?;
    }
    if let Some(notice) = meta.notice {
        to.str("notice")?.str(match notice {
            Notice::Open => OPEN,
            Notice::Confirmed => CONFIRMED,
            Notice::Void => VOID,
        })?;
    }
    if !meta.replies.is_empty() {
        to.str("replies")?.array(length_of(&meta.replies))?;
        for LastReply { code, message, indexes } in &meta.replies {
            to.map(2)?.str("reply")?.map(2)?.str("code")?.u16(*code)?.str("message")?.str(message)?;
            to.str("indexes")?.str(&digits_of(indexes))?;
        }
    }
    Ok(())
}

fn length_of<T>(list: &[T]) -> u64 {
    u64::try_from(list.len()).unwrap_or(u64::MAX)
}

pub(crate) fn decode_meta(bytes: &[u8]) -> Stored<Meta> {
    let (mut meta, mut timestamp, mut attempts) = (Meta::default(), None, None);
    let mut unknown = Encoder::new(Vec::new());
    let read = fields(bytes, u64::from(FORMAT_QUEUE), |name, from| {
        match name {
            "timestamp" => timestamp = Some(number(from)?),
            "attempts" => attempts = Some(count(from)?),
            "deliveredIndexes" => meta.delivered = marks(from)?,
            "lease" => meta.lease = Some(decode_lease(from)?),
            "failed" => meta.failed = list(from, decode_failed)?,
            "firstAttempt" => meta.first_attempt = time(from)?,
            "expires" => meta.expires = time(from)?,
            "scheduled" => meta.scheduled = count(from)?,
            "untold" => meta.untold = optional(from, count)?,
            "notice" => meta.notice = Some(decode_notice(from)?),
            "replies" => meta.replies = list(from, decode_last_reply)?,
            name => keep(name, from, &mut unknown)?,
        }
        Ok(())
    });
    stored(read, || {
        Meta { timestamp: timestamp?, attempts: attempts?, unknown: unknown.into_writer(), ..meta }.checked()
    })
}

fn decode_notice(from: &mut Decoder<'_>) -> Result<Notice, Error> {
    match from.str()? {
        OPEN => Ok(Notice::Open),
        CONFIRMED => Ok(Notice::Confirmed),
        VOID => Ok(Notice::Void),
        _ => Err(Error::message("no such notice")),
    }
}

fn decode_failed(from: &mut Decoder<'_>) -> Result<Failed, Error> {
    let (mut attempt, mut indexes) = (None, None);
    entries(from, |name, from| {
        match name {
            "attempt" => attempt = Some(count(from)?),
            "indexes" => indexes = Some(positions(from)?),
            _ => from.skip()?,
        }
        Ok(())
    })?;
    let failed = attempt.zip(indexes).map(|(attempt, indexes)| Failed { attempt, indexes });
    failed.ok_or_else(|| Error::message("a part of a failure"))
}

fn decode_last_reply(from: &mut Decoder<'_>) -> Result<LastReply, Error> {
    let (mut code, mut message, mut indexes) = (None, String::new(), None);
    entries(from, |name, from| match name {
        "reply" => entries(from, |name, from| {
            match name {
                "code" => code = Some(count(from)?),
                "message" => message = from.decode()?,
                _ => from.skip()?,
            }
            Ok(())
        }),
        "indexes" => {
            indexes = Some(positions(from)?);
            Ok(())
        }
        _ => from.skip(),
    })?;
    let last = code.zip(indexes).map(|(code, indexes)| LastReply::stored(code, message, indexes));
    last.ok_or_else(|| Error::message("a part of a reply"))
}

/// A list of whatever `decode` reads.
fn list<'b, T>(
    from: &mut Decoder<'b>,
    mut decode: impl FnMut(&mut Decoder<'b>) -> Result<T, Error>,
) -> Result<Vec<T>, Error> {
    let (length, mut all) = (from.array()?, Vec::new());
    items(length, from, |from| {
        all.push(decode(from)?);
        Ok(())
    })?;
    Ok(all)
}

fn decode_lease(from: &mut Decoder<'_>) -> Result<Lease, Error> {
    let (mut until, mut owner) = (None, None);
    entries(from, |name, from| {
        match name {
            "until" => until = Some(number(from)?),
            "owner" => owner = Some(from.decode()?),
            _ => from.skip()?,
        }
        Ok(())
    })?;
    until.zip(owner).map(|(until, owner)| Lease { until, owner }).ok_or_else(|| Error::message("a part of a lease"))
}

/// A count or a position, however another program wrote it.
fn count(from: &mut Decoder<'_>) -> Result<u32, Error> {
    integer(number(from)?).ok_or_else(|| Error::message("a number that is no count"))
}

/// A time that may be missing: what is no number is none.
fn time(from: &mut Decoder<'_>) -> Result<Option<f64>, Error> {
    match from.datatype()? {
        Type::F16 | Type::F32 | Type::F64 => from.f64().map(Some),
        Type::U8 | Type::U16 | Type::U32 | Type::U64 | Type::I8 | Type::I16 | Type::I32 | Type::I64 | Type::Int => {
            number(from).map(Some)
        }
        _ => from.skip().map(|()| None),
    }
}

/// The positions of those who are marked, as bits: another program has a plain list where there are none.
fn marks(from: &mut Decoder<'_>) -> Result<Vec<u32>, Error> {
    match from.datatype()? {
        Type::Bytes => from.bytes().map(positions_of),
        _ => list(from, count),
    }
}

/// The positions of others, as digits, or as a plain list.
fn positions(from: &mut Decoder<'_>) -> Result<Vec<u32>, Error> {
    match from.datatype()? {
        Type::String => positions_in(from.str()?),
        _ => list(from, count),
    }
}
