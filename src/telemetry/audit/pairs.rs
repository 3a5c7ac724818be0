//! Members that say what the one beside them holds: `{"name":"Authorization","value":"…"}`.
//!
//! Either may come first, so what was written of a value is remembered by its place and taken
//! back where its name turns out to be a secret's. Nothing is remembered beyond one object.

use std::ops::Range;

use crate::wire::json::{Cursor, Kind};
use crate::wire::secrets::is_secret_name;

/// Members whose text names another.
const NAMES: [&str; 14] = [
    "name",
    "key",
    "header",
    "field",
    "id",
    "label",
    "param",
    "parameter",
    "property",
    "variable",
    "attribute",
    "flag",
    "n",
    "k",
];
/// Members that are named so.
const VALUES: [&str; 9] = ["value", "values", "val", "v", "content", "contents", "data", "text", "default"];
/// Bytes of the longest text that is taken for a name.
const LONGEST: usize = 64;

/// What is in the place of a secret.
pub(super) const SECRET: &str = "\"<secret>\"";

/// The pair that the members of one object may be.
#[derive(Default)]
pub(super) struct Pairs {
    /// Whether a member names a secret.
    pub(super) secret: bool,
    values: Vec<Range<usize>>,
}

impl Pairs {
    /// Notes a member whose value comes next.
    pub(super) fn named(&mut self, member: &str, value: Cursor<'_>) {
        self.secret |= is_any(member, &NAMES) && names_a_secret(value);
    }

    /// Notes where a value was written that a member before or behind it may name.
    pub(super) fn wrote(&mut self, range: Range<usize>) {
        self.values.push(range);
    }

    /// Most bytes that taking back adds.
    pub(super) fn owed(&self) -> usize {
        self.values.len() * SECRET.len()
    }

    /// Takes back what was a secret, or may have been one where not all members were looked at.
    pub(super) fn settle(self, out: &mut String, all: bool) {
        if !self.secret && all {
            return;
        }
        for range in self.values.into_iter().rev() {
            if out.get(range.clone()).is_some_and(|written| written != "null") {
                out.replace_range(range, SECRET);
            }
        }
    }
}

/// Whether a member's value is what a neighbour may name.
pub(super) fn is_value(member: &str) -> bool {
    is_any(member, &VALUES)
}

/// Whether a value is a text that names a secret: `Authorization`, `--password`. A sentence does not.
pub(super) fn names_a_secret(mut value: Cursor<'_>) -> bool {
    if value.kind() != Ok(Kind::String) {
        return false;
    }
    let Some(text) = value.string().ok().filter(|text| text.written() <= LONGEST) else { return false };
    let text = text.text();
    !text.contains(char::is_whitespace) && is_secret_name(&text)
}

fn is_any(member: &str, words: &[&str]) -> bool {
    words.iter().any(|word| member.eq_ignore_ascii_case(word))
}
