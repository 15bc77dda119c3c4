//! A world in which queues live: one storage, a virtual clock, and everything that can go wrong, all
//! of it decided by one seed.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

pub mod executor;
pub mod host;
pub mod ledger;
pub mod relay;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, RwLock, RwLockReadGuard, RwLockWriteGuard};

use slimta_queue_dict::{Envelope, Id, Meta};

use executor::Timers;
use ledger::Ledger;

/// splitmix64.
#[derive(Debug)]
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From 0 up to, but not including, `limit`.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

/// What all deliverers share.
#[derive(Debug)]
pub struct World {
    pub random: Random,
    /// Milliseconds.
    pub now: f64,
    pub timers: Timers,
    pub envelopes: BTreeMap<Id, Envelope>,
    pub meta: BTreeMap<Id, Meta>,
    /// Another storage, where what is given up is kept if `has_dead_letter`.
    pub kept_envelopes: BTreeMap<Id, Envelope>,
    pub kept_meta: BTreeMap<Id, Meta>,
    pub has_dead_letter: bool,
    pub ledger: Ledger,
    /// How many of a hundred calls of the host go wrong, in one way or another.
    pub faults: u64,
    /// Whether every call of the host fails, at once.
    pub away: bool,
    /// The same of the other storage.
    pub kept_away: bool,
    /// Whether the storage has no room: it takes no new message, and, if `is_tight`, no change of one either.
    pub full: bool,
    pub is_tight: bool,
    /// Whether relays take no longer than two seconds from now on.
    pub prompt: bool,
    /// Whether relays refuse and defer.
    pub moody: bool,
    /// Whether clocks were set, so that leases mean little.
    pub jumps: bool,
}

/// The world, as all who live in it share it. A life has one thread: who cannot have it at once would wait for itself.
#[derive(Clone, Debug)]
pub struct Shared(Arc<RwLock<World>>);

impl Shared {
    pub fn borrow(&self) -> RwLockReadGuard<'_, World> {
        self.0.try_read().unwrap()
    }

    pub fn borrow_mut(&self) -> RwLockWriteGuard<'_, World> {
        self.0.try_write().unwrap()
    }
}

/// Something that is set from outside while a deliverer lives.
#[derive(Clone, Debug, Default)]
pub struct Setting<T>(Arc<Mutex<T>>);

impl<T: Copy> Setting<T> {
    pub fn get(&self) -> T {
        *self.0.lock().unwrap()
    }

    pub fn set(&self, value: T) {
        *self.0.lock().unwrap() = value;
    }
}

impl World {
    pub fn shared(seed: u64) -> Shared {
        Shared(Arc::new(RwLock::new(Self {
            random: Random(seed),
            now: 1_700_000_000_000.0,
            timers: Timers::default(),
            envelopes: BTreeMap::new(),
            meta: BTreeMap::new(),
            kept_envelopes: BTreeMap::new(),
            kept_meta: BTreeMap::new(),
            has_dead_letter: false,
            ledger: Ledger::default(),
            faults: 0,
            away: false,
            kept_away: false,
            full: false,
            is_tight: false,
            prompt: false,
            moody: true,
            jumps: false,
        })))
    }

    /// The dictionaries of the storage, or of the other one.
    pub fn dicts(&mut self, kept: bool) -> (&mut BTreeMap<Id, Envelope>, &mut BTreeMap<Id, Meta>) {
        if kept { (&mut self.kept_envelopes, &mut self.kept_meta) } else { (&mut self.envelopes, &mut self.meta) }
    }
}
