//! From a file and an environment to settings, or to every fault at once.
//!
//! The order: read, parse, override, expand, hold against the schema, check. Each step goes
//! on with what the one before left sound.

use std::net::SocketAddr;
use std::path::Path;

use toml::Value;

use super::check;
use super::document::json_schema;
use super::environment::Environment;
use super::fault::{Faults, unreadable};
use super::overrides;
use super::raw::Raw;
use super::settings::{AuditPlace, KeySettings, Settings};
use super::shape;
use crate::base::bounds;

/// Loads a configuration file. Paths in it are relative to its folder.
pub fn load(file: &Path, environment: &Environment) -> Result<Settings, Faults> {
    load_text(&read(file)?, &file.display().to_string(), folder_of(file), environment)
}

/// Loads of a configuration file what administering keys needs.
pub fn load_keys(file: &Path, environment: &Environment) -> Result<KeySettings, Faults> {
    let (raw, faults) = raw(&read(file)?, &file.display().to_string(), environment)?;
    check::check_keys(raw, folder_of(file), faults)
}

/// Loads of a configuration file where its gateway tells how it is.
pub fn load_admin(file: &Path, environment: &Environment) -> Result<SocketAddr, Faults> {
    let (raw, faults) = raw(&read(file)?, &file.display().to_string(), environment)?;
    check::check_admin(&raw, folder_of(file), faults)
}

/// Loads of a configuration file where its audit log is.
pub fn load_audit(file: &Path, environment: &Environment) -> Result<AuditPlace, Faults> {
    let (raw, faults) = raw(&read(file)?, &file.display().to_string(), environment)?;
    check::check_audit(&raw, folder_of(file), faults)
}

/// Loads a configuration from its text; `name` stands for the file in faults, `folder` is
/// what its paths are relative to.
pub fn load_text(
    text: &str,
    name: &str,
    folder: &Path,
    environment: &Environment,
) -> Result<Settings, Faults> {
    let (raw, faults) = raw(text, name, environment)?;
    check::check(raw, folder, faults)
}

fn read(file: &Path) -> Result<String, Faults> {
    let shown = file.display().to_string();
    let size = std::fs::metadata(file).map(|m| m.len());
    if size.as_ref().is_ok_and(|size| *size > bounds::CONFIG_BYTES) {
        return Err(Faults::one(shown, "a file of more than 4 MiB", "a configuration file"));
    }
    std::fs::read_to_string(file)
        .map_err(|error| Faults::one(shown, unreadable(&error), "a readable TOML file in UTF-8"))
}

fn folder_of(file: &Path) -> &Path {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The sound part of a configuration, and the faults of the rest.
fn raw(text: &str, name: &str, environment: &Environment) -> Result<(Raw, Faults), Faults> {
    let mut tree = match text.parse::<toml::Table>() {
        Ok(tree) => tree,
        Err(error) => {
            return Err(Faults::one(format!("{name}{}", line_of(text, &error)), error.message(), "TOML"));
        }
    };
    let schema = json_schema();
    let mut faults = Faults::default();
    overrides::apply(&mut tree, &schema, environment, &mut faults);
    let mut tree = Value::Table(tree);
    shape::fit(&mut tree, &schema, "", &mut faults);
    overrides::expand(&mut tree, "", environment, &mut faults);
    match tree.try_into::<Raw>() {
        Ok(raw) => Ok((raw, faults)),
        Err(error) => {
            // The shape was held against the same types, so this is a gap between the two.
            faults.add(name, error.message(), "a configuration that fits the schema");
            Err(faults)
        }
    }
}

fn line_of(text: &str, error: &toml::de::Error) -> String {
    let Some(before) = error.span().and_then(|span| text.get(..span.start)) else { return String::new() };
    format!(" line {}", before.matches('\n').count() + 1)
}
