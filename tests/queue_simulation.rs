//! Queues on one storage under everything that can go wrong at once, as many times as there are
//! seeds. A seed that fails is printed; `SEED=n cargo test --test queue_simulation` runs it alone.
#![cfg(not(target_family = "wasm"))]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

#[path = "support/simulation/mod.rs"]
mod simulation;

use std::cell::Cell;
use std::collections::BTreeSet;
use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use simulation::executor::Executor;
use simulation::host::{SimHost, SimTimer};
use simulation::ledger::{Mood, NAME, mood_of};
use simulation::relay::{SimRelay, id_of, index_of};
use simulation::{Setting, Shared, World};
use slimta_queue_dict::queue::{Backoff, BounceFactory, Options, Queue};
use slimta_queue_dict::{DictStorage, Envelope, Id, Meta};

/// The numbers of the networks, after those of the places, and of those who stop a deliverer.
const NETWORKS: usize = 3_000;
const STOPS: usize = 4_000;
const SECOND: f64 = 1_000.0;
const HOUR: f64 = 3_600_000.0;
/// Nothing waits longer for an attempt than two seconds, and what calls of the storage take.
const MOST_LATE: f64 = 2_100.0;

/// Whoever delivers in a place, one after another.
#[derive(Clone, Default)]
struct Place {
    /// By how much its clock on the wall is wrong.
    skew: Setting<f64>,
    /// Whether its network is away.
    offline: Setting<bool>,
}

/// What all deliverers of a life have in common.
#[derive(Clone, Copy)]
struct Habits {
    lease: f64,
    /// Whether they wait as usual, and their networks come and go; else they wait as a function says.
    is_patient: bool,
}

type Deliverer = Arc<Queue<SimHost, SimRelay, SimTimer>>;

/// Begins the life of a deliverer in the place of another one.
fn begin(
    world: &Shared,
    executor: &Executor,
    number: usize,
    deliverer: u64,
    place: &Place,
    habits: Habits,
) -> Deliverer {
    let (most, foretells, store_pool, has_factory) = {
        let random = &mut world.borrow_mut().random;
        let store_pool = random.chance(30).then(|| random.below(3) as usize + 1);
        (random.below(4) + 1, random.chance(50), store_pool, random.chance(50))
    };
    let Habits { lease, is_patient } = habits;
    let storage = |kept| {
        let host = SimHost { world: world.clone(), deliverer, foretells, kept };
        Arc::new(DictStorage::new(host).with_deadline(Duration::from_secs(10)))
    };
    let options = Options {
        lease: Duration::from_millis(lease as u64),
        relay_pool: most as usize,
        store_pool,
        backoff: (!is_patient).then(backoff),
        bounce_factory: has_factory.then(factory),
        dead_letter: world.borrow().has_dead_letter.then(|| storage(true)),
        scan: Duration::from_secs(45),
        ..Options::default()
    };
    let relay = SimRelay { world: world.clone(), deliverer, lease, offline: place.offline.clone() };
    let timer = SimTimer { world: world.clone(), skew: place.skew.clone() };
    let queue = Arc::new(Queue::with_timer(storage(false), relay, options, timer).unwrap());
    let started = queue.clone();
    executor.spawn(number, async move {
        loop {
            started.start().await.unwrap(); // again whenever it was stopped
        }
    });
    if is_patient {
        executor.spawn(NETWORKS + number, flap(world.clone(), place.offline.clone(), queue.clone()));
    }
    queue
}

/// Ends it, wherever it is.
fn end(world: &Shared, executor: &Executor, number: usize, deliverer: u64) {
    for task in [NETWORKS + number, STOPS + number, number] {
        executor.kill(task);
    }
    world.borrow_mut().ledger.dies(deliverer);
}

/// A network that comes and goes while anything goes wrong. A queue hears when it is there.
async fn flap(world: Shared, offline: Setting<bool>, queue: Deliverer) {
    loop {
        let (pause, is_away) = {
            let world = &mut *world.borrow_mut();
            let most = if world.moody { 20 * SECOND as u64 } else { 60 * SECOND as u64 };
            (world.random.below(most) as f64, world.moody && world.random.chance(50))
        };
        offline.set(is_away);
        if !is_away {
            queue.wake();
        }
        simulation::executor::sleep(&world, pause).await;
    }
}

/// Waits for some seconds, fails, or has no idea; gives up after a few attempts.
fn backoff() -> Box<Backoff<Envelope>> {
    Box::new(|_, attempts, _, _| match attempts {
        7.. => Ok(None),
        3..5 => Err("no idea".into()),
        more => Ok(Some(Duration::from_secs(4) * more)),
    })
}

