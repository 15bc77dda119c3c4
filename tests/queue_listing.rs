//! What a queue tells of its messages, taking them back, and hearing of what others do.

use std::sync::Arc;
use std::time::Duration;

use crate::support::queues::{Answering, Slow, id_of, later, left, no_user, queue_on, watched, with_messages};
use crate::support::{Fault, FaultHost, Step, Traits, Trouble, envelope, poll_once};
use slimta_queue_dict::queue::{
    Answer, Counts, EnqueueOptions, ListOptions, Listed, Listing, MessageState, Options, Queue, Relay, SystemTimer,
    Verdict,
};
use slimta_queue_dict::{Attempts, Change, DictStorage, Envelope, Error, Host, Id, Lease, MemoryHost, Timestamp};

fn delivering() -> Answering<impl Fn(&Envelope, u32) -> Answer> {
    Answering(|_: &Envelope, _| Answer::delivered())
}

async fn all<H: Host, R>(queue: &Queue<H, R, SystemTimer>, options: ListOptions) -> Vec<Listed<H::Envelope>> {
    let mut listing = queue.list(options).unwrap();
    let mut listed = Vec::new();
    while let Some(one) = listing.next(queue).await.unwrap() {
        listed.push(one);
    }
    listed
}

/// A queue with a message in each state, and the id of the one that is claimed.
async fn in_every_state() -> (Queue<MemoryHost, impl Relay<Envelope>, SystemTimer>, Id) {
    let relay = Answering(|envelope: &Envelope, _| match envelope.headers[0].1.as_str() {
        "failed" => no_user().into(),
        _ => Answer::Each(vec![Verdict::Delivered(None), later()]),
    });
    let options = Options {
        dead_letter: Some(Arc::new(DictStorage::new(MemoryHost::new()))),
        bounce_factory: Some(Box::new(|_, _, _| Box::pin(async { Ok(None) }))),
        ..Options::default()
    };
    let queue = queue_on(&MemoryHost::new(), relay, options);
    for subject in ["failed", "deferred"] {
        queue.enqueue(envelope(2, subject)).await.unwrap();
    }
    queue.flush().await.unwrap();
    queue.enqueue(envelope(1, "due")).await.unwrap();
    let planned = EnqueueOptions::default().with_at(1e15);
    queue.enqueue_with(envelope(1, "planned"), planned).await.unwrap();
    let delivered = id_of(&queue.enqueue(envelope(2, "delivered")).await);
    queue.storage().set_recipients_delivered(&delivered, &[0, 1]).await.unwrap();
    let sending = id_of(&queue.enqueue(envelope(1, "sending")).await);
    let lease = Some(Some(Lease { until: 1e15, owner: "another".into() }));
    let claim = Change { lease, timestamp: Some(1e15), attempts: Some(Attempts::Set(1)), ..Change::default() };
    queue.storage().change(&sending, claim).await.unwrap();
    (queue, sending)
}

#[tokio::test]
async fn a_count_tells_how_many_messages_are_in_which_state() {
    let (queue, _) = in_every_state().await;
    let counts = queue.count().await.unwrap();
    assert!(counts.oldest_due.is_some_and(|due| due < Timestamp::from(1e15)));
    let Counts { waiting, due, deferred, sending, failed, .. } = counts;
    assert_eq!((waiting, due, deferred, sending, failed), (2, 1, 1, 1, 1));
}

