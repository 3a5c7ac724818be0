//! Plots: what is drawn of a report, in the colours, dashes and marks of its targets.
//!
//! Nothing is told by colour alone: lines have dashes, marks and a name at their end, bars
//! have a name and a figure. The tables below a plot have all figures again.

mod axis;
mod bars;
mod curves;
mod lines;

pub(super) use bars::{cpu, handshakes};
pub(super) use curves::{memory, percentiles, throughput};

use super::{Cell, Report, TargetKind};

/// Width of every plot.
const WIDTH: f64 = 860.0;
/// Ways to draw a target.
const STYLES: usize = 10;
/// Classes of `plot.css`: the first is the gateway's, the second a floor's.
const CLASSES: [&str; STYLES] = ["s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9"];
/// Outlines from the centre: disc, square, triangle, diamond, triangle down, cross, bar,
/// star, upright bar, half a disc.
const OUTLINES: [&str; STYLES] = [
    "m-4 0a4 4 0 1 0 8 0a4 4 0 1 0 -8 0z",
    "m-3.5 -3.5h7v7h-7z",
    "m0 -5l5 8.5h-10z",
    "m0 -5l5 5l-5 5l-5 -5z",
    "m0 5l5 -8.5h-10z",
    "m-1.8 -5h3.6v3.2h3.2v3.6h-3.2v3.2h-3.6v-3.2h-3.2v-3.6h3.2z",
    "m-5 -2h10v4h-10z",
    "m0 -6l1.6 4.4l4.4 1.6l-4.4 1.6l-1.6 4.4l-1.6 -4.4l-4.4 -1.6l4.4 -1.6z",
    "m-2 -5h4v10h-4z",
    "m-5 2.5a5 5 0 0 1 10 0z",
];

/// A plot: an element for a page, or a file.
pub(super) struct Plot {
    pub(super) title: String,
    pub(super) svg: super::svg::Svg,
    height: f64,
    description: String,
}

impl Plot {
    /// For a page on which nothing else has this id.
    pub(super) fn element(&self, id: &str) -> String {
        self.svg.element(id, self.height, &self.title, &self.description)
    }

    /// A file of its own.
    pub(super) fn file(&self) -> String {
        self.svg.file("plot", self.height, &self.title, &self.description)
    }
}

/// How a target is drawn everywhere.
#[derive(Clone, Copy)]
struct Style {
    class: &'static str,
    outline: &'static str,
}

/// What a target is: by the report's list, or by what the overhead command calls its own.
fn kind(report: &Report, target: &str) -> TargetKind {
    let listed = report.targets.iter().find(|info| info.name == target);
    listed.map_or_else(
        || match target {
            "floor" => TargetKind::Floor,
            "tollgate" => TargetKind::Gateway,
            "direct" => TargetKind::Direct,
            _ => TargetKind::Peer,
        },
        |info| info.kind,
    )
}

/// Whether a cell is of the gateway.
pub(super) fn is_gateway(report: &Report, cell: &Cell) -> bool {
    kind(report, &cell.target) == TargetKind::Gateway
}

/// The first gateway has the first style, the first floor the second, all others one after
/// another, round again where there are more than styles.
fn style(report: &Report, target: &str) -> Style {
    let mut names: Vec<&str> = Vec::new();
    let measured = report.cells.iter().map(|cell| &cell.target);
    let latency = report.latency.iter().map(|latency| &latency.target);
    let load = report.load_curve.iter().map(|point| &point.target);
    let memory = report.memory.iter().map(|curve| &curve.target);
    for name in
        report.targets.iter().map(|info| &info.name).chain(measured).chain(latency).chain(load).chain(memory)
    {
        if !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    let first = |wanted| names.iter().copied().find(|name| kind(report, name) == wanted);
    let (gateway, floor) = (first(TargetKind::Gateway), first(TargetKind::Floor));
    let index = if gateway == Some(target) {
        0
    } else if floor == Some(target) {
        1
    } else {
        let mut others = names.iter().filter(|name| gateway != Some(**name) && floor != Some(**name));
        2 + others.position(|name| *name == target).unwrap_or(0) % (STYLES - 2)
    };
    let pick = |from: &[&'static str; STYLES]| from.get(index).copied().unwrap_or_default();
    Style { class: pick(&CLASSES), outline: pick(&OUTLINES) }
}
