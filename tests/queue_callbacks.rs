//! What the queue of Rust programs is given: relays, listeners, policies, factories, another queue.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::support::queues::{Answering, id_of, later, left, no_user, queue_on, watched, with_messages};
use crate::support::{Fault, FaultHost, Step, Traits, Trouble, envelope, poll_once, yields};
use slimta_queue_dict::queue::{
    Answer, Attempt, BounceQueue, BoxError, BoxFuture, BoxRelay, EnqueueError, EnqueueOptions, Options, Queue, Relay,
    Verdict, relay_fn,
};
use slimta_queue_dict::{DictStorage, Envelope, Id, MemoryHost};

#[tokio::test]
async fn a_relay_may_be_a_function_shared_or_chosen_while_the_program_runs() {
    let by_function = relay_fn(|envelope: &Envelope, _: Attempt| {
        let count = envelope.recipients.len();
        async move { Ok(Answer::Each(vec![Verdict::Delivered(None); count])) }
    });
    let any: BoxRelay<Envelope> = Box::new(by_function);
    for relay in [Arc::new(any)] {
        let host = with_messages(2).await;
        let queue = Arc::new(queue_on(&host, relay.clone(), Options::default()));
        let flushed = queue.clone();
        tokio::spawn(async move { flushed.flush().await }).await.unwrap().unwrap();
        assert_eq!(left(&host).await, 0);
    }
}

#[tokio::test]
async fn a_relay_that_fails_or_panics_defers_its_message_and_ends_no_other_attempt() {
    struct Failing;
    impl Relay<Envelope> for Failing {
        async fn attempt(&self, envelope: &Envelope, _: Attempt) -> Result<Answer, BoxError> {
            yields(3).await;
            match envelope.headers[0].1.as_str() {
                "1" => panic!("a relay that panics"),
                "2" => Err("no route".into()),
                _ => {
                    yields(3).await;
                    Ok(Answer::delivered())
                }
            }
        }
    }
    let host = with_messages(4).await;
    let (options, events) = watched();
    let queue = queue_on(&host, Failing, options);
    queue.flush().await.unwrap();
    assert_eq!((left(&host).await, queue.get_info().in_attempt), (2, 0));
    for (subject, cause) in [("1", "Relay(\"panicked: a relay that panics\")"), ("2", "Relay(\"no route\")")] {
        let about: Vec<_> = events.all().into_iter().filter(|event| event.subject == subject).collect();
        let names: Vec<_> = about.iter().map(|event| event.name).collect();
        assert_eq!(names, ["attempt", "error", "deferred"]);
        assert_eq!(about[1].cause, cause);
    }
}

#[tokio::test]
async fn a_listener_that_panics_harms_nobody() {
    let host = with_messages(3).await;
    let options = Options { listener: Some(Box::new(|_| panic!("a listener that panics"))), ..Options::default() };
    let queue = queue_on(&host, Answering(|_: &Envelope, _| Answer::delivered()), options);
    queue.flush().await.unwrap();
    assert_eq!((left(&host).await, queue.get_info().in_attempt), (0, 0));
}

#[tokio::test]
async fn a_backoff_that_fails_is_told_of_and_replaced_by_the_usual_one() {
    type Failing = fn() -> Result<Option<Duration>, BoxError>;
    let failing: [(Failing, &str); 2] = [
        (|| panic!("a backoff that panics"), "Callback(\"panicked: a backoff that panics\")"),
        (|| Err("no idea".into()), "Callback(\"no idea\")"),
    ];
    for (backoff, cause) in failing {
        let host = with_messages(1).await;
        let (options, events) = watched();
        let options = Options { backoff: Some(Box::new(move |_, _, _, _| backoff())), ..options };
        let queue = queue_on(&host, Answering(|_: &Envelope, _| later().into()), options);
        queue.flush().await.unwrap();
        assert_eq!(events.names(), ["attempt", "error", "deferred"]);
        assert_eq!(events.of("error")[0].cause, cause);
    }
}

#[tokio::test]
async fn a_bounce_factory_may_take_its_time_and_one_that_fails_is_replaced_by_the_usual_one() {
    type Factory = fn(&Envelope) -> BoxFuture<'static, Result<Option<Envelope>, BoxError>>;
    let own: Factory = |failed| {
        let bounce = Envelope { sender: None, recipients: vec!["me@example.com".into()], ..failed.clone() };
        Box::pin(async {
            yields(3).await;
            Ok(Some(bounce))
        })
    };
    let panicking: Factory = |_| panic!("a factory that panics");
    let failing: Factory = |_| Box::pin(async { Err("no idea".into()) });
    let none: Factory = |_| Box::pin(async { Ok(None) });
    for (factory, names) in [
        (own, &["attempt", "failed", "queued", "bounced"][..]),
        (panicking, &["attempt", "failed", "error", "queued", "bounced"]),
        (failing, &["attempt", "failed", "error", "queued", "bounced"]),
        (none, &["attempt", "failed"]),
    ] {
        let host = with_messages(1).await;
        let (options, events) = watched();
        let options = Options { bounce_factory: Some(Box::new(move |failed, _, _| factory(failed))), ..options };
        let relay = Answering(|envelope: &Envelope, _| match envelope.sender.as_deref() {
            Some("sender@example.com") => no_user().into(),
            _ => Answer::delivered(),
        });
        let queue = queue_on(&host, relay, options);
        queue.flush().await.unwrap();
        assert_eq!(events.names()[..names.len()], *names);
        queue.flush().await.unwrap();
        assert_eq!(left(&host).await, 0);
    }
}

