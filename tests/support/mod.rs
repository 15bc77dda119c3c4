//! What the tests share: a host that goes wrong on demand, and short ways to say what they need.

mod dicts;
#[cfg(feature = "redb")]
pub mod disk;
mod fault;
pub mod queues;
#[cfg(feature = "redis")]
pub mod redis;
pub mod scenario;

use std::future::{pending, poll_fn};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::Poll;
use std::time::Duration;

use slimta_queue_dict::host::{BatchOf, Dict, Page, Record, Sizes, Stored};
use slimta_queue_dict::{Envelope, Host, Id, Meta};

pub use dicts::Dicts;
pub use fault::{Failure, Fault, Step, Trouble, envelope, poll_once, run, yields};

/// Where a file of the repository is.
#[cfg(any(feature = "redis", feature = "lettre"))]
pub fn in_repository(path: &str) -> String {
    format!("{}/{path}", env!("CARGO_MANIFEST_DIR"))
}

/// What kind of host it is.
#[derive(Clone, Copy, Debug)]
pub struct Traits {
    /// If not, the writes of a batch are made one by one, in the order given.
    pub atomic: bool,
    /// If not, every call is ready at once.
    pub is_async: bool,
    /// Whether it foretells versions, so that a storage can go by what it remembers.
    pub foretells: bool,
    /// How many keys a page walks over at most.
    pub page: usize,
}

impl Default for Traits {
    fn default() -> Self {
        Self { atomic: true, is_async: true, foretells: true, page: usize::MAX }
    }
}

type Plan = Box<dyn FnMut(usize, Step) -> Fault + Send>;

struct State {
    dicts: Dicts,
    plan: Plan,
    steps: Vec<Step>,
    batches: Vec<BatchOf<FaultHost>>,
    stopped: bool,
    refuse: bool,
    now: f64,
}

/// A host over plain dictionaries that does at every step what a plan says. Clones share all.
#[derive(Clone)]
pub struct FaultHost {
    state: Arc<Mutex<State>>,
    /// Keeps the steps of one commit together where they are several.
    committing: Arc<tokio::sync::Mutex<()>>,
    traits: Traits,
}

impl FaultHost {
    pub fn new(traits: Traits) -> Self {
        Self::over(Dicts::default(), traits)
    }

    pub fn over(dicts: Dicts, traits: Traits) -> Self {
        let state = State {
            dicts,
            plan: Box::new(|_, _| Fault::None),
            steps: Vec::new(),
            batches: Vec::new(),
            stopped: false,
            refuse: false,
            now: 0.0,
        };
        Self { state: Arc::new(Mutex::new(state)), committing: Arc::default(), traits }
    }

    /// A sound host over a copy of what this one keeps, as after a crash and a new start.
    pub fn restart(&self) -> Self {
        Self::over(self.dicts(), self.traits)
    }

    /// Asks `plan` at every step from now on, with the number of the step, the first being 0. The
    /// records of steps and batches begin anew.
    pub fn plan(&self, plan: impl FnMut(usize, Step) -> Fault + Send + 'static) {
        let mut state = self.lock();
        state.plan = Box::new(plan);
        state.steps.clear();
        state.batches.clear();
    }

    /// `fault` at the step of this number.
    pub fn fault_at(&self, number: usize, fault: Fault) {
        self.plan(move |at, _| if at == number { fault } else { Fault::None });
    }

    /// `fault` at the first step of this kind.
    pub fn fault_once(&self, kind: Step, fault: Fault) {
        let mut armed = true;
        self.plan(move |_, step| if step == kind && std::mem::take(&mut armed) { fault } else { Fault::None });
    }

    /// `fault` at every step of this kind.
    pub fn fault_always(&self, kind: Step, fault: Fault) {
        self.plan(move |_, step| if step == kind { fault } else { Fault::None });
    }

    pub fn heal(&self) {
        self.plan(|_, _| Fault::None);
    }

    pub fn steps(&self) -> Vec<Step> {
        self.lock().steps.clone()
    }

    /// Every batch handed over, whatever became of it.
    pub fn batches(&self) -> Vec<BatchOf<Self>> {
        self.lock().batches.clone()
    }

    pub fn dicts(&self) -> Dicts {
        self.lock().dicts.clone()
    }

    /// The record of a message.
    pub fn record(&self, id: Id) -> Option<Meta> {
        self.dicts().meta.get(&id).map(|meta| match meta {
            Stored::Good(meta) => meta.clone(),
            _ => panic!("{meta:?}"),
        })
    }

