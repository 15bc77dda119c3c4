//! What a notice says, part by part.

use super::*;

fn dsn<'a>(failed: &'a [Failed<'a>], headers: &'a [(String, String)]) -> Dsn<'a> {
    Dsn {
        id: Id::from_u128(7),
        sender: "me@example.com",
        failed,
        attempts: 3,
        headers,
        host: None,
        now: 1_700_000_000_000.0,
    }
}

fn is_line(line: &str) -> bool {
    line.is_ascii() && !line.contains(['\r', '\n', '\0']) && line.len() <= LINE
}

#[test]
fn nothing_in_a_reply_or_an_address_begins_a_line_of_its_own() {
    let evil = "x\r\nBcc: victim@example.com\n\rFinal-Recipient: rfc822; other@example.com\0\u{85}\u{2028}y";
    let reply = Reply::new(550, evil);
    let long = format!("{}@example.com", "l".repeat(5_000));
    let failed = [evil, &long].map(|recipient| Failed { recipient, reply: &reply });
    let mut dsn = dsn(&failed, &[]);
    dsn.sender = evil;
    dsn.host = Some(evil);
    let names: Vec<String> = dsn.envelope().headers.into_iter().map(|(name, _)| name).collect();
    let all = "From To Subject Date Message-ID Auto-Submitted MIME-Version Content-Type";
    assert_eq!(names.join(" "), all);
    let body = dsn.body();
    for line in dsn.header().split("\r\n").skip(2).chain(body.split("\r\n")) {
        assert!(is_line(line), "{line:?}");
        assert!(!line.starts_with("Bcc") && line != "Final-Recipient: rfc822; other@example.com", "{line:?}");
    }
    assert_eq!(body.matches("\r\nFinal-Recipient: ").count(), 2);
}

#[test]
fn a_notice_of_many_is_not_many_times_as_large_as_their_addresses() {
    let reply = Reply::new(550, "x".repeat(QUOTED));
    let failed: Vec<Failed<'_>> = (0..20_000).map(|_| Failed { recipient: "me@example.com", reply: &reply }).collect();
    assert!(dsn(&failed, &[]).body().len() < 10_000_000);
    assert!(dsn(&failed[..2], &[]).fields().len() > 2 * QUOTED);
}

#[test]
fn what_cannot_be_named_is_left_out() {
    let headers = [("Message-ID".to_owned(), " ".to_owned())];
    assert!(!dsn(&[], &headers).header().contains("References"));
    let sender = format!("a@{}", "\u{4f8b}".repeat(130));
    let dsn = Dsn { sender: &sender, ..dsn(&[], &[]) };
    assert!(dsn.fields().starts_with("Reporting-MTA: dns; localhost\r\n"), "{}", dsn.fields());
}

#[test]
fn each_recipient_has_its_own_reply() {
    let replies =
        [(550, "5.1.1 no"), (452, "4.2.2 full"), (550, "5.1.1 no")].map(|(code, text)| Reply::new(code, text));
    let mut failed = Vec::new();
    for (recipient, reply) in ["a@x", "b@x", "c@x"].into_iter().zip(&replies) {
        failed.push(Failed { recipient, reply });
    }
    let (fields, text) = (dsn(&failed, &[]).fields(), dsn(&failed, &[]).text());
    let blocks: Vec<&str> = fields.split("\r\n\r\n").skip(1).collect();
    for (block, (address, status, said)) in blocks.iter().zip([
        ("a@x", "5.1.1", "550 5.1.1 no"),
        ("b@x", "4.2.2", "452 4.2.2 full"),
        ("c@x", "5.1.1", "550 5.1.1 no"),
    ]) {
        let expected = format!(
            "Final-Recipient: rfc822; {address}\r\nAction: failed\r\nStatus: {status}\r\nDiagnostic-Code: smtp; {said}\r\n"
        );
        assert!(block.starts_with(&expected), "{block}");
    }
    assert_eq!(blocks.len(), 3);
    let order = ["a@x", "550 5.1.1 no", "b@x", "452 4.2.2 full", "c@x", "550 5.1.1 no"];
    let lines: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("    ")).collect();
    assert_eq!(lines, order);
}

#[test]
fn people_read_recipients_of_one_reply_together_and_not_more_than_they_can() {
    let reply = Reply::new(550, "5.1.1 no");
    let recipients: Vec<String> = (0..60).map(|number| format!("r{number}@x")).collect();
    let failed: Vec<Failed<'_>> = recipients.iter().map(|recipient| Failed { recipient, reply: &reply }).collect();
    let text = dsn(&failed, &[]).text();
    assert_eq!((text.matches("550 5.1.1 no").count(), text.matches("@x\r\n").count()), (1, NAMED));
    assert!(text.contains("to 10 more"), "{text}");
    assert_eq!(dsn(&failed, &[]).fields().matches("Final-Recipient").count(), 60);
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
        let fields = dsn(&[Failed { recipient: "a@b", reply: &reply }], &[]).fields();
        assert!(fields.contains(&format!("\r\nStatus: {status}\r\n")), "{fields}");
    }
}

