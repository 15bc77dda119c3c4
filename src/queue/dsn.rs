//! What tells a sender that a message could not be delivered: a delivery status notification after
//! [RFC 3464](https://www.rfc-editor.org/rfc/rfc3464).
//!
//! Replies and addresses are foreign. Whatever goes into a header or field has its control
//! characters made spaces first and is folded, so that nothing in it begins a line of its own.

use super::date::date;
use super::host_name::host_name;
use super::reply::Reply;
use crate::envelope::Envelope;
use crate::id::Id;
use crate::message::push_header;

/// Why a message comes back.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dsn<'a> {
    /// The id of the bounce.
    pub(super) id: Id,
    /// Who sent the message.
    pub(super) sender: &'a str,
    /// Who does not get it.
    pub(super) recipients: &'a [String],
    /// What was said of them.
    pub(super) reply: &'a Reply,
    /// How often delivery was attempted.
    pub(super) attempts: u32,
    /// The headers of the message.
    pub(super) headers: &'a [(String, String)],
    /// The name of the host that took the message, if it is known.
    pub(super) host: Option<&'a str>,
    /// When it is, in milliseconds since the epoch.
    pub(super) now: f64,
}

/// How many recipients the text for people names; the fields for programs name all.
const NAMED: usize = 50;
/// How much of a reply is quoted, in characters.
const QUOTED: usize = 2_000;
/// How much of the original headers comes back, in bytes.
const RETURNED: usize = 65_536;
/// Lines are folded where they get longer than this.
const WIDTH: usize = 76;
/// No line is longer, whatever has no space to fold it at.
const LONGEST: usize = 900;

/// The id of the bounce that tells of recipients, by their original positions, who were given up
/// with one reply: always the same, so that it is stored once however often that is tried.
#[must_use]
pub fn bounce_id(id: Id, indexes: &[u32], reply: &Reply) -> Id {
    let mut name: Vec<u8> = Vec::with_capacity(indexes.len().saturating_mul(4));
    for index in indexes {
        name.extend(index.to_le_bytes());
    }
    name.extend(reply.code.to_le_bytes());
    name.extend(reply.message.as_bytes());
    Id::new_v5(id, &name)
}

