//! The official clients, unmodified, through the gateway over TLS, in the eras that each speaks:
//! Python, TypeScript and rmcp. See tests/clients/README.md for the programs.
//!
//! The Python environments and the Node packages are put in place by `cargo xtask test`.

mod broken;
mod depot;
mod notebook;
mod traced;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;

/// Drivers that run at once, in each test: enough to fill the time that they wait.
const AT_ONCE: usize = 4;

struct Client {
    name: &'static str,
    flags: &'static [&'static str],
    protocol: &'static str,
    /// Shows the status and nothing of the sentence, unless the status is 401 or 200.
    drops_bodies: bool,
}

const LEGACY: &str = "2025-11-25";
const MODERN: &str = "2026-07-28";

const CLIENTS: [Client; 10] = [
    client("python", &[], MODERN),
    client("python", &["--legacy"], LEGACY),
    Client { drops_bodies: true, ..client("python1", &[], LEGACY) },
    client("typescript", &[], LEGACY),
    client("typescript2", &[], LEGACY),
    client("typescript2", &["--modern"], MODERN),
    client("rmcp", &[], LEGACY),
    client("rmcp", &["--modern"], MODERN),
    client("rmcp", &["--http2"], LEGACY),
    client("rmcp", &["--modern", "--http2"], MODERN),
];

const fn client(name: &'static str, flags: &'static [&'static str], protocol: &'static str) -> Client {
    Client { name, flags, protocol, drops_bodies: false }
}

/// What a client is pointed at.
struct Target<'t> {
    endpoint: &'t str,
    ca: &'t str,
}

/// Something that was put in place before the tests.
fn installed(path: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/test-environment").join(path);
    assert!(path.exists(), "{} is missing; `cargo xtask test` puts it in place", path.display());
    path
}

impl Client {
    fn command(&self) -> Command {
        let name = self.name;
        match name {
            "python" | "python1" => {
                let mut command = Command::new(installed(&format!("{name}/bin/python")));
                let root = Path::new(env!("CARGO_MANIFEST_DIR"));
                command.arg(root.join(format!("tests/clients/{name}/drive.py")));
                command
            }
            "typescript" | "typescript2" => {
                let mut command = Command::new("node");
                command.arg(installed(&format!("{name}/drive.mjs")));
                command
            }
            _ => {
                let programs = Path::new(env!("CARGO_BIN_EXE_tollgate")).parent().unwrap();
                let program = programs.join("examples/rmcp-client");
                assert!(program.exists(), "`cargo build --examples` makes {}", program.display());
                Command::new(program)
            }
        }
    }

    /// Runs scenarios in one session with each of the keys; the drivers limit their own time.
    fn run_each(&self, target: &Target<'_>, keys: &[&str], scenarios: &str) -> Vec<Value> {
        let output = self
            .command()
            .args([target.endpoint, target.ca, scenarios])
            .args(self.flags)
            .env("MCP_API_KEY", keys.join(","))
            .env("NODE_EXTRA_CA_CERTS", target.ca)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        let shown = |key: &&str| text.contains(*key) || stderr.contains(*key);
        assert!(!keys.iter().any(shown), "{} shows its key", self.name);
        let reports: Vec<Value> = text.lines().flat_map(serde_json::from_str).collect();
        assert_eq!(reports.len(), keys.len(), "{} {scenarios}: {text}{stderr}", self.name);
        reports
    }

    fn run(&self, target: &Target<'_>, key: &str, scenarios: &str) -> Value {
        self.run_each(target, &[key], scenarios).swap_remove(0)
    }

    /// Runs what must work.
    fn works(&self, target: &Target<'_>, key: &str, scenarios: &str) -> Value {
        let report = self.run(target, key, scenarios);
        let outcome = (report["ok"].as_bool(), report["protocol"].as_str());
        assert_eq!(outcome, (Some(true), Some(self.protocol)), "{:?} {report}", self.flags);
        if self.flags.contains(&"--http2") {
            assert_eq!(report["http"], "HTTP/2.0", "{report}");
        }
        report
    }
}

/// Does this with every client, several at once.
fn with_each(each: impl Fn(&Client) + Sync) {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(client) = CLIENTS.get(next.fetch_add(1, Ordering::Relaxed)) {
                    each(client);
                }
            });
        }
    });
}

/// The server noticed, and within a second: "within N ms" of the drivers.
fn prompt(report: &Value, step: &str) {
    let told = report["steps"][step].as_str().unwrap_or_default();
    let took: Option<u64> =
        told.strip_prefix("within ").and_then(|rest| rest.strip_suffix(" ms")?.parse().ok());
    assert!(took.is_some_and(|ms| ms < 1_000), "{step}: {report}");
}
