//! Waiting yields what is there and then whatever becomes due at another time.

use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use crate::support::scenario::id;
use crate::support::{Failure, Fault, FaultHost, Step, Traits, Trouble, envelope, poll_once, run};
use slimta_queue_dict::host::Stored;
use slimta_queue_dict::{Change, DictStorage, Error, Id, MemoryHost, Meta, Repair, Wait};

type Storage = DictStorage<FaultHost>;

/// So seldom that only what was said is heard of.
const NEVER: Duration = Duration::from_secs(1_000_000);

fn storage(messages: u32) -> Storage {
    let storage = DictStorage::new(FaultHost::new(Traits { page: 2, ..Traits::default() }));
    for number in 1..=messages {
        write(&storage, number);
    }
    storage
}

fn write(storage: &Storage, number: u32) {
    run(storage.write(envelope(1, "text"), f64::from(number), Some(id(number.into())))).unwrap();
}

/// All that the waiting one can have without waiting, in the order of ids and times.
fn heard(storage: &Storage, wait: &mut Wait<Id>) -> Vec<(u128, f64)> {
    let mut heard = Vec::new();
    loop {
        match poll_once(pin!(wait.next(storage))) {
            Poll::Ready(Ok(Some((timestamp, id)))) => heard.push((id.as_u128(), timestamp)),
            Poll::Ready(Ok(None)) => panic!("it has ended"),
            Poll::Ready(Err(error)) => panic!("{error:?}"),
            Poll::Pending => break,
        }
    }
    heard.sort_by(|(one, at), (two, then)| one.cmp(two).then(at.total_cmp(then)));
    heard
}

#[test]
fn it_begins_with_what_is_there() {
    let storage = storage(5);
    let mut wait = storage.wait(NEVER);
    assert_eq!(heard(&storage, &mut wait), [(1, 1.0), (2, 2.0), (3, 3.0), (4, 4.0), (5, 5.0)]);
    assert_eq!(heard(&storage, &mut wait), []);
}

#[test]
fn it_goes_on_with_what_is_written_through_the_same_storage() {
    let storage = storage(1);
    let mut wait = storage.wait(NEVER);
    heard(&storage, &mut wait);
    write(&storage, 7);
    assert_eq!(heard(&storage, &mut wait), [(7, 7.0)]);
    write(&storage, 8);
    write(&storage, 9);
    assert_eq!(heard(&storage, &mut wait), [(8, 8.0), (9, 9.0)]);
}

#[test]
fn it_yields_every_timestamp_changed_through_the_same_storage() {
    let storage = storage(2);
    let mut wait = storage.wait(NEVER);
    heard(&storage, &mut wait);
    run(storage.set_timestamp(&id(1), 10.0)).unwrap();
    assert_eq!(heard(&storage, &mut wait), [(1, 10.0)]);
    run(storage.change(&id(2), Change { timestamp: Some(20.0), ..Change::default() })).unwrap();
    assert_eq!(heard(&storage, &mut wait), [(2, 20.0)]);
    // Back to what was yielded before: that is a change too.
    run(storage.set_timestamp(&id(1), 1.0)).unwrap();
    assert_eq!(heard(&storage, &mut wait), [(1, 1.0)]);
}

#[test]
fn what_is_written_between_the_call_of_wait_and_its_first_message_is_yielded() {
    let storage = storage(1);
    let mut wait = storage.wait(NEVER);
    write(&storage, 2);
    let heard: BTreeSet<_> = heard(&storage, &mut wait).into_iter().map(|(id, _)| id).collect();
    assert_eq!(heard, [1, 2].into());
}

