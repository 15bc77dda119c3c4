//! What every host keeps, whatever is behind it: the same suite on each host there is.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

#[cfg(feature = "redb")]
use crate::documents::host::LockedHost;
use crate::support::scenario::id;
use crate::support::{FaultHost, Traits, envelope};
use slimta_queue_dict::host::{Batch, Dict, Host, Sizes, Stored};
use slimta_queue_dict::{
    Attempts, Change, Client, DictStorage, Envelope, Error, Expect, Findings, Id, Lease, MemoryHost, Meta, NoticeOf,
    Repair,
};
use tokio::task::LocalSet;

/// Where hosts keep their dictionaries.
trait Place: Sized + 'static {
    type Host: Host<Envelope = Envelope, Error: Debug> + 'static;

    fn new() -> Self;

    /// One more host on this place.
    fn open(&self) -> Self::Host;

    /// All hosts on this place have gone; the next one begins with what they have left.
    fn restart(&mut self) {}
}

impl Place for MemoryHost {
    type Host = Self;

    fn new() -> Self {
        Self::new()
    }

    fn open(&self) -> Self {
        self.clone()
    }
}

/// The suite's own host, which makes the writes of a batch one by one.
struct OneByOne(FaultHost);

impl Place for OneByOne {
    type Host = FaultHost;

    fn new() -> Self {
        Self(FaultHost::new(Traits { atomic: false, page: 700, ..Traits::default() }))
    }

    fn open(&self) -> FaultHost {
        self.0.clone()
    }

    fn restart(&mut self) {
        self.0 = self.0.restart();
    }
}

#[cfg(feature = "redb")]
impl Place for LockedHost {
    type Host = Self;

    fn new() -> Self {
        Self::new()
    }

    fn open(&self) -> Self {
        self.clone()
    }
}

#[cfg(feature = "redb")]
struct InFile {
    folder: tempfile::TempDir,
    host: Option<slimta_queue_dict::RedbHost>,
}

#[cfg(feature = "redb")]
impl Place for InFile {
    type Host = slimta_queue_dict::RedbHost;

    fn new() -> Self {
        let mut place = Self { folder: tempfile::tempdir().unwrap(), host: None };
        place.restart();
        place
    }

    fn open(&self) -> Self::Host {
        self.host.clone().unwrap()
    }

    fn restart(&mut self) {
        self.host = None;
        self.host = Some(Self::Host::open(self.folder.path().join("queue")).unwrap());
    }
}

fn storage<P: Place>(place: &P) -> DictStorage<P::Host> {
    DictStorage::new(place.open())
}

fn code<T, E>(result: Result<T, Error<E>>) -> Result<T, &'static str> {
    result.map_err(|error| error.code())
}

async fn list<H: Host<Error: Debug>>(storage: &DictStorage<H>) -> Vec<(Id, f64)> {
    let (mut load, mut listed) = (storage.load(), Vec::new());
    while let Some((timestamp, id)) = load.next().await.unwrap() {
        listed.push((id, timestamp));
    }
    listed.sort_by_key(|(id, _)| *id);
    listed
}

/// Every id that pages of this size show.
async fn paged<H: Host<Error: Debug>>(host: &H, dict: Dict, limit: u32) -> Vec<(Id, Option<Stored<Meta>>)> {
    let (mut all, mut cursor) = (Vec::new(), None);
    loop {
        let page = host.page(dict, cursor, limit).await.unwrap();
        assert!(page.entries.len() <= usize::try_from(limit).unwrap());
        all.extend(page.entries);
        cursor = page.next;
        if cursor.is_none() {
            return all;
        }
    }
}

async fn meta<H: Host<Error: Debug>>(host: &H, number: u128) -> Option<(Meta, H::Version)> {
    host.read_meta(id(number)).await.unwrap().map(|record| match record.meta {
        Stored::Good(meta) => (meta, record.version),
        other => panic!("{other:?}"),
    })
}

