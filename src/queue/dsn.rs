//! What tells a sender that a message could not be delivered: a delivery status notification after
//! [RFC 3464](https://www.rfc-editor.org/rfc/rfc3464).
//!
//! Replies, addresses and headers are foreign. Whatever goes into a header or field has its control
//! characters made spaces first and is folded, so that nothing in it begins a line of its own. A notice
//! goes over any path that its recipient's address goes over: it takes neither 8BITMIME nor SMTPUTF8,
//! for its fields are ASCII and what else is beyond ASCII is quoted-printable, and no line of it is
//! longer than SMTP allows.

mod text;

use super::host_name::{host_name, host_name_in_any_script};
use super::reply::Reply;
use crate::date::date;
use crate::envelope::Envelope;
use crate::id::Id;
use crate::message::push_header;
use text::{LONGEST, address, ascii, clean, fold, push_part, split};

/// Why a message comes back.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dsn<'a> {
    /// The id of the bounce.
    pub(super) id: Id,
    /// Who sent the message.
    pub(super) sender: &'a str,
    /// Who does not get it.
    pub(super) failed: &'a [Failed<'a>],
    /// How often delivery was attempted.
    pub(super) attempts: u32,
    /// The headers of the message.
    pub(super) headers: &'a [(String, String)],
    /// The name of the host that took the message, if it is known.
    pub(super) host: Option<&'a str>,
    /// When it is, in milliseconds since the epoch.
    pub(super) now: f64,
}

/// Who does not get a message, and why.
#[derive(Clone, Copy, Debug)]
pub(super) struct Failed<'a> {
    /// Who.
    pub(super) recipient: &'a str,
    /// What was said of this recipient.
    pub(super) reply: &'a Reply,
}

/// How many recipients the text for people names; the fields for programs name all.
const NAMED: usize = 50;
/// How much of a reply is quoted, in characters.
const QUOTED: usize = 2_000;
/// How much of the replies to all recipients is quoted for programs, in characters.
const ALL_QUOTED: usize = 4_000_000;
/// How much of the original headers comes back, in bytes.
const RETURNED: usize = 65_536;
/// The longest line of SMTP without its end ([RFC 5321, section 4.5.3.1.6](https://www.rfc-editor.org/rfc/rfc5321#section-4.5.3.1.6)).
const LINE: usize = 998;