#[test]
fn what_changes_while_it_looks_through_the_pages_is_yielded_as_it_is_then() {
    for after in 0..6 {
        let storage = storage(6);
        let mut wait = storage.wait(NEVER);
        let mut last = std::collections::BTreeMap::new();
        for _ in 0..after {
            let (timestamp, id) = run(wait.next(&storage)).unwrap().unwrap();
            last.insert(id.as_u128(), timestamp);
        }
        for number in [1, 3, 6] {
            run(storage.set_timestamp(&id(number), 100.0)).unwrap();
        }
        write(&storage, 7);
        last.extend(heard(&storage, &mut wait));
        let expected = [(1, 100.0), (2, 2.0), (3, 100.0), (4, 4.0), (5, 5.0), (6, 100.0), (7, 7.0)];
        assert!(last.into_iter().eq(expected), "changed after {after} messages");
    }
}

#[test]
fn what_another_storage_changes_is_yielded_once_notified() {
    let storage = storage(1);
    let other = DictStorage::new(storage.host().clone());
    let mut wait = storage.wait(NEVER);
    heard(&storage, &mut wait);
    write(&other, 5);
    run(other.set_timestamp(&id(1), 10.0)).unwrap();
    assert_eq!(heard(&storage, &mut wait), []);
    storage.notify(id(5));
    storage.notify(id(99)); // of a message that is not there
    assert_eq!(heard(&storage, &mut wait), [(5, 5.0)]);
    storage.notify(id(1));
    assert_eq!(heard(&storage, &mut wait), [(1, 10.0)]);
}

#[test]
fn what_another_storage_changes_is_yielded_after_a_rescan() {
    let storage = storage(4);
    let other = DictStorage::new(storage.host().clone());
    let mut wait = storage.wait(NEVER);
    heard(&storage, &mut wait);
    write(&other, 5);
    run(other.set_timestamp(&id(1), 10.0)).unwrap();
    run(other.remove(&id(2))).unwrap();
    assert_eq!(heard(&storage, &mut wait), []);
    storage.rescan();
    assert_eq!(heard(&storage, &mut wait), [(1, 10.0), (5, 5.0)]);
}

#[test]
fn a_rescan_asked_for_during_a_scan_sees_what_that_scan_has_passed() {
    let storage = storage(6);
    let other = DictStorage::new(storage.host().clone());
    let mut wait = storage.wait(NEVER);
    for _ in 0..3 {
        run(wait.next(&storage)).unwrap();
    }
    run(other.set_timestamp(&id(1), 10.0)).unwrap();
    storage.rescan();
    assert!(heard(&storage, &mut wait).contains(&(1, 10.0)));
}

#[test]
fn what_another_storage_changes_is_yielded_in_time_even_if_nobody_says_so() {
    let storage = storage(1);
    let other = DictStorage::new(storage.host().clone());
    let mut wait = storage.wait(Duration::from_millis(1000));
    heard(&storage, &mut wait);
    write(&other, 2);
    storage.host().advance(900.0);
    assert_eq!(heard(&storage, &mut wait), []);
    storage.host().advance(100.0);
    assert_eq!(heard(&storage, &mut wait), [(2, 2.0)]);
    run(other.set_timestamp(&id(1), 10.0)).unwrap();
    // Nobody moves the clock now but those who look at it.
    assert_eq!(run(wait.next(&storage)), Ok(Some((10.0, id(1)))));
}

#[test]
fn a_message_that_was_removed_and_written_again_under_its_id_is_yielded_again() {
    let storage = storage(2);
    let mut wait = storage.wait(NEVER);
    heard(&storage, &mut wait);
    run(storage.remove(&id(1))).unwrap();
    write(&storage, 1);
    assert_eq!(heard(&storage, &mut wait), [(1, 1.0)]);
}

#[test]
fn a_message_that_a_scan_has_missed_and_a_later_one_finds_again_is_yielded_again() {
    let storage = storage(2);
    let other = DictStorage::new(storage.host().clone());
    let mut wait = storage.wait(NEVER);
    heard(&storage, &mut wait);
    run(other.remove(&id(1))).unwrap();
    storage.rescan();
    assert_eq!(heard(&storage, &mut wait), []);
    write(&other, 1);
    storage.rescan();
    assert_eq!(heard(&storage, &mut wait), [(1, 1.0)]);
}