fn full() -> Envelope {
    Envelope {
        sender: None,
        recipients: vec!["a@example.com".into(), "gr\u{fc}\u{df}e@\u{4e16}.example".into(), "a@example.com".into()],
        headers: vec![("X".into(), "folded\r\n value".into()), ("X".into(), String::new())],
        message: (0..=255).collect(),
        client: Client { ip: Some("::1".into()), auth: Some(String::new()), ..Client::default() },
        receiver: Some("here".into()),
        timestamp: Some(-0.5),
        notice_of: Some(NoticeOf { id: Id::from_u128(7), attempt: 3 }),
    }
}

/// Lets all of some futures go on at once. The results are in the order of the futures, not of their ends.
async fn together<T: 'static, F: Future<Output = T> + 'static>(futures: impl Iterator<Item = F>) -> Vec<T> {
    let local = LocalSet::new();
    let begun: Vec<_> = futures.map(|future| local.spawn_local(future)).collect();
    local
        .run_until(async {
            let mut results = Vec::new();
            for future in begun {
                results.push(future.await.unwrap());
            }
            results
        })
        .await
}

async fn write<H: Host<Envelope = Envelope, Error: Debug>>(host: &H, number: u128) -> bool {
    host.commit(Batch::write(id(number), envelope(2, &number.to_string()), Meta::new(5.0))).await.unwrap()
}

async fn an_empty_host_has_no_records_no_entries_and_no_size<P: Place>(place: P) {
    let host = place.open();
    assert!(meta(&host, 1).await.is_none());
    assert!(host.read_envelope(id(1)).await.unwrap().is_none());
    for dict in [Dict::Envelope, Dict::Meta] {
        assert_eq!(paged(&host, dict, 10).await, []);
    }
    assert_eq!(host.sizes().await.unwrap(), Sizes { size: 0, meta_size: 0 });
}

async fn what_a_batch_writes_is_read_back_by_every_host_and_nothing_else<P: Place>(place: P) {
    let (host, other) = (place.open(), place.open());
    let lease = Some(Lease { until: -1.5, owner: "w\u{f6}rker".into() });
    let record = Meta { timestamp: 1e300, attempts: u32::MAX, delivered: vec![0, 9, 1000], lease, ..Meta::default() };
    assert!(host.commit(Batch::write(id(1), full(), record.clone())).await.unwrap());
    for each in [&host, &other] {
        assert_eq!(meta(each, 1).await.unwrap().0, record);
        assert_eq!(each.read_envelope(id(1)).await.unwrap(), Some(Stored::Good(full())));
        assert!(meta(each, 2).await.is_none());
        assert_eq!(each.sizes().await.unwrap(), Sizes { size: 1, meta_size: 1 });
    }
}

async fn a_batch_whose_check_fails_returns_false_and_writes_nothing<P: Place>(place: P) {
    let host = place.open();
    assert!(write(&host, 1).await);
    let (_, old) = meta(&host, 1).await.unwrap();
    assert!(host.commit(Batch::change(id(1), old.clone(), Meta::new(6.0))).await.unwrap());
    for batch in [
        Batch::write(id(1), full(), Meta::new(7.0)),
        Batch::complete(id(1), full(), Meta::new(7.0)),
        Batch::change(id(1), old.clone(), Meta::new(7.0)),
        Batch::change(id(2), old.clone(), Meta::new(7.0)),
        Batch::requeue(id(1), None, Meta::new(7.0)),
        Batch::requeue(id(1), Some(old.clone()), Meta::new(7.0)),
        Batch::clear_envelope(id(1)),
        Batch::clear_meta(id(1), old.clone()),
    ] {
        let text = format!("{batch:?}");
        assert!(!host.commit(batch).await.unwrap(), "{text}");
        assert_eq!(meta(&host, 1).await.unwrap().0, Meta::new(6.0), "{text}");
        assert_eq!(host.read_envelope(id(1)).await.unwrap(), Some(Stored::Good(envelope(2, "1"))), "{text}");
        assert_eq!(host.sizes().await.unwrap(), Sizes { size: 1, meta_size: 1 }, "{text}");
    }
}

