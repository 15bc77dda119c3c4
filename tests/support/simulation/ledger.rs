//! What really happened, and whether it may happen.

use std::collections::{BTreeMap, BTreeSet};

use slimta_queue_dict::host::{Dict, Write};
use slimta_queue_dict::{Envelope, Id, Meta};

/// One recipient of one message, by its original position.
type Recipient = (Id, u32);

#[derive(Debug, Default)]
pub struct Ledger {
    clock: u64,
    /// What each message is, whether it is here still or not.
    messages: BTreeMap<Id, Message>,
    /// To whom a relay has delivered.
    pub delivered: BTreeMap<Recipient, u32>,
    /// Whom a relay has refused, or who was given up.
    bounced: BTreeSet<Recipient>,
    /// When a mark was acknowledged first.
    marked: BTreeMap<Recipient, u64>,
    /// When a deliverer has claimed a message last: what was marked by then it has to know.
    claimed: BTreeMap<(u64, Id), u64>,
    /// In whose name a deliverer claims.
    owners: BTreeMap<u64, String>,
    /// Until when an owner has claimed a message.
    leases: BTreeMap<(String, Id), f64>,
    /// Who attempts a message.
    relaying: BTreeMap<Id, BTreeSet<u64>>,
    pub removed: BTreeSet<Id>,
    pub violations: Vec<String>,
    /// What was delivered again, which only an outcome that was not stored explains.
    pub repeats: u32,
}

#[derive(Debug)]
struct Message {
    recipients: u32,
    null_sender: bool,
}

/// The header by which a relay knows the message.
pub const NAME: &str = "X-Message";
/// The header of a bounce that tells whom it is about.
pub const FAILED: &str = "X-Failed";

impl Ledger {
    fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }

    /// A write takes effect; `before` is what the record said.
    pub fn writes(&mut self, deliverer: u64, before: Option<&Meta>, id: Id, write: &Write<Envelope>) {
        match write {
            Write::Envelope(envelope) => self.stores(id, envelope),
            Write::Meta(meta) => {
                let old = before.map(|meta| meta.delivered.clone()).unwrap_or_default();
                for index in meta.delivered.iter().filter(|index| !old.contains(index)) {
                    self.needs_an_end(id, *index, "marked");
                }
                if old.iter().any(|index| !meta.delivered.contains(index)) {
                    self.violations.push(format!("{id}: a mark was taken back"));
                }
                if let Some(before) = before
                    && let (Some(was), Some(is)) = (&before.lease, &meta.lease)
                    && was.owner != is.owner
                    && meta.attempts <= before.attempts
                {
                    self.violations.push(format!("{id}: claimed without counting"));
                }
                if let Some(lease) = &meta.lease {
                    let owner = self.owners.entry(deliverer).or_insert_with(|| lease.owner.clone()).clone();
                    if owner == lease.owner {
                        if before.is_some_and(|before| before.attempts < meta.attempts) {
                            let now = self.tick();
                            self.claimed.insert((deliverer, id), now);
                        }
                        self.leases.insert((owner, id), lease.until);
                    }
                }
            }
            Write::Delete(Dict::Meta) => {
                if before.is_some() {
                    for index in 0..self.messages[&id].recipients {
                        self.needs_an_end(id, index, "removed");
                    }
                    self.removed.insert(id);
                }
            }
            Write::Delete(Dict::Envelope) => {}
        }
    }

    pub fn acknowledged(&mut self, id: Id, writes: &[Write<Envelope>]) {
        let now = self.tick();
        for write in writes {
            if let Write::Meta(meta) = write {
                for index in &meta.delivered {
                    self.marked.entry((id, *index)).or_insert(now);
                }
            }
        }
    }

    fn stores(&mut self, id: Id, envelope: &Envelope) {
        if let Some((_, value)) = envelope.headers.iter().find(|(name, _)| name == FAILED) {
            let (of, indexes) = value.split_once(' ').unwrap();
            let of: Id = of.parse().unwrap();
            if self.messages[&of].null_sender {
                self.violations.push(format!("{of}: a bounce was bounced"));
            }
            for index in indexes.split(' ') {
                self.bounced.insert((of, index.parse().unwrap()));
            }
        }
        // A write whose outcome was unknown is repeated, and its message may be gone by then.
        if self.removed.contains(&id) {
            self.marked.retain(|(other, _), _| *other != id);
        }
        let null_sender = envelope.sender.as_deref().unwrap_or_default().is_empty();
        self.messages.insert(id, Message { recipients: envelope.recipients.len() as u32, null_sender });
    }

    fn needs_an_end(&mut self, id: Id, index: u32, what: &str) {
        let recipient = (id, index);
        let good = self.delivered.contains_key(&recipient)
            || self.bounced.contains(&recipient)
            || self.messages[&id].null_sender;
        if !good {
            self.violations.push(format!("{id}: {index} was {what}, neither delivered nor bounced"));
        }
    }

    /// A deliverer hands a message to its relay; `now` is nothing where clocks were set.
    pub fn attempts(&mut self, deliverer: u64, id: Id, indexes: &[u32], now: Option<f64>) {
        let claimed = self.claimed.get(&(deliverer, id)).copied().unwrap_or(0);
        for index in indexes {
            if self.marked.get(&(id, *index)).is_some_and(|marked| *marked < claimed) {
                self.violations.push(format!("{id}: {index} was attempted after its mark was acknowledged"));
            }
        }
        if let Some(now) = now {
            for other in self.relaying.get(&id).into_iter().flatten().filter(|other| **other != deliverer) {
                let lease = self.owners.get(other).and_then(|owner| self.leases.get(&(owner.clone(), id)));
                if lease.is_some_and(|until| *until > now) {
                    self.violations.push(format!("{id}: attempted by two at once"));
                    break;
                }
            }
        }
        self.relaying.entry(id).or_default().insert(deliverer);
    }

    pub fn ends(&mut self, deliverer: u64, id: Id) {
        if let Some(deliverers) = self.relaying.get_mut(&id) {
            deliverers.remove(&deliverer);
        }
    }

    pub fn delivers(&mut self, id: Id, index: u32) {
        let count = self.delivered.entry((id, index)).or_default();
        *count += 1;
        if *count > 1 {
            self.repeats += 1;
        }
    }

    /// A deliverer is no more.
    pub fn dies(&mut self, deliverer: u64) {
        for deliverers in self.relaying.values_mut() {
            deliverers.remove(&deliverer);
        }
    }
}
