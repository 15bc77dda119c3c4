//! What the replies of an SMTP server mean for whom they are about.

use crate::queue::{Reply, Verdict};

/// Of 5xx: a session out of order, and one that is to be encrypted or authenticated first.
const OF_THE_SESSION: [u16; 5] = [503, 530, 534, 535, 538];
/// How much of a text is of use to people.
const LONGEST: usize = 500;

/// A text of the other side as one line.
pub(super) fn line(text: &str) -> String {
    let words = text.split(|letter: char| letter.is_whitespace() || letter.is_control());
    let line = words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    line.chars().take(LONGEST).collect()
}

/// What a reply to the message means, or to a command that is about it.
pub(super) fn of_message(reply: Reply) -> Verdict {
    if OF_THE_SESSION.contains(&reply.code) {
        return of_session(reply);
    }
    match Verdict::from(reply) {
        Verdict::Deferred(reply) => of_session(reply),
        verdict => verdict,
    }
}

/// What a reply to RCPT means that refuses a recipient. One of too many is taken later: also where the
/// server answers as RFC 821 had it
/// ([RFC 5321, section 4.5.3.1.10](https://www.rfc-editor.org/rfc/rfc5321#section-4.5.3.1.10)).
pub(super) fn of_recipient(reply: Reply) -> Verdict {
    let is_too_many = reply.code == 552 && reply.status().is_none_or(|status| status.ends_with(".5.3"));
    if is_too_many {
        let message = format!("4.5.3 The server answered 552 {}", reply.message);
        return Verdict::Deferred(Reply::new(452, message));
    }
    accepted_is_none(of_message(reply))
}

/// What a reply to anything but the message means for it: it is tried again.
pub(super) fn of_session(reply: Reply) -> Verdict {
    if (300..500).contains(&reply.code) {
        return Verdict::Deferred(reply);
    }
    let Reply { code, message, .. } = reply;
    Verdict::Deferred(Reply::new(450, format!("4.3.0 The server answered {code} {message}")))
}

/// A command whose reply says that it was done where more was to come is none that was refused.
pub(super) fn accepted_is_none(verdict: Verdict) -> Verdict {
    match verdict {
        Verdict::Delivered(Some(reply)) => of_session(reply),
        verdict => verdict,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deferred(code: u16, text: &str) -> Verdict {
        Verdict::Deferred(Reply::new(code, text))
    }

    #[test]
    fn a_reply_about_the_message_decides_and_one_about_the_session_defers() {
        for (code, verdict) in [
            (250, Verdict::Delivered(Some(Reply::new(250, "x")))),
            (450, deferred(450, "x")),
            (354, deferred(354, "x")),
            (550, Verdict::Failed(Reply::new(550, "x"))),
            (552, Verdict::Failed(Reply::new(552, "x"))),
            (530, deferred(450, "4.3.0 The server answered 530 x")),
            (503, deferred(450, "4.3.0 The server answered 503 x")),
        ] {
            assert_eq!(of_message(Reply::new(code, "x")), verdict, "{code}");
        }
        assert_eq!(of_session(Reply::new(550, "x")), deferred(450, "4.3.0 The server answered 550 x"));
    }

    #[test]
    fn too_many_recipients_are_taken_later() {
        for (text, verdict) in [
            ("Too many", deferred(452, "4.5.3 The server answered 552 Too many")),
            ("5.5.3 Too many", deferred(452, "4.5.3 The server answered 552 5.5.3 Too many")),
            ("5.2.2 Full", Verdict::Failed(Reply::new(552, "5.2.2 Full"))),
        ] {
            assert_eq!(of_recipient(Reply::new(552, text)), verdict);
        }
    }

    #[test]
    fn a_text_becomes_one_line() {
        assert_eq!(line(" a\r\n\tb\u{1b}[1m\u{a0}c "), "a b [1m c");
        assert_eq!(line(&"x".repeat(1_000)).len(), LONGEST);
    }
}
