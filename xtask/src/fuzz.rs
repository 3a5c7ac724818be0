//! `cargo xtask fuzz`: every fuzz target for a bounded time, from the committed corpora.
//!
//! What the runs find goes below `target/`, so that no source changes; a crash fails the task
//! and is named with the file that holds its input.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use crate::install;
use crate::step::{Done, as_typed, program, root, run};

/// The targets; each has a corpus, a dictionary and regressions of the same name.
const TARGETS: [&str; 6] = ["config", "envelope", "head", "key", "redact", "sse"];
/// Seconds for each target unless told otherwise.
const SECONDS: u64 = 60;
/// Bytes of the longest input that is made.
const LONGEST: usize = 4096;

/// Reads `[TARGET] [--seconds N]` and fuzzes.
pub(crate) fn targets(arguments: &[&str]) -> Done {
    let (mut chosen, mut seconds) = (TARGETS.to_vec(), SECONDS);
    let mut rest = arguments;
    while let Some((word, after)) = rest.split_first() {
        rest = after;
        if *word == "--seconds" {
            let told = rest.split_first().and_then(|(count, after)| Some((count.parse().ok()?, after)));
            (seconds, rest) =
                told.filter(|(count, _)| 0 < *count).ok_or("--seconds needs a number above 0")?;
        } else if TARGETS.contains(word) {
            chosen = vec![*word];
        } else {
            return Err(format!("no target {word}; there are {}", TARGETS.join(", ")));
        }
    }
    install::fuzzer()?;
    run("build the fuzz targets", fuzz(&["build"]))?;
    let ran: Vec<_> = chosen.into_iter().map(|target| (target, fuzz_one(target, seconds))).collect();
    for (target, done) in &ran {
        println!("{target:<10} {}", done.as_ref().map_or("FAILED", |told| told));
    }
    let faults: Vec<_> = ran.into_iter().filter_map(|(_, done)| done.err()).collect();
    if faults.is_empty() { Ok(()) } else { Err(faults.join("\n")) }
}

/// cargo-fuzz on the toolchain that builds everything else: sanitizers are the only thing
/// that it needs to be allowed.
fn fuzz(arguments: &[&str]) -> Command {
    let mut command = as_typed(program(install::cargo_fuzz_path(), &["fuzz"]));
    command.args(arguments).args(["--fuzz-dir", "fuzz", "--target-dir", "target/fuzz"]);
    command.env("RUSTC_BOOTSTRAP", "1");
    command
}

/// Runs one target and tells how many inputs it took.
fn fuzz_one(target: &str, seconds: u64) -> Done<String> {
    let found = format!("target/fuzz-found/{target}");
    std::fs::create_dir_all(root().join(&found)).map_err(|fault| format!("{found}: {fault}"))?;
    let mut command = fuzz(&["run", target]);
    // New inputs go to the first folder. Not every target has regressions.
    let started_from = ["corpus", "regressions"].map(|folder| format!("fuzz/{folder}/{target}"));
    command.arg(&found).args(started_from.iter().filter(|folder| root().join(folder).is_dir())).arg("--");
    command.arg(format!("-max_total_time={seconds}")).arg(format!("-max_len={LONGEST}"));
    command.arg(format!("-dict=fuzz/dict/{target}.dict"));
    command.args([
        "-timeout=10",
        "-rss_limit_mb=2048",
        "-print_final_stats=1",
        "-verbosity=0",
        "-print_funcs=0",
    ]);
    println!("== fuzz {target} for {seconds} s");
    let mut child =
        command.stderr(Stdio::piped()).spawn().map_err(|fault| format!("fuzz {target}: {fault}"))?;
    let (mut executed, mut artifact) = (None, None);
    if let Some(output) = child.stderr.take() {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            println!("{line}");
            if let Some(count) = line.strip_prefix("stat::number_of_executed_units:") {
                executed = count.trim().parse::<u64>().ok();
            }
            if let Some((_, file)) = line.split_once("Test unit written to ") {
                artifact = Some(file.to_owned());
            }
        }
    }
    let status = child.wait().map_err(|fault| format!("fuzz {target}: {fault}"))?;
    match (status.success(), executed, artifact) {
        (true, Some(count), None) => Ok(format!("{count:>9} inputs, {:>6} a second", count / seconds)),
        (_, _, Some(file)) => Err(format!("fuzz {target}: a property is broken by the input in {file}")),
        _ => Err(format!("fuzz {target} failed ({status}); its output is above")),
    }
}
