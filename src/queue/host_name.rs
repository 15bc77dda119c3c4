//! Names of hosts, as headers say them.

/// The name of the host that took a message in ASCII; where it is not known, the domain of the sender.
pub(super) fn host_name<'a>(host: &'a str, sender: &'a str) -> &'a str {
    first_host([host, domain(sender)], is_host)
}

/// The same in whatever letters.
pub(super) fn host_name_in_any_script<'a>(host: &'a str, sender: &'a str) -> &'a str {
    first_host([host, domain(sender)], |name| is_host(&name.replace(|letter: char| !letter.is_ascii(), "x")))
}

fn first_host(names: [&str; 2], good: impl Fn(&str) -> bool) -> &str {
    names.into_iter().find(|name| good(name)).unwrap_or("localhost")
}

/// What follows the last `@` of an address; nothing where there is none.
pub(super) fn domain(address: &str) -> &str {
    let at = address.bytes().rposition(|byte| byte == b'@').unwrap_or(address.len());
    address.get(at.saturating_add(1)..).unwrap_or_default()
}

/// Whether a text can stand for a host, a domain or an address literal.
pub(super) fn is_host(text: &str) -> bool {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b':' | b'[' | b']' | b'_');
    !text.is_empty() && text.len() <= 255 && text.bytes().all(good)
}
