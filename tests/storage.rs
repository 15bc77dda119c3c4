//! What each call of a storage does, and every error that it can end with.

use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use crate::support::scenario::id;
use crate::support::{Dicts, Failure, Fault, FaultHost, Step, Traits, Trouble, envelope, poll_once, run};
use slimta_queue_dict::host::{Check, Dict, Host, Stored, Write};
use slimta_queue_dict::{Attempts, Change, DictStorage, Envelope, Error, Expect, Id, Lease, MemoryHost, Meta};

type Storage = DictStorage<FaultHost>;

fn storage() -> Storage {
    DictStorage::new(FaultHost::new(Traits::default()))
}

/// A storage with one message for this many recipients.
fn with_message(recipients: usize) -> (Storage, Id) {
    let storage = storage();
    let id = run(storage.write(envelope(recipients, "text"), 5.0, None)).unwrap();
    (storage, id)
}

fn load<H: Host>(storage: &DictStorage<H>) -> Vec<(f64, Id)>
where
    H::Error: std::fmt::Debug,
{
    run(async {
        let mut load = storage.load();
        let mut messages = Vec::new();
        while let Some(message) = load.next().await.unwrap() {
            messages.push(message);
        }
        messages
    })
}

fn meta(storage: &Storage, id: Id) -> Meta {
    match storage.host().dicts().meta.get(&id) {
        Some(Stored::Good(meta)) => meta.clone(),
        other => panic!("{other:?}"),
    }
}

fn recipients(storage: &Storage, id: Id) -> Vec<String> {
    run(storage.get(&id)).unwrap().envelope.recipients
}

