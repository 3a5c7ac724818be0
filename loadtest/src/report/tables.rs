//! Which columns each table has, and how each figure is told.
//!
//! A cell that is no result shows why, and no figure of it can be taken for one.

use super::number::{decimals, float, mebibytes, range, ratio, short};
use super::table::{Column, Table};
use super::{Cell, Figure, Latency, LoadPoint, MemoryCurve, Percentiles, TargetInfo, TargetKind, spoken};

/// How cells are named that count handshakes.
const HANDSHAKE: &str = "handshake";

/// The screen's one table of cells.
pub(super) fn cells(cells: &[Cell]) -> Table {
    let mut columns = names();
    columns.extend(costs());
    columns.extend(loads());
    Table::of(cells, columns, group)
}

/// What a request costs: the page has room for two tables.
pub(super) fn cost(cells: &[Cell]) -> Table {
    let mut columns = names();
    columns.extend(costs());
    columns.push(Column::figures("rounds", |cell| Some(cell.rounds.to_string())));
    columns.push(Column::reason(Cell::no_result));
    Table::of(cells, columns, group)
}

/// The load under which it was measured, and memory.
pub(super) fn load(cells: &[Cell]) -> Table {
    let mut columns = names();
    columns.extend(loads());
    Table::of(cells, columns, group)
}

fn group(cell: &Cell) -> String {
    cell.protocol.clone()
}

fn names() -> Vec<Column<Cell>> {
    vec![
        Column::words("target", |cell: &Cell| Some(cell.target.clone())),
        Column::words("protocol", |cell| Some(cell.protocol.clone())),
    ]
}

fn costs() -> Vec<Column<Cell>> {
    vec![
        Column::figures("CPU µs", |cell: &Cell| of(cell, short(cell.cpu_us_per_request.median))),
        Column::figures("range", |cell| {
            // One round has no range.
            let cpu = &cell.cpu_us_per_request;
            (cell.rounds > 1).then(|| range(cpu.min, cpu.max)).and_then(|range| of(cell, range))
        }),
        Column::detail("user µs", |cell| cell.user_us_per_request.and_then(|us| of(cell, short(us)))),
        Column::detail("system µs", |cell| cell.system_us_per_request.and_then(|us| of(cell, short(us)))),
        Column::figures("×\u{a0}floor", |cell| cell.ratio_to_floor.and_then(|times| of(cell, ratio(times)))),
        Column::detail("×\u{a0}range", |cell| {
            cell.ratio_spread
                .filter(|_| cell.rounds > 1)
                .and_then(|times| of(cell, format!("{}–{}", ratio(times.min), ratio(times.max))))
        }),
        Column::detail("instructions", |cell| {
            cell.instructions_per_request.and_then(|count| of(cell, decimals(count, 0)))
        }),
        Column::detail("context switches", |cell| {
            cell.context_switches_per_request.and_then(|count| of(cell, short(count)))
        }),
    ]
}

fn loads() -> Vec<Column<Cell>> {
    vec![
        Column::figures("per second", |cell: &Cell| of(cell, decimals(cell.requests_per_second, 0))),
        Column::figures("p50 µs", |cell| of(cell, short(cell.p50_us))),
        Column::figures("p99 µs", |cell| cell.p99_us.and_then(|us| of(cell, short(us)))),
        Column::figures("RSS MiB", |cell| (cell.rss_bytes > 0).then(|| mebibytes(cell.rss_bytes))),
        Column::detail("idle RSS MiB", |cell| cell.idle_rss_bytes.map(mebibytes)),
        Column::detail("peak RSS MiB", |cell| cell.peak_rss_bytes.map(mebibytes)),
        Column::figures("cores busy %", |cell| {
            let busy = &cell.core_busy;
            Some(format!("{} / {}", decimals(busy.target * 100.0, 0), decimals(busy.load * 100.0, 0)))
        }),
        Column::figures("errors", |cell| Some(decimals(float(cell.errors), 0))),
    ]
}

/// A figure of a cell, where the cell is a result.
fn of(cell: &Cell, figure: String) -> Option<String> {
    cell.valid.then_some(figure)
}

/// Percentiles at a rate that was held.
pub(super) fn latency(latency: &[Latency]) -> Table {
    let columns = vec![
        Column::words("target", |it: &Latency| Some(it.target.clone())),
        Column::words("protocol", |it| Some(it.protocol.name().to_owned())),
        Column::figures("due/s", |it| Some(decimals(it.rate, 0))),
        Column::figures("p50 µs", |it| quantile(it, |all| all.p50)),
        Column::figures("p90", |it| quantile(it, |all| all.p90)),
        Column::figures("p99", |it| quantile(it, |all| all.p99)),
        Column::figures("p99.9", |it| quantile(it, |all| all.p999)),
        Column::figures("max", |it| quantile(it, |all| all.max)),
        Column::figures("added p50", |it| added(it, |all| all.p50)),
        Column::figures("added p99", |it| added(it, |all| all.p99)),
        Column::detail("added p99.9", |it| added(it, |all| all.p999)),
        Column::detail("rounds", |it| Some(it.rounds.to_string())),
        Column::reason(Latency::no_result),
    ];
    Table::of(latency, columns, |it| format!("{} {}", it.protocol.name(), it.rate))
}

