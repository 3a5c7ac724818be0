//! The charts of lines: percentiles, throughput against latency, memory over time.

use super::axis::{Axis, nines};
use super::lines::{Chart, Line, Mark, Point};
use super::{Plot, style};
use crate::report::number::{as_mebibytes, decimals, short};
use crate::report::{Latency, LoadPoint, MemoryCurve, Report, spoken};

/// From this ratio of largest to smallest on, a scale is logarithmic: smaller figures would lie
/// on the ground line.
const LOGARITHMIC: f64 = 12.0;
/// Quantiles that are marked, and told under the pointer.
const MARKED: [f64; 6] = [0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999];
/// Marks on a line over time, at most.
const MARKS: usize = 12;

/// A chart for each protocol and rate that has curves.
pub(in crate::report) fn percentiles(report: &Report) -> Vec<Plot> {
    let with_curve: Vec<&Latency> =
        report.latency.iter().filter(|it| it.valid && it.curve.len() > 1).collect();
    let key = |it: &&Latency| (it.protocol.name(), it.rate.to_bits());
    groups(&with_curve, key).into_iter().filter_map(|group| percentile_chart(report, &group)).collect()
}

fn percentile_chart(report: &Report, group: &[&Latency]) -> Option<Plot> {
    let first = group.first()?;
    let lines: Vec<Line> = group
        .iter()
        .map(|it| Line {
            name: it.target.clone(),
            style: style(report, &it.target),
            points: it
                .curve
                .iter()
                .filter(|(quantile, _)| *quantile < 1.0)
                .map(|at| quantile(it, *at))
                .collect(),
        })
        .collect();
    let most = lines.iter().flat_map(|line| &line.points).map(|point| point.x).reduce(f64::max)?;
    let each = group.iter().map(|it| {
        let all = &it.percentiles;
        format!("{}: half within {} µs, 99 % within {} µs", it.target, short(all.p50), short(all.p99))
    });
    Some(
        Chart {
            title: format!(
                "Latency, {}, {} requests/s",
                spoken(first.protocol.name()),
                decimals(first.rate, 0)
            ),
            description: format!("Percentile curves. {}.", each.collect::<Vec<_>>().join("; ")),
            x: Axis::nines(most),
            y: scale("µs from the moment at which a request was due", &lines)?,
            lines,
        }
        .draw(),
    )
}

fn quantile(latency: &Latency, (quantile, us): (f64, f64)) -> Point {
    let marked = MARKED.iter().any(|marked| (nines(*marked) - nines(quantile)).abs() < 0.024);
    let tip = || format!("{}: {} % within {} µs", latency.target, percent(quantile), short(us));
    Point { x: nines(quantile), y: us, mark: marked.then(|| Mark { tip: tip(), valid: true }) }
}

/// As many digits as the quantile needs.
fn percent(quantile: f64) -> String {
    let places = (0..6).find(|places| nines(quantile) < f64::from(*places) + 2.5).unwrap_or(6);
    decimals(quantile * 100.0, usize::try_from(places).unwrap_or(0))
}

/// A chart for each protocol and quantile.
pub(in crate::report) fn throughput(report: &Report) -> Vec<Plot> {
    let points: Vec<&LoadPoint> = report.load_curve.iter().collect();
    let mut plots = Vec::new();
    for group in groups(&points, |point| point.protocol.name()) {
        plots.extend(throughput_chart(report, &group, "p50", |point| Some(point.p50_us)));
        plots.extend(throughput_chart(report, &group, "p99", |point| point.p99_us));
    }
    plots
}

