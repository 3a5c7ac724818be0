//! Rules: their names or patterns, and the scopes that they ask for.

use std::collections::{BTreeMap, BTreeSet};

use super::Check;
use crate::base::bounds;
use crate::config::fault::member;
use crate::config::raw::Rule;
use crate::config::settings::RuleSettings;
use crate::policy::rules::{NameRules, RuleFault, UriRules};
use crate::policy::{RuleId, Scope};

impl Check<'_> {
    /// Rules over names; ties are found by building the table that requests will use.
    pub(super) fn name_rules(
        &mut self,
        path: &str,
        raw: &BTreeMap<String, Rule>,
        known: Option<&BTreeSet<Scope>>,
    ) -> Vec<RuleSettings> {
        let mut table = NameRules::default();
        self.rules(path, raw, known, bounds::NAME_BYTES, |text| table.add(text, RuleId(0)))
    }

    /// Rules over URIs.
    pub(super) fn uri_rules(
        &mut self,
        path: &str,
        raw: &BTreeMap<String, Rule>,
        known: Option<&BTreeSet<Scope>>,
    ) -> Vec<RuleSettings> {
        let mut table = UriRules::default();
        for (text, _) in raw.iter().filter(|(_, rule)| rule.audit.is_some()) {
            let at = format!("{}.audit", member(path, text));
            self.faults.add(
                at,
                "what to write of arguments, which reading a resource has none of",
                "no 'audit' here",
            );
        }
        self.rules(path, raw, known, bounds::URI_BYTES, |text| table.add(text, RuleId(0)))
    }

    fn rules(
        &mut self,
        path: &str,
        raw: &BTreeMap<String, Rule>,
        known: Option<&BTreeSet<Scope>>,
        most: usize,
        mut add: impl FnMut(&str) -> Result<(), RuleFault>,
    ) -> Vec<RuleSettings> {
        if raw.len() > bounds::RULES {
            self.faults.add(path, format!("{} rules", raw.len()), format!("at most {}", bounds::RULES));
        }
        let mut rules = Vec::with_capacity(raw.len());
        for (text, rule) in raw {
            let at = member(path, text);
            if text.is_empty() || text.len() > most {
                self.faults.add(&at, format!("a name of {} bytes", text.len()), format!("1 to {most} bytes"));
            }
            if let Err(fault) = add(text) {
                self.faults.add(&at, format!("the pattern {text:?}"), fault.to_string());
            }
            let first_byte =
                rule.first_byte.as_ref().map(|wait| self.wait(&format!("{at}.first_byte"), wait));
            let scopes = self.rule_scopes(&at, rule, known);
            let limits = self.rule_limits(&at, rule);
            let inputs = rule.audit.as_ref().map(|audit| self.inputs(&format!("{at}.audit"), audit));
            rules.push(RuleSettings {
                text: text.clone(),
                scopes,
                first_byte,
                limits,
                cost: rule.cost,
                inputs,
            });
        }
        rules
    }

    fn rule_scopes(&mut self, path: &str, rule: &Rule, known: Option<&BTreeSet<Scope>>) -> Vec<Scope> {
        let path = format!("{path}.scopes");
        if rule.scopes.is_empty() && !self.faults.touches(&path) {
            self.faults.add(&path, "no scope, which would let every key in", "at least one scope");
        }
        if rule.scopes.len() > bounds::SCOPES {
            self.faults.add(
                &path,
                format!("{} scopes", rule.scopes.len()),
                format!("at most {}", bounds::SCOPES),
            );
        }
        let mut scopes = Vec::new();
        for (index, text) in rule.scopes.iter().enumerate() {
            let at = format!("{path}[{index}]");
            match Scope::parse(text) {
                Ok(scope) if known.is_some_and(|known| !known.contains(&scope)) => {
                    self.faults.add(
                        at,
                        format!("the scope {text:?}, which [scopes] does not define"),
                        "a scope of [scopes], or no [scopes] table at all",
                    );
                }
                Ok(scope) => scopes.push(scope),
                Err(error) => self.faults.add(at, format!("the scope {text:?}"), error.to_string()),
            }
        }
        scopes
    }
}
