//! Foreign text as it may stand in a notice.

/// Lines are folded where they get longer than this.
const WIDTH: usize = 76;
/// No line is longer, whatever has no space to fold it at.
pub(super) const LONGEST: usize = 900;

/// A part of a notice, with what begins it. ASCII goes as it is, anything else as quoted-printable:
/// the relays on the way may know no 8BITMIME.
pub(super) fn push_part(out: &mut String, boundary: &str, kind: &str, content: &str) {
    let encoding = if content.is_ascii() { "7bit" } else { "quoted-printable" };
    out.push_str(&format!(
        "\r\n--=_{boundary}\r\nContent-Type: {kind}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n"
    ));
    if content.is_ascii() { out.push_str(content) } else { push_quoted(out, content) }
}

/// Lines as quoted-printable ([RFC 2045, section 6.7](https://www.rfc-editor.org/rfc/rfc2045#section-6.7)).
fn push_quoted(out: &mut String, content: &str) {
    for line in content.lines() {
        let mut width = 0_usize;
        let mut bytes = line.bytes().peekable();
        while let Some(byte) = bytes.next() {
            if width >= WIDTH.saturating_sub(3) {
                out.push_str("=\r\n");
                width = 0;
            }
            if byte.is_ascii_graphic() && byte != b'=' || byte == b' ' && bytes.peek().is_some() {
                out.push(char::from(byte));
                width = width.saturating_add(1);
            } else {
                out.push_str(&format!("={byte:02X}"));
                width = width.saturating_add(3);
            }
        }
        out.push_str("\r\n");
    }
}

/// So many characters of a text, as they may stand in a line.
pub(super) fn clean(text: &str, most: usize) -> String {
    let letter = |letter: char| if letter.is_control() { ' ' } else { letter };
    text.trim_ascii_end().chars().take(most).map(letter).collect()
}

/// A line, folded where it gets too long.
pub(super) fn fold(out: &mut String, start: &str, text: &str) {
    out.push_str(start);
    let mut width = start.len();
    // Lines that continue begin with a space, and are never of spaces alone.
    let mut blank = true;
    for letter in text.chars() {
        if (letter == ' ' && width >= WIDTH && !blank) || width >= LONGEST {
            out.push_str("\r\n ");
            (width, blank) = (1, true);
            if letter == ' ' {
                continue;
            }
        }
        blank &= letter == ' ';
        width = width.saturating_add(letter.len_utf8());
        out.push(letter);
    }
    out.push_str("\r\n");
}

/// The local part and the domain of an address; one without a domain is its own.
pub(super) fn split(address: &str) -> (&str, &str) {
    let at = address.bytes().rposition(|byte| byte == b'@');
    let parts = at.and_then(|at| Some((address.get(..at)?, address.get(at.saturating_add(1)..)?)));
    parts.unwrap_or((address, address))
}

/// A text in ASCII: what is beyond it is written as [RFC 6533, section 3](https://www.rfc-editor.org/rfc/rfc6533#section-3)
/// writes it in an address, and nothing is lost. An address has more that is written so.
pub(super) fn ascii(text: &str, is_address: bool) -> String {
    let mut out = String::new();
    for letter in text.chars() {
        let plain = !is_address || letter.is_ascii_graphic() && !matches!(letter, '\\' | '+' | '=');
        if plain && letter.is_ascii() {
            out.push(letter);
        } else {
            out.push_str(&format!("\\x{{{:02X}}}", u32::from(letter)));
        }
        // No mail could go to an address that is longer.
        if is_address && out.len() > LONGEST {
            break;
        }
    }
    out
}

/// An address with its type.
pub(super) fn address(recipient: &str) -> String {
    let text = clean(recipient, LONGEST);
    if text.is_ascii() { format!("rfc822; {text}") } else { format!("utf-8; {}", ascii(&text, true)) }
}
