//! What a queue must know of an envelope, beside what its storage does.

use crate::envelope::{Envelope, EnvelopeHandle, FIELD_NAME, NoticeOf, check_text, is_field_name};
use crate::error::{Got, Invalid};
use crate::id::Id;

/// What a queue must know of an envelope. The body goes through no queue.
pub trait QueueEnvelope: EnvelopeHandle {
    /// Whether there is a sender who can be told of a failure.
    fn has_sender(&self) -> bool;

    /// What a notification of a failure, or an answer by address, takes from the envelope.
    fn parts(&self) -> Parts;

    /// The names of the headers, in their order.
    fn header_names(&self) -> Vec<String>;

    /// Refuses what a storage refuses, and what can be stored and not be sent: a message to nobody, and
    /// a header name that
    /// [RFC 5322, section 3.6.8](https://www.rfc-editor.org/rfc/rfc5322#section-3.6.8) does not allow.
    ///
    /// # Errors
    /// The first field that is not as it must be.
    fn check_for_sending(&self) -> Result<(), Invalid> {
        self.check()?;
        if self.recipient_count() == 0 {
            let (argument, expected) = ("recipients", "at least one recipient");
            return Err(Invalid::new(argument, expected, Got::Number(0.0)));
        }
        for (index, name) in self.header_names().iter().enumerate() {
            check_text(("headers", Some(index), Some(0)), name, is_field_name, FIELD_NAME)?;
        }
        Ok(())
    }

    /// The envelope with the recipients at these positions alone, which are ascending.
    #[must_use]
    fn with_recipients(&self, places: &[usize]) -> Self;

    /// The envelope from nobody, which is the null sender, and as a notice of what is given.
    #[must_use]
    fn into_notice(self, of: Option<NoticeOf>) -> Self;

    /// Of what it tells, if it is a notice of a queue.
    fn notice_of(&self) -> Option<NoticeOf>;

    /// The same as an ordinary message, which is sent whatever it tells of.
    #[must_use]
    fn into_message(self) -> Self;

    /// What the host keeps of an envelope that was made here.
    fn of(envelope: Envelope) -> Self;
}

/// The id of the notice that tells of those whom one attempt of a message gave up: always the same, so
/// that it is stored once however often that is tried.
#[must_use]
pub fn notice_id(NoticeOf { id, attempt }: NoticeOf) -> Id {
    Id::new_v5(id, format!("notice {attempt}").as_bytes())
}

/// All of an envelope but the body, and what only hosts know.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Parts {
    /// See [`Envelope::sender`].
    pub sender: Option<String>,
    /// See [`Envelope::recipients`].
    pub recipients: Vec<String>,
    /// See [`Envelope::headers`].
    pub headers: Vec<(String, String)>,
    /// See [`Envelope::receiver`].
    pub receiver: Option<String>,
}

impl QueueEnvelope for Envelope {
    fn has_sender(&self) -> bool {
        self.sender.as_ref().is_some_and(|sender| !sender.is_empty())
    }

    fn parts(&self) -> Parts {
        Parts {
            sender: self.sender.clone(),
            recipients: self.recipients.clone(),
            headers: self.headers.clone(),
            receiver: self.receiver.clone(),
        }
    }

    fn header_names(&self) -> Vec<String> {
        self.headers.iter().map(|(name, _)| name.clone()).collect()
    }

    fn with_recipients(&self, places: &[usize]) -> Self {
        // Without a copy of all the others: a policy makes one envelope for each of a hundred thousand.
        let Self { sender, recipients, headers, message, client, receiver, timestamp, notice_of, unknown } = self;
        Self {
            recipients: places.iter().filter_map(|place| recipients.get(*place)).cloned().collect(),
            sender: sender.clone(),
            headers: headers.clone(),
            message: message.clone(),
            client: client.clone(),
            receiver: receiver.clone(),
            timestamp: *timestamp,
            notice_of: *notice_of,
            unknown: unknown.clone(),
        }
    }

    fn into_notice(self, of: Option<NoticeOf>) -> Self {
        Self { sender: self.sender.filter(String::is_empty), notice_of: of, ..self }
    }

    fn notice_of(&self) -> Option<NoticeOf> {
        self.notice_of
    }

    fn into_message(self) -> Self {
        Self { notice_of: None, ..self }
    }

    fn of(envelope: Envelope) -> Self {
        envelope
    }
}