#[tokio::test]
async fn a_list_tells_the_state_of_each_message_and_reads_envelopes_only_if_asked() {
    let (queue, _) = in_every_state().await;
    for envelopes in [false, true] {
        let listed = all(&queue, ListOptions { envelopes, ..ListOptions::default() }).await;
        assert_eq!(listed.len(), 6);
        for one in listed {
            assert_eq!(one.envelope.is_some(), envelopes);
            let Some(envelope) = one.envelope else { continue };
            let state = match envelope.headers[0].1.as_str() {
                "due" | "planned" => "waiting",
                subject => subject,
            };
            assert_eq!(
                (one.state.name(), one.attempts),
                (state, u32::from(["deferred", "sending", "failed"].contains(&state)))
            );
            assert_eq!(
                envelope.recipients.len(),
                match state {
                    "delivered" => 0,
                    "failed" => 2,
                    _ => 1,
                }
            );
        }
    }
    for (state, count) in ["waiting", "sending", "deferred", "failed", "delivered"].into_iter().zip([2, 1, 1, 1, 1]) {
        let state = MessageState::named(state);
        let listed = all(&queue, ListOptions { state, ..ListOptions::default() }).await;
        assert_eq!((listed.len(), listed.iter().all(|one| Some(one.state) == state)), (count, true));
    }
}

#[tokio::test]
async fn a_cursor_goes_on_after_the_message_that_was_listed_last_also_where_that_is_gone() {
    let (queue, _) = in_every_state().await;
    for removes in [false, true] {
        let mut seen: Vec<(Id, MessageState)> = Vec::new();
        let mut cursor = None;
        loop {
            let page = all(&queue, ListOptions { limit: Some(2), cursor, ..ListOptions::default() }).await;
            let Some(last) = page.last() else { break };
            cursor = Some(Listing::<Id>::cursor(last));
            seen.extend(page.iter().map(|one| (one.id, one.state)));
            if removes && last.state != MessageState::Failed {
                queue.storage().remove(&last.id).await.unwrap();
            }
        }
        assert_eq!(seen.len(), 6);
    }
    let refused = ListOptions { cursor: Some("x".into()), ..ListOptions::default() };
    assert!(matches!(queue.list(refused), Err(Error::Invalid(_))));
}

#[tokio::test]
async fn a_call_of_a_list_that_is_given_up_takes_no_message_with_it() {
    let host = FaultHost::new(Traits { page: 2, ..Traits::default() });
    let queue = Queue::new(DictStorage::new(host.clone()), delivering(), Options::default()).unwrap();
    for number in 1..=5 {
        queue.storage().write(envelope(1, "text"), 1.0, Some(Id::from_u128(number))).await.unwrap();
    }
    host.plan(|_, _| Fault::Before(Trouble::Late(1)));
    let mut listing = queue.list(ListOptions::default().with_envelopes()).unwrap();
    let mut listed = Vec::new();
    loop {
        // Given up while a page is read, or an envelope.
        if poll_once(Box::pin(listing.next(&queue)).as_mut()).is_ready() {
            break;
        }
        let Some(one) = listing.next(&queue).await.unwrap() else { break };
        listed.push(one.id.as_u128());
    }
    assert_eq!(listed, [1, 2, 3, 4, 5]);
}

#[tokio::test]
async fn what_waits_can_be_cancelled_and_what_is_being_sent_delivered_or_gone_cannot() {
    let (queue, sending) = in_every_state().await;
    let listed = all(&queue, ListOptions::default()).await;
    for one in listed.iter().filter(|one| one.state != MessageState::Failed) {
        let waits = one.id != sending && one.state != MessageState::Delivered;
        assert_eq!(queue.cancel(&one.id).await, Ok(waits), "{:?}", one.state);
        assert_eq!(queue.cancel(&one.id).await, Ok(false));
    }
    assert_eq!(queue.storage().get_info().await.unwrap().meta_size, 2);
    assert_eq!(queue.get_info().size, 2);
}

#[tokio::test]
async fn what_this_queue_is_sending_is_not_cancelled() {
    let host = with_messages(1).await;
    let queue = queue_on(&host, Slow(50), Options::default());
    let id = queue.storage().load().next().await.unwrap().unwrap().1;
    let mut run = Box::pin(queue.run());
    while queue.get_info().in_attempt == 0 {
        assert!(poll_once(run.as_mut()).is_pending());
    }
    assert_eq!(queue.cancel(&id).await, Ok(false));
    assert_eq!(run.await.unwrap().delivered, 1);
}

