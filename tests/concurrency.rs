//! Calls that overlap: on one message they follow each other, and none waits for ever.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use crate::support::scenario::id;
use crate::support::{Failure, Fault, FaultHost, Step, Traits, Trouble, envelope, poll_once, run};
use slimta_queue_dict::{Change, DictStorage, Error, Expect, Id, Lease, MemoryHost, Repair};
use tokio::task::JoinSet;

type Storage = DictStorage<FaultHost>;

static ONE: LazyLock<Id> = LazyLock::new(|| id(1));
static TWO: LazyLock<Id> = LazyLock::new(|| id(2));

/// A storage with two messages for three recipients each.
fn storage() -> Arc<Storage> {
    with_deadline(None)
}

fn with_deadline(deadline: Option<Duration>) -> Arc<Storage> {
    let storage = DictStorage::new(FaultHost::new(Traits::default()));
    let storage = if let Some(deadline) = deadline { storage.with_deadline(deadline) } else { storage };
    for number in [*ONE, *TWO] {
        run(storage.write(envelope(3, "text"), 5.0, Some(number))).unwrap();
    }
    Arc::new(storage)
}

/// A storage that remembers nothing of the messages, so that it has to read first.
fn forgetful() -> Storage {
    DictStorage::new(storage().host().restart())
}

/// Ends a test in which a call is never woken, instead of letting it wait.
async fn ends<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(300), future).await.expect("the call never ends")
}

fn is_pending<F: Future + ?Sized>(future: Pin<&mut F>) -> bool {
    poll_once(future).is_pending()
}

async fn all(storage: &Storage) -> Vec<(f64, Id)> {
    let (mut load, mut all) = (storage.load(), Vec::new());
    while let Some(message) = load.next().await.unwrap() {
        all.push(message);
    }
    all
}

fn attempts(storage: &Storage, id: &Id) -> u32 {
    run(storage.get(id)).unwrap().attempts
}

