//! Every command that measures, run once for about a second: it works, ends, and leaves figures.
//!
//! No time is asserted, and no figure is but that it is there: whatever else the machine does must
//! not fail a test.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, and says where")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

use serde_json::Value;

/// All measure on the same two cores. Most of a run is a length that is asked for and passes
/// whoever else is there, so that two at a time take half as long; more would leave none of them
/// enough of a core to end.
static PLACES: [Mutex<()>; 2] = [Mutex::new(()), Mutex::new(())];

fn place() -> MutexGuard<'static, ()> {
    let [first, second] = &PLACES;
    match first.try_lock() {
        Ok(place) => place,
        // A test that failed has left nothing behind that the next could meet.
        Err(TryLockError::Poisoned(place)) => place.into_inner(),
        Err(TryLockError::WouldBlock) => second.lock().unwrap_or_else(PoisonError::into_inner),
    }
}

/// The gateway: the one that is named, or the one that is built beside this program.
fn gateway() -> PathBuf {
    if let Some(named) = std::env::var_os("TOLLGATE_TEST_PROGRAM") {
        return named.into();
    }
    let built = Path::new(env!("CARGO_BIN_EXE_loadtest")).with_file_name("tollgate");
    if !built.exists() {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut build = Command::new(cargo);
        build.args(["build", "--quiet", "--package", "tollgate", "--bin", "tollgate"]);
        assert!(build.status().unwrap().success());
    }
    built
}

fn loadtest(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_loadtest")).args(arguments).output().unwrap()
}

/// What keeps a measurement as short as it can be.
const BRIEF: [&str; 4] = ["--rounds", "1", "--seconds", "1"];

/// Runs a command with the gateway, and gives how it ended and its report.
fn reported(command: &str, arguments: &[&str]) -> (Output, Value) {
    let _place = place();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("report.json");
    let (gateway, json) = (gateway().display().to_string(), file.display().to_string());
    let output = loadtest(&[&[command, "--gateway", &gateway, "--json", &json], arguments].concat());
    assert!(file.exists(), "{}", said(&output));
    let report = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    (output, report)
}

/// The same, where it has to succeed.
fn measured(command: &str, arguments: &[&str]) -> Value {
    let (output, report) = reported(command, arguments);
    assert!(output.status.success(), "{}", said(&output));
    report
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The targets that have a valid cell with this protocol.
fn valid<'r>(report: &'r Value, protocol: &str) -> Vec<&'r str> {
    let cells = report["cells"].as_array().unwrap().iter();
    let valid = cells.filter(|cell| cell["protocol"] == protocol && cell["valid"] == true);
    valid.map(|cell| cell["target"].as_str().unwrap()).collect()
}

/// The limit cannot be kept; the figures have to be there all the same.
#[test]
fn overhead_with_all_its_parts_and_a_limit_that_fails_it_after_the_figures() {
    let parts = ["--protocols", "h2-tls", "--latency", "--handshakes", "--idle-connections", "20"];
    let (output, report) = reported("overhead", &[&BRIEF[..], &parts, &["--max-ratio", "0.01"]].concat());
    assert!(
        !output.status.success() && said(&output).contains("above the limit of 0.01"),
        "{}",
        said(&output)
    );
    assert!(String::from_utf8_lossy(&output.stdout).contains("tollgate"), "{output:?}");
    assert_eq!(valid(&report, "h2-tls"), ["floor", "tollgate", "tollgate-audited"]);
    for kind in ["handshake-full", "handshake-resumed"] {
        assert_eq!(valid(&report, kind), ["bare-server", "floor", "tollgate"]);
    }
    // Whether the generator kept up is the machine's affair; that each was tried is not.
    let latency = report["latency"].as_array().unwrap().iter().map(|row| row["target"].as_str().unwrap());
    assert_eq!(latency.collect::<Vec<_>>(), ["floor", "tollgate", "tollgate-audited", "direct"]);
    let memory = report["memory"].as_array().unwrap();
    let last = memory.iter().map(|curve| curve["points"].as_array().unwrap().last().unwrap());
    assert!(memory.len() == 2 && last.clone().all(|point| point["connections"] == 20), "{memory:?}");
}

#[test]
fn compare_with_the_peers_that_are_installed_and_one_that_is_described() {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("targets/example.toml").display().to_string();
    // The one protocol that every target speaks; the others are peers' own tests.
    let report = measured("compare", &[&BRIEF[..], &["--protocols", "h1", "--target", &example]].concat());
    let valid = valid(&report, "h1");
    for target in ["floor", "tollgate", "tollgate-audited", "relay", "example"] {
        assert!(valid.contains(&target), "{report:#}");
    }
    let missing = |name: &str| {
        let sentence = format!("{name} was not found");
        report["notes"].as_array().is_some_and(|notes| notes.iter().any(|note| *note == *sentence))
    };
    for peer in ["nginx", "haproxy", "envoy"] {
        assert!(valid.contains(&peer) != missing(peer), "{peer}: {report:#}");
    }
}

