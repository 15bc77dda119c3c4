//! What really happened, and whether it may happen.

use std::collections::{BTreeMap, BTreeSet};

use slimta_queue_dict::host::{Dict, Write};
use slimta_queue_dict::queue::Verdict;
use slimta_queue_dict::{Envelope, Id, Meta, Notice, NoticeOf};

use super::Random;
use super::relay::{id_of, index_of};

/// One recipient of one message, by its original position.
type Recipient = (Id, u32);

#[derive(Debug, Default)]
pub struct Ledger {
    clock: u64,
    /// What each message is, whether it is here still or not.
    messages: BTreeMap<Id, Message>,
    /// To whom a relay has delivered.
    pub delivered: BTreeMap<Recipient, u32>,
    /// To whom each deliverer has delivered, as it knows as long as it lives.
    knows: BTreeSet<(u64, Id, u32)>,
    /// Whom an attempt gave up, by message and attempt.
    failed: BTreeMap<(Id, u32), Vec<u32>>,
    /// Whom a relay has refused.
    refused: BTreeSet<Recipient>,
    /// Who is in the storage where what is given up is kept, if there is one.
    kept: BTreeSet<Recipient>,
    pub has_dead_letter: bool,
    /// Whether whoever no relay has refused is given up after days alone, which a life has not.
    pub is_patient: bool,
    /// Of whom a notice tells that was confirmed.
    told: BTreeSet<Recipient>,
    /// Notices that may be sent.
    confirmed: BTreeSet<Id>,
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
    /// When something was written again after that: who claimed it before attempts what it was.
    again: BTreeMap<Id, u64>,
    pub violations: Vec<String>,
    /// What was delivered again, which only an outcome that was not stored explains.
    pub repeats: u32,
}

#[derive(Debug)]
struct Message {
    recipients: u32,
    null_sender: bool,
    notice_of: Option<NoticeOf>,
}

/// The header by which a relay knows the message.
pub const NAME: &str = "X-Message";

/// What a factory does when it is asked for a notice.
#[derive(Debug, PartialEq)]
pub enum Mood {
    Fails,
    WantsNone,
    Makes { sender: Option<String> },
}

