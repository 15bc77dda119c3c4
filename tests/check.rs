//! Finding what crashes and foreign_keys have left behind, and clearing no more than that.

use std::pin::pin;

use crate::support::scenario::{at_once, id};
use crate::support::{Dicts, Fault, FaultHost, Step, Traits, Trouble, envelope, poll_once, run};
use slimta_queue_dict::host::Stored;
use slimta_queue_dict::{DictStorage, Findings, Meta, Repair};

const HOUR: f64 = 3_600_000.0;

/// The records of one message: envelope and meta.
type Records = (Option<Stored<()>>, Option<Stored<()>>);

/// A host with one message after the other, numbered from 1.
fn host(messages: &[Records]) -> FaultHost {
    let mut dicts = Dicts::default();
    for (number, (envelope_record, meta_record)) in (1..).zip(messages) {
        if let Some(record) = envelope_record {
            dicts.envelopes.insert(id(number), replace(record, envelope(1, "text")));
        }
        if let Some(record) = meta_record {
            dicts.meta.insert(id(number), replace(record, Meta::new(5.0)));
        }
    }
    FaultHost::over(dicts, Traits { page: 2, ..Traits::default() })
}

fn replace<T>(stored: &Stored<()>, good: T) -> Stored<T> {
    match stored {
        Stored::Good(()) => Stored::Good(good),
        Stored::Corrupt => Stored::Corrupt,
        Stored::Newer => Stored::Newer,
    }
}

const GOOD: Option<Stored<()>> = Some(Stored::Good(()));
const CORRUPT: Option<Stored<()>> = Some(Stored::Corrupt);
const NEWER: Option<Stored<()>> = Some(Stored::Newer);

fn texts<const N: usize>(numbers: [u128; N]) -> Vec<String> {
    numbers.map(|number| id(number).to_string()).to_vec()
}

fn orphan_envelopes<const N: usize>(numbers: [u128; N]) -> Findings {
    Findings { orphan_envelopes: texts(numbers), ..Findings::default() }
}

fn cleared(storage: &DictStorage<FaultHost>, repair: Repair) -> Findings {
    run(storage.repair(repair)).unwrap()
}

#[test]
fn a_sound_store_has_no_findings_and_nothing_to_clear() {
    let storage = DictStorage::new(host(&[(GOOD, GOOD), (GOOD, GOOD), (GOOD, GOOD)]));
    let before = storage.host().dicts();
    assert_eq!(run(storage.check()).unwrap(), Findings::default());
    assert_eq!(cleared(&storage, at_once()), Findings::default());
    assert_eq!(storage.host().dicts(), before);
}

#[test]
fn check_names_orphans_corrupt_records_and_keys_that_are_no_ids_and_changes_nothing() {
    let records = [(GOOD, GOOD), (GOOD, None), (None, GOOD), (CORRUPT, GOOD), (GOOD, CORRUPT), (None, CORRUPT)];
    let storage = DictStorage::new(host(&records));
    storage.host().edit(|dicts| dicts.foreign_keys.push("__proto__".into()));
    let before = storage.host().dicts();
    let mut found = run(storage.check()).unwrap();
    found.corrupt.sort();
    assert_eq!(found.orphan_envelopes, texts([2]));
    assert_eq!(found.orphan_meta, texts([3]));
    assert_eq!(found.corrupt, [texts([4, 5, 6]), vec!["__proto__".into()]].concat());
    assert_eq!(storage.host().dicts(), before);
}

#[test]
fn check_names_records_of_a_newer_format_since_no_list_shows_them() {
    let storage = DictStorage::new(host(&[(GOOD, GOOD), (GOOD, NEWER), (NEWER, NEWER), (NEWER, GOOD)]));
    let found = run(storage.check()).unwrap();
    assert_eq!(found, Findings { corrupt: texts([2, 3, 4]), ..Findings::default() });
}

#[test]
fn repair_never_deletes_what_is_corrupt_or_of_a_newer_format() {
    let damaged = [None, GOOD, CORRUPT, NEWER];
    let mut records = Vec::new();
    for envelope in &damaged {
        for meta in &damaged {
            if [envelope, meta].iter().any(|record| matches!(record, Some(Stored::Corrupt | Stored::Newer))) {
                records.push((envelope.clone(), meta.clone()));
            }
        }
    }
    let storage = DictStorage::new(host(&records));
    let before = storage.host().dicts();
    assert_eq!(cleared(&storage, at_once()), Findings::default());
    assert_eq!(storage.host().dicts(), before);
}

#[test]
fn repair_clears_an_orphan_envelope_only_when_it_was_one_already_min_age_ago() {
    let storage = DictStorage::new(host(&[(GOOD, None), (GOOD, GOOD)]));
    assert_eq!(cleared(&storage, Repair::default()), Findings::default());
    storage.host().advance(HOUR - 1.0);
    assert_eq!(cleared(&storage, Repair::default()), Findings::default());
    storage.host().advance(1.0);
    assert_eq!(cleared(&storage, Repair::default()), orphan_envelopes([1]));
    assert_eq!(run(storage.check()).unwrap(), Findings::default());
}

#[test]
fn a_check_dates_orphans_too() {
    let storage = DictStorage::new(host(&[(GOOD, None)]));
    assert_eq!(run(storage.check()).unwrap(), orphan_envelopes([1]));
    storage.host().advance(HOUR);
    assert_eq!(cleared(&storage, Repair::default()), orphan_envelopes([1]));
}

