//! `cargo xtask prove AREA`: the full counts of what `test` runs reduced, results kept.
//!
//! A result is written only when the run held what it must; a failed run leaves the record
//! of the last good one.

use std::fs::File;
use std::io::Write as _;
use std::process::Command;

use crate::install;
use crate::step::{Done, cargo, lines, program, root, run};

/// An area, what it runs.
type Area = (&'static str, fn() -> Done);

const AREAS: [Area; 17] = [
    ("audit", audit),
    ("clients", clients),
    ("compare", compare),
    ("framing", framing),
    ("keys", keys),
    ("limits", limits),
    ("metrics", metrics),
    ("neighbours", neighbours),
    ("overhead", overhead),
    ("registry", registry),
    ("replicas", replicas),
    ("scale", scale),
    ("size", size),
    ("soak", soak),
    ("stages", stages),
    ("timing", timing),
    ("workers", workers),
];

/// The areas there are.
pub(crate) fn names() -> String {
    AREAS.map(|(name, _)| name).join(", ")
}

/// Proves one area.
pub(crate) fn area(name: &str) -> Done {
    let (_, prove) = AREAS
        .iter()
        .find(|(known, _)| *known == name)
        .ok_or_else(|| format!("no area {name}; there are {}", names()))?;
    prove()
}

/// The official clients and the integration tests with full counts, except those that promise
/// something of the release build and have an area of their own.
fn clients() -> Done {
    install::everything()?;
    run("the clients that tests drive", cargo(&["build", "--quiet", "--examples"]))?;
    let mut tests = cargo(&["test", "--test", "it", "--"]);
    for own in ["audit::", "audit_stream::", "books::", "metrics::", "neighbours::", "registry::", "scale::"]
    {
        tests.args(["--skip", own]);
    }
    tests.env("TOLLGATE_TEST_STRENGTH", "full");
    let said = lines("integration tests, full counts", tests)?;
    keep("clients.txt", &said, |line| line.starts_with("test "))
}

/// The audit log: fifty kills under load, every mutation, slow disks and sinks, on the program as it is
/// released; and how many records a second one writer keeps up with.
fn audit() -> Done {
    install::system()?;
    let rate = lines("records a second", cargo(&["bench", "--bench", "audit"]))?;
    keep("audit-rate.txt", &rate, |line| {
        line.contains("records") || line.contains("each") || line.contains("syncs")
    })?;
    released("audit", &["audit::", "audit_stream::", "books::"], &["measured", "missing"])
}

/// How soon a running gateway knows of a change to a key. The poll of the change log is what
/// it takes, so the build that the tests have anyway will do.
fn keys() -> Done {
    let mut tests = cargo(&["test", "--test", "it", "keys::", "--", "--nocapture", "--test-threads=1"]);
    tests.env("TOLLGATE_TEST_STRENGTH", "full");
    let said = lines("changes of keys, full counts", tests)?;
    keep("keys.txt", &said, |line| line.contains(" ms") || line.starts_with("test "))
}

/// A million keys in the release build: memory, loading, calls beside a thousand changes a second.
fn scale() -> Done {
    released("scale", &["scale::"], &["keys", "p99"])
}

/// Replicas that share a registry in Redis, on the program as it is released: how soon a
/// revocation is known, and everything that Redis can lose.
fn registry() -> Done {
    install::system()?;
    install::valkey()?;
    released("registry", &["registry::"], &["measured", "keys", "p99"])
}

/// Limits, bad neighbours and memory, on the program as it is released.
fn neighbours() -> Done {
    let areas = ["bounds::", "neighbours::", "memory::"];
    released("neighbours", &areas, &["alone", "bytes each", "at once", "more than before"])
}

/// Limits that replicas share: thousands of schedules, every way that Redis and replicas fail, and four
/// gateways under load, with what Redis hears of it. Limits of one process: memory and pauses.
fn limits() -> Done {
    install::system()?;
    install::valkey()?;
    let mut schedules = cargo(&["test", "--lib", "limiter::", "--", "--nocapture", "--test-threads=1"]);
    schedules.env("TOLLGATE_TEST_STRENGTH", "full");
    let mut said = lines("limits, thousands of schedules", schedules)?;
    said.extend(lines("limits, more clients than there is room for", cargo(&["bench", "--bench", "crowd"]))?);
    keep("limiter.txt", &said, |line| line.contains("measured: ") || line.starts_with("test result"))?;
    released("limits", &["limits::", "shared::", "concurrency::"], &["measured"])?;
    loadtest("limits", "--json benches/record/limits.json")
}

/// A million requests that make names up, and the closed set of series beside them.
fn metrics() -> Done {
    released("metrics", &["metrics::"], &["measured"])
}

/// Integration tests with full counts on the release build; lines that hold one of `words`, and
/// the verdicts, are kept.
fn released(area: &str, filters: &[&str], words: &[&str]) -> Done {
    run("the release build", cargo(&["build", "--quiet", "--release", "--bin", "tollgate"]))?;
    let mut tests = cargo(&["test", "--test", "it", "--", "--nocapture", "--test-threads=1"]);
    tests.args(filters);
    tests.env("TOLLGATE_TEST_STRENGTH", "full");
    tests.env("TOLLGATE_TEST_PROGRAM", root().join("target/release/tollgate"));
    let said = lines(&format!("{area}, full counts"), tests)?;
    let wanted = |line: &str| line.starts_with("test ") || words.iter().any(|word| line.contains(word));
    keep(&format!("{area}.txt"), &said, wanted)
}

/// Whether time tells an unknown id from a wrong secret.
fn timing() -> Done {
    let said = lines("time of refused keys", cargo(&["bench", "--bench", "timing"]))?;
    keep("timing.txt", &said, |line| line.contains(" ns"))
}

/// Two workers against one.
fn workers() -> Done {
    let said = lines("two workers against one", cargo(&["bench", "--bench", "workers"]))?;
    keep("workers.txt", &said, |line| line.starts_with("two "))
}

/// HTTP byte by byte and frame by frame, floods, and the tools of others.
fn framing() -> Done {
    install::system()?;
    let mut tests = cargo(&["test", "--test", "it", "framing::", "--", "--nocapture", "--test-threads=1"]);
    tests.env("TOLLGATE_TEST_STRENGTH", "full");
    let said = lines("framing, full counts", tests)?;
    // The name of a test stands on one line with the first that it measured.
    let told = |line: &String| match line.split_once("measured: ") {
        Some((_, measured)) => Some(measured.to_owned()),
        None => line.starts_with("test result: ").then(|| line.clone()),
    };
    keep("framing.txt", &said.iter().filter_map(told).collect::<Vec<_>>(), |_| true)
}

/// Every stage of the request path beside its naive version, and the whole path for every case,
/// in time, instructions and allocations.
fn stages() -> Done {
    install::everything()?;
    let mut said = lines("benches, time", cargo(&["bench", "--bench", "stages", "--", "--quiet"]))?;
    said.extend(lines("benches, instructions", cargo(&["bench", "--bench", "instructions"]))?);
    let mut told = figures(&said);
    let counted = lines("benches, allocations", cargo(&["bench", "--bench", "allocations"]))?;
    told.extend(counted.into_iter().filter(|line| line.contains(" allocations ")));
    keep("stages.txt", &told, |_| true)
}

/// One line for each figure: criterion and callgrind's harness tell a long name on a line of
/// its own, before the figure.
fn figures(said: &[String]) -> Vec<String> {
    let (mut name, mut figures) = ("", Vec::new());
    for line in said {
        let told = |name: &str, figure: &str| format!("{name:<50} {figure}");
        if let Some((before, time)) = line.split_once("time:") {
            let own = before.trim();
            figures.push(told(if own.is_empty() { name } else { own }, time.trim()));
        } else if let Some(counts) = line.trim().strip_prefix("Instructions:") {
            let count = counts.trim().split('|').next().unwrap_or_default();
            figures.push(told(name, &format!("{count} instructions")));
        } else if !line.starts_with(' ') {
            name = line.trim();
        }
    }
    figures
}

/// The gateway beside the floor, all protocols.
fn overhead() -> Done {
    let what = "--rounds 5 --seconds 3 --flood --max-ratio 1.10 --json benches/record/overhead.json";
    loadtest("overhead", what)
}

/// The gateway beside every other that can be had here, all parts: a quarter of an hour.
fn compare() -> Done {
    install::system()?;
    let envoy = install::envoy()?;
    // The record names the command; where this folder lies is nobody's affair.
    let envoy = envoy.strip_prefix(root()).unwrap_or(&envoy);
    let parts = "--rounds 5 --seconds 3 --latency --handshakes --idle-connections 10000";
    let files = "--json benches/record/compare.json --svg docs/compare.svg --html target/compare.html";
    loadtest("compare", &format!("--envoy {} {parts} {files}", envoy.display()))
}

/// What a traffic needs, and whether one worker holds its share of it.
fn size() -> Done {
    let traffic = "--rps 50000 --p99 1ms --tls --keys 1000000 --rounds 5";
    loadtest("size", &format!("{traffic} --json benches/record/size.json"))
}

/// Five minutes of mixed traffic with faults: memory and descriptors come back.
fn soak() -> Done {
    loadtest("soak", "--minutes 5 --protocol h1-tls --json benches/record/soak.json")
}

/// Three gateways on one registry, a file and one in Redis: how soon a change is known to all, what
/// the end of one costs.
fn replicas() -> Done {
    install::system()?;
    loadtest("replicas", "--json benches/record/replicas.json")?;
    let redis = "--redis redis-server --rounds 200 --json benches/record/replicas-redis.json";
    loadtest("replicas", redis)
}

/// A command of loadtest on the release build; `arguments` are separated by spaces.
fn loadtest(name: &str, arguments: &str) -> Done {
    run("build for measuring", cargo(&["build", "--quiet", "--release", "--workspace", "--bins"]))?;
    let mut command = program(root().join("target/release/loadtest"), &[name]);
    command.args(["--gateway", "target/release/tollgate"]).args(arguments.split_ascii_whitespace());
    run(&format!("loadtest {name}"), command)
}

fn keep(file: &str, said: &[String], wanted: impl Fn(&str) -> bool) -> Done {
    let path = root().join("benches/record").join(file);
    let write = || {
        let mut record = File::create(&path)?;
        writeln!(record, "# {} on {}", env!("CARGO_PKG_VERSION"), machine())?;
        said.iter().filter(|line| wanted(line)).try_for_each(|line| writeln!(record, "{line}"))
    };
    write().map_err(|fault: std::io::Error| format!("{}: {fault}", path.display()))
}

/// The machine as results name it: processor, cores, kernel.
fn machine() -> String {
    let processor = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = processor.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let kernel = Command::new("uname").arg("-sr").output().map(|output| output.stdout).unwrap_or_default();
    let kernel = String::from_utf8_lossy(&kernel);
    format!("{}, {cores} cores, {}", model.map_or("unknown processor", |(_, name)| name), kernel.trim())
}