/// The same for the same recipients of a message, whoever asks.
pub fn mood_of(of: Id, indexes: &[u32]) -> Mood {
    let sum: u64 = indexes.iter().map(|index| u64::from(*index) + 1).sum();
    let number = Random(of.as_u128() as u64 ^ (of.as_u128() >> 64) as u64 ^ sum).below(10);
    match number {
        0 => Mood::Fails,
        1 => Mood::WantsNone,
        _ => Mood::Makes { sender: number.is_multiple_of(2).then(|| "0@sender".into()) },
    }
}

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
                for failed in
                    meta.failed.iter().filter(|failed| before.is_none_or(|before| !before.failed.contains(failed)))
                {
                    if meta.untold != Some(failed.attempt) && !self.messages[&id].null_sender {
                        self.violations.push(format!("{id}: {failed:?} are told of by nobody"));
                    }
                    let refused = |index: &u32| self.refused.contains(&(id, *index));
                    if self.is_patient && !failed.indexes.iter().all(refused) {
                        self.violations.push(format!("{id}: {failed:?} were given up before their time"));
                    }
                    self.failed.insert((id, failed.attempt), failed.indexes.clone());
                }
                for index in meta.delivered.iter().filter(|index| !old.contains(index)) {
                    let gave_up = meta.failed.iter().any(|failed| failed.indexes.contains(index));
                    if !gave_up && !self.delivered.contains_key(&(id, *index)) {
                        self.violations.push(format!("{id}: {index} was marked, neither delivered nor given up"));
                    }
                }
                if meta.notice == Some(Notice::Confirmed) && self.confirmed.insert(id) {
                    self.confirms(id);
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
                    let is_void = before.is_some_and(|before| before.notice == Some(Notice::Void));
                    for index in (0..self.messages[&id].recipients).filter(|_| !is_void) {
                        self.needs_an_end(id, index);
                    }
                    if before.is_some_and(|before| before.untold.is_some()) {
                        self.violations.push(format!("{id}: removed with failures of which nobody was told"));
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
        if let Some(NoticeOf { id: of, .. }) = envelope.notice_of
            && self.messages[&of].null_sender
        {
            self.violations.push(format!("{of}: a bounce was bounced"));
        }
        // A write whose outcome was unknown is repeated, and its message may be gone by then: it is another one.
        if self.removed.contains(&id) {
            self.marked.retain(|(other, _), _| *other != id);
            if envelope.notice_of.is_none() {
                self.failed.retain(|(other, _), _| *other != id);
                self.told.retain(|(other, _)| *other != id);
            }
            let now = self.tick();
            self.again.insert(id, now);
            self.knows.retain(|(_, other, _)| *other != id);
            self.confirmed.remove(&id);
        }
        let null_sender = envelope.sender.as_deref().unwrap_or_default().is_empty();
        let recipients = envelope.recipients.len() as u32;
        self.messages.insert(id, Message { recipients, null_sender, notice_of: envelope.notice_of });
    }

    /// A notice will be sent: nobody was told before of those that it names.
    fn confirms(&mut self, id: Id) {
        let Some(NoticeOf { id: of, attempt }) = self.messages[&id].notice_of else {
            self.violations.push(format!("{id}: confirmed, and no notice"));
            return;
        };
        for index in self.failed.get(&(of, attempt)).cloned().unwrap_or_default() {
            if !self.told.insert((of, index)) {
                self.violations.push(format!("{of}: {index} was told of twice"));
            }
        }
    }

    /// A message is removed.
    fn needs_an_end(&mut self, id: Id, index: u32) {
        let recipient = (id, index);
        let gave_up = self.failed.iter().find(|((of, _), indexes)| *of == id && indexes.contains(&index));
        let unwanted = gave_up.is_some_and(|(_, indexes)| mood_of(id, indexes) == Mood::WantsNone);
        let told = self.messages[&id].null_sender || self.told.contains(&recipient) || unwanted;
        if self.has_dead_letter && gave_up.is_some() && !self.kept.contains(&recipient) {
            self.violations.push(format!("{id}: {index} was given up and not kept"));
        }
        if !(self.delivered.contains_key(&recipient) || gave_up.is_some() && told) {
            self.violations.push(format!("{id}: {index} was removed, neither delivered nor given up and told of"));
        }
    }

    /// Somebody is kept who was given up.
    pub fn keeps(&mut self, place: Id, write: &Write<Envelope>) {
        let Write::Envelope(envelope) = write else { return };
        let id = id_of(envelope).unwrap_or(place);
        for address in &envelope.recipients {
            if !self.kept.insert((id, index_of(address))) && !self.again.contains_key(&id) {
                self.violations.push(format!("{id}: {address} is kept twice"));
            }
        }
    }

    /// A deliverer hands a message to its relay; `now` is nothing where clocks were set.
    pub fn attempts(&mut self, deliverer: u64, id: Id, indexes: &[u32], now: Option<f64>) {
        let claimed = self.claimed.get(&(deliverer, id)).copied().unwrap_or(0);
        let is_of_now = self.again.get(&id).is_none_or(|again| *again <= claimed);
        if self.messages[&id].notice_of.is_some() && is_of_now && !self.confirmed.contains(&id) {
            self.violations.push(format!("{id}: a notice was sent that its original has not confirmed"));
        }
        for index in indexes {
            if self.knows.contains(&(deliverer, id, *index)) {
                self.violations.push(format!("{id}: {index} was attempted again by who had delivered to it"));
            }
            if self.marked.get(&(id, *index)).is_some_and(|marked| *marked < claimed) {
                self.violations.push(format!("{id}: {index} was attempted after its mark was acknowledged"));
            }
        }
        if let Some(now) = now {
            let holds = |deliverer: &u64| {
                let lease = self.owners.get(deliverer).and_then(|owner| self.leases.get(&(owner.clone(), id)));
                lease.is_some_and(|until| *until > now)
            };
            // One that stood still for longer than its lease cannot know.
            let others = self.relaying.get(&id).into_iter().flatten().filter(|_| holds(&deliverer));
            for other in others.filter(|other| **other != deliverer) {
                if holds(other) {
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

    /// What a relay says of a recipient.
    pub fn answers(&mut self, deliverer: u64, id: Id, index: u32, verdict: &Verdict) {
        match verdict {
            Verdict::Delivered(_) => self.delivers(deliverer, id, index),
            Verdict::Failed(_) => drop(self.refused.insert((id, index))),
            _ => {}
        }
    }

    pub fn delivers(&mut self, deliverer: u64, id: Id, index: u32) {
        self.knows.insert((deliverer, id, index));
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
