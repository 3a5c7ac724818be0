//! What has to be installed, generated or proved around cargo.
//!
//! `cargo xtask test` on a machine with Rust and a C compiler installs the rest and tests
//! everything; `cargo xtask prove AREA` runs the same code with full counts and keeps the
//! results. It never changes a source file, except those that `generate` and `budgets --write` name.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a tool for a terminal")]

mod budgets;
mod fuzz;
mod generate;
mod install;
mod prove;
mod step;
mod test;

use std::process::ExitCode;

const USAGE: &str = "\
cargo xtask test          install what the tests need and run all of them, with reduced counts
cargo xtask budgets [--write]
                          count instructions and allocations of a request and compare them with
                          benches/budgets.toml, or write it anew
cargo xtask fuzz [TARGET] [--seconds N]
                          every fuzz target, or one, for 60 s or N; fails on a crash and names its file
cargo xtask prove AREA    the full counts of one area, results kept in benches/record/
cargo xtask generate      write config/tollgate.toml and its JSON Schema from the code";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["test"] => test::all(),
        ["budgets"] => budgets::check(),
        ["budgets", "--write"] => budgets::write(),
        ["fuzz", rest @ ..] => fuzz::targets(rest),
        ["prove", area] => prove::area(area),
        ["generate"] => generate::documents(),
        _ => Err(format!("{USAGE}\n\nareas: {}", prove::names())),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(said) => {
            eprintln!("{said}");
            ExitCode::FAILURE
        }
    }
}
