//! Keys, through the gateway's own command line: issued, taken away, imported in bulk.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::Done;
use crate::traffic::call::SCOPE;

/// The registry that a configuration names.
#[derive(Clone)]
pub(crate) struct Registry {
    gateway: PathBuf,
    config: PathBuf,
}

/// A key that was issued.
pub(crate) struct Issued {
    pub(crate) id: String,
    pub(crate) key: String,
}

impl Registry {
    /// Of a gateway's program and its configuration.
    pub(crate) fn new(gateway: &Path, config: &Path) -> Self {
        Self { gateway: gateway.to_owned(), config: config.to_owned() }
    }

    /// A new key that may call the tool.
    pub(crate) fn issue(&self, name: &str) -> Done<Issued> {
        self.issued(name, &[])
    }

    /// The same under a plan.
    pub(crate) fn issue_under(&self, name: &str, plan: &str) -> Done<Issued> {
        self.issued(name, &["--plan", plan])
    }

    fn issued(&self, name: &str, more: &[&str]) -> Done<Issued> {
        let words = ["issue", "--json", "--name", name, "--scope", SCOPE];
        let record = self.key(&[&words[..], more].concat())?;
        let record: Value = serde_json::from_str(&record).map_err(|error| error.to_string())?;
        let text = |member: &str| record.get(member).and_then(Value::as_str).map(str::to_owned);
        let issued = text("key_id").zip(text("key"));
        issued.map(|(id, key)| Issued { id, key }).ok_or_else(|| "the issued key was not printed".to_owned())
    }

    /// Takes a key away; returns at once, or when all gateways have applied it that share the registry.
    pub(crate) fn revoke(&self, id: &str, waits: bool) -> Done {
        let no_wait: &[&str] = if waits { &[] } else { &["--no-wait"] };
        self.key(&[&["revoke", id], no_wait].concat()).map(|_| ())
    }

    /// Says of a registry in Redis that it is whole: gateways that wait for that begin.
    pub(crate) fn accept(&self) -> Done {
        self.run("registry", &["accept"]).map(|_| ())
    }

    /// Adds so many keys whose secrets nobody has, in the shape of one that is there.
    pub(crate) fn fill(&self, count: u32, folder: &Path) -> Done {
        let exported = self.key(&["export"])?;
        let template = exported.lines().next().ok_or("there is no key to take for a pattern")?;
        let mut record: Value = serde_json::from_str(template).map_err(|error| error.to_string())?;
        let Some(members) = record.as_object_mut() else {
            return Err("an exported key is no object".to_owned());
        };
        let mut lines = String::new();
        for number in 0..count {
            members.insert("key_id".to_owned(), format!("mcp_live_{number:016}").into());
            members.insert("key_hash".to_owned(), format!("sha256:{:064x}", u64::from(number) + 1).into());
            members.insert("name".to_owned(), format!("filler-{number}").into());
            let line = serde_json::to_string(members).map_err(|error| error.to_string())?;
            writeln!(lines, "{line}").map_err(|error| error.to_string())?;
        }
        let file = folder.join("filler.jsonl");
        std::fs::write(&file, lines).map_err(|error| format!("{}: {error}", file.display()))?;
        self.key(&["import", &file.display().to_string()]).map(|_| ())
    }

    fn key(&self, arguments: &[&str]) -> Done<String> {
        self.run("key", arguments)
    }

    fn run(&self, group: &str, arguments: &[&str]) -> Done<String> {
        let mut command = Command::new(&self.gateway);
        command.arg(group).args(arguments).arg("--config").arg(&self.config);
        let output = command.output();
        let output = output.map_err(|error| format!("{} cannot be run: {error}", self.gateway.display()))?;
        if !output.status.success() {
            let what = arguments.first().copied().unwrap_or_default();
            return Err(format!(
                "{group} {what} failed: {}",
                String::from_utf8_lossy(&output.stderr).trim_end()
            ));
        }
        String::from_utf8(output.stdout).map_err(|error| error.to_string())
    }
}
