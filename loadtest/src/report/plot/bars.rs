//! CPU per request as bars: a group for each protocol, whiskers from the least to the most of
//! the rounds, and the floor as a line through its group.
//!
//! All groups share one scale, so that protocols can be compared too.

use super::axis::Axis;
use super::{Plot, TargetKind, WIDTH, kind, style};
use crate::report::number::{float, range, ratio, short};
use crate::report::svg::{Anchor, Svg};
use crate::report::table::cut;
use crate::report::{Cell, Report};

/// Height of a row and of its bar.
const ROW: f64 = 27.0;
const BAR: f64 = 15.0;
/// Room for names on the left, and for figures on the right.
const LEFT: f64 = 215.0;
const RIGHT: f64 = 150.0;
/// Room above the rows of a group.
const HEAD: f64 = 34.0;
/// Between a bar or a line and figures.
const GAP: f64 = 10.0;
/// Width of a letter in bold, in most fonts of this size rather less.
const LETTER: f64 = 8.5;
/// Letters of a name that fit on the left.
const NAME: usize = 25;

/// What a request costs; none where there is nothing to draw.
pub(in crate::report) fn cpu(report: &Report) -> Option<Plot> {
    draw(report, "request", report.cells.iter().filter(|cell| !cell.is_handshake()).collect())
}

/// What a TLS handshake costs, on a scale of its own.
pub(in crate::report) fn handshakes(report: &Report) -> Option<Plot> {
    draw(report, "handshake", report.cells.iter().filter(|cell| cell.is_handshake()).collect())
}

fn draw(report: &Report, counted: &str, cells: Vec<&Cell>) -> Option<Plot> {
    let most = cells.iter().filter(|cell| cell.valid).map(|cell| cell.cpu_us_per_request.max);
    let most = most.filter(|figure| figure.is_finite()).reduce(f64::max)?;
    let axis = Axis::linear(&format!("CPU µs per {counted}"), most);
    let mut drawing = Drawing { report, svg: Svg::new(WIDTH), axis, top: 6.0 };
    let description = description(counted, &cells);
    for group in groups(cells) {
        drawing.group(&group);
    }
    let (title, height) = (format!("CPU time per {counted}"), drawing.scale());
    Some(Plot { title, svg: drawing.svg, height, description })
}

/// Cells of one protocol together, in the order in which protocols first appear.
fn groups(cells: Vec<&Cell>) -> Vec<Vec<&Cell>> {
    let mut groups: Vec<Vec<&Cell>> = Vec::new();
    for cell in cells {
        match groups.iter_mut().find(|group| group.iter().any(|other| other.protocol == cell.protocol)) {
            Some(group) => group.push(cell),
            None => groups.push(vec![cell]),
        }
    }
    groups
}

struct Drawing<'r> {
    report: &'r Report,
    svg: Svg,
    axis: Axis,
    /// Where the next group begins.
    top: f64,
}