mod nothing_is_lost {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn increments_of_many_tasks_through_four_storages_are_all_counted() {
        let host = MemoryHost::new();
        let storages: Vec<_> = (0..4).map(|_| Arc::new(DictStorage::new(host.clone()))).collect();
        let id = storages[0].write(envelope(1, "text"), 5.0, None).await.unwrap();
        let mut tasks = JoinSet::new();
        for task in 0..8 {
            let storage = storages[task % 4].clone();
            tasks.spawn(async move {
                for _ in 0..500 {
                    storage.increment_attempts(&id).await.unwrap();
                }
            });
        }
        ends(tasks.join_all()).await;
        assert_eq!(storages[0].get(&id).await.unwrap().attempts, 4000);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn every_number_of_attempts_is_returned_once_across_storages() {
        let host = FaultHost::new(Traits::default());
        let storages: Vec<_> = (0..4).map(|_| Arc::new(DictStorage::new(host.clone()))).collect();
        storages[0].write(envelope(1, "text"), 5.0, Some(*ONE)).await.unwrap();
        host.plan(|number, _| Fault::Before(Trouble::Late(u32::try_from(number % 5).unwrap())));
        let mut tasks = JoinSet::new();
        for task in 0..100 {
            let storage = storages[task % 4].clone();
            tasks.spawn(async move { storage.increment_attempts(&ONE).await.unwrap() });
        }
        let mut results = ends(tasks.join_all()).await;
        results.sort_unstable();
        assert!(results.into_iter().eq(1..=100));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn marks_timestamps_and_attempts_of_many_tasks_all_take_effect() {
        let host = MemoryHost::new();
        let storages: Vec<_> = (0..2).map(|_| Arc::new(DictStorage::new(host.clone()))).collect();
        let id = storages[0].write(envelope(64, "text"), 5.0, None).await.unwrap();
        let mut tasks = JoinSet::new();
        for recipient in 0..64_u32 {
            let storage = storages[usize::from(recipient % 2 == 1)].clone();
            tasks.spawn(async move {
                storage.set_recipients_delivered(&id, &[recipient]).await.unwrap();
                storage.increment_attempts(&id).await.unwrap();
                storage.set_timestamp(&id, f64::from(recipient)).await.unwrap();
            });
        }
        ends(tasks.join_all()).await;
        let queued = storages[1].get(&id).await.unwrap();
        assert_eq!((queued.indexes, queued.attempts), (vec![], 64));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn of_many_that_claim_one_message_one_gets_it() {
        let host = MemoryHost::new();
        let storages: Vec<_> = (0..4).map(|_| Arc::new(DictStorage::new(host.clone()))).collect();
        for round in 0..20 {
            let id = storages[0].write(envelope(1, "text"), 5.0, None).await.unwrap();
            let mut tasks = JoinSet::new();
            for (owner, storage) in storages.iter().cycle().take(8).cloned().enumerate() {
                let lease = Lease { until: 60.0, owner: owner.to_string() };
                let expect = Expect { lease: Some(None), ..Expect::default() };
                let claim = Change { expect, lease: Some(Some(lease)), ..Change::default() };
                tasks.spawn(async move { storage.change(&id, claim).await.unwrap() });
            }
            let claimed = ends(tasks.join_all()).await.into_iter().filter(|claimed| *claimed).count();
            assert_eq!(claimed, 1, "round {round}");
        }
    }

    #[tokio::test]
    async fn calls_on_thousands_of_messages_at_once_are_kept_apart() {
        // More than a storage remembers or has places for.
        let host = FaultHost::new(Traits::default());
        let (storage, other) = (Arc::new(DictStorage::new(host.clone())), DictStorage::new(host.clone()));
        for number in 0..3000 {
            storage.write(envelope(2, "text"), 5.0, Some(id(number))).await.unwrap();
        }
        host.fault_always(Step::Commit, Fault::Before(Trouble::Late(1)));
        let mut tasks = JoinSet::new();
        for number in (0..3000_u32).chain(0..3000) {
            let storage = storage.clone();
            tasks.spawn(async move {
                let id = id(number.into());
                storage.set_timestamp(&id, f64::from(number)).await.unwrap();
                storage.set_recipients_delivered(&id, &[number % 2]).await.unwrap();
                storage.increment_attempts(&id).await.unwrap();
            });
        }
        ends(tasks.join_all()).await;
        for number in 0..3000_u32 {
            let queued = other.get(&id(number.into())).await.unwrap();
            assert_eq!((queued.attempts, queued.indexes), (2, vec![1 - number % 2]), "message {number}");
        }
        let mut load = other.load();
        while let Some((timestamp, id)) = load.next().await.unwrap() {
            assert_eq!(timestamp, f64::from(u32::try_from(id.as_u128()).unwrap()));
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn writes_of_one_given_id_at_once_make_one_whole_message() {
        for atomic in [true, false] {
            let host = FaultHost::new(Traits { atomic, ..Traits::default() });
            host.plan(|number, _| Fault::Before(Trouble::Late(u32::try_from(number % 3).unwrap())));
            let storages: Vec<_> = (0..4).map(|_| Arc::new(DictStorage::new(host.clone()))).collect();
            let mut tasks = JoinSet::new();
            for (writer, storage) in (1..).zip(storages.iter().cycle().take(16).cloned()) {
                tasks.spawn(async move {
                    let timestamp = f64::from(u32::try_from(writer).unwrap());
                    let envelope = envelope(writer, &writer.to_string());
                    storage.write(envelope, timestamp, Some(*ONE)).await.unwrap()
                });
            }
            assert_eq!(ends(tasks.join_all()).await, vec![*ONE; 16]);
            let listed = storages[0].load().next().await.unwrap().unwrap();
            let queued = storages[0].get(&ONE).await.unwrap();
            assert_eq!(queued.envelope.message, listed.0.to_string().into_bytes(), "records of two messages");
        }
    }
}

mod in_turn {
    use super::*;

    #[tokio::test]
    async fn increments_that_wait_for_one_message_share_commits() {
        let storage = storage();
        storage.host().fault_always(Step::Commit, Fault::Before(Trouble::Late(5)));
        let mut tasks = JoinSet::new();
        for _ in 0..100 {
            let storage = storage.clone();
            tasks.spawn(async move { storage.increment_attempts(&ONE).await.unwrap() });
        }
        let mut results = ends(tasks.join_all()).await;
        results.sort_unstable();
        assert!(results.into_iter().eq(1..=100));
        let commits = storage.host().batches().len();
        assert!(commits <= 5, "{commits} commits");
    }

    #[test]
    fn different_changes_share_a_commit_and_each_gets_its_own_result() {
        let storage = storage();
        storage.host().fault_always(Step::Commit, Fault::Before(Trouble::Late(3)));
        let not_so = Change { expect: Expect { attempts: Some(9), ..Expect::default() }, ..Change::default() };
        run(async {
            let (first, second, marked, refused, unexpected, moved) = tokio::join!(
                storage.increment_attempts(&ONE),
                storage.increment_attempts(&ONE),
                storage.set_recipients_delivered(&ONE, &[1]),
                storage.set_recipients_delivered(&ONE, &[0, 3]),
                storage.change(&ONE, not_so),
                storage.set_timestamp(&ONE, 9.0),
            );
            assert_eq!((first, second, marked), (Ok(1), Ok(2), Ok(())));
            assert_eq!(refused.unwrap_err().code(), "invalid");
            assert_eq!((unexpected, moved), (Ok(false), Ok(())));
        });
        assert_eq!(storage.host().batches().len(), 2);
        assert_eq!(run(storage.get(&ONE)).unwrap().indexes, [0, 2]);
    }

    #[test]
    fn calls_on_one_message_take_effect_in_the_order_in_which_they_began() {
        let storage = storage();
        storage.host().plan(|_, _| Fault::Before(Trouble::Late(2)));
        run(async {
            let results = tokio::join!(
                storage.set_timestamp(&ONE, 1.0),
                storage.set_timestamp(&ONE, 2.0),
                storage.increment_attempts(&ONE),
                storage.remove(&ONE),
                storage.increment_attempts(&ONE),
                storage.write(envelope(1, "anew"), 3.0, Some(*ONE)),
                storage.increment_attempts(&ONE),
                storage.set_timestamp(&ONE, 4.0),
            );
            assert_eq!((results.0, results.1, results.2, results.3), (Ok(()), Ok(()), Ok(1), Ok(())));
            assert_eq!(results.4, Err(Error::NoSuchMessage(*ONE)));
            assert_eq!((results.5, results.6, results.7), (Ok(*ONE), Ok(1), Ok(())));
            assert_eq!(storage.load().next().await, Ok(Some((4.0, *ONE))));
        });
    }

    #[test]
    fn calls_on_one_message_do_not_conflict_with_themselves() {
        for foretells in [true, false] {
            let host = FaultHost::over(storage().host().dicts(), Traits { foretells, ..Traits::default() });
            let storage = DictStorage::new(host.clone());
            host.plan(|_, _| Fault::After(Trouble::Late(3)));
            run(async {
                for _ in 0..5 {
                    let (one, two, three) = tokio::join!(
                        storage.increment_attempts(&ONE),
                        storage.set_recipients_delivered(&ONE, &[0]),
                        storage.increment_attempts(&TWO),
                    );
                    one.and(two.map(|()| 0)).and(three).unwrap();
                }
            });
            // Each batch that was handed over was made: what it changed is there.
            assert_eq!((attempts(&storage, &ONE), attempts(&storage, &TWO)), (5, 5));
            assert!(host.batches().len() <= 11, "{} commits", host.batches().len());
        }
    }

    #[test]
    fn a_message_whose_commit_hangs_holds_up_no_other_message() {
        let storage = storage();
        storage.host().fault_once(Step::Commit, Fault::Before(Trouble::Hang));
        let mut hung = pin!(storage.increment_attempts(&ONE));
        assert!(is_pending(hung.as_mut()));
        assert_eq!(run(storage.increment_attempts(&TWO)), Ok(1));
        assert_eq!(attempts(&storage, &TWO), 1);
        run(storage.write(envelope(1, "text"), 5.0, None)).unwrap();
        run(storage.remove(&TWO)).unwrap();
        assert!(is_pending(hung.as_mut()));
    }
}

mod given_up {
    use super::*;

    /// Begins an increment, gives it up after `polls` polls, and returns whether a batch had gone to
    /// the host by then. Meanwhile another call has come to wait behind it.
    async fn give_up_the_first_of_two(polls: usize, host: FaultHost) -> (bool, Result<u32, Error<Failure>>, u32) {
        let storage = Arc::new(DictStorage::new(host));
        let mut first = Box::pin(storage.increment_attempts(&ONE));
        let _ = poll_once(first.as_mut());
        let second = tokio::spawn({
            let storage = storage.clone();
            async move { storage.increment_attempts(&ONE).await }
        });
        tokio::task::yield_now().await;
        for _ in 1..polls {
            if poll_once(first.as_mut()).is_ready() {
                break;
            }
        }
        let handed = !storage.host().batches().is_empty();
        drop(first);
        let second = ends(second).await.unwrap();
        let later = ends(storage.increment_attempts(&ONE)).await.unwrap();
        (handed, second, later)
    }

    #[tokio::test]
    async fn a_call_that_is_given_up_at_any_poll_blocks_neither_the_next_nor_a_later_one() {
        for polls in 1..25 {
            let host = forgetful().host().restart();
            host.plan(|_, _| Fault::Before(Trouble::Late(5)));
            let (_, second, later) = give_up_the_first_of_two(polls, host).await;
            assert_eq!(second.map(|second| second + 1), Ok(later), "given up after {polls} polls");
        }
    }

    #[test]
    fn the_one_that_acts_for_several_is_given_up_before_it_hands_anything_over_and_the_others_go_on() {
        // Two wait behind a third; the first of the two then acts for both, and is given up while it
        // reads.
        let storage = forgetful();
        storage.host().plan(|_, _| Fault::Before(Trouble::Late(5)));
        let mut ahead = Box::pin(storage.remove(&TWO));
        let mut leader = Box::pin(storage.increment_attempts(&TWO));
        let mut follower = pin!(storage.write(envelope(1, "text"), 5.0, Some(*TWO)));
        assert!(is_pending(ahead.as_mut()) && is_pending(leader.as_mut()) && is_pending(follower.as_mut()));
        drop(ahead);
        assert!(is_pending(leader.as_mut()));
        drop(leader);
        assert_eq!(run(follower), Ok(*TWO));

        let mut ahead = Box::pin(storage.remove(&ONE));
        let mut leader = Box::pin(storage.increment_attempts(&ONE));
        let mut follower = pin!(storage.increment_attempts(&ONE));
        assert!(is_pending(ahead.as_mut()) && is_pending(leader.as_mut()) && is_pending(follower.as_mut()));
        drop(ahead); // before the host did what it asked for
        assert!(is_pending(leader.as_mut()));
        drop(leader);
        assert_eq!(run(follower), Ok(1), "nobody's deadline had passed, and nothing had been handed over");
    }

    #[test]
    fn those_for_whom_a_commit_was_given_up_learn_that_its_outcome_is_unknown() {
        for (fault, made) in [(Fault::Before(Trouble::Hang), 0), (Fault::After(Trouble::Hang), 2)] {
            let storage = storage();
            storage.host().fault_once(Step::Commit, Fault::Before(Trouble::Hang));
            let mut ahead = Box::pin(storage.remove(&ONE));
            let mut leader = Box::pin(storage.increment_attempts(&ONE));
            let mut follower = pin!(storage.increment_attempts(&ONE));
            assert!(is_pending(ahead.as_mut()) && is_pending(leader.as_mut()) && is_pending(follower.as_mut()));
            drop(ahead);
            storage.host().fault_once(Step::Commit, fault);
            assert!(is_pending(leader.as_mut()));
            assert_eq!(storage.host().batches().len(), 1);
            drop(leader);
            assert_eq!(run(follower), Err(Error::UnknownOutcome { id: *ONE, source: None }));
            assert_eq!(run(storage.increment_attempts(&ONE)), Ok(made + 1));
        }
    }

    #[tokio::test]
    async fn a_change_that_is_given_up_while_it_waits_is_not_made_and_blocks_nobody() {
        let storage = storage();
        storage.host().fault_once(Step::Commit, Fault::Before(Trouble::Late(5)));
        let mut first = pin!(storage.set_timestamp(&ONE, 6.0));
        assert!(is_pending(first.as_mut()));
        let mut given_up = Box::pin(storage.increment_attempts(&ONE));
        let mut kept = pin!(storage.increment_attempts(&ONE));
        let mut removal = Box::pin(storage.remove(&ONE));
        let mut last = pin!(storage.increment_attempts(&ONE));
        assert!(is_pending(given_up.as_mut()) && is_pending(kept.as_mut()));
        assert!(is_pending(removal.as_mut()) && is_pending(last.as_mut()));
        drop((given_up, removal));
        let results = ends(async { tokio::join!(first, kept, last) }).await;
        assert_eq!(results, (Ok(()), Ok(1), Ok(2)));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn calls_given_up_at_random_among_many_leave_the_others_whole() {
        let storage = storage();
        storage.host().plan(|number, _| Fault::Before(Trouble::Late(u32::try_from(number % 7).unwrap())));
        let mut kept = JoinSet::new();
        for task in 0..200_u32 {
            let storage = storage.clone();
            kept.spawn(async move {
                for round in 0..5 {
                    let mut given_up = Box::pin(storage.set_timestamp(&ONE, f64::from(round)));
                    for _ in 0..(task + round) % 6 {
                        if !is_pending(given_up.as_mut()) {
                            break;
                        }
                        tokio::task::yield_now().await;
                    }
                    drop(given_up);
                }
                match storage.increment_attempts(&ONE).await {
                    Ok(_) => true,
                    // The one that acted for it was given up while the host was at it.
                    Err(Error::UnknownOutcome { .. }) => false,
                    Err(error) => panic!("{error:?}"),
                }
            });
        }
        let known = ends(kept.join_all()).await.into_iter().filter(|known| *known).count();
        let attempts = usize::try_from(attempts(&storage, &ONE)).unwrap();
        assert!((known..=200).contains(&attempts), "{attempts} attempts, {known} of them acknowledged");
        assert!(ends(storage.increment_attempts(&ONE)).await.is_ok());
    }
}

mod deadline {
    use super::*;

    const DEADLINE: Option<Duration> = Some(Duration::from_millis(40));

    #[test]
    fn a_call_behind_one_that_hangs_times_out_with_nothing_handed_over_and_later_calls_go_on() {
        let storage = with_deadline(DEADLINE);
        storage.host().fault_once(Step::Commit, Fault::Before(Trouble::Hang));
        let (hung, behind) = run(async { tokio::join!(storage.remove(&ONE), storage.get(&ONE)) });
        assert_eq!(hung, Err(Error::UnknownOutcome { id: *ONE, source: None }));
        assert!(matches!(behind, Ok(_) | Err(Error::Timeout)), "{behind:?}");
        assert_eq!(run(storage.increment_attempts(&ONE)), Ok(1));
    }

    #[test]
    fn a_call_behind_one_that_nobody_polls_any_more_times_out() {
        let storage = with_deadline(DEADLINE);
        storage.host().fault_once(Step::Commit, Fault::Before(Trouble::Hang));
        let mut held = Box::pin(storage.increment_attempts(&ONE));
        assert!(is_pending(held.as_mut()));
        for (call, result) in [
            ("get", run(storage.get(&ONE)).map(drop)),
            ("increment_attempts", run(storage.increment_attempts(&ONE)).map(drop)),
            ("remove", run(storage.remove(&ONE))),
            ("load", run(storage.load().next()).map(drop)),
            ("get_info", run(storage.get_info()).map(drop)),
            ("check", run(storage.check()).map(drop)),
            ("repair", run(storage.repair(Repair::default())).map(drop)),
        ] {
            assert_eq!(result, Err(Error::Timeout), "{call}");
        }
        drop(held);
        assert_eq!(run(storage.increment_attempts(&ONE)), Ok(1));
    }

    #[test]
    fn a_write_that_hangs_names_the_id_that_it_drew() {
        let storage = with_deadline(DEADLINE);
        storage.host().fault_once(Step::Commit, Fault::After(Trouble::Hang));
        let error = run(storage.write(envelope(1, "text"), 5.0, None)).unwrap_err();
        let Error::UnknownOutcome { id, source: None } = error else { panic!("{error:?}") };
        // The caller repeats it under that id, and there is one message.
        let before = run(storage.get_info()).unwrap();
        assert_eq!(run(storage.write(envelope(1, "text"), 5.0, Some(id))), Ok(id));
        assert_eq!(run(storage.get_info()).unwrap(), before);
    }

    #[test]
    fn a_commit_that_is_answered_before_the_deadline_is_not_cut_short() {
        let storage = with_deadline(DEADLINE);
        storage.host().fault_always(Step::Commit, Fault::After(Trouble::Late(30)));
        assert_eq!(run(storage.increment_attempts(&ONE)), Ok(1));
    }

    #[test]
    fn each_of_several_that_wait_for_a_hung_commit_ends() {
        let storage = with_deadline(DEADLINE);
        storage.host().fault_once(Step::Commit, Fault::Before(Trouble::Hang));
        let results = run(async {
            let increment = || storage.increment_attempts(&ONE);
            tokio::join!(increment(), increment(), increment(), storage.remove(&TWO))
        });
        assert_eq!(results.0, Err(Error::UnknownOutcome { id: *ONE, source: None }));
        for waiting in [results.1, results.2] {
            assert!(matches!(waiting, Ok(_) | Err(Error::Timeout)), "{waiting:?}");
        }
        assert_eq!(results.3, Ok(()));
        assert!(run(storage.increment_attempts(&ONE)).is_ok());
    }

    #[test]
    fn a_host_that_is_always_too_slow_never_blocks_the_storage() {
        let storage = with_deadline(DEADLINE);
        for step in [Step::ReadMeta, Step::ReadEnvelope, Step::Commit, Step::Page, Step::Sizes] {
            for _ in 0..3 {
                storage.host().fault_always(step, Fault::Before(Trouble::Late(100)));
                let _ = run(async {
                    tokio::join!(
                        storage.increment_attempts(&ONE),
                        storage.set_recipients_delivered(&ONE, &[0]),
                        storage.get(&ONE),
                        storage.get_info(),
                        storage.check(),
                    )
                });
            }
            storage.host().heal();
            let before = attempts(&storage, &ONE);
            assert_eq!(run(storage.increment_attempts(&ONE)), Ok(before + 1), "{step:?}");
        }
    }
}

mod reads {
    use super::*;

    #[test]
    fn a_get_begun_after_a_change_waits_for_it() {
        for fault in [Fault::Before(Trouble::Late(5)), Fault::After(Trouble::Late(5))] {
            let storage = storage();
            storage.host().fault_always(Step::Commit, fault);
            let queued = run(async {
                let (incremented, marked, queued) = tokio::join!(
                    storage.increment_attempts(&ONE),
                    storage.set_recipients_delivered(&ONE, &[0]),
                    storage.get(&ONE),
                );
                incremented.and(marked.map(|()| 0)).and(queued).unwrap()
            });
            assert_eq!((queued.attempts, queued.indexes), (1, vec![1, 2]));
        }
    }

    #[test]
    fn a_get_begun_after_a_write_or_a_remove_waits_for_it() {
        let storage = storage();
        storage.host().fault_always(Step::Commit, Fault::Before(Trouble::Late(5)));
        let new = id(9);
        run(async {
            let write = storage.write(envelope(1, "text"), 5.0, Some(new));
            let (_, written) = tokio::join!(write, storage.get(&new));
            assert!(written.is_ok());
            let (_, removed) = tokio::join!(storage.remove(&new), storage.get(&new));
            assert_eq!(removed, Err(Error::NoSuchMessage(new)));
        });
    }

    #[test]
    fn load_get_info_and_check_wait_for_all_that_is_pending() {
        let storage = storage();
        storage.host().fault_always(Step::Commit, Fault::Before(Trouble::Late(5)));
        run(async {
            let (_, _, _, _, info, listed, found) = tokio::join!(
                storage.write(envelope(1, "text"), 5.5, None),
                storage.write(envelope(1, "text"), 6.0, None),
                storage.remove(&ONE),
                storage.set_timestamp(&TWO, 7.0),
                storage.get_info(),
                async {
                    let mut load = storage.load();
                    let mut timestamps = Vec::new();
                    while let Some((timestamp, _)) = load.next().await.unwrap() {
                        timestamps.push(timestamp);
                    }
                    timestamps.sort_by(f64::total_cmp);
                    timestamps
                },
                storage.check(),
            );
            assert_eq!((info.unwrap().meta_size, listed), (3, vec![5.5, 6.0, 7.0]));
            assert_eq!(found.unwrap(), slimta_queue_dict::Findings::default());
        });
    }

    #[test]
    fn a_read_waits_for_a_commit_even_if_a_call_behind_that_is_given_up() {
        for behind_removes in [true, false] {
            let storage = storage();
            storage.host().fault_once(Step::Commit, Fault::Before(Trouble::Late(9)));
            let mut change = pin!(storage.increment_attempts(&ONE));
            assert!(is_pending(change.as_mut()));
            let mut behind: Pin<Box<dyn Future<Output = ()>>> = if behind_removes {
                Box::pin(async { drop(storage.remove(&ONE).await) })
            } else {
                Box::pin(async { drop(storage.increment_attempts(&ONE).await) })
            };
            let mut get = pin!(storage.get(&ONE));
            let mut page = pin!(all(&storage));
            assert!(is_pending(behind.as_mut()) && is_pending(get.as_mut()) && is_pending(page.as_mut()));
            drop(behind);
            let (changed, queued, _) = run(async { tokio::join!(change, get, page) });
            assert_eq!((changed, queued.unwrap().attempts), (Ok(1), 1));
        }
    }
}

mod close {
    use super::*;

    #[test]
    fn close_lets_changes_under_way_end_before_it_closes_the_host() {
        let storage = storage();
        storage.host().fault_once(Step::Commit, Fault::Before(Trouble::Late(5)));
        let (changed, removed, closed) =
            run(async { tokio::join!(storage.increment_attempts(&ONE), storage.remove(&ONE), storage.close()) });
        assert_eq!((changed, removed, closed), (Ok(1), Ok(()), Ok(())));
        assert_eq!(storage.host().steps(), [Step::Commit, Step::Commit, Step::Close]);
    }

    #[test]
    fn close_lets_reads_under_way_end_before_it_closes_the_host() {
        for step in [Step::ReadMeta, Step::ReadEnvelope] {
            let storage = storage();
            storage.host().fault_once(step, Fault::Before(Trouble::Late(5)));
            let (read, closed) = run(async { tokio::join!(storage.get(&ONE), storage.close()) });
            assert!(read.is_ok() && closed.is_ok());
            assert_eq!(storage.host().steps(), [Step::ReadMeta, Step::ReadEnvelope, Step::Close]);
        }
        for step in [Step::Page, Step::Sizes] {
            let storage = storage();
            storage.host().fault_once(step, Fault::Before(Trouble::Late(5)));
            let mut page = pin!(all(&storage));
            let mut info = pin!(storage.get_info());
            let waits = if step == Step::Page { is_pending(page.as_mut()) } else { is_pending(info.as_mut()) };
            assert!(waits);
            let mut close = pin!(storage.close());
            let _ = poll_once(close.as_mut());
            assert!(!storage.host().steps().contains(&Step::Close), "closed under a call at {step:?}");
        }
    }

    #[test]
    fn a_close_whose_host_hangs_ends_by_the_deadline() {
        let storage = with_deadline(Some(Duration::from_millis(40)));
        storage.host().fault_once(Step::Close, Fault::Before(Trouble::Hang));
        assert_eq!(run(storage.close()), Err(Error::Timeout));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_call_can_be_moved_to_another_thread() {
    let storage = storage();
    macro_rules! spawned {
        ($storage:ident => $call:expr) => {{
            let $storage = storage.clone();
            ends(tokio::spawn(async move { $call.await })).await.unwrap().unwrap()
        }};
    }
    spawned!(storage => storage.write(envelope(1, "text"), 5.0, Some(id(3))));
    spawned!(storage => storage.set_timestamp(&ONE, 6.0));
    spawned!(storage => storage.increment_attempts(&ONE));
    spawned!(storage => storage.set_recipients_delivered(&ONE, &[0]));
    spawned!(storage => storage.change(&ONE, Change::default()));
    spawned!(storage => storage.get(&ONE));
    spawned!(storage => storage.load().next());
    spawned!(storage => async { storage.wait(Duration::from_secs(1)).next(&storage).await });
    spawned!(storage => storage.get_info());
    spawned!(storage => storage.check());
    spawned!(storage => storage.repair(crate::support::scenario::at_once()));
    spawned!(storage => storage.remove(&ONE));
    spawned!(storage => storage.close());
}
