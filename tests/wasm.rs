//! The core as WebAssembly, in a browser: what it does there is what it does natively.
#![cfg(target_family = "wasm")]

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use slimta_queue_dict::{Change, DictStorage, Envelope, Error, Expect, Host, Id, MemoryHost, Meta};
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_browser);

/// Small random numbers from a seed (xorshift64*).
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % bound
    }
}

fn envelope(recipients: u64) -> Envelope {
    let recipients = (0..recipients).map(|number| format!("r{number}@example.com")).collect();
    Envelope { sender: Some("s@example.com".into()), recipients, ..Envelope::default() }
}

#[wasm_bindgen_test]
async fn random_operations_do_what_a_plain_map_does() {
    for seed in 1..=40 {
        let mut dice = Dice(seed);
        let host = MemoryHost::new();
        let storages = [DictStorage::new(host.clone()), DictStorage::new(host)];
        let mut model: BTreeMap<Id, (u64, Meta)> = BTreeMap::new();
        for step in 0..200 {
            let storage = &storages[dice.below(2) as usize];
            let id = Id::from_u128(dice.below(6).into());
            let known = model.get_mut(&id);
            let place = format!("seed {seed}, step {step}");
            match dice.below(7) {
                0 => {
                    let count = 3;
                    assert_eq!(storage.write(envelope(count), 5.0, Some(id)).await, Ok(id), "{place}");
                    model.entry(id).or_insert((count, Meta::new(5.0)));
                }
                1 => {
                    let time = dice.below(100) as f64;
                    let result = storage.set_timestamp(&id, time).await;
                    match known {
                        Some((_, meta)) => {
                            meta.timestamp = time;
                            assert_eq!(result, Ok(()), "{place}");
                        }
                        None => assert_eq!(result, Err(Error::NoSuchMessage(id)), "{place}"),
                    }
                }
                2 => {
                    let result = storage.increment_attempts(&id).await;
                    match known {
                        Some((_, meta)) => {
                            meta.attempts += 1;
                            assert_eq!(result, Ok(meta.attempts), "{place}");
                        }
                        None => assert_eq!(result, Err(Error::NoSuchMessage(id)), "{place}"),
                    }
                }
                3 => {
                    let index = dice.below(4);
                    let result = storage.set_recipients_delivered(&id, &[index as u32]).await;
                    match known {
                        Some((count, meta)) if index < *count => {
                            meta.mark_delivered(&[index as u32]);
                            assert_eq!(result, Ok(()), "{place}");
                        }
                        Some(_) => assert_eq!(result.unwrap_err().code(), "invalid", "{place}"),
                        None => assert_eq!(result, Err(Error::NoSuchMessage(id)), "{place}"),
                    }
                }
                4 => {
                    let expect = Expect { attempts: Some(dice.below(3) as u32), ..Expect::default() };
                    let change = Change { expect, timestamp: Some(7.0), ..Change::default() };
                    let result = storage.change(&id, change.clone()).await;
                    match known {
                        Some((_, meta)) => assert_eq!(result, Ok(change.apply(meta)), "{place}"),
                        None => assert_eq!(result, Err(Error::NoSuchMessage(id)), "{place}"),
                    }
                }
                5 => {
                    assert_eq!(storage.remove(&id).await, Ok(()), "{place}");
                    model.remove(&id);
                }
                _ => {
                    let result = storage.get(&id).await;
                    match known {
                        Some((count, meta)) => {
                            let left: Vec<u32> =
                                (0..*count as u32).filter(|index| !meta.delivered.contains(index)).collect();
                            let queued = result.unwrap();
                            assert_eq!((queued.indexes, queued.attempts), (left, meta.attempts), "{place}");
                        }
                        None => assert_eq!(result, Err(Error::NoSuchMessage(id)), "{place}"),
                    }
                }
            }
            let mut load = storage.load();
            let mut listed = BTreeMap::new();
            while let Some((timestamp, id)) = load.next().await.unwrap() {
                assert_eq!(listed.insert(id, timestamp), None, "{place}");
            }
            let expected = model.iter().map(|(id, (_, meta))| (*id, meta.timestamp)).collect();
            assert_eq!(listed, expected, "{place}");
        }
    }
}

#[wasm_bindgen_test]
async fn ids_are_drawn_from_the_randomness_of_the_browser() {
    let storage = DictStorage::new(MemoryHost::new());
    let one = storage.write(envelope(1), 1.0, None).await.unwrap();
    let other = storage.write(envelope(1), 1.0, None).await.unwrap();
    assert_ne!(one, other);
    assert_eq!(storage.get_info().await.unwrap().meta_size, 2);
}

#[wasm_bindgen_test]
async fn one_who_waits_hears_of_what_is_written() {
    let storage = DictStorage::new(MemoryHost::new());
    let mut wait = storage.wait(Duration::from_secs(3600));
    let id = storage.write(envelope(1), 3.0, None).await.unwrap();
    assert_eq!(wait.next(&storage).await.unwrap(), Some((3.0, id)));
}

#[wasm_bindgen_test]
async fn a_time_longer_than_a_timer_of_the_browser_knows_has_not_passed_soon() {
    const DAY: u64 = 86_400;
    let host = MemoryHost::new();
    for time in [Duration::from_secs(30 * DAY), Duration::from_secs(60 * DAY), Duration::MAX] {
        let (mut long, mut short) = (pin!(host.sleep(time)), pin!(host.sleep(Duration::from_millis(20))));
        let has_passed = poll_fn(|cx| match (long.as_mut().poll(cx), short.as_mut().poll(cx)) {
            (Poll::Ready(()), _) => Poll::Ready(true),
            (_, short) => short.map(|()| false),
        });
        assert!(!has_passed.await, "{time:?}");
    }
}

#[wasm_bindgen_test]
fn the_clock_of_a_host_in_memory_does_not_go_back_with_the_one_on_the_wall() {
    let host = MemoryHost::new();
    let before = host.now();
    js_sys::eval("globalThis.wall = Date.now; Date.now = () => wall() - 3_600_000").unwrap();
    let after = host.now();
    js_sys::eval("Date.now = wall; delete globalThis.wall").unwrap();
    assert!(after >= before, "{after} after {before}");
}
