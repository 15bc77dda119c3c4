//! Queues on one storage under everything that can go wrong at once, as many times as there are
//! seeds. A seed that fails is printed; `SEED=n cargo test --test queue_simulation` runs it alone.
#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

#[path = "support/simulation/mod.rs"]
mod simulation;

use std::cell::Cell;
use std::future::ready;
use std::rc::Rc;
use std::time::Duration;

use simulation::executor::Executor;
use simulation::host::{SimHost, SimTimer};
use simulation::ledger::{Mood, NAME, mood_of};
use simulation::relay::{SimRelay, id_of, index_of};
use simulation::{Shared, World};
use slimta_queue_dict::queue::{BounceFactory, Options, Queue};
use slimta_queue_dict::{DictStorage, Envelope, Id, Meta};

const SECOND: f64 = 1_000.0;
const HOUR: f64 = 3_600_000.0;
/// Nothing waits longer for an attempt than two seconds, and what calls of the storage take.
const MOST_LATE: f64 = 2_100.0;

/// Begins the life of a deliverer in the place of another one.
fn begin(world: &Shared, executor: &Executor, place: usize, deliverer: u64, skew: &Rc<Cell<f64>>, lease: f64) {
    let (most, foretells, store_pool, has_factory) = {
        let random = &mut world.borrow_mut().random;
        let store_pool = random.chance(30).then(|| random.below(3) as usize + 1);
        (random.below(4) + 1, random.chance(50), store_pool, random.chance(50))
    };
    let options = Options {
        lease: Duration::from_millis(lease as u64),
        relay_pool: most as usize,
        store_pool,
        backoff: Some(Box::new(|_, attempts, _, _| match attempts {
            7.. => Ok(None),
            3 => Ok(Some(f64::NAN)),
            4 => Err("no idea".into()),
            more => Ok(Some(f64::from(more) * 4.0 * SECOND)),
        })),
        bounce_factory: has_factory.then(factory),
        scan: Duration::from_secs(45),
        ..Options::default()
    };
    let host = SimHost { world: world.clone(), deliverer, foretells };
    let storage = DictStorage::new(host).with_deadline(Duration::from_secs(10));
    let relay = SimRelay { world: world.clone(), deliverer, lease };
    let timer = SimTimer { world: world.clone(), skew: skew.clone() };
    let queue = Queue::with_timer(storage, relay, options, timer).unwrap();
    executor.spawn(place, async move { queue.start().await.unwrap() });
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
    let storage = DictStorage::new(SimHost { world: world.clone(), deliverer, foretells: false });
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
    let storage = DictStorage::new(SimHost { world: world.clone(), deliverer, foretells: false });
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

/// One life of the world; what went wrong in it.
fn live(seed: u64) -> Result<u32, String> {
    let world = World::new(seed);
    let executor = Executor::new(&world);
    let (count, faults, crashes, jumps, lease) = {
        let world = &mut *world.borrow_mut();
        world.faults = world.random.below(3) * 6;
        let random = &mut world.random;
        let jumps = random.chance(30);
        let all = (random.below(4) + 2, world.faults, random.below(5), jumps, (random.below(50) + 10) as f64 * SECOND);
        world.jumps = jumps;
        all
    };
    let skews: Vec<Rc<Cell<f64>>> = (0..count).map(|_| Rc::default()).collect();
    let mut deliverers = count;
    for (place, skew) in skews.iter().enumerate() {
        begin(&world, &executor, place, place as u64, skew, lease);
    }
    let messages = world.borrow_mut().random.below(5) + 1;
    for number in 0..messages {
        executor.spawn(1_000 + number as usize, write(world.clone(), 1_000 + number, number));
    }
    if world.borrow_mut().random.chance(30) {
        executor.spawn(2_000, make_due(world.clone(), 2_000));
    }
    // What each place is now, to tell the ledger who dies.
    let mut now_at: Vec<u64> = (0..count).collect();
    for _ in 0..crashes + if jumps { 3 } else { 0 } {
        let (pause, place) = {
            let random = &mut world.borrow_mut().random;
            (random.below(60) as f64 * SECOND, random.below(count) as usize)
        };
        let until = world.borrow().now + pause;
        executor.run(until, || false);
        if jumps && world.borrow_mut().random.chance(50) {
            // What is written with a clock that is ahead comes as much later: a year would take a year.
            let skew = [30.0 * SECOND, HOUR, -HOUR, -24.0 * 365.0 * HOUR][world.borrow_mut().random.below(4) as usize];
            skews[place].set(skew);
            continue;
        }
        executor.kill(place);
        world.borrow_mut().ledger.dies(now_at[place]);
        if world.borrow_mut().random.chance(80) || place == 0 {
            begin(&world, &executor, place, deliverers, &skews[place], lease);
            now_at[place] = deliverers;
            deliverers += 1;
        }
    }
    let until = world.borrow().now + 120.0 * SECOND;
    executor.run(until, || false);
    // Long enough for every relay to answer, and for everybody to look through the storage in vain.
    let was_away = !jumps && world.borrow_mut().random.chance(50);
    if was_away {
        world.borrow_mut().away = true;
        let until = world.borrow().now + 3.0 * lease + 60.0 * SECOND;
        executor.run(until, || false);
    }
    // From here on nothing goes wrong any more: all has to come to its end.
    {
        let world = &mut *world.borrow_mut();
        (world.faults, world.away, world.moody) = (0, false, false);
    }
    executor.kill(2_000);
    // Clocks that were wrong are set right, as they are sooner or later.
    skews.iter().for_each(|skew| skew.set(0.0));
    let back = world.borrow().now;
    let neglected = Cell::new(None);
    let until = back + if jumps { 28.0 * HOUR } else { 2.0 * HOUR };
    let ended = executor.run(until, || {
        let world = world.borrow();
        if was_away && neglected.get().is_none() {
            // What is claimed is due when its lease ends, and what tells of others when they have confirmed it.
            let late = |meta: &Meta| world.now - meta.timestamp.max(back) > MOST_LATE;
            neglected.set(world.meta.iter().find(|(_, meta)| late(meta)).map(|(id, _)| *id));
        }
        neglected.get().is_some() || world.meta.is_empty() && world.ledger.removed.len() as u64 >= messages
    });
    let world = world.borrow();
    if let Some(id) = neglected.get() {
        let seconds = (world.now - back) / SECOND;
        return Err(format!("{id} was left alone {seconds} s after the last fault: {:?}", world.meta[&id]));
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
    let seeds = if std::env::var_os("LONG").is_some() && !cfg!(debug_assertions) { 10_000_000 } else { 10_000 };
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
