//! Whatever is called in whatever order, through whichever storage: the queue is what a plain map
//! would be.

use std::collections::HashMap;
use std::fmt::Debug;
use std::time::Duration;

use crate::support::{Fault, FaultHost, Step, Traits, Trouble, envelope, run};
use proptest::prelude::*;
use slimta_queue_dict::host::Host;
use slimta_queue_dict::{
    Attempts, Change, DictStorage, Envelope, Expect, Findings, Id, Lease, MemoryHost, Queued, Repair,
};

/// What a caller may know of a field when it expects something of it.
#[derive(Clone, Copy, Debug)]
enum Guess {
    Nothing,
    Right,
    Wrong,
}

#[derive(Clone, Debug)]
enum Call {
    /// Under one of a few ids that the caller chose, or under one that is drawn.
    Write {
        given: Option<u128>,
        recipients: usize,
    },
    SetTimestamp,
    /// To what it is already.
    RepeatTimestamp,
    Increment,
    MarkDelivered(Vec<u32>),
    Change {
        expect: [Guess; 3],
        attempts: Option<Attempts>,
        lease: Option<Option<u8>>,
        delivered: Vec<u32>,
        moves: bool,
    },
    Get,
    Remove,
    Repair,
}

#[derive(Clone, Debug)]
struct Turn {
    /// Through which of the storages.
    storage: usize,
    /// To which of the ids that were ever used, those of removed messages included.
    message: usize,
    call: Call,
}

fn indexes() -> impl Strategy<Value = Vec<u32>> {
    // Mostly in range, now and then not.
    prop::collection::vec(prop_oneof![12 => 0..3_u32, 1 => 3..6_u32, 1 => Just(u32::MAX)], 0..4)
}

fn guess() -> impl Strategy<Value = Guess> {
    prop_oneof![4 => Just(Guess::Nothing), 4 => Just(Guess::Right), 1 => Just(Guess::Wrong)]
}

fn call() -> impl Strategy<Value = Call> {
    let attempts = prop_oneof![Just(Attempts::Increment), (0..5_u32).prop_map(Attempts::Set)];
    let change = (
        [guess(), guess(), guess()],
        prop::option::of(attempts),
        prop::option::of(prop::option::of(0..3_u8)),
        indexes(),
        any::<bool>(),
    );
    prop_oneof![
        4 => (prop::option::weighted(0.7, 0..3_u128), 0..5_usize).prop_map(|(given, recipients)| Call::Write { given, recipients }),
        2 => Just(Call::SetTimestamp),
        1 => Just(Call::RepeatTimestamp),
        3 => Just(Call::Increment),
        4 => indexes().prop_map(Call::MarkDelivered),
        4 => change.prop_map(|(expect, attempts, lease, delivered, moves)| {
            Call::Change { expect, attempts, lease, delivered, moves }
        }),
        1 => Just(Call::Get),
        2 => Just(Call::Remove),
        1 => Just(Call::Repair),
    ]
}

fn turns() -> impl Strategy<Value = Vec<Turn>> {
    let turn = (0..2_usize, 0..8_usize, call());
    prop::collection::vec(turn.prop_map(|(storage, message, call)| Turn { storage, message, call }), 1..80)
}

/// A message as a plain record.
#[derive(Clone, Debug, Default, PartialEq)]
struct Message {
    envelope: Envelope,
    timestamp: f64,
    attempts: u32,
    delivered: Vec<bool>,
    lease: Option<Lease>,
}

impl Message {
    fn queued(&self) -> Queued<Envelope> {
        let left: Vec<usize> = (0..self.delivered.len()).filter(|index| !self.delivered[*index]).collect();
        let recipients = left.iter().map(|index| self.envelope.recipients[*index].clone()).collect();
        Queued {
            envelope: Envelope { recipients, ..self.envelope.clone() },
            attempts: self.attempts,
            indexes: left.into_iter().map(|index| u32::try_from(index).unwrap()).collect(),
        }
    }

    fn has(&self, indexes: &[u32]) -> bool {
        indexes.iter().all(|index| usize::try_from(*index).unwrap() < self.delivered.len())
    }