#[test]
fn a_peer_that_is_asked_for_and_not_there_is_an_error_that_says_what_to_do() {
    let output = loadtest(&["compare", "--gateway", "tollgate", "--peers", "nginx", "--nginx", "/no/such"]);
    let said = said(&output);
    assert!(!output.status.success() && said.contains("/no/such: no such program"), "{said}");
}

#[test]
fn every_command_explains_itself() {
    let help = String::from_utf8(loadtest(&["--help"]).stdout).unwrap();
    let (_, commands) = help.split_once("Commands:\n").unwrap();
    let names: Vec<&str> = commands
        .lines()
        .take_while(|line| !line.is_empty())
        .filter_map(|line| {
            line.strip_prefix("  ")?.split(' ').next().filter(|name| !["", "help"].contains(name))
        })
        .collect();
    assert!(names.len() >= 4, "{names:?}");
    for name in names {
        let output = loadtest(&[name, "--help"]);
        assert!(output.status.success() && output.stdout.len() > 100, "{name}");
    }
}

#[test]
fn size_says_what_a_traffic_needs() {
    let traffic = ["--rps", "1000", "--p99", "10s", "--tls", "--new-connections", "10"];
    let (output, report) = reported("size", &[&BRIEF[..], &traffic].concat());
    // On a busy machine the recommendation cannot be checked; then that is what is said.
    let said = said(&output);
    assert!(
        output.status.success()
            || said.starts_with("the recommendation ")
            || said.contains("\nthe recommendation "),
        "{said}"
    );
    let sizing = &report["sizing"];
    let figure = |of: &str, name: &str| {
        let figures = sizing[of].as_array().unwrap();
        figures
            .iter()
            .find(|figure| figure["name"] == name)
            .and_then(|figure| figure["value"].as_f64())
            .unwrap()
    };
    assert!(figure("needed", "cores in all") >= 2.0 && figure("needed", "replicas") >= 2.0);
    for cost in ["a request", "a full handshake", "a key"] {
        assert!(figure("measured", cost) > 0.0, "{sizing:#}");
    }
    assert!(sizing["checked"].as_str().unwrap().contains("one worker at"), "{sizing:#}");
}

#[test]
fn a_soak_of_a_few_seconds_leaves_nothing_behind() {
    let report = measured("soak", &["--seconds", "2", "--clients", "4"]);
    assert!(report["memory"][0]["points"].as_array().unwrap().len() > 3, "{report:#}");
}

#[test]
fn changes_reach_all_replicas_and_calls_survive_one() {
    let report = measured("replicas", &[&BRIEF[..], &["--count", "2"]].concat());
    let times = report["sizing"]["measured"].as_array().unwrap();
    assert!(
        times.len() == 12 && times.iter().all(|time| time["value"].as_f64().unwrap() > 0.0),
        "{report:#}"
    );
}

#[test]
fn changes_reach_all_replicas_through_redis() {
    let options = ["--count", "2", "--redis", "redis-server"];
    let report = measured("replicas", &[&BRIEF[..], &options].concat());
    let times = report["sizing"]["measured"].as_array().unwrap();
    assert!(
        times.len() == 12 && times.iter().all(|time| time["value"].as_f64().unwrap() > 0.0),
        "{report:#}"
    );
}

#[test]
fn a_rate_is_held_and_the_process_looked_at() {
    let _place = place();
    let mut stub = Command::new(env!("CARGO_BIN_EXE_loadtest"))
        .arg("stub")
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut told = std::io::BufReader::new(stub.stdout.take().unwrap());
    std::io::BufRead::read_line(&mut told, &mut line).unwrap();
    let line: Value = serde_json::from_str(&line).unwrap();
    let (to, pid) = (line["listening"].as_str().unwrap(), stub.id().to_string());
    let mix = ["--eras", "modern,legacy", "--methods", "tools/call=3,tools/list", "--bodies", "200,65536"];
    let brief = ["drive", "--to", to, "--pid", &pid, "--seconds", "1", "--json"];
    let held = ["--rate", "200", "--answers", "json,sse", "--zipf", "1"];
    let output = loadtest(&[&brief[..], &mix, &held].concat());
    let saturated = loadtest(&[&brief[..], &["--saturate"]].concat());
    stub.kill().unwrap();
    stub.wait().unwrap();
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&found["sent"], &found["errors"], &found["not_sent"]), (&200.into(), &0.into(), &0.into()));
    let saturated: Value = serde_json::from_slice(&saturated.stdout).unwrap();
    assert!(saturated["valid"] == true && saturated["answered"].as_u64().unwrap() > 200, "{saturated:#}");
    assert!(found["process"]["cpu_us_per_request"].as_f64().unwrap() > 0.0, "{found:#}");
}
