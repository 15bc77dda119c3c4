//! What can go wrong at a host, and how tests drive futures.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use slimta_queue_dict::Envelope;

/// One thing that a host does, after which a fault can strike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    ReadMeta,
    ReadEnvelope,
    /// The checks of a batch; on an atomic host its writes too.
    Commit,
    /// One write of a batch, on a host that is not atomic.
    Write,
    Page,
    Sizes,
    Close,
}

/// What happens at a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    None,
    /// A commit finds a check that does not hold, as if somebody else had been faster.
    Refuse,
    /// Instead of what the step does, or before it if the step is only late.
    Before(Trouble),
    /// When the step has taken effect but was not answered yet.
    After(Trouble),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    Fail,
    Hang,
    /// This many polls go by first.
    Late(u32),
    /// The machine goes down: nothing works from here on, and what is kept stays.
    Stop,
}

/// What the host throws.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The step was not made.
    Failed,
    /// The answer was lost; nobody knows whether the step was made.
    Lost,
    Stopped,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl std::error::Error for Failure {}

/// Lets this many polls go by.
pub async fn yields(mut polls: u32) {
    poll_fn(|cx| match polls.checked_sub(1) {
        None => Poll::Ready(()),
        Some(left) => {
            polls = left;
            cx.waker().wake_by_ref();
            Poll::Pending
        }
    })
    .await;
}

/// Runs a future that needs no waking, and tells one that hangs from one that waits.
pub fn run<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    for _ in 0..1_000_000 {
        if let Poll::Ready(result) = poll_once(future.as_mut()) {
            return result;
        }
    }
    panic!("the call never ends");
}

pub fn poll_once<F: Future + ?Sized>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// An envelope that can be told from others by its text.
pub fn envelope(recipients: usize, text: &str) -> Envelope {
    Envelope {
        sender: Some("sender@example.com".into()),
        recipients: (0..recipients).map(|number| format!("{number}@example.com")).collect(),
        headers: vec![("Subject".into(), text.into())],
        message: text.as_bytes().to_vec(),
        ..Envelope::default()
    }
}