#[test]
fn an_id_that_is_an_orphan_for_the_second_time_has_its_age_counted_anew() {
    let orphan = |dicts: &mut Dicts| drop(dicts.envelopes.insert(id(1), Stored::Good(envelope(1, "text"))));
    let storage = DictStorage::new(host(&[(GOOD, None)]));
    run(storage.check()).unwrap();
    storage.host().advance(HOUR);
    assert_eq!(cleared(&storage, Repair::default()), orphan_envelopes([1]));
    storage.host().edit(orphan);
    assert_eq!(cleared(&storage, Repair::default()), Findings::default(), "it may be a write under way");

    // The same when the message was whole in between.
    storage.host().edit(|dicts| drop(dicts.meta.insert(id(1), Stored::Good(Meta::new(5.0)))));
    run(storage.check()).unwrap();
    storage.host().edit(|dicts| drop(dicts.meta.remove(&id(1))));
    storage.host().advance(HOUR);
    assert_eq!(cleared(&storage, Repair::default()), Findings::default());
}

#[test]
fn an_envelope_whose_meta_record_comes_after_all_is_kept() {
    let host = host(&[(GOOD, None)]);
    let storage = DictStorage::new(host.clone());
    // The record comes when the repair has already seen that it is missing.
    host.fault_once(Step::Commit, Fault::Before(Trouble::Late(1)));
    let mut repair = pin!(storage.repair(at_once()));
    assert!(poll_once(repair.as_mut()).is_pending());
    host.edit(|dicts| drop(dicts.meta.insert(id(1), Stored::Good(Meta::new(5.0)))));
    assert_eq!(run(repair).unwrap(), Findings::default());
    assert!(run(storage.get(&id(1))).is_ok());
}

#[test]
fn orphan_meta_is_cleared_at_once_unless_its_envelope_comes_after_all() {
    let host = host(&[(None, GOOD), (None, GOOD), (GOOD, GOOD)]);
    let storage = DictStorage::new(host.clone());
    host.fault_once(Step::Commit, Fault::Before(Trouble::Late(1)));
    let mut repair = pin!(storage.repair(Repair::default()));
    assert!(poll_once(repair.as_mut()).is_pending());
    host.edit(|dicts| drop(dicts.envelopes.insert(id(1), Stored::Good(envelope(1, "text")))));
    let expected = Findings { orphan_meta: texts([2]), ..Findings::default() };
    assert_eq!(run(repair).unwrap(), expected);
    assert_eq!(run(storage.check()).unwrap(), Findings::default());
    assert!(run(storage.get(&id(1))).is_ok());
}

#[test]
fn requeue_lists_a_message_again_whose_envelope_is_good_and_meta_record_is_not() {
    for records in [(GOOD, CORRUPT), (GOOD, None)] {
        let storage = DictStorage::new(host(&[records]));
        let requeue = Repair { requeue: vec![id(1)], ..Repair::default() };
        cleared(&storage, requeue);
        assert_eq!(storage.host().dicts().meta[&id(1)], Stored::Good(Meta::new(0.0)));
        assert_eq!(run(storage.load().next()).unwrap(), Some((0.0, id(1))));
        assert_eq!(run(storage.get(&id(1))).unwrap().envelope, envelope(1, "text"));
    }
}

#[test]
fn requeue_leaves_alone_what_is_whole_missing_unreadable_or_of_a_newer_format() {
    let records = [(GOOD, GOOD), (None, None), (CORRUPT, CORRUPT), (CORRUPT, GOOD), (None, CORRUPT), (GOOD, NEWER)];
    let storage = DictStorage::new(host(&records));
    let before = storage.host().dicts();
    let requeue = Repair { requeue: (1..=6).map(id).collect(), ..Repair::default() };
    assert_eq!(cleared(&storage, requeue), Findings::default());
    assert_eq!(storage.host().dicts(), before);
}

#[test]
fn a_message_of_which_the_envelope_is_of_a_newer_format_does_not_keep_others_from_being_requeued() {
    let storage = DictStorage::new(host(&[(NEWER, CORRUPT), (GOOD, CORRUPT)]));
    let _ = run(storage.repair(Repair { requeue: vec![id(1), id(2)], ..Repair::default() }));
    let dicts = storage.host().dicts();
    assert_eq!(dicts.meta[&id(1)], Stored::Corrupt);
    assert_eq!(dicts.meta[&id(2)], Stored::Good(Meta::new(0.0)));
}

#[test]
fn a_corrupt_message_can_be_removed() {
    let storage = DictStorage::new(host(&[(CORRUPT, CORRUPT)]));
    run(storage.remove(&id(1))).unwrap();
    assert_eq!(run(storage.check()).unwrap(), Findings::default());
}

#[test]
fn a_write_of_the_same_storage_under_way_is_not_taken_for_an_orphan() {
    let host = FaultHost::new(Traits { atomic: false, ..Traits::default() });
    let storage = DictStorage::new(host.clone());
    let mut writes = 0;
    // Late between the envelope and the meta record.
    host.plan(move |_, step| {
        writes += u32::from(step == Step::Write);
        if step == Step::Write && writes == 2 { Fault::Before(Trouble::Late(9)) } else { Fault::None }
    });
    let mut write = pin!(storage.write(envelope(1, "text"), 5.0, Some(id(1))));
    assert!(poll_once(write.as_mut()).is_pending());
    let (written, cleared) = run(async { tokio::join!(write, storage.repair(at_once())) });
    assert_eq!((written.unwrap(), cleared.unwrap()), (id(1), Findings::default()));
    assert!(run(storage.get(&id(1))).is_ok());
}
