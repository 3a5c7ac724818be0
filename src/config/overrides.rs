//! What the environment changes: `TOLLGATE_LISTEN__ADDRESS` overrides, and `${NAME}` in texts.
//!
//! An override names a setting by its path, in capitals, with `__` between the parts; the
//! number of a server stands for its place. A name that leads nowhere is a fault, so that a
//! typing error is not silently ignored.

use serde_json::Value as Schema;
use toml::Value;

use super::environment::Environment;
use super::fault::{Faults, member};
use super::shape::{describe, not_null, type_of};

const PREFIX: &str = "TOLLGATE_";
const SEPARATOR: &str = "__";

/// Applies every override to the tree.
pub(super) fn apply(tree: &mut toml::Table, schema: &Schema, environment: &Environment, faults: &mut Faults) {
    for (name, text) in environment.with_prefix(PREFIX) {
        // Without `__` it is a variable of another purpose: a section alone cannot be set.
        let Some(path) = name.strip_prefix(PREFIX).filter(|path| path.contains(SEPARATOR)) else { continue };
        let mut root = Value::Table(std::mem::take(tree));
        if let Err(accepted) = set(&mut root, schema, &format!("{SEPARATOR}{path}"), text) {
            faults.add(name, "an override that fits no setting", accepted);
        }
        if let Value::Table(table) = root {
            *tree = table;
        }
    }
}

/// Sets what `path` leads to. A path is empty, for the value itself, or every part of it has
/// the separator before it.
fn set(value: &mut Value, schema: &Schema, path: &str, text: &str) -> Result<(), String> {
    let schema = not_null(schema);
    let Some(path) = path.strip_prefix(SEPARATOR) else {
        *value = typed(schema, text)?;
        return Ok(());
    };
    match value {
        Value::Table(table) => {
            let (name, inner, rest) = find(table, schema, path)?;
            let empty = if type_of(not_null(inner)) == "array" {
                Value::Array(Vec::new())
            } else {
                Value::Table(toml::Table::new())
            };
            set(table.entry(name).or_insert(empty), inner, rest, text)
        }
        Value::Array(items) => {
            let (part, rest) = first_part(path);
            let count = items.len();
            let item = part.parse::<usize>().ok().and_then(|index| items.get_mut(index));
            let inner = schema.get("items").unwrap_or(&Schema::Null);
            match item {
                Some(item) => set(item, inner, rest, text),
                None => Err(format!("a place from 0 to {} instead of '{part}'", count.saturating_sub(1))),
            }
        }
        other => Err(format!("no part beyond {}", describe(other, "credential"))),
    }
}

/// The member that the path begins with, and the path beyond it: one of the schema's, or, in
/// a table with free names, one that is there and reads the same in capitals. Such a name may
/// itself end in the separator (`crm.*` reads `CRM__`), so the longest that fits is meant.
fn find<'s, 'p>(
    table: &toml::Table,
    schema: &'s Schema,
    path: &'p str,
) -> Result<(String, &'s Schema, &'p str), String> {
    let named = schema.get("properties").and_then(Schema::as_object);
    for (name, inner) in named.into_iter().flatten() {
        if let Some(rest) = beyond(path, name) {
            return Ok((name.clone(), inner, rest));
        }
    }
    let Some(open) = schema.get("additionalProperties").filter(|s| s.is_object()) else {
        let known: Vec<String> = named.into_iter().flatten().map(|(name, _)| shout(name)).collect();
        return Err(format!("one of {} instead of '{}'", known.join(", "), first_part(path).0));
    };
    let there = table.keys().filter_map(|name| Some((name, beyond(path, name)?)));
    let (new, after) = first_part(path);
    Ok(match there.max_by_key(|(name, _)| name.len()) {
        Some((name, rest)) => (name.clone(), open, rest),
        None => (new.to_lowercase(), open, after),
    })
}

/// What follows the name at the head of the path, if the path begins with it.
fn beyond<'p>(path: &'p str, name: &str) -> Option<&'p str> {
    let rest = path.strip_prefix(shout(name).as_str())?;
    (rest.is_empty() || rest.starts_with(SEPARATOR)).then_some(rest)
}

fn first_part(path: &str) -> (&str, &str) {
    path.find(SEPARATOR).and_then(|end| path.split_at_checked(end)).unwrap_or((path, ""))
}

fn shout(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect()
}

/// A string setting takes the text as it is; any other is read as a TOML value.
fn typed(schema: &Schema, text: &str) -> Result<Value, String> {
    if type_of(schema) == "string" {
        return Ok(Value::String(text.to_owned()));
    }
    let line = format!("value = {text}");
    let read = line.parse::<toml::Table>().ok().and_then(|mut table| table.remove("value"));
    read.ok_or_else(|| format!("a TOML value of type {}", type_of(schema)))
}

/// Replaces `${NAME}` in every text of the tree; `$$` stands for a dollar sign.
pub(super) fn expand(value: &mut Value, path: &str, environment: &Environment, faults: &mut Faults) {
    match value {
        Value::String(text) if text.contains('$') => {
            if let Some(expanded) = expand_text(text, path, environment, faults) {
                *text = expanded;
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                expand(item, &format!("{path}[{index}]"), environment, faults);
            }
        }
        Value::Table(table) => {
            for (name, item) in table.iter_mut() {
                expand(item, &member(path, name), environment, faults);
            }
        }
        _ => {}
    }
}

fn expand_text(text: &str, path: &str, environment: &Environment, faults: &mut Faults) -> Option<String> {
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        expanded.push_str(before);
        if let Some(after) = after.strip_prefix('$') {
            expanded.push('$');
            rest = after;
            continue;
        }
        let Some((name, after)) = after.strip_prefix('{').and_then(|inner| inner.split_once('}')) else {
            faults.add(
                path,
                "a '$' that begins no ${NAME}",
                "${NAME} for a variable of the environment, $$ for a dollar sign",
            );
            return None;
        };
        let Some(found) = environment.get(name) else {
            faults.add(
                path,
                format!("${{{name}}}, which the environment does not define"),
                "a variable that is set",
            );
            return None;
        };
        expanded.push_str(found);
        rest = after;
    }
    expanded.push_str(rest);
    Some(expanded)
}
