//! A relay over SMTP.

mod transaction;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::AsyncSmtpConnection;
#[allow(deprecated)] // what makes one takes a backend for TLS, which is the caller's to choose
use lettre::transport::smtp::client::TlsParameters;
use lettre::transport::smtp::extension::{ClientId, Extension};
use tokio::time::timeout;

use super::address::WireAddress;
use super::meaning;
use crate::Envelope;
use crate::queue::{Answer, Attempt, BoxError, Relay, Reply, Verdict};
use transaction::{Transaction, failure};

const TIMEOUT: Duration = Duration::from_secs(600);
const RECIPIENTS: usize = 100;
/// How long a server may take to part: what it has taken is to be recorded.
const PARTING: Duration = Duration::from_secs(5);

/// How a connection is encrypted.
#[derive(Clone)]
#[allow(deprecated)]
enum Tls {
    None,
    Start(TlsParameters),
    Implicit(TlsParameters),
}

/// A relay over SMTP, on the connections of [lettre](https://docs.rs/lettre): one for each attempt. The
/// message goes as it is, with its headers; lines get CRLF and dots are stuffed on the way.
///
/// What an answer means, for each recipient:
///
/// - accepted by RCPT and DATA: delivered, with the last reply;
/// - refused with 5xx at MAIL, RCPT or DATA: given up; but 503 and what asks for encryption or credentials:
///   tried again, and so is 552 where it means too many recipients (RFC 5321, section 4.5.3.1.10): with 5.5.3
///   always, and without an enhanced status code at RCPT;
/// - refused with 4xx anywhere, or with 5xx at the greeting, at EHLO, STARTTLS or AUTH: tried again, as is
///   whatever ends without an answer: no connection, one that is lost, a server that says nothing in time.
///
/// An address with control characters, angle brackets or blanks at its ends is given up (553) and not sent.
/// A message beyond ASCII is announced with 8BITMIME where the server offers it. Recipients whose local
/// part is beyond ASCII go after the others, in transactions of their own that are announced with
/// SMTPUTF8. Where the server does not offer that, they are given up (553 5.6.7), and so is everybody
/// (550 5.6.7) if the sender is such an address.
///
/// When a connection is lost after the data and before the answer, nobody can know whether the server took
/// the message (RFC 1047): it is sent again.
///
/// A relay works within a tokio runtime. A program that encrypts adds the crate `lettre` with one of its
/// features for TLS, such as `tokio1-rustls`, `ring` and `webpki-roots`.
///
/// ```
/// use slimta_queue_dict::queue::{Options, Queue};
/// use slimta_queue_dict::relays::SmtpRelay;
/// use slimta_queue_dict::{DictStorage, MemoryHost};
///
/// let relay = SmtpRelay::new("localhost", 25);
/// let queue = Queue::new(DictStorage::new(MemoryHost::new()), relay, Options::default());
/// ```
#[derive(Clone)]
pub struct SmtpRelay {
    server: Arc<str>,
    port: u16,
    tls: Tls,
    credentials: Option<Credentials>,
    hello: ClientId,
    timeout: Duration,
    max_recipients: usize,
}

impl std::fmt::Debug for SmtpRelay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { server, port, timeout, max_recipients, .. } = self;
        f.debug_struct("SmtpRelay")
            .field("server", server)
            .field("port", port)
            .field("timeout", timeout)
            .field("max_recipients", max_recipients)
            .finish_non_exhaustive()
    }
}

impl SmtpRelay {
    /// A relay to this server, without encryption.
    #[must_use]
    pub fn new(server: &str, port: u16) -> Self {
        Self {
            server: server.into(),
            port,
            tls: Tls::None,
            credentials: None,
            hello: ClientId::default(),
            timeout: TIMEOUT,
            max_recipients: RECIPIENTS,
        }
    }

    /// Encrypts each connection from the beginning, as servers on port 465 expect.
    #[must_use]
    #[allow(deprecated)]
    pub fn with_tls(self, parameters: TlsParameters) -> Self {
        Self { tls: Tls::Implicit(parameters), ..self }
    }

    /// Encrypts each connection with STARTTLS. Nothing is sent where the server does not offer it.
    #[must_use]
    #[allow(deprecated)]
    pub fn with_starttls(self, parameters: TlsParameters) -> Self {
        Self { tls: Tls::Start(parameters), ..self }
    }

    /// Authenticates as this user.
    #[must_use]
    pub fn with_credentials(self, credentials: Credentials) -> Self {
        Self { credentials: Some(credentials), ..self }
    }

    /// Says that it is this host (EHLO).
    #[must_use]
    pub fn with_hello_name(self, name: ClientId) -> Self {
        Self { hello: name, ..self }
    }

