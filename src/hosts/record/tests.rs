use super::*;
use crate::envelope::{Client, Envelope, NoticeOf};
use crate::id::Id;
use crate::meta::{LastReply, Lease, Meta};

fn bytes(parts: &[&str]) -> Vec<u8> {
    let digits: Vec<u8> = parts.concat().bytes().filter(|byte| *byte != b' ').collect();
    digits.chunks(2).map(|two| u8::from_str_radix(std::str::from_utf8(two).unwrap(), 16).unwrap()).collect()
}

/// Short text as CBOR, in hexadecimal digits.
fn text(text: &str) -> String {
    let hex = text.bytes().map(|byte| format!("{byte:02x}"));
    format!("{:02x}{}", 0x60_usize.saturating_add(text.len()), hex.collect::<String>())
}

fn whole() -> Envelope {
    let client = Client {
        ip: Some("192.0.2.1".into()),
        auth: Some("me".into()),
        unknown: bytes(&[&text("x"), "f5"]),
        ..Client::default()
    };
    Envelope {
        sender: Some("a@b".into()),
        recipients: vec!["c@d".into(), String::new()],
        headers: vec![("A".into(), "b".into()), ("A".into(), String::new())],
        message: vec![0, 255],
        client,
        receiver: Some("here".into()),
        timestamp: Some((-1.5).into()),
        notice_of: Some(NoticeOf { id: Id::from_u128(7), attempt: 2 }),
        unknown: bytes(&[&text("more"), "82 01 c1 00"]),
    }
}

#[test]
fn an_envelope_is_the_number_of_the_format_and_a_map_of_its_fields() {
    let envelope = Envelope { recipients: vec!["a@b".into()], message: vec![7, 8], ..Envelope::default() };
    let [sender, recipients, address, message] = ["sender", "recipients", "a@b", "message"].map(text);
    let expected = bytes(&["01 a3", &sender, "f6", &recipients, "81", &address, &message, "82 00 02"]);
    assert_eq!(encode_envelope(&envelope), expected);
}

#[test]
fn a_meta_record_is_a_map_with_one_bit_for_each_mark() {
    let lease = Some(Lease { until: 2.0, owner: "me".into() });
    let meta = Meta { timestamp: 1.5, attempts: 3, delivered: vec![0, 9], lease, ..Meta::default() };
    let [timestamp, attempts, delivered] = ["timestamp", "attempts", "deliveredIndexes"].map(text);
    let [lease, until, owner, me] = ["lease", "until", "owner", "me"].map(text);
    let head = bytes(&["01 a4", &timestamp, "fb 3ff8000000000000", &attempts, "03", &delivered, "42 0102"]);
    let tail = bytes(&[&lease, "a2", &until, "fb 4000000000000000", &owner, &me]);
    assert_eq!(encode_meta(&meta), [head, tail].concat());
}

#[test]
fn what_is_encoded_comes_back() {
    let envelopes = [Envelope::default(), whole(), Envelope { message: Vec::new(), ..whole() }];
    for envelope in envelopes {
        assert_eq!(decode_envelope(&encode_envelope(&envelope), Some(&envelope.message)), Stored::Good(envelope));
    }
    let lease = Some(Lease { until: -0.0, owner: String::new() });
    for meta in [
        Meta::new(f64::MIN_POSITIVE),
        Meta { attempts: u32::MAX, delivered: vec![0, 7, 8, 100_000], lease, ..Meta::new(-1e300) },
        Meta { delivered: (0..1000).collect(), ..Meta::new(0.0) },
    ] {
        assert_eq!(decode_meta(&encode_meta(&meta)), Stored::Good(meta));
    }
}

