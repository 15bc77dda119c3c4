//! What several writers at once come to.

use std::collections::BTreeSet;

use futures_util::future::join;

use super::{Place, code, envelope, id, list, storage, together};
use crate::host::{Host, Sizes};
use crate::{Change, Expect, Id, Lease};

pub async fn increments_from_four_storages_all_count<P: Place>(place: P) {
    let storages = together((0..4).map(|_| storage(&place))).await;
    storages[0].write(envelope(1, "text"), 5.0, Some(id(1))).await.unwrap();
    let all = storages.iter().cycle().take(400);
    let counts = together(all.map(|storage| async { storage.increment_attempts(&id(1)).await.unwrap() })).await;
    assert_eq!(counts.into_iter().collect::<BTreeSet<_>>(), (1..=400).collect());
    assert_eq!(storages[3].get(&id(1)).await.unwrap().attempts, 400);
}

pub async fn changes_of_different_things_from_two_storages_all_take_effect<P: Place>(place: P) {
    let storages = [storage(&place).await, storage(&place).await];
    storages[0].write(envelope(100, "text"), 5.0, Some(id(1))).await.unwrap();
    together((0..99_u32).zip(storages.iter().cycle()).map(|(index, storage)| async move {
        storage.set_recipients_delivered(&id(1), &[index]).await.unwrap();
        storage.increment_attempts(&id(1)).await.unwrap();
    }))
    .await;
    let queued = storages[1].get(&id(1)).await.unwrap();
    assert_eq!((queued.indexes, queued.attempts), (vec![99], 99));
}

pub async fn of_many_who_claim_a_message_one_gets_it<P: Place>(place: P) {
    let storages = together((0..10).map(|_| storage(&place))).await;
    storages[0].write(envelope(1, "text"), 5.0, Some(id(1))).await.unwrap();
    let claims = together(storages.iter().zip(0..).map(|(storage, owner)| async move {
        let lease = Lease { until: 60.0, owner: owner.to_string() };
        let expect = Expect { lease: Some(None), ..Expect::default() };
        storage.change(&id(1), Change { expect, lease: Some(Some(lease)), ..Change::default() }).await.unwrap()
    }))
    .await;
    assert_eq!(claims.into_iter().filter(|claimed| *claimed).count(), 1);
}

pub async fn a_message_that_is_removed_while_others_change_it_does_not_come_back<P: Place>(place: P) {
    for round in 0..20 {
        let storages = [storage(&place).await, storage(&place).await];
        storages[0].write(envelope(1, "text"), 5.0, Some(id(round))).await.unwrap();
        together((0..10).zip(storages.iter().cycle()).map(|(number, storage)| async move {
            if number == 5 {
                storage.remove(&id(round)).await.unwrap();
            } else {
                let _ = code(storage.increment_attempts(&id(round)).await);
            }
        }))
        .await;
        assert_eq!(place.open().await.sizes().await.unwrap(), Sizes { size: 0, meta_size: 0 });
    }
}

pub async fn every_message_that_stays_is_listed_exactly_once_while_others_come_and_go<P: Place>(place: P) {
    let queue = storage(&place).await;
    let stays: Vec<Id> = (0..2_000).map(|number| id(number * 5)).collect();
    for id in &stays {
        queue.write(envelope(1, "stays"), 5.0, Some(*id)).await.unwrap();
    }
    let busy = async {
        for number in 0..1_000 {
            queue.write(envelope(1, "goes"), 6.0, Some(id(number * 5 + 1))).await.unwrap();
            queue.set_timestamp(&id(number * 10), 7.0).await.unwrap();
            queue.remove(&id(number * 5 + 1)).await.unwrap();
        }
    };
    let lists = async {
        let mut lists = Vec::new();
        for _ in 0..5 {
            lists.push(list(&queue).await);
        }
        lists
    };
    for listed in join(busy, lists).await.1 {
        let ids: Vec<Id> = listed.into_iter().map(|(id, _)| id).filter(|id| id.as_u128() % 5 == 0).collect();
        assert_eq!(ids, stays);
    }
}