async fn a_version_holds_while_other_records_change_and_no_longer_than_its_own<P: Place>(place: P) {
    let host = place.open();
    assert!(write(&host, 1).await);
    let (_, version) = meta(&host, 1).await.unwrap();
    assert!(write(&host, 2).await);
    host.commit(Batch::remove(id(2))).await.unwrap();
    assert!(host.commit(Batch::change(id(1), version.clone(), Meta::new(6.0))).await.unwrap());
    assert!(!host.commit(Batch::change(id(1), version, Meta::new(7.0))).await.unwrap());
    if let Some(foretold) = host.version_of(&Meta::new(6.0)) {
        assert!(host.commit(Batch::change(id(1), foretold, Meta::new(8.0))).await.unwrap());
    }
}

async fn deleting_is_no_error_where_nothing_is_and_leaves_nothing<P: Place>(place: P) {
    let host = place.open();
    assert!(write(&host, 1).await);
    for _ in 0..2 {
        assert!(host.commit(Batch::remove(id(1))).await.unwrap());
        assert_eq!(host.sizes().await.unwrap(), Sizes { size: 0, meta_size: 0 });
        assert!(host.read_envelope(id(1)).await.unwrap().is_none());
    }
    assert!(write(&host, 1).await);
}

async fn pages_show_every_id_once_and_at_most_as_many_at_a_time_as_asked<P: Place>(place: P) {
    let host = place.open();
    for number in 0..100 {
        // Spread over all ids, the first and the last one included.
        let id = Id::from_u128((u128::MAX / 99).saturating_mul(number));
        assert!(host.commit(Batch::write(id, envelope(1, "text"), Meta::new(number as f64))).await.unwrap());
    }
    let ids: BTreeSet<Id> = (0..100).map(|number| Id::from_u128((u128::MAX / 99) * number)).collect();
    for limit in [1, 7, 99, 100, 101, 1000] {
        for dict in [Dict::Envelope, Dict::Meta] {
            let shown = paged(&host, dict, limit).await;
            assert!(shown.iter().all(|(_, meta)| meta.is_some() == (dict == Dict::Meta)));
            assert_eq!(shown.len(), 100);
            assert_eq!(shown.into_iter().map(|(id, _)| id).collect::<BTreeSet<_>>(), ids);
        }
    }
}

async fn of_many_who_insert_one_record_or_change_one_version_at_once_one_does<P: Place>(place: P) {
    let hosts: Vec<_> = (0..20).map(|_| Rc::new(place.open())).collect();
    let made = together(hosts.iter().cloned().map(|host| async move { write(&*host, 1).await })).await;
    assert_eq!(made.into_iter().filter(|made| *made).count(), 1);
    let (_, version) = meta(&*hosts[0], 1).await.unwrap();
    let made = together(hosts.iter().cloned().zip(0..).map(|(host, attempts)| {
        let batch = Batch::change(id(1), version.clone(), Meta { attempts, ..Meta::new(6.0) });
        async move { host.commit(batch).await.unwrap() }
    }))
    .await;
    assert_eq!(made.iter().filter(|made| **made).count(), 1);
    let winner = made.iter().position(|made| *made).unwrap();
    assert_eq!(usize::try_from(meta(&*hosts[0], 1).await.unwrap().0.attempts).unwrap(), winner);
}