#[test]
fn what_another_program_writes_otherwise_is_read() {
    let [timestamp, attempts, more] = ["timestamp", "attempts", "more"].map(text);
    for (number, value) in
        [("05", 5.0), ("24", -5.0), ("f9 3e00", 1.5), ("fa 3fc00000", 1.5), ("1b 0010000000000000", 2_f64.powi(52))]
    {
        let record =
            bytes(&["18 01 bf", &more, "a1 01 82 f6 c1 00", &attempts, "1a 00000007", &timestamp, number, "ff"]);
        let unknown = bytes(&[&more, "a1 01 82 f6 c1 00"]);
        assert_eq!(decode_meta(&record), Stored::Good(Meta { attempts: 7, unknown, ..Meta::new(value) }));
    }
    let [sender, recipients, message, receiver, client] =
        ["sender", "recipients", "message", "receiver", "client"].map(text);
    let record =
        bytes(&["01 a5", &sender, "f7", &recipients, "9f ff", &message, "82 01 02", &receiver, "f6", &client, "f6"]);
    let expected = Envelope { message: "\u{e9}".into(), ..Envelope::default() };
    assert_eq!(decode_envelope(&record, Some("\u{e9}".as_bytes())), Stored::Good(expected));
}

#[test]
fn what_cannot_be_read_is_corrupt_and_what_a_later_version_wrote_is_newer() {
    let (meta, envelope) = (encode_meta(&Meta::new(1.0)), encode_envelope(&whole()));
    for length in 0..meta.len() {
        assert_eq!(decode_meta(&meta[..length]), Stored::Corrupt);
    }
    for length in 0..envelope.len() {
        assert_eq!(decode_envelope(&envelope[..length], Some(&[0, 255])), Stored::Corrupt);
    }
    for beside in [None, Some(&[0][..]), Some(&[0, 1, 2])] {
        assert_eq!(decode_envelope(&envelope, beside), Stored::Corrupt);
    }
    assert_eq!(decode_meta(&[&meta[..], &[0]].concat()), Stored::Corrupt);
    let [timestamp, attempts] = ["timestamp", "attempts"].map(text);
    for wrong in ["f9 7e00", "f9 7c00", "f6", "60", "80"] {
        assert_eq!(decode_meta(&bytes(&["01 a2", &attempts, "00", &timestamp, wrong])), Stored::Corrupt, "{wrong}");
    }
    for other in ["", "ff", "00 a0", "01", "01 05", "01 a0", "20 a0", "61 61 a0"] {
        assert_eq!(decode_meta(&bytes(&[other])), Stored::Corrupt, "{other}");
    }
    assert_eq!(decode_meta(&bytes(&["03 05"])), Stored::Newer);
    assert_eq!(decode_envelope(&bytes(&["1b ffffffffffffffff"]), None), Stored::Newer);
}

/// `tests/garbage.test.js` reads the same list.
#[test]
fn a_record_is_good_or_corrupt_here_as_it_is_for_javascript() {
    let records: Vec<serde_json::Value> = serde_json::from_str(include_str!("verdicts.json")).unwrap();
    for one in records {
        let [name, verdict, record] = ["name", "verdict", "record"].map(|field| one[field].as_str().unwrap());
        let found = match decode_meta(&bytes(&[record])) {
            Stored::Good(_) => "good",
            Stored::Corrupt => "corrupt",
            Stored::Newer => "newer",
        };
        assert_eq!(found, verdict, "{name}");
    }
}

#[test]
fn a_reply_whose_code_cannot_be_one_is_no_answer() {
    let fields = ["timestamp", "attempts", "replies", "reply", "code", "message", "indexes"].map(text);
    let [timestamp, attempts, replies, reply, code, message, indexes] = &fields;
    let head = ["02 a3", timestamp, "05", attempts, "00", replies, "81 a2", reply, "a2"];
    let record = [&head[..], &[code, "1a 00011170", message, "60", indexes, "62 3031"]].concat();
    let Stored::Good(meta) = decode_meta(&bytes(&record)) else { panic!("it is not good") };
    assert_eq!(meta.replies, [LastReply { code: 450, message: String::new(), indexes: vec![0] }]);
}
