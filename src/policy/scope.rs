//! Scopes: what a rule asks for, and what a key holds.
//!
//! A scope is words joined by `:`, such as `crm:write:activity`. A rule's scopes are literal.
//! A key's may be patterns: `*` stands for one word, `**` for one or more at the end; and a
//! key's scope grants everything beneath it (`crm:write` grants `crm:write:activity`, never
//! `crm`). Issued keys live long, so what a pattern grants must never widen.

use std::fmt;

use crate::base::bounds;

/// A literal scope.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scope(Box<str>);

/// A scope as a key holds it, perhaps a pattern.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ScopePattern(Box<str>);

/// Why a text is no scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAScope {
    /// Empty text or an empty word.
    #[error("a scope is words joined by ':', none of them empty, e.g. 'crm:read'")]
    EmptyWord,
    /// A character outside `A-Za-z0-9_.-`.
    #[error("a word of a scope holds letters, digits, '_', '.' and '-' only")]
    Character,
    /// `*` where no pattern is allowed.
    #[error("a pattern is not accepted here; name the scope literally")]
    Pattern,
    /// `**` before the end.
    #[error("'**' stands at the end only, and '*' for a whole word")]
    Star,
    /// Beyond the bound.
    #[error("a scope is at most 128 bytes long")]
    TooLong,
}

fn is_word(word: &str) -> Result<(), NotAScope> {
    if word.is_empty() {
        return Err(NotAScope::EmptyWord);
    }
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
    if word.bytes().all(allowed) { Ok(()) } else { Err(NotAScope::Character) }
}

impl Scope {
    /// Reads a literal scope.
    pub fn parse(text: &str) -> Result<Self, NotAScope> {
        if text.len() > bounds::SCOPE_BYTES {
            return Err(NotAScope::TooLong);
        }
        if text.contains('*') {
            return Err(NotAScope::Pattern);
        }
        text.split(':').try_for_each(is_word)?;
        Ok(Self(text.into()))
    }

    /// The scope as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl ScopePattern {
    /// Reads a scope that may hold `*` and end in `**`.
    pub fn parse(text: &str) -> Result<Self, NotAScope> {
        if text.len() > bounds::SCOPE_BYTES {
            return Err(NotAScope::TooLong);
        }
        let mut words = text.split(':').peekable();
        while let Some(word) = words.next() {
            match word {
                "*" => {}
                "**" if words.peek().is_none() => {}
                _ if word.contains('*') => return Err(NotAScope::Star),
                _ => is_word(word)?,
            }
        }
        Ok(Self(text.into()))
    }

    /// The pattern as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a key with this scope has `scope`.
    pub fn grants(&self, scope: &Scope) -> bool {
        let mut wanted = scope.0.split(':');
        for word in self.0.split(':') {
            let Some(next) = wanted.next() else { return false };
            match word {
                // One or more words: this one and whatever follows.
                "**" => return true,
                "*" => {}
                _ if word == next => {}
                _ => return false,
            }
        }
        // What is left of `scope` lies beneath this one.
        true
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for ScopePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ScopePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The scopes of one key, sorted and without duplicates, so that equal sets are one.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct ScopeSet(Box<[ScopePattern]>);

impl ScopeSet {
    /// A set of these patterns.
    pub fn new(mut patterns: Vec<ScopePattern>) -> Self {
        patterns.sort_unstable();
        patterns.dedup();
        Self(patterns.into_boxed_slice())
    }

    /// Whether the set has `scope`.
    pub fn grants(&self, scope: &Scope) -> bool {
        self.0.iter().any(|pattern| pattern.grants(scope))
    }

    /// The patterns, sorted.
    pub fn patterns(&self) -> &[ScopePattern] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::{NotAScope, Scope, ScopePattern};
    use proptest::prelude::{Strategy, prop_assert, proptest};

    fn grants(pattern: &str, scope: &str) -> bool {
        ScopePattern::parse(pattern).unwrap().grants(&Scope::parse(scope).unwrap())
    }

    #[test]
    fn a_scope_grants_itself_and_what_lies_beneath() {
        assert!(grants("crm:write", "crm:write"));
        assert!(grants("crm:write", "crm:write:activity"));
        assert!(!grants("crm:write", "crm"));
        assert!(!grants("crm:write", "crm:writer"));
        assert!(!grants("crm:write:activity", "crm:write"));
    }

    #[test]
    fn stars_stand_for_whole_words() {
        assert!(grants("crm:*", "crm:read"));
        assert!(grants("crm:*", "crm:read:all"));
        assert!(!grants("crm:*", "crm"));
        assert!(grants("*:read", "crm:read"));
        assert!(!grants("*:read", "crm:write"));
        assert!(grants("**", "anything:at:all"));
        assert!(grants("crm:**", "crm:a:b"));
        assert!(!grants("crm:**", "crm"));
    }

    #[test]
    fn bad_texts_say_why() {
        assert_eq!(Scope::parse(""), Err(NotAScope::EmptyWord));
        assert_eq!(Scope::parse("a::b"), Err(NotAScope::EmptyWord));
        assert_eq!(Scope::parse("a b"), Err(NotAScope::Character));
        assert_eq!(Scope::parse("a:*"), Err(NotAScope::Pattern));
        assert_eq!(ScopePattern::parse("a:**:b"), Err(NotAScope::Star));
        assert_eq!(ScopePattern::parse("a:b*"), Err(NotAScope::Star));
        assert_eq!(Scope::parse(&"a".repeat(129)), Err(NotAScope::TooLong));
    }

    proptest! {
        /// Adding words to a wanted scope never takes a grant away, and taking the last word
        /// from a literal pattern never takes one away: grants only ever narrow downwards.
        #[test]
        fn grants_are_inherited_downwards(words in proptest::collection::vec("[a-c]", 1..5), wanted in proptest::collection::vec("[a-c]", 1..5).prop_map(|w| w.join(":"))) {
            let pattern = words.join(":");
            if grants(&pattern, &wanted) {
                let deeper = format!("{wanted}:a");
                prop_assert!(grants(&pattern, &deeper));
                if words.len() > 1 {
                    prop_assert!(grants(&words[..words.len() - 1].join(":"), &wanted));
                }
            }
        }
    }
}