/// Every change of one message.
fn changes(storage: &Storage, id: Id) -> [(&'static str, Result<(), Error<Failure>>); 4] {
    [
        ("set_timestamp", run(storage.set_timestamp(&id, 6.0))),
        ("increment_attempts", run(storage.increment_attempts(&id)).map(drop)),
        ("set_recipients_delivered", run(storage.set_recipients_delivered(&id, &[0]))),
        ("change", run(storage.change(&id, Change { timestamp: Some(7.0), ..Change::default() })).map(drop)),
    ]
}

mod write {
    use super::*;

    #[test]
    fn a_written_message_is_listed_and_comes_back_as_it_was() {
        let storage = storage();
        let written = Envelope {
            sender: None,
            headers: vec![("X".into(), "folded\r\n value".into()), ("X".into(), "again".into())],
            message: vec![0, 255, 13, 10],
            receiver: Some("here".into()),
            timestamp: Some((-1.5).into()),
            ..envelope(2, "text")
        };
        let id = run(storage.write(written.clone(), 5.0, None)).unwrap();
        let queued = run(storage.get(&id)).unwrap();
        assert_eq!((queued.envelope, queued.attempts, queued.indexes), (written, 0, vec![0, 1]));
        assert_eq!(load(&storage), [(5.0, id)]);
        assert_eq!(meta(&storage, id), Meta::new(5.0));
    }

    #[test]
    fn ids_are_drawn_as_version_4_uuids_unless_given() {
        let (storage, id) = with_message(1);
        let digits = id.to_string();
        assert_eq!((digits.len(), digits.as_bytes()[12]), (32, b'4'));
        let given = Id::from_u128(1);
        assert_eq!(run(storage.write(envelope(1, "text"), 5.0, Some(given))).unwrap(), given);
    }

    #[test]
    fn a_write_under_an_id_that_is_there_returns_it_and_changes_nothing() {
        let (storage, id) = with_message(2);
        run(storage.increment_attempts(&id)).unwrap();
        let before = storage.host().dicts();
        assert_eq!(run(storage.write(envelope(1, "other"), 9.0, Some(id))).unwrap(), id);
        assert_eq!(storage.host().dicts(), before);
    }

    #[test]
    fn a_message_that_another_storage_completes_meanwhile_stays_as_it_is() {
        // The envelope of a write that was cut short; both storages write the same id again.
        let host = FaultHost::new(Traits::default());
        host.edit(|dicts| drop(dicts.envelopes.insert(id(1), Stored::Good(envelope(1, "text")))));
        let (storage, other) = (DictStorage::new(host.clone()), DictStorage::new(host.clone()));
        let mut commits = 0;
        host.plan(move |_, step| {
            commits += u32::from(step == Step::Commit);
            if step == Step::Commit && commits == 2 { Fault::Before(Trouble::Late(1)) } else { Fault::None }
        });
        let mut write = pin!(storage.write(envelope(1, "text"), 5.0, Some(id(1))));
        assert!(poll_once(write.as_mut()).is_pending());
        run(other.write(envelope(1, "text"), 5.0, Some(id(1)))).unwrap();
        run(other.increment_attempts(&id(1))).unwrap();
        let before = host.dicts();
        assert_eq!(run(write).unwrap(), id(1));
        assert_eq!(host.dicts(), before);
    }

    #[test]
    fn a_removed_id_is_forgotten_and_can_be_written_anew() {
        let (storage, id) = with_message(2);
        run(storage.increment_attempts(&id)).unwrap();
        run(storage.remove(&id)).unwrap();
        run(storage.write(envelope(1, "anew"), 9.0, Some(id))).unwrap();
        let queued = run(storage.get(&id)).unwrap();
        assert_eq!((queued.envelope, queued.attempts), (envelope(1, "anew"), 0));
    }

    #[test]
    fn a_drawn_id_that_is_taken_is_replaced_by_another() {
        let storage = storage();
        storage.host().fault_once(Step::Commit, Fault::Refuse);
        let id = run(storage.write(envelope(1, "text"), 5.0, None)).unwrap();
        let tried: Vec<Id> = storage
            .host()
            .batches()
            .iter()
            .filter_map(|batch| match batch.checks[..] {
                [Check::Absent(Dict::Envelope)] => Some(batch.id),
                _ => None,
            })
            .collect();
        assert_eq!(tried.len(), 2);
        assert_ne!(tried[0], tried[1]);
        assert_eq!(load(&storage), [(5.0, id)]);
    }

    #[test]
    fn a_write_reads_nothing_and_hands_over_the_envelope_before_the_meta_record() {
        let (storage, id) = with_message(1);
        assert_eq!(storage.host().steps(), [Step::Commit]);
        let batches = storage.host().batches();
        assert_eq!(batches[0].checks, [Check::Absent(Dict::Envelope)]);
        assert_eq!(batches[0].id, id);
        assert_eq!(batches[0].writes, [Write::Envelope(envelope(1, "text")), Write::Meta(Meta::new(5.0))]);
    }

    #[test]
    fn an_envelope_for_a_hundred_thousand_recipients_is_taken_and_marked() {
        let (storage, id) = with_message(100_000);
        let all_but_one: Vec<u32> = (1..100_000).rev().collect();
        run(storage.set_recipients_delivered(&id, &all_but_one)).unwrap();
        let queued = run(storage.get(&id)).unwrap();
        assert_eq!((queued.envelope.recipients, queued.indexes), (vec!["0@example.com".into()], vec![0]));
    }
}

mod delivered {
    use super::*;

    #[test]
    fn get_leaves_delivered_recipients_out_and_tells_the_original_indexes_of_the_others() {
        let (storage, id) = with_message(4);
        run(storage.set_recipients_delivered(&id, &[1])).unwrap();
        let queued = run(storage.get(&id)).unwrap();
        assert_eq!(queued.envelope.recipients, ["0@example.com", "2@example.com", "3@example.com"]);
        assert_eq!(queued.indexes, [0, 2, 3]);
    }

    #[test]
    fn a_second_partial_delivery_means_the_original_list_too() {
        let (storage, id) = with_message(3);
        run(storage.set_recipients_delivered(&id, &[0])).unwrap();
        run(storage.set_recipients_delivered(&id, &[2])).unwrap();
        assert_eq!(recipients(&storage, id), ["1@example.com"]);
    }

    #[test]
    fn every_two_partial_deliveries_leave_exactly_the_others() {
        for count in 1..=5_u32 {
            for first in 0..1_u32 << count {
                for second in 0..1_u32 << count {
                    let (storage, id) = with_message(usize::try_from(count).unwrap());
                    let indexes = |set: u32| (0..count).filter(|index| set >> index & 1 == 1).collect::<Vec<_>>();
                    run(storage.set_recipients_delivered(&id, &indexes(first))).unwrap();
                    run(storage.set_recipients_delivered(&id, &indexes(second))).unwrap();
                    assert_eq!(run(storage.get(&id)).unwrap().indexes, indexes(!(first | second)));
                }
            }
        }
    }

    #[test]
    fn marks_add_up_whatever_their_order_and_repeats_do_nothing() {
        let (storage, id) = with_message(5);
        run(storage.set_recipients_delivered(&id, &[4, 0, 4])).unwrap();
        run(storage.set_recipients_delivered(&id, &[0, 2])).unwrap();
        run(storage.set_recipients_delivered(&id, &[])).unwrap();
        assert_eq!(meta(&storage, id).delivered, [0, 2, 4]);
        let before = storage.host().dicts();
        run(storage.set_recipients_delivered(&id, &[2, 2])).unwrap();
        assert_eq!(storage.host().dicts(), before);
    }

    #[test]
    fn the_same_address_twice_is_two_recipients() {
        let storage = storage();
        let twice = Envelope { recipients: vec!["a".into(), "b".into(), "a".into()], ..Envelope::default() };
        let id = run(storage.write(twice, 5.0, None)).unwrap();
        run(storage.set_recipients_delivered(&id, &[0])).unwrap();
        assert_eq!(recipients(&storage, id), ["b", "a"]);
        run(storage.set_recipients_delivered(&id, &[2])).unwrap();
        assert_eq!(recipients(&storage, id), ["b"]);
    }

    #[test]
    fn a_message_with_all_recipients_delivered_is_still_there_until_removed() {
        let (storage, id) = with_message(2);
        run(storage.set_recipients_delivered(&id, &[0, 1])).unwrap();
        let queued = run(storage.get(&id)).unwrap();
        assert_eq!((queued.envelope.recipients.len(), queued.indexes.len()), (0, 0));
        assert_eq!(load(&storage), [(5.0, id)]);
    }

    #[test]
    fn marks_never_touch_the_envelope_and_survive_a_new_start() {
        let (storage, id) = with_message(2);
        let before = storage.host().dicts().envelopes;
        run(storage.set_recipients_delivered(&id, &[1])).unwrap();
        assert_eq!(storage.host().dicts().envelopes, before);
        let later = DictStorage::new(storage.host().restart());
        assert_eq!(recipients(&later, id), ["0@example.com"]);
    }

    #[test]
    fn an_index_is_judged_by_the_message_that_has_the_id_now() {
        // Another storage replaces the message by one with other recipients: what this one knew of
        // the old message must neither let a bad index in nor keep a good one out.
        for (old, new, index, fits) in [(3, 1, 2, false), (1, 3, 2, true)] {
            for (foretells, reads_between) in [(true, false), (true, true), (false, false), (false, true)] {
                let host = FaultHost::new(Traits { foretells, ..Traits::default() });
                let (storage, other) = (DictStorage::new(host.clone()), DictStorage::new(host));
                let id = run(storage.write(envelope(old, "text"), 5.0, None)).unwrap();
                run(storage.set_recipients_delivered(&id, &[0])).unwrap();
                run(storage.set_recipients_delivered(&id, &[0])).unwrap();
                run(other.remove(&id)).unwrap();
                run(other.write(envelope(new, "anew"), 6.0, Some(id))).unwrap();
                if reads_between {
                    run(storage.increment_attempts(&id)).unwrap();
                }
                let result = run(storage.set_recipients_delivered(&id, &[index])).map_err(|error| error.code());
                assert_eq!(result, if fits { Ok(()) } else { Err("invalid") }, "{old} recipients, then {new}");
            }
        }
    }
}

mod change {
    use super::*;

    fn lease() -> Lease {
        Lease { until: 60.0, owner: "me".into() }
    }

    #[test]
    fn the_timestamp_that_is_set_is_listed() {
        let (storage, id) = with_message(1);
        for timestamp in [-3.5, 0.0, f64::MAX, 1e-300] {
            run(storage.set_timestamp(&id, timestamp)).unwrap();
            assert_eq!(load(&storage), [(timestamp, id)]);
        }
    }

    #[test]
    fn attempts_are_counted_one_by_one() {
        let (storage, id) = with_message(1);
        for attempts in 1..=3 {
            assert_eq!(run(storage.increment_attempts(&id)).unwrap(), attempts);
            assert_eq!(run(storage.get(&id)).unwrap().attempts, attempts);
        }
    }

    #[test]
    fn several_changes_of_a_record_are_one_commit() {
        let (storage, id) = with_message(3);
        storage.host().heal();
        let change = Change {
            expect: Expect { timestamp: Some(5.0), attempts: Some(0), lease: Some(None), untold: Some(None) },
            timestamp: Some(9.0),
            attempts: Some(Attempts::Increment),
            lease: Some(Some(lease())),
            delivered: vec![2],
            ..Change::default()
        };
        assert!(run(storage.change(&id, change)).unwrap());
        assert_eq!(storage.host().batches().len(), 1);
        assert_eq!(
            meta(&storage, id),
            Meta { timestamp: 9.0, attempts: 1, delivered: vec![2], lease: Some(lease()), ..Meta::default() }
        );
        let back = Change { lease: Some(None), attempts: Some(Attempts::Set(7)), ..Change::default() };
        assert!(run(storage.change(&id, back)).unwrap());
        assert_eq!(meta(&storage, id), Meta { timestamp: 9.0, attempts: 7, delivered: vec![2], ..Meta::default() });
    }

    #[test]
    fn a_change_of_a_record_that_is_not_as_expected_is_false_and_changes_nothing() {
        let (storage, id) = with_message(3);
        let before = storage.host().dicts();
        for expect in [
            Expect { timestamp: Some(5.5), ..Expect::default() },
            Expect { attempts: Some(1), ..Expect::default() },
            Expect { lease: Some(Some(lease())), ..Expect::default() },
            Expect { timestamp: Some(5.0), attempts: Some(0), lease: Some(Some(lease())), untold: None },
        ] {
            let change = Change { expect, timestamp: Some(9.0), delivered: vec![1], ..Change::default() };
            assert!(!run(storage.change(&id, change)).unwrap());
            assert_eq!(storage.host().dicts(), before);
        }
    }

    #[test]
    fn an_expectation_is_held_against_what_is_stored_and_not_against_what_is_remembered() {
        let (storage, id) = with_message(1);
        run(storage.set_timestamp(&id, 6.0)).unwrap();
        let other = DictStorage::new(storage.host().clone());
        run(other.set_timestamp(&id, 7.0)).unwrap();
        let expecting = |timestamp| Change {
            expect: Expect { timestamp: Some(timestamp), ..Expect::default() },
            lease: Some(Some(lease())),
            ..Change::default()
        };
        assert!(!run(storage.change(&id, expecting(6.0))).unwrap());
        run(other.set_timestamp(&id, 8.0)).unwrap();
        assert!(run(storage.change(&id, expecting(8.0))).unwrap());
    }

    #[test]
    fn a_change_reads_the_meta_record_once_and_the_next_one_not_at_all_where_versions_are_foretold() {
        for (foretells, second) in [(true, vec![Step::Commit]), (false, vec![Step::ReadMeta, Step::Commit])] {
            let host = FaultHost::new(Traits { foretells, ..Traits::default() });
            run(DictStorage::new(host.clone()).write(envelope(1, "text"), 5.0, Some(id(1)))).unwrap();
            let storage = DictStorage::new(host.clone());
            host.heal();
            run(storage.increment_attempts(&id(1))).unwrap();
            assert_eq!(host.steps(), [Step::ReadMeta, Step::Commit]);
            host.heal();
            run(storage.set_timestamp(&id(1), 6.0)).unwrap();
            assert_eq!(host.steps(), second);
        }
    }

    #[test]
    fn a_host_that_never_waits_is_done_with_every_call_at_the_first_poll() {
        let host = FaultHost::new(Traits { is_async: false, ..Traits::default() });
        let storage = DictStorage::new(host.clone());
        macro_rules! at_once {
            ($call:expr) => {
                assert!(poll_once(pin!($call)).is_ready(), stringify!($call))
            };
        }
        at_once!(storage.write(envelope(2, "text"), 5.0, Some(id(1))));
        at_once!(storage.increment_attempts(&id(1)));
        at_once!(storage.set_timestamp(&id(1), 6.0));
        at_once!(storage.set_recipients_delivered(&id(1), &[1]));
        at_once!(storage.change(&id(1), Change::default()));
        at_once!(storage.get(&id(1)));
        at_once!(storage.load().next());
        at_once!(storage.get_info());
        at_once!(storage.check());
        at_once!(storage.remove(&id(1)));
        host.fault_always(Step::Commit, Fault::Refuse);
        at_once!(storage.increment_attempts(&id(1)));
    }
}

mod remove_and_info {
    use super::*;

    #[test]
    fn a_removed_message_is_gone_from_both_dictionaries() {
        let (storage, id) = with_message(1);
        run(storage.remove(&id)).unwrap();
        assert_eq!(storage.host().dicts(), Dicts::default());
        assert_eq!(load(&storage), []);
    }

    #[test]
    fn a_remove_reads_nothing_and_deletes_the_meta_record_before_the_envelope() {
        let (storage, id) = with_message(1);
        storage.host().heal();
        run(storage.remove(&id)).unwrap();
        assert_eq!(storage.host().steps(), [Step::Commit]);
        let batches = storage.host().batches();
        assert_eq!(batches[0].writes, [Write::Delete(Dict::Meta), Write::Delete(Dict::Envelope)]);
    }

    #[test]
    fn the_remove_of_a_missing_message_is_no_error() {
        let (storage, id) = with_message(1);
        for _ in 0..2 {
            run(storage.remove(&id)).unwrap();
        }
        run(storage.remove(&Id::from_u128(0))).unwrap();
    }

    #[test]
    fn sizes_are_those_of_the_dictionaries() {
        let (storage, _) = with_message(1);
        storage.host().edit(|dicts| drop(dicts.envelopes.insert(id(1), Stored::Good(envelope(1, "orphan")))));
        let info = run(storage.get_info()).unwrap();
        assert_eq!((info.size, info.meta_size), (2, 1));
    }
}

mod isolation {
    use super::*;

    #[test]
    fn what_a_caller_does_to_an_envelope_that_it_got_changes_nothing_in_the_queue() {
        let storage = DictStorage::new(MemoryHost::new());
        let written = envelope(2, "text");
        let id = run(storage.write(written.clone(), 5.0, None)).unwrap();
        let mut got = run(storage.get(&id)).unwrap().envelope;
        got.recipients.clear();
        got.message.push(1);
        assert_eq!(run(storage.get(&id)).unwrap().envelope, written);
    }

    #[tokio::test]
    async fn storages_over_one_host_see_each_other_and_over_two_hosts_do_not() {
        let shared = MemoryHost::new();
        let (first, second) = (DictStorage::new(shared.clone()), DictStorage::new(shared));
        let id = first.write(envelope(1, "text"), 5.0, None).await.unwrap();
        assert_eq!(second.increment_attempts(&id).await.unwrap(), 1);
        assert_eq!(first.increment_attempts(&id).await.unwrap(), 2);
        assert_eq!(load(&second), [(5.0, id)]);
        assert_eq!(load(&DictStorage::new(MemoryHost::new())), []);
    }
}

mod errors {
    use super::*;

    #[test]
    fn every_call_but_write_and_remove_says_that_there_is_no_such_message() {
        let (storage, removed) = with_message(1);
        run(storage.remove(&removed)).unwrap();
        let before = storage.host().dicts();
        for missing in [removed, Id::from_u128(0)] {
            let get = ("get", run(storage.get(&missing)).map(drop));
            for (call, result) in changes(&storage, missing).into_iter().chain([get]) {
                assert_eq!(result, Err(Error::NoSuchMessage(missing)), "{call}");
            }
        }
        assert_eq!(storage.host().dicts(), before);
    }

    #[test]
    fn a_message_that_another_storage_has_removed_is_not_brought_back() {
        let (storage, id) = with_message(1);
        run(storage.increment_attempts(&id)).unwrap();
        run(DictStorage::new(storage.host().clone()).remove(&id)).unwrap();
        for (call, result) in changes(&storage, id) {
            assert_eq!(result, Err(Error::NoSuchMessage(id)), "{call}");
        }
        assert_eq!(storage.host().dicts(), Dicts::default());
    }

    #[test]
    fn bad_input_is_refused_by_name_before_the_host_hears_of_it() {
        let (storage, id) = with_message(1);
        storage.host().heal();
        let bad = |name: &str, came: &str, result: Result<(), Error<Failure>>| {
            let error = result.unwrap_err();
            let text = error.to_string();
            assert_eq!(error.code(), "invalid");
            assert!(text.starts_with(&format!("{name}: ")) && text.contains(came), "{text}");
            assert_eq!(storage.host().steps(), []);
        };
        for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let came = &number.to_string();
            bad("timestamp", came, run(storage.write(envelope(1, "text"), number, None)).map(drop));
            let dated = Envelope { timestamp: Some(number.into()), ..Envelope::default() };
            bad("timestamp", came, run(storage.write(dated, 5.0, None)).map(drop));
            bad("timestamp", came, run(storage.set_timestamp(&id, number)));
            let change = Change { timestamp: Some(number), ..Change::default() };
            bad("timestamp", came, run(storage.change(&id, change)).map(drop));
            let lease = Lease { until: number, owner: "me".into() };
            let change = Change { lease: Some(Some(lease)), ..Change::default() };
            bad("lease.until", came, run(storage.change(&id, change)).map(drop));
        }
        for text in ["a\rb", "a\nb", "a\0b", "a@b>\r\nRCPT TO:<c@d"] {
            let (text, came) = (String::from(text), &format!("{text:?}"));
            let sender = Envelope { sender: Some(text.clone()), ..envelope(1, "text") };
            bad("sender", came, run(storage.write(sender, 5.0, None)).map(drop));
            let recipient = Envelope { recipients: vec!["ok".into(), text.clone()], ..Envelope::default() };
            bad("recipients[1]", came, run(storage.write(recipient, 5.0, None)).map(drop));
            let header = Envelope { headers: vec![("A".into(), text.clone())], ..Envelope::default() };
            bad("headers[0][1]", came, run(storage.write(header, 5.0, None)).map(drop));
            let name =
                Envelope { headers: vec![("A".into(), "ok".into()), (text, "ok".into())], ..Envelope::default() };
            bad("headers[1][0]", came, run(storage.write(name, 5.0, None)).map(drop));
        }
    }

    #[test]
    fn an_index_out_of_range_is_refused_by_name_and_none_of_the_call_is_marked() {
        let (storage, id) = with_message(3);
        for indexes in [vec![0, 3], vec![0, 1, u32::MAX], vec![3]] {
            let position = indexes.len() - 1;
            let error = run(storage.set_recipients_delivered(&id, &indexes)).unwrap_err();
            let text = error.to_string();
            assert_eq!(error.code(), "invalid");
            assert!(text.starts_with(&format!("rcptIndexes[{position}]: ")), "{text}");
            assert!(text.ends_with(&indexes[position].to_string()), "{text}");
            let change = Change { timestamp: Some(9.0), delivered: indexes, ..Change::default() };
            assert_eq!(run(storage.change(&id, change)).unwrap_err(), error);
            assert_eq!(meta(&storage, id), Meta::new(5.0));
        }
    }

    #[test]
    fn a_corrupt_record_is_reported_and_left_alone() {
        let (storage, message) = with_message(1);
        storage.host().edit(|dicts| drop(dicts.meta.insert(message, Stored::Corrupt)));
        let before = storage.host().dicts();
        let get = ("get", run(storage.get(&message)).map(drop));
        for (call, result) in changes(&storage, message).into_iter().chain([get]) {
            assert_eq!(result, Err(Error::Corrupt(message)), "{call}");
        }
        assert_eq!(run(storage.write(envelope(1, "again"), 5.0, Some(message))).unwrap(), message);
        assert_eq!(storage.host().dicts(), before);

        let (storage, message) = with_message(1);
        storage.host().edit(|dicts| drop(dicts.envelopes.insert(message, Stored::Corrupt)));
        assert_eq!(run(storage.get(&message)), Err(Error::Corrupt(message)));
        run(storage.remove(&message)).unwrap();
        assert_eq!(storage.host().dicts(), Dicts::default());
    }

    #[test]
    fn a_record_of_a_newer_format_is_reported_and_left_alone() {
        let (storage, message) = with_message(1);
        storage.host().edit(|dicts| drop(dicts.meta.insert(message, Stored::Newer)));
        let before = storage.host().dicts();
        let get = ("get", run(storage.get(&message)).map(drop));
        for (call, result) in changes(&storage, message).into_iter().chain([get]) {
            assert_eq!(result, Err(Error::NewerFormat(message)), "{call}");
        }
        assert_eq!(storage.host().dicts(), before);

        let (storage, message) = with_message(1);
        storage.host().edit(|dicts| drop(dicts.envelopes.insert(message, Stored::Newer)));
        assert_eq!(run(storage.get(&message)), Err(Error::NewerFormat(message)));
    }

    #[test]
    fn a_change_that_others_keep_overtaking_ends_as_a_conflict_and_has_changed_nothing() {
        for is_async in [true, false] {
            let host = FaultHost::new(Traits { is_async, ..Traits::default() });
            let storage = DictStorage::new(host.clone()).with_deadline(Duration::from_secs(5));
            run(storage.write(envelope(1, "text"), 5.0, Some(id(1)))).unwrap();
            host.fault_always(Step::Commit, Fault::Refuse);
            assert_eq!(run(storage.increment_attempts(&id(1))), Err(Error::Conflict(id(1))));
            assert!(host.batches().len() > 3, "it tried {} times", host.batches().len());
            host.heal();
            assert_eq!(run(storage.increment_attempts(&id(1))), Ok(1));
        }
    }

    #[test]
    fn every_call_on_a_closed_storage_is_refused_and_the_host_is_closed_once() {
        let (storage, id) = with_message(1);
        storage.host().heal();
        run(storage.close()).unwrap();
        run(storage.close()).unwrap();
        let others = [
            ("write", run(storage.write(envelope(1, "text"), 5.0, None)).map(drop)),
            ("get", run(storage.get(&id)).map(drop)),
            ("load", run(storage.load().next()).map(drop)),
            ("remove", run(storage.remove(&id))),
            ("get_info", run(storage.get_info()).map(drop)),
            ("check", run(storage.check()).map(drop)),
            ("repair", run(storage.repair(Default::default())).map(drop)),
        ];
        for (call, result) in changes(&storage, id).into_iter().chain(others) {
            assert_eq!(result, Err(Error::Closed), "{call}");
        }
        assert_eq!(storage.host().steps(), [Step::Close]);
    }

    #[test]
    fn a_close_after_one_that_was_given_up_waits_for_the_calls_under_way_and_for_the_host() {
        let storage = storage();
        storage.host().plan(|_, _| Fault::Before(Trouble::Late(1)));
        let mut writing = pin!(storage.write(envelope(1, "text"), 5.0, None));
        assert!(poll_once(writing.as_mut()).is_pending());
        assert!(poll_once(pin!(storage.close())).is_pending());
        assert!(poll_once(pin!(storage.close())).is_pending());
        run(writing).unwrap();
        assert!(poll_once(pin!(storage.close())).is_pending());
        assert_eq!(storage.host().steps().last(), Some(&Step::Close));
        let mut closing = pin!(storage.close());
        assert!(poll_once(closing.as_mut()).is_pending());
        run(closing).unwrap();
        assert_eq!(poll_once(pin!(storage.close())), Poll::Ready(Ok(())));
    }

    #[test]
    fn an_error_names_its_code_its_message_and_its_source() {
        let (storage, id) = with_message(1);
        let mut errors = vec![run(storage.set_timestamp(&id, f64::NAN)).unwrap_err()];
        for (step, fault) in [
            (Step::Commit, Fault::Before(Trouble::Fail)),
            (Step::Commit, Fault::After(Trouble::Fail)),
            (Step::Commit, Fault::Before(Trouble::Hang)),
            (Step::ReadMeta, Fault::Before(Trouble::Hang)),
            (Step::Commit, Fault::Refuse),
        ] {
            let storage = DictStorage::new(storage.host().clone()).with_deadline(Duration::from_secs(1));
            storage.host().fault_always(step, fault);
            errors.push(run(storage.increment_attempts(&id)).unwrap_err());
            storage.host().heal();
        }
        for damage in [Some(Stored::Corrupt), Some(Stored::Newer), None] {
            storage.host().edit(|dicts| match damage {
                Some(damage) => drop(dicts.meta.insert(id, damage)),
                None => drop(dicts.meta.remove(&id)),
            });
            errors.push(run(storage.increment_attempts(&id)).unwrap_err());
        }
        run(storage.close()).unwrap();
        errors.push(run(storage.increment_attempts(&id)).unwrap_err());
        let named: Vec<_> = errors.iter().map(|error| (error.code(), error.id())).collect();
        let expected = [
            ("invalid", None),
            ("host", None),
            ("unknown-outcome", Some(id)),
            ("unknown-outcome", Some(id)),
            ("timeout", None),
            ("conflict", Some(id)),
            ("corrupt", Some(id)),
            ("newer-format", Some(id)),
            ("no-such-message", Some(id)),
            ("closed", None),
        ];
        assert_eq!(named, expected);
        assert_eq!(errors[1], Error::Host(Failure::Failed));
        assert_eq!(errors[2], Error::UnknownOutcome { id, source: Some(Failure::Lost) });
        assert_eq!(errors[3], Error::UnknownOutcome { id, source: None });
        for error in errors {
            let text = error.to_string();
            assert!(error.id().is_none_or(|id| text.contains(&id.to_string())), "{text}");
            let source = std::error::Error::source(&error).map(ToString::to_string);
            assert!(source.is_none_or(|source| text.contains(&source)), "{text}");
        }
    }
}
