//! One message to some recipients over a connection.

use std::collections::HashMap;
use std::error::Error as _;
use std::fmt::Write;

use lettre::transport::smtp::Error;
use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::commands::Rset;
use lettre::transport::smtp::extension::Extension;
use lettre::transport::smtp::response::{Response, Severity};

use crate::queue::{Reply, Verdict};
use crate::relays::address::WireAddress;
use crate::relays::meaning::{line, of_command, of_message, of_recipient};

pub(super) struct Transaction<'a> {
    pub(super) sender: &'a str,
    pub(super) recipients: &'a [WireAddress],
    pub(super) needs_utf8: bool,
    pub(super) message: &'a [u8],
}

impl<'a> Transaction<'a> {
    /// Makes it. Who has no verdict yet gets one; whoever looks before it has ended finds those of the
    /// recipients that were refused. Whether the connection serves another one: once the server has said something
    /// that is no reply, or nothing, nobody knows which command its next reply is about.
    pub(super) async fn make(
        self,
        connection: &mut AsyncSmtpConnection,
        verdicts: &mut HashMap<String, Verdict>,
    ) -> bool {
        let mut left: Vec<&'a str> = self.recipients.iter().map(|recipient| recipient.text.as_str()).collect();
        let said = self.say(connection, &mut left, verdicts).await;
        let is_in_step = said.is_ok();
        let verdict = said.unwrap_or_else(|unanswered| unanswered);
        verdicts.extend(left.into_iter().map(|recipient| (recipient.to_owned(), verdict.clone())));
        // What was begun and not sent would be in the way of the next one.
        is_in_step && (matches!(verdict, Verdict::Delivered(_)) || connection.command(Rset).await.is_ok())
    }

    /// What became of those who are left in the end: an error where the server has given no reply.
    async fn say(
        &self,
        connection: &mut AsyncSmtpConnection,
        left: &mut Vec<&'a str>,
        verdicts: &mut HashMap<String, Verdict>,
    ) -> Result<Verdict, Verdict> {
        let mut mail = format!("MAIL FROM:<{}>", self.sender);
        let is_beyond = self.needs_utf8 || !self.message.is_ascii();
        if is_beyond && connection.server_info().supports_feature(Extension::EightBitMime) {
            mail.push_str(" BODY=8BITMIME");
        }
        if self.needs_utf8 {
            mail.push_str(" SMTPUTF8");
        }
        let _ = write!(mail, "\r\n");
        match connection.command(mail).await {
            Ok(reply) if is_done(&reply) => {}
            Ok(reply) => return Ok(of_command(reply_of(&reply))),
            Err(refused) => return answer(&refused, of_message),
        }
        for recipient in std::mem::take(left) {
            match connection.command(format!("RCPT TO:<{recipient}>\r\n")).await {
                Ok(reply) if is_done(&reply) => left.push(recipient),
                Ok(reply) => drop(verdicts.insert(recipient.to_owned(), of_recipient(reply_of(&reply)))),
                Err(refused) => {
                    let is_over = refused.status().is_none();
                    verdicts.insert(recipient.to_owned(), failure(&refused, of_recipient));
                    if is_over {
                        let rest = self.recipients.iter().filter(|other| !verdicts.contains_key(&other.text));
                        *left = rest.map(|other| other.text.as_str()).collect();
                        return answer(&refused, of_message);
                    }
                }
            }
        }
        if left.is_empty() {
            return Ok(Verdict::Missing); // everybody was refused
        }
        match connection.command("DATA\r\n").await {
            Ok(reply) if reply.has_code(354) => {}
            Ok(reply) => return Ok(of_command(reply_of(&reply))),
            Err(refused) => return answer(&refused, of_message),
        }
        match connection.message(self.message).await {
            Ok(reply) => Ok(of_message(reply_of(&reply))),
            Err(refused) => answer(&refused, of_message),
        }
    }
}

/// Whether nothing more is to come for the command.
fn is_done(response: &Response) -> bool {
    response.code().severity == Severity::PositiveCompletion
}

/// Later lines repeat the code, and often the enhanced status code too.
fn reply_of(response: &Response) -> Reply {
    let mut lines = response.message();
    let mut reply = Reply::new(response.code().into(), lines.next().unwrap_or_default());
    let status = reply.status().map(|status| format!("{status} ")).unwrap_or_default();
    for each in lines {
        let _ = write!(reply.message, " {}", each.strip_prefix(status.as_str()).unwrap_or(each));
    }
    Reply { message: line(&reply.message), ..reply }
}

/// The same, as an error if the server has not answered.
fn answer(error: &Error, meaning: impl FnOnce(Reply) -> Verdict) -> Result<Verdict, Verdict> {
    let verdict = failure(error, meaning);
    if error.status().is_some() { Ok(verdict) } else { Err(verdict) }
}

/// What an error means: by the reply that it is about, if the server has answered.
pub(super) fn failure(error: &Error, meaning: impl FnOnce(Reply) -> Verdict) -> Verdict {
    match error.status() {
        Some(code) => {
            let text = error.source().map(ToString::to_string).unwrap_or_default();
            meaning(Reply::new(code.into(), line(&text)))
        }
        None => Verdict::Deferred(Reply::new(450, format!("4.4.2 {}", line(&error.to_string())))),
    }
}
