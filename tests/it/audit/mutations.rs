//! Whatever is done to a log is found: five hundred changes of one that the real writer wrote, drawn
//! by a seed that is told.

use std::path::PathBuf;

use super::{Place, text_of};
use tempfile::TempDir;
use tollgate::telemetry::audit::verify::{Report, Source, VerifyOptions, verify};
use tollgate::telemetry::audit::{Hash, list};

/// Names and contents.
type Files = Vec<(PathBuf, Vec<u8>)>;
/// Changes the lines of a file.
type Change<'c> = &'c dyn Fn(&mut Vec<Vec<u8>>);

/// Numbers that look drawn (`SplitMix64`).
struct Draw(u64);

impl Draw {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % bound as u64) as usize
    }
}

/// A log of four files: rotated, killed, closed.
fn original() -> (Place, VerifyOptions, Files) {
    let mut place = Place::new();
    place.rotate_size = 30_000;
    place.write(60);
    place.write_killed(10, b"{\"time\":\"2026-11");
    place.rotate_size = 64 << 20;
    place.write(20);
    let (_, head) = place.sound();
    let files = list(&place.path()).unwrap();
    assert!(files.len() >= 4, "{files:?}");
    let files = files.into_iter().map(|file| (PathBuf::from(file.name()), text_of(&file.path).into_bytes()));
    let options = VerifyOptions { heads: vec![head], ..place.options() };
    let files = files.collect();
    (place, options, files)
}

fn check(files: &Files, options: &VerifyOptions) -> Report {
    let folder = TempDir::new().unwrap();
    for (name, content) in files {
        std::fs::write(folder.path().join(name), content).unwrap();
    }
    verify(&Source::Folder(folder.path().to_owned()), options).unwrap()
}

fn lines(content: &[u8]) -> Vec<Vec<u8>> {
    content.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect()
}

/// Writes the rest of a log anew behind a line that was edited, as somebody who knows the format does.
fn rechain(files: &mut Files, file: usize, line: usize) {
    let mut prev: Option<String> = None;
    for (at, (_, content)) in files.iter_mut().enumerate().skip(file) {
        let mut all = lines(content);
        let first = if at == file { line } else { 0 };
        for text in all.iter_mut().skip(first) {
            let line = String::from_utf8(text.clone()).unwrap();
            let Some((hashed, _)) = line.rsplit_once(",\"hash\":\"") else { continue };
            let (rest, own) = hashed.rsplit_once(",\"prev\":\"").unwrap();
            let before = prev.clone().unwrap_or_else(|| own.trim_end_matches('"').to_owned());
            let hashed = format!("{rest},\"prev\":\"{before}\"");
            let hash = Hash::of(hashed.as_bytes());
            *text = format!("{hashed},\"hash\":\"{hash}\"}}\n").into_bytes();
            prev = Some(hash.to_string());
        }
        *content = all.concat();
    }
}

/// Changes a log in one of many ways, and says how.
fn mutate(draw: &mut Draw, files: &mut Files) -> String {
    let file = draw.below(files.len());
    let mut all = lines(&files[file].1);
    let (line, other) = (draw.below(all.len()), draw.below(all.len()));
    let what = draw.below(14);
    let told = format!("{what}: file {file} of {} line {line} of {}, {other}", files.len(), all.len());
    match what {
        0 | 1 => {
            let at = draw.below(files[file].1.len());
            // What a kill left does not count, whatever it says.
            if files[file].1[at..].iter().all(|byte| *byte != b'\n') {
                return told;
            }
            files[file].1[at] ^= 1 << draw.below(8);
            return format!("{told} byte {at}");
        }
        2 => drop(all.remove(line)),
        3 if line != other => all.swap(line, other),
        4 => all.insert(other, all[line].clone()),
        5 => {
            let text = String::from_utf8_lossy(&all[line]).replacen("\"denied\"", "\"answered\"", 1);
            all.insert(line, text.into_bytes());
        }
        // Cut off: at a line, inside one, or all of it.
        6 if line > 0 => all.truncate(line),
        7 => {
            let at = draw.below(all[line].len());
            all.truncate(line + 1);
            all[line].truncate(at);
        }
        8 => {
            files.remove(file);
            return told;
        }
        9 if files.len() > 1 => {
            let with = (file + 1 + draw.below(files.len() - 1)) % files.len();
            let content = files[file].1.clone();
            files[file].1 = std::mem::replace(&mut files[with].1, content);
            return format!("{told} with {with}");
        }
        // A file under another's name as well.
        10 => {
            let content = files[file].1.clone();
            files.push((PathBuf::from("gw-1-00000000000000000777.jsonl"), content));
            return told;
        }
        // Edited by somebody who knows how hashes are made.
        11 | 12 => {
            let text = String::from_utf8_lossy(&all[line]);
            let edited = text.replacen("\"request_bytes\":321", "\"request_bytes\":322", 1);
            let edited = edited.replacen("Z\",\"seq\"", "0\",\"seq\"", usize::from(edited == text));
            all[line] = edited.into_bytes();
            files[file].1 = all.concat();
            rechain(files, file, line);
            return told;
        }
        _ => all[line].extend_from_slice(b"\n"),
    }
    files[file].1 = all.concat();
    told
}

