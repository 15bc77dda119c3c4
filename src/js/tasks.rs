//! The calls under way of a storage whose host takes its time.

use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use std::sync::Arc;
use std::task::Wake;

use super::seam::Seam;
use crate::sync::{Mutex, lock};

/// By the number that JavaScript gave each; `None` where there is none, or while it is polled.
#[derive(Default)]
pub(crate) struct Tasks(Mutex<Vec<Option<Task>>>);

struct Task {
    work: Pin<Box<dyn Future<Output = f64>>>,
    waker: Waker,
}

impl fmt::Debug for Tasks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tasks")
    }
}

/// Has a call polled as soon as nothing else runs.
struct Call {
    number: u32,
    seam: Seam,
}

impl Wake for Call {
    fn wake(self: Arc<Self>) {
        self.seam.wake(self.number);
    }
}

impl Tasks {
    pub(crate) fn begin(&self, call: u32, seam: &Seam, work: Pin<Box<dyn Future<Output = f64>>>) -> Option<f64> {
        let waker = Waker::from(Arc::new(Call { number: call, seam: seam.clone() }));
        self.run(call, Task { work, waker })
    }

    /// What a call came to, if it has ended.
    pub(crate) fn poll(&self, call: u32) -> Option<f64> {
        let task = lock(&self.0).get_mut(call as usize).and_then(Option::take);
        self.run(call, task?)
    }

    fn run(&self, call: u32, mut task: Task) -> Option<f64> {
        // Nothing is borrowed here: the host may make another call.
        if let Poll::Ready(result) = task.work.as_mut().poll(&mut Context::from_waker(&task.waker)) {
            return Some(result);
        }
        let (mut tasks, place) = (lock(&self.0), call as usize);
        if tasks.len() <= place {
            tasks.resize_with(place.saturating_add(1), || None);
        }
        if let Some(free) = tasks.get_mut(place) {
            *free = Some(task);
        }
        None
    }
}
