//! What tells a sender that a message could not be delivered: a delivery status notification after
//! [RFC 3464](https://www.rfc-editor.org/rfc/rfc3464).
//!
//! Replies and addresses come from strangers. Whatever goes into a header or field has its control
//! characters made spaces first and is folded, so that nothing in it begins a line of its own.

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
    /// When it is, as [`date`] writes it.
    pub date: &'a str,
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
    #[must_use]
    pub fn header(&self) -> String {
        let mut out = String::new();
        let host = self.host();
        let mut id = [0; 32];
        let id = self.id.encode(&mut id);
        add(&mut out, &["From: Mail Delivery System <MAILER-DAEMON@", host, ">\r\nTo: <"]);
        for letter in self.sender.chars() {
            if !letter.is_control() && !matches!(letter, '<' | '>') {
                out.push(letter);
            }
        }
        add(&mut out, &[">\r\nSubject: Undelivered mail returned to sender\r\nDate: ", self.date]);
        add(&mut out, &["\r\nMessage-ID: <", id, "@", host, ">\r\nAuto-Submitted: auto-replied\r\nMIME-Version: 1.0"]);
        add(
            &mut out,
            &["\r\nContent-Type: multipart/report; report-type=delivery-status; boundary=\"=_", id, "\"\r\n"],
        );
        for (name, value) in self.headers {
            let value = value.trim_ascii();
            let plain = value.len() < LONGEST && value.bytes().all(|byte| byte.is_ascii_graphic());
            if plain && name.eq_ignore_ascii_case("Message-ID") {
                add(&mut out, &["In-Reply-To: ", value, "\r\nReferences: ", value, "\r\n"]);
                break;
            }
        }
        out
    }

    /// The body of the bounce: a text for people, fields for programs, and the original headers.
    #[must_use]
    pub fn body(&self) -> String {
        let mut out = String::new();
        let mut id = [0; 32];
        // It has the id of the bounce, which no sender knows beforehand.
        let boundary = self.id.encode(&mut id);
        let mut said = String::new();
        push_number(&mut said, self.reply.code.into());
        said.push(' ');
        clean(&mut said, &self.reply.message, QUOTED);
        let mut text = String::new();

        part(&mut out, boundary, "text/plain; charset=utf-8");
        add(&mut out, &["Your message could not be delivered to:\r\n\r\n"]);
        for recipient in self.recipients.iter().take(NAMED) {
            text.clear();
            clean(&mut text, recipient, usize::MAX);
            fold(&mut out, "    ", &text);
        }
        if let Some(more @ 1..) = self.recipients.len().checked_sub(NAMED) {
            add(&mut out, &["    and "]);
            push_number(&mut out, more as u64);
            add(&mut out, &[" more\r\n"]);
        }
        add(&mut out, &["\r\nWhat was said of it, at attempt "]);
        push_number(&mut out, self.attempts.into());
        add(&mut out, &[":\r\n\r\n"]);
        fold(&mut out, "    ", &said);
        add(&mut out, &["\r\nNobody reads answers to this message.\r\n"]);

        part(&mut out, boundary, "message/delivery-status");
        add(&mut out, &["Reporting-MTA: dns; ", self.host(), "\r\n"]);
        text.clear();
        for letter in said.chars() {
            text.push(if letter.is_ascii() { letter } else { '?' });
        }
        for recipient in self.recipients {
            add(&mut out, &["\r\nFinal-Recipient: "]);
            push_address(&mut out, recipient);
            add(&mut out, &["\r\nAction: failed\r\nStatus: ", self.status(), "\r\n"]);
            fold(&mut out, "Diagnostic-Code: smtp; ", &text);
            add(&mut out, &["Last-Attempt-Date: ", self.date, "\r\n"]);
        }

        part(&mut out, boundary, "text/rfc822-headers; charset=utf-8");
        self.push_original(&mut out);
        add(&mut out, &["\r\n--=_", boundary, "--\r\n"]);
        out
    }

    fn push_original(&self, out: &mut String) {
        let start = out.len();
        for (name, value) in self.headers {
            if out.len().saturating_sub(start).saturating_add(value.len()) > RETURNED {
                break;
            }
            add(out, &[name, ": "]);
            // A line may have been folded without a carriage return.
            for letter in value.chars() {
                match letter {
                    '\r' => {}
                    '\n' => add(out, &["\r\n"]),
                    letter => out.push(letter),
                }
            }
            add(out, &["\r\n"]);
        }
    }

    /// The enhanced status code: that of the reply, unless it has none or one of success.
    fn status(&self) -> &str {
        let general = if (500..600).contains(&self.reply.code) { "5.0.0" } else { "4.0.0" };
        self.reply.status().filter(|status| status.as_bytes().first() != Some(&b'2')).unwrap_or(general)
    }

    /// The name of the host, or what can stand for it.
    fn host(&self) -> &str {
        let at = self.sender.bytes().rposition(|byte| byte == b'@').unwrap_or(0);
        let domain = self.sender.get(at.saturating_add(1)..).unwrap_or_default();
        for host in [self.host.unwrap_or_default(), domain] {
            if is_host(host) {
                return host;
            }
        }
        "localhost"
    }
}

