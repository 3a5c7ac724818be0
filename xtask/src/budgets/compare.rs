//! Whether counts are within their budgets. Pure: the file and the counts in, a verdict out.

use super::file::Budgets;
use super::{CountedBy, Counts};

/// Percent that a count may be above its budget: more than chance (seeds of hash tables, nonces)
/// moves any of them, less than a change that somebody should know of.
const ABOVE: u64 = 3;
/// Percent below its budget at which the file is said to be too generous.
const BELOW: u64 = 10;

/// What came of it.
#[derive(Debug, Default)]
pub(super) struct Verdict {
    /// Lines for the person, which do not fail anything.
    pub(super) notes: Vec<String>,
    /// Lines of what is wrong; nothing where all is well.
    pub(super) faults: Vec<String>,
}

/// Compares; instructions only where the same tools counted them.
pub(super) fn compare(budgets: &Budgets, by: &CountedBy, counts: &Counts) -> Verdict {
    let mut verdict = Verdict::default();
    let comparable = budgets.by == *by;
    if !comparable {
        verdict.notes.push(format!(
            "the budgets were counted by {}; here are {}: instructions are not compared, allocations are",
            told(&budgets.by),
            told(by)
        ));
    }
    let (mut grew, mut cases) = (Vec::new(), Vec::new());
    for (case, budget) in &budgets.counts {
        let now = counts.get(case).copied().unwrap_or_default();
        let kinds = [
            ("instructions", budget.instructions.filter(|_| comparable), now.instructions),
            ("allocations", budget.allocations, now.allocations),
        ];
        for (what, budget, now) in kinds {
            match (budget, now) {
                (Some(budget), Some(now)) if now * 100 > budget * (100 + ABOVE) => {
                    grew.push(row(case, what, budget, now));
                }
                (Some(budget), Some(now)) if now * 100 < budget * (100 - BELOW) => {
                    let row = row(case, what, budget, now);
                    verdict.notes.push(format!("well below its budget, which can be lowered: {row}"));
                }
                (Some(_), None) => cases.push(format!("{case} has a budget of {what} and was not counted")),
                _ => {}
            }
        }
    }
    for (case, now) in counts {
        let budget = budgets.counts.get(case).copied().unwrap_or_default();
        let unknown = (now.instructions.is_some() && budget.instructions.is_none() && comparable)
            || (now.allocations.is_some() && budget.allocations.is_none());
        if unknown {
            cases.push(format!("{case} was counted and has no budget"));
        }
    }
    if !grew.is_empty() {
        let title =
            format!("{:<44} {:<12} {:>9} {:>9}", "more than 3 % above the budget", "", "budget", "now");
        verdict.faults.push(title);
        verdict.faults.append(&mut grew);
    }
    verdict.faults.append(&mut cases);
    if !verdict.faults.is_empty() {
        verdict.faults.push(
            "make it cheaper; or, where the cost is meant, `cargo xtask budgets --write` writes the file anew, to be \
             committed with the change"
                .to_owned(),
        );
    }
    verdict
}

fn told(by: &CountedBy) -> String {
    format!("{}, {}, {}", by.rustc, by.valgrind, by.processor)
}

fn row(case: &str, what: &str, budget: u64, now: u64) -> String {
    // Per mille, with its sign: tenths of a percent are what a person wants to know.
    let change = (i128::from(now) - i128::from(budget)) * 1_000 / i128::from(budget.max(1));
    let sign = if change < 0 { '-' } else { '+' };
    let size = change.unsigned_abs();
    format!("{case:<44} {what:<12} {budget:>9} {now:>9}  {sign}{}.{} %", size / 10, size % 10)
}

#[cfg(test)]
mod tests {
    use super::super::file::Budgets;
    use super::super::{Count, CountedBy, Counts};
    use super::{Verdict, compare};

    fn by(rustc: &str) -> CountedBy {
        CountedBy { rustc: rustc.to_owned(), valgrind: "valgrind-3".to_owned(), processor: "x".to_owned() }
    }

    fn counts(cases: &[(&str, u64, u64)]) -> Counts {
        let count = |instructions, allocations| Count {
            instructions: Some(instructions),
            allocations: Some(allocations),
        };
        cases.iter().map(|(case, ins, allocs)| ((*case).to_owned(), count(*ins, *allocs))).collect()
    }

    fn judged(budget: &[(&str, u64, u64)], now: &[(&str, u64, u64)]) -> Verdict {
        compare(&Budgets { by: by("r1"), counts: counts(budget) }, &by("r1"), &counts(now))
    }

    #[test]
    fn three_percent_more_is_the_most() {
        for (now, within) in [(1_000, true), (1_029, true), (1_030, true), (1_031, false), (2_000, false)] {
            let verdict = judged(&[("path::a", 1_000, 2)], &[("path::a", now, 2)]);
            assert_eq!(verdict.faults.is_empty(), within, "{now}: {:?}", verdict.faults);
        }
        let grown = judged(&[("path::a", 1_000, 2)], &[("path::a", 1_031, 2)]).faults.join("\n");
        for said in ["path::a", "instructions", "1000", "1031", "+3.1 %", "cargo xtask budgets --write"] {
            assert!(grown.contains(said), "{said} in {grown}");
        }
    }

    #[test]
    fn one_allocation_more_is_too_many_where_there_are_few() {
        assert!(!judged(&[("path::a", 1_000, 0)], &[("path::a", 1_000, 1)]).faults.is_empty());
        assert!(!judged(&[("path::a", 1_000, 20)], &[("path::a", 1_000, 21)]).faults.is_empty());
        assert!(judged(&[("path::a", 1_000, 20)], &[("path::a", 1_000, 20)]).faults.is_empty());
    }

    #[test]
    fn a_tenth_less_is_worth_a_note_and_no_fault() {
        let less = judged(&[("path::a", 1_000, 2)], &[("path::a", 899, 2)]);
        assert!(less.faults.is_empty() && less.notes[0].contains("can be lowered"), "{less:?}");
        assert!(judged(&[("path::a", 1_000, 2)], &[("path::a", 900, 2)]).notes.is_empty());
    }

    #[test]
    fn cases_that_are_gone_and_cases_that_are_new_are_told() {
        let gone = judged(&[("path::a", 1, 1), ("path::b", 1, 1)], &[("path::a", 1, 1)]).faults.join("\n");
        assert!(gone.contains("path::b has a budget of instructions and was not counted"), "{gone}");
        let new = judged(&[("path::a", 1, 1)], &[("path::a", 1, 1), ("path::b", 1, 1)]).faults.join("\n");
        assert!(new.contains("path::b was counted and has no budget"), "{new}");
    }

    #[test]
    fn another_compiler_leaves_the_allocations_to_be_compared() {
        let budgets = Budgets { by: by("r1"), counts: counts(&[("path::a", 1_000, 2)]) };
        let mut now = counts(&[("path::a", 9_000, 2)]);
        for (allocations, within) in [(2, true), (3, false)] {
            for count in now.values_mut() {
                *count = Count { instructions: None, allocations: Some(allocations) };
            }
            let verdict = compare(&budgets, &by("r2"), &now);
            assert_eq!(verdict.faults.is_empty(), within);
            assert!(verdict.notes[0].contains("r2") && verdict.notes[0].contains("not compared"));
        }
    }
}
