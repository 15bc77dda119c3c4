//! Messages as they are handed over: header fields, an empty line, and what follows it. After
//! [RFC 5322, section 2](https://www.rfc-editor.org/rfc/rfc5322#section-2), with headers in UTF-8
//! ([RFC 6532](https://www.rfc-editor.org/rfc/rfc6532)).

use crate::envelope::{Envelope, check_headers, is_field_name};
use crate::error::Invalid;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
/// The line that mbox files put before a message.
const MBOX_FROM: &[u8] = b"From ";

impl Envelope {
    /// Reads a message: its headers in their order, and what follows them. Nothing else of the
    /// envelope is set. Any bytes are a message.
    ///
    /// The head ends at an empty line, or before the first line that is no field: such a line belongs
    /// to the body. Lines end in CRLF or LF. A byte order mark and the `From ` line of an mbox file at
    /// the start are left out. A value begins after the colon and one space, and keeps its folds as
    /// they are; a NUL, or a carriage return that ends no line, becomes a space. A value that is not
    /// UTF-8 is read as ISO 8859-1. Blanks between a name and its colon are left out.
    ///
    /// [`Envelope::to_bytes`] gives the same bytes again if lines of the head end in CRLF, each field
    /// has a space after its colon, and nothing was left out or replaced.
    #[must_use]
    pub fn parse(message: &[u8]) -> Self {
        let Head { headers, length } = parse_head(message);
        Self { headers, message: message.get(length..).unwrap_or_default().to_vec(), ..Self::default() }
    }

    /// The message as it is handed over: the headers in UTF-8, each with CRLF and as it was folded, an
    /// empty line, and what follows it as it is.
    ///
    /// # Errors
    /// A header that would end before its value does.
    pub fn to_bytes(&self) -> Result<Vec<u8>, Invalid> {
        check_headers(&self.headers)?;
        let mut bytes = format_head(&self.headers).into_bytes();
        bytes.extend_from_slice(&self.message);
        Ok(bytes)
    }
}

/// The head of a message.
pub(crate) struct Head {
    pub(crate) headers: Vec<(String, String)>,
    /// How many bytes stand before the body.
    pub(crate) length: usize,
}

/// Reads the head of a message, see [`Envelope::parse`].
pub(crate) fn parse_head(message: &[u8]) -> Head {
    let mut rest = message.strip_prefix(BYTE_ORDER_MARK).unwrap_or(message);
    let (first, after) = split_field(rest);
    if parse_field(first).is_none() && rest.starts_with(MBOX_FROM) {
        rest = after;
    }
    let mut headers = Vec::new();
    let body = loop {
        if let [b'\r', b'\n', body @ ..] | [b'\n', body @ ..] = rest {
            break body;
        }
        let (field, after) = split_field(rest);
        let Some(header) = parse_field(field) else { break rest };
        headers.push(header);
        rest = after;
    };
    Head { headers, length: message.len().saturating_sub(body.len()) }
}

/// The first line with those that continue it, which begin with a space or a tab, and the rest.
fn split_field(text: &[u8]) -> (&[u8], &[u8]) {
    let mut end = 0;
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        if end > 0 && !matches!(line, [b' ' | b'\t', ..]) {
            break;
        }
        end = line.len().saturating_add(end);
    }
    text.split_at(end)
}

fn parse_field(field: &[u8]) -> Option<(String, String)> {
    let colon = field.iter().position(|byte| *byte == b':')?;
    let (mut name, mut value) = field.split_at(colon);
    while let [before @ .., b' ' | b'\t'] = name {
        name = before;
    }
    if let [b':', b' ', after @ ..] | [b':', after @ ..] = value {
        value = after;
    }
    if let [before @ .., b'\r', b'\n'] | [before @ .., b'\n'] = value {
        value = before;
    }
    is_field_name(name).then(|| (text(name), text(value)))
}

/// Bytes of a field as text that can stand in a header again.
fn text(bytes: &[u8]) -> String {
    // Nobody names the character set of 8-bit headers; what is not UTF-8 was nearly always this one.
    let text = str::from_utf8(bytes).map_or_else(|_| bytes.iter().copied().map(char::from).collect(), str::to_owned);
    let mut letters = text.chars().peekable();
    let mut out = String::with_capacity(text.len());
    while let Some(letter) = letters.next() {
        let ends_nothing = letter == '\r' && letters.peek() != Some(&'\n');
        out.push(if letter == '\0' || ends_nothing { ' ' } else { letter });
    }
    out
}

/// The head of a message, its empty line included, of headers that were looked at.
pub(crate) fn format_head(headers: &[(String, String)]) -> String {
    let mut head = String::new();
    for (name, value) in headers {
        push_header(&mut head, name, value);
    }
    head.push_str("\r\n");
    head
}

/// Writes a header whose value may be folded with LF alone.
pub(crate) fn push_header(head: &mut String, name: &str, value: &str) {
    let value = value.replace('\r', "").replace('\n', "\r\n");
    head.push_str(&format!("{name}: {value}\r\n"));
}
