//! What is said of the steps of an attempt.

use wasm_bindgen::prelude::*;

/// What is to be done next.
#[wasm_bindgen]
#[derive(Clone, Copy, Debug)]
pub enum Step {
    /// Read the meta record.
    Look,
    /// Change it as the frame says: by that the message is this attempt's.
    Claim,
    /// Change it as the frame says.
    Change,
    /// Read the message.
    Get,
    /// Hand it to the relay.
    Relay,
    /// Ask when to try again, after as many attempts as the number says.
    Backoff,
    /// Store the bounce for the reply of this number.
    Bounce,
    /// Keep what is given up.
    Keep,
    /// Remove the message.
    Remove,
    /// Wait so many milliseconds.
    Pause,
    /// Nothing.
    Done,
}

/// What a step came to that has no more to tell.
#[wasm_bindgen]
#[derive(Clone, Copy, Debug)]
pub enum Result {
    /// The record was as expected and is changed.
    Changed,
    /// The record was not as expected.
    Unchanged,
    /// It is done.
    Stored,
    /// There is no such message.
    Gone,
    /// It failed.
    Failed,
    /// Nobody knows.
    Unknown,
    /// It cannot be read.
    Unreadable,
}

/// What a relay has said of one recipient.
#[wasm_bindgen]
#[derive(Clone, Copy, Debug)]
pub enum Saying {
    /// Nothing, which means delivered.
    Nothing,
    /// A reply.
    Reply,
    /// One of a `TransientRelayError`.
    Transient,
    /// One of a `PermanentRelayError`.
    Permanent,
    /// Something that means nothing.
    Strange,
    /// The answer leaves it out.
    Missing,
}

/// What an attempt came to for a recipient.
#[wasm_bindgen]
#[derive(Clone, Copy, Debug)]
pub enum Fate {
    /// It has the message.
    Delivered,
    /// It is tried again.
    Deferred,
    /// It is given up.
    Refused,
}
