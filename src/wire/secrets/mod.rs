//! Secrets in text: where one stands, of which kind, and the text without them.
//!
//! One automaton over the literals of all kinds says where to look, an exact rule says whether
//! there is a secret. What follows is fixed: time is linear in the text whatever it holds, and in
//! doubt a thing is a secret. It looks at text as people read it: who has JSON hands in decoded
//! strings. It never copies a secret, and tells of one no more than its kind and its place.

#[cfg(test)]
#[path = "../../../tests/corpus/secrets/load.rs"]
#[expect(unreachable_pub, reason = "a library wherever it is included")]
pub(crate) mod examples;
mod kinds;
mod names;
mod shapes;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::ops::Range;
use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, AhoCorasickKind, Input, MatchKind};

use kinds::{RULES, Rule};
pub use names::is_secret_name;

/// A secret in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The name of its kind: lower-case letters, digits and dashes; it stays what it is.
    pub kind: &'static str,
    /// Its bytes; both ends lie between characters.
    pub range: Range<usize>,
}

/// The secrets of a text, from left to right; none overlaps the one before.
pub fn find(text: &str) -> Finds<'_> {
    Finds { candidates: &CANDIDATES, text: text.as_bytes(), at: 0, open: None }
}

/// Whether there is a secret in a text.
pub fn holds(text: &str) -> bool {
    find(text).next().is_some()
}

/// The text with `[secret:KIND]` in the place of each secret.
pub fn masked(text: &str) -> Cow<'_, str> {
    let mut finds = find(text).peekable();
    if finds.peek().is_none() {
        return Cow::Borrowed(text);
    }
    let (mut masked, mut behind) = (String::with_capacity(text.len()), 0);
    for Found { kind, range } in finds {
        masked.push_str(text.get(behind..range.start).unwrap_or_default());
        masked.extend(["[secret:", kind, "]"]);
        behind = range.end;
    }
    masked.push_str(text.get(behind..).unwrap_or_default());
    Cow::Owned(masked)
}

/// The names of all kinds, each once.
pub fn kinds() -> impl Iterator<Item = &'static str> {
    let first = |(index, rule): &(usize, &Rule)| RULES.iter().take(*index).all(|r| r.kind != rule.kind);
    RULES.iter().enumerate().filter(first).map(|(_, rule)| rule.kind)
}

/// See [`find`].
pub struct Finds<'t> {
    candidates: &'t Candidates,
    text: &'t [u8],
    /// Where the next look begins.
    at: usize,
    /// What was found and may still grow: the value behind a label goes on for as long as a
    /// secret does that begins inside.
    open: Option<Found>,
}

impl Finds<'_> {
    /// The next secret that a place before `limit` begins or is the label of; not much more of the
    /// text is looked at than it takes. Where there is none a later limit goes on from there.
    pub fn next_before(&mut self, limit: usize) -> Option<Found> {
        loop {
            let until = self.open.as_ref().map_or(limit, |open| open.range.end);
            let Some((start, literals)) = self.candidates.next(self.text, self.at, until) else {
                let open = self.open.take()?;
                self.at = self.at.max(open.range.end);
                return Some(open);
            };
            // Inside of a value another value is no news, and looking for its end again and again
            // would take more than linear time.
            let wanted = |rule: &Rule| !rule.value || self.open.is_none();
            let found = literals.iter().filter(|literal| wanted(literal.rule)).find_map(|literal| {
                let behind = literal.behind(self.text, start)?;
                Some((literal.rule, literal.rule.secret(self.text, start, behind)?))
            });
            let Some((rule, range)) = found else {
                self.at = start + 1;
                continue;
            };
            self.at = if rule.value { start + 1 } else { range.end.max(start + 1) };
            let around = self.open.take().map_or(range.clone(), |open| open.range);
            let range = around.start.min(range.start)..around.end.max(range.end);
            self.open = Some(Found { kind: rule.kind, range });
        }
    }
}

impl Iterator for Finds<'_> {
    type Item = Found;

    fn next(&mut self) -> Option<Found> {
        self.next_before(self.text.len())
    }
}

/// A literal, and the rule that says what has to stand around it.
#[derive(Clone, Copy)]
struct Literal {
    text: &'static str,
    rule: &'static Rule,
}

impl Literal {
    /// Where the text goes on behind the literal, if it stands at a place.
    fn behind(&self, text: &[u8], at: usize) -> Option<usize> {
        let (behind, literal) = (at + self.text.len(), self.text.as_bytes());
        let there = text.get(at..behind)?;
        let same = if self.rule.any_case { there.eq_ignore_ascii_case(literal) } else { there == literal };
        same.then_some(behind)
    }
}

/// Where a secret may be.
struct Candidates {
    /// Finds all literals at once, in any case. Without it, which the tests exclude, every place is looked at.
    automaton: Option<AhoCorasick>,
    all: Vec<Literal>,
    /// For each literal all that stand wherever it does: it and its own beginnings, in the order
    /// of the rules.
    by_literal: Vec<Vec<Literal>>,
    /// Bytes of the longest.
    longest: usize,
}

static CANDIDATES: LazyLock<Candidates> = LazyLock::new(Candidates::new);

impl Candidates {
    fn new() -> Self {
        let of_rule = |rule: &'static Rule| rule.literals.iter().map(move |text| Literal { text, rule });
        let all: Vec<Literal> = RULES.iter().flat_map(of_rule).collect();
        let begins = |whole: &str, part: &str| {
            whole.get(..part.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(part))
        };
        let stand_with = |whole: &Literal| {
            all.iter().filter(|part| begins(whole.text, part.text)).copied().collect::<Vec<_>>()
        };
        let by_literal = all.iter().map(stand_with).collect();
        // The fastest kind, for a quarter of a megabyte once in a process.
        let automaton = AhoCorasick::builder()
            .kind(Some(AhoCorasickKind::DFA))
            .ascii_case_insensitive(true)
            .match_kind(MatchKind::LeftmostLongest)
            .build(all.iter().map(|literal| literal.text));
        let longest = all.iter().map(|literal| literal.text.len()).max().unwrap_or(0);
        Self { automaton: automaton.ok(), all, by_literal, longest }
    }

    /// The next place from `at` on and before `until`, and what may stand there.
    fn next(&self, text: &[u8], at: usize, until: usize) -> Option<(usize, &[Literal])> {
        let until = until.min(text.len());
        if at >= until {
            return None;
        }
        let Some(automaton) = &self.automaton else { return Some((at, &self.all)) };
        let end = until.saturating_add(self.longest).min(text.len());
        let found = automaton.try_find(Input::new(text).range(at..end)).ok()??;
        (found.start() < until).then_some(())?;
        Some((found.start(), self.by_literal.get(found.pattern().as_usize())?))
    }
}
