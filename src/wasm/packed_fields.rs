//! What a queue keeps in a meta record, on its way across the boundary: one list of numbers and one of
//! texts, as `pkg/binding/packed-fields.js` says.

use crate::meta::{Change, Failed, LastReply, Meta, Notice, integer};

const MISSING: f64 = f64::NEG_INFINITY;
const NULL: f64 = f64::INFINITY;

/// The fields of a record; none if there are none.
pub(super) fn pack(meta: &Meta) -> (Vec<f64>, Vec<String>) {
    let Meta { failed, first_attempt, expires, scheduled, untold, notice, replies, .. } = meta;
    let is_empty = failed.is_empty() && replies.is_empty() && *scheduled == 0;
    if is_empty && first_attempt.is_none() && expires.is_none() && untold.is_none() && notice.is_none() {
        return (Vec::new(), Vec::new());
    }
    let notice = match notice {
        None => MISSING,
        Some(Notice::Open) => 0.0,
        Some(Notice::Confirmed) => 1.0,
        Some(Notice::Void) => 2.0,
    };
    let times = [first_attempt, expires].map(|time| time.unwrap_or(f64::NAN));
    let mut numbers = times.to_vec();
    numbers.extend([f64::from(*scheduled), untold.map_or(MISSING, f64::from), notice]);
    push_list(&mut numbers, failed.iter().map(|failed| (failed.attempt, &*failed.indexes)));
    push_list(&mut numbers, replies.iter().map(|last| (u32::from(last.code), &*last.indexes)));
    (numbers, replies.iter().map(|last| last.message.clone()).collect())
}

fn push_list<'a>(numbers: &mut Vec<f64>, entries: impl ExactSizeIterator<Item = (u32, &'a [u32])>) {
    numbers.push(entries.len() as f64);
    for (number, indexes) in entries {
        numbers.extend([f64::from(number), indexes.len() as f64]);
        numbers.extend(indexes.iter().copied().map(f64::from));
    }
}

/// The fields of a record or of a change.
#[derive(Default)]
struct Fields {
    first_attempt: Option<f64>,
    expires: Option<f64>,
    scheduled: Option<u32>,
    untold: Option<Option<u32>>,
    notice: Option<Notice>,
    failed: Option<Vec<Failed>>,
    replies: Option<Vec<LastReply>>,
}

/// Nothing if a field is not as it must be.
fn unpack(numbers: Vec<f64>, texts: Vec<String>) -> Option<Fields> {
    let mut numbers = numbers.into_iter();
    let mut time = || Some(Some(numbers.next().filter(|time| !time.is_infinite())?).filter(|time| !time.is_nan()));
    let (first_attempt, expires) = (time()?, time()?);
    let scheduled = given(numbers.next()?)?;
    let untold = match numbers.next()? {
        NULL => Some(None),
        number => given(number)?.map(Some),
    };
    let notice = match numbers.next()? {
        MISSING => None,
        0.0 => Some(Notice::Open),
        1.0 => Some(Notice::Confirmed),
        _ => Some(Notice::Void),
    };
    let failed = list(&mut numbers)?
        .map(|list| list.into_iter().map(|(attempt, indexes)| Failed { attempt, indexes }).collect());
    let replies = list(&mut numbers)?.map(|list| {
        let replies = list.into_iter().zip(texts);
        let last = |((code, indexes), message)| LastReply::stored(code, message, indexes);
        replies.map(last).collect()
    });
    Some(Fields { first_attempt, expires, scheduled, untold, notice, failed, replies })
}

/// A count or position that may be missing; nothing if it is none.
fn given(number: f64) -> Option<Option<u32>> {
    if number == MISSING { Some(None) } else { integer(number).map(Some) }
}

/// Numbers, each with positions. Nothing if one of them is none.
#[allow(clippy::type_complexity)]
fn list(numbers: &mut std::vec::IntoIter<f64>) -> Option<Option<Vec<(u32, Vec<u32>)>>> {
    let Some(length) = given(numbers.next()?)? else { return Some(None) };
    let mut entries = Vec::new();
    for _ in 0..length {
        let number = given(numbers.next()?)??;
        let count = given(numbers.next()?)??;
        let indexes = (0..count).map(|_| given(numbers.next()?)?).collect::<Option<_>>()?;
        entries.push((number, indexes));
    }
    Some(Some(entries))
}

/// A record with the fields of its copy, if that has any; nothing if one of them is not as it must be.
pub(super) fn with_fields(meta: Meta, numbers: Option<Vec<f64>>, texts: Option<Vec<String>>) -> Option<Meta> {
    let Some(numbers) = numbers else { return Some(meta) };
    let Fields { first_attempt, expires, scheduled, untold, notice, failed, replies } =
        unpack(numbers, texts.unwrap_or_default())?;
    Some(Meta {
        first_attempt,
        expires,
        scheduled: scheduled.unwrap_or(0),
        untold: untold.flatten(),
        notice,
        failed: failed.unwrap_or_default(),
        replies: replies.unwrap_or_default(),
        ..meta
    })
}

/// A change with the fields of its copy, if that has any.
pub(super) fn change_with_fields(change: Change, numbers: Option<Vec<f64>>, texts: Option<Vec<String>>) -> Change {
    let fields = numbers.and_then(|numbers| unpack(numbers, texts.unwrap_or_default())).unwrap_or_default();
    let Fields { first_attempt, scheduled, untold, notice, failed, replies, .. } = fields;
    let failed = failed.and_then(|failed| failed.into_iter().next());
    Change { first_attempt, scheduled, untold, notice, failed, replies, ..change }
}
