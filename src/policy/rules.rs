//! The rules of one server for one kind of thing, and which of them a name falls under.
//!
//! An exact name beats a pattern, then the longest literal prefix wins; two patterns with the
//! same literal prefix would tie and are refused when the table is made. Exactly one rule
//! applies, or none: then the thing is denied.

use foldhash::fast::RandomState;
use hashbrown::HashMap;

use super::ids::RuleId;
use super::pattern::{NamePattern, NotAUriPattern, UriPattern, is_plain};
use crate::base::unseen::all_seen;

/// Rules over the names of tools or prompts.
#[derive(Debug, Default)]
pub struct NameRules {
    exact: HashMap<Box<str>, RuleId, RandomState>,
    /// Longest literal prefix first.
    patterns: Vec<(NamePattern, RuleId)>,
}

/// Rules over resource URIs.
#[derive(Debug, Default)]
pub struct UriRules {
    exact: HashMap<Box<str>, RuleId, RandomState>,
    /// Longest literal prefix first.
    patterns: Vec<(UriPattern, RuleId)>,
}

/// Why a rule cannot stand beside the others.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum RuleFault {
    /// Two patterns with the same literal prefix.
    #[error(
        "ties with the pattern '{0}': both have the same text before the first '*'; make one of them longer"
    )]
    Tie(Box<str>),
    /// The text is no URI pattern.
    #[error(transparent)]
    Uri(#[from] NotAUriPattern),
}

impl NameRules {
    /// Adds the rule written for `text`.
    pub fn add(&mut self, text: &str, rule: RuleId) -> Result<(), RuleFault> {
        let Some(pattern) = NamePattern::parse(text) else {
            self.exact.insert(text.into(), rule);
            return Ok(());
        };
        let prefix = pattern.literal_prefix();
        if let Some((other, _)) = self.patterns.iter().find(|(p, _)| p.literal_prefix() == prefix) {
            return Err(RuleFault::Tie(other.as_str().into()));
        }
        let at = self.patterns.partition_point(|(p, _)| p.literal_prefix().len() >= prefix.len());
        self.patterns.insert(at, (pattern, rule));
        Ok(())
    }

    /// The one rule that `name` falls under; a name with characters that nobody sees falls under
    /// none but the one that names it exactly.
    #[inline]
    pub fn find(&self, name: &str) -> Option<RuleId> {
        if let Some(rule) = self.exact.get(name) {
            return Some(*rule);
        }
        if !all_seen(name) {
            return None;
        }
        self.patterns.iter().find(|(pattern, _)| pattern.matches(name)).map(|(_, rule)| *rule)
    }
}

impl UriRules {
    /// Adds the rule written for `text`.
    pub fn add(&mut self, text: &str, rule: RuleId) -> Result<(), RuleFault> {
        let Some(pattern) = UriPattern::parse(text)? else {
            self.exact.insert(text.into(), rule);
            return Ok(());
        };
        let prefix = pattern.literal_prefix();
        if let Some((other, _)) = self.patterns.iter().find(|(p, _)| p.literal_prefix() == prefix) {
            return Err(RuleFault::Tie(other.as_str().into()));
        }
        let at = self.patterns.partition_point(|(p, _)| p.literal_prefix().len() >= prefix.len());
        self.patterns.insert(at, (pattern, rule));
        Ok(())
    }

    /// The one rule that `uri` falls under; a URI that could be read in two ways falls under
    /// none but the one that names it exactly. So does one that adds a query, a fragment or a
    /// slash to a URI with a rule of its own: many servers read the same resource from both.
    pub fn find(&self, uri: &str) -> Option<RuleId> {
        if let Some(rule) = self.exact.get(uri) {
            return Some(*rule);
        }
        if self.patterns.is_empty() || !is_plain(uri) {
            return None;
        }
        let bare = uri.split(['?', '#']).next().unwrap_or_default().trim_end_matches('/');
        if bare != uri && self.exact.contains_key(bare) {
            return None;
        }
        self.patterns.iter().find(|(pattern, _)| pattern.matches(uri)).map(|(_, rule)| *rule)
    }
}

#[cfg(test)]
mod tests {
    use super::{NameRules, RuleFault, UriRules};
    use crate::policy::ids::RuleId;

    #[test]
    fn exact_beats_pattern_and_the_longest_prefix_wins() {
        let mut rules = NameRules::default();
        for (index, text) in ["*", "crm.*", "crm.read_*", "crm.read_all"].into_iter().enumerate() {
            rules.add(text, RuleId(index as u32)).unwrap();
        }
        assert_eq!(rules.find("crm.read_all"), Some(RuleId(3)));
        assert_eq!(rules.find("crm.read_one"), Some(RuleId(2)));
        assert_eq!(rules.find("crm.write"), Some(RuleId(1)));
        assert_eq!(rules.find("other"), Some(RuleId(0)));
        assert_eq!(NameRules::default().find("other"), None);
    }

    #[test]
    fn patterns_that_tie_are_refused() {
        let mut rules = NameRules::default();
        rules.add("crm.*_x", RuleId(0)).unwrap();
        assert_eq!(rules.add("crm.*", RuleId(1)), Err(RuleFault::Tie("crm.*_x".into())));
    }

    #[test]
    fn a_name_that_hides_something_needs_its_exact_name() {
        let mut rules = NameRules::default();
        for (index, text) in ["crm.*", "crm.delete", "crm.odd\u{200b}"].into_iter().enumerate() {
            rules.add(text, RuleId(index as u32)).unwrap();
        }
        for name in ["crm.delete\0", "crm.delete ", "crm.delete\n", "crm.\u{feff}delete", "crm.odd\u{200c}"] {
            assert_eq!(rules.find(name), None, "{name:?}");
        }
        assert_eq!(rules.find("crm.odd\u{200b}"), Some(RuleId(2)));
        assert_eq!(rules.find("crm.my own"), Some(RuleId(0)));
    }

    #[test]
    fn a_uri_with_two_readings_needs_its_exact_name() {
        let mut rules = UriRules::default();
        rules.add("crm://public/**", RuleId(0)).unwrap();
        rules.add("crm://public/../odd", RuleId(1)).unwrap();
        assert_eq!(rules.find("crm://public/a"), Some(RuleId(0)));
        assert_eq!(rules.find("crm://public/../secret"), None);
        assert_eq!(rules.find("crm://public/../odd"), Some(RuleId(1)));
        assert_eq!(rules.find("crm://private/a"), None);
        rules.add("crm://public/own", RuleId(2)).unwrap();
        assert_eq!(rules.find("crm://public/own"), Some(RuleId(2)));
        for more in ["/", "?", "?x=1", "#x", "/?x#y"] {
            assert_eq!(rules.find(&format!("crm://public/own{more}")), None, "{more}");
            assert_eq!(rules.find(&format!("crm://public/other{more}")), Some(RuleId(0)), "{more}");
        }
    }
}
