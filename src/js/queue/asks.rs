//! What a queue is asked and told.

use wasm_bindgen::prelude::*;

/// What a queue asks or tells; `x` and `y` are what is said here. One export for each would be half
/// of the module.
#[wasm_bindgen]
#[derive(Clone, Copy, Debug)]
pub enum Ask {
    // ---- the schedule ----
    /// The time on the wall and on a monotonic clock.
    Tick,
    /// Whether attempts may begin.
    Open,
    /// Lets everything be due now.
    Hurry,
    /// Whether something waits still that was there when all was hurried.
    Hurrying,
    /// The number of an attempt that begins now, with a `Step::Claim`; -1 if none does.
    Take,
    /// For how many milliseconds none begins; -1 if none does by itself.
    Idle,
    /// Messages known, attempts under way, those that delivered, deferred and failed, and the first
    /// timestamp, NaN without one: in the numbers.
    Info,
    /// The message in the frame waits until `x`.
    Put,

    // ---- an attempt; each of these but the last ones returns a `Step` ----
    /// A step came to the `Result` `x`.
    Answer,
    /// The caller waits `x` milliseconds, or gives up if `y`.
    Delay,
    /// The record says timestamp `x` and attempts `y`; the lease was told before.
    Looked,
    /// The lease that was seen: the text owns it until `x`; -Infinity if there is none, NaN if the
    /// storage cannot tell. Returns nothing.
    Lease,
    /// `x` is the original position of the next recipient. Returns nothing.
    Index,
    /// The message was read; its positions were told before. Whether its sender can be told.
    Got,
    /// The relay has said `x`, a `Saying`, with code `y` and the text, of the next recipient. Returns
    /// nothing.
    Say,
    /// The same of everybody who is left.
    SayAll,
    /// The one of whom was said last asks to be left alone for `x` milliseconds. Returns nothing.
    Rest,
    /// All was said, and of every recipient if `x`; `y` is random.
    Relayed,
    /// Whether the lease can be renewed now; the numbers say how.
    Renew,
    /// A renewal came to the `Result` `x`. Returns nothing.
    Renewed,
    /// Forgets an attempt that is done. Returns nothing.
    End,

    // ---- what it came to ----
    /// Whether the outcome is stored.
    Recorded,
    /// Whether somebody else had claimed the message by then.
    Lost,
    /// The time of the next attempt, NaN if there is none.
    Next,
    /// In the numbers: the original positions of those to mark.
    Marks,
    /// In the numbers: the places of those whose fate `x` was, each followed by the number of its
    /// reply or -1.
    Places,
    /// The code of the reply `x`.
    Code,
    /// Whether something was wrong with the relay's answer.
    Wrong,

    // ---- the default bounce ----
    /// Begins one for the reply `x`; the text is the sender.
    Bounce,
    /// The text is when it is.
    Date,
    /// The text is a recipient of whom it tells.
    Recipient,
    /// The text is the name of an original header,
    Name,
    /// and this its value.
    Value,
    /// Makes it, for the host that the text names.
    Make,
}

/// A text that is asked for; `x` is what is said here.
#[wasm_bindgen]
#[derive(Clone, Copy, Debug)]
pub enum Told {
    /// The text of the reply `x`.
    Reply,
    /// What was wrong with the relay's answer, empty if nothing was.
    Wrong,
    /// The id of the bounce that tells of the reply `x`.
    BounceId,
    /// The headers of the bounce that was made, a line each.
    Header,
    /// Its body.
    Body,
}
