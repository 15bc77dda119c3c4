//! Public data as serde writes it, under the names that JavaScript has.

use std::time::Duration;

use serde_json::{from_value, json, to_value};
use slimta_queue_dict::queue::{Answer, ListOptions, Options, Reply};
use slimta_queue_dict::{
    Client, Envelope, Failed, Id, LastReply, Lease, MemoryHost, Meta, Notice, NoticeOf, Timestamp,
};

use crate::support::envelope;
use crate::support::queues::{Answering, later, queue_on};

fn whole() -> Envelope {
    Envelope {
        sender: Some("me@example.com".into()),
        recipients: vec!["you@example.com".into()],
        headers: vec![("Subject".into(), "Grüße".into())],
        message: "How are you?\r\n".into(),
        client: Client { ip: Some("192.0.2.1".into()), protocol: Some("ESMTPS".into()), ..Client::default() },
        receiver: Some("mx.example.com".into()),
        timestamp: Some(Timestamp::from(1_700_000_000_000.0)),
        notice_of: Some(NoticeOf { id: Id::from_u128(1), attempt: 2 }),
        unknown: Vec::new(),
    }
}

fn record() -> Meta {
    Meta {
        timestamp: 1.5,
        attempts: 3,
        delivered: vec![0, 2],
        lease: Some(Lease { until: 9.0, owner: "here".into() }),
        failed: vec![Failed { attempt: 2, indexes: vec![2] }],
        first_attempt: Some(1.0),
        expires: Some(7.0),
        scheduled: 2,
        untold: Some(2),
        notice: Some(Notice::Confirmed),
        replies: vec![LastReply { code: 550, message: "5.1.1 no".into(), indexes: vec![2] }],
        unknown: Vec::new(),
    }
}

#[test]
fn an_envelope_is_written_as_javascript_has_it_and_read_again() {
    let written = to_value(whole()).unwrap();
    assert_eq!(
        written,
        json!({
            "sender": "me@example.com",
            "recipients": ["you@example.com"],
            "headers": [["Subject", "Grüße"]],
            "message": "How are you?\r\n",
            "client": { "ip": "192.0.2.1", "protocol": "ESMTPS" },
            "receiver": "mx.example.com",
            "timestamp": 1_700_000_000_000_i64,
            "noticeOf": { "id": "00000000000000000000000000000001", "attempt": 2 },
        })
    );
    assert_eq!(from_value::<Envelope>(written).unwrap(), whole());
}

#[test]
fn what_an_envelope_leaves_out_is_empty() {
    let read: Envelope = from_value(json!({ "recipients": ["you@example.com"] })).unwrap();
    assert_eq!(read, Envelope { recipients: vec!["you@example.com".into()], ..Envelope::default() });
}

#[test]
fn a_message_that_is_no_text_is_written_as_bytes_and_read_again() {
    let envelope = Envelope { message: vec![0xff, 0, 13], ..whole() };
    let written = to_value(&envelope).unwrap();
    assert_eq!(written["message"], json!([255, 0, 13]));
    assert_eq!(from_value::<Envelope>(written).unwrap(), envelope);
}

#[test]
fn a_format_that_is_not_for_people_has_every_message_as_bytes() {
    for envelope in [whole(), Envelope { message: vec![0xff, 0, 13], ..whole() }] {
        let mut written = Vec::new();
        ciborium::into_writer(&envelope, &mut written).unwrap();
        assert_eq!(ciborium::from_reader::<Envelope, _>(&*written).unwrap(), envelope);
    }
}

#[test]
fn a_meta_record_is_written_as_javascript_has_it_and_read_again() {
    let written = to_value(record()).unwrap();
    assert_eq!(
        written,
        json!({
            "timestamp": 1.5,
            "attempts": 3,
            "deliveredIndexes": [0, 2],
            "lease": { "until": 9, "owner": "here" },
            "failed": [{ "attempt": 2, "indexes": [2] }],
            "firstAttempt": 1,
            "expires": 7,
            "scheduled": 2,
            "untold": 2,
            "notice": "confirmed",
            "replies": [{ "reply": { "code": 550, "message": "5.1.1 no" }, "indexes": [2] }],
        })
    );
    assert_eq!(from_value::<Meta>(written).unwrap(), record());
}

#[test]
fn an_id_is_its_digits_and_no_other_text_is_one() {
    let id = Id::from_u128(0xabc);
    assert_eq!(to_value(id).unwrap(), json!("00000000000000000000000000000abc"));
    assert_eq!(from_value::<Id>(json!("00000000000000000000000000000abc")).unwrap(), id);
    for other in [json!("abc"), json!(7), json!(null)] {
        assert!(from_value::<Id>(other).is_err());
    }
}

#[test]
fn times_are_numbers_of_milliseconds() {
    let reply = Reply { retry_after: Some(Duration::from_secs(2)), ..Reply::new(450, "4.2.0 later") };
    let written = to_value(&reply).unwrap();
    assert_eq!(written, json!({ "code": 450, "message": "4.2.0 later", "retryAfter": 2000 }));
    assert_eq!(from_value::<Reply>(written).unwrap(), reply);
    assert_eq!(from_value::<Timestamp>(json!(5)).unwrap(), Timestamp::from(5.0));
}

#[test]
fn a_number_has_a_fraction_only_where_it_is_not_whole() {
    for (number, text) in [(1_795_973_981_647.0, "1795973981647"), (-1.0, "-1"), (0.5, "0.5"), (1e300, "1e+300")] {
        assert_eq!(serde_json::to_string(&Timestamp::from(number)).unwrap(), text);
        assert_eq!(serde_json::from_str::<Timestamp>(text).unwrap(), Timestamp::from(number));
    }
}

#[test]
fn a_record_in_a_format_that_is_not_for_people_is_read_again() {
    let mut written = Vec::new();
    ciborium::into_writer(&record(), &mut written).unwrap();
    assert_eq!(ciborium::from_reader::<Meta, _>(&*written).unwrap(), record());
}

#[tokio::test]
async fn what_a_queue_tells_is_written_as_javascript_has_it() {
    let queue = queue_on(&MemoryHost::new(), Answering(|_: &Envelope, _| Answer::from(later())), Options::default());
    queue.enqueue(envelope(1, "hello")).await.unwrap();
    let result = to_value(queue.run().await.unwrap()).unwrap();
    assert!(result["nextDue"].is_number(), "{result}");
    assert_eq!((&result["attempted"], &result["deferred"], &result["left"]), (&json!(1), &json!(1), &json!(1)));
    let counts = to_value(queue.count().await.unwrap()).unwrap();
    assert_eq!((&counts["deferred"], &counts["oldestDue"]), (&json!(1), &result["nextDue"]));
    assert_eq!(to_value(queue.get_info()).unwrap()["inAttempt"], json!(0));
    let listed = queue.list(ListOptions::default()).unwrap().next(&queue).await.unwrap().unwrap();
    let listed = to_value(listed).unwrap();
    assert_eq!((&listed["state"], &listed["attempts"]), (&json!("deferred"), &json!(1)));
    assert_eq!(listed["replies"], json!([{ "code": 450, "message": "4.2.0 later" }]));
    assert!(listed.get("envelope").is_none());
}
