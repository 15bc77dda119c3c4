//! Envelopes as bytes.

use minicbor::decode::Error;
use minicbor::{Decoder, Encoder};

use super::{Bytes, Encoded, FORMAT, entries, entries_of, fields, keep, number, optional, record, stored};
use crate::envelope::{Client, Envelope, NoticeOf};
use crate::host::Stored;
use crate::id::Id;
use crate::timestamp::Timestamp;

/// What kind of message is beside a record.
const BYTES: u8 = 0;

/// All of an envelope but its message.
pub(crate) fn encode_envelope(envelope: &Envelope) -> Vec<u8> {
    let Envelope { sender, recipients, headers, message, client, receiver, timestamp, notice_of, unknown } = envelope;
    let has_client = *client != Client::default();
    let there = [!headers.is_empty(), has_client, receiver.is_some(), timestamp.is_some(), notice_of.is_some()];
    record(FORMAT, entries_of(unknown).saturating_add(3), there, |to| {
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
            to.str("timestamp")?.f64(timestamp.as_millis())?;
        }
        if let Some(NoticeOf { id, attempt }) = notice_of {
            to.str("noticeOf")?.map(2)?.str("id")?.str(id.encode(&mut [0; 32]))?.str("attempt")?.u32(*attempt)?;
        }
        to.writer_mut().extend_from_slice(unknown);
        Ok(())
    })
}

fn encode_client(to: &mut Bytes, Client { ip, host, name, protocol, auth, unknown }: &Client) -> Encoded {
    let parts = [("ip", ip), ("host", host), ("name", name), ("protocol", protocol), ("auth", auth)];
    let parts = parts.into_iter().filter_map(|(name, part)| Some((name, part.as_ref()?)));
    to.map(parts.clone().map(|_| 1).sum::<u64>().saturating_add(entries_of(unknown)))?;
    for (name, part) in parts {
        to.str(name)?.str(part)?;
    }
    to.writer_mut().extend_from_slice(unknown);
    Ok(())
}

/// The envelope of a record and the message beside it.
pub(crate) fn decode_envelope(bytes: &[u8], beside: Option<&[u8]>) -> Stored<Envelope> {
    let (mut envelope, mut recipients, mut length) = (Envelope::default(), None, None);
    let mut unknown = Encoder::new(Vec::new());
    let read = fields(bytes, FORMAT, |name, from| {
        match name {
            "sender" => envelope.sender = optional(from, Decoder::decode)?,
            "recipients" => recipients = Some(from.decode()?),
            "headers" => envelope.headers = from.decode()?,
            "message" => length = optional(from, Decoder::decode::<(u8, usize)>)?.map(|(_, length)| length),
            "client" => envelope.client = optional(from, decode_client)?.unwrap_or_default(),
            "receiver" => envelope.receiver = optional(from, Decoder::decode)?,
            "timestamp" => envelope.timestamp = optional(from, number)?.map(Timestamp::from),
            "noticeOf" => envelope.notice_of = optional(from, decode_notice_of)?.flatten(),
            name => keep(name, from, &mut unknown)?,
        }
        Ok(())
    });
    stored(read, || {
        let message = length.map_or(Some(&[][..]), |length| beside.filter(|bytes| bytes.len() == length))?;
        Some(Envelope {
            recipients: recipients?,
            message: message.to_vec(),
            unknown: unknown.into_writer(),
            ..envelope
        })
    })
}

/// Nothing where it names no message.
fn decode_notice_of(from: &mut Decoder<'_>) -> Result<Option<NoticeOf>, Error> {
    let (mut id, mut attempt) = (None, 0);
    entries(from, |name, from| {
        match name {
            "id" => id = Id::read(from.str()?.as_bytes()),
            "attempt" => attempt = from.u32()?,
            _ => from.skip()?,
        }
        Ok(())
    })?;
    Ok(id.map(|id| NoticeOf { id, attempt }))
}

fn decode_client(from: &mut Decoder<'_>) -> Result<Client, Error> {
    let (mut client, mut unknown) = (Client::default(), Encoder::new(Vec::new()));
    entries(from, |name, from| {
        match name {
            "ip" => client.ip = optional(from, Decoder::decode)?,
            "host" => client.host = optional(from, Decoder::decode)?,
            "name" => client.name = optional(from, Decoder::decode)?,
            "protocol" => client.protocol = optional(from, Decoder::decode)?,
            "auth" => client.auth = optional(from, Decoder::decode)?,
            name => keep(name, from, &mut unknown)?,
        }
        Ok(())
    })?;
    Ok(Client { unknown: unknown.into_writer(), ..client })
}
