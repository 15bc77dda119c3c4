//! A relay that does whatever relays do.

use slimta_queue_dict::queue::{Answer, Attempt, BoxError, Relay, Reply, Verdict};
use slimta_queue_dict::{Envelope, Id};

use super::executor::sleep;
use super::ledger::NAME;
use super::{Setting, Shared, World};

pub struct SimRelay {
    pub world: Shared,
    pub deliverer: u64,
    pub lease: f64,
    /// Whether its network is away.
    pub offline: Setting<bool>,
}

/// The id of a message, unless it is a notice.
pub fn id_of(envelope: &Envelope) -> Option<Id> {
    envelope.headers.iter().find(|(name, _)| name == NAME).map(|(_, id)| id.parse().unwrap())
}

/// The original position that an address names.
pub fn index_of(address: &str) -> u32 {
    address.split_once('@').unwrap().0.parse().unwrap()
}

impl Relay<Envelope> for SimRelay {
    async fn attempt(&self, envelope: &Envelope, attempt: Attempt) -> Result<Answer, BoxError> {
        let id = attempt.id;
        assert!(id_of(envelope).is_none_or(|named| named == id), "the relay is told which message it is");
        let indexes: Vec<u32> = envelope.recipients.iter().map(|address| index_of(address)).collect();
        let time = {
            let world = &mut *self.world.borrow_mut();
            let now = (!world.jumps).then_some(world.now);
            world.ledger.attempts(self.deliverer, id, &indexes, now);
            match world.random.below(20) {
                _ if !world.moody => 0.0, // no attempt waits for others then
                0 if !world.prompt => 3.0 * self.lease * world.random.below(100) as f64 / 100.0,
                1..5 => 0.0,
                _ => world.random.below(2_000) as f64,
            }
        };
        if time > 0.0 {
            sleep(&self.world, time).await;
        }
        let world = &mut *self.world.borrow_mut();
        world.ledger.ends(self.deliverer, id);
        if self.offline.get() {
            return Ok(Answer::All(Verdict::Deferred(Reply::new(451, "4.4.1 offline"))));
        }
        Ok(answer(world, self.deliverer, id, envelope, &indexes))
    }
}

fn answer(world: &mut World, deliverer: u64, id: Id, envelope: &Envelope, indexes: &[u32]) -> Answer {
    let mood = if world.moody { world.random.below(12) } else { 0 };
    match mood {
        0..2 => {
            indexes.iter().for_each(|index| world.ledger.delivers(deliverer, id, *index));
            Answer::delivered()
        }
        2 => {
            let verdict = verdict(world);
            indexes.iter().for_each(|index| world.ledger.answers(deliverer, id, *index, &verdict));
            Answer::All(verdict)
        }
        3 => Answer::All(Verdict::Unrecognised),
        4 => Answer::Each(vec![Verdict::Delivered(None); envelope.recipients.len() + 1]),
        5..8 => {
            let mut by_address = std::collections::HashMap::new();
            for (address, index) in envelope.recipients.iter().zip(indexes) {
                if world.random.chance(90) {
                    let verdict = verdict(world);
                    world.ledger.answers(deliverer, id, *index, &verdict);
                    by_address.insert(address.clone(), verdict);
                }
            }
            Answer::ByAddress(by_address)
        }
        _ => {
            let mut each = Vec::new();
            for index in indexes {
                let verdict = verdict(world);
                world.ledger.answers(deliverer, id, *index, &verdict);
                each.push(verdict);
            }
            Answer::Each(each)
        }
    }
}

/// A verdict on one recipient.
fn verdict(world: &mut World) -> Verdict {
    let number = world.random.below(3);
    match world.random.below(6) {
        0 => Verdict::Delivered(None),
        1 => Reply::new(250, "2.0.0 Ok").into(),
        2 => Reply::new(550, format!("5.1.{number} no")).into(),
        3 => Verdict::Failed(Reply::new(450, "no")),
        4 => Verdict::Deferred(Reply::new(550, "later")),
        _ => Reply::new(450, "4.2.0 later").into(),
    }
}
