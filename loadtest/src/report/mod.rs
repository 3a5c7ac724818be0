//! Figures as people and programs read them: the data of a report, and each way to show it.
//!
//! A figure that was not measured is absent: null in the JSON, a dash on the screen and on the
//! page, never zero and never a number that looks measured. Nothing here measures.

mod cell;
mod files;
mod latency;
mod number;
mod page;
mod plot;
mod progress;
mod screen;
mod svg;
mod table;
mod tables;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use crate::Done;
use crate::machine::Machine;
use crate::transport::Protocol;

pub(crate) use cell::{Cell, Sample};
pub(crate) use files::ReportFiles;
use latency::Percentiles;
pub(crate) use latency::{Latency, LoadPoint};
pub(crate) use progress::Progress;

/// A whole report. What a command did not measure stays empty and is not shown.
#[derive(Serialize, Deserialize)]
pub(crate) struct Report {
    /// The machine as it names itself, member by member.
    machine: Map<String, Value>,
    command: String,
    /// When the command began, RFC 3339.
    #[serde(default)]
    started: String,
    /// Method, and what was assumed: a sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) notes: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) targets: Vec<TargetInfo>,
    pub(crate) cells: Vec<Cell>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) latency: Vec<Latency>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) memory: Vec<MemoryCurve>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) load_curve: Vec<LoadPoint>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sizing: Option<Sizing>,
}

/// What was measured, as a reader has to know it to repeat the run.
#[derive(Serialize, Deserialize)]
pub(crate) struct TargetInfo {
    /// As in the cells.
    pub(crate) name: String,
    pub(crate) kind: TargetKind,
    /// As the program itself tells it.
    #[serde(default)]
    pub(crate) version: Option<String>,
    /// What differs from the program's defaults, in one sentence.
    #[serde(default)]
    pub(crate) settings: Option<String>,
}

/// What a target is in the comparison.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum TargetKind {
    /// The upstream itself, without anything between.
    Direct,
    /// The least that a proxy can be.
    Floor,
    /// What this is about.
    Gateway,
    /// Another proxy or gateway.
    Peer,
}

/// Resident memory of a target over time.
#[derive(Serialize, Deserialize)]
pub(crate) struct MemoryCurve {
    pub(crate) target: String,
    /// What went on: "32 connections, HTTP/1.1", "idle TLS connections opened".
    pub(crate) load: String,
    pub(crate) points: Vec<MemoryPoint>,
}

/// Resident memory at one moment.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(crate) struct MemoryPoint {
    /// Since the curve began.
    pub(crate) seconds: f64,
    pub(crate) rss_bytes: u64,
    /// Client connections open then, where they are what changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) connections: Option<u64>,
}

/// What a traffic needs, from measurements.
#[derive(Serialize, Deserialize)]
pub(crate) struct Sizing {
    /// The traffic that was asked about.
    pub(crate) asked: Vec<Figure>,
    /// What a request, a connection, a handshake and a key cost here.
    pub(crate) measured: Vec<Figure>,
    /// Cores, memory, replicas.
    pub(crate) needed: Vec<Figure>,
    /// What the answer rests on beside the measurements: a sentence each.
    pub(crate) assumed: Vec<String>,
    /// How a run at that size went, as far as this machine reaches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) checked: Option<String>,
}

/// One figure with a name, its unit and the range that it may lie in.
#[derive(Serialize, Deserialize)]
pub(crate) struct Figure {
    pub(crate) name: String,
    pub(crate) value: f64,
    /// Of the value and of both ends: "cores", "MiB", "µs"; empty for a count.
    #[serde(default)]
    pub(crate) unit: String,
    /// Both ends of the range, the lower first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) range: Option<(f64, f64)>,
}

impl Report {
    /// Of cells measured on this machine now; the other parts are set one by one.
    pub(crate) fn new(machine: Machine, cells: Vec<Cell>) -> Self {
        // The program by its name: where it lay is nobody's affair.
        let arguments = std::env::args().skip(1);
        let command = std::iter::once("loadtest".to_owned()).chain(arguments).collect::<Vec<_>>().join(" ");
        let machine = match serde_json::to_value(machine) {
            Ok(Value::Object(members)) => members,
            _ => Map::new(),
        };
        Self {
            machine,
            command,
            started: started(),
            notes: Vec::new(),
            targets: Vec::new(),
            cells,
            latency: Vec::new(),
            memory: Vec::new(),
            load_curve: Vec::new(),
            sizing: None,
        }
    }

    /// Writes it as JSON.
    pub(crate) fn write(&self, file: &Path) -> Done {
        let text = serde_json::to_string_pretty(self).map_err(|error| error.to_string())?;
        std::fs::write(file, text + "\n").map_err(|error| format!("{}: {error}", file.display()))
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a report is dated by the machine's clock; nothing decides by it"
)]
fn started() -> String {
    let now = SystemTime::now();
    humantime::format_rfc3339_seconds(now.checked_sub(age()).unwrap_or(now)).to_string()
}

/// How long this process has run; zero where the kernel does not say.
fn age() -> Duration {
    let seconds = |text: &str| text.parse::<f64>().ok();
    let uptime = std::fs::read_to_string("/proc/uptime").unwrap_or_default();
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name in brackets may hold anything; the start is the 22nd field, the 20th after it (proc(5)).
    let ticks = stat.rsplit_once(')').and_then(|(_, rest)| seconds(rest.split_ascii_whitespace().nth(19)?));
    let (Some(up), Some(ticks)) = (uptime.split(' ').next().and_then(seconds), ticks) else {
        return Duration::ZERO;
    };
    let per_second = Duration::from_secs(rustix::param::clock_ticks_per_second()).as_secs_f64();
    Duration::try_from_secs_f64(up - ticks / per_second).unwrap_or_default()
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature is serde's")]
fn protocol_name<S: Serializer>(protocol: &Protocol, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(protocol.name())
}

/// A protocol, or what stands in its place, as people say it.
fn spoken(protocol: &str) -> &str {
    match protocol {
        "h1" => "HTTP/1.1",
        "h1-tls" => "HTTP/1.1 + TLS",
        "h2-tls" => "HTTP/2 + TLS",
        "handshake-full" => "TLS handshake, full",
        "handshake-resumed" => "TLS handshake, resumed",
        other => other,
    }
}

fn named_protocol<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Protocol, D::Error> {
    let name = String::deserialize(deserializer)?;
    clap::ValueEnum::from_str(&name, false).map_err(serde::de::Error::custom)
}

/// A figure, or null where it is absent, which is not a number here.
fn figure<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or(f64::NAN))
}

/// Three decimals: more is noise.
fn round(figure: f64) -> f64 {
    (figure * 1000.0).round() / 1000.0
}

/// The middle figure; of an even number, the mean of the two; of none, not a number.
fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    let middle = figures.len() / 2;
    let (low, high) = (figures.get(middle.saturating_sub(1)), figures.get(middle));
    match (low, high) {
        (Some(low), Some(high)) if figures.len().is_multiple_of(2) => f64::midpoint(*low, *high),
        (_, Some(high)) => *high,
        _ => f64::NAN,
    }
}
