//! What a storage on the host keeps of messages.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Place, code, envelope, full, id, list, meta, storage, together, write};
use crate::host::{Batch, Host, Sizes};
use crate::{Attempts, Change, Envelope, Expect, Findings, Id, Lease, Meta, Repair};

pub async fn a_message_comes_back_as_it_was_written_also_after_a_new_start<P: Place>(mut place: P) {
    let queue = storage(&place).await;
    let given = queue.write(full(), 5.0, Some(id(1))).await.unwrap();
    let generated = queue.write(Envelope::default(), -0.25, None).await.unwrap();
    queue.increment_attempts(&given).await.unwrap();
    queue.set_recipients_delivered(&given, &[2]).await.unwrap();
    queue.close().await.unwrap();
    drop(queue);
    for _ in 0..2 {
        let queue = storage(&place).await;
        let queued = queue.get(&given).await.unwrap();
        let recipients = full().recipients[..2].to_vec();
        assert_eq!((queued.envelope, queued.attempts), (Envelope { recipients, ..full() }, 1));
        assert_eq!(queued.indexes, [0, 1]);
        assert_eq!(queue.get(&generated).await.unwrap().envelope, Envelope::default());
        let listed: BTreeMap<Id, f64> = list(&queue).await.into_iter().collect();
        assert_eq!(listed, [(given, 5.0), (generated, -0.25)].into());
        drop(queue);
        place.restart().await;
    }
}

pub async fn everything_that_was_done_to_a_message_is_there_after_a_new_start<P: Place>(mut place: P) {
    let queue = storage(&place).await;
    for number in 1..=3 {
        queue.write(envelope(3, "text"), 5.0, Some(id(number))).await.unwrap();
    }
    queue.set_timestamp(&id(1), 7.0).await.unwrap();
    queue.remove(&id(2)).await.unwrap();
    let lease = Lease { until: 60.0, owner: "me".into() };
    let change = Change {
        expect: Expect { attempts: Some(0), ..Expect::default() },
        attempts: Some(Attempts::Set(4)),
        lease: Some(Some(lease.clone())),
        delivered: vec![0, 1],
        ..Change::default()
    };
    assert!(queue.change(&id(3), change.clone()).await.unwrap());
    assert!(!queue.change(&id(3), change).await.unwrap());
    queue.close().await.unwrap();
    drop(queue);
    place.restart().await;
    let queue = storage(&place).await;
    assert_eq!(list(&queue).await, [(id(1), 7.0), (id(3), 5.0)]);
    assert_eq!(code(queue.get(&id(2)).await).unwrap_err(), "no-such-message");
    let (left, _) = meta(&place.open().await, 3).await.unwrap();
    assert_eq!(
        left,
        Meta { timestamp: 5.0, attempts: 4, delivered: vec![0, 1], lease: Some(lease), ..Meta::default() }
    );
}

pub async fn writing_an_id_that_is_there_changes_nothing_and_a_removed_one_can_be_written_again<P: Place>(place: P) {
    let (queue, other) = (storage(&place).await, storage(&place).await);
    queue.write(envelope(1, "first"), 5.0, Some(id(1))).await.unwrap();
    assert_eq!(other.write(envelope(1, "second"), 6.0, Some(id(1))).await.unwrap(), id(1));
    assert_eq!(other.get(&id(1)).await.unwrap().envelope, envelope(1, "first"));
    other.remove(&id(1)).await.unwrap();
    queue.write(envelope(1, "third"), 7.0, Some(id(1))).await.unwrap();
    assert_eq!(queue.get(&id(1)).await.unwrap().envelope, envelope(1, "third"));
}

pub async fn an_unknown_id_is_no_such_message_and_removing_it_is_no_error<P: Place>(place: P) {
    let queue = storage(&place).await;
    let results = [
        code(queue.get(&id(1)).await).map(drop),
        code(queue.set_timestamp(&id(1), 1.0).await),
        code(queue.increment_attempts(&id(1)).await).map(drop),
        code(queue.set_recipients_delivered(&id(1), &[0]).await),
        code(queue.change(&id(1), Change::default()).await).map(drop),
    ];
    assert_eq!(results, [Err("no-such-message"); 5]);
    queue.remove(&id(1)).await.unwrap();
}