impl Drawing<'_> {
    fn x(&self, figure: f64) -> f64 {
        LEFT + self.axis.place(figure) * (WIDTH - LEFT - RIGHT)
    }

    fn group(&mut self, cells: &[&Cell]) {
        let Some(first) = cells.first() else { return };
        let (top, rows) = (self.top + HEAD, ROW * float(cells.len() as u64));
        let ticks: Vec<f64> = self.axis.ticks.iter().map(|(tick, _)| self.x(*tick)).collect();
        for x in ticks {
            self.svg.line((x, top - 4.0), (x, top + rows), "grid");
        }
        self.svg.text((0.0, top - 12.0), Anchor::Start, "head", first.spoken());
        // The floor is the one that ratios are against, whatever other floors there are.
        let floor = cells.iter().find(|cell| {
            kind(self.report, &cell.target) == TargetKind::Floor
                && cell.valid
                && cell.ratio_to_floor.is_some_and(|times| (times - 1.0).abs() < 1e-9)
        });
        let floor = floor.map(|cell| self.x(cell.cpu_us_per_request.median));
        let mut y = top;
        for cell in cells {
            self.bar(cell, y);
            y += ROW;
        }
        if let Some(x) = floor {
            self.svg.line((x, top - 6.0), (x, top + rows), "floor");
            self.svg.text((x, top - 12.0), Anchor::Middle, "aside", "floor 1.00×");
        }
        y = top;
        for cell in cells {
            self.figures(cell, y, floor);
            y += ROW;
        }
        self.top = top + rows + 8.0;
    }

    /// Name, bar and whisker.
    fn bar(&mut self, cell: &Cell, y: f64) {
        let kind = kind(self.report, &cell.target);
        let strong = if kind == TargetKind::Gateway { "strong" } else { "" };
        self.svg.text((LEFT - 10.0, y + 17.0), Anchor::End, strong, &cut(&cell.target, NAME));
        if !cell.valid {
            return;
        }
        let look = match kind {
            TargetKind::Gateway => "",
            TargetKind::Floor | TargetKind::Direct => " floorbar",
            TargetKind::Peer => " peer",
        };
        let class = format!("bar {}{look}", style(self.report, &cell.target).class);
        let cpu = cell.cpu_us_per_request;
        let (top, right) = (y + (ROW - BAR) / 2.0, self.x(cpu.median));
        let tip = format!(
            "{}, {}: {} µs, {}",
            cell.target,
            cell.spoken(),
            short(cpu.median),
            range(cpu.min, cpu.max)
        );
        self.svg.bar((LEFT, top), (right - LEFT, BAR), &class, &tip);
    }

    /// Whisker and figures, over the line of the floor.
    fn figures(&mut self, cell: &Cell, y: f64, floor: Option<f64>) {
        let Some(why) = cell.no_result() else {
            let cpu = cell.cpu_us_per_request;
            let (low, high, middle) = (self.x(cpu.min), self.x(cpu.max), y + ROW / 2.0);
            // One round has no least and no most.
            if cell.rounds > 1 {
                self.svg.line((low, middle), (high, middle), "whisker");
                for end in [low, high] {
                    self.svg.line((end, middle - 4.0), (end, middle + 4.0), "whisker");
                }
            }
            let times = cell.ratio_to_floor.map(|times| format!(" · {}×", ratio(times))).unwrap_or_default();
            let strong =
                if kind(self.report, &cell.target) == TargetKind::Gateway { "value strong" } else { "value" };
            let figures = format!("{} µs{times}", short(cpu.median));
            let (left, width) = (high + GAP, LETTER * float(figures.chars().count() as u64));
            // Not under the floor's line: beyond it.
            let x = floor.filter(|floor| left < *floor && left + width > *floor - GAP / 2.0);
            self.svg.text((x.map_or(left, |floor| floor + GAP), y + 18.0), Anchor::Start, strong, &figures);
            return;
        };
        let x = floor.unwrap_or(LEFT) + GAP;
        self.svg.text((x, y + 18.0), Anchor::Start, "aside", &format!("no result: {why}"));
    }

    /// The scale below the last group; the height of all.
    fn scale(&mut self) -> f64 {
        let y = self.top + 10.0;
        for (tick, label) in std::mem::take(&mut self.axis.ticks) {
            let x = self.x(tick);
            self.svg.text((x, y), Anchor::Middle, "tick", &label);
        }
        let middle = f64::midpoint(LEFT, WIDTH - RIGHT);
        self.svg.text((middle, y + 20.0), Anchor::Middle, "tick", &self.axis.title.clone());
        y + 30.0
    }
}

/// The same in words.
fn description(counted: &str, cells: &[&Cell]) -> String {
    let each = cells.iter().filter(|cell| cell.valid).map(|cell| {
        let times = cell
            .ratio_to_floor
            .map(|times| format!(", {} times the floor", ratio(times)))
            .unwrap_or_default();
        format!("{} {}: {} µs{times}", cell.spoken(), cell.target, short(cell.cpu_us_per_request.median))
    });
    format!("Bars of CPU time per {counted}. {}.", each.collect::<Vec<_>>().join("; "))
}