fn is_host(text: &str) -> bool {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b':' | b'[' | b']' | b'_');
    !text.is_empty() && text.len() <= 255 && text.bytes().all(good)
}

#[inline(never)] // it is called everywhere
fn add(out: &mut String, texts: &[&str]) {
    for text in texts {
        out.push_str(text);
    }
}

fn part(out: &mut String, boundary: &str, kind: &str) {
    add(out, &["\r\n--=_", boundary, "\r\nContent-Type: ", kind, "\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"]);
}

/// So many characters of a text, as they may stand in a line.
#[inline(never)]
fn clean(out: &mut String, text: &str, most: usize) {
    for letter in text.trim_ascii_end().chars().take(most) {
        out.push(if letter.is_control() { ' ' } else { letter });
    }
}

/// A line, folded where it gets too long.
fn fold(out: &mut String, start: &str, text: &str) {
    out.push_str(start);
    let mut width = start.len();
    // Lines that continue begin with a space, and are never of spaces alone.
    let mut blank = true;
    for letter in text.chars() {
        if (letter == ' ' && width >= WIDTH && !blank) || width >= LONGEST {
            add(out, &["\r\n "]);
            (width, blank) = (1, true);
            if letter == ' ' {
                continue;
            }
        }
        blank &= letter == ' ';
        width = width.saturating_add(letter.len_utf8());
        out.push(letter);
    }
    add(out, &["\r\n"]);
}

/// An address with its type; after [RFC 6533, section 3](https://www.rfc-editor.org/rfc/rfc6533#section-3)
/// if it is not of ASCII alone.
fn push_address(out: &mut String, address: &str) {
    let ascii = address.is_ascii();
    add(out, &[if ascii { "rfc822; " } else { "utf-8; " }]);
    let mut text = String::new();
    clean(&mut text, address, LONGEST / 9);
    for letter in text.chars() {
        if ascii || (letter.is_ascii_graphic() && !matches!(letter, '\\' | '+' | '=')) {
            out.push(letter);
            continue;
        }
        add(out, &["\\x{"]);
        let number = u32::from(letter);
        for shift in [20_u32, 16, 12, 8, 4, 0] {
            let rest = number.wrapping_shr(shift);
            if rest > 0 || shift <= 4 {
                let digit = b"0123456789ABCDEF".get((rest & 15) as usize);
                out.push(digit.copied().unwrap_or_default().into());
            }
        }
        out.push('}');
    }
}

fn push_number(out: &mut String, number: u64) {
    if let Some(rest @ 1..) = number.checked_div(10) {
        push_number(out, rest);
    }
    out.push(((number % 10) as u8 | b'0').into());
}

/// A time, in milliseconds since the epoch, as
/// [RFC 5322, section 3.3](https://www.rfc-editor.org/rfc/rfc5322#section-3.3) writes it, in UTC.
#[must_use]
pub fn date(milliseconds: f64) -> String {
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
            date: "Tue, 14 Nov 2023 22:13:20 +0000",
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
        let names: Vec<String> = failure.envelope().headers.into_iter().map(|(name, _)| name).collect();
        let all = "From To Subject Date Message-ID Auto-Submitted MIME-Version Content-Type";
        assert_eq!(names.join(" "), all);
        assert!(failure.header().split("\r\n").all(|line| !line.contains(['\r', '\n', '\0'])));
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