pub async fn three_thousand_messages_are_listed_once_each_counted_and_found<P: Place>(place: P) {
    let queue = &storage(&place).await;
    for first in (0..3_000).step_by(1000) {
        together((first..first + 1000_u32).map(|number| async move {
            let text = envelope(1, &number.to_string());
            queue.write(text, f64::from(number), Some(id(number.into()))).await.unwrap()
        }))
        .await;
    }
    let expected = (0..3_000_u32).map(|number| (id(number.into()), f64::from(number)));
    assert!(list(queue).await.into_iter().eq(expected));
    let info = queue.get_info().await.unwrap();
    assert_eq!((info.size, info.meta_size), (3_000, 3_000));
    assert_eq!(queue.get(&id(2_876)).await.unwrap().envelope, envelope(1, "2876"));
}

pub async fn large_and_odd_messages_come_back_whole_and_go_whole<P: Place>(place: P) {
    let queue = storage(&place).await;
    for length in [0, 1, 4_095, 4_096, 4_097, 65_535, 65_536, 1 << 20, 25_000_000] {
        let message: Vec<u8> = (0..length).map(|at: u32| at.to_le_bytes()[0] ^ at.to_le_bytes()[1]).collect();
        let written = Envelope { message, ..envelope(1, "large") };
        queue.write(written.clone(), 5.0, Some(id(1))).await.unwrap();
        assert!(storage(&place).await.get(&id(1)).await.unwrap().envelope == written, "{length} bytes");
        queue.remove(&id(1)).await.unwrap();
        assert_eq!(place.open().await.sizes().await.unwrap(), Sizes { size: 0, meta_size: 0 });
    }
}

pub async fn a_hundred_thousand_recipients_are_kept_and_marked<P: Place>(place: P) {
    let queue = storage(&place).await;
    queue.write(envelope(100_000, "text"), 5.0, Some(id(1))).await.unwrap();
    let all_but_one: Vec<u32> = (0..99_999).rev().collect();
    queue.set_recipients_delivered(&id(1), &all_but_one).await.unwrap();
    assert_eq!(storage(&place).await.get(&id(1)).await.unwrap().indexes, [99_999]);
}

pub async fn timestamps_are_any_finite_numbers<P: Place>(place: P) {
    let queue = storage(&place).await;
    queue.write(envelope(1, "text"), 5.0, Some(id(1))).await.unwrap();
    for timestamp in [0.0, -0.0, f64::MAX, f64::MIN, 5e-324, 1.0 / 3.0, 2_f64.powi(53) + 2.0] {
        queue.set_timestamp(&id(1), timestamp).await.unwrap();
        let [(_, listed)] = list(&storage(&place).await).await[..] else { panic!("one message") };
        assert_eq!(listed, timestamp);
    }
}

pub async fn what_a_crash_has_left_alone_is_found_and_cleared_or_made_whole<P: Place>(place: P) {
    let host = place.open().await;
    for number in 1..=3 {
        assert!(write(&host, number).await);
        let (_, version) = meta(&host, number).await.unwrap();
        // What no storage does: one of the two records goes alone.
        let mut batch = if number == 3 { Batch::remove(id(3)) } else { Batch::clear_meta(id(number), version) };
        batch.checks.clear();
        if number == 3 {
            batch.writes.remove(0);
        }
        assert!(host.commit(batch).await.unwrap());
    }
    let queue = storage(&place).await;
    let found = queue.check().await.unwrap();
    let names = |numbers: &[u128]| numbers.iter().map(|number| id(*number).to_string()).collect::<Vec<_>>();
    assert_eq!((found.orphan_envelopes, found.orphan_meta), (names(&[1, 2]), names(&[3])));
    queue.write(envelope(2, "1"), 6.0, Some(id(1))).await.unwrap();
    queue.repair(Repair { min_age: Duration::ZERO, ..Repair::default() }).await.unwrap();
    assert_eq!(queue.check().await.unwrap(), Findings::default());
    assert_eq!(list(&queue).await, [(id(1), 6.0)]);
}

pub async fn a_storage_that_was_closed_refuses_every_call_and_another_one_goes_on<P: Place>(place: P) {
    let (queue, other) = (storage(&place).await, storage(&place).await);
    queue.write(envelope(1, "text"), 5.0, Some(id(1))).await.unwrap();
    queue.close().await.unwrap();
    queue.close().await.unwrap();
    assert_eq!(code(queue.get(&id(1)).await).unwrap_err(), "closed");
    assert_eq!(other.increment_attempts(&id(1)).await.unwrap(), 1);
}