    fn mark(&mut self, indexes: &[u32]) {
        for index in indexes {
            self.delivered[usize::try_from(*index).unwrap()] = true;
        }
    }
}

struct Model<'a, H: Host> {
    storages: &'a [DictStorage<H>; 2],
    messages: HashMap<Id, Message>,
    ids: Vec<Id>,
    /// Makes timestamps and texts, so that no two messages are alike.
    clock: f64,
}

type Outcome<T> = Result<T, &'static str>;

impl<H: Host<Envelope = Envelope>> Model<'_, H>
where
    H::Error: Debug,
{
    async fn play(&mut self, Turn { storage, message, call }: &Turn) {
        self.clock += 0.5;
        let now = self.clock;
        let storage = &self.storages[*storage];
        let id = self.ids[*message.min(&(self.ids.len() - 1))];
        let known = self.messages.get_mut(&id).ok_or("no-such-message");
        match call {
            Call::Write { given, recipients } => {
                let given = given.map(Id::from_u128);
                let envelope = envelope(*recipients, &now.to_string());
                let id = storage.write(envelope.clone(), now, given).await.unwrap();
                assert_eq!(id, given.unwrap_or(id));
                let delivered = vec![false; *recipients];
                let written = Message { envelope, timestamp: now, delivered, ..Message::default() };
                if given.is_none() {
                    assert!(!self.ids.contains(&id), "{id} was drawn twice");
                    self.ids.push(id);
                }
                self.messages.entry(id).or_insert(written);
            }
            Call::SetTimestamp => {
                let expected = known.map(|message| message.timestamp = now);
                assert_eq!(code(storage.set_timestamp(&id, now).await), expected);
            }
            Call::RepeatTimestamp => {
                let timestamp = known.as_ref().map_or(now, |message| message.timestamp);
                assert_eq!(code(storage.set_timestamp(&id, timestamp).await), known.map(drop));
            }
            Call::Increment => {
                let expected = known.map(|message| {
                    message.attempts += 1;
                    message.attempts
                });
                assert_eq!(code(storage.increment_attempts(&id).await), expected);
            }
            Call::MarkDelivered(indexes) => {
                let expected =
                    known.and_then(|message| message.has(indexes).then(|| message.mark(indexes)).ok_or("invalid"));
                assert_eq!(code(storage.set_recipients_delivered(&id, indexes).await), expected);
            }
            Call::Change { expect, attempts, lease, delivered, moves } => {
                let lease =
                    lease.map(|owner| owner.map(|owner| Lease { until: f64::from(owner), owner: owner.to_string() }));
                let change = Change {
                    expect: expectation(*expect, known.as_deref().unwrap_or(&Message::default())),
                    timestamp: moves.then_some(now),
                    attempts: *attempts,
                    lease: lease.clone(),
                    delivered: delivered.clone(),
                    ..Change::default()
                };
                let wrong = expect.iter().any(|guess| matches!(guess, Guess::Wrong));
                let expected = known.and_then(|message| {
                    if !message.has(delivered) {
                        return Err("invalid");
                    }
                    if wrong {
                        return Ok(false);
                    }
                    if *moves {
                        message.timestamp = now;
                    }
                    match attempts {
                        None => {}
                        Some(Attempts::Increment) => message.attempts += 1,
                        Some(Attempts::Set(attempts)) => message.attempts = *attempts,
                    }
                    if let Some(lease) = lease {
                        message.lease = lease;
                    }
                    message.mark(delivered);
                    Ok(true)
                });
                assert_eq!(code(storage.change(&id, change).await), expected);
            }
            Call::Get => assert_eq!(code(storage.get(&id).await), known.map(|message| message.queued())),
            Call::Remove => {
                self.messages.remove(&id);
                assert_eq!(code(storage.remove(&id).await), Ok(()));
            }
            Call::Repair => {
                let repair = Repair { min_age: Duration::ZERO, requeue: vec![id] };
                assert_eq!(code(storage.repair(repair).await), Ok(Findings::default()));
            }
        }
    }

    /// Both storages show all that the model has and nothing else.
    async fn compare(&self) {
        for storage in self.storages {
            let mut listed = HashMap::new();
            let mut load = storage.load();
            while let Some((timestamp, id)) = load.next().await.unwrap() {
                assert_eq!(listed.insert(id, timestamp), None, "{id} is listed twice");
            }
            let expected: HashMap<Id, f64> =
                self.messages.iter().map(|(id, message)| (*id, message.timestamp)).collect();
            assert_eq!(listed, expected);
            for id in &self.ids {
                let expected = self.messages.get(id).map(Message::queued).ok_or("no-such-message");
                assert_eq!(code(storage.get(id).await), expected);
            }
            let info = storage.get_info().await.unwrap();
            let count = u64::try_from(self.messages.len()).unwrap();
            assert_eq!((info.size, info.meta_size), (count, count));
        }
    }
}