fn throughput_chart(
    report: &Report,
    group: &[&LoadPoint],
    quantile: &str,
    figure: fn(&LoadPoint) -> Option<f64>,
) -> Option<Plot> {
    let first = group.first()?;
    let mut lines = Vec::new();
    for mut load in groups(group, |point| point.target.clone()) {
        load.sort_by(|one, other| one.offered_per_second.total_cmp(&other.offered_per_second));
        let points: Vec<Point> = load
            .iter()
            .filter_map(|it| {
                let y = figure(it).filter(|us| us.is_finite())?;
                let per_second = decimals(it.requests_per_second, 0);
                let tip = format!("{}: {per_second} requests/s, {quantile} {} µs", it.target, short(y));
                Some(Point { x: it.requests_per_second, y, mark: Some(Mark { tip, valid: it.valid }) })
            })
            .collect();
        if let Some(name) = load.first().map(|it| it.target.clone()).filter(|_| !points.is_empty()) {
            lines.push(Line { style: style(report, &name), name, points });
        }
    }
    let most = lines.iter().flat_map(|line| &line.points).map(|point| point.x).reduce(f64::max)?;
    let names: Vec<&str> = lines.iter().map(|line| line.name.as_str()).collect();
    Some(
        Chart {
            title: format!("Throughput against latency, {}, {quantile}", spoken(first.protocol.name())),
            description: format!(
                "Latency over answered requests per second, of {}; a cross is a load that was not held.",
                names.join(", ")
            ),
            x: Axis::linear("answered requests/s", most),
            y: scale(&format!("{quantile} µs"), &lines)?,
            lines,
        }
        .draw(),
    )
}

/// A chart for each load under which memory was followed.
pub(in crate::report) fn memory(report: &Report) -> Vec<Plot> {
    let curves: Vec<&MemoryCurve> = report.memory.iter().filter(|curve| curve.points.len() > 1).collect();
    groups(&curves, |curve| curve.load.clone())
        .into_iter()
        .filter_map(|group| memory_chart(report, &group))
        .collect()
}

fn memory_chart(report: &Report, group: &[&MemoryCurve]) -> Option<Plot> {
    let first = group.first()?;
    let lines: Vec<Line> = group
        .iter()
        .map(|curve| Line {
            name: curve.target.clone(),
            style: style(report, &curve.target),
            points: memory_points(curve),
        })
        .collect();
    let all = || lines.iter().flat_map(|line| &line.points);
    let seconds = all().map(|point| point.x).reduce(f64::max)?;
    let most = all().map(|point| point.y).reduce(f64::max)?;
    let names: Vec<&str> = lines.iter().map(|line| line.name.as_str()).collect();
    Some(
        Chart {
            title: format!("Memory over time: {}", first.load),
            description: format!(
                "Resident memory over seconds, of {}; at most {} MiB.",
                names.join(", "),
                short(most)
            ),
            x: Axis::linear("seconds", seconds),
            y: Axis::linear("MiB resident", most),
            lines,
        }
        .draw(),
    )
}

fn memory_points(curve: &MemoryCurve) -> Vec<Point> {
    let apart = curve.points.len().div_ceil(MARKS).max(1);
    let points = curve.points.iter().enumerate().map(|(index, point)| {
        let mebibytes = as_mebibytes(point.rss_bytes);
        let open = point.connections.map(|open| format!(", {open} connections")).unwrap_or_default();
        let tip =
            || format!("{}: {} MiB after {} s{open}", curve.target, short(mebibytes), short(point.seconds));
        let mark = index.is_multiple_of(apart).then(|| Mark { tip: tip(), valid: true });
        Point { x: point.seconds, y: mebibytes, mark }
    });
    points.collect()
}

/// A scale for latencies, from zero, or of decades where they lie far apart.
fn scale(title: &str, lines: &[Line]) -> Option<Axis> {
    let figures =
        || lines.iter().flat_map(|line| &line.points).map(|point| point.y).filter(|y| y.is_finite());
    let (least, most) = (figures().reduce(f64::min)?, figures().reduce(f64::max)?);
    if least > 0.0 && most / least > LOGARITHMIC {
        return Some(Axis::logarithmic(&format!("{title} (logarithmic)"), least, most));
    }
    Some(Axis::linear(title, most))
}

/// Items of one key together, in the order in which keys first appear.
fn groups<T: Copy, K: PartialEq>(items: &[T], key: impl Fn(&T) -> K) -> Vec<Vec<T>> {
    let mut groups: Vec<(K, Vec<T>)> = Vec::new();
    for item in items {
        let own = key(item);
        match groups.iter_mut().find(|(other, _)| *other == own) {
            Some((_, group)) => group.push(*item),
            None => groups.push((own, vec![*item])),
        }
    }
    groups.into_iter().map(|(_, group)| group).collect()
}
