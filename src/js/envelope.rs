//! An envelope as a plain JavaScript object that shares nothing with its caller.

use alloc::string::String;
use wasm_bindgen::prelude::*;

use super::seam::{DONE, DONE_WITH_MORE, Fields, NOTHING, Refusal, Seam, THREW};
use crate::envelope::{
    ADDRESS, EnvelopeHandle, HEADER_NAME, HEADER_VALUE, is_address, is_header_name, is_header_value,
};
use crate::error::{Got, Invalid};

/// How deep the extra fields may nest; what is deeper is most likely a cycle.
const DEPTH: u32 = 100;

/// A stored envelope, or a copy on its way in or out.
#[derive(Clone, Debug)]
pub(crate) struct JsEnvelope {
    pub(crate) object: JsValue,
    recipients: usize,
    seam: Seam,
}

impl EnvelopeHandle for JsEnvelope {
    fn recipient_count(&self) -> usize {
        self.recipients
    }

    fn without(self, delivered: &[u32]) -> Result<Self, Invalid> {
        let copy = Copier { seam: &self.seam, stored: true };
        // What was thrown is of no use to a reader of the queue: the record is corrupt.
        let (fields, recipients) = copy.envelope(&self.object).map_err(|_| Invalid {
            argument: "envelope",
            index: None,
            part: None,
            expected: "a stored envelope",
            got: Got::Text(String::new()),
        })?;
        let recipients = if delivered.is_empty() {
            recipients
        } else {
            fields.set_recipients(&self.seam.pick(&fields.recipients(), delivered));
            recipients.saturating_sub(delivered.len())
        };
        Ok(Self { object: fields.into(), recipients, seam: self.seam })
    }

    fn check(&self) -> Result<(), Invalid> {
        Ok(()) // it was, where it was copied
    }
}

impl JsEnvelope {
    /// A copy of what a caller passed in, or what is wrong with it as a JavaScript error.
    pub(crate) fn take(seam: &Seam, value: &JsValue) -> Result<Self, Refusal> {
        let (fields, recipients) = Copier { seam, stored: false }.envelope(value)?;
        Ok(Self { object: fields.into(), recipients, seam: seam.clone() })
    }

    /// A handle on what stands in the dictionary; `None` if that is no envelope.
    pub(crate) fn stored(seam: &Seam, object: JsValue) -> Option<Self> {
        let count = seam.count(&object);
        if count < 0.0 {
            return None;
        }
        Some(Self { object, recipients: count as usize, seam: seam.clone() })
    }
}

struct Copier<'a> {
    seam: &'a Seam,
    /// Whether the text was looked through before it was stored.
    stored: bool,
}

