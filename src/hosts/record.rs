//! Records as bytes: the same that the hosts of the npm package keep, so that other programs can
//! read them.
//!
//! A record is a CBOR sequence ([RFC 8742](https://www.rfc-editor.org/rfc/rfc8742)) of two items:
//! the number of its format, which is 1, and a map of text to values, all of definite length. That
//! of an envelope has its fields; its message is kept beside it, and in the record `message` is an
//! array of 0 (for bytes; 1 would be text) and their number. That of a meta record has `timestamp`,
//! `attempts`, and where there are any `lease`, a map of `until` and `owner`, and
//! `deliveredIndexes`: bytes, of which bit i, the lowest of each byte first, says whether the
//! recipient at position i is delivered. Of a queue it has `failed`, `firstAttempt`, `expires`, `scheduled`,
//! `untold`, `notice` and `replies` where there are any, with positions as the hexadecimal digits of
//! such bytes. A record with `untold` or `notice` is of format 2: who does not know what that means must not
//! remove the message. Whoever changes a meta record keeps the fields that it does not know, after
//! those that it knows.

use std::convert::Infallible;

use minicbor::data::Type;
use minicbor::decode::Error;
use minicbor::{Decoder, Encoder, encode};

use crate::envelope::{Client, Envelope, NoticeOf};
use crate::host::Stored;
use crate::meta::{Failed, LastReply, Lease, Meta, Notice};

const FORMAT: u64 = 1;
/// The format of a meta record that names an attempt of whose failures nobody was told, and of that of a notice.
const FORMAT_UNTOLD: u64 = 2;
/// What a record says of a notice.
const OPEN: &str = "open";
const CONFIRMED: &str = "confirmed";
const VOID: &str = "void";
/// What kind of message is beside a record.
const BYTES: u8 = 0;

type Bytes = Encoder<Vec<u8>>;
type Encoded = Result<(), encode::Error<Infallible>>;

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
    let format = if untold.is_some() || notice.is_some() { FORMAT_UNTOLD } else { FORMAT };
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

/// How many entries of a map these are, without their map.
fn entries_of(encoded: &[u8]) -> u64 {
    let mut from = Decoder::new(encoded);
    let entries = std::iter::from_fn(|| from.skip().and_then(|()| from.skip()).ok());
    entries.map(|()| 1).sum()
}

pub(crate) fn decode_meta(bytes: &[u8]) -> Stored<Meta> {
    let (mut meta, mut timestamp, mut attempts) = (Meta::default(), None, None);
    let mut unknown = Encoder::new(Vec::new());
    let read = fields(bytes, FORMAT_UNTOLD, |name, from| {
        match name {
            "timestamp" => timestamp = Some(number(from)?),
            "attempts" => attempts = Some(from.u32()?),
            "deliveredIndexes" => meta.delivered = positions_of(from.bytes()?),
            "lease" => meta.lease = optional(from, decode_lease)?,
            "failed" => meta.failed = list(from, decode_failed)?,
            "firstAttempt" => meta.first_attempt = optional(from, number)?,
            "expires" => meta.expires = optional(from, number)?,
            "scheduled" => meta.scheduled = from.u32()?,
            "untold" => meta.untold = optional(from, Decoder::u32)?,
            "notice" => meta.notice = optional(from, decode_notice)?,
            "replies" => meta.replies = list(from, decode_last_reply)?,
            name => {
                let start = from.position();
                from.skip()?;
                // A vector takes everything.
                let _ = unknown.str(name);
                unknown.writer_mut().extend_from_slice(from.input().get(start..from.position()).unwrap_or_default());
            }
        }
        Ok(())
    });
    stored(read, || Some(Meta { timestamp: timestamp?, attempts: attempts?, unknown: unknown.into_writer(), ..meta }))
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
    let mut failed = Failed::default();
    entries(from, |name, from| {
        match name {
            "attempt" => failed.attempt = from.u32()?,
            "indexes" => failed.indexes = positions_in(from.str()?)?,
            _ => from.skip()?,
        }
        Ok(())
    })?;
    Ok(failed)
}

