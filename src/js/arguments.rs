//! What callers pass in: anything at all.

use alloc::string::String;
use alloc::vec::Vec;
use js_sys::Array;
use wasm_bindgen::prelude::*;

use super::host::{JsId, integer};
use super::seam::{NOTHING, Refusal, STRANGE, Seam, THREW};
use crate::check::{Findings, Repair};
use crate::meta::{Attempts, Change, Expect, Lease};

/// An id that a message could have; `Ok(None)` for any other string.
pub(crate) fn id_of_any(seam: &Seam, value: &JsValue) -> Result<Option<JsId>, Refusal> {
    let id = JsId::parse(seam, value);
    if id.is_none() && !value.is_string() {
        return Err(seam.wrong_type("id", "a string", value));
    }
    Ok(id)
}

/// The id of a message; a string that no message can have as its id is a `KeyError`.
pub(crate) fn id(seam: &Seam, value: &JsValue) -> Result<JsId, Refusal> {
    id_of_any(seam, value)?.ok_or_else(|| Refusal::NoId(value.clone()))
}

/// The id that a caller chose for a new message, in `options`.
pub(crate) fn new_id(seam: &Seam, options: &JsValue) -> Result<Option<JsId>, Refusal> {
    let value = field(seam, options, "options", "id")?;
    if value.is_undefined() {
        return Ok(None);
    }
    match JsId::parse(seam, &value) {
        Some(id) => Ok(Some(id)),
        None => Err(seam.wrong_type("options.id", "32 lower-case hexadecimal digits", &value)),
    }
}

/// A property of an object that may be missing as a whole.
fn field(seam: &Seam, object: &JsValue, name: &str, field: &'static str) -> Result<JsValue, Refusal> {
    if object.is_undefined() {
        return Ok(JsValue::UNDEFINED);
    }
    if !object.is_object() {
        return Err(seam.wrong_type(name, "an object", object));
    }
    match seam.property(object, &field.into()) {
        THREW => Err(seam.threw()),
        _ => Ok(seam.take_value()),
    }
}

/// A finite number or a valid `Date`.
pub(crate) fn timestamp(seam: &Seam, name: &str, value: &JsValue) -> Result<f64, Refusal> {
    let number = seam.timestamp(value);
    if number.is_finite() {
        return Ok(number);
    }
    let range = value.as_f64().is_some() || value.is_instance_of::<js_sys::Date>();
    seam.refuse(range, name, "a finite number or a valid Date", value);
    Err(Refusal::Argument)
}

/// Positions in a list of recipients, from anything iterable.
pub(crate) fn indexes(seam: &Seam, name: &str, value: &JsValue) -> Result<Vec<u32>, Refusal> {
    const POSITION: &str = "a position in the original list of recipients";
    match seam.numbers(value) {
        THREW => return Err(seam.threw()),
        NOTHING => return Err(seam.wrong_type(name, "an iterable of positions", value)),
        STRANGE => {
            seam.refuse(false, "", POSITION, &seam.take_value());
            return Err(element(seam, name, seam.first()));
        }
        _ => {}
    }
    let numbers = seam.take_numbers();
    let mut indexes = Vec::with_capacity(numbers.len());
    for (position, number) in (0_u32..).zip(numbers) {
        let Some(index) = integer(number) else {
            seam.refuse(true, "", POSITION, &number.into());
            return Err(element(seam, name, position.into()));
        };
        indexes.push(index);
    }
    Ok(indexes)
}

/// What was refused is an element of a list.
fn element(seam: &Seam, name: &str, position: f64) -> Refusal {
    seam.within(&position.into());
    seam.within(&name.into());
    Refusal::Argument
}

fn attempts(seam: &Seam, name: &str, value: &JsValue) -> Result<u32, Refusal> {
    match value.as_f64() {
        None => Err(seam.wrong_type(name, "a number of attempts", value)),
        Some(number) => {
            integer(number).ok_or_else(|| seam.out_of_range(name, "a whole number from 0 to 4294967295", value))
        }
    }
}

