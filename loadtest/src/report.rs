//! Figures as people and programs read them.
//!
//! Medians with their extremes; the ratio is the median of the rounds' ratios, each against
//! the floor of the same round, since absolute figures of a shared machine drift.

use std::path::Path;

use serde::{Serialize, Serializer};

use crate::Done;
use crate::load::Protocol;
use crate::machine::Machine;

/// One round of one target.
#[derive(Clone)]
pub(crate) struct Sample {
    pub(crate) cpu_us: f64,
    pub(crate) per_second: f64,
    pub(crate) p50_us: f64,
    pub(crate) rss: u64,
    pub(crate) target_busy: f64,
    pub(crate) load_busy: f64,
    pub(crate) errors: u64,
}

/// A whole report.
#[derive(Serialize)]
pub(crate) struct Report {
    machine: Machine,
    command: String,
    pub(crate) cells: Vec<Cell>,
}

/// One target with one protocol, all rounds.
#[derive(Serialize)]
pub(crate) struct Cell {
    pub(crate) target: &'static str,
    #[serde(serialize_with = "name")]
    pub(crate) protocol: Protocol,
    rounds: usize,
    cpu_us_per_request: Spread,
    pub(crate) ratio_to_floor: f64,
    requests_per_second: f64,
    p50_us: f64,
    /// Not told by a closed loop: it leaves out the calls that it did not make meanwhile.
    p99_us: Option<f64>,
    rss_bytes: u64,
    /// Part of the time that the target's core and the load's were busy.
    core_busy: CoreBusy,
    errors: u64,
    pub(crate) valid: bool,
}

#[derive(Serialize)]
struct CoreBusy {
    target: f64,
    load: f64,
}

#[derive(Serialize)]
struct Spread {
    median: f64,
    min: f64,
    max: f64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature is serde's")]
fn name<S: Serializer>(protocol: &Protocol, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(protocol.name())
}

impl Report {
    /// Of cells measured on this machine now.
    pub(crate) fn new(machine: Machine, cells: Vec<Cell>) -> Self {
        // The program by its name: where it lay is nobody's affair.
        let arguments = std::env::args().skip(1);
        let command = std::iter::once("loadtest".to_owned()).chain(arguments).collect::<Vec<_>>().join(" ");
        Self { machine, command, cells }
    }

    /// Writes it as JSON.
    pub(crate) fn write(&self, file: &Path) -> Done {
        let text = serde_json::to_string_pretty(self).map_err(|error| error.to_string())?;
        std::fs::write(file, text + "\n").map_err(|error| format!("{}: {error}", file.display()))
    }

