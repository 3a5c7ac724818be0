//! The slow reader: `serde_json` over borrowed raw values, for what the tape will not judge.
//!
//! It is the authority: a body is not JSON when this reader says so. It looks only into the
//! objects that matter; the rest is checked for syntax and skipped, so that numbers of any
//! size and unpaired surrogates in `arguments` pass untouched. It also finds the id's own
//! bytes, which error answers echo.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer as _, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::envelope::Envelope;
use super::read::{Fault, Flaw, read};
use super::view::{Found, Integer, Kind, Unreadable, View};
use crate::base::bounds;

/// Reads one message, slowly.
pub fn read_envelope(body: &[u8]) -> Result<Envelope, Fault> {
    let text = std::str::from_utf8(body).map_err(|_| Fault(Flaw::Syntax))?;
    let root: &RawValue = serde_json::from_str(text).map_err(|_| Fault(Flaw::Syntax))?;
    if depth(text) > bounds::JSON_DEPTH {
        return Err(Fault(Flaw::Depth));
    }
    read(&RawView { raw: root.get(), body: text })
}

/// The bytes of the top-level `id`, where it is a string or an integer, occurs once and the
/// body is JSON; for echoing in an error.
pub fn id_bytes(body: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(body).ok()?;
    let root: &RawValue = serde_json::from_str(text).ok()?;
    let view = RawView { raw: root.get(), body: text };
    let mut found = None;
    view.members(|name, value| {
        if name == "id" {
            if found.is_some() || !matches!(value.kind(), Kind::String | Kind::Integer) {
                return Err(Unreadable);
            }
            found = Some(value.raw);
        }
        Ok(())
    })
    .ok()?;
    found
}

/// What stands at a path of member names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At<'b> {
    /// The text is JSON, and nothing is there.
    Absent,
    /// A value: where it begins, and its own text.
    Value(usize, &'b str),
    /// More than one value.
    Unclear,
    /// The text is no JSON.
    NoJson,
}

/// Looks for the value at a path of member names.
pub fn value_at<'b>(text: &'b str, path: &[&str]) -> At<'b> {
    let Ok(root) = serde_json::from_str::<&RawValue>(text) else { return At::NoJson };
    let mut view = RawView { raw: root.get(), body: text };
    for wanted in path {
        let mut found = None;
        let read = view.members(|name, value| match (name == *wanted, &found) {
            (true, Some(_)) => Err(Unreadable),
            (true, None) => {
                found = Some(value);
                Ok(())
            }
            (false, _) => Ok(()),
        });
        match (read, found) {
            (Err(Unreadable), _) => return At::Unclear,
            (Ok(()), None) => return At::Absent,
            (Ok(()), Some(value)) => view = value,
        }
    }
    At::Value(view.raw.as_ptr().addr().wrapping_sub(text.as_ptr().addr()), view.raw)
}

/// Deepest nesting of a text that is known to be JSON.
fn depth(text: &str) -> usize {
    let (mut depth, mut deepest, mut in_string, mut escaped) = (0_usize, 0_usize, false, false);
    for byte in text.bytes() {
        if in_string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'[' | b'{' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// A value as its own text, and the body it stands in.
#[derive(Clone, Copy)]
struct RawView<'v> {
    raw: &'v str,
    body: &'v str,
}

impl<'v> View<'v> for RawView<'v> {
    fn kind(&self) -> Kind {
        match self.raw.as_bytes().first() {
            Some(b'{') => Kind::Object,
            Some(b'[') => Kind::Array,
            Some(b'"') => Kind::String,
            Some(b't' | b'f') => Kind::Bool,
            Some(b'-' | b'0'..=b'9') if self.raw.bytes().all(|b| b == b'-' || b.is_ascii_digit()) => {
                Kind::Integer
            }
            Some(b'-' | b'0'..=b'9') => Kind::Fraction,
            _ => Kind::Null,
        }
    }

    fn text(&self) -> Result<Found<'v>, Unreadable> {
        let inner = self.raw.get(1..self.raw.len().saturating_sub(1)).ok_or(Unreadable)?;
        if !inner.contains('\\') {
            let start = inner.as_ptr().addr().wrapping_sub(self.body.as_ptr().addr());
            return Ok(Found::At(start, inner));
        }
        serde_json::from_str::<Box<str>>(self.raw).map(Found::Owned).map_err(|_| Unreadable)
    }

    fn integer(&self) -> Option<Integer> {
        if self.kind() != Kind::Integer {
            return None;
        }
        let short = self.raw.parse::<i128>().ok();
        let short = short.filter(|number| (i128::from(i64::MIN)..=i128::from(u64::MAX)).contains(number));
        Some(short.map_or_else(
            || {
                let start = self.raw.as_ptr().addr().wrapping_sub(self.body.as_ptr().addr());
                Integer::Long(start, start + self.raw.len())
            },
            Integer::Short,
        ))
    }

    fn members<E: From<Unreadable>>(
        &self,
        mut each: impl FnMut(&str, Self) -> Result<(), E>,
    ) -> Result<(), E> {
        if self.kind() != Kind::Object {
            return Ok(());
        }
        let mut stopped = None;
        let body = self.body;
        let members = Members(|name: &str, raw| {
            each(name, RawView { raw, body }).map_err(|error| stopped = Some(error)).is_ok()
        });
        let read = serde_json::Deserializer::from_str(self.raw).deserialize_map(members);
        match stopped {
            Some(error) => Err(error),
            None => read.map_err(|_| Unreadable.into()),
        }
    }

    fn items<E: From<Unreadable>>(&self, mut each: impl FnMut(Self) -> Result<(), E>) -> Result<(), E> {
        if self.kind() != Kind::Array {
            return Ok(());
        }
        let mut stopped = None;
        let body = self.body;
        let items = Items(|raw| each(RawView { raw, body }).map_err(|error| stopped = Some(error)).is_ok());
        let read = serde_json::Deserializer::from_str(self.raw).deserialize_seq(items);
        match stopped {
            Some(error) => Err(error),
            None => read.map_err(|_| Unreadable.into()),
        }
    }
}

/// Told beside an error of the caller's, which says more.
const STOPPED: &str = "stopped";

/// Calls back for each member of one object in order, duplicates included, with its value's own
/// text, until it says false. Nothing is gathered: a body of a million members costs no memory.
struct Members<F>(F);

impl<'de, F: FnMut(&str, &'de str) -> bool> Visitor<'de> for Members<F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        // `Cow` alone would copy every name; the wrapper borrows those without escapes.
        while let Some((Name(name), raw)) = map.next_entry::<Name<'de>, &'de RawValue>()? {
            if !(self.0)(&name, raw.get()) {
                return Err(serde::de::Error::custom(STOPPED));
            }
        }
        Ok(())
    }
}

#[derive(serde::Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

/// Calls back for each element of one array, until it says false.
struct Items<F>(F);

impl<'de, F: FnMut(&'de str) -> bool> Visitor<'de> for Items<F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<(), A::Error> {
        while let Some(raw) = seq.next_element::<&'de RawValue>()? {
            if !(self.0)(raw.get()) {
                return Err(serde::de::Error::custom(STOPPED));
            }
        }
        Ok(())
    }
}