impl Dsn<'_> {
    /// The envelope of the bounce: from nobody, so that it is never bounced itself.
    pub(super) fn envelope(&self) -> Envelope {
        let headers = self
            .header()
            .lines()
            .filter_map(|line| {
                let (name, value) = line.split_once(':')?;
                Some((name.to_owned(), value.trim_ascii_start().to_owned()))
            })
            .collect();
        Envelope {
            sender: Some(String::new()),
            recipients: [self.sender.to_owned()].into(),
            headers,
            message: self.body().into_bytes(),
            ..Envelope::default()
        }
    }

    /// The headers of the bounce, a line each.
    fn header(&self) -> String {
        let date = date(self.now);
        let host = self.host(false);
        let to = self.to();
        let mut id = [0; 32];
        let id = self.id.encode(&mut id);
        let mut out = format!(
            "From: Mail Delivery System <MAILER-DAEMON@{host}>\r\n\
             To: {to}\r\n\
             Subject: Undelivered mail returned to sender\r\n\
             Date: {date}\r\n\
             Message-ID: <{id}@{host}>\r\n\
             Auto-Submitted: auto-replied\r\n\
             MIME-Version: 1.0\r\n\
             Content-Type: multipart/report; report-type=delivery-status; boundary=\"=_{id}\"\r\n"
        );
        for (name, value) in self.headers {
            let value = value.trim_ascii();
            let plain = (1..LONGEST).contains(&value.len()) && value.bytes().all(|byte| byte.is_ascii_graphic());
            if plain && name.eq_ignore_ascii_case("Message-ID") {
                out.push_str(&format!("In-Reply-To: {value}\r\nReferences: {value}\r\n"));
                break;
            }
        }
        out
    }

    /// The sender as a header names it: beyond ASCII only if the local part is, for then the path to
    /// it takes SMTPUTF8 anyway. A domain alone goes over any path, as A-labels.
    fn to(&self) -> String {
        let to = self.sender.replace(|letter: char| letter.is_control() || matches!(letter, '<' | '>'), "");
        let fits = to.len() < LONGEST && (to.is_ascii() || !split(&to).0.is_ascii());
        if fits { format!("<{to}>") } else { "undisclosed-recipients:;".to_owned() }
    }

    /// The body of the bounce: a text for people, fields for programs, and the original headers.
    fn body(&self) -> String {
        let mut id = [0; 32];
        // It has the id of the bounce, which no sender knows beforehand.
        let boundary = self.id.encode(&mut id);
        let mut out = String::new();
        push_part(&mut out, boundary, "text/plain; charset=utf-8", &self.text());
        push_part(&mut out, boundary, "message/delivery-status", &self.fields());
        push_part(&mut out, boundary, "text/rfc822-headers; charset=utf-8", &self.original());
        out.push_str(&format!("\r\n--=_{boundary}--\r\n"));
        out
    }

    /// What people read: each reply after the recipients of whom it was said.
    fn text(&self) -> String {
        let mut out = String::new();
        let named = self.failed.get(..NAMED).unwrap_or(self.failed);
        for told in named.chunk_by(|one, next| one.reply == next.reply) {
            out.push_str("Your message could not be delivered to:\r\n\r\n");
            for failed in told {
                fold(&mut out, "    ", &clean(failed.recipient, usize::MAX));
            }
            out.push_str(&format!("\r\nWhat was said of it, at attempt {}:\r\n\r\n", self.attempts));
            if let Some(failed) = told.first() {
                fold(&mut out, "    ", &failed.quoted(QUOTED));
            }
            out.push_str("\r\n");
        }
        if let Some(more @ 1..) = self.failed.len().checked_sub(NAMED) {
            out.push_str(&format!("And to {more} more.\r\n\r\n"));
        }
        out.push_str("Nobody reads answers to this message.\r\n");
        out
    }

    /// What programs read.
    fn fields(&self) -> String {
        let date = date(self.now);
        let host = Some(ascii(self.host(true), false)).filter(|host| host.len() < LONGEST);
        let mut out = format!("Reporting-MTA: dns; {}\r\n", host.as_deref().unwrap_or("localhost"));
        let quoted = QUOTED.min(ALL_QUOTED.checked_div(self.failed.len()).unwrap_or(QUOTED));
        for failed in self.failed {
            let (address, status) = (address(failed.recipient), failed.status());
            out.push_str(&format!("\r\nFinal-Recipient: {address}\r\nAction: failed\r\nStatus: {status}\r\n"));
            fold(&mut out, "Diagnostic-Code: smtp; ", &ascii(&failed.quoted(quoted), false));
            out.push_str(&format!("Last-Attempt-Date: {date}\r\n"));
        }
        out
    }

    /// The original headers, each whole or not at all.
    fn original(&self) -> String {
        let mut out = String::new();
        for (name, value) in self.headers {
            let mut header = String::new();
            push_header(&mut header, name, value);
            let fits = out.len().saturating_add(header.len()) <= RETURNED;
            if fits && header.lines().all(|line| line.len() <= LINE) {
                out.push_str(&header);
            }
        }
        out
    }

    /// The name of the host, or what can stand for it.
    fn host(&self, in_any_script: bool) -> &str {
        let name = if in_any_script { host_name_in_any_script } else { host_name };
        name(self.host.unwrap_or_default(), self.sender)
    }
}

impl Failed<'_> {
    /// What was said, up to so many characters.
    fn quoted(&self, length: usize) -> String {
        format!("{} {}", self.reply.code, clean(&self.reply.message, length))
    }

    /// The enhanced status code: that of the reply, unless it has none or one of success.
    fn status(&self) -> &str {
        let general = if (500..600).contains(&self.reply.code) { "5.0.0" } else { "4.0.0" };
        self.reply.status().filter(|status| status.as_bytes().first() != Some(&b'2')).unwrap_or(general)
    }
}

#[cfg(test)]
mod tests;
