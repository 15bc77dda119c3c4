//! What the replies of an SMTP server mean for whom they are about.

use super::is_blank;
use crate::queue::{Reply, Verdict};

/// Of 5xx: a session out of order, and one that is to be encrypted or authenticated first.
const OF_THE_SESSION: [u16; 5] = [503, 530, 534, 535, 538];
/// How much of a text is of use to people.
const LONGEST: usize = 500;

/// A text of the other side as one line.
pub(super) fn line(text: &str) -> String {
    let words = text.split(|letter: char| is_blank(letter) || letter.is_control());
    let line = words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    line.chars().take(LONGEST).collect()
}

/// What a reply to the message means, or to a command that is about it.
pub(super) fn of_message(reply: Reply) -> Verdict {
    if OF_THE_SESSION.contains(&reply.code) {
        return of_session(reply);
    }
    if reply.code == 552 && reply.status().is_some_and(|status| status.ends_with(".5.3")) {
        return of_too_many(&reply);
    }
    match Verdict::from(reply) {
        Verdict::Deferred(reply) => of_session(reply),
        verdict => verdict,
    }
}

/// What a reply to RCPT means. Here 552 without an enhanced status code means too many recipients, as RFC 821 had
/// it ([RFC 5321, section 4.5.3.1.10](https://www.rfc-editor.org/rfc/rfc5321#section-4.5.3.1.10)).
pub(super) fn of_recipient(reply: Reply) -> Verdict {
    if reply.code == 552 && reply.status().is_none() {
        return of_too_many(&reply);
    }
    of_command(reply)
}

/// Recipients who are too many for one transaction are tried again.
fn of_too_many(reply: &Reply) -> Verdict {
    Verdict::Deferred(Reply::new(452, format!("4.5.3 {}", answered(reply))))
}

/// What a reply to anything but the message means for it: it is tried again.
pub(super) fn of_session(reply: Reply) -> Verdict {
    if (300..500).contains(&reply.code) {
        return Verdict::Deferred(reply);
    }
    Verdict::Deferred(Reply::new(450, format!("4.3.0 {}", answered(&reply))))
}

fn answered(reply: &Reply) -> String {
    format!("The server answered {reply}").trim_end().to_owned()
}

/// What a reply to a command means that was not done, or not as it had to be. None delivers.
pub(super) fn of_command(reply: Reply) -> Verdict {
    match of_message(reply) {
        Verdict::Delivered(Some(reply)) => of_session(reply),
        verdict => verdict,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_becomes_one_line() {
        assert_eq!(line(" a\r\n\tb\u{1b}[1m\u{a0}c "), "a b [1m c");
        assert_eq!(line(&"\u{1f600}".repeat(1_000)), "\u{1f600}".repeat(LONGEST));
    }
}
