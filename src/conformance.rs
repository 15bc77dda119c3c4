//! The suite that every host of this package passes, for a host of one's own; the feature
//! `conformance`.
//!
//! A [`Place`] says where the hosts of a test keep their dictionaries.
//! [`host_conforms!`](crate::host_conforms) makes a module with a test for each promise:
//!
//! ```
//! use slimta_queue_dict::MemoryHost;
//! use slimta_queue_dict::conformance::Place;
//!
//! struct InMemory(MemoryHost);
//!
//! impl Place for InMemory {
//!     type Host = MemoryHost;
//!
//!     async fn new() -> Self {
//!         Self(MemoryHost::new())
//!     }
//!
//!     async fn open(&self) -> MemoryHost {
//!         self.0.clone()
//!     }
//! }
//!
//! slimta_queue_dict::host_conforms!(in_memory, InMemory);
//! ```
// A test that fails panics.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::arithmetic_side_effects)]

#[doc(hidden)]
#[allow(missing_docs)]
pub mod messages;
#[doc(hidden)]
#[allow(missing_docs)]
pub mod records;
#[doc(hidden)]
#[allow(missing_docs)]
pub mod writers;

use std::fmt::Debug;
use std::future::Future;

use futures_util::future::join_all;

use crate::host::{Batch, Dict, Host, Stored};
use crate::{Client, DictStorage, Envelope, Error, Id, Meta, NoticeOf};

/// Where the hosts of one test keep their dictionaries.
pub trait Place: Sized {
    /// A host here.
    type Host: Host<Envelope = Envelope, Error: Debug>;

    /// Makes an empty one, which nobody else has.
    fn new() -> impl Future<Output = Self>;

    /// Makes one more host on this place.
    fn open(&self) -> impl Future<Output = Self::Host>;

    /// Hears that all hosts on this place have gone; the next one begins with what they have left.
    fn restart(&mut self) -> impl Future<Output = ()> {
        std::future::ready(())
    }
}

/// Runs one test of the suite.
#[doc(hidden)]
pub fn run<P: Place, F: Future<Output = ()>>(test: impl FnOnce(P) -> F) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { test(P::new().await).await });
}

/// Makes a module of this name with the tests of the suite on a
/// [`Place`](crate::conformance::Place).
#[macro_export]
macro_rules! host_conforms {
    ($module:ident, $place:ty) => {
        mod $module {
            #[allow(unused_imports)]
            use super::*;

            $crate::host_conforms!(@tests $place,
                records an_empty_host_has_no_records_no_entries_and_no_size
                records what_a_batch_writes_is_read_back_by_every_host_and_nothing_else
                records a_batch_whose_check_fails_returns_false_and_writes_nothing
                records a_version_holds_while_other_records_change_and_no_longer_than_its_own
                records deleting_is_no_error_where_nothing_is_and_leaves_nothing
                records pages_show_every_id_once_and_at_most_as_many_at_a_time_as_asked
                records of_many_who_insert_one_record_or_change_one_version_at_once_one_does
                records a_hundred_commits_made_at_once_are_each_answered_and_a_failed_check_touches_no_other
                messages a_message_comes_back_as_it_was_written_also_after_a_new_start
                messages everything_that_was_done_to_a_message_is_there_after_a_new_start
                messages writing_an_id_that_is_there_changes_nothing_and_a_removed_one_can_be_written_again
                messages an_unknown_id_is_no_such_message_and_removing_it_is_no_error
                messages three_thousand_messages_are_listed_once_each_counted_and_found
                messages large_and_odd_messages_come_back_whole_and_go_whole
                messages a_hundred_thousand_recipients_are_kept_and_marked
                messages timestamps_are_any_finite_numbers
                messages what_a_crash_has_left_alone_is_found_and_cleared_or_made_whole
                messages a_storage_that_was_closed_refuses_every_call_and_another_one_goes_on
                writers increments_from_four_storages_all_count
                writers changes_of_different_things_from_two_storages_all_take_effect
                writers of_many_who_claim_a_message_one_gets_it
                writers a_message_that_is_removed_while_others_change_it_does_not_come_back
                writers every_message_that_stays_is_listed_exactly_once_while_others_come_and_go
            );
        }
    };
    (@tests $place:ty, $($group:ident $test:ident)*) => {
        $(
            #[test]
            fn $test() {
                $crate::conformance::run::<$place, _>($crate::conformance::$group::$test::<$place>);
            }
        )*
    };
}

async fn storage<P: Place>(place: &P) -> DictStorage<P::Host> {
    DictStorage::new(place.open().await)
}

fn id(number: u128) -> Id {
    Id::from_u128(number)
}

fn envelope(recipients: usize, text: &str) -> Envelope {
    Envelope {
        sender: Some("sender@example.com".into()),
        recipients: (0..recipients).map(|number| format!("{number}@example.com")).collect(),
        headers: vec![("Subject".into(), text.into())],
        message: text.as_bytes().to_vec(),
        ..Envelope::default()
    }
}

/// Lets all of some futures go on at once. The results are in the order of the futures, not of their ends.
async fn together<T, F: Future<Output = T>>(futures: impl IntoIterator<Item = F>) -> Vec<T> {
    join_all(futures).await
}

fn code<T, E>(result: Result<T, Error<E>>) -> Result<T, &'static str> {
    result.map_err(|error| error.code())
}

async fn list<H: Host<Error: Debug>>(storage: &DictStorage<H>) -> Vec<(Id, f64)> {
    let (mut load, mut listed) = (storage.load(), Vec::new());
    while let Some((timestamp, id)) = load.next().await.unwrap() {
        listed.push((id, timestamp));
    }
    listed.sort_by_key(|(id, _)| *id);
    listed
}

/// Every id that pages of this size show.
async fn paged<H: Host<Error: Debug>>(host: &H, dict: Dict, limit: u32) -> Vec<(Id, Option<Stored<Meta>>)> {
    let (mut all, mut cursor) = (Vec::new(), None);
    loop {
        let page = host.page(dict, cursor, limit).await.unwrap();
        assert!(page.entries.len() <= usize::try_from(limit).unwrap());
        all.extend(page.entries);
        cursor = page.next;
        if cursor.is_none() {
            return all;
        }
    }
}

async fn meta<H: Host<Error: Debug>>(host: &H, number: u128) -> Option<(Meta, H::Version)> {
    host.read_meta(id(number)).await.unwrap().map(|record| match record.meta {
        Stored::Good(meta) => (meta, record.version),
        other => panic!("{other:?}"),
    })
}

fn full() -> Envelope {
    Envelope {
        sender: None,
        recipients: vec!["a@example.com".into(), "gr\u{fc}\u{df}e@\u{4e16}.example".into(), "a@example.com".into()],
        headers: vec![("X".into(), "folded\r\n value".into()), ("X".into(), String::new())],
        message: (0..=255).collect(),
        client: Client { ip: Some("::1".into()), auth: Some(String::new()), ..Client::default() },
        receiver: Some("here".into()),
        timestamp: Some((-0.5).into()),
        notice_of: Some(NoticeOf { id: Id::from_u128(7), attempt: 3 }),
        unknown: Vec::new(),
    }
}

async fn write<H: Host<Envelope = Envelope, Error: Debug>>(host: &H, number: u128) -> bool {
    host.commit(Batch::write(id(number), envelope(2, &number.to_string()), Meta::new(5.0))).await.unwrap()
}
