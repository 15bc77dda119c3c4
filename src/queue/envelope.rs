//! What a queue must know of an envelope, beside what its storage does.

use crate::envelope::{Envelope, EnvelopeHandle, NoticeOf};
use crate::id::Id;

/// What a queue must know of an envelope. The body goes through no queue.
pub trait QueueEnvelope: EnvelopeHandle {
    /// Whether there is a sender who can be told of a failure.
    fn has_sender(&self) -> bool;

    /// What a notification of a failure, or an answer by address, takes from the envelope.
    fn parts(&self) -> Parts;

    /// The envelope with the recipients at these positions alone, which are ascending.
    #[must_use]
    fn with_recipients(&self, places: &[usize]) -> Self;

    /// The envelope from nobody, which is the null sender, and as a notice of what is given.
    #[must_use]
    fn as_notice(self, of: Option<NoticeOf>) -> Self;

    /// Of what it tells, if it is a notice of a queue.
    fn notice_of(&self) -> Option<NoticeOf>;

    /// The same as an ordinary message, which is sent whatever it tells of.
    #[must_use]
    fn as_message(self) -> Self;

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

    fn with_recipients(&self, places: &[usize]) -> Self {
        let recipients = places.iter().filter_map(|place| self.recipients.get(*place)).cloned().collect();
        Self { recipients, ..self.clone() }
    }

    fn as_notice(self, of: Option<NoticeOf>) -> Self {
        Self { sender: self.sender.filter(String::is_empty), notice_of: of, ..self }
    }

    fn notice_of(&self) -> Option<NoticeOf> {
        self.notice_of
    }

    fn as_message(self) -> Self {
        Self { notice_of: None, ..self }
    }

    fn of(envelope: Envelope) -> Self {
        envelope
    }
}