async fn a_hundred_commits_made_at_once_are_each_answered_and_a_failed_check_touches_no_other<P: Place>(place: P) {
    let host = Rc::new(place.open());
    assert!(write(&*host, 50).await);
    let writes = (0..100).map(|number| {
        let host = Rc::clone(&host);
        async move { (number, write(&*host, number).await) }
    });
    let mut answers = together(writes).await;
    answers.sort();
    assert!(answers.into_iter().eq((0..100).map(|number| (number, number != 50))));
    assert_eq!(host.sizes().await.unwrap(), Sizes { size: 100, meta_size: 100 });
}

async fn a_message_comes_back_as_it_was_written_also_after_a_new_start<P: Place>(mut place: P) {
    let queue = storage(&place);
    let given = queue.write(full(), 5.0, Some(id(1))).await.unwrap();
    let drawn = queue.write(Envelope::default(), -0.25, None).await.unwrap();
    queue.increment_attempts(&given).await.unwrap();
    queue.set_recipients_delivered(&given, &[2]).await.unwrap();
    queue.close().await.unwrap();
    drop(queue);
    for _ in 0..2 {
        let queue = storage(&place);
        let queued = queue.get(&given).await.unwrap();
        let recipients = full().recipients[..2].to_vec();
        assert_eq!((queued.envelope, queued.attempts), (Envelope { recipients, ..full() }, 1));
        assert_eq!(queued.indexes, [0, 1]);
        assert_eq!(queue.get(&drawn).await.unwrap().envelope, Envelope::default());
        let listed: BTreeMap<Id, f64> = list(&queue).await.into_iter().collect();
        assert_eq!(listed, [(given, 5.0), (drawn, -0.25)].into());
        drop(queue);
        place.restart();
    }
}

async fn everything_that_was_done_to_a_message_is_there_after_a_new_start<P: Place>(mut place: P) {
    let queue = storage(&place);
    for number in 1..=3 {
        queue.write(envelope(3, "text"), 5.0, Some(id(number))).await.unwrap();
    }
    queue.set_timestamp(&id(1), 7.0).await.unwrap();
    queue.remove(&id(2)).await.unwrap();
    let lease = Lease { until: 60.0, owner: "me".into() };
    let change = Change {
        expect: Expect { attempts: Some(0), ..Expect::default() },
        attempts: Some(Attempts::Set(4)),
        lease: Some(Some(lease.clone())),
        delivered: vec![0, 1],
        ..Change::default()
    };
    assert!(queue.change(&id(3), change.clone()).await.unwrap());
    assert!(!queue.change(&id(3), change).await.unwrap());
    queue.close().await.unwrap();
    drop(queue);
    place.restart();
    let queue = storage(&place);
    assert_eq!(list(&queue).await, [(id(1), 7.0), (id(3), 5.0)]);
    assert_eq!(code(queue.get(&id(2)).await).unwrap_err(), "no-such-message");
    let (left, _) = meta(&place.open(), 3).await.unwrap();
    assert_eq!(
        left,
        Meta { timestamp: 5.0, attempts: 4, delivered: vec![0, 1], lease: Some(lease), ..Meta::default() }
    );
}

async fn writing_an_id_that_is_there_changes_nothing_and_a_removed_one_can_be_written_again<P: Place>(place: P) {
    let (queue, other) = (storage(&place), storage(&place));
    queue.write(envelope(1, "first"), 5.0, Some(id(1))).await.unwrap();
    assert_eq!(other.write(envelope(1, "second"), 6.0, Some(id(1))).await.unwrap(), id(1));
    assert_eq!(other.get(&id(1)).await.unwrap().envelope, envelope(1, "first"));
    other.remove(&id(1)).await.unwrap();
    queue.write(envelope(1, "third"), 7.0, Some(id(1))).await.unwrap();
    assert_eq!(queue.get(&id(1)).await.unwrap().envelope, envelope(1, "third"));
}