/// Makes notices, fails, or wants nobody to be told.
fn factory() -> Box<BounceFactory<Envelope>> {
    Box::new(|envelope, _, replies| {
        assert_eq!(envelope.recipients.len(), replies.len(), "each recipient has its reply");
        let of = id_of(envelope).unwrap(); // notices are never bounced
        let indexes: Vec<u32> = envelope.recipients.iter().map(|address| index_of(address)).collect();
        let made = match mood_of(of, &indexes) {
            Mood::Fails => Err("no idea".into()),
            Mood::WantsNone => Ok(None),
            Mood::Makes { sender } => {
                Ok(Some(Envelope { sender, recipients: vec!["0@sender".into()], ..Envelope::default() }))
            }
        };
        Box::pin(ready(made))
    })
}

/// Writes a message until that is acknowledged.
async fn write(world: Shared, deliverer: u64, number: u64) {
    let storage = DictStorage::new(SimHost { world: world.clone(), deliverer, foretells: false, kept: false });
    let (id, recipients, sender, delay) = {
        let random = &mut world.borrow_mut().random;
        let id = Id::from_u128(u128::from(random.next()) << 64 | u128::from(number));
        (id, random.below(4) + 1, random.chance(85), random.below(60) as f64 * SECOND)
    };
    let envelope = Envelope {
        sender: sender.then(|| "0@sender".into()),
        recipients: (0..recipients).map(|index| format!("{index}@{number}")).collect(),
        headers: vec![(NAME.into(), id.to_string())],
        ..Envelope::default()
    };
    simulation::executor::sleep(&world, delay).await;
    let due = world.borrow().now;
    while storage.write(envelope.clone(), due, Some(id)).await.is_err() {
        simulation::executor::sleep(&world, SECOND).await;
        if world.borrow().ledger.removed.contains(&id) {
            return; // it was there after all
        }
    }
}

/// Somebody who lets messages be due at once, again and again, whoever attempts them.
async fn make_due(world: Shared, deliverer: u64) {
    let storage = DictStorage::new(SimHost { world: world.clone(), deliverer, foretells: false, kept: false });
    loop {
        let pause = world.borrow_mut().random.below(20) as f64 * SECOND;
        simulation::executor::sleep(&world, pause + SECOND).await;
        let (id, now) = {
            let world = world.borrow();
            (world.meta.keys().next().copied(), world.now)
        };
        if let Some(id) = id {
            drop(storage.set_timestamp(&id, now - SECOND).await);
        }
    }
}

/// What goes wrong last, for long enough that every relay has answered, and everybody has looked through the storage.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Last {
    Nothing,
    StorageAway,
    StorageFull,
    DeadLettersAway,
    /// All deliverers stand still.
    StandingStill,
}

