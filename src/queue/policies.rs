//! Policies after slimta's
//! [`slimta.policy.headers`](https://slimta.org/en/latest/api/slimta.policy.headers.html) and
//! [`slimta.policy.split`](https://slimta.org/en/latest/api/slimta.policy.split.html), for
//! [`Queue::add_policy`](super::Queue::add_policy). Those that add a header do so before those that
//! split.

use std::collections::HashMap;
use std::future::ready;
use std::sync::Arc;

use super::boxed::BoxError;
use super::callback::Policy;
use super::envelope::QueueEnvelope;
use super::headers::{Received, date, message_id};
use super::host_name::domain;
use super::timer::{SystemTimer, Timer};
use crate::envelope::Envelope;
use crate::timestamp::Timestamp;

/// Adds `Date` where it is missing: the time of the envelope, or else now.
#[must_use]
pub fn add_date_header() -> Arc<Policy<Envelope>> {
    adding(|envelope, time| {
        if is_missing(envelope, "Date") {
            envelope.headers.push(("Date".to_owned(), date(time)));
        }
        Ok(())
    })
}

/// Adds `Message-ID` where it is missing: generated, at the host that took the message, or else at the
/// domain of the sender.
#[must_use]
pub fn add_message_id_header() -> Arc<Policy<Envelope>> {
    adding(|envelope, _| {
        if is_missing(envelope, "Message-ID") {
            let value = message_id(text(&envelope.receiver), text(&envelope.sender))?;
            envelope.headers.push(("Message-ID".to_owned(), value));
        }
        Ok(())
    })
}

/// Puts `Received` before all other headers, as
/// [RFC 5321, section 4.4](https://www.rfc-editor.org/rfc/rfc5321#section-4.4) says: who handed the
/// message in, as far as it is known, the host that took it, for whom if that is one, and the time of
/// the envelope, or else now.
#[must_use]
pub fn add_received_header() -> Arc<Policy<Envelope>> {
    adding(|envelope, time| {
        let Envelope { client, receiver, recipients, .. } = &*envelope;
        let received = Received {
            name: text(&client.name),
            host: text(&client.host),
            ip: text(&client.ip),
            protocol: text(&client.protocol),
            receiver: text(receiver),
            recipient: if let [recipient] = recipients.as_slice() { recipient } else { "" },
            time,
        };
        let value = received.value();
        envelope.headers.insert(0, ("Received".to_owned(), value));
        Ok(())
    })
}

/// Makes an envelope for each recipient.
#[must_use]
pub fn split_by_recipient<E: QueueEnvelope + Send + 'static>() -> Arc<Policy<E>> {
    splitting(|recipients| (0..recipients.len()).map(|place| vec![place]).collect())
}

/// Makes an envelope for the recipients of each domain, in any case of letters. Each recipient without
/// a domain has an envelope of their own, after the others.
#[must_use]
pub fn split_by_domain<E: QueueEnvelope + Send + 'static>() -> Arc<Policy<E>> {
    splitting(|recipients| {
        let (mut groups, mut alone) = (Vec::<Vec<usize>>::new(), Vec::new());
        let mut numbers = HashMap::new();
        for (place, recipient) in recipients.iter().enumerate() {
            let domain = domain(recipient).to_lowercase();
            if domain.is_empty() {
                alone.push(vec![place]);
                continue;
            }
            let number = *numbers.entry(domain).or_insert(groups.len());
            match groups.get_mut(number) {
                Some(group) => group.push(place),
                None => groups.push(vec![place]),
            }
        }
        groups.extend(alone);
        groups
    })
}

/// Nothing for what is not known.
fn text(text: &Option<String>) -> &str {
    text.as_deref().unwrap_or_default()
}

/// `add` is told the time in milliseconds since the epoch.
fn adding(add: fn(&mut Envelope, f64) -> Result<(), BoxError>) -> Arc<Policy<Envelope>> {
    let timer = SystemTimer::default();
    Arc::new(move |mut envelope| {
        let time = envelope.timestamp.map_or_else(|| timer.wall(), Timestamp::as_millis);
        let added = add(&mut envelope, time);
        Box::pin(ready(added.map(|()| vec![envelope])))
    })
}

fn is_missing(envelope: &Envelope, header: &str) -> bool {
    !envelope.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(header))
}

/// `groups` tells the places of the recipients who stay together.
fn splitting<E: QueueEnvelope + Send + 'static>(groups: fn(&[String]) -> Vec<Vec<usize>>) -> Arc<Policy<E>> {
    Arc::new(move |envelope: E| {
        let groups = groups(&envelope.parts().recipients);
        let made = match groups.len() {
            0 | 1 => vec![envelope],
            _ => groups.iter().map(|places| envelope.with_recipients(places)).collect(),
        };
        Box::pin(ready(Ok(made)))
    })
}
