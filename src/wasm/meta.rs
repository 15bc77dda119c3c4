//! Meta records, changes, pages and findings as structured values.

use serde::Serialize;
use serde_wasm_bindgen::Serializer;
use wasm_bindgen::prelude::*;

use super::fields::Fields;
use super::packed_fields::{change_with_fields, pack, with_fields};
use crate::host::{Page, Record, Sizes, Stored};
use crate::id::Id;
use crate::meta::{Attempts, Change, Expect, FORMAT_QUEUE, Lease, Meta, integer};

/// A structured value for JavaScript: what is missing is null, unless it is left out.
pub fn to_js(value: &impl Serialize) -> JsValue {
    // Of what is made here, nothing fails.
    value.serialize(&Serializer::new().serialize_missing_as_null(true)).unwrap_or_default()
}

#[wasm_bindgen]
extern "C" {
    /// A record as hosts keep it; see `pkg/binding/meta.js`.
    #[wasm_bindgen(js_namespace = binding, js_name = recordOf)]
    fn record_of(
        timestamp: f64,
        attempts: u32,
        delivered: Vec<u32>,
        until: Option<f64>,
        owner: Option<&str>,
        unknown: Option<&str>,
        queue_numbers: Vec<f64>,
        queue_texts: Vec<String>,
    ) -> JsValue;

    /// The inert copy of a record, in which NaN stands for what is no number.
    type MetaCopy;
    #[wasm_bindgen(method, getter)]
    fn timestamp(this: &MetaCopy) -> f64;
    #[wasm_bindgen(method, getter)]
    fn attempts(this: &MetaCopy) -> f64;
    #[wasm_bindgen(method, getter, js_name = deliveredIndexes)]
    fn delivered_indexes(this: &MetaCopy) -> Option<Vec<f64>>;
    #[wasm_bindgen(method, getter)]
    fn until(this: &MetaCopy) -> Option<f64>;
    #[wasm_bindgen(method, getter)]
    fn owner(this: &MetaCopy) -> Option<String>;
    #[wasm_bindgen(method, getter)]
    fn format(this: &MetaCopy) -> f64;
    /// The fields that this version does not know, as JSON.
    #[wasm_bindgen(method, getter)]
    fn unknown(this: &MetaCopy) -> Option<String>;
    /// The fields of a queue, if there are any; the copy of a change has them, too.
    #[wasm_bindgen(method, getter, js_name = queueNumbers)]
    fn queue_numbers(this: &MetaCopy) -> Option<Vec<f64>>;
    #[wasm_bindgen(method, getter, js_name = queueTexts)]
    fn queue_texts(this: &MetaCopy) -> Option<Vec<String>>;

    /// What a host has under an id.
    type RecordCopy;
    #[wasm_bindgen(method, getter)]
    fn copy(this: &RecordCopy) -> MetaCopy;
    #[wasm_bindgen(method, getter)]
    fn version(this: &RecordCopy) -> JsValue;
    /// Whether the version is the record itself.
    #[wasm_bindgen(method, getter, js_name = isContent)]
    fn is_content(this: &RecordCopy) -> bool;

    /// The inert copy of a page.
    pub type PageCopy;
    #[wasm_bindgen(method, getter)]
    fn entries(this: &PageCopy) -> Vec<EntryCopy>;
    #[wasm_bindgen(method, getter)]
    fn next(this: &PageCopy) -> JsValue;

    /// A key, with the copy of its record if it has one.
    type EntryCopy;
    #[wasm_bindgen(method, getter)]
    fn key(this: &EntryCopy) -> String;
    #[wasm_bindgen(method, getter)]
    fn copy(this: &EntryCopy) -> Option<MetaCopy>;

    /// The inert copy of what a change sets.
    #[wasm_bindgen(extends = Fields)]
    pub type NextCopy;
    #[wasm_bindgen(method, getter)]
    fn delivered(this: &NextCopy) -> Option<Vec<u32>>;
}

