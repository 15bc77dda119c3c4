//! The policies of the crate, and what no policy may make of a message.

use std::sync::Arc;

use crate::support::queues::{left, queue_on};
use slimta_queue_dict::queue::policies::{
    add_date_header, add_message_id_header, add_received_header, split_by_domain, split_by_recipient,
};
use slimta_queue_dict::queue::{EnqueueError, Options, Policy};
use slimta_queue_dict::{Client, Envelope, Id, MemoryHost};

/// 14 November 2023, 22:13:20 in UTC.
const TIME: f64 = 1_700_000_000_000.0;

fn message(recipients: &[&str], headers: &[(&str, &str)]) -> Envelope {
    Envelope {
        sender: Some("me@example.com".into()),
        recipients: recipients.iter().map(|to| (*to).to_owned()).collect(),
        headers: headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        timestamp: Some(TIME.into()),
        ..Envelope::default()
    }
}

/// What a queue with these policies stores.
async fn applied(policies: Vec<Arc<Policy<Envelope>>>, envelope: Envelope) -> Vec<Envelope> {
    let queue = queue_on(&MemoryHost::new(), (), Options::default());
    policies.into_iter().for_each(|policy| queue.add_policy(policy));
    queue.enqueue(envelope).await.unwrap().into_iter().map(|(stored, _)| stored).collect()
}

#[tokio::test]
async fn a_date_is_added_after_the_other_headers_where_there_is_none() {
    let stored = applied(vec![add_date_header()], message(&["a@x"], &[("Subject", "Hi")])).await;
    assert_eq!(stored[0].headers[1], ("Date".to_owned(), "Tue, 14 Nov 2023 22:13:20 +0000".to_owned()));
    let dated = message(&["a@x"], &[("date", "yesterday")]);
    assert_eq!(applied(vec![add_date_header()], dated.clone()).await, [dated]);
    let untimed = Envelope { timestamp: None, ..message(&["a@x"], &[]) };
    assert!(!applied(vec![add_date_header()], untimed).await[0].headers[0].1.contains("1970"));
}

#[tokio::test]
async fn a_message_id_is_drawn_at_the_receiver_or_the_domain_of_the_sender_where_there_is_none() {
    for (sender, receiver, host) in [
        (Some("me@example.com"), Some("mx.example.org"), "mx.example.org"),
        (Some("me@example.com"), None, "example.com"),
        (Some("me@example.com"), Some("no host"), "example.com"),
        (Some("me"), None, "localhost"),
        (None, None, "localhost"),
    ] {
        let envelope = Envelope {
            sender: sender.map(str::to_owned),
            receiver: receiver.map(str::to_owned),
            ..message(&["a@x"], &[])
        };
        let stored = applied(vec![add_message_id_header()], envelope).await;
        let (name, value) = &stored[0].headers[0];
        let (id, at) = value.trim_matches(['<', '>']).split_once('@').unwrap();
        assert_eq!((name.as_str(), at, id.parse::<Id>().is_ok()), ("Message-ID", host, true), "{value}");
    }
    let named = message(&["a@x"], &[("MESSAGE-id", "<1@x>")]);
    assert_eq!(applied(vec![add_message_id_header()], named.clone()).await, [named]);
}