    /// How long an attempt may take: ten minutes unless given.
    #[must_use]
    pub fn with_timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// How many recipients one transaction has at most: 100, which every server takes, unless given. More
    /// are sent one transaction after the other. None at all are taken for one.
    #[must_use]
    pub fn with_max_recipients(self, max_recipients: usize) -> Self {
        Self { max_recipients: max_recipients.max(1), ..self }
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, lettre::transport::smtp::Error> {
        let implicit = match &self.tls {
            Tls::Implicit(parameters) => Some(parameters.clone()),
            _ => None,
        };
        let server = (&*self.server, self.port);
        let mut connection =
            AsyncSmtpConnection::connect_tokio1(server, Some(self.timeout), &self.hello, implicit, None).await?;
        if let Tls::Start(parameters) = &self.tls {
            connection.starttls(parameters.clone(), &self.hello).await?;
        }
        if let Some(credentials) = &self.credentials {
            connection.auth(DEFAULT_MECHANISMS, credentials).await?;
        }
        Ok(connection)
    }

    /// What became of each address, as far as it is known: also when this is given up.
    async fn send(
        &self,
        sender: Option<&WireAddress>,
        addresses: &[WireAddress],
        message: &[u8],
        verdicts: &mut HashMap<String, Verdict>,
    ) {
        let mut connection = match self.connect().await {
            Ok(connection) => connection,
            Err(error) => return decide(addresses, &failure(&error, meaning::of_session), verdicts),
        };
        let is_beyond = sender.is_some_and(|sender| sender.needs_utf8);
        let offers_utf8 = connection.server_info().supports_feature(Extension::SmtpUtfEight);
        for needs_utf8 in [false, true] {
            let is_such = |address: &&WireAddress| (is_beyond || address.needs_utf8) == needs_utf8;
            let such: Vec<WireAddress> = addresses.iter().filter(is_such).cloned().collect();
            if needs_utf8 && !offers_utf8 {
                let (code, what) = if is_beyond { (550, "of the sender ") } else { (553, "") };
                let text = format!("5.6.7 The address {what}needs SMTPUTF8, which the server does not offer");
                decide(&such, &Verdict::Failed(Reply::new(code, text)), verdicts);
                continue;
            }
            for some in such.chunks(self.max_recipients) {
                let sender = sender.map_or("", |sender| &sender.text);
                let transaction = Transaction { sender, recipients: some, needs_utf8, message };
                if !transaction.make(&mut connection, verdicts).await {
                    return; // whoever has no verdict yet is tried again
                }
            }
        }
        let _ = timeout(PARTING, connection.quit()).await; // everybody was answered
    }
}

/// The verdict of all of some addresses.
fn decide(addresses: &[WireAddress], verdict: &Verdict, verdicts: &mut HashMap<String, Verdict>) {
    verdicts.extend(addresses.iter().map(|address| (address.text.clone(), verdict.clone())));
}

impl Relay<Envelope> for SmtpRelay {
    async fn attempt(&self, envelope: &Envelope, attempt: Attempt) -> Result<Answer, BoxError> {
        let sender = match envelope.sender.as_deref().filter(|sender| !sender.is_empty()) {
            None => None,
            Some(sender) => match WireAddress::of(sender) {
                Some(sender) => Some(sender),
                None => {
                    let text = "5.1.7 The address of the sender cannot be sent over SMTP";
                    return Ok(Verdict::Failed(Reply::new(553, text)).into());
                }
            },
        };
        let message = with_crlf(&envelope.to_bytes()?);
        let wire: Vec<_> = envelope.recipients.iter().map(|recipient| WireAddress::of(recipient)).collect();
        let mut addresses: Vec<WireAddress> = Vec::new();
        let mut known = std::collections::HashSet::new();
        addresses.extend(wire.iter().flatten().filter(|address| known.insert(address.text.as_str())).cloned());
        let mut verdicts = HashMap::new();
        let late = {
            let sending = timeout(self.timeout, self.send(sender.as_ref(), &addresses, &message, &mut verdicts));
            tokio::select! {
                done = sending => done.err().map(|_| "4.4.2 There was no answer in time"),
                () = attempt.signal.aborted() => Some("4.4.7 The attempt was ended before there was an answer"),
            }
        };
        let missing = Reply::new(450, late.unwrap_or("4.5.0 There was no answer for this recipient"));
        let verdict = |address: Option<WireAddress>| match address {
            None => Verdict::Failed(Reply::new(553, "5.1.3 The address cannot be sent over SMTP")),
            Some(address) => verdicts.get(&address.text).cloned().unwrap_or_else(|| Verdict::Deferred(missing.clone())),
        };
        Ok(Answer::Each(wire.into_iter().map(verdict).collect()))
    }
}

/// The same lines, each of which ends with CRLF: a server may take a line end alone for one, and a dot
/// after it for the end of the message. The last line end is left to the end of the data.
fn with_crlf(message: &[u8]) -> Vec<u8> {
    let mut lines = Vec::with_capacity(message.len());
    let mut before = 0;
    for byte in message {
        match byte {
            b'\n' if before == b'\r' => {}
            b'\r' | b'\n' => lines.extend_from_slice(b"\r\n"),
            byte => lines.push(*byte),
        }
        before = *byte;
    }
    if lines.ends_with(b"\r\n") {
        lines.truncate(lines.len().saturating_sub(2));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_end_is_crlf_and_the_last_one_is_left_out() {
        for (message, lines) in [
            ("a\r\nb\nc\rd\r\n", "a\r\nb\r\nc\r\nd"),
            ("a\n.\nb", "a\r\n.\r\nb"),
            ("a\n\r\n\r", "a\r\n\r\n"),
            ("\r\n", ""),
            ("", ""),
        ] {
            assert_eq!(String::from_utf8(with_crlf(message.as_bytes())).unwrap(), lines, "{message:?}");
        }
    }
}