/// A meta record for a host.
pub fn meta_to_js(meta: &Meta) -> JsValue {
    let (queue_numbers, queue_texts) = pack(meta);
    record_of(
        meta.timestamp,
        meta.attempts,
        meta.delivered.clone(),
        meta.lease.as_ref().map(|lease| lease.until),
        meta.lease.as_ref().map(|lease| lease.owner.as_str()),
        str::from_utf8(&meta.unknown).ok().filter(|unknown| !unknown.is_empty()),
        queue_numbers,
        queue_texts,
    )
}

/// What an inert copy of a record says.
fn stored(copy: &MetaCopy) -> Stored<Meta> {
    let format = copy.format();
    if format > f64::from(FORMAT_QUEUE) {
        return Stored::Newer;
    }
    good(copy).filter(|_| format >= 0.0).map_or(Stored::Corrupt, Stored::Good)
}

fn good(copy: &MetaCopy) -> Option<Meta> {
    let timestamp = copy.timestamp();
    let attempts = integer(copy.attempts())?;
    let delivered: Vec<u32> =
        copy.delivered_indexes().unwrap_or_default().into_iter().map(integer).collect::<Option<_>>()?;
    let lease = copy.until().map(|until| Lease { until, owner: copy.owner().unwrap_or_default() });
    let unknown = copy.unknown().unwrap_or_default().into_bytes();
    let meta = Meta { timestamp, attempts, delivered, lease, unknown, ..Meta::default() };
    with_fields(meta, copy.queue_numbers(), copy.queue_texts())?.checked()
}

/// A record and its version, and whether that is the record itself.
pub fn record(answer: JsValue) -> (Record<JsValue>, bool) {
    let found: RecordCopy = answer.unchecked_into();
    (Record { meta: stored(&found.copy()), version: found.version() }, found.is_content())
}

/// A page of a dictionary.
pub fn page(answer: &PageCopy) -> Page<JsValue> {
    let (found, next) = (answer.entries(), answer.next());
    let (mut entries, mut foreign_keys) = (Vec::with_capacity(found.len()), Vec::new());
    for entry in found {
        let key = entry.key();
        match key.parse::<Id>() {
            Ok(id) => entries.push((id, entry.copy().as_ref().map(stored))),
            Err(_) => foreign_keys.push(key),
        }
    }
    Page { entries, foreign_keys, next: (!next.is_undefined()).then_some(next) }
}

/// How many entries a host has.
pub fn sizes(answer: &Fields) -> Sizes {
    let size = |name| answer.number(name).unwrap_or_default() as u64;
    Sizes { size: size("size"), meta_size: size("metaSize") }
}

/// The change that the inert copies of `change`'s arguments ask for.
pub fn change(expect: &Fields, next: &NextCopy) -> Change {
    let attempts = |copy: &Fields| copy.number("attempts").and_then(integer);
    let change = Change {
        expect: Expect {
            timestamp: expect.number("timestamp"),
            attempts: attempts(expect),
            lease: lease(expect),
            untold: None,
        },
        timestamp: next.number("timestamp"),
        attempts: attempts(next).map(Attempts::Set),
        lease: lease(next),
        delivered: next.delivered().unwrap_or_default(),
        ..Change::default()
    };
    let fields: &MetaCopy = next.unchecked_ref();
    change_with_fields(change, fields.queue_numbers(), fields.queue_texts())
}

/// A lease that is null says something else than one that is not there.
fn lease(copy: &Fields) -> Option<Option<Lease>> {
    let lease = copy.get("lease");
    if lease.is_undefined() {
        return None;
    }
    let given: &Fields = lease.unchecked_ref();
    let parts = || given.number("until").zip(given.text("owner"));
    Some(if lease.is_null() { None } else { parts().map(|(until, owner)| Lease { until, owner }) })
}
