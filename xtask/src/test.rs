//! `cargo xtask test`: everything that must hold before a change lands, with reduced counts.
//!
//! Bounded by 25 minutes on two cores with a warm build. What takes longer is in `prove`,
//! which runs the same code.

use crate::budgets;
use crate::install;
use crate::step::{Done, cargo, program, run};

/// All of it, the quickest first. Always of the whole workspace: a part of it would have its dependencies
/// built anew, with the features that this part alone asks for.
pub(crate) fn all() -> Done {
    run("formatting", cargo(&["fmt", "--all", "--check"]))?;
    install::everything()?;
    let checks = ["--log-level", "warn", "check", "licenses", "bans", "sources"];
    run("licences, duplicates and sources of dependencies", program(install::cargo_deny_path(), &checks))?;
    let lints = ["clippy", "--quiet", "--workspace", "--all-targets", "--", "--deny", "warnings"];
    run("lints", cargo(&lints))?;
    run("documentation", {
        let mut doc = cargo(&["doc", "--quiet", "--workspace", "--no-deps", "--document-private-items"]);
        doc.env("RUSTDOCFLAGS", "--deny warnings");
        doc
    })?;
    run("the clients that tests drive", cargo(&["build", "--quiet", "--workspace", "--examples"]))?;
    run("tests", cargo(&["test", "--workspace", "--lib", "--bins", "--tests"]))?;
    let timed = [
        "--bench", "stages", "--bench", "timing", "--bench", "workers", "--bench", "crowd", "--bench",
        "audit",
    ];
    run("benches, each once", cargo(&[&["test", "--quiet", "--workspace"][..], &timed].concat()))?;
    // What a call costs is held by counts; what the clock says of it is `prove overhead`.
    budgets::check()
}
