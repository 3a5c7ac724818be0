//! The sentences of the page: how to read the figures, and what they do not say. Only those
//! that apply to what was measured.

use crate::report::{Cell, Report};

/// Rounds from which a median carries a claim.
const ROUNDS: usize = 5;
/// A core that is busier than this may have been what held the target back.
const FULL: f64 = 0.95;

pub(super) const CPU_CAPTION: &str = "Bars end at the median of the rounds, whiskers at the least and the most. Dashed: the floor of the same protocol. The ratio beside each bar is the median of the rounds’ ratios, each against the floor of its own round.";
pub(super) const LATENCY_CAPTION: &str = "To the right each nine takes the same room. A curve ends where the number of requests no longer carries a quantile.";
pub(super) const THROUGHPUT_CAPTION: &str =
    "Each mark is one load. A cross is a load that was not held: its figures are no result.";
pub(super) const MEMORY_CAPTION: &str =
    "Resident memory of the process as the kernel counts it, shared pages included.";

/// What the words in tables and plots mean.
pub(super) fn how_to_read(report: &Report) -> Vec<String> {
    let mut sentences = Vec::new();
    if !report.cells.is_empty() || !report.latency.is_empty() || !report.load_curve.is_empty() {
        sentences.push("h1 is HTTP/1.1 in plaintext, h1-tls the same over TLS, h2-tls HTTP/2 over TLS.");
    }
    if report.cells.iter().any(Cell::is_handshake) {
        sentences.push("Rows of handshakes count TLS handshakes, each on a connection of its own, where others count requests.");
    }
    if !report.cells.is_empty() {
        sentences.push("CPU per request is the time that the target’s process was on a core, user and system together, divided by the calls that were answered. It does not depend on whether the load kept up, and it is what a deployment pays for.");
        sentences.push("× floor is that time against the floor’s in the same round. The floor is a reverse proxy that checks nothing: below 1.00 a target costs less than passing bytes on.");
        sentences.push("Calls come from a closed loop there: each follows the answer to the last. “Per second” is what target and load reach together, and p50 belongs to that load.");
    }
    if !report.latency.is_empty() || !report.load_curve.is_empty() {
        sentences.push("Latencies at a rate come from an open loop: requests are due at set times whatever the target does, and a latency counts from the moment at which its request was due.");
    }
    if report.latency.iter().any(|it| it.added_over_direct.is_some()) {
        sentences.push("“Added” is a percentile less the same percentile of direct calls. It is a difference of two distributions, not the distribution of a difference.");
    }
    if report.sizing.is_some() {
        sentences.push("A range is what the measurements leave open; the larger end is the one to plan by.");
    }
    sentences.push("A dash stands for a figure that was not measured or is no result.");
    sentences.into_iter().map(str::to_owned).collect()
}

/// What nobody may take from it.
pub(super) fn not_said(report: &Report) -> Vec<String> {
    let mut sentences = vec![
        "Everything ran on one machine over loopback: no network, no loss, no distance. Ratios carry over to other machines, microseconds do not.".to_owned(),
    ];
    let few =
        report.cells.iter().map(|cell| cell.rounds).chain(report.latency.iter().map(|it| it.rounds)).min();
    if let Some(rounds) = few.filter(|rounds| *rounds < ROUNDS) {
        let rounds = if rounds == 1 { "one round".to_owned() } else { format!("{rounds} rounds") };
        sentences.push(format!(
            "A target was measured in {rounds} only; with fewer than {ROUNDS} no claim rests on a median."
        ));
    }
    if !report.cells.is_empty() {
        sentences.push("The target had one core. How it does with more is not told, nor what other calls cost than the one that was measured.".to_owned());
        if report.cells.iter().all(|cell| cell.p99_us.is_none()) {
            sentences.push("The closed loop has no p99 to tell: it leaves out the calls that it did not make while it waited.".to_owned());
        }
    }
    let full: Vec<String> = report
        .cells
        .iter()
        .filter(|cell| cell.core_busy.load > FULL)
        .map(|cell| format!("{} {}", cell.target, cell.protocol))
        .collect();
    if !full.is_empty() {
        sentences.push(format!(
            "The core of load and upstream was full in {}: “per second” is a lower bound there.",
            full.join(", ")
        ));
    }
    let invalid = report.cells.iter().filter(|cell| !cell.valid).count()
        + report.latency.iter().filter(|it| !it.valid).count();
    if invalid > 0 {
        sentences.push(format!("Rows without a result: {invalid}. The tables say why."));
    }
    sentences
}