#[tokio::test]
async fn policies_may_take_their_time_and_put_other_envelopes_in_the_place_of_one() {
    let host = MemoryHost::new();
    let queue = queue_on(&host, (), Options::default());
    queue.add_policy(Arc::new(|envelope: Envelope| {
        Box::pin(async move {
            yields(2).await;
            let one = |to: &String| Envelope { recipients: vec![to.clone()], ..envelope.clone() };
            Ok(envelope.recipients.iter().map(one).collect())
        })
    }));
    let given = EnqueueOptions::default().with_id(Id::from_u128(5)).with_at(77.0);
    for _ in 0..2 {
        let stored = queue.enqueue_with(envelope(2, "hello"), given.clone()).await.unwrap();
        let ids: Vec<Id> = stored.iter().map(|(_, id)| *id).collect();
        assert_eq!(ids[0], Id::from_u128(5));
        assert_eq!(queue.storage().get(&ids[1]).await.unwrap().envelope.recipients, ["1@example.com"]);
    }
    assert_eq!(left(&host).await, 2);
    queue.add_policy(Arc::new(|_| Box::pin(async { Err("not that one".into()) })));
    assert_eq!(queue.enqueue(envelope(1, "hello")).await.unwrap_err().to_string(), "not that one");
    assert_eq!(left(&host).await, 2);
}

#[tokio::test]
async fn a_message_that_is_not_stored_is_an_error_and_a_repeat_with_its_key_stores_it_once() {
    let host = FaultHost::new(Traits::default());
    host.plan(|_, step| if matches!(step, Step::Commit) { Fault::Before(Trouble::Fail) } else { Fault::None });
    let queue = Queue::new(DictStorage::new(host.clone()), (), Options::default()).unwrap();
    let Err(EnqueueError::Storage { key, results }) = queue.enqueue(envelope(1, "hello")).await else { panic!() };
    assert!(results[0].1.is_err());
    host.plan(|_, _| Fault::None);
    let options = EnqueueOptions::default().with_key(key);
    let ids: Vec<Id> = [
        id_of(&queue.enqueue_with(envelope(1, "hello"), options.clone()).await),
        id_of(&queue.enqueue_with(envelope(1, "hello"), options).await),
    ]
    .into();
    assert_eq!(ids[0], ids[1]);
    assert_eq!(queue.storage().get_info().await.unwrap().size, 1);
}

#[tokio::test]
async fn notices_go_to_another_queue_if_one_is_given() {
    #[derive(Clone, Default)]
    struct Other(Arc<Mutex<Vec<Id>>>);
    impl BounceQueue<Envelope> for Other {
        fn enqueue(&self, bounce: Envelope, id: Id) -> BoxFuture<'_, Result<(), BoxError>> {
            assert_eq!((bounce.recipients, bounce.notice_of), (vec!["sender@example.com".to_owned()], None));
            self.0.lock().unwrap().push(id);
            Box::pin(async { Ok(()) })
        }
    }
    let host = with_messages(1).await;
    let (options, events) = watched();
    let other = Other::default();
    let options = Options { bounce_queue: Some(Box::new(other.clone())), ..options };
    let queue = queue_on(&host, Answering(|_: &Envelope, _| no_user().into()), options);
    queue.flush().await.unwrap();
    assert_eq!(*other.0.lock().unwrap(), [events.of("bounced")[0].bounce.unwrap()]);
    assert_eq!(left(&host).await, 0);
}

#[tokio::test]
async fn no_more_operations_of_the_storage_are_under_way_than_the_store_pool_has_room_for() {
    for (store_pool, most) in [(Some(2), 2), (None, 12)] {
        let host = FaultHost::new(Traits::default());
        host.plan(|_, _| Fault::Before(Trouble::Late(3)));
        let queue =
            Queue::new(DictStorage::new(host.clone()), (), Options { store_pool, ..Options::default() }).unwrap();
        let mut writing: Vec<_> = (0..12).map(|_| Box::pin(queue.enqueue(envelope(1, "hello")))).collect();
        for one in &mut writing {
            assert!(poll_once(one.as_mut()).is_pending());
        }
        assert_eq!(host.steps().len(), most);
    }
}
