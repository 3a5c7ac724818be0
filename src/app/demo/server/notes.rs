//! The notes of the demo's MCP server, in memory.
//!
//! It must never grow past its bounds: whoever can reach the server can write
//! here, and the process also carries the gateway.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The most notes kept.
const MAX_NOTES: usize = 1_000;
/// The longest text of one note, in bytes.
const MAX_TEXT: usize = 16 * 1024;
/// The longest title, in bytes.
const MAX_TITLE: usize = 64;

const SEED: [(&str, &str); 3] = [
    ("van-3-brakes", "Van 3 squeals when it brakes downhill. Booked into the garage on Thursday."),
    ("customs-form", "Parcels to the islands need form C-7 in triplicate. The pink copy stays with us."),
    (
        "lighthouse-delivery",
        "The lighthouse takes parcels only at low tide. Ring twice and wait for the dog.",
    ),
];

/// Why a note was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The title is empty, too long, or has other characters than it may.
    Title,
    /// The text is longer than a note may be.
    Text,
    /// The notebook has no room for another note.
    Full,
}

impl fmt::Display for Refusal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Title => {
                write!(out, "a title is 1 to {MAX_TITLE} lower-case letters, digits and hyphens")
            }
            Self::Text => write!(out, "a note holds at most {MAX_TEXT} bytes"),
            Self::Full => write!(out, "the notebook is full: it holds {MAX_NOTES} notes"),
        }
    }
}

/// Notes by title.
#[derive(Debug, Default)]
pub(super) struct Notes {
    by_title: Mutex<BTreeMap<String, String>>,
}

impl Notes {
    /// A notebook with a few notes already in it.
    pub(super) fn seeded() -> Self {
        let by_title = SEED.map(|(title, text)| (title.to_owned(), text.to_owned()));
        Self { by_title: Mutex::new(BTreeMap::from(by_title)) }
    }

    /// Adds a note, or replaces the one of that title; tells which.
    pub(super) fn put(&self, title: String, text: String) -> Result<bool, Refusal> {
        if !title_is_valid(&title) {
            return Err(Refusal::Title);
        }
        if text.len() > MAX_TEXT {
            return Err(Refusal::Text);
        }
        let mut notes = self.lock();
        if notes.len() >= MAX_NOTES && !notes.contains_key(&title) {
            return Err(Refusal::Full);
        }
        Ok(notes.insert(title, text).is_some())
    }

    /// The text of one note.
    pub(super) fn get(&self, title: &str) -> Option<String> {
        self.lock().get(title).cloned()
    }

    /// Removes a note; `false` when there was none.
    pub(super) fn remove(&self, title: &str) -> bool {
        self.lock().remove(title).is_some()
    }

    /// Up to `limit` notes whose title or text contains `query`, ignoring case.
    pub(super) fn search(&self, query: &str, limit: usize) -> Vec<(String, String)> {
        let query = query.to_lowercase();
        self.lock()
            .iter()
            .filter(|(title, text)| title.contains(&query) || text.to_lowercase().contains(&query))
            .take(limit)
            .map(|(title, text)| (title.clone(), text.clone()))
            .collect()
    }

    /// Up to `limit` titles that begin with `prefix`, and how many there are in all.
    pub(super) fn titles(&self, prefix: &str, limit: usize) -> (Vec<String>, usize) {
        let notes = self.lock();
        let mut titles: Vec<String> =
            notes.keys().filter(|title| title.starts_with(prefix)).cloned().collect();
        let total = titles.len();
        titles.truncate(limit);
        (titles, total)
    }

    /// How many notes there are, and the bytes of their texts.
    pub(super) fn size(&self) -> (usize, usize) {
        let notes = self.lock();
        (notes.len(), notes.values().map(String::len).sum())
    }

    // A poisoned map is still a whole map: every change is one insert or one remove.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        self.by_title.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// Titles are part of `notes://note/{title}`: this alphabet needs no escaping there.
fn title_is_valid(title: &str) -> bool {
    (1..=MAX_TITLE).contains(&title.len())
        && title.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::{MAX_NOTES, MAX_TEXT, Notes, Refusal};

    #[test]
    fn the_bounds_hold() {
        let notes = Notes::default();
        for number in 0..MAX_NOTES {
            assert_eq!(notes.put(format!("n-{number}"), String::new()), Ok(false));
        }
        assert_eq!(notes.put("one-more".into(), String::new()), Err(Refusal::Full));
        assert_eq!(notes.put("n-0".into(), "new".into()), Ok(true));
        assert_eq!(notes.put("n-0".into(), "x".repeat(MAX_TEXT + 1)), Err(Refusal::Text));
    }

    #[test]
    fn a_title_never_needs_escaping() {
        let notes = Notes::default();
        for title in ["", "A", "a b", "a/b", "a%2f", "é", &"x".repeat(65)] {
            assert_eq!(notes.put(title.into(), String::new()), Err(Refusal::Title));
        }
    }

    #[test]
    fn search_ignores_case_and_stops_at_its_limit() {
        let notes = Notes::seeded();
        assert_eq!(notes.search("LIGHTHOUSE", 10).len(), 1);
        assert_eq!(notes.search("", 2).len(), 2);
        assert!(notes.search("zebra", 10).is_empty());
    }
}
