//! The file of budgets: read strictly, written as a person would.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use toml::{Table, Value};

use super::{Count, CountedBy, Counts};

/// What the file says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Budgets {
    pub(super) by: CountedBy,
    pub(super) counts: Counts,
}

/// The table of what counted; all others are groups of cases.
const COUNTED_BY: &str = "counted_by";

const INTRODUCTION: &str = "\
# What one request may cost: instructions counted by callgrind, allocations by a counting allocator.
# `cargo xtask test` fails where a count is more than 3 % above what stands here.
# Written by `cargo xtask budgets --write`; commit it with the change that moves a count.
# Callgrind sees no SHA extensions: where the processor has them, a digest costs about a third.
";

impl Budgets {
    /// Reads the file.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut groups: Table = text.parse().map_err(|fault: toml::de::Error| fault.to_string())?;
        let by = groups.remove(COUNTED_BY).ok_or("it does not say what counted, in [counted_by]")?;
        let said = |name: &str| {
            let value = by.get(name).and_then(Value::as_str).map(str::to_owned);
            value.ok_or_else(|| format!("counted_by.{name} must be a text"))
        };
        let by =
            CountedBy { rustc: said("rustc")?, valgrind: said("valgrind")?, processor: said("processor")? };
        let mut counts = Counts::new();
        for (group, cases) in &groups {
            let cases = cases.as_table().ok_or_else(|| format!("{group} must be a table of cases"))?;
            for (case, count) in cases {
                let name = format!("{group}::{case}");
                let count = count_of(count).ok_or_else(|| {
                    format!("{name} must be {{ instructions = N, allocations = N }}, one or both")
                })?;
                counts.insert(name, count);
            }
        }
        Ok(Self { by, counts })
    }

    /// The file's text.
    pub(super) fn to_text(&self) -> String {
        let CountedBy { rustc, valgrind, processor } = &self.by;
        let mut text = format!(
            "{INTRODUCTION}\n[{COUNTED_BY}]\nrustc = {rustc:?}\nvalgrind = {valgrind:?}\nprocessor = {processor:?}\n"
        );
        let mut groups: BTreeMap<&str, Vec<(&str, &Count)>> = BTreeMap::new();
        for (name, count) in &self.counts {
            let (group, case) = name.split_once("::").unwrap_or((name, "all"));
            groups.entry(group).or_default().push((case, count));
        }
        for (group, cases) in groups {
            let _ = write!(text, "\n[{group}]\n");
            for (case, count) in cases {
                let kinds = [("instructions", count.instructions), ("allocations", count.allocations)];
                let kinds =
                    kinds.iter().filter_map(|(what, count)| count.map(|count| format!("{what} = {count}")));
                let _ = writeln!(text, "{case} = {{ {} }}", kinds.collect::<Vec<_>>().join(", "));
            }
        }
        text
    }
}

fn count_of(value: &Value) -> Option<Count> {
    let table = value.as_table()?;
    let number = |name: &str| match table.get(name) {
        None => Some(None),
        Some(value) => value.as_integer().and_then(|number| u64::try_from(number).ok()).map(Some),
    };
    let count = Count { instructions: number("instructions")?, allocations: number("allocations")? };
    let known = table.keys().all(|name| name == "instructions" || name == "allocations");
    (known && count != Count::default()).then_some(count)
}

#[cfg(test)]
mod tests {
    use super::super::{Count, CountedBy, Counts};
    use super::Budgets;

    #[test]
    fn what_is_written_is_read() {
        let by =
            CountedBy { rustc: "rustc 1".into(), valgrind: "valgrind-3".into(), processor: "x86_64".into() };
        let both = Count { instructions: Some(19_000), allocations: Some(0) };
        let one = Count { instructions: Some(544), allocations: None };
        let counts = Counts::from([("path::json".into(), both), ("parse_key::whole".into(), one)]);
        let budgets = Budgets { by, counts };
        let text = budgets.to_text();
        assert!(text.contains("[path]\njson = { instructions = 19000, allocations = 0 }\n"), "{text}");
        assert_eq!(Budgets::parse(&text), Ok(budgets));
    }

    #[test]
    fn faults_of_the_file_are_named() {
        let by = "[counted_by]\nrustc = \"a\"\nvalgrind = \"b\"\nprocessor = \"c\"\n";
        for (text, said) in [
            ("", "what counted"),
            ("[counted_by]\nrustc = 1\n", "counted_by.rustc"),
            (&format!("{by}[path]\na = 1\n"), "path::a"),
            (&format!("{by}[path]\na = {{ instructions = -1 }}\n"), "path::a"),
            (&format!("{by}[path]\na = {{ instruction = 1 }}\n"), "path::a"),
            (&format!("path = 1\n{by}"), "path must be a table"),
        ] {
            let fault = Budgets::parse(text).err().unwrap_or_default();
            assert!(fault.contains(said), "{said} in {fault:?}");
        }
    }
}
