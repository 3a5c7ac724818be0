//! Counting: the two benches that count, and what they print.

use super::{Count, CountedBy, Counts};
use crate::step::{Done, cargo, lines, program};

/// The groups whose every case is counted by both benches.
const BY_BOTH: [&str; 2] = ["path::", "bytes_to_bytes::"];

/// What counts here.
pub(super) fn counted_by() -> Done<CountedBy> {
    let told = |name: &str| {
        let output = program(name, &["--version"]).output().map_err(|fault| format!("{name}: {fault}"))?;
        Ok::<_, String>(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let flags = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    // The reader of bodies, copying and comparing choose by it.
    let chosen = if flags.split_whitespace().any(|flag| flag == "avx2") { "with" } else { "without" };
    let processor = format!("{} {chosen} avx2", std::env::consts::ARCH);
    Ok(CountedBy { rustc: told("rustc")?, valgrind: told("valgrind")?, processor })
}

/// Everything that is counted; allocations alone where instructions could not be compared.
pub(super) fn all(instructions: bool) -> Done<Counts> {
    let mut counts = Counts::new();
    let said = lines(
        "allocations of a request",
        cargo(&["test", "--quiet", "--workspace", "--bench", "allocations"]),
    )?;
    read_allocations(&said, &mut counts);
    if instructions {
        let said = lines(
            "instructions of a request",
            cargo(&["bench", "--quiet", "--workspace", "--bench", "instructions"]),
        )?;
        read_instructions(&said, &mut counts);
    }
    let halved = |(case, count): (&String, &Count)| {
        let once = count.instructions.is_none() || count.allocations.is_none();
        (instructions && once && BY_BOTH.iter().any(|group| case.starts_with(group))).then(|| case.clone())
    };
    match counts.iter().find_map(halved) {
        _ if counts.is_empty() => Err("the benches counted nothing".into()),
        Some(case) => Err(format!("{case} is counted by one bench and not by the other")),
        None => Ok(counts),
    }
}

/// Lines of the kind `path::missing_key 13 allocations 1708 bytes`.
fn read_allocations(said: &[String], counts: &mut Counts) {
    for line in said {
        if let [case, count, "allocations", ..] = line.split(' ').collect::<Vec<_>>().as_slice()
            && let Ok(count) = count.parse()
        {
            counts.entry((*case).to_owned()).or_default().allocations = Some(count);
        }
    }
}

/// A line of the kind `instructions::requests::path missing_key:(…)`, and below it one of the kind
/// `  Instructions:  20512|20512  (No change)`.
fn read_instructions(said: &[String], counts: &mut Counts) {
    let mut case = None;
    for line in said {
        if let Some(told) = line.trim().strip_prefix("Instructions:") {
            let count = told.split('|').next().and_then(|count| count.trim().parse().ok());
            if let (Some(case), Some(count)) = (case.take(), count) {
                counts.entry(case).or_default().instructions = Some(count);
            }
        } else if let Some((function, id)) = line.split_once(' ').filter(|_| !line.starts_with(' ')) {
            let function = function.rsplit("::").next().unwrap_or_default();
            case = id.split(':').next().map(|id| format!("{function}::{id}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{read_allocations, read_instructions};
    use crate::budgets::{Count, Counts};

    #[test]
    fn what_the_benches_print_is_read() {
        let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
        let mut counts = Counts::new();
        read_allocations(&lines("path::missing_key 13 allocations 1708 bytes\nother\n"), &mut counts);
        let told = "instructions::requests::path missing_key:(\"missing_key\")\n  \
                    Instructions:                  20512|20000          (+2.56000%) [+1.02560x]\n  \
                    L1 Hits:                         735|N/A            (*********)\n\
                    instructions::stages::parse_key whole:(raw(0))\n  \
                    Instructions:                    544|N/A            (*********)\n\
                    Gungraun result: Ok. 2 without regressions\n";
        read_instructions(&lines(told), &mut counts);
        let whole = Count { instructions: Some(544), allocations: None };
        let both = Count { instructions: Some(20_512), allocations: Some(13) };
        assert_eq!(
            counts,
            Counts::from([("parse_key::whole".into(), whole), ("path::missing_key".into(), both)])
        );
    }
}