#[tokio::test]
async fn a_cancel_that_fails_or_is_dropped_leaves_the_message_to_be_attempted() {
    let host = FaultHost::new(Traits::default());
    let queue = Queue::new(DictStorage::new(host.clone()), delivering(), Options::default()).unwrap();
    let id = id_of(&queue.enqueue(envelope(1, "hello")).await);
    let before = host.dicts().meta.clone();
    host.fault_once(Step::Commit, Fault::Before(Trouble::Fail));
    assert!(queue.cancel(&id).await.is_err());
    assert_eq!(host.dicts().meta.clone(), before);
    host.plan(|_, _| Fault::Before(Trouble::Late(2)));
    let mut cancel = Box::pin(queue.cancel(&id));
    assert!(poll_once(cancel.as_mut()).is_pending());
    drop(cancel);
    assert_eq!(queue.run().await.unwrap().delivered, 1);
}

#[tokio::test]
async fn a_message_that_is_cancelled_while_the_queue_runs_is_not_attempted() {
    let host = MemoryHost::new();
    let (options, events) = watched();
    let queue = Arc::new(queue_on(&host, delivering(), options));
    queue.pause();
    let running = queue.clone();
    let task = tokio::spawn(async move { running.start().await });
    tokio::task::yield_now().await;
    let id = id_of(&queue.enqueue(envelope(1, "hello")).await);
    assert_eq!(queue.cancel(&id).await, Ok(true));
    queue.resume();
    queue.stop().await;
    task.await.unwrap().unwrap();
    assert_eq!((events.names(), left(&host).await, queue.get_info().size), (vec!["queued", "removed"], 0, 0));
}

#[tokio::test]
async fn what_others_have_removed_is_forgotten_with_the_next_scan_and_told_once() {
    let host = with_messages(3).await;
    let (options, events) = watched();
    let queue = queue_on(&host, Answering(|_: &Envelope, _| later().into()), options);
    queue.run().await.unwrap();
    assert_eq!(queue.get_info().size, 3);
    let other = queue_on(&host, delivering(), Options::default());
    other.flush().await.unwrap();
    let result = queue.run().await.unwrap();
    assert_eq!((result.left, result.next_due, queue.get_info().size), (0, None, 0));
    assert_eq!(events.of("removed").len(), 3);
}

#[tokio::test]
async fn queues_of_one_storage_know_nothing_of_what_another_one_has_delivered() {
    let storage = Arc::new(DictStorage::new(MemoryHost::new()));
    let queues: Vec<_> =
        (0..3).map(|_| Arc::new(Queue::new(storage.clone(), Slow(2), Options::default()).unwrap())).collect();
    let tasks: Vec<_> = queues
        .iter()
        .map(|queue| {
            let running = queue.clone();
            tokio::spawn(async move { running.start().await })
        })
        .collect();
    for number in 0..60 {
        queues[0].enqueue(envelope(1, &format!("{number}"))).await.unwrap();
    }
    while queues.iter().any(|queue| queue.get_info().size > 0) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(storage.get_info().await.unwrap().meta_size, 0);
    for (queue, task) in queues.iter().zip(tasks) {
        queue.stop().await;
        task.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_message_that_is_late_is_told_of_once_until_none_is() {
    let host = with_messages(2).await;
    let (options, events) = watched();
    let options = Options { overdue_after: Duration::from_secs(60), ..options };
    let queue = Arc::new(queue_on(&host, delivering(), options));
    queue.pause();
    let running = queue.clone();
    let task = tokio::spawn(async move { running.start().await });
    events.until("overdue").await;
    for _ in 0..5 {
        queue.check_clocks();
        tokio::task::yield_now().await;
    }
    assert_eq!(events.of("overdue").len(), 1);
    queue.resume();
    while left(&host).await > 0 {
        tokio::task::yield_now().await;
    }
    queue.pause();
    queue.storage().write(envelope(1, "late"), 0.0, None).await.unwrap();
    while events.of("overdue").len() < 2 {
        tokio::task::yield_now().await;
    }
    queue.stop().await;
    task.await.unwrap().unwrap();
}
