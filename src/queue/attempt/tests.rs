use super::*;
use crate::id::Id;
use crate::queue::answer::{Answer, Verdict};
use crate::queue::reply::Reply;

const MOMENT: Moment = Moment { wall: 50.0, random: 0.5 };

fn begun() -> (AttemptState, Settings, Command) {
    let settings = Settings {
        owner: "me".into(),
        lease: 1_000.0,
        has_backoff: false,
        has_dead_letter: false,
        has_destinations: false,
        keep_delivered: 0.0,
    };
    let message = QueuedMessage { id: Id::from_u128(1), due: 40.0, timestamp: 40.0, attempts: 0 };
    let mut attempt = AttemptState::new(Due { message, number: 1, early: Early::default(), has_waited: true });
    let command = attempt.begin(&settings, MOMENT);
    (attempt, settings, command)
}

fn got() -> Input {
    let claimed = Meta { lease: Some(Lease { until: 1_050.0, owner: "me".into() }), ..Meta::default() };
    Input::Got { meta: Box::new(claimed), indexes: vec![0, 1], has_sender: true, notice_of: None }
}

fn delivered() -> Input {
    Input::Relayed(Outcome::of(Answer::delivered(), 2, Vec::new))
}

#[test]
fn a_delivered_message_is_claimed_read_marked_and_removed() {
    let (mut attempt, settings, command) = begun();
    let Command::Change(claim) = command else { panic!("{command:?}") };
    assert_eq!((claim.expect.timestamp, claim.expect.attempts), (Some(40.0), Some(0)));
    assert_eq!(attempt.answer(Input::Changed(true), &settings, MOMENT), Command::Get);
    assert_eq!(attempt.answer(got(), &settings, MOMENT), Command::Relay);
    let command = attempt.answer(delivered(), &settings, MOMENT);
    let Command::Change(marks) = command else { panic!("{command:?}") };
    assert_eq!((marks.expect.attempts, marks.expect.lease), (Some(1), claim.lease));
    assert_eq!(marks.delivered, [0, 1]);
    assert_eq!(attempt.answer(Input::Changed(true), &settings, MOMENT), Command::Remove);
    assert!(attempt.is_recorded());
    assert_eq!(attempt.answer(Input::Stored, &settings, MOMENT), Command::Done(End::Completed));
}

#[test]
fn what_somebody_else_has_claimed_meanwhile_is_looked_at_and_not_removed() {
    let (mut attempt, settings, _) = begun();
    attempt.answer(Input::Changed(true), &settings, MOMENT);
    attempt.answer(got(), &settings, MOMENT);
    attempt.answer(delivered(), &settings, MOMENT);
    assert_eq!(attempt.answer(Input::Changed(false), &settings, MOMENT), Command::GetMeta);
}

#[test]
fn a_message_whose_settling_is_in_doubt_stays_while_its_record_says_that_nobody_was_told() {
    let (mut attempt, settings, _) = begun();
    attempt.answer(Input::Changed(true), &settings, MOMENT);
    attempt.answer(got(), &settings, MOMENT);
    let refused = Answer::All(Verdict::Failed(Reply::new(550, "5.1.1 no")));
    let command = attempt.answer(Input::Relayed(Outcome::of(refused, 2, Vec::new)), &settings, MOMENT);
    let Command::Change(record) = command else { panic!("{command:?}") };
    let failed = record.failed.into_iter().collect();
    let untold = Meta { attempts: 1, untold: Some(1), failed, ..Meta::default() };
    let claimed = Meta { lease: record.lease.flatten(), ..untold.clone() };
    assert_eq!(attempt.answer(Input::Changed(true), &settings, MOMENT), Command::GetMeta);
    assert_eq!(attempt.answer(Input::Meta(Some(claimed)), &settings, MOMENT), Command::Bounce);
    attempt.answer(Input::Bounced(false), &settings, MOMENT);
    // Whether this change was made is not known. Then somebody else has claimed the message and let it go.
    attempt.answer(Input::Unknown, &settings, MOMENT);
    attempt.answer(Input::Stored, &settings, MOMENT);
    assert_eq!(attempt.answer(Input::Changed(false), &settings, MOMENT), Command::GetMeta);
    let command = attempt.answer(Input::Meta(Some(untold)), &settings, MOMENT);
    assert!(matches!(command, Command::Done(End::Rescheduled { .. })), "{command:?}");
}

#[test]
fn a_message_that_its_owner_has_let_go_before_it_was_gone_waits_for_its_time() {
    let (mut attempt, settings, _) = begun();
    attempt.owner_is_gone = true;
    attempt.answer(Input::Changed(false), &settings, MOMENT);
    let planned = Meta { timestamp: 1e12, attempts: 1, ..Meta::default() };
    let command = attempt.answer(Input::Meta(Some(planned)), &settings, MOMENT);
    assert_eq!(command, Command::Done(End::Rescheduled { due: Some(1e12), timestamp: 1e12, attempts: 1 }));
}

#[test]
fn an_outcome_for_recipients_whom_the_message_has_not_ends_the_attempt_and_the_other_message_is_due_at_its_time() {
    let (mut attempt, settings, _) = begun();
    attempt.answer(Input::Changed(true), &settings, MOMENT);
    attempt.answer(got(), &settings, MOMENT);
    attempt.answer(delivered(), &settings, MOMENT);
    assert_eq!(attempt.answer(Input::Another, &settings, MOMENT), Command::GetMeta);
    assert!(attempt.is_recorded() && attempt.is_lease_lost());
    let other = Meta { timestamp: 70.0, ..Meta::default() };
    let command = attempt.answer(Input::Meta(Some(other)), &settings, MOMENT);
    assert_eq!(command, Command::Done(End::Rescheduled { due: Some(70.0), timestamp: 70.0, attempts: 0 }));
}