fn quantile(latency: &Latency, figure: fn(&Percentiles) -> f64) -> Option<String> {
    latency.valid.then(|| short(figure(&latency.percentiles)))
}

fn added(latency: &Latency, figure: fn(&Percentiles) -> f64) -> Option<String> {
    let added = latency.added_over_direct.as_ref().filter(|_| latency.valid)?;
    Some(short(figure(added)))
}

/// Throughput against latency, a row for each load.
pub(super) fn load_curve(points: &[LoadPoint]) -> Table {
    let columns = vec![
        Column::words("target", |it: &LoadPoint| Some(it.target.clone())),
        Column::words("protocol", |it| Some(it.protocol.name().to_owned())),
        Column::figures("due/s", |it| Some(decimals(it.offered_per_second, 0))),
        Column::figures("answered/s", |it| Some(decimals(it.requests_per_second, 0))),
        Column::figures("p50 µs", |it| it.valid.then(|| short(it.p50_us))),
        Column::figures("p99 µs", |it| it.p99_us.filter(|_| it.valid).map(short)),
        Column::reason(|it: &LoadPoint| (!it.valid).then(|| "the load was not held".to_owned())),
    ];
    Table::of(points, columns, |it| format!("{} {}", it.protocol.name(), it.target))
}

/// Memory over time, by its corners.
pub(super) fn memory(curves: &[MemoryCurve]) -> Table {
    fn rss(curve: &MemoryCurve, pick: fn(&MemoryCurve) -> Option<u64>) -> Option<String> {
        pick(curve).map(mebibytes)
    }
    let columns = vec![
        Column::words("target", |it: &MemoryCurve| Some(it.target.clone())),
        Column::words("load", |it| Some(it.load.clone())),
        Column::figures("first MiB", |it| rss(it, |it| it.points.first().map(|point| point.rss_bytes))),
        Column::figures("peak MiB", |it| rss(it, |it| it.points.iter().map(|point| point.rss_bytes).max())),
        Column::figures("last MiB", |it| rss(it, |it| it.points.last().map(|point| point.rss_bytes))),
        Column::figures("most connections", |it| {
            it.points.iter().filter_map(|point| point.connections).max().map(|most| decimals(float(most), 0))
        }),
        Column::figures("seconds", |it| it.points.last().map(|point| short(point.seconds))),
    ];
    Table::of(curves, columns, |it| it.load.clone())
}

/// Named figures with units and ranges.
pub(super) fn figures(figures: &[Figure]) -> Table {
    let columns = vec![
        Column::words("what", |it: &Figure| Some(it.name.clone())),
        Column::figures("figure", |it| Some(count(it.value))),
        Column {
            absent: "",
            ..Column::words("unit", |it: &Figure| (!it.unit.is_empty()).then(|| it.unit.clone()))
        },
        Column::figures("range", |it| it.range.map(|(low, high)| format!("{}–{}", count(low), count(high)))),
    ];
    Table::of(figures, columns, |_| String::new())
}

/// A whole number without decimals, however small.
fn count(figure: f64) -> String {
    if figure.fract() == 0.0 { decimals(figure, 0) } else { short(figure) }
}

/// What was measured.
pub(super) fn targets(targets: &[TargetInfo]) -> Table {
    let columns = vec![
        Column::words("target", |it: &TargetInfo| Some(it.name.clone())),
        Column::words("what it is", |it| {
            let kind = match it.kind {
                TargetKind::Direct => "the upstream itself, nothing between",
                TargetKind::Floor => "floor: the least that a proxy can be",
                TargetKind::Gateway => "the gateway",
                TargetKind::Peer => "peer",
            };
            Some(kind.to_owned())
        }),
        Column::words("version", |it| it.version.clone()),
        Column::words("settings", |it| it.settings.clone()),
    ];
    Table::of(targets, columns, |_| String::new())
}

impl Cell {
    /// Why it is none, in a few words.
    pub(super) fn no_result(&self) -> Option<String> {
        if self.valid {
            return None;
        }
        Some(match self.errors {
            0 => format!("{} rounds, not as many as the floor's", self.rounds),
            1 => "1 error".to_owned(),
            errors => format!("{} errors", decimals(float(errors), 0)),
        })
    }

    /// The protocol as people say it.
    pub(super) fn spoken(&self) -> &str {
        spoken(&self.protocol)
    }

    /// Whether what was counted is handshakes, not requests.
    pub(super) fn is_handshake(&self) -> bool {
        self.protocol.starts_with(HANDSHAKE)
    }
}

impl Latency {
    /// Why it is none.
    pub(super) fn no_result(&self) -> Option<String> {
        (!self.valid).then(|| self.why_not.clone().unwrap_or_else(|| "no reason was given".to_owned()))
    }
}
