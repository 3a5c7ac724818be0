//! How data is printed: JSON for programs, columns for people.
//!
//! A hash is never printed in full here; export is the only place that does.

use std::io::Write;

use serde_json::{Value, json};

use crate::registry::{KeyRecord, Timestamp, Used};

/// A record for the screen: the hash shortened, last uses beside it.
pub(super) fn shown(record: &KeyRecord, used: Option<&Used>) -> Value {
    let mut value = serde_json::to_value(record).unwrap_or_default();
    let time = |time: Option<crate::base::UnixSeconds>| time.map(|time| Timestamp(time).to_string());
    if let Some(members) = value.as_object_mut() {
        members.insert("key_hash".into(), json!(record.key_hash.shortened()));
        members.insert(
            "previous_hash".into(),
            json!(record.previous_hash.as_ref().map(super::super::base::digest::KeyHash::shortened)),
        );
        members.insert("last_used_at".into(), json!(time(used.and_then(|used| used.at))));
        members.insert("previous_last_used_at".into(), json!(time(used.and_then(|used| used.previous_at))));
    }
    value
}

/// Prints one JSON value on one line.
pub(super) fn json_line(out: &mut dyn Write, value: &Value) -> std::io::Result<()> {
    writeln!(out, "{value}")
}

/// Prints the members of an object, one a line, for people.
pub(super) fn members(out: &mut dyn Write, value: &Value) -> std::io::Result<()> {
    let members = value.as_object().into_iter().flatten().filter(|(_, value)| !is_empty(value));
    for (name, value) in members {
        writeln!(out, "{:<22} {}", name, plain(value))?;
    }
    Ok(())
}

/// Prints rows in columns as wide as their widest cell.
pub(super) fn table(out: &mut dyn Write, head: &[&str], rows: &[Vec<String>]) -> std::io::Result<()> {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain(head.get(column).map(|name| name.len())).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let padded: Vec<String> = cells.zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        padded.join("  ").trim_end().to_owned()
    };
    writeln!(out, "{}", line(&mut head.iter().copied()))?;
    rows.iter().try_for_each(|row| writeln!(out, "{}", line(&mut row.iter().map(String::as_str))))
}

/// A value as a person reads it; control characters are shown, not obeyed.
pub(super) fn plain(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    };
    text.chars()
        .flat_map(|c| if c.is_control() { c.escape_default().collect::<Vec<_>>() } else { vec![c] })
        .collect()
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}
