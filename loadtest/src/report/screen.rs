//! A report on the screen: its tables, why there are no others, and what was assumed.
//!
//! It must never show a cell that is none among the figures without saying why.

use super::table::{COLUMNS, FIELD, cut, plain};
use super::{Report, tables};

impl Report {
    /// The tables for the screen, of what was measured.
    pub(crate) fn table(&self) -> String {
        let mut parts = Vec::new();
        if !self.cells.is_empty() {
            parts.push(tables::cells(&self.cells).text());
        }
        if !self.latency.is_empty() {
            parts.push(tables::latency(&self.latency).text());
        }
        let reasons = self.no_results();
        if !reasons.is_empty() {
            parts.push(reasons);
        }
        if let Some(sizing) = &self.sizing {
            for (head, figures) in [("Needed", &sizing.needed), ("Measured here", &sizing.measured)] {
                parts.push(format!("{head}\n{}", tables::figures(figures).text()));
            }
            parts.extend(sizing.assumed.iter().map(|sentence| format!("Assumed: {}\n", plain(sentence))));
            parts.extend(sizing.checked.iter().map(|sentence| format!("Checked: {}\n", plain(sentence))));
        }
        parts.join("\n")
    }

    /// A line for each cell and latency that is none.
    fn no_results(&self) -> String {
        let cells = self
            .cells
            .iter()
            .filter_map(|cell| Some((&cell.target, cell.protocol.clone(), cell.no_result()?)));
        let latency = self
            .latency
            .iter()
            .filter_map(|it| Some((&it.target, String::from(it.protocol), it.no_result()?)));
        let mut text = String::new();
        for (target, protocol, why) in cells.chain(latency) {
            text.push_str(&format!(
                "no result: {}, {}: {}\n",
                cut(target, FIELD),
                protocol,
                cut(&why, COLUMNS)
            ));
        }
        text
    }
}