async fn an_unknown_id_is_no_such_message_and_removing_it_is_no_error<P: Place>(place: P) {
    let queue = storage(&place);
    let results = [
        code(queue.get(&id(1)).await).map(drop),
        code(queue.set_timestamp(&id(1), 1.0).await),
        code(queue.increment_attempts(&id(1)).await).map(drop),
        code(queue.set_recipients_delivered(&id(1), &[0]).await),
        code(queue.change(&id(1), Change::default()).await).map(drop),
    ];
    assert_eq!(results, [Err("no-such-message"); 5]);
    queue.remove(&id(1)).await.unwrap();
}

async fn increments_from_four_storages_all_count<P: Place>(place: P) {
    let storages: Vec<_> = (0..4).map(|_| Rc::new(storage(&place))).collect();
    storages[0].write(envelope(1, "text"), 5.0, Some(id(1))).await.unwrap();
    let counts = together(
        storages
            .iter()
            .cycle()
            .take(400)
            .cloned()
            .map(|storage| async move { storage.increment_attempts(&id(1)).await.unwrap() }),
    )
    .await;
    assert_eq!(counts.into_iter().collect::<BTreeSet<_>>(), (1..=400).collect());
    assert_eq!(storages[3].get(&id(1)).await.unwrap().attempts, 400);
}

async fn changes_of_different_things_from_two_storages_all_take_effect<P: Place>(place: P) {
    let storages = [Rc::new(storage(&place)), Rc::new(storage(&place))];
    storages[0].write(envelope(100, "text"), 5.0, Some(id(1))).await.unwrap();
    together((0..99_u32).zip(storages.iter().cycle()).map(|(index, storage)| {
        let storage = Rc::clone(storage);
        async move {
            storage.set_recipients_delivered(&id(1), &[index]).await.unwrap();
            storage.increment_attempts(&id(1)).await.unwrap();
        }
    }))
    .await;
    let queued = storages[1].get(&id(1)).await.unwrap();
    assert_eq!((queued.indexes, queued.attempts), (vec![99], 99));
}

async fn of_many_who_claim_a_message_one_gets_it<P: Place>(place: P) {
    let storages: Vec<_> = (0..10).map(|_| Rc::new(storage(&place))).collect();
    storages[0].write(envelope(1, "text"), 5.0, Some(id(1))).await.unwrap();
    let claims = together(storages.iter().cloned().zip(0..).map(|(storage, owner)| async move {
        let lease = Lease { until: 60.0, owner: owner.to_string() };
        let expect = Expect { lease: Some(None), ..Expect::default() };
        storage.change(&id(1), Change { expect, lease: Some(Some(lease)), ..Change::default() }).await.unwrap()
    }))
    .await;
    assert_eq!(claims.into_iter().filter(|claimed| *claimed).count(), 1);
}

async fn a_message_that_is_removed_while_others_change_it_does_not_come_back<P: Place>(place: P) {
    for round in 0..20 {
        let storages = [Rc::new(storage(&place)), Rc::new(storage(&place))];
        storages[0].write(envelope(1, "text"), 5.0, Some(id(round))).await.unwrap();
        together((0..10).zip(storages.iter().cycle()).map(|(number, storage)| {
            let storage = Rc::clone(storage);
            async move {
                if number == 5 {
                    storage.remove(&id(round)).await.unwrap();
                } else {
                    let _ = code(storage.increment_attempts(&id(round)).await);
                }
            }
        }))
        .await;
        assert_eq!(place.open().sizes().await.unwrap(), Sizes { size: 0, meta_size: 0 });
    }
}

async fn ten_thousand_messages_are_listed_once_each_counted_and_found<P: Place>(place: P) {
    let queue = Rc::new(storage(&place));
    for first in (0..10_000).step_by(1000) {
        together((first..first + 1000_u32).map(|number| {
            let queue = Rc::clone(&queue);
            async move {
                let text = envelope(1, &number.to_string());
                queue.write(text, f64::from(number), Some(id(number.into()))).await.unwrap()
            }
        }))
        .await;
    }
    let expected = (0..10_000_u32).map(|number| (id(number.into()), f64::from(number)));
    assert!(list(&queue).await.into_iter().eq(expected));
    let info = queue.get_info().await.unwrap();
    assert_eq!((info.size, info.meta_size), (10_000, 10_000));
    assert_eq!(queue.get(&id(9_876)).await.unwrap().envelope, envelope(1, "9876"));
}

