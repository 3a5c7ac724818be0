//! What readers see in a body, and whether the key may have it.
//!
//! The readers are programs below `tests/corpus/readers`; each reads all bodies in one run. What
//! is permitted stands here once more, apart from the gateway's own rules: it must not ask them.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::corpus::Body;

/// Rules of their own below the patterns that the key has.
pub(super) const RULES: &str = r#"
[servers.tools."crm.read_secret"]
scopes = ["crm:secret"]
[servers.prompts."secret.*"]
scopes = ["crm:secret"]
[servers.resources."crm://public/secret"]
scopes = ["crm:secret"]
"#;

/// A method and whom it concerns.
pub(super) type Call = (String, String);
/// Which calls each reader sees in one body.
pub(super) type Seen = BTreeMap<String, Vec<Call>>;

/// Whether the key may have what a reader sees, by the configuration's rules.
pub(super) fn permitted((method, target): &Call) -> bool {
    match method.as_str() {
        "tools/call" => target.starts_with("crm.read_") && target != "crm.read_secret",
        "prompts/get" => !target.starts_with("secret."),
        "resources/read" | "resources/subscribe" | "resources/unsubscribe" => {
            let below = target.strip_prefix("crm://public/").unwrap_or("..");
            below != "secret" && !below.split('/').any(|segment| segment == "..")
        }
        "tools/list"
        | "prompts/list"
        | "resources/list"
        | "resources/templates/list"
        | "initialize"
        | "ping"
        | "server/discover"
        | "completion/complete"
        | "subscriptions/listen"
        | "logging/setLevel" => true,
        other => matches!(
            other.strip_prefix("notifications/"),
            Some("initialized" | "cancelled" | "progress" | "roots/list_changed")
        ),
    }
}

/// What of the bodies that `reached` the upstream some reader takes for a forbidden call.
pub(super) fn smuggled(bodies: &[Body], seen: &[Seen], reached: impl Fn(usize) -> bool) -> Vec<String> {
    let forbidden = |index: usize| {
        let of_reader = |(reader, calls): (&String, &Vec<Call>)| {
            let call = calls.iter().find(|call| !permitted(call))?;
            Some(format!("{}: {reader} sees {call:?}", bodies[index].name))
        };
        seen[index].iter().filter_map(of_reader).collect::<Vec<_>>()
    };
    (0..bodies.len()).filter(|index| reached(*index)).flat_map(forbidden).collect()
}
/// Has a program read every body, in one run.
fn read_with(mut command: Command, bodies: &[Body]) -> Vec<Seen> {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    let answers: Vec<String> = std::thread::scope(|scope| {
        scope.spawn(move || {
            for body in bodies {
                writeln!(input, "{} {}", STANDARD.encode(&body.bytes), body.media).unwrap();
            }
        });
        output.lines().map(Result::unwrap).collect()
    });
    assert!(child.wait().unwrap().success());
    assert_eq!(answers.len(), bodies.len(), "a reader did not answer for every body");
    answers.iter().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"))).collect()
}

/// Which calls every reader sees in every body.
pub(super) fn read_all(bodies: &[Body]) -> Vec<Seen> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let installed = |path: &str| {
        let path = root.join("target/test-environment").join(path);
        assert!(path.exists(), "{} is missing; `cargo xtask test` puts it in place", path.display());
        path
    };
    let mut python = Command::new(installed("python/bin/python"));
    python.arg(root.join("tests/corpus/readers/readers.py")).env("PYTHONDONTWRITEBYTECODE", "1");
    let mut node = Command::new("node");
    node.arg(root.join("tests/corpus/readers/readers.mjs")).arg(installed("typescript"));
    let (mut seen, others) = std::thread::scope(|scope| {
        let python = scope.spawn(|| read_with(python, bodies));
        (read_with(node, bodies), python.join().unwrap())
    });
    for (seen, others) in seen.iter_mut().zip(others) {
        seen.extend(others);
    }
    seen
}
