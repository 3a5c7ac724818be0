//! The demo as a first visitor meets it.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::world::tollgate;

/// A running demo.
pub struct Demo {
    child: Child,
    pub told: Value,
}

impl Demo {
    pub fn start(data: &std::path::Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_tollgate"))
            .args(["demo", "--json", "--port", "0", "--data", data.to_str().unwrap()])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let told = serde_json::from_str(&line).unwrap_or_else(|_| panic!("no JSON: {line}"));
        Self { child, told }
    }

    pub fn text(&self, name: &str) -> String {
        self.told[name].as_str().unwrap().into()
    }

    /// Runs a command on the demo's configuration.
    pub fn run(&self, arguments: &[&str]) -> crate::world::Ran {
        tollgate(&[arguments, &["--config", &self.text("config")]].concat())
    }

    pub fn stop(mut self) -> bool {
        assert!(
            Command::new("kill")
                .args(["-s", "INT", &self.child.id().to_string()])
                .status()
                .unwrap()
                .success()
        );
        self.child.wait().unwrap().success()
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_printed_curl_line_works_when_pasted_and_a_second_start_reuses_the_folder() {
    let folder = TempDir::new().unwrap();
    let data = folder.path().join("demo");
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut authority = Vec::new();
    for _ in 0..2 {
        let mut child = Command::new(env!("CARGO_BIN_EXE_tollgate"))
            .args(["demo", "--port", &port.to_string(), "--data", data.to_str().unwrap()])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut page = String::new();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        while !page.contains("Health and metrics") {
            assert!(lines.read_line(&mut page).unwrap() > 0, "{page}");
        }
        let curl = page.lines().find(|line| line.trim_start().starts_with("curl ")).unwrap();
        let answer =
            Command::new("sh").args(["-c", &format!("{curl} --silent --show-error")]).output().unwrap();
        let text = String::from_utf8_lossy(&answer.stdout);
        assert!(
            text.contains("\"name\":\"notes_search\""),
            "{text}{}",
            String::from_utf8_lossy(&answer.stderr)
        );
        let denied = curl.replace("mcp_test_", "mcp_test_x");
        assert!(Command::new("sh").args(["-c", &denied]).output().unwrap().status.success());
        // And so do the commands that show what was written down of it.
        for (command, told) in [("tail", "tools/list"), ("search", "denied"), ("verify", "demo")] {
            let begin = format!("tollgate audit {command} ");
            let line = page
                .lines()
                .find_map(|line| {
                    line.trim_start().strip_prefix("tollgate ").filter(|_| line.contains(&begin))
                })
                .unwrap();
            let line = format!("'{}' {line}", crate::world::program().to_str().unwrap());
            let begun = std::time::Instant::now();
            loop {
                let ran = Command::new("sh").args(["-c", &line]).output().unwrap();
                let out = String::from_utf8_lossy(&ran.stdout);
                if ran.status.success() && out.contains(told) {
                    break;
                }
                assert!(
                    begun.elapsed().as_secs() < 10,
                    "{line}: {out}{}",
                    String::from_utf8_lossy(&ran.stderr)
                );
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
        }
        // The client configuration is JSON with url and headers.
        let start = page.find("{\n  \"mcpServers\"").unwrap();
        let config: Value =
            serde_json::Deserializer::from_str(&page[start..]).into_iter().next().unwrap().unwrap();
        let server = &config["mcpServers"]["tollgate-demo"];
        assert!(
            server["url"].as_str().unwrap().ends_with("/notes/mcp")
                && server["headers"]["Authorization"].is_string()
        );
        // While it runs, a second one on the port is refused in one sentence.
        let second = tollgate(&[
            "demo",
            "--port",
            &port.to_string(),
            "--data",
            folder.path().join("other").to_str().unwrap(),
        ]);
        assert!(
            !second.ok && second.err.contains("the port is in use") && second.err.lines().count() == 1,
            "{}",
            second.err
        );
        assert!(
            Command::new("kill").args(["-s", "INT", &child.id().to_string()]).status().unwrap().success()
        );
        assert!(child.wait().unwrap().success());
        authority.push(std::fs::read(data.join("ca.pem")).unwrap());
    }
    assert_eq!(authority[0], authority[1]);
}

#[test]
fn what_cannot_be_is_said_in_one_sentence() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    for place in [file.clone(), file.join("beneath"), "/proc/tollgate-demo".into()] {
        let ran = tollgate(&["demo", "--port", "0", "--data", place.to_str().unwrap()]);
        assert!(
            !ran.ok && ran.err.contains("cannot be written") && ran.err.contains("--data"),
            "{}",
            ran.err
        );
        assert_eq!(ran.err.lines().count(), 1, "{}", ran.err);
    }
}

#[test]
fn private_files_are_private() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = TempDir::new().unwrap();
    let demo = Demo::start(&folder.path().join("d"));
    for name in ["ca.key", "server.key", "tollgate.db", "audit"] {
        let mode = std::fs::metadata(folder.path().join("d").join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{name}: {mode:o}");
    }
    assert!(demo.run(&["doctor"]).ok);
    assert!(demo.stop());
}