type Lists = Vec<Vec<(Id, f64)>>;

async fn every_message_that_stays_is_listed_exactly_once_while_others_come_and_go<P: Place>(place: P) {
    let queue = Rc::new(storage(&place));
    let stays: Vec<Id> = (0..2_000).map(|number| id(number * 5)).collect();
    for id in &stays {
        queue.write(envelope(1, "stays"), 5.0, Some(*id)).await.unwrap();
    }
    let busy = {
        let queue = Rc::clone(&queue);
        async move {
            for number in 0..1_000 {
                queue.write(envelope(1, "goes"), 6.0, Some(id(number * 5 + 1))).await.unwrap();
                queue.set_timestamp(&id(number * 10), 7.0).await.unwrap();
                queue.remove(&id(number * 5 + 1)).await.unwrap();
            }
            Lists::new()
        }
    };
    let lists = {
        let queue = Rc::clone(&queue);
        async move {
            let mut lists = Vec::new();
            for _ in 0..5 {
                lists.push(list(&queue).await);
            }
            lists
        }
    };
    let both: [Pin<Box<dyn Future<Output = Lists>>>; 2] = [Box::pin(busy), Box::pin(lists)];
    for listed in together(both.into_iter()).await.concat() {
        let ids: Vec<Id> = listed.into_iter().map(|(id, _)| id).filter(|id| id.as_u128() % 5 == 0).collect();
        assert_eq!(ids, stays);
    }
}

async fn large_and_odd_messages_come_back_whole_and_go_whole<P: Place>(place: P) {
    let queue = storage(&place);
    for length in [0, 1, 4_095, 4_096, 4_097, 65_535, 65_536, 1 << 20, 25_000_000] {
        let message: Vec<u8> = (0..length).map(|at: u32| at.to_le_bytes()[0] ^ at.to_le_bytes()[1]).collect();
        let written = Envelope { message, ..envelope(1, "large") };
        queue.write(written.clone(), 5.0, Some(id(1))).await.unwrap();
        assert!(storage(&place).get(&id(1)).await.unwrap().envelope == written, "{length} bytes");
        queue.remove(&id(1)).await.unwrap();
        assert_eq!(place.open().sizes().await.unwrap(), Sizes { size: 0, meta_size: 0 });
    }
}

async fn a_hundred_thousand_recipients_are_kept_and_marked<P: Place>(place: P) {
    let queue = storage(&place);
    queue.write(envelope(100_000, "text"), 5.0, Some(id(1))).await.unwrap();
    let all_but_one: Vec<u32> = (0..99_999).rev().collect();
    queue.set_recipients_delivered(&id(1), &all_but_one).await.unwrap();
    assert_eq!(storage(&place).get(&id(1)).await.unwrap().indexes, [99_999]);
}

async fn timestamps_are_any_finite_numbers<P: Place>(place: P) {
    let queue = storage(&place);
    queue.write(envelope(1, "text"), 5.0, Some(id(1))).await.unwrap();
    for timestamp in [0.0, -0.0, f64::MAX, f64::MIN, 5e-324, 1.0 / 3.0, 2_f64.powi(53) + 2.0] {
        queue.set_timestamp(&id(1), timestamp).await.unwrap();
        let [(_, listed)] = list(&storage(&place)).await[..] else { panic!("one message") };
        assert_eq!(listed, timestamp);
    }
}