#[tokio::test]
async fn received_stands_first_and_says_what_is_known_and_nothing_that_is_no_name() {
    let text = |text: &str| Some(text.to_owned());
    let known = Client {
        ip: text("2001:db8::1"),
        host: text("pc.example.com"),
        name: text("pc"),
        protocol: text("ESMTPSA"),
        ..Client::default()
    };
    let odd = Client { ip: text("192.0.2.1"), name: text("x) by evil (\r\nBcc: y"), ..Client::default() };
    for (client, recipients, value) in [
        (
            known,
            &["a@x"][..],
            "from pc (pc.example.com [IPv6:2001:db8::1])\r\n by mx.example.org\r\n with ESMTPSA\r\n for <a@x>",
        ),
        (odd, &["a@x", "b@x"], "from unknown (unknown [192.0.2.1])\r\n by mx.example.org"),
        (Client::default(), &["a <b>@x"], "by mx.example.org"),
    ] {
        let receiver = text("mx.example.org");
        let envelope = Envelope { client, receiver, ..message(recipients, &[("Received", "before")]) };
        let stored = applied(vec![add_received_header()], envelope).await;
        let expected = format!("{value};\r\n Tue, 14 Nov 2023 22:13:20 +0000");
        assert_eq!(stored[0].headers[0], ("Received".to_owned(), expected));
        assert_eq!(stored[0].headers[1].1, "before");
    }
}

#[tokio::test]
async fn a_split_makes_an_envelope_for_each_recipient_or_for_each_domain() {
    let recipients = ["a@x.org", "b@y.org", "none", "c@X.ORG", "@", "a@x.org"];
    let groups = |stored: Vec<Envelope>| stored.into_iter().map(|one| one.recipients.join(" ")).collect::<Vec<_>>();
    let stored = applied(vec![split_by_recipient()], message(&recipients, &[])).await;
    assert_eq!(groups(stored), recipients);
    let stored = applied(vec![split_by_domain()], message(&recipients, &[])).await;
    assert_eq!(groups(stored), ["a@x.org c@X.ORG a@x.org", "b@y.org", "none", "@"]);
    let stored = applied(vec![add_message_id_header(), split_by_domain()], message(&recipients, &[])).await;
    assert!(stored.iter().all(|one| one.headers == stored[0].headers));
}

#[tokio::test]
async fn a_message_to_nobody_and_a_name_that_rfc_5322_does_not_allow_are_refused_before_anything_is_stored() {
    let host = MemoryHost::new();
    let queue = queue_on(&host, (), Options::default());
    for (envelope, expected) in [
        (message(&[], &[]), "recipients: expected at least one recipient, got 0"),
        (
            message(&["a@x"], &[("A", "1"), ("Sub ject", "Hi")]),
            "headers[1][0]: expected a header name of printable US-ASCII without a colon, got \"Sub ject\"",
        ),
        (
            message(&["a@x"], &[("A", "x\r\nBcc: y")]),
            "headers[0][1]: expected a header value without NUL, CR or LF, except where it is folded, \
             got \"x\\r\\nBcc: y\"",
        ),
    ] {
        let Err(EnqueueError::Invalid(invalid)) = queue.enqueue(envelope).await else { panic!() };
        assert_eq!(invalid.to_string(), expected);
    }
    queue.add_policy(split_by_recipient());
    queue.add_policy(Arc::new(|envelope: Envelope| {
        let recipients = if envelope.recipients == ["b@x"] { vec![] } else { envelope.recipients.clone() };
        Box::pin(async move { Ok(vec![Envelope { recipients, ..envelope }]) })
    }));
    let made = queue.enqueue(message(&["a@x", "b@x"], &[])).await;
    assert!(matches!(made, Err(EnqueueError::Invalid(_))));
    assert_eq!(left(&host).await, 0);
    for envelope in [message(&[], &[]), message(&["a@x"], &[("Sub ject", "Hi")])] {
        queue.storage().write(envelope, 0.0, None).await.unwrap();
    }
    assert_eq!(left(&host).await, 2);
}

#[tokio::test]
async fn a_policy_that_makes_no_envelopes_drops_the_message() {
    let host = MemoryHost::new();
    let queue = queue_on(&host, (), Options::default());
    queue.add_policy(Arc::new(|_| Box::pin(async { Ok(vec![]) })));
    assert_eq!(queue.enqueue(message(&["a@x"], &[])).await.unwrap(), []);
    assert_eq!(queue.enqueue(message(&[], &[])).await.unwrap(), []);
    assert_eq!(left(&host).await, 0);
}
