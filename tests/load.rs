//! Listing is complete, names each message once, and takes a page at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::task::Poll;
use std::time::Duration;

use crate::support::scenario::id;
use crate::support::{Failure, Fault, FaultHost, Step, Traits, Trouble, envelope, poll_once, run};
use slimta_queue_dict::host::{Host, Stored};
use slimta_queue_dict::{DictStorage, Error, Id, Load, MemoryHost, Meta};

type Storage = DictStorage<FaultHost>;

/// A storage with messages of the numbers 10, 20, ..., each due at its number, on a host whose
/// pages have two keys at most.
fn storage(messages: u32) -> Storage {
    let storage = DictStorage::new(FaultHost::new(Traits { page: 2, ..Traits::default() }));
    for number in (1..=messages).map(|number| number * 10) {
        run(storage.write(envelope(1, "text"), f64::from(number), Some(id(number.into())))).unwrap();
    }
    storage.host().heal();
    storage
}

async fn rest<H: Host>(load: &mut Load<'_, H>) -> Result<BTreeMap<Id, f64>, Error<H::Error>> {
    let mut listed = BTreeMap::new();
    while let Some((timestamp, id)) = load.next().await? {
        assert_eq!(listed.insert(id, timestamp), None, "{id} is listed twice");
    }
    Ok(listed)
}

fn listed(storage: &Storage) -> Vec<(u128, f64)> {
    let listed = run(rest(&mut storage.load())).unwrap();
    listed.into_iter().map(|(id, timestamp)| (id.as_u128(), timestamp)).collect()
}

#[test]
fn an_empty_queue_lists_nothing() {
    assert_eq!(listed(&storage(0)), []);
}

#[test]
fn every_message_of_any_number_of_pages_is_listed_once_with_its_timestamp() {
    for count in 1..12 {
        let expected: Vec<_> = (1..=count).map(|number| (u128::from(number * 10), f64::from(number * 10))).collect();
        assert_eq!(listed(&storage(count)), expected);
    }
}

#[tokio::test]
async fn more_messages_than_a_page_of_a_large_host_are_all_listed() {
    let storage = DictStorage::new(MemoryHost::new());
    let mut written = BTreeMap::new();
    for number in 0..3210 {
        let timestamp = f64::from(number);
        written.insert(storage.write(envelope(1, "text"), timestamp, None).await.unwrap(), timestamp);
    }
    assert_eq!(rest(&mut storage.load()).await.unwrap(), written);
}

#[test]
fn a_listing_asks_for_no_page_before_it_needs_it() {
    let storage = storage(7);
    let mut load = storage.load();
    assert_eq!(storage.host().steps(), []);
    for (message, pages) in (1..).zip([1, 1, 2, 2, 3, 3, 4]) {
        assert_eq!(run(load.next()).unwrap(), Some((f64::from(message * 10), id((message * 10).try_into().unwrap()))));
        assert_eq!(storage.host().steps(), vec![Step::Page; pages]);
    }
    assert_eq!(run(load.next()), Ok(None));
    assert_eq!(run(load.next()), Ok(None));
}

#[test]
fn an_empty_page_does_not_end_the_listing() {
    let storage = storage(6);
    // Orphans fill pages in the middle, of which a listing shows nothing.
    storage.host().edit(|dicts| {
        for number in 31..=36 {
            dicts.envelopes.insert(id(number), Stored::Good(envelope(1, "orphan")));
        }
    });
    assert_eq!(listed(&storage).len(), 6);
    let pages = storage.host().steps().len();
    assert!(pages > 5, "{pages} pages");
}

