//! One thread, a clock that goes on when nothing else can, and an order that the seed decides.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use super::Shared;

/// Wakers by the time at which they are woken; never two at the same time.
#[derive(Debug, Default)]
pub struct Timers {
    at: BTreeMap<(u64, u64), Waker>,
    count: u64,
}

/// Is ready when the world's clock has gone on so far.
pub async fn sleep(world: &Shared, milliseconds: f64) {
    struct Timer(Shared, Option<(u64, u64)>);
    impl Drop for Timer {
        fn drop(&mut self) {
            if let Some(key) = self.1.take() {
                self.0.borrow_mut().timers.at.remove(&key);
            }
        }
    }
    // In microseconds: fractions of them would be lost between the clock and the timers.
    let until = ((world.borrow().now + milliseconds.max(0.0)) * 1000.0).ceil() as u64;
    let mut timer = Timer(world.clone(), None);
    poll_fn(|cx| {
        let world = &mut *world.borrow_mut();
        if let Some(key) = timer.1.take() {
            world.timers.at.remove(&key);
        }
        if (world.now * 1000.0).round() as u64 >= until {
            return Poll::Ready(());
        }
        world.timers.count += 1;
        let key = (until, world.timers.count);
        world.timers.at.insert(key, cx.waker().clone());
        timer.1 = Some(key);
        Poll::Pending
    })
    .await;
}

struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

type Task = (Pin<Box<dyn Future<Output = ()>>>, Arc<Flag>);

/// Tasks by number.
pub struct Executor {
    world: Shared,
    tasks: Rc<RefCell<BTreeMap<usize, Task>>>,
    /// Until when tasks stand still.
    frozen: Rc<RefCell<BTreeMap<usize, f64>>>,
}

impl Executor {
    pub fn new(world: &Shared) -> Self {
        Self { world: world.clone(), tasks: Rc::default(), frozen: Rc::default() }
    }

    /// Begins a task in the place of the one of this number, which is dropped wherever it is.
    pub fn spawn(&self, number: usize, task: impl Future<Output = ()> + 'static) {
        let old = self.tasks.borrow_mut().insert(number, (Box::pin(task), Arc::new(Flag(AtomicBool::new(true)))));
        drop(old);
    }

    /// Lets a task stand still for so long, as when its machine sleeps.
    pub fn freeze(&self, number: usize, milliseconds: f64) {
        let world = &mut *self.world.borrow_mut();
        let until = world.now + milliseconds;
        self.frozen.borrow_mut().insert(number, until);
        // The clock stops there.
        world.timers.count += 1;
        let key = ((until * 1000.0).ceil() as u64, world.timers.count);
        world.timers.at.insert(key, Waker::noop().clone());
    }

    /// Drops a task.
    pub fn kill(&self, number: usize) {
        self.frozen.borrow_mut().remove(&number);
        let old = self.tasks.borrow_mut().remove(&number);
        drop(old);
    }

    /// Runs until the clock has reached `until` or `ends` says so; whether it did.
    pub fn run(&self, until: f64, ends: impl Fn() -> bool) -> bool {
        let mut polls = 0_u64;
        loop {
            let ready: Vec<usize> = {
                let (tasks, frozen) = (self.tasks.borrow(), self.frozen.borrow());
                let now = self.world.borrow().now;
                tasks
                    .iter()
                    .filter(|(number, _)| frozen.get(number).is_none_or(|until| *until <= now))
                    .filter(|(_, (_, flag))| flag.0.load(Ordering::Relaxed))
                    .map(|(number, _)| *number)
                    .collect()
            };
            if ready.is_empty() {
                if ends() {
                    return true;
                }
                let world = &mut *self.world.borrow_mut();
                let Some((key, waker)) = world.timers.at.pop_first() else { return false };
                let time = key.0 as f64 / 1000.0;
                if time > until {
                    world.timers.at.insert(key, waker);
                    world.now = world.now.max(until);
                    return false;
                }
                world.now = world.now.max(time);
                waker.wake();
                polls = 0;
                continue;
            }
            polls += 1;
            assert!(polls < 100_000, "a task runs without end at one time");
            let number = ready[self.world.borrow_mut().random.below(ready.len() as u64) as usize];
            let (mut task, flag) = self.tasks.borrow_mut().remove(&number).unwrap();
            flag.0.store(false, Ordering::Relaxed);
            let waker = Waker::from(flag.clone());
            if task.as_mut().poll(&mut Context::from_waker(&waker)).is_pending() {
                self.tasks.borrow_mut().insert(number, (task, flag));
            }
        }
    }
}
