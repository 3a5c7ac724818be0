//! Every input that fuzzing started from, kept or crashed on, held against the properties of
//! its target.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

#[path = "../../fuzz/src/lib.rs"]
pub mod properties;

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

/// What is in a folder, in order; nothing where there is no such folder.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let listed = std::fs::read_dir(folder).into_iter().flatten();
    let mut entries: Vec<_> = listed.map(|entry| entry.unwrap().path()).collect();
    entries.sort_unstable();
    entries
}

/// Replays all inputs of a target; all that fail are named, not only the first.
fn replay(target: &str) {
    let (_, check) = properties::TARGETS.iter().find(|(name, _)| *name == target).unwrap();
    let corpus = entries(&fuzz().join("corpus").join(target));
    assert!(corpus.len() >= 10, "the corpus of {target} is empty, or all but");
    let broken: Vec<_> = corpus
        .into_iter()
        .chain(entries(&fuzz().join("regressions").join(target)))
        .filter(|file| {
            let data = std::fs::read(file).unwrap();
            catch_unwind(AssertUnwindSafe(|| check(&data))).is_err()
        })
        .collect();
    assert!(broken.is_empty(), "a property of {target} is broken by {broken:#?}");
}

#[test]
fn configurations() {
    replay("config");
}

#[test]
fn envelopes() {
    replay("envelope");
}

#[test]
fn heads() {
    replay("head");
}

#[test]
fn keys() {
    replay("key");
}

#[test]
fn arguments_that_are_written_down() {
    replay("redact");
}

#[test]
fn streams_of_events() {
    replay("sse");
}

#[test]
fn every_target_has_its_corpus_its_dictionary_and_its_program() {
    let names = |folder: &str| -> Vec<String> {
        let paths = entries(&fuzz().join(folder));
        paths.iter().map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect()
    };
    let targets: Vec<_> = properties::TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    for folder in ["corpus", "dict", "fuzz_targets"] {
        assert_eq!(names(folder), targets, "fuzz/{folder}");
    }
    let with_regressions = entries(&fuzz().join("regressions"));
    for folder in with_regressions.iter().filter(|path| path.is_dir()) {
        assert!(
            targets.iter().any(|name| folder.ends_with(name)),
            "{} belongs to no target",
            folder.display()
        );
    }
}
