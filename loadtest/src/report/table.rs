//! A table, whether it goes to the screen or to the page: which columns there are is decided
//! by the figures, so that what nobody measured takes no column.

use super::Report;
use super::number::ABSENT;
use super::tables;

/// The screen that a table has to fit on.
const COLUMNS: usize = 120;
/// The longest field on the screen; names come from outside.
const FIELD: usize = 28;

/// Columns and rows of text.
pub(super) struct Table {
    pub(super) columns: Vec<Heading>,
    pub(super) rows: Vec<Row>,
}

/// The head of a column.
pub(super) struct Heading {
    pub(super) name: &'static str,
    /// Figures stand right, words left.
    pub(super) figures: bool,
    /// Whether it is shown on the screen too.
    pub(super) screen: bool,
}

/// A row; the first field names it.
pub(super) struct Row {
    pub(super) fields: Vec<String>,
    /// Another group of rows begins here.
    pub(super) apart: bool,
}

/// A column to be: its head, and what it says of an item.
pub(super) struct Column<T> {
    pub(super) name: &'static str,
    pub(super) figures: bool,
    pub(super) screen: bool,
    /// What stands where there is nothing to say.
    pub(super) absent: &'static str,
    pub(super) field: fn(&T) -> Option<String>,
}

impl<T> Column<T> {
    /// Words.
    pub(super) fn words(name: &'static str, field: fn(&T) -> Option<String>) -> Self {
        Self { name, figures: false, screen: true, absent: ABSENT, field }
    }

    /// Figures.
    pub(super) fn figures(name: &'static str, field: fn(&T) -> Option<String>) -> Self {
        Self { name, figures: true, screen: true, absent: ABSENT, field }
    }

    /// Why an item is no result; the screen has it below the table.
    pub(super) fn reason(field: fn(&T) -> Option<String>) -> Self {
        Self { name: "no result", figures: false, screen: false, absent: "", field }
    }

    /// Figures on the page alone: the screen has no room for them.
    pub(super) fn detail(name: &'static str, field: fn(&T) -> Option<String>) -> Self {
        Self { name, figures: true, screen: false, absent: ABSENT, field }
    }
}

impl Table {
    /// Of items, in groups; a column about which no item says anything is left out.
    pub(super) fn of<T>(items: &[T], columns: Vec<Column<T>>, group: fn(&T) -> String) -> Self {
        let known: Vec<Column<T>> = columns
            .into_iter()
            .filter(|column| items.iter().any(|item| (column.field)(item).is_some()))
            .collect();
        let fields = |item: &T| {
            known
                .iter()
                .map(|column| (column.field)(item).unwrap_or_else(|| column.absent.to_owned()))
                .collect()
        };
        let mut last = None;
        let rows = items.iter().map(|item| {
            let group = Some(group(item));
            let apart = last.is_some() && last != group;
            last = group;
            Row { fields: fields(item), apart }
        });
        let rows = rows.collect();
        let columns = known
            .iter()
            .map(|column| Heading { name: column.name, figures: column.figures, screen: column.screen })
            .collect();
        Self { columns, rows }
    }

    /// Aligned, a line each, no wider than the screen.
    pub(super) fn text(&self) -> String {
        let shown: Vec<(usize, &Heading)> =
            self.columns.iter().enumerate().filter(|(_, column)| column.screen).collect();
        let field = |row: &Row, index: usize| cut(row.fields.get(index).map_or("", String::as_str), FIELD);
        let widths: Vec<usize> = shown
            .iter()
            .map(|(index, column)| {
                let fields = self.rows.iter().map(|row| field(row, *index).chars().count());
                fields.chain([column.name.chars().count()]).max().unwrap_or(0)
            })
            .collect();
        let line = |fields: Vec<String>| {
            let mut line = String::new();
            for ((text, width), (_, column)) in fields.iter().zip(&widths).zip(&shown) {
                line.push_str(&if column.figures {
                    format!("{text:>width$}  ")
                } else {
                    format!("{text:<width$}  ")
                });
            }
            cut(line.trim_end(), COLUMNS) + "\n"
        };
        let mut text = line(shown.iter().map(|(_, column)| column.name.to_owned()).collect());
        for row in &self.rows {
            if row.apart {
                text.push('\n');
            }
            text.push_str(&line(shown.iter().map(|(index, _)| field(row, *index)).collect()));
        }
        text
    }
}

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
}

impl Report {
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

/// The beginning of a text; an ellipsis says that more was there.
pub(super) fn cut(text: &str, most: usize) -> String {
    let text = plain(text);
    if text.chars().count() <= most {
        return text;
    }
    text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

/// Text that moves no cursor and colours nothing.
fn plain(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { '\u{fffd}' } else { letter }).collect()
}
