//! Holds a configuration tree against the JSON Schema and takes out what does not fit.
//!
//! The schema is the one made from the raw types, so the two cannot drift. It uses a small
//! part of the language (types, properties, enumerations, ranges), and so does this reader.
//! Faulty members are removed after they are told, so that the checks behind this one still
//! see the rest: all faults come at once.

use serde_json::Value as Schema;
use toml::Value;

use super::fault::{Faults, member};

/// Checks `value` and removes faulty members. Returns whether the value itself may stay.
pub(super) fn fit(value: &mut Value, schema: &Schema, path: &str, faults: &mut Faults) -> bool {
    let schema = not_null(schema);
    let wanted = type_of(schema);
    let fits = match (wanted, &mut *value) {
        ("object", Value::Table(table)) => {
            fit_table(table, schema, path, faults);
            true
        }
        ("array", Value::Array(items)) => {
            let items_schema = schema.get("items").unwrap_or(&Schema::Null);
            let mut index = 0;
            items.retain_mut(|item| {
                let keep = fit(item, items_schema, &format!("{path}[{index}]"), faults);
                index += 1;
                keep
            });
            true
        }
        ("number", Value::Integer(_) | Value::Float(_)) => return fit_number(value, schema, path, faults),
        ("string", Value::String(_)) | ("boolean", Value::Boolean(_)) | ("integer", Value::Integer(_)) => {
            return fit_scalar(value, schema, path, faults);
        }
        _ => false,
    };
    if !fits {
        faults.add(path, describe(value, path), article(wanted));
    }
    fits
}

fn fit_table(table: &mut toml::Table, schema: &Schema, path: &str, faults: &mut Faults) {
    let named = schema.get("properties").and_then(Schema::as_object);
    let open = schema.get("additionalProperties").filter(|s| s.is_object());
    let names: Vec<String> = table.keys().cloned().collect();
    for name in names {
        let at = member(path, &name);
        let keep = match (named.and_then(|n| n.get(&name)), open, table.get_mut(&name)) {
            (Some(schema), _, Some(value)) | (None, Some(schema), Some(value)) => {
                fit(value, schema, &at, faults)
            }
            _ => {
                let known: Vec<&str> = named.into_iter().flatten().map(|(name, _)| name.as_str()).collect();
                faults.add(at, "an unknown setting", format!("one of {}", known.join(", ")));
                false
            }
        };
        if !keep {
            table.remove(&name);
        }
    }
}

fn fit_scalar(value: &Value, schema: &Schema, path: &str, faults: &mut Faults) -> bool {
    if let (Some(allowed), Value::String(text)) = (schema.get("enum").and_then(Schema::as_array), value)
        && !allowed.iter().any(|one| one.as_str() == Some(text))
    {
        let words: Vec<String> =
            allowed.iter().filter_map(Schema::as_str).map(|w| format!("{w:?}")).collect();
        faults.add(path, describe(value, path), words.join(" or "));
        return false;
    }
    if let Value::Integer(number) = value {
        let least = schema.get("minimum").and_then(Schema::as_i64).unwrap_or(i64::MIN);
        let most = schema.get("maximum").and_then(Schema::as_i64).unwrap_or(i64::MAX);
        if !(least..=most).contains(number) {
            faults.add(path, describe(value, path), format!("an integer from {least} to {most}"));
            return false;
        }
    }
    true
}

/// A number with or without a fraction.
#[expect(clippy::cast_precision_loss, reason = "ranges of such settings are small")]
fn fit_number(value: &Value, schema: &Schema, path: &str, faults: &mut Faults) -> bool {
    let number = match value {
        Value::Integer(number) => *number as f64,
        Value::Float(number) => *number,
        _ => return false,
    };
    let bound = |name| schema.get(name).and_then(Schema::as_f64);
    let (least, most) = (bound("minimum").unwrap_or(f64::MIN), bound("maximum").unwrap_or(f64::MAX));
    // Nor what is no number at all.
    let fits = (least..=most).contains(&number);
    if !fits {
        faults.add(path, describe(value, path), format!("a number from {least} to {most}"));
    }
    fits
}

/// An optional setting's schema allows null, which TOML does not have.
pub(super) fn not_null(schema: &Schema) -> &Schema {
    schema
        .get("anyOf")
        .and_then(Schema::as_array)
        .and_then(|kinds| kinds.iter().find(|kind| kind.get("type").and_then(Schema::as_str) != Some("null")))
        .unwrap_or(schema)
}

/// The one type that a schema asks for.
pub(super) fn type_of(schema: &Schema) -> &str {
    match schema.get("type") {
        Some(Schema::String(one)) => one,
        Some(Schema::Array(kinds)) => {
            kinds.iter().filter_map(Schema::as_str).find(|kind| *kind != "null").unwrap_or("")
        }
        _ => "",
    }
}

fn article(wanted: &str) -> &'static str {
    match wanted {
        "object" => "a table",
        "array" => "an array",
        "string" => "a string",
        "boolean" => "true or false",
        "integer" => "an integer",
        "number" => "a number",
        _ => "another type",
    }
}

/// What was found, with its value unless that may be a secret.
pub(super) fn describe(value: &Value, path: &str) -> String {
    let secret = path.ends_with("credential")
        || ["credential.", "peppers", "otlp.headers"].iter().any(|part| path.contains(part));
    match value {
        Value::String(text) if !secret && text.len() <= 200 => format!("the string {text:?}"),
        Value::String(_) => "a string".into(),
        Value::Integer(number) if !secret => format!("the integer {number}"),
        Value::Integer(_) => "an integer".into(),
        Value::Float(_) => "a floating-point number".into(),
        Value::Boolean(truth) => format!("{truth}"),
        Value::Datetime(_) => "a date or time".into(),
        Value::Array(_) => "an array".into(),
        Value::Table(_) => "a table".into(),
    }
}