async fn what_a_crash_has_left_alone_is_found_and_cleared_or_made_whole<P: Place>(place: P) {
    let host = place.open();
    for number in 1..=3 {
        assert!(write(&host, number).await);
        let (_, version) = meta(&host, number).await.unwrap();
        // What no storage does: one of the two records goes alone.
        let mut batch = if number == 3 { Batch::remove(id(3)) } else { Batch::clear_meta(id(number), version) };
        batch.checks.clear();
        if number == 3 {
            batch.writes.remove(0);
        }
        assert!(host.commit(batch).await.unwrap());
    }
    let queue = storage(&place);
    let found = queue.check().await.unwrap();
    let names = |numbers: &[u128]| numbers.iter().map(|number| id(*number).to_string()).collect::<Vec<_>>();
    assert_eq!((found.orphan_envelopes, found.orphan_meta), (names(&[1, 2]), names(&[3])));
    queue.write(envelope(2, "1"), 6.0, Some(id(1))).await.unwrap();
    queue.repair(Repair { min_age: 0.0, ..Repair::default() }).await.unwrap();
    assert_eq!(queue.check().await.unwrap(), Findings::default());
    assert_eq!(list(&queue).await, [(id(1), 6.0)]);
}

async fn a_storage_that_was_closed_refuses_every_call_and_another_one_goes_on<P: Place>(place: P) {
    let (queue, other) = (storage(&place), storage(&place));
    queue.write(envelope(1, "text"), 5.0, Some(id(1))).await.unwrap();
    queue.close().await.unwrap();
    queue.close().await.unwrap();
    assert_eq!(code(queue.get(&id(1)).await).unwrap_err(), "closed");
    assert_eq!(other.increment_attempts(&id(1)).await.unwrap(), 1);
}

macro_rules! on {
    ($host:ident, $place:ty, $($test:ident)*) => {
        mod $host {
            use super::*;

            $(
                #[test]
                fn $test() {
                    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
                    runtime.block_on(super::$test(<$place>::new()));
                }
            )*
        }
    };
}

macro_rules! on_every_host {
    ($($test:ident)*) => {
        on!(memory, MemoryHost, $($test)*);
        on!(one_by_one, OneByOne, $($test)*);
        #[cfg(feature = "redb")]
        on!(redb, InFile, $($test)*);
        #[cfg(feature = "redb")]
        on!(of_the_documents, LockedHost, $($test)*);
    };
}

on_every_host! {
    an_empty_host_has_no_records_no_entries_and_no_size
    what_a_batch_writes_is_read_back_by_every_host_and_nothing_else
    a_batch_whose_check_fails_returns_false_and_writes_nothing
    a_version_holds_while_other_records_change_and_no_longer_than_its_own
    deleting_is_no_error_where_nothing_is_and_leaves_nothing
    pages_show_every_id_once_and_at_most_as_many_at_a_time_as_asked
    of_many_who_insert_one_record_or_change_one_version_at_once_one_does
    a_hundred_commits_made_at_once_are_each_answered_and_a_failed_check_touches_no_other
    a_message_comes_back_as_it_was_written_also_after_a_new_start
    everything_that_was_done_to_a_message_is_there_after_a_new_start
    writing_an_id_that_is_there_changes_nothing_and_a_removed_one_can_be_written_again
    an_unknown_id_is_no_such_message_and_removing_it_is_no_error
    increments_from_four_storages_all_count
    changes_of_different_things_from_two_storages_all_take_effect
    of_many_who_claim_a_message_one_gets_it
    a_message_that_is_removed_while_others_change_it_does_not_come_back
    ten_thousand_messages_are_listed_once_each_counted_and_found
    every_message_that_stays_is_listed_exactly_once_while_others_come_and_go
    large_and_odd_messages_come_back_whole_and_go_whole
    a_hundred_thousand_recipients_are_kept_and_marked
    timestamps_are_any_finite_numbers
    what_a_crash_has_left_alone_is_found_and_cleared_or_made_whole
    a_storage_that_was_closed_refuses_every_call_and_another_one_goes_on
}
