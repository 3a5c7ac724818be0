//! The metrics page as a scraper reads it: families with their kinds, and series with their labels.

use std::collections::{BTreeMap, BTreeSet};

use crate::world::Gateway;

/// One series of a page.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    pub name: String,
    pub labels: BTreeMap<String, String>,
    pub value: f64,
}

/// A page.
pub struct Page {
    pub text: String,
    /// What each family is: counter, gauge, histogram.
    pub families: BTreeMap<String, String>,
    pub series: Vec<Series>,
}

impl Page {
    /// Reads a gateway's page in the older format, in which a family of counters has the name of its
    /// series.
    pub fn of(gateway: &Gateway) -> Self {
        Self::read(crate::admin::get(gateway, "/metrics").text())
    }

    fn read(text: &str) -> Self {
        let mut page = Self { text: text.to_owned(), families: BTreeMap::new(), series: Vec::new() };
        let mut described = BTreeSet::new();
        for line in text.lines() {
            if let Some(told) = line.strip_prefix("# HELP ") {
                let (name, help) = told.split_once(' ').unwrap();
                assert!(help.len() > 8 && described.insert(name), "{line}");
            } else if let Some(told) = line.strip_prefix("# TYPE ") {
                let (name, kind) = told.split_once(' ').unwrap();
                assert!(page.families.insert(name.into(), kind.into()).is_none(), "{line}");
            } else {
                page.series.push(series(line));
            }
        }
        assert!(described.iter().copied().eq(page.families.keys().map(String::as_str)));
        let mut seen = BTreeSet::new();
        for series in &page.series {
            assert!(page.families.contains_key(page.family(&series.name)), "{series:?}");
            assert!(seen.insert((&series.name, &series.labels)), "twice: {series:?}");
        }
        page
    }

    /// The family that a series of this name is of.
    pub fn family<'n>(&self, name: &'n str) -> &'n str {
        let mut stems = ["_bucket", "_sum", "_count"].into_iter().filter_map(|end| name.strip_suffix(end));
        let is_histogram = |stem: &&str| self.families.get(*stem).is_some_and(|kind| kind == "histogram");
        stems.find(is_histogram).unwrap_or(name)
    }

    /// Every series without its value.
    pub fn identities(&self) -> BTreeSet<(String, BTreeMap<String, String>)> {
        self.series.iter().map(|series| (series.name.clone(), series.labels.clone())).collect()
    }

    /// The one series of a name that has these labels, and perhaps others; `None` where there is none.
    pub fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let has = |series: &&Series| {
            series.name == name
                && labels.iter().all(|(label, value)| series.labels.get(*label).is_some_and(|v| v == value))
        };
        let mut found = self.series.iter().filter(has);
        let value = found.next()?.value;
        assert!(found.next().is_none(), "more than one {name} {labels:?}");
        Some(value)
    }

    /// The same as a whole number.
    pub fn whole(&self, name: &str, labels: &[(&str, &str)]) -> Option<u64> {
        self.value(name, labels).map(whole)
    }

    /// The labels that each name of a series has.
    pub fn labels(&self) -> BTreeMap<&str, BTreeSet<&str>> {
        let mut all: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for series in &self.series {
            all.entry(&series.name).or_default().extend(series.labels.keys().map(String::as_str));
        }
        all
    }
}

/// A number that is a whole one.
pub fn whole(value: f64) -> u64 {
    value.to_string().parse().unwrap_or_else(|_| panic!("{value} is no count"))
}

fn series(line: &str) -> Series {
    let (name, rest) = line.split_at(line.find(['{', ' ']).unwrap_or_else(|| panic!("no series: {line}")));
    let (labels, value) = match rest.strip_prefix('{') {
        Some(rest) => labels(rest),
        None => (BTreeMap::new(), rest),
    };
    let value = value.strip_prefix(' ').and_then(|value| value.parse().ok());
    Series { name: name.into(), labels, value: value.unwrap_or_else(|| panic!("no value: {line}")) }
}

/// The labels, and what follows their brace.
fn labels(mut rest: &str) -> (BTreeMap<String, String>, &str) {
    let mut labels = BTreeMap::new();
    loop {
        if let Some(after) = rest.strip_prefix('}') {
            return (labels, after);
        }
        rest = rest.strip_prefix(',').unwrap_or(rest);
        let (name, value) = rest.split_once("=\"").unwrap_or_else(|| panic!("no label: {rest}"));
        let mut text = String::new();
        let mut letters = value.char_indices();
        let end = loop {
            match letters.next() {
                Some((at, '"')) => break at + 1,
                Some((_, '\\')) => text.push(letters.next().unwrap().1),
                Some((_, letter)) => text.push(letter),
                None => panic!("no end of a label: {rest}"),
            }
        };
        assert!(labels.insert(name.into(), text).is_none(), "a label twice: {rest}");
        rest = &value[end..];
    }
}