#[test]
fn what_is_there_all_the_time_is_listed_once_whatever_changes_at_any_moment() {
    // Before each message that the listing yields, all others around it come, go and change.
    for moment in 0..8 {
        let storage = storage(8);
        let stays: BTreeSet<Id> = [10, 30, 40, 60, 80].map(id).into();
        run(async {
            let mut load = storage.load();
            let mut seen = Vec::new();
            for step in 0.. {
                if step == moment {
                    for number in [20, 50, 70] {
                        storage.remove(&id(number)).await.unwrap();
                    }
                    for number in (1..100).filter(|number| number % 10 != 0) {
                        storage.write(envelope(1, "new"), -1.0, Some(id(number))).await.unwrap();
                    }
                    for id in &stays {
                        storage.set_timestamp(id, 1000.0).await.unwrap();
                        storage.increment_attempts(id).await.unwrap();
                    }
                }
                match load.next().await.unwrap() {
                    Some((_, id)) => seen.push(id),
                    None => break,
                }
            }
            let unique: BTreeSet<Id> = seen.iter().copied().collect();
            assert_eq!(unique.len(), seen.len(), "moment {moment}: one is listed twice");
            assert!(unique.is_superset(&stays), "moment {moment}: one is missing");
        });
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_listing_is_complete_and_exact_while_many_tasks_write_remove_and_change() {
    let storage = Arc::new(DictStorage::new(MemoryHost::new()));
    let mut stays = BTreeSet::new();
    for _ in 0..3000 {
        stays.insert(storage.write(envelope(1, "stays"), 1.0, None).await.unwrap());
    }
    let (stop, changes) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
    let tasks: Vec<_> = (0..3)
        .map(|task| {
            let (storage, stop, changes) = (storage.clone(), stop.clone(), changes.clone());
            let moved: Vec<Id> = stays.iter().skip(task).step_by(7).copied().collect();
            tokio::spawn(async move {
                for id in moved.iter().cycle() {
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    let new = storage.write(envelope(1, "goes"), 2.0, None).await.unwrap();
                    storage.set_timestamp(id, f64::from(changes.fetch_add(1, Ordering::Relaxed))).await.unwrap();
                    storage.remove(&new).await.unwrap();
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    while changes.load(Ordering::Relaxed) < 2000 {
        let listed = rest(&mut storage.load()).await.unwrap();
        assert!(stays.iter().all(|id| listed.contains_key(id)));
        tokio::task::yield_now().await;
    }
    stop.store(true, Ordering::Relaxed);
    for task in tasks {
        task.await.unwrap();
    }
    assert!(rest(&mut storage.load()).await.unwrap().into_keys().eq(stays));
}

#[test]
fn records_that_cannot_be_read_never_stop_the_listing_and_check_names_them() {
    let storage = storage(6);
    storage.host().edit(|dicts| {
        dicts.meta.insert(id(10), Stored::Corrupt);
        dicts.meta.insert(id(11), Stored::Corrupt);
        dicts.meta.insert(id(30), Stored::Newer);
        dicts.meta.insert(id(60), Stored::Newer);
        dicts.foreign_keys.push("not an id".into());
    });
    let before = storage.host().dicts();
    assert_eq!(listed(&storage), [(20, 20.0), (40, 40.0), (50, 50.0)]);
    let corrupt: BTreeSet<String> = run(storage.check()).unwrap().corrupt.into_iter().collect();
    let expected = [10, 11, 30, 60].map(|number| id(number).to_string()).into_iter().chain(["not an id".into()]);
    assert_eq!(corrupt, expected.collect());
    assert_eq!(storage.host().dicts(), before);
}

#[test]
fn a_message_with_a_corrupt_envelope_is_listed_and_get_tells() {
    let storage = storage(2);
    storage.host().edit(|dicts| drop(dicts.envelopes.insert(id(10), Stored::Corrupt)));
    assert_eq!(listed(&storage), [(10, 10.0), (20, 20.0)]);
    assert_eq!(run(storage.get(&id(10))), Err(Error::Corrupt(id(10))));
}

#[test]
fn a_call_that_is_given_up_takes_no_message_with_it() {
    let storage = storage(6);
    storage.host().plan(|_, _| Fault::Before(Trouble::Late(1)));
    let mut load = storage.load();
    let mut listed = Vec::new();
    loop {
        let given_up = poll_once(pin!(load.next()));
        let next = if let Poll::Ready(next) = given_up { next } else { run(load.next()) };
        let Some((timestamp, _)) = next.unwrap() else { break };
        listed.push(timestamp);
    }
    assert_eq!(listed, [10.0, 20.0, 30.0, 40.0, 50.0, 60.0]);
}

#[test]
fn a_listing_whose_host_fails_says_so_and_ends_and_the_next_one_is_complete() {
    for page in 0..3 {
        let storage = storage(6);
        storage.host().fault_at(page, Fault::Before(Trouble::Fail));
        run(async {
            let mut load = storage.load();
            assert_eq!(rest(&mut load).await, Err(Error::Host(Failure::Failed)));
            assert_eq!(load.next().await, Ok(None));
        });
        assert_eq!(listed(&storage).len(), 6);
    }
}

#[test]
fn a_listing_whose_host_hangs_ends_by_the_deadline_and_the_next_one_is_complete() {
    let storage = DictStorage::new(storage(6).host().restart()).with_deadline(Duration::from_millis(40));
    storage.host().fault_at(1, Fault::Before(Trouble::Hang));
    assert_eq!(run(rest(&mut storage.load())), Err(Error::Timeout));
    assert_eq!(listed(&storage).len(), 6);
}

#[test]
fn the_deadline_is_that_of_a_page_and_not_of_the_whole_listing() {
    let storage = DictStorage::new(storage(6).host().restart()).with_deadline(Duration::from_millis(40));
    storage.host().fault_always(Step::Page, Fault::After(Trouble::Late(30)));
    assert_eq!(listed(&storage).len(), 6);
}

#[test]
fn several_listings_at_once_do_not_disturb_each_other() {
    let storage = storage(6);
    storage.host().fault_always(Step::Page, Fault::Before(Trouble::Late(2)));
    let (one, two) = run(async {
        let (mut one, mut two) = (storage.load(), storage.load());
        one.next().await.unwrap();
        tokio::join!(rest(&mut one), rest(&mut two))
    });
    assert_eq!((one.unwrap().len(), two.unwrap().len()), (5, 6));
}

#[test]
fn a_listing_changes_nothing() {
    let storage = storage(5);
    storage.host().edit(|dicts| drop(dicts.meta.insert(id(11), Stored::Good(Meta::new(5.0)))));
    let before = storage.host().dicts();
    listed(&storage);
    assert_eq!(storage.host().dicts(), before);
    assert!(storage.host().batches().is_empty());
}
