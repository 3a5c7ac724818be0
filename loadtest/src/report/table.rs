//! A table, whether it goes to the screen or to the page: which columns there are is decided
//! by the figures, so that what nobody measured takes no column.

use super::number::ABSENT;

/// The screen that a table has to fit on.
pub(super) const COLUMNS: usize = 120;
/// The longest field on the screen; names come from outside.
pub(super) const FIELD: usize = 28;

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

/// The beginning of a text; an ellipsis says that more was there.
pub(super) fn cut(text: &str, most: usize) -> String {
    let text = plain(text);
    if text.chars().count() <= most {
        return text;
    }
    text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

/// Text that moves no cursor and colours nothing.
pub(super) fn plain(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { '\u{fffd}' } else { letter }).collect()
}
