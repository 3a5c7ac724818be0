//! The house rules, held by a test: floors, file sizes, names, comments at the head.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Which floor each module of the library lives on.
const FLOORS: [(&str, u8); 18] = [
    ("base", 0),
    ("wire", 1),
    ("policy", 2),
    ("telemetry", 2),
    ("link", 2),
    ("config", 3),
    ("registry", 3),
    ("cluster", 3),
    ("net", 3),
    ("upstream", 3),
    ("state", 3),
    ("gateway", 4),
    ("control", 4),
    ("admin", 5),
    ("cli", 5),
    ("app", 6),
    ("main", 7),
    ("lib", 7),
];

fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                found.push((path.clone(), std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    found
}

fn module(path: &Path) -> String {
    let below = path.strip_prefix(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).unwrap();
    below.components().next().unwrap().as_os_str().to_str().unwrap().trim_end_matches(".rs").to_owned()
}

#[test]
fn modules_name_lower_floors_only() {
    let floors: BTreeMap<&str, u8> = FLOORS.into();
    let mut wrong = Vec::new();
    for (path, text) in sources("src") {
        let own = module(&path);
        let floor = *floors.get(own.as_str()).unwrap_or_else(|| panic!("{own} has no floor"));
        // What a test of a module reaches for is its own affair.
        let product = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
        for reference in product.split("crate::").skip(1) {
            let name: String =
                reference.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
            if let Some(other) = floors.get(name.as_str()).filter(|_| name != own)
                && *other >= floor
            {
                wrong.push(format!("{} names {name}", path.display()));
            }
            assert!(
                !name.is_empty() || !reference.starts_with('{'),
                "{}: name the module before the brace",
                path.display()
            );
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn files_are_short_and_say_what_they_are_for() {
    let mut wrong = Vec::new();
    for folder in ["src", "xtask/src", "loadtest/src", "benches", "tests", "fuzz/src", "fuzz/fuzz_targets"] {
        for (path, text) in sources(folder) {
            let lines = text.split("#[cfg(test)]").next().unwrap().lines().count();
            if lines > 400 {
                wrong.push(format!("{} has {lines} lines", path.display()));
            }
            if !text.starts_with("//!") {
                wrong.push(format!("{} does not open with what it is for", path.display()));
            }
            for word in ["TODO", "FIXME", "XXX", "#[ignore"] {
                if text.contains(word) && !path.ends_with("house.rs") {
                    wrong.push(format!("{} holds {word}", path.display()));
                }
            }
            let name = path.file_stem().unwrap().to_str().unwrap();
            if ["util", "utils", "common", "helpers", "misc", "prelude"].contains(&name) {
                wrong.push(format!("{} is a junk drawer", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_refusal_is_documented() {
    let text =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/REFUSALS.md")).unwrap();
    for row in &tollgate::base::denial::TABLE {
        let line = format!("| `{}` | {} | {} |", row.reason, row.status, row.code);
        assert!(text.contains(&line), "{line} is not in docs/REFUSALS.md");
    }
}

/// What the security model says holds a promise: a module of these tests, or one test of it.
#[test]
fn the_security_model_names_tests_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(root.join("docs/SECURITY-MODEL.md")).unwrap();
    let (promised, _) = text.split_once("## What is not promised").unwrap();
    let rows = promised.lines().filter_map(|line| line.strip_suffix(" |")?.rsplit_once("| "));
    let holders: Vec<&str> = rows.flat_map(|(_, held_by)| held_by.split('`').skip(1).step_by(2)).collect();
    assert!(holders.len() > 40, "{holders:?}");
    let tests = sources("tests/it");
    for holder in holders.into_iter().filter(|holder| !holder.starts_with("cargo ")) {
        if holder.contains('/') {
            assert!(root.join(holder).exists(), "{holder} is not there");
            continue;
        }
        let (module, test) = holder.split_once("::").unwrap_or((holder, ""));
        let mut files = tests.iter().filter(|(path, _)| {
            let below = path.strip_prefix(root.join("tests/it")).unwrap().with_extension("");
            below.components().next().unwrap().as_os_str() == module
        });
        let test = format!("fn {}", test.rsplit("::").next().unwrap());
        assert!(
            files.any(|(_, text)| text.contains("#[test]") && text.contains(&test)),
            "{holder} is no test"
        );
    }
}
