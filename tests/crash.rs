//! No crash does harm, by enumeration: every call is cut short at every step of the host, with the
//! step made and not made, and then so is whatever is done about it after the new start.

use crate::support::scenario::{Listed, OPS, Op, REMOVED, WHOLE, at_once, id, listed, store};
use crate::support::{Dicts, Fault, FaultHost, Step, Traits, Trouble, run};
use slimta_queue_dict::DictStorage;

/// The hosts that matter: one that makes writes one by one, with either way to call it. The same
/// holds where a batch is one step.
const HOSTS: [(bool, bool); 3] = [(false, true), (false, false), (true, true)];

fn traits((atomic, is_async): (bool, bool)) -> Traits {
    Traits { atomic, is_async, page: 3, ..Traits::default() }
}

/// Runs something to its end and returns the steps that it takes.
fn steps(dicts: &Dicts, traits: Traits, work: impl Fn(&FaultHost)) -> Vec<Step> {
    let host = FaultHost::over(dicts.clone(), traits);
    work(&host);
    host.steps()
}

/// Cuts something short at every step, calls `then` with what is kept each time, and returns how
/// often it did.
fn at_every_step(dicts: &Dicts, traits: Traits, work: impl Fn(&FaultHost), mut then: impl FnMut(&FaultHost)) -> u64 {
    let mut points = 0;
    for (number, step) in steps(dicts, traits, &work).into_iter().enumerate() {
        let writes = step == Step::Write || (step == Step::Commit && traits.atomic);
        // A step that writes nothing leaves the same store, made or not.
        for fault in [Some(Fault::Before(Trouble::Stop)), writes.then_some(Fault::After(Trouble::Stop))] {
            let Some(fault) = fault else { continue };
            let host = FaultHost::over(dicts.clone(), traits);
            host.fault_at(number, fault);
            work(&host);
            then(&host.restart());
            points += 1;
        }
    }
    points
}

fn call(op: Op) -> impl Fn(&FaultHost) {
    move |host| {
        // A call that is cut short fails; what it leaves is what counts.
        let _ = run(op.run(&DictStorage::new(host.clone())));
    }
}

/// What an operator does after a crash.
fn recover(host: &FaultHost) {
    let storage = DictStorage::new(host.clone());
    let _ = run(storage.check());
    let _ = run(storage.repair(at_once()));
}

fn assert_no_orphans(host: &FaultHost) {
    let findings = run(DictStorage::new(host.clone()).check()).unwrap();
    assert_eq!(findings.orphan_envelopes, [""; 0]);
    assert_eq!(findings.orphan_meta, [""; 0]);
    let dicts = host.dicts();
    assert!(dicts.envelopes.keys().eq(dicts.meta.keys()), "an envelope without meta or the other way round");
}

/// The lists before a call and after it; between the two there is nothing.
fn before_and_after(dicts: &Dicts, traits: Traits, op: Op) -> (Listed, Listed) {
    let host = FaultHost::over(dicts.clone(), traits);
    let before = listed(&host);
    run(op.run(&DictStorage::new(host.clone()))).unwrap();
    (before, listed(&host))
}

#[test]
fn a_crash_in_any_call_leaves_each_message_as_before_or_as_after_it() {
    let mut points = 0;
    for traits in HOSTS.map(traits) {
        for op in OPS {
            let (before, after) = before_and_after(&store(), traits, op);
            points += at_every_step(&store(), traits, call(op), |host| {
                let now = listed(host);
                assert!(now == before || now == after, "{op:?} left {now:?}");
            });
        }
    }
    println!("crash points: {points}");
    assert!(points >= 200, "{points}");
}

#[test]
fn repair_clears_all_orphans_after_any_crash_and_after_any_second_crash_during_itself() {
    let mut points = 0;
    for traits in HOSTS.map(traits) {
        for op in OPS {
            at_every_step(&store(), traits, call(op), |host| {
                let (dicts, before) = (host.dicts(), listed(host));
                points += at_every_step(&dicts, traits, recover, |host| {
                    assert_eq!(listed(host), before, "{op:?}: a repair cut short changed the list");
                    recover(host);
                    assert_no_orphans(host);
                    assert_eq!(listed(host), before, "{op:?}: the repair changed the list");
                });
            });
        }
    }
    println!("points of two crashes, the second in check and repair: {points}");
    assert!(points >= 1000, "{points}");
}

#[test]
fn a_call_repeated_after_any_crash_and_after_any_second_crash_during_itself_takes_effect() {
    let mut points = 0;
    for traits in HOSTS.map(traits) {
        for op in OPS.into_iter().filter(|op| op.repeatable()) {
            let (before, after) = before_and_after(&store(), traits, op);
            at_every_step(&store(), traits, call(op), |host| {
                points += at_every_step(&host.dicts(), traits, call(op), |host| {
                    let now = listed(host);
                    assert!(now == before || now == after, "{op:?} left {now:?}");
                    run(op.run(&DictStorage::new(host.clone()))).unwrap();
                    assert_eq!(listed(host), after, "{op:?}");
                });
            });
        }
    }
    println!("points of two crashes, the second in the repetition: {points}");
    assert!(points >= 200, "{points}");
}

#[test]
fn what_was_acknowledged_survives_any_crash_in_any_later_call() {
    let mut points = 0;
    for traits in HOSTS.map(traits) {
        for first in [Op::Write(REMOVED), Op::Remove(WHOLE), Op::MarkDelivered, Op::Increment, Op::Requeue] {
            let host = FaultHost::over(store(), traits);
            run(first.run(&DictStorage::new(host.clone()))).unwrap();
            let acknowledged = listed(&host);
            for second in [Op::WriteDrawn, Op::Get, Op::Load, Op::Check, Op::Repair] {
                points += at_every_step(&host.dicts(), traits, call(second), |host| {
                    recover(host);
                    for (id, message) in &acknowledged {
                        assert_eq!(listed(host).get(id), Some(message), "{first:?}, then {second:?}");
                    }
                    if first == Op::Remove(WHOLE) {
                        assert!(!listed(host).contains_key(&id(WHOLE)), "a removed message is back after {second:?}");
                    }
                });
            }
        }
    }
    println!("crash points after an acknowledged call: {points}");
    assert!(points >= 200, "{points}");
}
