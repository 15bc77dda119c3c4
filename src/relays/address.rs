//! Addresses as they stand in SMTP commands.

use idna::AsciiDenyList;

use super::is_blank;

/// An address between angle brackets, and whether it takes SMTPUTF8
/// ([RFC 6531](https://www.rfc-editor.org/rfc/rfc6531)): not only its domain, which can be written in
/// ASCII, is beyond ASCII.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct WireAddress {
    pub(super) text: String,
    pub(super) needs_utf8: bool,
}

impl WireAddress {
    /// None for what would end there early, or be something else when it arrives.
    pub(super) fn of(address: &str) -> Option<Self> {
        let is_wrong = |letter: char| letter.is_control() || matches!(letter, '<' | '>' | '\u{2028}' | '\u{2029}');
        if address.is_empty() || address.trim_matches(is_blank) != address || address.contains(is_wrong) {
            return None;
        }
        let text = match address.rsplit_once('@') {
            Some((local, domain)) if !domain.is_ascii() => {
                // What is no name of a host goes as it is.
                match idna::domain_to_ascii_cow(domain.as_bytes(), AsciiDenyList::URL) {
                    Ok(domain) if !domain.is_empty() => format!("{local}@{domain}"),
                    _ => address.to_owned(),
                }
            }
            _ => address.to_owned(),
        };
        Some(Self { needs_utf8: !text.is_ascii(), text })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_itself_between_angle_brackets_cannot_be_sent() {
        for address in ["", "a>@b", "<a@b>", "a@b ", "\ta@b", "a\r\nDATA@b", "a\u{2028}@b"] {
            assert_eq!(WireAddress::of(address), None, "{address:?}");
        }
    }

    #[test]
    fn a_domain_is_written_in_ascii_and_only_a_local_part_takes_more() {
        for (address, text, needs_utf8) in [
            ("a@example.com", "a@example.com", false),
            ("a@b\u{fc}cher.example", "a@xn--bcher-kva.example", false),
            ("gr\u{fc}\u{df}e@b\u{fc}cher.example", "gr\u{fc}\u{df}e@xn--bcher-kva.example", true),
            ("postmaster", "postmaster", false),
            ("\"a@b\"@example.com", "\"a@b\"@example.com", false),
        ] {
            assert_eq!(WireAddress::of(address), Some(WireAddress { text: text.into(), needs_utf8 }));
        }
    }
}