#[test]
fn five_hundred_changes_are_all_found() {
    let (_place, options, files) = original();
    assert!(check(&files, &options).is_sound());
    let without_head = VerifyOptions { heads: Vec::new(), ..options.clone() };
    let (mut draw, mut tried, mut by_chain) = (Draw(20_261_128), 0, 0);
    while tried < 500 {
        let mut changed = files.clone();
        let how = mutate(&mut draw, &mut changed);
        if changed == files {
            continue;
        }
        tried += 1;
        let report = check(&changed, &options);
        assert!(!report.is_sound(), "not found: {how}\n{report:#?}");
        by_chain += usize::from(!check(&changed, &without_head).is_sound());
    }
    // All but what was cut off at the very end.
    assert!(by_chain > 440, "{by_chain}");
}

#[test]
fn the_first_record_that_is_wrong_is_named() {
    let (_place, options, files) = original();
    let problem = |change: &dyn Fn(&mut Files)| {
        let mut changed = files.clone();
        change(&mut changed);
        let report = check(&changed, &options);
        report.chains[0].problem.as_ref().map_or("nothing".into(), ToString::to_string)
    };
    let edit = |changed: &mut Files, change: Change<'_>| {
        let mut all = lines(&changed[0].1);
        change(&mut all);
        changed[0].1 = all.concat();
    };
    let seven =
        |text: &[u8]| String::from_utf8_lossy(text).replacen("crm.call_7", "crm.call_6", 1).into_bytes();
    for (told, change) in [
        (
            "line 10, where record 10 should be: it was edited",
            &(|all: &mut Vec<Vec<u8>>| all[9] = seven(&all[9])) as Change<'_>,
        ),
        ("line 10, where record 10 should be: record 10 is missing", &|all| drop(all.remove(9))),
        ("line 10, where record 10 should be: records 10 to 12 are missing", &|all| drop(all.drain(9..12))),
        ("line 10, where record 10 should be: record 11 is missing", &|all| drop(all.remove(10))),
        ("line 11, where record 11 should be: record 10 stands here", &|all| all.insert(9, all[9].clone())),
        ("line 10, where record 10 should be: this is no record", &|all| all[9] = b"{}\n".to_vec()),
    ] {
        let found = problem(&|changed| edit(changed, change));
        let wanted = told.replace(
            "line 10, where record 10 should be: record 11",
            "line 11, where record 11 should be: record 11",
        );
        assert!(
            found.contains(&wanted) && found.starts_with("gw-1-00000000000000000001.jsonl"),
            "{told}: {found}"
        );
    }
    let beginning = problem(&|changed| drop(changed.remove(0)));
    assert!(beginning.contains("none says that those before it were deleted"), "{beginning}");
    let gap = problem(&|changed| drop(changed.remove(1)));
    assert!(gap.contains("is missing"), "{gap}");
    let swapped = problem(&|changed| {
        let content = changed[0].1.clone();
        changed[0].1 = std::mem::replace(&mut changed[1].1, content);
    });
    assert!(swapped.contains("the file is called after record 1: it was renamed or exchanged"), "{swapped}");
    let replica = problem(&|changed| {
        let text = String::from_utf8(changed[0].1.clone())
            .unwrap()
            .replace("\"replica\":\"gw-1\"", "\"replica\":\"gw-2\"");
        changed[0].1 = text.into_bytes();
        rechain(changed, 0, 0);
    });
    assert!(replica.contains("it belongs to another log: that of the replica gw-2"), "{replica}");
    let rewritten = problem(&|changed| {
        edit(changed, &|all| all[9] = seven(&all[9]));
        rechain(changed, 0, 9);
    });
    assert!(rewritten.contains("the checkpoint is not signed by the key that it names"), "{rewritten}");
    let torn = problem(&|changed| {
        let content = &mut changed[0].1;
        content.truncate(content.len() - 10);
    });
    assert!(torn.contains("records were cut off"), "{torn}");
    let added = problem(&|changed| {
        let killed = changed.len() - 2;
        changed[killed].1.extend_from_slice(b"x");
    });
    assert!(added.contains("more stands here than the gateway left"), "{added}");
}

/// Who signs with a key of their own has to be told apart by the key that was noted.
#[test]
fn a_log_of_another_key_is_sound_by_its_own_word_only() {
    let (place, other) = (Place::new(), Place::new());
    place.write(20);
    other.write(20);
    let report = other.verify_with(&VerifyOptions::default());
    assert!(report.is_sound() && !report.chains[0].checked.as_ref().unwrap().is_trusted);
    let report = other.verify_with(&place.options());
    let problem = report.chains[0].problem.as_ref().unwrap().to_string();
    assert!(
        problem.contains(&format!(
            "line 2, where record 2 should be: the checkpoint is signed by another key, {}",
            other.signer.public()
        )),
        "{problem}"
    );
    // And one that nobody signed.
    let names = std::sync::Arc::default();
    let mut params = place.params(&names);
    params.files.as_mut().unwrap().folder = place.folder.path().join("unsigned");
    params.signer = None;
    place.start_with(params, &names).unwrap().stop();
    let source = Source::Folder(place.folder.path().join("unsigned"));
    let report = verify(&source, &place.options()).unwrap();
    assert!(report.chains[0].problem.as_ref().unwrap().to_string().contains("the checkpoint is not signed"));
    assert!(verify(&source, &VerifyOptions::default()).unwrap().is_sound());
}

#[test]
fn a_head_that_was_noted_has_to_be_there() {
    let place = Place::new();
    place.write(20);
    let (_, head) = place.sound();
    place.write(5);
    let with = |head| place.verify_with(&VerifyOptions { heads: vec![head], ..place.options() });
    assert!(with(head).is_sound());
    let missing = with(Hash::of(b"another"));
    assert!(!missing.is_sound() && missing.missing_heads == [Hash::of(b"another")]);
}
