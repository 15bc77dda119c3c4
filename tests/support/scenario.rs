//! Every call that a storage has, on a store that has seen a little of everything.

use std::collections::BTreeMap;
use std::time::Duration;

use slimta_queue_dict::host::Stored;
use slimta_queue_dict::{Attempts, Change, DictStorage, Envelope, Error, Expect, Id, Lease, Meta, Queued, Repair};

use super::{Dicts, Failure, FaultHost, Traits, envelope, run};

/// Written, attempted twice, delivered to the second of three recipients.
pub const WHOLE: u128 = 1;
/// Written and never touched again: whatever happens to others, it stays as it is.
pub const OTHER: u128 = 2;
/// Written and removed.
pub const REMOVED: u128 = 3;
/// The envelope that a write left which was cut short.
pub const CUT: u128 = 4;
/// A good envelope whose meta record was damaged.
pub const CORRUPT: u128 = 5;
/// Not there.
pub const NEW: u128 = 6;

pub fn id(number: u128) -> Id {
    Id::from_u128(number)
}

/// One call.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Op {
    WriteDrawn,
    Write(u128),
    SetTimestamp,
    Increment,
    MarkDelivered,
    Change,
    Remove(u128),
    Get,
    Load,
    GetInfo,
    Check,
    Repair,
    Requeue,
}

pub const OPS: [Op; 18] = [
    Op::WriteDrawn,
    Op::Write(NEW),
    Op::Write(CUT),
    Op::Write(REMOVED),
    Op::Write(WHOLE),
    Op::SetTimestamp,
    Op::Increment,
    Op::MarkDelivered,
    Op::Change,
    Op::Remove(WHOLE),
    Op::Remove(CUT),
    Op::Remove(REMOVED),
    Op::Get,
    Op::Load,
    Op::GetInfo,
    Op::Check,
    Op::Repair,
    Op::Requeue,
];

impl Op {
    pub async fn run(self, storage: &DictStorage<FaultHost>) -> Result<(), Error<Failure>> {
        match self {
            Op::WriteDrawn => storage.write(envelope(2, "drawn"), 7.0, None).await.map(drop),
            Op::Write(number) => storage.write(envelope(2, "given"), 7.0, Some(id(number))).await.map(drop),
            Op::SetTimestamp => storage.set_timestamp(&id(WHOLE), 8.0).await,
            Op::Increment => storage.increment_attempts(&id(WHOLE)).await.map(drop),
            Op::MarkDelivered => storage.set_recipients_delivered(&id(WHOLE), &[2]).await,
            Op::Change => storage.change(&id(WHOLE), claim()).await.map(drop),
            Op::Remove(number) => storage.remove(&id(number)).await,
            Op::Get => storage.get(&id(WHOLE)).await.map(drop),
            Op::Load => {
                let mut load = storage.load();
                while load.next().await?.is_some() {}
                Ok(())
            }
            Op::GetInfo => storage.get_info().await.map(drop),
            Op::Check => storage.check().await.map(drop),
            Op::Repair => storage.repair(at_once()).await.map(drop),
            Op::Requeue => storage.repair(Repair { requeue: vec![id(CORRUPT)], ..Repair::default() }).await.map(drop),
        }
    }

    /// Whether doing it again after it was cut short is how a caller goes on.
    pub fn repeatable(self) -> bool {
        matches!(self, Op::Write(_) | Op::Remove(_) | Op::MarkDelivered | Op::SetTimestamp)
    }
}

/// What a deliverer does before an attempt.
fn claim() -> Change {
    Change {
        expect: Expect { attempts: Some(2), lease: Some(None), ..Expect::default() },
        attempts: Some(Attempts::Increment),
        lease: Some(Some(Lease { until: 60.0, owner: "deliverer".into() })),
        timestamp: Some(9.0),
        delivered: vec![0],
        ..Change::default()
    }
}

/// A repair that clears every orphan it sees.
pub fn at_once() -> Repair {
    Repair { min_age: Duration::ZERO, ..Repair::default() }
}

/// The store on which every scenario begins.
pub fn store() -> Dicts {
    let host = FaultHost::new(Traits::default());
    let storage = DictStorage::new(host.clone());
    run(async {
        for number in [WHOLE, OTHER, REMOVED, CORRUPT] {
            storage.write(envelope(3, "before"), 5.0, Some(id(number))).await?;
        }
        storage.increment_attempts(&id(WHOLE)).await?;
        storage.increment_attempts(&id(WHOLE)).await?;
        storage.set_recipients_delivered(&id(WHOLE), &[1]).await?;
        storage.remove(&id(REMOVED)).await
    })
    .unwrap();
    host.edit(|dicts| {
        dicts.envelopes.insert(id(CUT), Stored::Good(envelope(1, "cut short")));
        dicts.meta.insert(id(CORRUPT), Stored::Corrupt);
    });
    host.dicts()
}

/// What a listing shows: of each id the meta record and what `get` makes of it. Ids that a storage
/// has drawn are replaced, so that two runs can be compared.
pub type Listed = BTreeMap<Id, (Meta, Queued<Envelope>)>;

/// What a storage that starts over the records of `host` lists. Every listed message must be whole.
pub fn listed(host: &FaultHost) -> Listed {
    let storage = DictStorage::new(host.restart());
    let dicts = host.dicts();
    run(async {
        let mut listed = Listed::new();
        let mut drawn = 0;
        let mut load = storage.load();
        while let Some((timestamp, id)) = load.next().await.unwrap() {
            let queued = storage.get(&id).await.unwrap_or_else(|error| panic!("{id} is listed, but {error:?}"));
            let Some(Stored::Good(meta)) = dicts.meta.get(&id) else { panic!("{id} is listed without meta") };
            assert_eq!(meta.timestamp, timestamp);
            let given = id.as_u128() < 100;
            let name = if given { id } else { Id::from_u128(u128::MAX - drawn) };
            drawn += u128::from(!given);
            assert_eq!(listed.insert(name, (meta.clone(), queued)), None, "{id} is listed twice");
        }
        listed
    })
}
