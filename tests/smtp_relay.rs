//! The relay over SMTP, on a server.

use std::collections::HashMap;
use std::process::Stdio;
use std::time::Duration;

use ::serde::de::DeserializeOwned;
use lettre::transport::smtp::extension::ClientId;
use slimta_queue_dict::queue::{Answer, Attempt, Relay, Verdict};
use slimta_queue_dict::relays::SmtpRelay;
use slimta_queue_dict::{Envelope, Id};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::TcpListener;
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

use crate::support::in_repository;

/// An SMTP server, which ends with its input.
struct Sink {
    _child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    port: u16,
}

impl Sink {
    async fn start(options: &str) -> Self {
        Self::of(&["smtp-sink.js", options]).await
    }

    /// One that answers as the cases say that `cases` reads.
    async fn of_replies() -> Self {
        Self::of(&["smtp-replies.js"]).await
    }

    async fn of(program: &[&str]) -> Self {
        let mut command = Command::new("node");
        command.current_dir(in_repository("tests/support")).args(program);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let port = lines.next_line().await.unwrap().expect("Node, and what package.json names").parse().unwrap();
        Self { _child: child, lines, port }
    }

    fn relay(&self) -> SmtpRelay {
        SmtpRelay::new("127.0.0.1", self.port)
    }

    /// A mail that it took, as JSON.
    async fn mail(&mut self) -> String {
        self.lines.next_line().await.unwrap().unwrap()
    }
}

fn envelope(recipients: &[&str]) -> Envelope {
    Envelope {
        sender: Some("me@example.com".into()),
        recipients: recipients.iter().map(|recipient| format!("{recipient}@example.com")).collect(),
        ..Envelope::parse(b"Subject: Hello\r\n\r\n.\nHow are you?\n")
    }
}