impl Copier<'_> {
    fn envelope(&self, value: &JsValue) -> Result<(Fields, usize), Refusal> {
        let seam = self.seam;
        let more = match seam.unpack(value) {
            NOTHING => return Err(seam.wrong_type("envelope", "an object", value)),
            THREW => return Err(seam.threw()),
            status => status == DONE_WITH_MORE,
        };
        let fields: Fields = seam.take_value().unchecked_into();
        let extra = if more { seam.take_version() } else { JsValue::UNDEFINED };

        let sender = fields.sender();
        if !sender.is_null() {
            self.text("sender", "a string or null", ADDRESS, &sender, is_address)?;
        }
        let recipients = self.recipients(&fields)?;
        let headers = fields.headers();
        if !headers.is_undefined() {
            self.headers(&fields, &headers)?;
        }
        let message = fields.message();
        if !message.is_undefined() {
            fields.set_message(&self.message(&message)?);
        }
        let client = fields.client();
        if !client.is_undefined() {
            fields.set_client(&self.client(&client)?);
        }
        let receiver = fields.receiver();
        if !receiver.is_undefined() && !receiver.is_null() {
            self.text("receiver", "a string or null", WELL_FORMED, &receiver, |_| true)?;
        }
        let timestamp = fields.received();
        if !timestamp.is_undefined() && !timestamp.is_null() {
            match timestamp.as_f64() {
                None => return Err(seam.wrong_type("timestamp", "a number or null", &timestamp)),
                Some(number) if !number.is_finite() => {
                    return Err(seam.out_of_range("timestamp", "a finite number", &timestamp));
                }
                Some(_) => {}
            }
        }
        if more {
            self.fill(fields.as_ref(), OBJECT, &extra, 0)?;
        }
        Ok((fields, recipients))
    }

    /// Checks one text of a caller.
    fn text(
        &self,
        name: &str,
        type_expected: &str,
        expected: &str,
        value: &JsValue,
        rule: fn(&[u8]) -> bool,
    ) -> Result<(), Refusal> {
        if !value.is_string() {
            return Err(self.seam.wrong_type(name, type_expected, value));
        }
        let allowed = || value.as_string().is_some_and(|text| rule(text.as_bytes())) && self.seam.well_formed(value);
        if self.stored || allowed() {
            return Ok(());
        }
        Err(self.seam.wrong_type(name, expected, value))
    }

    fn recipients(&self, fields: &Fields) -> Result<usize, Refusal> {
        let (seam, value) = (self.seam, fields.recipients());
        let count = self.listed(seam.strings(&value), "recipients", "an array of strings", "a string", &value)?;
        self.texts(count, |_| (is_address, ADDRESS)).map_err(|wrong| {
            seam.within(&(wrong as u32).into());
            self.inside("recipients")
        })?;
        fields.set_recipients(&seam.take_value());
        Ok(count)
    }

    fn headers(&self, fields: &Fields, value: &JsValue) -> Result<(), Refusal> {
        const PAIR: &str = "a pair of strings [name, value]";
        let seam = self.seam;
        let count = self.listed(seam.pairs(value), "headers", "an array of [name, value] pairs", PAIR, value)?;
        let rule = |index: usize| match index & 1 {
            0 => (is_header_name as fn(&[u8]) -> bool, HEADER_NAME),
            _ => (is_header_value as fn(&[u8]) -> bool, HEADER_VALUE),
        };
        self.texts(count.saturating_mul(2), rule).map_err(|wrong| {
            seam.within(&(wrong as u32 & 1).into());
            seam.within(&(wrong as u32).wrapping_shr(1).into());
            self.inside("headers")
        })?;
        fields.set_headers(&seam.take_value());
        Ok(())
    }

    /// How long a list is that the seam has copied, unless one of its elements is wrong.
    fn listed(
        &self,
        status: u32,
        name: &str,
        expected: &str,
        element: &str,
        value: &JsValue,
    ) -> Result<usize, Refusal> {
        let seam = self.seam;
        match status {
            THREW => return Err(seam.threw()),
            NOTHING => return Err(seam.wrong_type(name, expected, value)),
            _ => {}
        }
        let (count, good) = (seam.first(), seam.second());
        if good < count {
            // Where the element has the right form, one of its parts is wrong.
            let part = seam.part();
            seam.refuse(false, "", if part < 0.0 { element } else { "a string" }, &seam.take_version());
            if part >= 0.0 {
                seam.within(&part.into());
            }
            seam.within(&good.into());
            return Err(self.inside(name));
        }
        Ok(count as usize)
    }

    fn inside(&self, name: &str) -> Refusal {
        self.seam.within(&name.into());
        Refusal::Argument
    }

    /// Checks the texts that the seam has listed, and tells which one was refused. They cross in
    /// one piece, which a NUL divides: one within a text makes one piece too many.
    fn texts(&self, count: usize, rule: impl Fn(usize) -> (fn(&[u8]) -> bool, &'static str)) -> Result<(), usize> {
        if self.stored || count == 0 {
            return Ok(());
        }
        let allowed = self.seam.joined().is_some_and(|joined| {
            let mut pieces = joined.as_bytes().split(|byte| *byte == 0);
            (0..count).all(|index| pieces.next().is_some_and(|text| rule(index).0(text))) && pieces.next().is_none()
        });
        if allowed {
            return Ok(());
        }
        for index in 0..count {
            let (rule, expected) = rule(index);
            if self.text("", expected, expected, &self.seam.text_at(index as u32), rule).is_err() {
                return Err(index);
            }
        }
        Ok(())
    }

    fn message(&self, value: &JsValue) -> Result<JsValue, Refusal> {
        if value.is_string() {
            if self.stored || self.seam.well_formed(value) {
                return Ok(value.clone());
            }
            return Err(self.seam.wrong_type("message", WELL_FORMED, value));
        }
        self.bytes("message", value, "a Uint8Array or a string")
    }

    fn bytes(&self, name: &str, value: &JsValue, expected: &str) -> Result<JsValue, Refusal> {
        match self.seam.bytes(value) {
            DONE => Ok(self.seam.take_value()),
            THREW => {
                drop(self.seam.take_thrown());
                Err(self.seam.wrong_type(name, "bytes that are not detached", value))
            }
            _ => Err(self.seam.wrong_type(name, expected, value)),
        }
    }

    fn client(&self, value: &JsValue) -> Result<JsValue, Refusal> {
        let seam = self.seam;
        match seam.strand(value) {
            THREW => Err(seam.threw()),
            DONE => Ok(seam.take_value()),
            DONE_WITH_MORE => {
                // Not all of it is plain text: a known field is of the wrong type, or there are more.
                let (copy, wrong) = (seam.take_value(), seam.take_version());
                if wrong.is_string() {
                    seam.property(&copy, &wrong);
                    seam.refuse(false, "", "a string", &seam.take_value());
                    seam.within(&wrong);
                    return Err(self.inside("client"));
                }
                self.value(&copy, 0).map_err(|refusal| match refusal {
                    Refusal::Argument => self.inside("client"),
                    other => other,
                })
            }
            _ => Err(seam.wrong_type("client", "an object", value)),
        }
    }

    /// A copy of an extra value.
    fn value(&self, value: &JsValue, depth: u32) -> Result<JsValue, Refusal> {
        let seam = self.seam;
        match seam.kind(value) {
            PRIMITIVE => Ok(value.clone()),
            TEXT if self.stored || seam.well_formed(value) => Ok(value.clone()),
            TEXT => Err(seam.wrong_type("", WELL_FORMED, value)),
            DATE => Ok(seam.take_value()),
            BYTES => self.bytes("", value, ""),
            kind @ (ARRAY | OBJECT | MAP | SET) => {
                if depth >= DEPTH {
                    return Err(seam.wrong_type("", "no cycle, and at most 100 levels", value));
                }
                let copy = seam.container(kind);
                self.fill(&copy, kind, value, depth)?;
                Ok(copy)
            }
            THROWN => Err(seam.threw()),
            _ => Err(seam.wrong_type(
                "",
                "null, a boolean, finite number, string, bigint, Date, Uint8Array, array, plain object, Map or Set",
                value,
            )),
        }
    }

    /// Copies what is in a container into another one.
    fn fill(&self, copy: &JsValue, kind: u32, container: &JsValue, depth: u32) -> Result<(), Refusal> {
        if self.seam.children(container, kind) == THREW {
            return Err(self.seam.threw());
        }
        let children: js_sys::Array = self.seam.take_value().unchecked_into();
        let deeper = depth.saturating_add(1);
        let mut index = 0_u32;
        while index < children.length() {
            let (key, value) = (children.get(index), children.get(index.saturating_add(1)));
            let copies = (|| {
                let key = if kind == MAP { self.value(&key, deeper)? } else { key.clone() };
                Ok((key, self.value(&value, deeper)?))
            })();
            match copies {
                Ok((key, value)) => self.seam.insert(copy, kind, &key, &value),
                Err(refusal) => {
                    if matches!(refusal, Refusal::Argument) {
                        let text = matches!(kind, OBJECT | MAP) && key.is_string();
                        self.seam.within(&if text { key } else { index.wrapping_shr(1).into() });
                    }
                    return Err(refusal);
                }
            }
            index = index.saturating_add(2);
        }
        Ok(())
    }
}

const WELL_FORMED: &str = "text without lone surrogates";

// What `Seam.kind` tells of a value; the numbers are those of `pkg/seam/`.
const PRIMITIVE: u32 = 1;
const TEXT: u32 = 2;
const DATE: u32 = 3;
const BYTES: u32 = 4;
const ARRAY: u32 = 5;
const OBJECT: u32 = 6;
const MAP: u32 = 7;
const SET: u32 = 8;
const THROWN: u32 = 9;