#[test]
fn a_requeued_message_is_yielded() {
    let storage = storage(1);
    let mut wait = storage.wait(NEVER);
    storage.host().edit(|dicts| drop(dicts.meta.insert(id(1), Stored::Corrupt)));
    assert_eq!(heard(&storage, &mut wait), []);
    run(storage.repair(Repair { requeue: vec![id(1)], ..Repair::default() })).unwrap();
    assert_eq!(heard(&storage, &mut wait), [(1, 0.0)]);
}

#[test]
fn records_that_cannot_be_read_are_passed_over() {
    let storage = storage(5);
    storage.host().edit(|dicts| {
        dicts.meta.insert(id(2), Stored::Corrupt);
        dicts.meta.insert(id(4), Stored::Newer);
    });
    let mut wait = storage.wait(NEVER);
    assert_eq!(heard(&storage, &mut wait), [(1, 1.0), (3, 3.0), (5, 5.0)]);
    storage.notify(id(2));
    storage.notify(id(4));
    assert_eq!(heard(&storage, &mut wait), []);
    storage.host().edit(|dicts| drop(dicts.meta.insert(id(2), Stored::Good(Meta::new(9.0)))));
    storage.rescan();
    assert_eq!(heard(&storage, &mut wait), [(2, 9.0)]);
}

#[test]
fn each_of_several_that_wait_hears_everything() {
    let storage = storage(2);
    let mut waits: Vec<_> = (0..3).map(|_| storage.wait(NEVER)).collect();
    for wait in &mut waits {
        assert_eq!(heard(&storage, wait).len(), 2);
    }
    waits.pop();
    write(&storage, 3);
    for wait in &mut waits {
        assert_eq!(heard(&storage, wait), [(3, 3.0)]);
    }
}

#[test]
fn one_that_has_fallen_far_behind_still_hears_of_every_message() {
    let storage = DictStorage::new(FaultHost::new(Traits::default()));
    let mut wait = storage.wait(NEVER);
    heard(&storage, &mut wait);
    for number in 1..=3000 {
        write(&storage, number);
    }
    let heard: BTreeSet<_> = heard(&storage, &mut wait).into_iter().map(|(id, _)| id).collect();
    assert_eq!(heard.len(), 3000);
}

#[test]
fn it_ends_when_the_storage_is_closed() {
    let storage = storage(1);
    let mut wait = storage.wait(NEVER);
    heard(&storage, &mut wait);
    run(async {
        let (message, closed) = tokio::join!(wait.next(&storage), storage.close());
        assert_eq!((message, closed), (Ok(None), Ok(())));
        assert_eq!(wait.next(&storage).await, Ok(None));
    });
}

#[test]
fn a_scan_that_fails_or_hangs_is_told_and_begun_anew_by_the_next_call() {
    for (trouble, error) in [(Trouble::Fail, Error::Host(Failure::Failed)), (Trouble::Hang, Error::Timeout)] {
        for page in 0..3 {
            let storage = DictStorage::new(storage(5).host().restart()).with_deadline(Duration::from_millis(40));
            let mut wait = storage.wait(NEVER);
            storage.host().fault_at(page, Fault::Before(trouble));
            let mut messages = BTreeSet::new();
            run(async {
                loop {
                    match wait.next(&storage).await {
                        Ok(message) => assert!(messages.insert(message.unwrap().1.as_u128())),
                        Err(told) => return assert_eq!(told, error),
                    }
                }
            });
            messages.extend(heard(&storage, &mut wait).into_iter().map(|(id, _)| id));
            assert_eq!(messages, (1..=5).collect());
        }
    }
}

