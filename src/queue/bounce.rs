//! What tells a sender that a message could not be delivered: a delivery status notification after
//! [RFC 3464](https://www.rfc-editor.org/rfc/rfc3464).
//!
//! Replies and addresses come from strangers. Whatever goes into a header or field has its control
//! characters made spaces first and is folded, so that nothing in it begins a line of its own.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;

use super::reply::Reply;
use crate::envelope::Envelope;
use crate::id::Id;

/// Why a message comes back.
#[derive(Clone, Copy, Debug)]
pub struct Failure<'a> {
    /// The id of the bounce.
    pub id: Id,
    /// Who sent the message.
    pub sender: &'a str,
    /// Who does not get it.
    pub recipients: &'a [String],
    /// What was said of them.
    pub reply: &'a Reply,
    /// How often delivery was attempted.
    pub attempts: u32,
    /// The headers of the message.
    pub headers: &'a [(String, String)],
    /// The name of the host that took the message, if it is known.
    pub host: Option<&'a str>,
    /// When it is, in milliseconds since the epoch.
    pub now: f64,
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
    derived(id, &name)
}

/// An id that follows from another one and a name: a version 8 UUID
/// ([RFC 9562, section 5.8](https://www.rfc-editor.org/rfc/rfc9562#section-5.8)), the 128-bit FNV-1a
/// hash of both. Ids are drawn at random, so there is nothing to gain from making two names collide.
#[must_use]
pub fn derived(id: Id, name: &[u8]) -> Id {
    const PRIME: u128 = (1 << 88) + 0x13b;
    let mut hash = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d_u128;
    for byte in id.as_u128().to_be_bytes().iter().chain(name) {
        hash = (hash ^ u128::from(*byte)).wrapping_mul(PRIME);
    }
    let (version, variant) = (0xf_u128 << 76, 0b11_u128 << 62);
    Id::from_u128(hash & !version & !variant | (8 << 76) | (0b10 << 62))
}

