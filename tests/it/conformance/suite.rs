//! Running the official conformance suite, and what it found: every check by scenario, id, name
//! and status, with how often it came.
//!
//! The suite's own verdict must not be asked: what a proxy loses turns checks into warnings, or
//! makes them vanish, and the suite still ends well.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::world::program;

/// Far beyond what a run takes; a hang shall be told as one.
const LIMIT: Duration = Duration::from_secs(120);

/// Keeps Python from writing beside the scripts, which are part of the repository.
const NO_CACHE: &str = "PYTHONDONTWRITEBYTECODE";

/// Scenario, id, name and status of a check, with how often it came.
pub type Checks = BTreeMap<[String; 4], usize>;

/// A file of the test environment, which must be there.
pub fn environment(path: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/test-environment").join(path);
    assert!(path.exists(), "{} is missing; `cargo xtask test` puts it in place", path.display());
    path
}

/// A file of ours beside the package of the suite.
pub fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance").join(name)
}

/// A real MCP server with what the suite asks for; dropping it stops it.
pub struct Server {
    child: Child,
    pub port: u16,
}

impl Server {
    pub fn start() -> Self {
        let mut child = Command::new(environment("python/bin/python"))
            .arg(script("server/main.py"))
            .env(NO_CACHE, "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let port = line.trim().strip_prefix("listening ").and_then(|port| port.parse().ok());
        Self { child, port: port.unwrap_or_else(|| panic!("the server does not listen: {line:?}")) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Tests the server at a port of this machine.
pub fn server(port: u16, path: &str, what: &[&str]) -> Checks {
    let url = format!("http://localhost:{port}{path}");
    run(&[&["server", "--url", &url], what].concat(), &[])
}

/// Tests a client: the suite starts a server and runs our script with its URL.
pub fn client(with: &str, scenario: &str, version: &str) -> Checks {
    let command = format!("{} {}", environment("python/bin/python").display(), script(with).display());
    let what = ["client", "--command", &command, "--scenario", scenario, "--spec-version", version];
    run(&what, &[("TOLLGATE_TEST_PROGRAM", &program())])
}

fn run(arguments: &[&str], variables: &[(&str, &std::ffi::OsStr)]) -> Checks {
    let folder = TempDir::new().unwrap();
    let (said, found) = (folder.path().join("said"), folder.path().join("found"));
    let log = std::fs::File::create(&said).unwrap();
    let mut child = Command::new(environment("conformance/node_modules/.bin/node"))
        .arg(environment("conformance/node_modules/@modelcontextprotocol/conformance/dist/index.js"))
        .args(arguments)
        .arg("-o")
        .arg(&found)
        .env(NO_CACHE, "1")
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap();
    let begun = Instant::now();
    // How it ends says little, see above.
    while child.try_wait().unwrap().is_none() {
        if begun.elapsed() > LIMIT {
            let _ = child.kill();
            let _ = child.wait();
            panic!("{arguments:?} hangs: {}", std::fs::read_to_string(&said).unwrap());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let checks = collect(&found);
    assert!(!checks.is_empty(), "{arguments:?}: {}", std::fs::read_to_string(&said).unwrap());
    checks
}

/// Reads `<found>/<scenario>-<time>/checks.json` of every scenario.
fn collect(found: &Path) -> Checks {
    let mut checks = Checks::new();
    for folder in std::fs::read_dir(found).into_iter().flatten().flatten() {
        let name = folder.file_name().into_string().unwrap();
        // The time at the end is 2026-11-24T21-58-45-627Z, dates within a name have no T.
        let scenario =
            name.rsplit_once('T').map_or(name.as_str(), |(before, _)| &before[..before.len() - 11]);
        let text = std::fs::read(folder.path().join("checks.json")).unwrap_or_default();
        let list: Vec<Value> = serde_json::from_slice(&text).unwrap_or_default();
        assert!(!list.is_empty(), "{name} has no checks");
        for check in list {
            let text = |field: &str| check[field].as_str().unwrap_or_default().to_owned();
            *checks.entry([scenario.to_owned(), text("id"), text("name"), text("status")]).or_default() += 1;
        }
    }
    checks
}

/// How many checks have a status.
pub fn count(checks: &Checks, status: &str) -> usize {
    checks.iter().filter(|(check, _)| check[3] == status).map(|(_, times)| times).sum()
}

/// Everything in which two runs differ, a line each.
pub fn differences(direct: &Checks, through: &Checks) -> Vec<String> {
    let mut found = Vec::new();
    let both: std::collections::BTreeSet<_> = direct.keys().chain(through.keys()).collect();
    for check in both {
        let times = |checks: &Checks| checks.get(check).copied().unwrap_or(0);
        let (expected, got) = (times(direct), times(through));
        if expected != got {
            found.push(format!("{}: {expected} direct, {got} through", check.join(" ")));
        }
    }
    found
}