/// `null` stands for no lease.
fn lease(seam: &Seam, name: &str, value: &JsValue) -> Result<Option<Lease>, Refusal> {
    if value.is_null() {
        return Ok(None);
    }
    let until = field(seam, value, name, "until")?;
    let until = timestamp(seam, "until", &until).map_err(|refusal| inside(seam, name, refusal))?;
    let owner = field(seam, value, name, "owner")?;
    match owner.as_string() {
        Some(text) if seam.well_formed(&owner) => Ok(Some(Lease { until, owner: text })),
        _ => Err(inside(seam, name, seam.wrong_type("owner", "a string without lone surrogates", &owner))),
    }
}

/// What was refused is a property of this.
fn inside(seam: &Seam, name: &str, refusal: Refusal) -> Refusal {
    if matches!(refusal, Refusal::Argument) {
        seam.within(&name.into());
    }
    refusal
}

/// The value of a property that is there.
fn given<T>(
    seam: &Seam,
    object: &JsValue,
    name: &str,
    key: &'static str,
    read: impl FnOnce(&Seam, &str, &JsValue) -> Result<T, Refusal>,
) -> Result<Option<T>, Refusal> {
    let value = field(seam, object, name, key)?;
    if value.is_undefined() {
        return Ok(None);
    }
    read(seam, key, &value).map(Some).map_err(|refusal| inside(seam, name, refusal))
}

/// The two arguments of `change`.
pub(crate) fn change(seam: &Seam, expect: &JsValue, next: &JsValue) -> Result<Change, Refusal> {
    if expect.is_undefined() {
        return Err(seam.wrong_type("expect", "an object or null", expect));
    }
    let expect = if expect.is_null() { &JsValue::UNDEFINED } else { expect };
    let expected = Expect {
        timestamp: given(seam, expect, "expect", "timestamp", timestamp)?,
        attempts: given(seam, expect, "expect", "attempts", attempts)?,
        lease: given(seam, expect, "expect", "lease", lease)?,
    };
    if next.is_undefined() {
        return Err(seam.wrong_type("next", "an object", next));
    }
    Ok(Change {
        expect: expected,
        timestamp: given(seam, next, "next", "timestamp", timestamp)?,
        attempts: given(seam, next, "next", "attempts", attempts)?.map(Attempts::Set),
        lease: given(seam, next, "next", "lease", lease)?,
        delivered: given(seam, next, "next", "delivered", indexes)?.unwrap_or_default(),
    })
}

/// The options of `repair`.
pub(crate) fn repair(seam: &Seam, options: &JsValue) -> Result<Repair<JsId>, Refusal> {
    let mut repair = Repair::default();
    if let Some(min_age) = given(seam, options, "options", "minAge", milliseconds)? {
        repair.min_age = min_age;
    }
    let requeue = field(seam, options, "options", "requeue")?;
    if requeue.is_undefined() {
        return Ok(repair);
    }
    match seam.items(&requeue) {
        THREW => return Err(seam.threw()),
        NOTHING => return Err(seam.wrong_type("options.requeue", "an iterable of ids", &requeue)),
        _ => {}
    }
    let items: Array = seam.take_value().unchecked_into();
    for (position, item) in (0_u32..).zip(items) {
        let id = id_of_any(seam, &item);
        if id.is_err() {
            seam.refuse(false, "", "a string", &item);
            let refusal = element(seam, "requeue", position.into());
            return Err(inside(seam, "options", refusal));
        }
        repair.requeue.extend(id?);
    }
    Ok(repair)
}

/// A time to wait for.
pub(crate) fn milliseconds(seam: &Seam, name: &str, value: &JsValue) -> Result<f64, Refusal> {
    match value.as_f64() {
        None => Err(seam.wrong_type(name, "a number of milliseconds", value)),
        Some(time) if time.is_finite() && time >= 0.0 => Ok(time),
        Some(_) => Err(seam.out_of_range(name, "a number of milliseconds from 0", value)),
    }
}

/// The findings of `check` and `repair` for a caller.
pub(crate) fn findings(seam: &Seam, findings: Findings) -> JsValue {
    let list = |ids: Vec<String>| ids.into_iter().map(JsValue::from).collect::<Array>();
    seam.findings(list(findings.orphan_envelopes), list(findings.orphan_meta), list(findings.corrupt))
}
