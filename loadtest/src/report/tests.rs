//! What a report says, and what it must not.

use hdrhistogram::Histogram;

use super::{Cell, Latency, Report, Sample, median};
use crate::machine::Machine;
use crate::transport::Protocol;

fn sample(cpu_us: f64, errors: u64) -> Sample {
    Sample {
        cpu_us,
        per_second: 1e4,
        p50_us: 300.0,
        rss: 1 << 23,
        target_busy: 0.9,
        load_busy: 0.8,
        errors,
        ..Sample::default()
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
    assert!((cell.ratio_to_floor.unwrap() - 1.2).abs() < 1e-9);
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

/// Nanoseconds, `count` of each figure.
pub(super) fn histogram(figures: &[u64], count: u64) -> Histogram<u64> {
    let mut histogram = Histogram::new_with_max(60_000_000_000, 3).unwrap();
    for figure in figures {
        histogram.record_n(*figure, count).unwrap();
    }
    histogram
}

#[test]
fn latency_is_the_median_of_the_rounds_and_the_worst_maximum() {
    let rounds = [histogram(&[100_000], 1000), histogram(&[300_000], 1000), histogram(&[200_000], 1000)];
    let direct = Latency::new("direct", Protocol::H1, 1e3, &[histogram(&[50_000], 10)]);
    let latency = Latency::new("tollgate", Protocol::H1, 1e3, &rounds).over(&direct);
    assert!((latency.percentiles.p50 - 200.0).abs() < 1.0 && (latency.percentiles.max - 300.0).abs() < 1.0);
    assert!((latency.added_over_direct.unwrap().p99 - 150.0).abs() < 1.0);
    // 3000 requests: three nines and a bit, no quantile that no request lies above.
    let (last, _) = *latency.curve.last().unwrap();
    assert!(last > 0.999 && last <= 1.0 - 1.0 / 3000.0, "{last}");
    assert!(latency.curve.is_sorted_by(|low, high| low.0 < high.0 && low.1 <= high.1));
    assert!(!Latency::new("tollgate", Protocol::H1, 1e3, &[]).valid);
    assert!(!direct.refused("the generator was late").valid);
}

#[test]
fn absent_figures_are_null_or_left_out() {
    let mut cell = Cell::new("tollgate", Protocol::H1, &[sample(12.0, 0)], &[]);
    assert!(cell.valid && cell.ratio_to_floor.is_none());
    cell.p50_us = f64::NAN;
    let value = serde_json::to_value(&cell).unwrap();
    assert!(value["ratio_to_floor"].is_null() && value["p50_us"].is_null() && value["p99_us"].is_null());
    assert!(value.get("user_us_per_request").is_none());
    let again: Cell = serde_json::from_value(value).unwrap();
    assert!(again.p50_us.is_nan() && again.ratio_to_floor.is_none());
}

#[test]
fn a_figure_that_a_round_lacks_is_absent() {
    let with = Sample { user_us: Some(4.0), ..sample(12.0, 0) };
    let cell = Cell::new("tollgate", Protocol::H1, &[with.clone(), with.clone()], &[]);
    assert_eq!(cell.user_us_per_request, Some(4.0));
    let cell = Cell::new("tollgate", Protocol::H1, &[with, sample(12.0, 0)], &[]);
    assert_eq!(cell.user_us_per_request, None);
}
