//! One step: a program, said before it runs and timed after, failing in one sentence.
//!
//! It never hides what a program prints.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

/// The result of a task: the sentence for the person, where it failed.
pub(crate) type Done<T = ()> = Result<T, String>;

/// The root of the workspace.
pub(crate) fn root() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().unwrap_or(own).to_path_buf()
}

/// Where what the tests need is installed; `cargo clean` takes it away.
pub(crate) fn environment() -> PathBuf {
    root().join("target/test-environment")
}

/// A program with arguments, at the root of the workspace.
pub(crate) fn program(name: impl AsRef<std::ffi::OsStr>, arguments: &[&str]) -> Command {
    let mut command = Command::new(name);
    command.args(arguments).current_dir(root()).stdin(Stdio::null());
    command
}

/// `cargo` with arguments, as a person types it.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    as_typed(program(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()), arguments))
}

/// A program that builds, in the environment of a person who types it: what the outer cargo
/// tells about this very package would have build scripts run, and everything built, again.
pub(crate) fn as_typed(mut command: Command) -> Command {
    let told = |name: &str| ["CARGO_PKG_", "CARGO_MANIFEST_"].iter().any(|prefix| name.starts_with(prefix));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(told)) {
        command.env_remove(name);
    }
    command
}

/// Runs a step to its end.
pub(crate) fn run(what: &str, mut command: Command) -> Done {
    println!("== {what}");
    let start = Instant::now();
    let status = command.status().map_err(|fault| cannot_start(what, &command, &fault))?;
    println!("== {what}: {:.0} s", start.elapsed().as_secs_f64());
    if status.success() { Ok(()) } else { Err(format!("{what} failed ({status}); its output is above")) }
}

/// Runs a step to its end and gives the lines of its standard output, which are shown too.
pub(crate) fn lines(what: &str, mut command: Command) -> Done<Vec<String>> {
    println!("== {what}");
    let mut child =
        command.stdout(Stdio::piped()).spawn().map_err(|fault| cannot_start(what, &command, &fault))?;
    let mut kept = Vec::new();
    if let Some(output) = child.stdout.take() {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            println!("{line}");
            kept.push(line);
        }
    }
    let status = child.wait().map_err(|fault| format!("{what}: {fault}"))?;
    if status.success() { Ok(kept) } else { Err(format!("{what} failed ({status}); its output is above")) }
}

/// Whether the program can be run with these arguments.
pub(crate) fn works(name: impl AsRef<std::ffi::OsStr>, arguments: &[&str]) -> bool {
    let mut command = program(name, arguments);
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

fn cannot_start(what: &str, command: &Command, fault: &std::io::Error) -> String {
    format!("{what}: {} cannot be started: {fault}", command.get_program().display())
}
