//! Options that cannot be meant, which a queue refuses before anything begins.

use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

use slimta_queue_dict::queue::{
    Answer, Attempt, Destination, EnqueueError, EnqueueOptions, Options, Queue, RunOptions, relay_fn,
};
use slimta_queue_dict::{DictStorage, Envelope, Error, Host, Id, MemoryHost};

use crate::support::envelope;
use crate::support::queues::{Answering, queue_on};

/// With which words a queue refuses these options.
fn refusal_on<H: Host<Envelope = Envelope>>(storage: Arc<DictStorage<H>>, options: Options<H>) -> Option<String> {
    let relay = relay_fn(|_: &Envelope, _: Attempt| async { Ok(Answer::delivered()) });
    match Queue::new(storage, relay, options) {
        Err(Error::Invalid(invalid)) => Some(invalid.to_string()),
        other => other.map(|_| None).unwrap(),
    }
}

fn refusal(options: Options<MemoryHost>) -> Option<String> {
    refusal_on(Arc::new(DictStorage::new(MemoryHost::new())), options)
}

const OWN: &str = "options.dead_letter: expected another storage than that of the queue, got the same";

#[test]
fn the_storage_of_a_queue_keeps_no_dead_letters_of_its_own() {
    let host = MemoryHost::new();
    let storage = Arc::new(DictStorage::new(host.clone()));
    let with = |dead_letter| Options::default().with_dead_letter(dead_letter);
    assert_eq!(refusal_on(storage.clone(), with(storage.clone())).as_deref(), Some(OWN));
    assert_eq!(refusal_on(storage.clone(), with(Arc::new(DictStorage::new(host)))).as_deref(), Some(OWN));
    assert_eq!(refusal_on(storage, with(Arc::new(DictStorage::new(MemoryHost::new())))), None);
}

#[cfg(feature = "redb")]
#[tokio::test]
async fn neither_does_another_storage_on_its_file() {
    use slimta_queue_dict::RedbHost;
    let folder = tempfile::tempdir().unwrap();
    let open = |name| RedbHost::open(folder.path().join(name)).unwrap();
    let (host, other) = (open("queue"), open("other"));
    let storage = Arc::new(DictStorage::new(host.clone()));
    let with = |host| Options::default().with_dead_letter(DictStorage::new(host));
    assert_eq!(refusal_on(storage.clone(), with(host)).as_deref(), Some(OWN));
    assert_eq!(refusal_on(storage, with(other)), None);
}

#[test]
fn a_pool_has_room_for_one_at_least() {
    let default = Options::<MemoryHost>::default;
    for (options, name) in [
        (default().with_relay_pool(0), "relay_pool"),
        (default().with_store_pool(0), "store_pool"),
        (default().with_destination(Destination::default().with_pool(0)), "destination.pool"),
    ] {
        assert_eq!(refusal(options), Some(format!("options.{name}: expected a whole number from 1 on, got 0")));
    }
    assert_eq!(refusal(default().with_relay_pool(1).with_store_pool(1)), None);
}

#[test]
fn a_time_is_longer_than_nothing_and_a_lease_is_no_longer_than_a_day() {
    let default = Options::<MemoryHost>::default;
    let zero = Duration::ZERO;
    for (options, name) in [
        (default().with_lease(zero), "lease"),
        (default().with_overdue_after(zero), "overdue_after"),
        (default().with_attempt_timeout(zero), "attempt_timeout"),
        (default().with_scan(zero), "scan"),
    ] {
        assert_eq!(refusal(options), Some(format!("options.{name}: expected more than 0 milliseconds, got 0")));
    }
    let day = Duration::from_secs(86_400);
    assert_eq!(refusal(default().with_lease(day)), None);
    let said = refusal(default().with_lease(day + Duration::from_millis(1)));
    assert_eq!(said.as_deref(), Some("options.lease: expected at most 86400000 milliseconds, got 86400001"));
}

#[test]
fn a_rate_is_more_than_nothing() {
    for rate in [0.0, -1.0, f64::NAN] {
        let options = Options::default().with_destination(Destination::default().with_per_second(rate));
        let name = "options.destination.per_second";
        let said = format!("{name}: expected a number of attempts, more than 0, got {rate}");
        assert_eq!(refusal(options), Some(said));
    }
    assert_eq!(refusal(Options::default().with_destination(Destination::default().with_per_second(0.1))), None);
}

#[test]
fn an_owner_has_a_name() {
    let said = refusal(Options::default().with_owner(""));
    assert_eq!(said.as_deref(), Some("options.owner: expected a text that is not empty, got \"\""));
}

#[tokio::test]
async fn a_run_until_no_time_attempts_nothing() {
    let host = MemoryHost::new();
    let queue = queue_on(&host, Answering(|_: &Envelope, _| Answer::delivered()), Options::default());
    queue.enqueue(envelope(1, "")).await.unwrap();
    let never = RunOptions::default().with_until(f64::NAN);
    for refused in [queue.run_with(never.clone()).await, queue.flush_with(never).await] {
        assert_eq!(refused.unwrap_err().to_string(), "options.until: expected a finite number, got NaN");
    }
    assert_eq!(queue.run().await.unwrap().delivered, 1);
}

#[tokio::test]
async fn a_message_is_due_at_a_time_and_an_error_says_which_one_it_would_expire_at() {
    let queue = queue_on(&MemoryHost::new(), Answering(|_: &Envelope, _: u32| Answer::delivered()), Options::default());
    for (options, said) in [
        (EnqueueOptions::default().with_at(f64::NAN), "options.at: expected a finite number, got NaN"),
        (
            EnqueueOptions::default().with_expires(1_700_000_000_000.0),
            "options.expires: expected a time after options.at, or after now, got 2023-11-14T22:13:20.000Z",
        ),
    ] {
        let error = queue.enqueue_with(envelope(1, ""), options).await.unwrap_err();
        assert_eq!(error.to_string(), said);
        assert!(matches!(&error, EnqueueError::Invalid(_)) && error.source().is_none(), "it says it once");
    }
}

#[tokio::test]
async fn a_message_has_one_name() {
    let queue = queue_on(&MemoryHost::new(), Answering(|_: &Envelope, _: u32| Answer::delivered()), Options::default());
    let id = Id::generate().unwrap();
    for (options, said) in [
        (EnqueueOptions::default().with_key(""), "options.key: expected a text that is not empty, got \"\""),
        (EnqueueOptions::default().with_key("k").with_id(id), "options.key: expected no key beside an id, got \"k\""),
    ] {
        let refused = queue.enqueue_with(envelope(1, ""), options).await;
        assert_eq!(refused.unwrap_err().to_string(), said);
    }
    assert_eq!(queue.storage().get_info().await.unwrap().size, 0);
}
