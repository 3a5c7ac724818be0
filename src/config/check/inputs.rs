//! What of a call's arguments may be written down: words and pointers that mean something.

use super::Check;
use crate::base::bounds;
use crate::config::raw::RuleAudit;
use crate::wire::inputs::{InputRule, Inputs};
use crate::wire::pointer::Pointer;
use crate::wire::secrets::is_secret_name;

impl Check<'_> {
    /// What a rule over names says of its calls' arguments.
    pub(super) fn inputs(&mut self, path: &str, raw: &RuleAudit) -> InputRule {
        let inputs = match raw.inputs.as_str() {
            "redacted" => Inputs::Redacted,
            "full" => Inputs::Full,
            _ => Inputs::None,
        };
        let at = format!("{path}.allow");
        if !raw.allow.is_empty() && inputs != Inputs::Redacted && !self.faults.touches(path) {
            let found = format!("a list beside inputs = {:?}, which it adds nothing to", raw.inputs);
            self.faults.add(&at, found, "a list beside inputs = \"redacted\"");
        }
        if raw.allow.len() > bounds::POINTERS {
            let found = format!("{} pointers", raw.allow.len());
            self.faults.add(&at, found, format!("at most {}", bounds::POINTERS));
        }
        let allow = (0..)
            .zip(&raw.allow)
            .filter_map(|(index, text): (usize, _)| self.pointer(&format!("{at}[{index}]"), text));
        InputRule { inputs, allow: allow.collect() }
    }

    fn pointer(&mut self, path: &str, text: &str) -> Option<Pointer> {
        let begin: String = text.chars().take(100).collect();
        let pointer = match Pointer::parse(text) {
            Ok(pointer) => pointer,
            Err(fault) => {
                self.faults.add(path, format!("the string {begin:?}"), fault.to_string());
                return None;
            }
        };
        if let Some(name) = pointer.segments().find(|name| is_secret_name(name)) {
            let found = format!(
                "the pointer {begin:?}, which leads through {name:?}: what is under such a name is never written"
            );
            self.faults.add(path, found, "a pointer to what is no secret");
        }
        Some(pointer)
    }
}
