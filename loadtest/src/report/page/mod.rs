//! The page: one file that needs no other, no script and no network, on a screen, in the dark
//! and on paper.
//!
//! It is written so that it is XML too, which the tests read it as. What has no data has no
//! section. Everything from outside goes through [`escape`].

#[cfg(test)]
mod tests;
mod words;

use serde_json::Value;

use super::plot::{self, Plot};
use super::svg::{STYLE, escape};
use super::table::Table;
use super::{Cell, Report, number, spoken, tables};

/// The page's own styles.
const PAGE_STYLE: &str = include_str!("style.css");

/// The whole page.
pub(super) fn page(report: &Report) -> String {
    let mut page = Page { html: String::new(), plots: 0, section: String::new() };
    page.html.push_str(&format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n<title>{}</title>\n<style>\n{PAGE_STYLE}{STYLE}</style>\n</head>\n<body>\n<main>\n",
        escape(&title(report))
    ));
    page.head(report);
    page.cells(report);
    page.latency(report);
    page.throughput(report);
    page.memory(report);
    page.sizing(report);
    page.html.push_str("</main>\n</body>\n</html>\n");
    page.html
}

fn title(report: &Report) -> String {
    let what = if report.sizing.is_some() { "What a traffic needs" } else { "What a call costs" };
    match report.started.split_once('T') {
        Some((day, _)) => format!("{what}, {day}"),
        None => what.to_owned(),
    }
}

/// A member of the machine, as a person reads it.
fn fact(member: &str, value: &Value) -> (String, String) {
    let name = member.replace('_', " ");
    match (member.strip_suffix("_bytes"), value) {
        (Some(name), Value::Number(bytes)) if bytes.is_u64() => {
            let bytes = bytes.as_u64().map_or_else(|| number::ABSENT.to_owned(), number::mebibytes);
            (name.replace('_', " "), format!("{bytes} MiB"))
        }
        (_, Value::String(text)) => (name, text.clone()),
        (_, Value::Null) => (name, number::ABSENT.to_owned()),
        (_, other) => (name, other.to_string()),
    }
}

struct Page {
    html: String,
    /// How many there are: their ids differ by it.
    plots: usize,
    /// The title of the section that was begun last.
    section: String,
}

impl Page {
    /// What was run where, with which targets, and how to take it.
    fn head(&mut self, report: &Report) {
        self.html.push_str(&format!("<header>\n<h1>{}</h1>\n", escape(&title(report))));
        self.headline(report);
        let mut facts = vec![("command".to_owned(), format!("<code>{}</code>", escape(&report.command)))];
        if !report.started.is_empty() {
            facts.push(("started".to_owned(), escape(&report.started)));
        }
        for (member, value) in &report.machine {
            let (name, value) = fact(member, value);
            facts.push((escape(&name), escape(&value)));
        }
        let facts: Vec<String> =
            facts.iter().map(|(name, value)| format!("<dt>{name}</dt><dd>{value}</dd>\n")).collect();
        self.html.push_str(&format!("<dl class=\"facts\">\n{}</dl>\n</header>\n", facts.concat()));
        if !report.targets.is_empty() {
            self.html.push_str("<section>\n<h2>What was measured</h2>\n");
            self.table("The targets and their versions", &tables::targets(&report.targets));
            self.html.push_str("</section>\n");
        }
        self.sentences("How to read it", &words::how_to_read(report));
        self.sentences("What the figures do not say", &words::not_said(report));
        self.sentences("Method and assumptions", &report.notes);
    }

    /// The gateway's ratio for each protocol, in large.
    fn headline(&mut self, report: &Report) {
        let gateways = report
            .cells
            .iter()
            .filter(|cell| plot::is_gateway(report, cell) && cell.valid && !cell.is_handshake());
        let tiles = gateways.filter_map(|cell: &Cell| {
            let times = number::ratio(cell.ratio_to_floor?);
            let (name, protocol) = (escape(&cell.target), spoken(&cell.protocol));
            Some(format!(
                "<li><b>{times}×</b> {name}, {protocol}<br/><span class=\"unit\">of the floor’s CPU per request</span></li>\n"
            ))
        });
        let tiles: String = tiles.collect();
        if !tiles.is_empty() {
            self.html.push_str(&format!("<ul class=\"headline\">\n{tiles}</ul>\n"));
        }
    }

    fn cells(&mut self, report: &Report) {
        if report.cells.is_empty() {
            return;
        }
        self.begin("CPU time per request");
        self.plots(
            plot::cpu(report).into_iter().chain(plot::handshakes(report)).collect(),
            words::CPU_CAPTION,
        );
        self.table("What a request costs", &tables::cost(&report.cells));
        self.table("The load, and memory", &tables::load(&report.cells));
        self.end();
    }

