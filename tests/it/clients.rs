//! The official clients, unmodified, against the demo over TLS: Python, TypeScript and rmcp,
//! in the eras that each speaks. Each also with a wrong key, a revoked key and a forbidden
//! tool: the person sees the reason, and nothing hangs.
//!
//! The Python environment and the Node packages are put in place by `cargo xtask test`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::demo::Demo;

struct Client {
    name: &'static str,
    flags: &'static [&'static str],
    protocol: &'static str,
}

const CLIENTS: [Client; 5] = [
    Client { name: "python", flags: &[], protocol: "2026-07-28" },
    Client { name: "python", flags: &["--legacy"], protocol: "2025-11-25" },
    Client { name: "typescript", flags: &[], protocol: "2025-11-25" },
    Client { name: "rmcp", flags: &[], protocol: "2025-11-25" },
    Client { name: "rmcp", flags: &["--modern"], protocol: "2026-07-28" },
];

impl Client {
    fn command(&self) -> Command {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let environment = root.join("target/test-environment");
        let existing = |path: PathBuf| {
            assert!(path.exists(), "{} is missing; `cargo xtask test` puts it in place", path.display());
            path
        };
        match self.name {
            "python" => {
                let mut command = Command::new(existing(environment.join("python/bin/python")));
                command.arg(root.join("tests/clients/python/drive.py"));
                command
            }
            "typescript" => {
                let mut command = Command::new("node");
                command.arg(existing(environment.join("typescript/drive.mjs")));
                command
            }
            _ => {
                let programs = Path::new(env!("CARGO_BIN_EXE_tollgate")).parent().unwrap();
                Command::new(existing(programs.join("examples/rmcp-client")))
            }
        }
    }

    /// Runs a scenario to its end; the drivers limit their own time to 30 s.
    fn run(&self, demo: &Demo, key: &str, scenario: &str) -> Value {
        let ca = demo.text("ca");
        let output = self
            .command()
            .args([&demo.text("endpoint"), &ca, scenario])
            .args(self.flags)
            .env("MCP_API_KEY", key)
            .env("NODE_EXTRA_CA_CERTS", &ca)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let line = text.lines().last().unwrap_or_default();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(!text.contains(key) && !stderr.contains(key), "{} shows its key", self.name);
        serde_json::from_str(line).unwrap_or_else(|_| panic!("{} {scenario}: {text}{stderr}", self.name))
    }
}

#[test]
fn official_clients_work_and_show_refusals() {
    let folder = TempDir::new().unwrap();
    let demo = Demo::start(folder.path());
    let key = demo.text("key");
    let issue =
        |name: &str| demo.run(&["key", "issue", "--json", "--name", name, "--scope", "notes:read"]).json();
    let revoked = issue("revoked");
    let revoked_key = revoked["key"].as_str().unwrap();
    assert!(demo.run(&["key", "revoke", revoked["key_id"].as_str().unwrap()]).ok);
    let wrong_key = format!("{}x", &key[..key.len() - 1]);
    for client in &CLIENTS {
        let full = client.run(&demo, &key, "full");
        assert_eq!(
            (full["ok"].as_bool(), full["protocol"].as_str()),
            (Some(true), Some(client.protocol)),
            "{full}"
        );
        streamed(&full);
        for (key, scenario, sentence) in [
            (wrong_key.as_str(), "connect", "the API key is not valid"),
            (revoked_key, "connect", "the API key was revoked"),
            (key.as_str(), "forbidden", "lacks a scope that this needs: notes:admin"),
        ] {
            let refused = client.run(&demo, key, scenario);
            let text = refused["error"]["text"].as_str().unwrap_or_default();
            assert!(text.contains(sentence), "{} {scenario}: {refused}", client.name);
            assert!(
                !refused["error"]["message"].as_str().unwrap_or_default().contains("timed out"),
                "{refused}"
            );
        }
        let cancelled = client.run(&demo, &key, "cancel");
        assert_eq!(cancelled["ok"], true, "{cancelled}");
        println!("{} {:?}: {}", client.name, client.flags, cancelled["steps"]);
    }
    assert!(demo.stop());
}

/// Progress arrived while the report was being built, not with its result.
fn streamed(full: &Value) {
    let progress = &full["progress"];
    let arrivals: Vec<f64> =
        progress["arrivals_ms"].as_array().unwrap().iter().map(|ms| ms.as_f64().unwrap()).collect();
    let result = progress["result_ms"].as_f64().unwrap();
    assert!(arrivals.len() >= 3, "{progress}");
    assert!(result - arrivals[0] > 300.0, "buffered: {progress}");
}