impl Failure<'_> {
    /// The envelope of the bounce: from nobody, so that it is never bounced itself.
    #[must_use]
    pub fn envelope(&self) -> Envelope {
        Envelope {
            sender: Some(String::new()),
            recipients: [self.sender.to_owned()].into(),
            headers: self.headers(),
            message: self.body().into_bytes(),
            ..Envelope::default()
        }
    }

    /// Headers of the bounce.
    #[must_use]
    pub fn headers(&self) -> Vec<(String, String)> {
        let (host, boundary) = (self.host(), self.boundary());
        let to = clean(self.sender, usize::MAX).replace(['<', '>'], "");
        let original = self.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("Message-ID"));
        let answered = original.map_or("", |(_, value)| value.trim());
        let good = answered.len() < LONGEST && answered.bytes().all(|byte| byte.is_ascii_graphic());
        let answered = if good { answered } else { "" };
        let date = date(self.now);
        let all: [(&str, [&str; 3]); 10] = [
            ("From", ["Mail Delivery System <MAILER-DAEMON@", &host, ">"]),
            ("To", ["<", &to, ">"]),
            ("Subject", ["Undelivered mail returned to sender", "", ""]),
            ("Date", [&date, "", ""]),
            ("Message-ID", ["<", &[self.id.encode(&mut [0; 32]), "@", &host].concat(), ">"]),
            ("Auto-Submitted", ["auto-replied", "", ""]),
            ("MIME-Version", ["1.0", "", ""]),
            ("Content-Type", ["multipart/report; report-type=delivery-status; boundary=\"", &boundary, "\""]),
            ("In-Reply-To", [answered, "", ""]),
            ("References", [answered, "", ""]),
        ];
        let mut headers = Vec::with_capacity(all.len());
        for (name, value) in all {
            let value = value.concat();
            if !value.is_empty() {
                headers.push((name.to_owned(), value));
            }
        }
        headers
    }

    /// The body of the bounce: a text for people, fields for programs, and the original headers.
    #[must_use]
    pub fn body(&self) -> String {
        let mut out = String::new();
        let boundary = self.boundary();
        let mut code = String::new();
        push_number(&mut code, self.reply.code.into());
        let said = [&*code, " ", &*clean(&self.reply.message, QUOTED)].concat();

        part(&mut out, &boundary, "text/plain; charset=utf-8");
        out.push_str("Your message could not be delivered to:\r\n\r\n");
        for recipient in self.recipients.iter().take(NAMED) {
            fold(&mut out, "    ", &clean(recipient, usize::MAX));
        }
        if let Some(more @ 1..) = self.recipients.len().checked_sub(NAMED) {
            out.push_str("    and ");
            push_number(&mut out, more as u64);
            out.push_str(" more\r\n");
        }
        out.push_str("\r\nWhat was said of it, after ");
        push_number(&mut out, self.attempts.into());
        out.push_str(if self.attempts == 1 { " attempt:\r\n\r\n" } else { " attempts:\r\n\r\n" });
        fold(&mut out, "    ", &said);
        out.push_str("\r\nNobody reads answers to this message.\r\n");

        part(&mut out, &boundary, "message/delivery-status");
        self.push_fields(&mut out, &said);

        part(&mut out, &boundary, "text/rfc822-headers; charset=utf-8");
        self.push_original(&mut out);
        for text in ["\r\n--", &*boundary, "--\r\n"] {
            out.push_str(text);
        }
        out
    }

    fn push_fields(&self, out: &mut String, said: &str) {
        for text in ["Reporting-MTA: dns; ", &*self.host(), "\r\n"] {
            out.push_str(text);
        }
        let mut diagnosis = String::new();
        for letter in said.chars() {
            diagnosis.push(if letter.is_ascii() { letter } else { '?' });
        }
        let when = date(self.now);
        for recipient in self.recipients {
            out.push_str("\r\nFinal-Recipient: ");
            push_address(out, recipient);
            for text in ["\r\nAction: failed\r\nStatus: ", self.status(), "\r\n"] {
                out.push_str(text);
            }
            fold(out, "Diagnostic-Code: smtp; ", &diagnosis);
            for text in ["Last-Attempt-Date: ", &*when, "\r\n"] {
                out.push_str(text);
            }
        }
    }

    fn push_original(&self, out: &mut String) {
        let start = out.len();
        for (name, value) in self.headers {
            if out.len().saturating_sub(start).saturating_add(value.len()) > RETURNED {
                break;
            }
            out.push_str(name);
            out.push_str(": ");
            // A line may have been folded without a carriage return.
            for letter in value.chars() {
                match letter {
                    '\r' => {}
                    '\n' => out.push_str("\r\n"),
                    letter => out.push(letter),
                }
            }
            out.push_str("\r\n");
        }
    }

    /// The enhanced status code: that of the reply, unless it has none or one of success.
    fn status(&self) -> &str {
        let general = if (500..600).contains(&self.reply.code) { "5.0.0" } else { "4.0.0" };
        self.reply.status().filter(|status| !status.starts_with('2')).unwrap_or(general)
    }

    /// The name of the host, or what can stand for it.
    fn host(&self) -> String {
        let domain = self.sender.rsplit_once('@').map(|(_, domain)| domain);
        let host = [self.host, domain].into_iter().flatten().find(|host| is_host(host));
        host.unwrap_or("localhost").to_owned()
    }

    /// It has the id of the bounce, which no sender knows beforehand.
    fn boundary(&self) -> String {
        ["=_", self.id.encode(&mut [0; 32])].concat()
    }
}

fn is_host(text: &str) -> bool {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b':' | b'[' | b']' | b'_');
    !text.is_empty() && text.len() <= 255 && text.bytes().all(good)
}

fn part(out: &mut String, boundary: &str, kind: &str) {
    for text in ["\r\n--", boundary, "\r\nContent-Type: ", kind, "\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"] {
        out.push_str(text);
    }
}