    fn latency(&mut self, report: &Report) {
        if report.latency.is_empty() {
            return;
        }
        self.begin("Latency at a rate that is held");
        self.plots(plot::percentiles(report), words::LATENCY_CAPTION);
        self.table("Percentiles, and what each adds to direct calls", &tables::latency(&report.latency));
        self.end();
    }

    fn throughput(&mut self, report: &Report) {
        if report.load_curve.is_empty() {
            return;
        }
        self.begin("Throughput against latency");
        self.plots(plot::throughput(report), words::THROUGHPUT_CAPTION);
        self.table("Every load", &tables::load_curve(&report.load_curve));
        self.end();
    }

    fn memory(&mut self, report: &Report) {
        if report.memory.is_empty() {
            return;
        }
        self.begin("Memory over time");
        self.plots(plot::memory(report), words::MEMORY_CAPTION);
        self.table("Resident memory", &tables::memory(&report.memory));
        self.end();
    }

    fn sizing(&mut self, report: &Report) {
        let Some(sizing) = &report.sizing else { return };
        self.begin("Sizing");
        for (caption, figures) in
            [("Asked for", &sizing.asked), ("Needed", &sizing.needed), ("Measured here", &sizing.measured)]
        {
            if !figures.is_empty() {
                self.table(caption, &tables::figures(figures));
            }
        }
        self.list("Assumed", &sizing.assumed);
        self.list("Checked", sizing.checked.as_slice());
        self.end();
    }

    fn begin(&mut self, title: &str) {
        title.clone_into(&mut self.section);
        self.html.push_str(&format!("<section class=\"part\">\n<h2>{}</h2>\n", escape(title)));
    }

    fn end(&mut self) {
        self.html.push_str("</section>\n");
    }

    /// A section of sentences; of none, no section.
    fn sentences(&mut self, title: &str, sentences: &[String]) {
        if !sentences.is_empty() {
            self.html.push_str(&format!("<section class=\"block\">\n<h2>{}</h2>\n", escape(title)));
            self.items(sentences);
            self.end();
        }
    }

    fn list(&mut self, title: &str, sentences: &[String]) {
        if !sentences.is_empty() {
            self.html.push_str(&format!("<h3>{}</h3>\n", escape(title)));
            self.items(sentences);
        }
    }

    fn items(&mut self, sentences: &[String]) {
        self.html.push_str("<ul>\n");
        for sentence in sentences {
            self.html.push_str(&format!("<li>{}</li>\n", escape(sentence)));
        }
        self.html.push_str("</ul>\n");
    }

    /// Plots, each under its title; the last has the caption of all.
    fn plots(&mut self, plots: Vec<Plot>, caption: &str) {
        let last = plots.len();
        for (index, plot) in plots.into_iter().enumerate() {
            self.plots += 1;
            let svg = plot.element(&format!("plot-{}", self.plots));
            let title = escape(&plot.title);
            // A plot that is called like its section needs no second title.
            let head = if plot.title == self.section { String::new() } else { format!("<h3>{title}</h3>\n") };
            let caption = if index + 1 == last {
                format!("<figcaption>{}</figcaption>\n", escape(caption))
            } else {
                String::new()
            };
            self.html.push_str(&format!(
                "<div class=\"block\">\n{head}<figure>\n<div class=\"scroll\" role=\"group\" aria-label=\"{title}\" tabindex=\"0\">\n{svg}</div>\n{caption}</figure>\n</div>\n"
            ));
        }
    }

    fn table(&mut self, caption: &str, table: &Table) {
        let caption = escape(caption);
        let class = |index: usize| match table.columns.get(index) {
            Some(column) if column.figures => " class=\"figure\"",
            _ => "",
        };
        let mut head = String::new();
        for (index, column) in table.columns.iter().enumerate() {
            head.push_str(&format!("<th scope=\"col\"{}>{}</th>", class(index), escape(column.name)));
        }
        let mut rows = String::new();
        for row in &table.rows {
            rows.push_str(if row.apart { "<tr class=\"apart\">" } else { "<tr>" });
            for (index, field) in row.fields.iter().enumerate() {
                let (class, field) = (class(index), escape(field));
                rows.push_str(&if index == 0 {
                    format!("<th scope=\"row\">{field}</th>")
                } else {
                    format!("<td{class}>{field}</td>")
                });
            }
            rows.push_str("</tr>\n");
        }
        self.html.push_str(&format!(
            "<h3>{caption}</h3>\n<div class=\"scroll\" role=\"group\" aria-label=\"{caption}\" tabindex=\"0\">\n<table aria-label=\"{caption}\">\n<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}</tbody>\n</table>\n</div>\n"
        ));
    }
}