    /// Changes what is kept behind the back of every storage.
    pub fn edit(&self, edit: impl FnOnce(&mut Dicts)) {
        edit(&mut self.lock().dicts);
    }

    pub fn advance(&self, milliseconds: f64) {
        self.lock().now += milliseconds;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    async fn step<T>(&self, step: Step, act: impl FnOnce(&mut State) -> T) -> Result<T, Failure> {
        let fault = {
            let state = &mut *self.lock();
            if state.stopped {
                return Err(Failure::Stopped);
            }
            let number = state.steps.len();
            state.steps.push(step);
            (state.plan)(number, step)
        };
        if let Fault::Before(trouble) = fault {
            self.suffer(trouble, Failure::Failed).await?;
        }
        let done = {
            let state = &mut *self.lock();
            if state.stopped {
                return Err(Failure::Stopped); // another call went down with the machine
            }
            state.refuse = fault == Fault::Refuse;
            act(state)
        };
        if let Fault::After(trouble) = fault {
            self.suffer(trouble, Failure::Lost).await?;
        }
        Ok(done)
    }

    async fn suffer(&self, trouble: Trouble, failure: Failure) -> Result<(), Failure> {
        match trouble {
            Trouble::Fail => Err(failure),
            Trouble::Hang => pending().await,
            Trouble::Late(polls) => {
                yields(polls).await;
                Ok(())
            }
            Trouble::Stop => {
                self.lock().stopped = true;
                Err(Failure::Stopped)
            }
        }
    }
}

impl State {
    fn holds(&self, batch: &BatchOf<FaultHost>) -> bool {
        !self.refuse && batch.checks.iter().all(|check| self.dicts.holds(batch.id, check))
    }
}

impl Host for FaultHost {
    type Envelope = Envelope;
    type Version = Stored<Meta>;
    type Cursor = Id;
    type Error = Failure;

    async fn read_meta(&self, id: Id) -> Result<Option<Record<Stored<Meta>>>, Failure> {
        let meta = self.step(Step::ReadMeta, |state| state.dicts.meta.get(&id).cloned()).await?;
        Ok(meta.map(|meta| Record { version: meta.clone(), meta }))
    }

    async fn read_envelope(&self, id: Id) -> Result<Option<Stored<Envelope>>, Failure> {
        self.step(Step::ReadEnvelope, |state| state.dicts.envelopes.get(&id).cloned()).await
    }

    async fn commit(&self, batch: BatchOf<Self>) -> Result<bool, Failure> {
        let id = batch.id;
        self.lock().batches.push(batch.clone());
        if self.traits.atomic {
            return self
                .step(Step::Commit, |state| {
                    let holds = state.holds(&batch);
                    if holds {
                        batch.writes.into_iter().for_each(|write| state.dicts.write(id, write));
                    }
                    holds
                })
                .await;
        }
        let _committing = self.committing.lock().await;
        let holds = self.step(Step::Commit, |state| state.holds(&batch)).await?;
        if holds {
            for write in batch.writes {
                self.step(Step::Write, |state| state.dicts.write(id, write)).await?;
            }
        }
        Ok(holds)
    }

    async fn page(&self, dict: Dict, cursor: Option<Id>, limit: u32) -> Result<Page<Id>, Failure> {
        let limit = usize::try_from(limit).unwrap().min(self.traits.page);
        self.step(Step::Page, |state| state.dicts.page(dict, cursor, limit)).await
    }

    async fn sizes(&self) -> Result<Sizes, Failure> {
        self.step(Step::Sizes, |state| state.dicts.sizes()).await
    }

    /// The clock goes one millisecond further whenever somebody looks at a timer: tests take as
    /// long as their work does, and what waits for ever still reaches its deadline.
    async fn sleep(&self, time: Duration) {
        let until = self.now() + time.as_secs_f64() * 1000.0;
        poll_fn(|cx| {
            if self.now() >= until {
                return Poll::Ready(());
            }
            self.advance(1.0);
            cx.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }

    fn now(&self) -> f64 {
        self.lock().now
    }

    fn version_of(&self, meta: &Meta) -> Option<Stored<Meta>> {
        self.traits.foretells.then(|| Stored::Good(meta.clone()))
    }

    fn is_sync(&self) -> bool {
        !self.traits.is_async
    }

    fn is_unknown_outcome(failure: &Failure) -> bool {
        *failure == Failure::Lost
    }

    async fn close(&self) -> Result<(), Failure> {
        self.step(Step::Close, |_| ()).await
    }
}
