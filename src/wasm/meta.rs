//! Meta records, changes, pages and findings as structured values.

use serde::{Deserialize, Deserializer, Serialize};
use serde_wasm_bindgen::{Serializer, from_value, preserve};
use wasm_bindgen::prelude::*;

use super::error::unreadable;
use super::queue_fields::{change_with_fields, pack, with_fields};
use crate::host::{Page, Record, Sizes, Stored};
use crate::id::Id;
use crate::integrity::Findings;
use crate::meta::{Attempts, Change, Expect, Lease, Meta};

/// The newest format of records that this version knows: that of a record with `untold`.
const FORMAT: f64 = 2.0;

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
}

#[derive(Deserialize)]
struct JsLease {
    until: f64,
    owner: String,
}

impl From<JsLease> for Lease {
    fn from(JsLease { until, owner }: JsLease) -> Self {
        Self { until, owner }
    }
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
    if format > FORMAT {
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
    let is_good = timestamp.is_finite()
        && delivered.is_sorted_by(|one, next| one < next)
        && lease.as_ref().is_none_or(|lease| lease.until.is_finite());
    let unknown = copy.unknown().unwrap_or_default().into_bytes();
    let meta = is_good.then_some(Meta { timestamp, attempts, delivered, lease, unknown, ..Meta::default() })?;
    with_fields(meta, copy.queue_numbers(), copy.queue_texts())
}

/// The number as an index or a count, if it is one.
pub(super) fn integer(number: f64) -> Option<u32> {
    let integer = number as u32;
    (f64::from(integer) == number).then_some(integer)
}

/// A record and its version, and whether that is the record itself.
pub fn record(answer: JsValue) -> (Record<JsValue>, bool) {
    let found: RecordCopy = answer.unchecked_into();
    (Record { meta: stored(&found.copy()), version: found.version() }, found.is_content())
}

#[derive(Deserialize)]
struct JsPage {
    /// Keys, each with the inert copy of its record if it has one.
    entries: Vec<JsEntry>,
    #[serde(default, with = "preserve")]
    next: JsValue,
}

#[derive(Deserialize)]
struct JsEntry {
    key: String,
    #[serde(default, with = "preserve")]
    copy: JsValue,
}

/// A page of a dictionary.
pub fn page(answer: JsValue) -> Result<Page<JsValue>, JsValue> {
    let JsPage { entries: found, next } = from_value(answer).map_err(|error| unreadable("page", &error))?;
    let (mut entries, mut foreign_keys) = (Vec::with_capacity(found.len()), Vec::new());
    for JsEntry { key, copy } in found {
        match key.parse::<Id>() {
            Ok(id) => entries.push((id, (!copy.is_undefined()).then(|| stored(copy.unchecked_ref())))),
            Err(_) => foreign_keys.push(key),
        }
    }
    Ok(Page { entries, foreign_keys, next: (!next.is_undefined()).then_some(next) })
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct JsSizes {
    size: f64,
    meta_size: f64,
}

/// How many entries a host has.
pub fn sizes(answer: JsValue) -> Result<Sizes, JsValue> {
    let JsSizes { size, meta_size } = from_value(answer).map_err(|error| unreadable("sizes", &error))?;
    Ok(Sizes { size: size as u64, meta_size: meta_size as u64 })
}

/// What `getInfo` returns.
pub fn sizes_to_js(sizes: Sizes) -> JsValue {
    to_js(&JsSizes { size: sizes.size as f64, meta_size: sizes.meta_size as f64 })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct JsFindings {
    orphan_envelopes: Vec<String>,
    orphan_meta: Vec<String>,
    corrupt: Vec<String>,
}

/// What `check` and `repair` return.
pub fn findings_to_js(findings: Findings) -> JsValue {
    let Findings { orphan_envelopes, orphan_meta, corrupt } = findings;
    to_js(&JsFindings { orphan_envelopes, orphan_meta, corrupt })
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct JsExpect {
    timestamp: Option<f64>,
    attempts: Option<u32>,
    #[serde(deserialize_with = "given")]
    lease: Option<Option<JsLease>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct JsNext {
    timestamp: Option<f64>,
    attempts: Option<u32>,
    #[serde(deserialize_with = "given")]
    lease: Option<Option<JsLease>>,
    delivered: Vec<u32>,
}

/// A field that is null says something else than one that is not there.
fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<T>>, D::Error> {
    Deserialize::deserialize(deserializer).map(Some)
}

/// The change that the inert copies of `change`'s arguments ask for.
pub fn change(expect: JsValue, next: JsValue) -> Result<Change, JsValue> {
    let expect: JsExpect = from_value(expect).map_err(|error| unreadable("expect", &error))?;
    let fields: &MetaCopy = next.unchecked_ref();
    let (queue_numbers, queue_texts) = (fields.queue_numbers(), fields.queue_texts());
    let next: JsNext = from_value(next).map_err(|error| unreadable("next", &error))?;
    let change = Change {
        expect: Expect {
            timestamp: expect.timestamp,
            attempts: expect.attempts,
            lease: expect.lease.map(|lease| lease.map(Lease::from)),
            untold: None,
        },
        timestamp: next.timestamp,
        attempts: next.attempts.map(Attempts::Set),
        lease: next.lease.map(|lease| lease.map(Lease::from)),
        delivered: next.delivered,
        ..Change::default()
    };
    Ok(change_with_fields(change, queue_numbers, queue_texts))
}
