//! The page as a reader's program sees it: as XML, with names that mean harm, and without data.

use roxmltree::{Document, Node, ParsingOptions};

use super::page;
use crate::machine::Machine;
use crate::report::{
    Cell, Figure, Latency, LoadPoint, MemoryCurve, MemoryPoint, Report, Sample, Sizing, TargetInfo,
    TargetKind, plot, tests,
};
use crate::transport::Protocol;

const HOSTILE: &str = "</svg><script>alert('1')</script>&\"\u{0}\u{1b}]0;";

fn read(page: &str) -> Document<'_> {
    Document::parse_with_options(page, ParsingOptions { allow_dtd: true, ..ParsingOptions::default() })
        .unwrap()
}

fn named<'a, 'd>(page: &'a Document<'d>, name: &'a str) -> impl Iterator<Item = Node<'a, 'd>> {
    page.descendants().filter(move |node| node.has_tag_name(name) || node.tag_name().name() == name)
}

fn headings(page: &Document) -> Vec<String> {
    named(page, "h2").filter_map(|node| node.text().map(str::to_owned)).collect()
}

fn sample(cpu_us: f64) -> Sample {
    Sample { cpu_us, per_second: 1e4, p50_us: 300.0, rss: 1 << 23, ..Sample::default() }
}

/// Everything that a report can hold, of a target with this name.
fn full(name: &str) -> Report {
    let floor = [sample(10.0), sample(11.0)];
    let cells = vec![
        Cell::new("floor", Protocol::H1, &floor, &floor),
        Cell::new(name, Protocol::H1, &[sample(12.0), sample(11.0)], &floor),
        Cell::new(name, Protocol::H2Tls, &[sample(12.0)], &floor),
        Cell::new("floor", "handshake-full", &[sample(130.0)], &[sample(130.0)]),
    ];
    let mut report = Report::new(Machine::here(), cells);
    report.notes.push(format!("note of {name}"));
    report.targets.push(TargetInfo {
        name: name.to_owned(),
        kind: TargetKind::Peer,
        version: Some(HOSTILE.to_owned()),
        settings: None,
    });
    report.latency.push(Latency::new(name, Protocol::H1, 1e3, &[tests::histogram(&[90_000, 400_000], 5000)]));
    report.latency.push(Latency::new(name, Protocol::H1Tls, 1e3, &[]).refused(HOSTILE));
    report.load_curve = [1e3, 2e3]
        .map(|offered| LoadPoint {
            target: name.to_owned(),
            protocol: Protocol::H1,
            offered_per_second: offered,
            requests_per_second: offered,
            p50_us: offered,
            p99_us: Some(offered * 20.0),
            valid: offered < 2e3,
        })
        .to_vec();
    let points = [0.0, 1.0].map(|seconds| MemoryPoint { seconds, rss_bytes: 1 << 24, connections: None });
    report.memory.push(MemoryCurve {
        target: name.to_owned(),
        load: HOSTILE.to_owned(),
        points: points.to_vec(),
    });
    let figure = Figure { name: name.to_owned(), value: 2.0, unit: "cores".to_owned(), range: None };
    report.sizing = Some(Sizing {
        asked: vec![figure],
        measured: Vec::new(),
        needed: Vec::new(),
        assumed: vec![HOSTILE.to_owned()],
        checked: None,
    });
    report
}

#[test]
fn a_full_page_is_well_formed_and_needs_nothing_else() {
    let html = page(&full("tollgate"));
    let page = read(&html);
    // Bars of requests and of handshakes, one curve, two quantiles of throughput, memory.
    assert_eq!(named(&page, "svg").count(), 6);
    for svg in named(&page, "svg") {
        let labels = svg.attribute("aria-labelledby").unwrap();
        for id in labels.split(' ') {
            let named: Vec<_> = page.descendants().filter(|node| node.attribute("id") == Some(id)).collect();
            assert!(named.len() == 1 && named[0].text().is_some_and(|text| !text.is_empty()), "{id}");
        }
    }
    assert!(named(&page, "th").all(|cell| cell.attribute("scope").is_some()));
    for table in named(&page, "table") {
        let rows = table.descendants().filter(|node| node.has_tag_name("tr"));
        let widths: Vec<usize> = rows.map(|row| row.children().filter(Node::is_element).count()).collect();
        assert!(widths.len() > 1 && widths.iter().all(|width| *width == widths[0]), "{widths:?}");
    }
    for outside in ["src=", "href=", "url(", "@import", "<script", "<link"] {
        assert!(!html.contains(outside), "{outside}");
    }
}

#[test]
fn names_from_outside_stay_text() {
    let html = page(&full(HOSTILE));
    let page = read(&html);
    assert_eq!((named(&page, "script").count(), named(&page, "svg").count()), (0, 6));
    assert!(!html.contains(['\u{0}', '\u{1b}']));
    let shown = named(&page, "th").filter(|cell| cell.text().is_some_and(|text| text.contains("<script>")));
    assert!(shown.count() > 3);
    let file = plot::cpu(&full(HOSTILE)).unwrap().file();
    assert_eq!(named(&read(&file), "script").count(), 0);
    assert!(!full(HOSTILE).table().contains(['\u{0}', '\u{1b}']));
}

#[test]
fn what_has_no_data_has_no_section() {
    let mut report = full("tollgate");
    report.latency.clear();
    report.memory.clear();
    report.load_curve.clear();
    report.sizing = None;
    let html = page(&report);
    let all = headings(&read(&html));
    assert!(all.iter().any(|heading| heading == "CPU time per request"), "{all:?}");
    for absent in
        ["Latency at a rate that is held", "Throughput against latency", "Memory over time", "Sizing"]
    {
        assert!(all.iter().all(|heading| heading != absent), "{absent}");
    }
    report.cells.clear();
    let html = page(&report);
    assert_eq!(named(&read(&html), "svg").count(), 0);
    assert!(plot::cpu(&report).is_none());
}

#[test]
fn figures_that_are_no_numbers_are_never_printed() {
    let mut report = full("tollgate");
    let floor = [sample(10.0), sample(10.0)];
    for (cpu, per_second) in [(f64::NAN, f64::NAN), (f64::INFINITY, 0.0), (0.0, f64::INFINITY)] {
        let odd = Sample { cpu_us: cpu, per_second, p50_us: f64::NAN, ..Sample::default() };
        report.cells.push(Cell::new("odd", Protocol::H1, &[odd.clone(), odd], &floor));
    }
    report.cells.push(Cell::new("none", Protocol::H1, &[], &[]));
    report.latency.push(Latency {
        curve: vec![(0.5, f64::NAN), (1.0, 7.0), (0.9, f64::INFINITY)],
        valid: true,
        ..Latency::new("odd", Protocol::H1, 1e3, &[])
    });
    for point in &mut report.load_curve {
        (point.p50_us, point.requests_per_second) = (f64::NAN, f64::NAN);
    }
    for text in [page(&report), report.table(), plot::cpu(&report).unwrap().file()] {
        assert!(!text.contains("NaN") && !text.contains("inf "), "{text}");
        assert!(!text.contains("inf\"") && !text.contains("inf,"), "{text}");
    }
    read(&page(&report));
}

#[test]
fn the_screen_has_room_for_every_table() {
    let text = full(&"a name that is far too long for a column ".repeat(4)).table();
    assert!(text.lines().all(|line| line.starts_with("no result") || line.chars().count() <= 120), "{text}");
    assert!(text.contains("no result: "), "{text}");
}