    /// The table for the screen.
    pub(crate) fn table(&self) -> String {
        let mut text = format!(
            "{:<10} {:<8} {:>22} {:>8} {:>10} {:>9} {:>8} {:>13}\n",
            "target",
            "protocol",
            "CPU µs/request",
            "× floor",
            "requests/s",
            "p50 µs",
            "RSS MiB",
            "cores busy %"
        );
        for cell in &self.cells {
            let cpu = &cell.cpu_us_per_request;
            let spread = format!("{:.2} ({:.2}–{:.2})", cpu.median, cpu.min, cpu.max);
            let busy = format!("{:.0} / {:.0}", cell.core_busy.target * 100.0, cell.core_busy.load * 100.0);
            text.push_str(&format!(
                "{:<10} {:<8} {:>22} {:>8.3} {:>10.0} {:>9.0} {:>8} {:>13}{}\n",
                cell.target,
                cell.protocol.name(),
                spread,
                cell.ratio_to_floor,
                cell.requests_per_second,
                cell.p50_us,
                cell.rss_bytes >> 20,
                busy,
                if cell.valid { "" } else { "  INVALID" },
            ));
        }
        text
    }
}

impl Cell {
    /// From the rounds of a target and of the floor, pair by pair.
    pub(crate) fn new(
        target: &'static str,
        protocol: Protocol,
        samples: &[Sample],
        floor: &[Sample],
    ) -> Self {
        let of = |figure: fn(&Sample) -> f64| samples.iter().map(figure).collect::<Vec<_>>();
        let cpu = of(|sample| sample.cpu_us);
        let ratios = samples.iter().zip(floor).map(|(own, floor)| own.cpu_us / floor.cpu_us).collect();
        let errors = samples.iter().map(|sample| sample.errors).sum();
        Self {
            target,
            protocol,
            rounds: samples.len(),
            cpu_us_per_request: Spread {
                min: round(cpu.iter().copied().fold(f64::INFINITY, f64::min)),
                max: round(cpu.iter().copied().fold(0.0, f64::max)),
                median: round(median(cpu)),
            },
            ratio_to_floor: round(median(ratios)),
            requests_per_second: round(median(of(|sample| sample.per_second))),
            p50_us: round(median(of(|sample| sample.p50_us))),
            p99_us: None,
            rss_bytes: samples.iter().map(|sample| sample.rss).max().unwrap_or(0),
            core_busy: CoreBusy {
                target: round(median(of(|sample| sample.target_busy))),
                load: round(median(of(|sample| sample.load_busy))),
            },
            errors,
            valid: errors == 0 && samples.len() == floor.len() && !samples.is_empty(),
        }
    }
}

/// Three decimals: more is noise.
fn round(figure: f64) -> f64 {
    (figure * 1000.0).round() / 1000.0
}

/// The middle figure; of an even number, the mean of the two.
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

#[cfg(test)]
mod tests {
    use super::{Cell, Report, Sample, median};
    use crate::load::Protocol;
    use crate::machine::Machine;

    fn sample(cpu_us: f64, errors: u64) -> Sample {
        Sample {
            cpu_us,
            per_second: 1e4,
            p50_us: 300.0,
            rss: 1 << 23,
            target_busy: 0.9,
            load_busy: 0.8,
            errors,
        }
    }

    #[test]
    fn medians() {
        assert!((median(vec![3.0, 1.0, 2.0]) - 2.0).abs() < 1e-9);
        assert!((median(vec![4.0, 1.0, 2.0, 3.0]) - 2.5).abs() < 1e-9);
        assert!((median(vec![7.0]) - 7.0).abs() < 1e-9);
        assert!(median(Vec::new()).is_nan());
    }

    #[test]
    fn ratios_are_taken_round_by_round() {
        let floor = [sample(10.0, 0), sample(20.0, 0), sample(10.0, 0)];
        let own = [sample(12.0, 0), sample(22.0, 0), sample(20.0, 0)];
        let cell = Cell::new("tollgate", Protocol::H1, &own, &floor);
        assert!((cell.ratio_to_floor - 1.2).abs() < 1e-9);
        assert!(cell.valid);
        assert!(!Cell::new("tollgate", Protocol::H1, &[sample(12.0, 1)], &floor[..1]).valid);
        assert!(!Cell::new("tollgate", Protocol::H1, &own[..2], &floor).valid);
    }

    #[test]
    fn the_json_has_the_documented_members() {
        let cell = Cell::new("tollgate", Protocol::H1Tls, &[sample(12.0, 0)], &[sample(10.0, 0)]);
        let report = serde_json::to_value(Report::new(Machine::here(), vec![cell])).unwrap();
        assert!(report["machine"].is_object() && report["command"].is_string());
        let cell = &report["cells"][0];
        assert_eq!((cell["target"].as_str(), cell["protocol"].as_str()), (Some("tollgate"), Some("h1-tls")));
        assert_eq!(cell["cpu_us_per_request"]["median"], 12.0);
        assert_eq!(cell["ratio_to_floor"], 1.2);
        for member in ["rounds", "requests_per_second", "p50_us", "p99_us", "rss_bytes", "errors", "valid"] {
            assert!(cell.get(member).is_some(), "{member}");
        }
    }
}
