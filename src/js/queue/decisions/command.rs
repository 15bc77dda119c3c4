//! What an attempt asks for and what it is told.

use super::backoff::Delay;
use super::outcome::Verdicts;
use crate::meta::{Change, Lease};

/// What all attempts of a queue have in common.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The name under which this queue claims; no two queues have the same.
    pub owner: String,
    /// For how many milliseconds a claim holds unless it is renewed.
    pub lease: f64,
    /// Whether the caller decides when to try again.
    pub asks_backoff: bool,
    /// Whether messages that are given up are kept.
    pub keeps: bool,
}

/// When something happens.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// Milliseconds since the epoch, on the clock that timestamps are in.
    pub wall: f64,
    /// A random number from 0 to 1.
    pub random: f64,
}

/// What has to be done next.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Read the meta record: [`Input::Looked`].
    Look,
    /// Change the meta record, by which the message is this attempt's: [`Input::Changed`].
    Claim(Change),
    /// Change the meta record: [`Input::Changed`].
    Change(Change),
    /// Read the message: [`Input::Got`].
    Get,
    /// Hand the message to the relay: [`Input::Relayed`]. The lease is renewed meanwhile.
    Relay,
    /// Ask the caller when to try again after so many attempts: [`Input::Delay`].
    Backoff(u32),
    /// Store the bounce for those refused with the reply of this number: [`Input::Stored`].
    Bounce(u32),
    /// Keep what is given up: [`Input::Stored`].
    Keep,
    /// Remove the message: [`Input::Stored`].
    Remove,
    /// Wait so many milliseconds: [`Input::Stored`], or [`Input::Failed`] if there is no time.
    Pause(f64),
    /// Nothing: the attempt has ended.
    Done(End),
}

/// What a command came to.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// Whether the record was as expected and is changed.
    Changed(bool),
    /// What the record says; `None` if there is none.
    Looked(Option<Record>),
    /// The message was read.
    Got {
        /// The original positions of the recipients that are left.
        indexes: Vec<u32>,
        /// Whether there is a sender to tell of a failure.
        bounces: bool,
    },
    /// What the relay's answer means.
    Relayed(Verdicts),
    /// What the caller decided; `None` if that was no decision.
    Delay(Option<Delay>),
    /// It is done.
    Stored,
    /// There is no such message any more.
    Gone,
    /// It failed, and nothing was changed.
    Failed,
    /// It failed, and nobody knows whether something was changed.
    Unknown,
    /// The message is there and cannot be read.
    Unreadable,
}

/// What a meta record says, as far as an attempt needs it.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// The time of the next attempt.
    pub timestamp: f64,
    /// How often delivery was attempted.
    pub attempts: u32,
    /// Who claims the message, if somebody does; `None` if the storage cannot tell.
    pub lease: Option<Option<Lease>>,
}

/// How an attempt leaves its message.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum End {
    /// There is no message any more.
    Gone,
    /// It waits.
    Again {
        /// When it is due, on the clock on the wall; `None` if the storage fails and needs time.
        due: Option<f64>,
        /// What its record says.
        timestamp: f64,
        /// How often delivery was attempted.
        attempts: u32,
    },
}