fn code<T, E>(result: Result<T, slimta_queue_dict::Error<E>>) -> Outcome<T> {
    result.map_err(|error| error.code())
}

fn expectation([timestamp, attempts, lease]: [Guess; 3], message: &Message) -> Expect {
    fn as_guessed<T>(guess: Guess, right: T, wrong: T) -> Option<T> {
        match guess {
            Guess::Nothing => None,
            Guess::Right => Some(right),
            Guess::Wrong => Some(wrong),
        }
    }
    let nobody = Lease { until: -1.0, owner: "nobody".into() };
    Expect {
        timestamp: as_guessed(timestamp, message.timestamp, message.timestamp - 0.25),
        attempts: as_guessed(attempts, message.attempts, message.attempts + 1),
        lease: as_guessed(lease, message.lease.clone(), Some(nobody)),
        untold: None,
    }
}

async fn play<H>(host: H, turns: &[Turn])
where
    H: Host<Envelope = Envelope> + Clone,
    H::Error: Debug,
{
    // One id that nobody ever writes, and three that a caller may choose.
    let ids = [99, 0, 1, 2].map(Id::from_u128).to_vec();
    let storages = &[DictStorage::new(host.clone()), DictStorage::new(host)];
    let mut model = Model { storages, messages: HashMap::new(), ids, clock: -10.0 };
    for turn in turns {
        model.play(turn).await;
        model.compare().await;
    }
}

/// A pseudo-random delay of every step, drawn from `seed`.
fn late(mut seed: u64) -> impl FnMut(usize, Step) -> Fault + Send {
    move |_, _| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let polls = u32::try_from(seed >> 60).unwrap();
        if seed >> 32 & 1 == 0 { Fault::Before(Trouble::Late(polls)) } else { Fault::After(Trouble::Late(polls)) }
    }
}

fn config() -> ProptestConfig {
    // A failure is printed whole; there is nothing to keep beside the sources.
    ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn two_storages_over_one_memory_are_one_map(turns in turns()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(play(MemoryHost::new(), &turns));
    }

    #[test]
    fn two_storages_over_a_host_that_is_late_are_one_map(
        turns in turns(), seed in any::<u64>(), atomic in any::<bool>(), foretells in any::<bool>(), page in 1..5_usize,
    ) {
        let host = FaultHost::new(Traits { atomic, foretells, page, is_async: true });
        host.plan(late(seed));
        run(play(host, &turns));
    }

    #[test]
    fn two_storages_over_a_host_that_never_waits_are_one_map(turns in turns(), foretells in any::<bool>()) {
        let host = FaultHost::new(Traits { atomic: false, is_async: false, foretells, page: 2 });
        run(play(host, &turns));
    }
}

#[cfg(feature = "redb")]
proptest! {
    // Each turn that changes something is a transaction on disk.
    #![proptest_config(ProptestConfig { cases: if std::env::var_os("LONG").is_some() { 256 } else { 16 }, ..config() })]

    #[test]
    fn two_storages_over_one_file_are_one_map(turns in turns()) {
        let folder = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(play(slimta_queue_dict::RedbHost::open(folder.path().join("queue")).unwrap(), &turns));
    }
}
