//! A failing host is survived: every call meets every fault at every step, and the same storage
//! object goes on.

use std::time::Duration;

use crate::support::scenario::{Listed, OPS, OTHER, Op, WHOLE, id, listed, store};
use crate::support::{Failure, Fault, FaultHost, Step, Traits, Trouble, envelope, run};
use slimta_queue_dict::{DictStorage, Error, Id};

const NEXT: u128 = 77;

fn storage(host: &FaultHost) -> DictStorage<FaultHost> {
    DictStorage::new(host.clone()).with_deadline(Duration::from_millis(50))
}

struct Case {
    op: Op,
    traits: Traits,
    step: Step,
    host: FaultHost,
    storage: DictStorage<FaultHost>,
    /// The message of the batch that was handed over last.
    handed: Option<Id>,
    before: Listed,
    after: Listed,
    result: Result<(), Error<Failure>>,
}

/// Runs every call with `fault` at each of its steps on each kind of host and shows what came of
/// it. Returns how many cases that were.
fn at_every_step(fault: Fault, async_only: bool, check: impl Fn(&Case)) -> u64 {
    let mut cases = 0;
    for (atomic, is_async) in [(true, true), (false, true), (true, false), (false, false)] {
        if async_only && !is_async {
            continue;
        }
        let traits = Traits { atomic, is_async, page: 3, ..Traits::default() };
        for op in OPS {
            let clean = FaultHost::over(store(), traits);
            let before = listed(&clean);
            run(op.run(&storage(&clean))).unwrap();
            let after = listed(&clean);
            for (number, step) in clean.steps().into_iter().enumerate() {
                let host = FaultHost::over(store(), traits);
                let storage = storage(&host);
                host.fault_at(number, fault);
                let result = run(op.run(&storage));
                let handed = host.batches().last().map(|batch| batch.id);
                host.heal();
                let (before, after) = (before.clone(), after.clone());
                check(&Case { op, traits, step, host, storage, handed, before, after, result });
                cases += 1;
            }
        }
    }
    println!("{fault:?}: {cases} cases");
    assert!(cases > 100, "{cases}");
    cases
}

/// Each message is as before or as after the call, and an error that says so has changed nothing.
fn assert_all_or_nothing(case: &Case) {
    let Case { op, traits, step, before, after, result, .. } = case;
    let now = listed(&case.host);
    assert!(now == *before || now == *after, "{op:?} at {step:?} left {now:?}");
    match result {
        Ok(()) => assert_eq!(now, *after, "{op:?}"),
        Err(Error::UnknownOutcome { .. }) => {}
        // Where writes are made one by one, some can be made before one fails.
        Err(_) if !traits.atomic && *step == Step::Write => {}
        // A repair is several commits, of which the first can be made and the second not.
        Err(_) if *op == Op::Requeue => {}
        Err(error) => assert_eq!(now, *before, "{op:?} at {step:?}: {error:?}"),
    }
}

/// The same object answers, takes changes and lists.
fn assert_goes_on(Case { op, storage, host, .. }: &Case) {
    run(async {
        storage.write(envelope(1, "next"), 1.0, Some(id(NEXT))).await?;
        assert_eq!(storage.increment_attempts(&id(NEXT)).await?, 1);
        assert_eq!(storage.increment_attempts(&id(OTHER)).await?, 1);
        storage.set_recipients_delivered(&id(OTHER), &[0]).await?;
        assert_eq!(storage.get(&id(OTHER)).await?.indexes, [1, 2]);
        if !matches!(op, Op::Remove(WHOLE)) {
            let attempts = storage.get(&id(WHOLE)).await?.attempts;
            assert_eq!(storage.increment_attempts(&id(WHOLE)).await?, attempts + 1);
        }
        storage.get_info().await?;
        storage.check().await?;
        op.run(storage).await
    })
    .unwrap();
    assert!(listed(host).contains_key(&id(OTHER)));
}

#[test]
fn a_step_that_fails_ends_the_call_with_the_error_of_the_host_and_nothing_else() {
    at_every_step(Fault::Before(Trouble::Fail), false, |case| {
        assert_eq!(case.result, Err(Error::Host(Failure::Failed)), "{:?} at {:?}", case.op, case.step);
        assert_all_or_nothing(case);
        assert_goes_on(case);
    });
}

#[test]
fn a_commit_whose_answer_is_lost_ends_with_an_unknown_outcome_that_names_the_message() {
    at_every_step(Fault::After(Trouble::Fail), false, |case| {
        match &case.result {
            Err(Error::UnknownOutcome { id, source }) if matches!(case.step, Step::Commit | Step::Write) => {
                assert_eq!(*source, Some(Failure::Lost));
                assert_eq!(Some(*id), case.handed, "{:?}", case.op);
            }
            Err(Error::Host(Failure::Lost)) if !matches!(case.step, Step::Commit | Step::Write) => {}
            other => panic!("{:?} at {:?}: {other:?}", case.op, case.step),
        }
        assert_all_or_nothing(case);
        assert_goes_on(case);
    });
}

#[test]
fn a_step_that_hangs_ends_by_the_deadline_with_timeout_or_if_a_commit_hangs_unknown_outcome() {
    for fault in [Fault::Before(Trouble::Hang), Fault::After(Trouble::Hang)] {
        at_every_step(fault, true, |case| {
            match &case.result {
                Err(Error::UnknownOutcome { id, source: None }) if matches!(case.step, Step::Commit | Step::Write) => {
                    assert_eq!(Some(*id), case.handed, "{:?}", case.op);
                }
                Err(Error::Timeout) if !matches!(case.step, Step::Commit | Step::Write) => {}
                // A commit was answered with no; then the read that it led to hung.
                Err(Error::Conflict(_)) if matches!(case.op, Op::Write(_)) && case.step == Step::ReadMeta => {}
                other => panic!("{:?} at {:?}: {other:?}", case.op, case.step),
            }
            assert_all_or_nothing(case);
            assert_goes_on(case);
        });
    }
}

#[test]
fn a_step_that_is_late_changes_nothing() {
    for fault in [Fault::Before(Trouble::Late(7)), Fault::After(Trouble::Late(7))] {
        at_every_step(fault, true, |case| {
            assert_eq!(case.result, Ok(()), "{:?} at {:?}", case.op, case.step);
            assert_all_or_nothing(case);
            assert_goes_on(case);
        });
    }
}

#[test]
fn a_commit_that_is_refused_once_is_decided_again() {
    at_every_step(Fault::Refuse, false, |case| {
        assert_eq!(case.result, Ok(()), "{:?} at {:?}", case.op, case.step);
        assert_goes_on(case);
    });
}

#[test]
fn calls_at_a_host_that_is_gone_for_good_all_end() {
    for op in OPS {
        let host = FaultHost::over(store(), Traits::default());
        let storage = storage(&host);
        host.plan(|_, _| Fault::Before(Trouble::Hang));
        for _ in 0..2 {
            assert!(matches!(run(op.run(&storage)), Err(Error::Timeout | Error::UnknownOutcome { .. })), "{op:?}");
        }
        host.plan(|_, _| Fault::Before(Trouble::Fail));
        assert_eq!(run(op.run(&storage)), Err(Error::Host(Failure::Failed)), "{op:?}");
    }
}