#[test]
fn a_message_whose_reading_failed_is_yielded_by_a_later_call() {
    let storage = DictStorage::new(storage(2).host().restart()).with_deadline(Duration::from_millis(40));
    for trouble in [Trouble::Fail, Trouble::Hang] {
        let mut wait = storage.wait(NEVER);
        heard(&storage, &mut wait);
        // Somebody else changes it: it has to be read.
        run(DictStorage::new(storage.host().clone()).set_timestamp(&id(1), 10.0)).unwrap();
        storage.notify(id(1));
        storage.host().fault_once(Step::ReadMeta, Fault::Before(trouble));
        run(wait.next(&storage)).unwrap_err();
        assert_eq!(heard(&storage, &mut wait), [(1, 10.0)]);
        run(storage.set_timestamp(&id(1), 1.0)).unwrap();
    }
}

#[test]
fn a_call_that_is_given_up_takes_no_message_with_it() {
    let storage = storage(3);
    let mut wait = storage.wait(NEVER);
    storage.host().plan(|_, _| Fault::Before(Trouble::Late(1)));
    let mut messages = BTreeSet::new();
    // Every other call is given up at once, in the scan and in hearing of changes.
    let mut call = |wait: &mut Wait<Id>| {
        let _ = poll_once(pin!(wait.next(&storage))).map(|message| messages.insert(message.unwrap().unwrap().1));
        let mut next = pin!(wait.next(&storage));
        for _ in 0..3 {
            if let Poll::Ready(message) = poll_once(next.as_mut()) {
                messages.insert(message.unwrap().unwrap().1);
                return;
            }
        }
    };
    for _ in 0..8 {
        call(&mut wait);
    }
    for number in 4..=6 {
        write(&storage, number);
        for _ in 0..4 {
            call(&mut wait);
        }
    }
    assert_eq!(messages, (1..=6).map(id).collect());
}

#[test]
fn a_scan_whose_calls_are_given_up_goes_on_where_it_was() {
    let storage = DictStorage::new(FaultHost::new(Traits { page: 1, ..Traits::default() }));
    (1..=4).for_each(|number| write(&storage, number));
    let mut wait = storage.wait(NEVER);
    storage.host().plan(|_, _| Fault::Before(Trouble::Late(1)));
    let mut messages = BTreeSet::new();
    for _ in 0..10 {
        assert!(poll_once(pin!(wait.next(&storage))).is_pending());
        let mut next = pin!(wait.next(&storage));
        if poll_once(next.as_mut()).is_pending()
            && let Poll::Ready(message) = poll_once(next)
        {
            messages.insert(message.unwrap().unwrap().1);
        }
    }
    assert_eq!(messages, (1..=4).map(id).collect());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_many_tasks_write_and_change_wakes_the_one_that_waits() {
    let storage = Arc::new(DictStorage::new(MemoryHost::new()));
    let waiting = tokio::spawn({
        let storage = storage.clone();
        async move {
            let mut wait = storage.wait(NEVER);
            let mut due = BTreeSet::new();
            while let Some((timestamp, id)) = wait.next(&storage).await.unwrap() {
                if timestamp == 2.0 {
                    due.insert(id);
                }
                if due.len() == 400 {
                    break;
                }
            }
            due
        }
    });
    let writers: Vec<_> = (0..4)
        .map(|_| {
            let storage = storage.clone();
            tokio::spawn(async move {
                let mut written = Vec::new();
                for _ in 0..100 {
                    let id = storage.write(envelope(1, "text"), 1.0, None).await.unwrap();
                    storage.set_timestamp(&id, 2.0).await.unwrap();
                    written.push(id);
                }
                written
            })
        })
        .collect();
    let mut written = BTreeSet::new();
    for writer in writers {
        written.extend(writer.await.unwrap());
    }
    let due = tokio::time::timeout(Duration::from_secs(300), waiting).await.expect("nobody woke it").unwrap();
    assert_eq!(due, written);
}
