//! Names of hosts, as headers say them.

/// The name of the host that took a message; where it is not known, the domain of the sender.
pub(super) fn host_name<'a>(host: &'a str, sender: &'a str) -> &'a str {
    for host in [host, domain(sender)] {
        if is_host(host) {
            return host;
        }
    }
    "localhost"
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