#[test]
fn fields_beyond_ascii_are_written_as_rfc_6533_says() {
    let reply = Reply::new(550, "n\u{f6}");
    let failed = [Failed { recipient: "d\u{f6}+\u{1f600}@b", reply: &reply }];
    let mut dsn = dsn(&failed, &[]);
    dsn.host = Some("b\u{fc}cher.example");
    let fields = dsn.fields();
    assert!(fields.is_ascii());
    assert!(fields.contains("Reporting-MTA: dns; b\\x{FC}cher.example\r\n"), "{fields}");
    assert!(fields.contains("Final-Recipient: utf-8; d\\x{F6}\\x{2B}\\x{1F600}@b\r\n"), "{fields}");
    assert!(fields.contains("Diagnostic-Code: smtp; 550 n\\x{F6}\r\n"), "{fields}");
    assert!(dsn.text().contains("    550 n\u{f6}\r\n"));
    assert!(dsn.body().contains("    550 n=C3=B6\r\n"));
    assert!(dsn.header().contains("From: Mail Delivery System <MAILER-DAEMON@example.com>\r\n"));
}

#[test]
fn a_host_in_a_labels_is_named_as_it_is_and_what_is_no_host_is_not() {
    let reply = Reply::new(550, "no");
    let failed = [Failed { recipient: "a@b", reply: &reply }];
    for (host, sender, reporting, from) in [
        (Some("xn--bcher-kva.example"), "me@example.com", "xn--bcher-kva.example", "xn--bcher-kva.example"),
        (None, "me@b\u{fc}cher.example", "b\\x{FC}cher.example", "localhost"),
        (Some("a b"), "me@example.com", "example.com", "example.com"),
        (Some(""), "", "localhost", "localhost"),
    ] {
        let dsn = Dsn { host, sender, ..dsn(&failed, &[]) };
        assert!(dsn.fields().starts_with(&format!("Reporting-MTA: dns; {reporting}\r\n")), "{}", dsn.fields());
        assert!(dsn.header().starts_with(&format!("From: Mail Delivery System <MAILER-DAEMON@{from}>\r\n")));
    }
}

#[test]
fn the_headers_of_a_notice_are_beyond_ascii_only_if_the_path_to_the_sender_is() {
    for (sender, to) in [
        ("me@example.com", "<me@example.com>"),
        ("m\u{fc}@example.com", "<m\u{fc}@example.com>"),
        ("me@b\u{fc}cher.example", "undisclosed-recipients:;"),
        (&"m".repeat(2_000), "undisclosed-recipients:;"),
    ] {
        let header = Dsn { sender, ..dsn(&[], &[]) }.header();
        assert!(header.contains(&format!("\r\nTo: {to}\r\n")), "{header}");
    }
}

#[test]
fn an_original_header_that_is_too_long_loses_itself_alone() {
    let header = |name: &str, value: String| (name.to_owned(), value);
    let headers = [
        header("Subject", "Hello".into()),
        header("X-Unfolded", "u".repeat(5_000)),
        header("X-Folded", "folded\n ".repeat(20_000) + "x"),
        header("X-Whole", "y".repeat(LINE - "X-Whole: ".len())),
        header("To", "a@b,\n c@d".into()),
    ];
    let original = dsn(&[], &headers).original();
    let names: Vec<&str> = original.lines().filter_map(|line| Some(line.split_once(": ")?.0)).collect();
    assert_eq!(names, ["Subject", "X-Whole", "To"]);
    assert!(original.ends_with("To: a@b,\r\n c@d\r\n"));
}

#[test]
fn no_more_of_the_original_headers_comes_back_than_there_is_room_for_in_whole_headers() {
    let headers: Vec<(String, String)> = (0..200).map(|_| ("X".to_owned(), "y".repeat(900))).collect();
    let original = dsn(&[], &headers).original();
    assert!(original.len() <= RETURNED && original.len() > RETURNED - 1_000);
    assert!(original.lines().all(|line| line.len() == 903));
}

#[test]
fn a_part_beyond_ascii_is_quoted_printable_in_short_lines() {
    let mut out = String::new();
    let line = format!("{} = \u{1f600} ", "\u{fc}".repeat(60));
    text::push_part(&mut out, "b", "text/plain; charset=utf-8", &format!("{line}\r\n\r\nx\r\n"));
    let (head, content) = out.split_once("\r\n\r\n").unwrap();
    assert!(head.ends_with("Content-Transfer-Encoding: quoted-printable"));
    assert!(content.lines().all(|line| line.len() <= 76 && line.is_ascii()));
    let expected = format!("{} =3D =F0=9F=98=80=20\r\n\r\nx\r\n", "=C3=BC".repeat(60));
    assert_eq!(content.replace("=\r\n", ""), expected);
}