/// One life of the world; what went wrong in it.
fn live(seed: u64) -> Result<u32, String> {
    let world = World::shared(seed);
    let executor = Executor::new(&world);
    let (count, faults, troubles, jumps, habits) = {
        let world = &mut *world.borrow_mut();
        world.faults = world.random.below(3) * 6;
        world.has_dead_letter = world.random.chance(40);
        world.is_tight = world.random.chance(50);
        let random = &mut world.random;
        let jumps = random.chance(30);
        let (count, troubles) = (random.below(4) + 2, random.below(8));
        let habits = Habits { lease: (random.below(50) + 10) as f64 * SECOND, is_patient: random.chance(30) };
        world.jumps = jumps;
        world.ledger.has_dead_letter = world.has_dead_letter;
        world.ledger.is_patient = habits.is_patient && !jumps;
        (count, world.faults, troubles, jumps, habits)
    };
    let Habits { lease, .. } = habits;
    let places: Vec<Place> = (0..count).map(|_| Place::default()).collect();
    let mut deliverers = count;
    let begun = |(number, place)| begin(&world, &executor, number, number as u64, place, habits);
    let mut queues: Vec<Deliverer> = places.iter().enumerate().map(begun).collect();
    let messages = world.borrow_mut().random.below(5) + 1;
    for number in 0..messages {
        executor.spawn(1_000 + number as usize, write(world.clone(), 1_000 + number, number));
    }
    if world.borrow_mut().random.chance(30) {
        executor.spawn(2_000, make_due(world.clone(), 2_000));
    }
    // What each place is now, to tell the ledger who dies.
    let mut now_at: Vec<u64> = (0..count).collect();
    for _ in 0..troubles + if jumps { 3 } else { 0 } {
        let (pause, number, trouble) = {
            let random = &mut world.borrow_mut().random;
            (random.below(60) as f64 * SECOND, random.below(count) as usize, random.below(9))
        };
        let until = world.borrow().now + pause;
        executor.run(until, || false);
        if jumps && world.borrow_mut().random.chance(50) {
            // What is written with a clock that is ahead comes as much later: a year would take a year.
            let skew = [30.0 * SECOND, HOUR, -HOUR, -24.0 * 365.0 * HOUR][world.borrow_mut().random.below(4) as usize];
            places[number].skew.set(skew);
            continue;
        }
        match trouble {
            0 => world.borrow_mut().full ^= true,
            1 => world.borrow_mut().kept_away ^= true,
            2..4 => {
                let time = world.borrow_mut().random.below(3 * lease as u64) as f64;
                executor.freeze(number, time);
            }
            4 => {
                let queue = queues[number].clone();
                executor.spawn(STOPS + number, async move { queue.stop().await });
            }
            _ => {
                end(&world, &executor, number, now_at[number]);
                if world.borrow_mut().random.chance(80) || number == 0 {
                    queues[number] = begin(&world, &executor, number, deliverers, &places[number], habits);
                    now_at[number] = deliverers;
                    deliverers += 1;
                }
            }
        }
    }
    let until = world.borrow().now + 120.0 * SECOND;
    executor.run(until, || false);
    let last = match world.borrow_mut().random.below(8) {
        _ if jumps => Last::Nothing,
        0..2 => Last::StorageAway,
        2 => Last::StorageFull,
        3 => Last::DeadLettersAway,
        4..6 => Last::StandingStill,
        _ => Last::Nothing,
    };
    {
        let world = &mut *world.borrow_mut();
        world.away = last == Last::StorageAway;
        world.full = last == Last::StorageFull;
        world.kept_away = last == Last::DeadLettersAway;
        if last != Last::Nothing {
            world.faults = 0; // a slow call that fails would be a later fault
            world.prompt = true; // and so would an attempt that the others wait for
        }
    }
    executor.kill(2_000); // what others change is found by a scan alone
    // Whoever stands still in the middle of a scan does not see what is stored after it began.
    let before: BTreeSet<Id> = world.borrow().meta.keys().copied().collect();
    if last != Last::Nothing {
        let time = 3.0 * lease + 60.0 * SECOND;
        if last == Last::StandingStill {
            (0..count as usize).for_each(|number| executor.freeze(number, time));
        }
        let until = world.borrow().now + time;
        executor.run(until, || false);
    }
    // From here on nothing goes wrong any more: all has to come to its end.
    {
        let world = &mut *world.borrow_mut();
        (world.faults, world.away, world.full, world.kept_away, world.moody) = (0, false, false, false, false);
    }
    // Clocks that were wrong are set right, as they are sooner or later.
    for place in &places {
        place.skew.set(0.0);
        place.offline.set(false);
    }
    let back = world.borrow().now;
    let neglected = Cell::new(None);
    // What others store after that is found by a scan; a notice is known to whoever has stored it.
    let known = if last == Last::StandingStill { before } else { world.borrow().meta.keys().copied().collect() };
    let until = back + if jumps { 28.0 * HOUR } else { 6.0 * HOUR };
    let ended = executor.run(until, || {
        let world = world.borrow();
        if last != Last::Nothing && neglected.get().is_none() {
            // What is claimed is due when its lease ends, and what tells of others when they have confirmed it.
            let due = |meta: &Meta| meta.lease.as_ref().map_or(meta.timestamp, |lease| lease.until.max(meta.timestamp));
            let is_known = |id: &Id| known.contains(id) || world.envelopes[id].notice_of.is_some();
            let late = |meta: &Meta| world.now - due(meta).max(back) > MOST_LATE;
            neglected
                .set(world.meta.iter().filter(|(id, _)| is_known(id)).find(|(_, meta)| late(meta)).map(|(id, _)| *id));
        }
        neglected.get().is_some() || world.meta.is_empty() && world.ledger.removed.len() as u64 >= messages
    });
    let world = world.borrow();
    if let Some(id) = neglected.get() {
        let seconds = (world.now - back) / SECOND;
        return Err(format!("{id} was left alone {seconds} s after the last fault, {last:?}: {:?}", world.meta[&id]));
    }
    if !ended {
        return Err(format!("stuck, with faults {faults}: {:?}", world.meta));
    }
    match world.ledger.violations.first() {
        Some(violation) => Err(violation.clone()),
        None => Ok(world.ledger.repeats),
    }
}

#[test]
fn nothing_is_lost_stuck_or_delivered_after_its_mark_whatever_goes_wrong() {
    if let Some(seed) = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()) {
        live(seed).unwrap_or_else(|violation| panic!("seed {seed}: {violation}"));
        return;
    }
    let seeds = if std::env::var_os("LONG").is_some() && !cfg!(debug_assertions) { 1_000_000 } else { 5_000 };
    let threads = std::thread::available_parallelism().map_or(1, |threads| threads.get() as u64);
    let work: Vec<_> = (0..threads)
        .map(|first| {
            std::thread::spawn(move || {
                (first..seeds)
                    .step_by(threads as usize)
                    .map(|seed| live(seed).unwrap_or_else(|violation| panic!("seed {seed}: {violation}")))
                    .map(u64::from)
                    .sum::<u64>()
            })
        })
        .collect();
    let repeats: u64 = work.into_iter().map(|thread| thread.join().expect("a seed has failed")).sum();
    println!("{seeds} seeds, {repeats} deliveries repeated whose outcome had not been stored");
}