/// A table that tests in both languages go by.
fn cases<T: DeserializeOwned>(name: &str) -> Vec<T> {
    let text = std::fs::read_to_string(in_repository(&format!("tests/fixtures/{name}.json"))).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn attempt() -> Attempt {
    Attempt::new(Id::from_u128(1), 0)
}

/// What came of each recipient, in words.
async fn outcomes(relay: &SmtpRelay, envelope: &Envelope) -> Vec<String> {
    let each = match relay.attempt(envelope, attempt()).await.unwrap() {
        Answer::Each(each) => each,
        Answer::All(verdict) => vec![verdict; envelope.recipients.len()],
        answer => panic!("{answer:?}"),
    };
    let text = |verdict| match verdict {
        Verdict::Delivered(reply) => ("delivered", reply.unwrap()),
        Verdict::Deferred(reply) => ("deferred", reply),
        Verdict::Failed(reply) => ("failed", reply),
        other => panic!("{other:?}"),
    };
    each.into_iter().map(text).map(|(what, reply)| format!("{what} {} {}", reply.code, reply.message)).collect()
}

#[tokio::test]
async fn each_recipient_gets_the_answer_of_its_own() {
    let mut sink = Sink::start("{}").await;
    let envelope = envelope(&["a", "nobody", "full", "b", "one-too-many", "large", "unauthenticated", "a"]);
    assert_eq!(
        outcomes(&sink.relay(), &envelope).await,
        [
            "delivered 250 2.6.0 Taken",
            "failed 550 5.1.1 No such user",
            "deferred 452 4.2.2 Full",
            "delivered 250 2.6.0 Taken",
            "deferred 452 4.5.3 The server answered 552 Too many recipients",
            "failed 552 5.3.4 Too large",
            "deferred 450 4.3.0 The server answered 530 5.7.0 Authenticate first",
            "delivered 250 2.6.0 Taken",
        ]
    );
    let mail = sink.mail().await;
    assert!(mail.contains(r#""to":["a@example.com","b@example.com"]"#), "{mail}");
    assert!(mail.contains(r#""message":"Subject: Hello\r\n\r\n.\r\nHow are you?\r\n""#), "{mail}");
}

#[tokio::test]
async fn a_refusal_of_the_message_is_one_of_everybody_who_was_accepted() {
    let sink = Sink::start("{}").await;
    let mut refused = envelope(&["a", "nobody"]);
    for (answer, outcome) in [
        ("554 5.7.1 Spam", "failed 554 5.7.1 Spam"),
        ("451 4.3.0 Later", "deferred 451 4.3.0 Later"),
        ("503 5.5.1 Out of order", "deferred 450 4.3.0 The server answered 503 5.5.1 Out of order"),
    ] {
        refused.headers = vec![("X-Answer".into(), answer.into())];
        assert_eq!(outcomes(&sink.relay(), &refused).await, [outcome, "failed 550 5.1.1 No such user"]);
    }
    let sender = Envelope { sender: Some("nobody@example.com".into()), ..envelope(&["a", "b"]) };
    assert_eq!(outcomes(&sink.relay(), &sender).await, ["failed 550 5.1.1 No such user"; 2]);
}

#[tokio::test]
async fn what_ends_without_an_answer_and_what_the_session_is_refused_with_is_tried_again() {
    let sink = Sink::start("{}").await;
    let lost = outcomes(&sink.relay(), &envelope(&["nobody", "gone", "a"])).await;
    assert_eq!(lost[0], "failed 550 5.1.1 No such user");
    assert!(lost[1..].iter().all(|outcome| outcome.starts_with("deferred 450 4.4.2 ")), "{lost:?}");

    let late = sink.relay().with_timeout(Duration::from_secs(5));
    let late = outcomes(&late, &envelope(&["nobody", "silent", "a"])).await;
    let silence = "deferred 450 4.4.2 There was no answer in time";
    assert_eq!(late, ["failed 550 5.1.1 No such user", silence, silence]);

    let busy = Sink::start(r#"{"greeting":"554 5.3.2 Not here"}"#).await;
    let busy = outcomes(&busy.relay(), &envelope(&["a"])).await;
    assert!(busy[0].starts_with("deferred 450 4.3.0 The server answered 554 "), "{busy:?}");

    let nobody = outcomes(&SmtpRelay::new("127.0.0.1", 1), &envelope(&["a"])).await;
    assert!(nobody[0].starts_with("deferred 450 4.4.2 "), "{nobody:?}");
}

#[tokio::test]
async fn what_is_no_reply_ends_the_connection_so_that_nobody_gets_the_answer_for_another() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let (from, mut to) = socket.split();
        let mut lines = BufReader::new(from).lines();
        to.write_all(b"220 here\r\n").await.unwrap();
        while let Ok(Some(line)) = lines.next_line().await {
            let reply: &[u8] = match line.as_str() {
                "RCPT TO:<b@example.com>" => b"550-5.1.1 Empf\xe4nger\r\n550 5.1.1 unbekannt\r\n", // not UTF-8
                "RCPT TO:<c@example.com>" => b"550 5.1.1 No such user\r\n",
                _ => b"250 Ok\r\n",
            };
            if to.write_all(reply).await.is_err() {
                break;
            }
        }
    });
    let relay = SmtpRelay::new("127.0.0.1", port).with_max_recipients(2);
    let each = outcomes(&relay, &envelope(&["a", "b", "c", "d"])).await;
    assert!(each.iter().all(|outcome| outcome.starts_with("deferred 450 ")), "{each:?}");
    server.await.unwrap();
}

#[tokio::test]
async fn an_attempt_that_is_aborted_ends_at_once() {
    let sink = Sink::start("{}").await;
    let (relay, envelope, attempt) = (sink.relay(), envelope(&["silent"]), attempt());
    attempt.signal.abort();
    let Answer::Each(each) = relay.attempt(&envelope, attempt).await.unwrap() else { panic!("an answer for each") };
    let [Verdict::Deferred(reply)] = &each[..] else { panic!("{each:?}") };
    assert_eq!(reply.message, "4.4.7 The attempt was ended before there was an answer");
}

/// A server that takes one message, and then says nothing.
async fn never_parts(listener: TcpListener) -> std::io::Result<()> {
    let (reading, mut writing) = listener.accept().await?.0.into_split();
    let mut lines = BufReader::new(reading).lines();
    writing.write_all(b"220 here\r\n").await?;
    while let Some(line) = lines.next_line().await? {
        match line.split([' ', ':']).next() {
            Some("EHLO" | "MAIL" | "RCPT") => writing.write_all(b"250 2.0.0 Ok\r\n").await?,
            Some("DATA") => writing.write_all(b"354 Go on\r\n").await?,
            Some(".") => writing.write_all(b"250 2.6.0 Taken\r\n").await?,
            _ => {} // the message, and QUIT
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_server_that_does_not_answer_quit_keeps_no_outcome_back() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let relay = SmtpRelay::new("127.0.0.1", listener.local_addr().unwrap().port());
    let server = tokio::spawn(never_parts(listener));
    let envelope = envelope(&["a"]);
    let outcomes = timeout(Duration::from_secs(120), outcomes(&relay, &envelope)).await;
    assert_eq!(outcomes.expect("an outcome long before the ten minutes of a reply"), ["delivered 250 2.6.0 Taken"]);
    server.await.unwrap().unwrap();
}

#[tokio::test]
async fn addresses_beyond_ascii_go_in_a_transaction_of_their_own_or_are_refused() {
    let mut sink = Sink::start("{}").await;
    let recipients = ["gr\u{fc}\u{df}e@example.com", "a@b\u{fc}cher.example"].map(String::from).to_vec();
    let envelope = Envelope { recipients, ..envelope(&[]) };
    assert_eq!(outcomes(&sink.relay(), &envelope).await, ["delivered 250 2.6.0 Taken"; 2]);
    let (first, second) = (sink.mail().await, sink.mail().await);
    assert!(!first.contains("SMTPUTF8") && first.contains("\"a@"), "{first}");
    assert!(second.contains("\"SMTPUTF8\":true") && second.contains("\"BODY\":\"8BITMIME\""), "{second}");

    let without = Sink::start(r#"{"hideSMTPUTF8":true}"#).await;
    let refused = "failed 553 5.6.7 The address needs SMTPUTF8, which the server does not offer";
    assert_eq!(outcomes(&without.relay(), &envelope).await, [refused, "delivered 250 2.6.0 Taken"]);
    let refused = "failed 550 5.6.7 The address of the sender needs SMTPUTF8, which the server does not offer";
    let sender = Envelope { sender: Some("gr\u{fc}\u{df}e@example.com".into()), ..envelope };
    assert_eq!(outcomes(&without.relay(), &sender).await, [refused; 2]);
}

#[tokio::test]
async fn every_reply_has_its_meaning_by_the_command_that_it_is_to() {
    let sink = Sink::of_replies().await;
    for (number, case) in cases::<HashMap<String, String>>("smtp-replies").iter().enumerate() {
        let relay = sink.relay().with_hello_name(ClientId::Domain(format!("case-{number}")));
        assert_eq!(outcomes(&relay, &envelope(&["a"])).await, [&*case["outcome"]], "{case:?}");
    }
}

#[tokio::test]
async fn every_address_is_sent_or_needs_smtputf8_or_is_refused() {
    let sink = Sink::of_replies().await;
    let cases = cases::<HashMap<String, String>>("smtp-addresses");
    let recipients = cases.iter().map(|case| case["address"].clone()).collect();
    let each = outcomes(&sink.relay(), &Envelope { recipients, ..envelope(&[]) }).await;
    for (outcome, case) in each.iter().zip(&cases) {
        let expected = match &*case["outcome"] {
            "sent" => "delivered 250 2.6.0 Taken",
            "needs SMTPUTF8" => "failed 553 5.6.7 The address needs SMTPUTF8, which the server does not offer",
            _ => "failed 553 5.1.3 The address cannot be sent over SMTP",
        };
        assert_eq!(outcome, expected, "{case:?}");
    }
}

#[tokio::test]
async fn what_cannot_be_sent_is_refused_and_more_recipients_than_fit_take_several_transactions() {
    let mut sink = Sink::start("{}").await;
    let mut some = envelope(&["a", "b", "c"]);
    some.recipients.push("a>@example.com".into());
    let outcomes_of_some = outcomes(&sink.relay().with_max_recipients(2), &some).await;
    assert_eq!(outcomes_of_some[..3], ["delivered 250 2.6.0 Taken"; 3]);
    assert_eq!(outcomes_of_some[3], "failed 553 5.1.3 The address cannot be sent over SMTP");
    let (first, second) = (sink.mail().await, sink.mail().await);
    assert!(first.contains(r#"["a@example.com","b@example.com"]"#), "{first}");
    assert!(second.contains(r#"["c@example.com"]"#), "{second}");
    let sender = Envelope { sender: Some("a\u{1}@example.com".into()), ..envelope(&["a"]) };
    let refused = "failed 553 5.1.7 The address of the sender cannot be sent over SMTP";
    assert_eq!(outcomes(&sink.relay(), &sender).await, [refused]);
}
