//! What is written into the headers of messages.

use super::host_name::{host_name, is_host};
pub(crate) use crate::date::date;
use crate::id::{Id, NoRandomness};

/// The value of `Message-ID`: generated, at the host that took the message, or else at the domain of the
/// sender.
pub(crate) fn message_id(receiver: &str, sender: &str) -> Result<String, NoRandomness> {
    Ok(format!("<{}@{}>", Id::generate()?, host_name(receiver, sender)))
}

/// How a message was received, as far as it is known.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Received<'a> {
    /// The name that the client gave itself,
    pub(crate) name: &'a str,
    /// the one that belongs to its address,
    pub(crate) host: &'a str,
    /// and the address.
    pub(crate) ip: &'a str,
    pub(crate) protocol: &'a str,
    /// The name of the host that took the message.
    pub(crate) receiver: &'a str,
    /// Who gets it; nobody is named where there are several, since one may not know of the others.
    pub(crate) recipient: &'a str,
    /// In milliseconds since the epoch.
    pub(crate) time: f64,
}

impl Received<'_> {
    /// The value of `Received`, as
    /// [RFC 5321, section 4.4](https://www.rfc-editor.org/rfc/rfc5321#section-4.4) says. What a client
    /// says of itself may be anything: what is no name is not written.
    pub(crate) fn value(&self) -> String {
        let mut value = String::new();
        let known = |name| if is_host(name) { name } else { "unknown" };
        let (name, host, ip) = (known(self.name), known(self.host), known(self.ip));
        if is_host(self.name) || is_host(self.host) || is_host(self.ip) {
            let kind = if ip.contains(':') { "IPv6:" } else { "" };
            value.push_str(&format!("from {name} ({host} [{kind}{ip}])\r\n "));
        }
        value.push_str(&format!("by {}", host_name(self.receiver, "")));
        if is_host(self.protocol) {
            value.push_str(&format!("\r\n with {}", self.protocol));
        }
        if !self.recipient.is_empty() && self.recipient.bytes().all(|byte| byte > b' ' && !b"<>\x7f".contains(&byte)) {
            value.push_str(&format!("\r\n for <{}>", self.recipient));
        }
        value.push_str(&format!(";\r\n {}", date(self.time)));
        value
    }
}