/// So many characters of a text, as they may stand in a line.
fn clean(text: &str, most: usize) -> String {
    let mut out = String::new();
    for letter in text.trim_ascii_end().chars().take(most) {
        out.push(if letter.is_control() { ' ' } else { letter });
    }
    out
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
fn push_address(out: &mut String, address: &str) {
    let ascii = address.is_ascii();
    out.push_str(if ascii { "rfc822; " } else { "utf-8; " });
    for letter in clean(address, LONGEST / 9).chars() {
        if ascii || (letter.is_ascii_graphic() && !matches!(letter, '\\' | '+' | '=')) {
            out.push(letter);
            continue;
        }
        out.push_str("\\x{");
        let number = u32::from(letter);
        for shift in [20_u32, 16, 12, 8, 4, 0] {
            let rest = number.wrapping_shr(shift);
            if rest > 0 || shift <= 4 {
                out.extend(char::from_digit(rest & 15, 16).map(|digit| digit.to_ascii_uppercase()));
            }
        }
        out.push('}');
    }
}

fn push_number(out: &mut String, number: u64) {
    if let Some(rest @ 1..) = number.checked_div(10) {
        push_number(out, rest);
    }
    out.extend(char::from_digit((number % 10) as u32, 10));
}

/// A time as [RFC 5322, section 3.3](https://www.rfc-editor.org/rfc/rfc5322#section-3.3) writes it, in UTC.
fn date(milliseconds: f64) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = ["Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec", "Jan", "Feb"];
    // Casts saturate; no date is before 1970 or after the year 9999.
    let seconds = ((milliseconds / 1000.0) as u64).min(253_402_300_799);
    let (day, second) = (seconds / 86_400, seconds % 86_400);
    // Years that begin in March, so that a leap day is the last one; days since the 1st of March 0000.
    let days = day.saturating_add(719_468);
    let (era, rest) = (days / 146_097, days % 146_097);
    let leap = (rest / 1_460).saturating_add(rest / 146_096);
    let year_of_era = rest.saturating_add(rest / 36_524).saturating_sub(leap) / 365;
    let before = year_of_era.saturating_mul(365).saturating_add(year_of_era / 4).saturating_sub(year_of_era / 100);
    let day_of_year = rest.saturating_sub(before);
    let month = day_of_year.saturating_mul(5).saturating_add(2) / 153;
    let first = month.saturating_mul(153).saturating_add(2) / 5;
    let year = era.saturating_mul(400).saturating_add(year_of_era).saturating_add(u64::from(month >= 10));
    let mut out = String::new();
    let name = |names: &'static [&'static str], number: u64| names.get(number as usize).copied().unwrap_or_default();
    let two = |out: &mut String, number: u64| {
        if number < 10 {
            out.push('0');
        }
        push_number(out, number);
    };
    out.push_str(name(&DAYS, day % 7));
    out.push_str(", ");
    push_number(&mut out, day_of_year.saturating_sub(first).saturating_add(1));
    out.push(' ');
    out.push_str(name(&MONTHS, month));
    out.push(' ');
    push_number(&mut out, year);
    for (separator, number) in [(' ', second / 3_600), (':', second / 60 % 60), (':', second % 60)] {
        out.push(separator);
        two(&mut out, number);
    }
    out.push_str(" +0000");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure<'a>(reply: &'a Reply, recipients: &'a [String], headers: &'a [(String, String)]) -> Failure<'a> {
        Failure {
            id: Id::from_u128(7),
            sender: "me@example.com",
            recipients,
            reply,
            attempts: 3,
            headers,
            host: None,
            now: 1_700_000_000_123.0,
        }
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (seconds, text) in [
            (0_i64, "Thu, 1 Jan 1970 00:00:00 +0000"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 +0000"),
            (951_868_799, "Tue, 29 Feb 2000 23:59:59 +0000"),
            (951_868_800, "Wed, 1 Mar 2000 00:00:00 +0000"),
            (1_700_000_000, "Tue, 14 Nov 2023 22:13:20 +0000"),
            (1_735_689_599, "Tue, 31 Dec 2024 23:59:59 +0000"),
            (4_102_444_800, "Fri, 1 Jan 2100 00:00:00 +0000"),
            (4_107_542_400, "Mon, 1 Mar 2100 00:00:00 +0000"),
            (253_402_300_799_i64, "Fri, 31 Dec 9999 23:59:59 +0000"),
        ] {
            assert_eq!(date(seconds as f64 * 1000.0), text);
        }
        assert_eq!(date(f64::NAN), date(0.0));
        assert_eq!(date(f64::INFINITY), date(253_402_300_799_000.0));
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
        let mut failure = failure(&reply, &recipients, &[]);
        failure.sender = evil;
        failure.host = Some(evil);
        for (name, value) in failure.headers() {
            assert!(!value.contains(['\r', '\n', '\0']), "{name}: {value:?}");
        }
        let body = failure.body();
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
            let body = failure(&reply, &recipients, &[]).body();
            assert!(body.contains(&format!("\r\nStatus: {status}\r\n")), "{body}");
        }
    }

    #[test]
    fn an_address_beyond_ascii_is_written_as_rfc_6533_says() {
        let reply = Reply::new(550, "n\u{f6}");
        let recipients = ["d\u{f6}+\u{1f600}@b".to_owned()];
        let body = failure(&reply, &recipients, &[]).body();
        assert!(body.contains("Final-Recipient: utf-8; d\\x{F6}\\x{2B}\\x{1F600}@b\r\n"), "{body}");
        assert!(body.contains("Diagnostic-Code: smtp; 550 n?\r\n"));
    }
}
