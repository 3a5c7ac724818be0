//! `cargo xtask budgets`: instructions and allocations of one request, held to
//! `benches/budgets.toml`.
//!
//! A count that grew by more than 3 % fails unless the file says the new one, so that whoever
//! makes a request dearer says so in the same commit. It must never compare instructions that
//! another compiler made: those differ for reasons that no commit has.

mod compare;
mod count;
mod file;

use std::collections::BTreeMap;

use crate::install;
use crate::step::{Done, root};
use file::Budgets;

/// What one case came to, or may come to; `None` where it is not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Count {
    instructions: Option<u64>,
    allocations: Option<u64>,
}

/// Counts by case, named `group::case`.
type Counts = BTreeMap<String, Count>;

/// What decides how many instructions the same source comes to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct CountedBy {
    rustc: String,
    valgrind: String,
    /// The instruction set, and what of it is chosen while running.
    processor: String,
}

/// The file of budgets, from the root of the workspace.
const FILE: &str = "benches/budgets.toml";

/// Counts, and compares with the file.
pub(crate) fn check() -> Done {
    install::everything()?;
    let path = root().join(FILE);
    let text = std::fs::read_to_string(&path).map_err(|fault| format!("{FILE}: {fault}"))?;
    let budgets = Budgets::parse(&text).map_err(|fault| format!("{FILE}: {fault}"))?;
    let by = count::counted_by()?;
    let comparable = by == budgets.by;
    let verdict = compare::compare(&budgets, &by, &count::all(comparable)?);
    for note in verdict.notes {
        println!("{note}");
    }
    if verdict.faults.is_empty() { Ok(()) } else { Err(verdict.faults.join("\n")) }
}

/// Counts, and writes the file anew.
pub(crate) fn write() -> Done {
    install::everything()?;
    let budgets = Budgets { by: count::counted_by()?, counts: count::all(true)? };
    std::fs::write(root().join(FILE), budgets.to_text()).map_err(|fault| format!("{FILE}: {fault}"))?;
    println!("{FILE} says what was counted now; commit it with what made the difference");
    Ok(())
}