impl Dsn<'_> {
    /// The envelope of the bounce: from nobody, so that it is never bounced itself.
    pub(super) fn envelope(&self) -> Envelope {
        let headers = self
            .header()
            .lines()
            .filter_map(|line| {
                let (name, value) = line.split_once(": ")?;
                Some((name.to_owned(), value.to_owned()))
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
        let (host, date) = (self.host(), date(self.now));
        let mut id = [0; 32];
        let id = self.id.encode(&mut id);
        let to = self.sender.replace(|letter: char| letter.is_control() || matches!(letter, '<' | '>'), "");
        let mut out = format!(
            "From: Mail Delivery System <MAILER-DAEMON@{host}>\r\n\
             To: <{to}>\r\n\
             Subject: Undelivered mail returned to sender\r\n\
             Date: {date}\r\n\
             Message-ID: <{id}@{host}>\r\n\
             Auto-Submitted: auto-replied\r\n\
             MIME-Version: 1.0\r\n\
             Content-Type: multipart/report; report-type=delivery-status; boundary=\"=_{id}\"\r\n"
        );
        for (name, value) in self.headers {
            let value = value.trim_ascii();
            let plain = value.len() < LONGEST && value.bytes().all(|byte| byte.is_ascii_graphic());
            if plain && name.eq_ignore_ascii_case("Message-ID") {
                out.push_str(&format!("In-Reply-To: {value}\r\nReferences: {value}\r\n"));
                break;
            }
        }
        out
    }

    /// The body of the bounce: a text for people, fields for programs, and the original headers.
    fn body(&self) -> String {
        let mut id = [0; 32];
        // It has the id of the bounce, which no sender knows beforehand.
        let boundary = self.id.encode(&mut id);
        let reply = format!("{} {}", self.reply.code, clean(&self.reply.message, QUOTED));
        let mut out = part(boundary, "text/plain; charset=utf-8");
        self.push_text(&mut out, &reply);
        out.push_str(&part(boundary, "message/delivery-status"));
        self.push_fields(&mut out, &reply);
        out.push_str(&part(boundary, "text/rfc822-headers; charset=utf-8"));
        self.push_original(&mut out);
        out.push_str(&format!("\r\n--=_{boundary}--\r\n"));
        out
    }

    /// What people read.
    fn push_text(&self, out: &mut String, reply: &str) {
        out.push_str("Your message could not be delivered to:\r\n\r\n");
        for recipient in self.recipients.iter().take(NAMED) {
            fold(out, "    ", &clean(recipient, usize::MAX));
        }
        if let Some(more @ 1..) = self.recipients.len().checked_sub(NAMED) {
            out.push_str(&format!("    and {more} more\r\n"));
        }
        out.push_str(&format!("\r\nWhat was said of it, at attempt {}:\r\n\r\n", self.attempts));
        fold(out, "    ", reply);
        out.push_str("\r\nNobody reads answers to this message.\r\n");
    }

    /// What programs read.
    fn push_fields(&self, out: &mut String, reply: &str) {
        let (status, date) = (self.status(), date(self.now));
        let ascii = reply.replace(|letter: char| !letter.is_ascii(), "?");
        out.push_str(&format!("Reporting-MTA: dns; {}\r\n", self.host()));
        for recipient in self.recipients {
            let address = address(recipient);
            out.push_str(&format!("\r\nFinal-Recipient: {address}\r\nAction: failed\r\nStatus: {status}\r\n"));
            fold(out, "Diagnostic-Code: smtp; ", &ascii);
            out.push_str(&format!("Last-Attempt-Date: {date}\r\n"));
        }
    }

    fn push_original(&self, out: &mut String) {
        let start = out.len();
        for (name, value) in self.headers {
            if out.len().saturating_sub(start).saturating_add(value.len()) > RETURNED {
                break;
            }
            push_header(out, name, value);
        }
    }

    /// The enhanced status code: that of the reply, unless it has none or one of success.
    fn status(&self) -> &str {
        let general = if (500..600).contains(&self.reply.code) { "5.0.0" } else { "4.0.0" };
        self.reply.status().filter(|status| status.as_bytes().first() != Some(&b'2')).unwrap_or(general)
    }

    /// The name of the host, or what can stand for it.
    fn host(&self) -> &str {
        host_name(self.host.unwrap_or_default(), self.sender)
    }
}

fn part(boundary: &str, kind: &str) -> String {
    format!("\r\n--=_{boundary}\r\nContent-Type: {kind}\r\nContent-Transfer-Encoding: 8bit\r\n\r\n")
}

/// So many characters of a text, as they may stand in a line.
fn clean(text: &str, most: usize) -> String {
    let letter = |letter: char| if letter.is_control() { ' ' } else { letter };
    text.trim_ascii_end().chars().take(most).map(letter).collect()
}

/// A line, folded where it gets too long.
fn fold(out: &mut String, start: &str, text: &str) {
    out.push_str(start);
    let mut width = start.len();
    // Lines that continue begin with a space, and are never of spaces alone.
    let mut blank = true;
    for letter in text.chars() {
        if (letter == ' ' && width >= WIDTH && !blank) || width >= LONGEST {
            out.push_str("\r\n ");
            (width, blank) = (1, true);
            if letter == ' ' {
                continue;
            }
        }
        blank &= letter == ' ';
        width = width.saturating_add(letter.len_utf8());
        out.push(letter);
    }
    out.push_str("\r\n");
}

/// An address with its type; after [RFC 6533, section 3](https://www.rfc-editor.org/rfc/rfc6533#section-3)
/// if it is not of ASCII alone.
fn address(recipient: &str) -> String {
    let text = clean(recipient, LONGEST / 9);
    if recipient.is_ascii() {
        return format!("rfc822; {text}");
    }
    let mut out = String::from("utf-8; ");
    for letter in text.chars() {
        if letter.is_ascii_graphic() && !matches!(letter, '\\' | '+' | '=') {
            out.push(letter);
        } else {
            out.push_str(&format!("\\x{{{:02X}}}", u32::from(letter)));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dsn<'a>(reply: &'a Reply, recipients: &'a [String], headers: &'a [(String, String)]) -> Dsn<'a> {
        Dsn {
            id: Id::from_u128(7),
            sender: "me@example.com",
            recipients,
            reply,
            attempts: 3,
            headers,
            host: None,
            now: 1_700_000_000_000.0,
        }
    }

    #[test]
    fn the_id_follows_from_message_recipients_and_reply() {
        let reply = Reply::new(550, "5.1.1 no");
        let id = bounce_id(Id::from_u128(1), &[0, 2], &reply);
        assert_eq!(id, bounce_id(Id::from_u128(1), &[0, 2], &reply));
        let others = [
            bounce_id(Id::from_u128(2), &[0, 2], &reply),
            bounce_id(Id::from_u128(1), &[0], &reply),
            bounce_id(Id::from_u128(1), &[0, 2], &Reply::new(551, "5.1.1 no")),
            bounce_id(Id::from_u128(1), &[0, 2], &Reply::new(550, "5.1.1 No")),
        ];
        assert!(others.iter().all(|other| *other != id));
    }

    #[test]
    fn nothing_in_a_reply_or_an_address_begins_a_line_of_its_own() {
        let evil = "x\r\nBcc: victim@example.com\n\rFinal-Recipient: rfc822; other@example.com\0\u{85}\u{2028}y";
        let reply = Reply::new(550, evil);
        let recipients = [evil.to_owned(), format!("{}@example.com", "l".repeat(5_000))];
        let mut dsn = dsn(&reply, &recipients, &[]);
        dsn.sender = evil;
        dsn.host = Some(evil);
        let names: Vec<String> = dsn.envelope().headers.into_iter().map(|(name, _)| name).collect();
        let all = "From To Subject Date Message-ID Auto-Submitted MIME-Version Content-Type";
        assert_eq!(names.join(" "), all);
        assert!(dsn.header().split("\r\n").all(|line| !line.contains(['\r', '\n', '\0'])));
        let body = dsn.body();
        for line in body.split("\r\n") {
            assert!(!line.contains(['\r', '\n', '\0']) && line.len() <= 1_000, "{line:?}");
            assert!(!line.starts_with("Bcc") && line != "Final-Recipient: rfc822; other@example.com", "{line:?}");
        }
        assert_eq!(body.matches("\r\nFinal-Recipient: ").count(), 2);
    }

    #[test]
    fn the_status_is_that_of_the_reply_or_follows_from_its_code() {
        for (code, text, status) in [
            (550, "5.7.1 no", "5.7.1"),
            (550, "no", "5.0.0"),
            (450, "later", "4.0.0"),
            (450, "4.2.2 full", "4.2.2"),
            (550, "2.0.0 odd", "5.0.0"),
        ] {
            let reply = Reply::new(code, text);
            let recipients = ["a@b".to_owned()];
            let body = dsn(&reply, &recipients, &[]).body();
            assert!(body.contains(&format!("\r\nStatus: {status}\r\n")), "{body}");
        }
    }

    #[test]
    fn an_address_beyond_ascii_is_written_as_rfc_6533_says() {
        let reply = Reply::new(550, "n\u{f6}");
        let recipients = ["d\u{f6}+\u{1f600}@b".to_owned()];
        let body = dsn(&reply, &recipients, &[]).body();
        assert!(body.contains("Final-Recipient: utf-8; d\\x{F6}\\x{2B}\\x{1F600}@b\r\n"), "{body}");
        assert!(body.contains("Diagnostic-Code: smtp; 550 n?\r\n"));
    }
}