fn decode_last_reply(from: &mut Decoder<'_>) -> Result<LastReply, Error> {
    let mut last = LastReply::default();
    entries(from, |name, from| match name {
        "reply" => entries(from, |name, from| {
            match name {
                "code" => last.code = from.u16()?,
                "message" => last.message = from.decode()?,
                _ => from.skip()?,
            }
            Ok(())
        }),
        "indexes" => {
            last.indexes = positions_in(from.str()?)?;
            Ok(())
        }
        _ => from.skip(),
    })?;
    Ok(last)
}

/// A list of whatever `decode` reads.
fn list<'b, T>(
    from: &mut Decoder<'b>,
    mut decode: impl FnMut(&mut Decoder<'b>) -> Result<T, Error>,
) -> Result<Vec<T>, Error> {
    let Some(length) = from.array()? else { return Err(Error::message("a list of unknown length")) };
    (0..length).map(|_| decode(from)).collect()
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

/// All of an envelope but its message.
pub(crate) fn encode_envelope(envelope: &Envelope) -> Vec<u8> {
    let Envelope { sender, recipients, headers, message, client, receiver, timestamp, notice_of } = envelope;
    let has_client = *client != Client::default();
    let there = [!headers.is_empty(), has_client, receiver.is_some(), timestamp.is_some(), notice_of.is_some()];
    record(FORMAT, 3, there, |to| {
        to.str("sender")?.encode(sender)?.str("recipients")?.encode(recipients)?;
        if !headers.is_empty() {
            to.str("headers")?.encode(headers)?;
        }
        to.str("message")?.encode((BYTES, message.len()))?;
        if has_client {
            to.str("client")?;
            encode_client(to, client)?;
        }
        if let Some(receiver) = receiver {
            to.str("receiver")?.str(receiver)?;
        }
        if let Some(timestamp) = timestamp {
            to.str("timestamp")?.f64(*timestamp)?;
        }
        if let Some(NoticeOf { id, attempt }) = notice_of {
            to.str("noticeOf")?.map(2)?.str("id")?.str(id.encode(&mut [0; 32]))?.str("attempt")?.u32(*attempt)?;
        }
        Ok(())
    })
}

fn encode_client(to: &mut Bytes, Client { ip, host, name, protocol, auth }: &Client) -> Encoded {
    let parts = [("ip", ip), ("host", host), ("name", name), ("protocol", protocol), ("auth", auth)];
    let parts = parts.into_iter().filter_map(|(name, part)| Some((name, part.as_ref()?)));
    to.map(parts.clone().map(|_| 1).sum())?;
    for (name, part) in parts {
        to.str(name)?.str(part)?;
    }
    Ok(())
}

/// The envelope of a record and the message beside it.
pub(crate) fn decode_envelope(bytes: &[u8], beside: Option<&[u8]>) -> Stored<Envelope> {
    let (mut envelope, mut recipients, mut length) = (Envelope::default(), None, None);
    let read = fields(bytes, FORMAT, |name, from| {
        match name {
            "sender" => envelope.sender = optional(from, Decoder::decode)?,
            "recipients" => recipients = Some(from.decode()?),
            "headers" => envelope.headers = from.decode()?,
            "message" => length = optional(from, Decoder::decode::<(u8, usize)>)?.map(|(_, length)| length),
            "client" => envelope.client = optional(from, decode_client)?.unwrap_or_default(),
            "receiver" => envelope.receiver = optional(from, Decoder::decode)?,
            "timestamp" => envelope.timestamp = optional(from, number)?,
            "noticeOf" => envelope.notice_of = optional(from, decode_notice_of)?.flatten(),
            _ => from.skip()?,
        }
        Ok(())
    });
    stored(read, || {
        let message = length.map_or(Some(&[][..]), |length| beside.filter(|bytes| bytes.len() == length))?;
        Some(Envelope { recipients: recipients?, message: message.to_vec(), ..envelope })
    })
}

/// Nothing where it names no message.
fn decode_notice_of(from: &mut Decoder<'_>) -> Result<Option<NoticeOf>, Error> {
    let (mut id, mut attempt) = (None, 0);
    entries(from, |name, from| {
        match name {
            "id" => id = from.str()?.parse().ok(),
            "attempt" => attempt = from.u32()?,
            _ => from.skip()?,
        }
        Ok(())
    })?;
    Ok(id.map(|id| NoticeOf { id, attempt }))
}

fn decode_client(from: &mut Decoder<'_>) -> Result<Client, Error> {
    let mut client = Client::default();
    entries(from, |name, from| {
        match name {
            "ip" => client.ip = optional(from, Decoder::decode)?,
            "host" => client.host = optional(from, Decoder::decode)?,
            "name" => client.name = optional(from, Decoder::decode)?,
            "protocol" => client.protocol = optional(from, Decoder::decode)?,
            "auth" => client.auth = optional(from, Decoder::decode)?,
            _ => from.skip()?,
        }
        Ok(())
    })?;
    Ok(client)
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
    let mut left = from.map()?;
    loop {
        match &mut left {
            Some(0) => return Ok(()),
            Some(left) => *left = left.saturating_sub(1),
            None if from.datatype()? == Type::Break => return from.skip(),
            None => {}
        }
        let name = from.str()?;
        entry(name, from)?;
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

fn bits_of(positions: &[u32]) -> Vec<u8> {
    let place = |position: u32| usize::try_from(position.wrapping_shr(3)).unwrap_or(usize::MAX);
    let mut bits = vec![0_u8; positions.last().map_or(0, |last| place(*last).saturating_add(1))];
    for position in positions {
        if let Some(byte) = bits.get_mut(place(*position)) {
            *byte |= 1_u8.wrapping_shl(position & 7);
        }
    }
    bits
}

fn positions_of(bits: &[u8]) -> Vec<u32> {
    let flags = bits.iter().flat_map(|byte| (0..8).map(|bit| byte.wrapping_shr(bit) & 1 == 1));
    (0..=u32::MAX).zip(flags).filter_map(|(position, set)| set.then_some(position)).collect()
}

/// Positions as text, which goes through a program unharmed that does not know the field.
fn digits_of(positions: &[u32]) -> String {
    bits_of(positions).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn positions_in(digits: &str) -> Result<Vec<u32>, Error> {
    let bytes = digits.as_bytes().chunks(2).map(|pair| {
        let pair = str::from_utf8(pair).ok().filter(|pair| pair.len() == 2);
        pair.and_then(|pair| u8::from_str_radix(pair, 16).ok()).ok_or_else(|| Error::message("no hexadecimal digits"))
    });
    Ok(positions_of(&bytes.collect::<Result<Vec<u8>, Error>>()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Id;

    fn bytes(parts: &[&str]) -> Vec<u8> {
        let digits: Vec<u8> = parts.concat().bytes().filter(|byte| *byte != b' ').collect();
        digits.chunks(2).map(|two| u8::from_str_radix(std::str::from_utf8(two).unwrap(), 16).unwrap()).collect()
    }

    /// Short text as CBOR, in hexadecimal digits.
    fn text(text: &str) -> String {
        let hex = text.bytes().map(|byte| format!("{byte:02x}"));
        format!("{:02x}{}", 0x60_usize.saturating_add(text.len()), hex.collect::<String>())
    }

    fn whole() -> Envelope {
        let client = Client { ip: Some("192.0.2.1".into()), auth: Some("me".into()), ..Client::default() };
        Envelope {
            sender: Some("a@b".into()),
            recipients: vec!["c@d".into(), String::new()],
            headers: vec![("A".into(), "b".into()), ("A".into(), String::new())],
            message: vec![0, 255],
            client,
            receiver: Some("here".into()),
            timestamp: Some(-1.5),
            notice_of: Some(NoticeOf { id: Id::from_u128(7), attempt: 2 }),
        }
    }

    #[test]
    fn an_envelope_is_the_number_of_the_format_and_a_map_of_its_fields() {
        let envelope = Envelope { recipients: vec!["a@b".into()], message: vec![7, 8], ..Envelope::default() };
        let [sender, recipients, address, message] = ["sender", "recipients", "a@b", "message"].map(text);
        let expected = bytes(&["01 a3", &sender, "f6", &recipients, "81", &address, &message, "82 00 02"]);
        assert_eq!(encode_envelope(&envelope), expected);
    }

    #[test]
    fn a_meta_record_is_a_map_with_one_bit_for_each_mark() {
        let lease = Some(Lease { until: 2.0, owner: "me".into() });
        let meta = Meta { timestamp: 1.5, attempts: 3, delivered: vec![0, 9], lease, ..Meta::default() };
        let [timestamp, attempts, delivered] = ["timestamp", "attempts", "deliveredIndexes"].map(text);
        let [lease, until, owner, me] = ["lease", "until", "owner", "me"].map(text);
        let head = bytes(&["01 a4", &timestamp, "fb 3ff8000000000000", &attempts, "03", &delivered, "42 0102"]);
        let tail = bytes(&[&lease, "a2", &until, "fb 4000000000000000", &owner, &me]);
        assert_eq!(encode_meta(&meta), [head, tail].concat());
    }

    #[test]
    fn what_is_encoded_comes_back() {
        let envelopes = [Envelope::default(), whole(), Envelope { message: Vec::new(), ..whole() }];
        for envelope in envelopes {
            assert_eq!(decode_envelope(&encode_envelope(&envelope), Some(&envelope.message)), Stored::Good(envelope));
        }
        let lease = Some(Lease { until: -0.0, owner: String::new() });
        for meta in [
            Meta::new(f64::MIN_POSITIVE),
            Meta { attempts: u32::MAX, delivered: vec![0, 7, 8, 100_000], lease, ..Meta::new(-1e300) },
            Meta { delivered: (0..1000).collect(), ..Meta::new(0.0) },
        ] {
            assert_eq!(decode_meta(&encode_meta(&meta)), Stored::Good(meta));
        }
    }

    #[test]
    fn what_another_program_writes_otherwise_is_read() {
        let [timestamp, attempts, more] = ["timestamp", "attempts", "more"].map(text);
        for (number, value) in
            [("05", 5.0), ("24", -5.0), ("f9 3e00", 1.5), ("fa 3fc00000", 1.5), ("1b 0010000000000000", 2_f64.powi(52))]
        {
            let record =
                bytes(&["18 01 bf", &more, "a1 01 82 f6 c1 00", &attempts, "1a 00000007", &timestamp, number, "ff"]);
            let unknown = bytes(&[&more, "a1 01 82 f6 c1 00"]);
            assert_eq!(decode_meta(&record), Stored::Good(Meta { attempts: 7, unknown, ..Meta::new(value) }));
        }
        let [sender, recipients, message, receiver, client] =
            ["sender", "recipients", "message", "receiver", "client"].map(text);
        let record = bytes(&[
            "01 a5",
            &sender,
            "f7",
            &recipients,
            "9f ff",
            &message,
            "82 01 02",
            &receiver,
            "f6",
            &client,
            "f6",
        ]);
        let expected = Envelope { message: "\u{e9}".into(), ..Envelope::default() };
        assert_eq!(decode_envelope(&record, Some("\u{e9}".as_bytes())), Stored::Good(expected));
    }

    #[test]
    fn what_cannot_be_read_is_corrupt_and_what_a_later_version_wrote_is_newer() {
        let (meta, envelope) = (encode_meta(&Meta::new(1.0)), encode_envelope(&whole()));
        for length in 0..meta.len() {
            assert_eq!(decode_meta(&meta[..length]), Stored::Corrupt);
        }
        for length in 0..envelope.len() {
            assert_eq!(decode_envelope(&envelope[..length], Some(&[0, 255])), Stored::Corrupt);
        }
        for beside in [None, Some(&[0][..]), Some(&[0, 1, 2])] {
            assert_eq!(decode_envelope(&envelope, beside), Stored::Corrupt);
        }
        assert_eq!(decode_meta(&[&meta[..], &[0]].concat()), Stored::Corrupt);
        let [timestamp, attempts] = ["timestamp", "attempts"].map(text);
        for wrong in ["f9 7e00", "f9 7c00", "f6", "60", "80"] {
            assert_eq!(decode_meta(&bytes(&["01 a2", &attempts, "00", &timestamp, wrong])), Stored::Corrupt, "{wrong}");
        }
        for other in ["", "ff", "00 a0", "01", "01 05", "01 a0", "20 a0", "61 61 a0"] {
            assert_eq!(decode_meta(&bytes(&[other])), Stored::Corrupt, "{other}");
        }
        assert_eq!(decode_meta(&bytes(&["03 05"])), Stored::Newer);
        assert_eq!(decode_envelope(&bytes(&["1b ffffffffffffffff"]), None), Stored::Newer);
    }
}
