//! What a host itself promises of its records.

use std::collections::BTreeSet;

use super::{Place, envelope, full, id, meta, paged, together, write};
use crate::host::{Batch, Dict, Host, Sizes, Stored};
use crate::{Id, Lease, Meta};

pub async fn an_empty_host_has_no_records_no_entries_and_no_size<P: Place>(place: P) {
    let host = place.open().await;
    assert!(meta(&host, 1).await.is_none());
    assert!(host.read_envelope(id(1)).await.unwrap().is_none());
    for dict in [Dict::Envelope, Dict::Meta] {
        assert_eq!(paged(&host, dict, 10).await, []);
    }
    assert_eq!(host.sizes().await.unwrap(), Sizes { size: 0, meta_size: 0 });
}

pub async fn what_a_batch_writes_is_read_back_by_every_host_and_nothing_else<P: Place>(place: P) {
    let (host, other) = (place.open().await, place.open().await);
    let lease = Some(Lease { until: -1.5, owner: "w\u{f6}rker".into() });
    let record = Meta { timestamp: 1e300, attempts: u32::MAX, delivered: vec![0, 9, 1000], lease, ..Meta::default() };
    assert!(host.commit(Batch::write(id(1), full(), record.clone())).await.unwrap());
    for each in [&host, &other] {
        assert_eq!(meta(each, 1).await.unwrap().0, record);
        assert_eq!(each.read_envelope(id(1)).await.unwrap(), Some(Stored::Good(full())));
        assert!(meta(each, 2).await.is_none());
        assert_eq!(each.sizes().await.unwrap(), Sizes { size: 1, meta_size: 1 });
    }
}

pub async fn a_batch_whose_check_fails_returns_false_and_writes_nothing<P: Place>(place: P) {
    let host = place.open().await;
    assert!(write(&host, 1).await);
    let (_, old) = meta(&host, 1).await.unwrap();
    assert!(host.commit(Batch::change(id(1), old.clone(), Meta::new(6.0))).await.unwrap());
    for batch in [
        Batch::write(id(1), full(), Meta::new(7.0)),
        Batch::complete(id(1), full(), Meta::new(7.0)),
        Batch::change(id(1), old.clone(), Meta::new(7.0)),
        Batch::change(id(2), old.clone(), Meta::new(7.0)),
        Batch::requeue(id(1), None, Meta::new(7.0)),
        Batch::requeue(id(1), Some(old.clone()), Meta::new(7.0)),
        Batch::clear_envelope(id(1)),
        Batch::clear_meta(id(1), old.clone()),
    ] {
        let text = format!("{batch:?}");
        assert!(!host.commit(batch).await.unwrap(), "{text}");
        assert_eq!(meta(&host, 1).await.unwrap().0, Meta::new(6.0), "{text}");
        assert_eq!(host.read_envelope(id(1)).await.unwrap(), Some(Stored::Good(envelope(2, "1"))), "{text}");
        assert_eq!(host.sizes().await.unwrap(), Sizes { size: 1, meta_size: 1 }, "{text}");
    }
}

pub async fn a_version_holds_while_other_records_change_and_no_longer_than_its_own<P: Place>(place: P) {
    let host = place.open().await;
    assert!(write(&host, 1).await);
    let (_, version) = meta(&host, 1).await.unwrap();
    assert!(write(&host, 2).await);
    host.commit(Batch::remove(id(2))).await.unwrap();
    assert!(host.commit(Batch::change(id(1), version.clone(), Meta::new(6.0))).await.unwrap());
    assert!(!host.commit(Batch::change(id(1), version, Meta::new(7.0))).await.unwrap());
    if let Some(foretold) = host.version_of(&Meta::new(6.0)) {
        assert!(host.commit(Batch::change(id(1), foretold, Meta::new(8.0))).await.unwrap());
    }
}

pub async fn deleting_is_no_error_where_nothing_is_and_leaves_nothing<P: Place>(place: P) {
    let host = place.open().await;
    assert!(write(&host, 1).await);
    for _ in 0..2 {
        assert!(host.commit(Batch::remove(id(1))).await.unwrap());
        assert_eq!(host.sizes().await.unwrap(), Sizes { size: 0, meta_size: 0 });
        assert!(host.read_envelope(id(1)).await.unwrap().is_none());
    }
    assert!(write(&host, 1).await);
}

pub async fn pages_show_every_id_once_and_at_most_as_many_at_a_time_as_asked<P: Place>(place: P) {
    let host = place.open().await;
    for number in 0..100 {
        // Spread over all ids, the first and the last one included.
        let id = Id::from_u128((u128::MAX / 99).saturating_mul(number));
        assert!(host.commit(Batch::write(id, envelope(1, "text"), Meta::new(number as f64))).await.unwrap());
    }
    let ids: BTreeSet<Id> = (0..100).map(|number| Id::from_u128((u128::MAX / 99) * number)).collect();
    for limit in [1, 7, 99, 100, 101, 1000] {
        for dict in [Dict::Envelope, Dict::Meta] {
            let shown = paged(&host, dict, limit).await;
            assert!(shown.iter().all(|(_, meta)| meta.is_some() == (dict == Dict::Meta)));
            assert_eq!(shown.len(), 100);
            assert_eq!(shown.into_iter().map(|(id, _)| id).collect::<BTreeSet<_>>(), ids);
        }
    }
}

pub async fn of_many_who_insert_one_record_or_change_one_version_at_once_one_does<P: Place>(place: P) {
    let hosts = together((0..20).map(|_| place.open())).await;
    let made = together(hosts.iter().map(|host| write(host, 1))).await;
    assert_eq!(made.into_iter().filter(|made| *made).count(), 1);
    let (_, version) = meta(&hosts[0], 1).await.unwrap();
    let made = together(hosts.iter().zip(0..).map(|(host, attempts)| {
        let batch = Batch::change(id(1), version.clone(), Meta { attempts, ..Meta::new(6.0) });
        async move { host.commit(batch).await.unwrap() }
    }))
    .await;
    assert_eq!(made.iter().filter(|made| **made).count(), 1);
    let winner = made.iter().position(|made| *made).unwrap();
    assert_eq!(usize::try_from(meta(&hosts[0], 1).await.unwrap().0.attempts).unwrap(), winner);
}

pub async fn a_hundred_commits_made_at_once_are_each_answered_and_a_failed_check_touches_no_other<P: Place>(place: P) {
    let host = place.open().await;
    assert!(write(&host, 50).await);
    let host = &host;
    let writes = (0..100).map(|number| async move { (number, write(host, number).await) });
    let mut answers = together(writes).await;
    answers.sort();
    assert!(answers.into_iter().eq((0..100).map(|number| (number, number != 50))));
    assert_eq!(host.sizes().await.unwrap(), Sizes { size: 100, meta_size: 100 });
}
