//! Messages are read and written as RFC 5322 says, and any bytes are a message.

use proptest::collection::vec;
use proptest::prelude::*;
use slimta_queue_dict::queue::{Options, Queue};
use slimta_queue_dict::{DictStorage, Envelope, MemoryHost};

use super::support::run;

fn parse(message: impl AsRef<[u8]>) -> (Vec<(String, String)>, Vec<u8>) {
    let Envelope { headers, message, .. } = Envelope::parse(message.as_ref());
    (headers, message)
}

fn headers(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn headers_keep_their_order_their_case_their_repetitions_and_their_folds() {
    let (found, body) = parse("Received: b\r\nreceived: a\r\nX-Empty: \r\nTo: a,\r\n\tb,\r\n  c\r\n\r\nHi\r\n");
    let expected = [("Received", "b"), ("received", "a"), ("X-Empty", ""), ("To", "a,\r\n\tb,\r\n  c")];
    assert_eq!((found, body), (headers(&expected), b"Hi\r\n".to_vec()));
}

#[test]
fn lines_may_end_in_lf_and_the_body_is_left_as_it_is() {
    let (found, body) = parse(b"A: 1\nB: 2\n 3\n\n\nA: no header\n\0\xff\r.\r\n");
    assert_eq!((found, body), (headers(&[("A", "1"), ("B", "2\n 3")]), b"\nA: no header\n\0\xff\r.\r\n".to_vec()));
    let Envelope { headers, .. } = Envelope::parse(b"B: 2\n 3\n\n");
    let envelope = Envelope { headers, ..Envelope::default() };
    assert_eq!(envelope.to_bytes().unwrap(), b"B: 2\r\n 3\r\n\r\n");
}

#[test]
fn only_the_one_space_after_the_colon_is_taken_off() {
    let (found, _) = parse("A:x\nB: y\nC:  z \nD: a: b\nE:\n late\n\n");
    assert_eq!(found, headers(&[("A", "x"), ("B", "y"), ("C", " z "), ("D", "a: b"), ("E", "\n late")]));
}

#[test]
fn a_message_may_have_no_body_no_empty_line_and_no_head() {
    for text in ["A: 1", "A: 1\r\n", "A: 1\r\n\r\n", "A: 1\n\n"] {
        assert_eq!(parse(text), (headers(&[("A", "1")]), vec![]), "{text:?}");
    }
    assert_eq!(parse(""), (vec![], vec![]));
    assert_eq!(parse("\r\nHi"), (vec![], b"Hi".to_vec()));
    assert_eq!(Envelope::default().to_bytes().unwrap(), b"\r\n");
}

#[test]
fn the_first_line_that_is_no_field_belongs_to_the_body() {
    for body in ["no field\r\nB: 2\r\n\r\nHi", ": no name\r\n", "a b: c\r\n", "caf\u{e9}: 1\r\n", "x\r\n y: z"] {
        assert_eq!(parse(body), (vec![], body.as_bytes().to_vec()), "{body:?}");
        let message = format!("A: 1\r\n{body}");
        assert_eq!(parse(message), (headers(&[("A", "1")]), body.as_bytes().to_vec()), "{body:?}");
    }
    assert_eq!(parse(" indented\r\n"), (vec![], b" indented\r\n".to_vec()));
}

#[test]
fn blanks_before_the_colon_a_byte_order_mark_and_the_line_of_an_mbox_are_left_out() {
    assert_eq!(parse("A \t: 1\n\n").0, headers(&[("A", "1")]));
    assert_eq!(parse("\u{feff}A: 1\n\n").0, headers(&[("A", "1")]));
    for mark in ["", "\u{feff}"] {
        let message = format!("{mark}From lena@example.com Mon Oct 12 08:14:03 2026\nA: 1\n\nHi");
        assert_eq!(parse(message), (headers(&[("A", "1")]), b"Hi".to_vec()));
    }
    assert_eq!(parse("From : lena@example.com\n\n").0, headers(&[("From", "lena@example.com")]));
    assert_eq!(parse("A: 1\nFrom x\n\n").1, b"From x\n\n");
}

#[test]
fn a_value_that_is_no_utf_8_is_latin_1_and_what_no_header_may_have_is_a_space() {
    let (found, _) = parse(b"A: Gr\xc3\xbc\xc3\x9fe\r\nB: J\xfcrgen\r\nC: a\0b\rc\r\r\nD: \xff\r\n\r\n");
    let expected = [("A", "Gr\u{fc}\u{df}e"), ("B", "J\u{fc}rgen"), ("C", "a b c "), ("D", "\u{ff}")];
    assert_eq!(found, headers(&expected));
}

#[test]
fn a_header_that_would_end_before_its_value_does_is_not_written() {
    let of = |name: &str, value: &str| {
        let envelope = Envelope { headers: headers(&[("A", "1"), (name, value)]), ..Envelope::default() };
        envelope.to_bytes().unwrap_err().name()
    };
    assert_eq!(of("B", "x\r\nBcc: y"), "headers[1][1]");
    assert_eq!(of("B\r\n", "x"), "headers[1][0]");
}

/// Bytes of which messages are made, with those that mean something more often than others.
fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        proptest::sample::select(vec![
            "\r\n", "\n", "\r", ": ", ":", " ", "\t", "\0", "From ", "\u{feff}", "A", "\u{fc}"
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
        any::<u8>().prop_map(|byte| vec![byte]),
    ];
    vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_well_formed_message_comes_back_byte_for_byte(
        fields in vec("[!-9;-~]{1,12}: [ -~\u{a0}-\u{1f600}]{0,20}(\r\n[ \t][ -~]{0,20}){0,3}\r\n", 0..6),
        body in vec(any::<u8>(), 0..60),
    ) {
        let message = [format!("{}\r\n", fields.concat()).as_bytes(), &body].concat();
        prop_assert_eq!(Envelope::parse(&message).to_bytes().unwrap(), message);
    }

    #[test]
    fn any_bytes_are_a_message_that_can_be_written_stored_and_queued(bytes in pieces()) {
        let envelope = Envelope { recipients: vec!["you@example.com".into()], ..Envelope::parse(&bytes) };
        let written = envelope.to_bytes().unwrap();
        let again = Envelope::parse(&written);
        prop_assert_eq!(again.to_bytes().unwrap(), written);
        prop_assert_eq!(&again.message, &envelope.message);
        let queue = Queue::new(DictStorage::new(MemoryHost::new()), (), Options::default()).unwrap();
        prop_assert!(run(queue.enqueue(envelope)).is_ok());
    }
}
