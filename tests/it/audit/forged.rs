//! What somebody who can write the folder and has no key puts behind the last checkpoint is found or told, also
//! after a gateway went on behind it.

use super::{Place, list, text_of};
use crate::world::tollgate;
use tollgate::telemetry::audit::verify::{Report, VerifyOptions};
use tollgate::telemetry::audit::{Hash, LogFile};

/// Adds a record with a right hash to the last file of a log, as somebody who knows the format does.
fn append(place: &Place, kind: &str, members: &str) {
    let last = list(&place.path()).unwrap().pop().unwrap().path;
    let text = text_of(&last);
    let before: serde_json::Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    let (seq, prev) = (before["seq"].as_u64().unwrap() + 1, before["hash"].as_str().unwrap());
    let time = before["time"].as_str().unwrap();
    let hashed = format!(
        "{{\"time\":\"{time}\",\"seq\":{seq},\"replica\":\"gw-1\",\"kind\":\"{kind}\",{members},\"prev\":\"{prev}\""
    );
    let hash = Hash::of(hashed.as_bytes());
    std::fs::write(&last, format!("{text}{hashed},\"hash\":\"{hash}\"}}\n")).unwrap();
}

/// Takes the first files of a log away, and says in its last one that their time was over.
fn delete_first(place: &Place, files: usize) {
    let all = list(&place.path()).unwrap();
    let (gone, left) = all.split_at(files);
    for file in gone {
        std::fs::remove_file(&file.path).unwrap();
    }
    let (file, through) = (gone[files - 1].name(), left[0].first - 1);
    append(
        place,
        "deleted",
        &format!("\"file\":\"{file}\",\"through\":{through},\"bytes\":9000,\"why\":\"age\""),
    );
}

/// A log of four closed files, and its last hash, which was noted.
fn closed() -> (Place, VerifyOptions) {
    let place = Place::new();
    (0..4).for_each(|_| place.write(10));
    let (_, head) = place.sound();
    let options = VerifyOptions { heads: vec![head], ..place.options() };
    (place, options)
}

/// The same, with a fifth that was killed.
fn killed() -> (Place, VerifyOptions) {
    let (place, options) = closed();
    place.write_killed(10, b"");
    assert!(place.verify_with(&options).is_sound());
    (place, options)
}

fn problem(report: &Report) -> String {
    report.chains[0].problem.as_ref().map_or("nothing".into(), ToString::to_string)
}

fn ranges(report: &Report) -> &[(u64, u64)] {
    &report.chains[0].stood_unsigned
}

#[test]
fn a_beginning_that_is_deleted_is_missed_whatever_is_added_to_a_closed_log() {
    let (place, options) = closed();
    delete_first(&place, 2);
    let found = problem(&place.verify_with(&options));
    assert!(found.contains("the file was closed in front of this: it was added"), "{found}");
    place.write(10);
    let found = problem(&place.verify_with(&options));
    assert!(found.contains("the gateway found this changed when it started"), "{found}");
    place.write(10);
    assert!(!place.verify_with(&options).is_sound());
    // What was added never became a part of the chain.
    let lines = place.lines();
    let opened: Vec<_> = lines.iter().filter(|line| line["before_state"] == "damaged").collect();
    assert_eq!((opened.len(), &opened[0]["seq"]), (1, &(4 * 14 + 1).into()));
}

#[test]
fn a_beginning_that_is_deleted_is_missed_whatever_is_added_to_a_log_that_was_killed() {
    for restarts in 0..3 {
        let (place, options) = killed();
        delete_first(&place, 2);
        (0..restarts).for_each(|_| place.write(10));
        for options in [&options, &place.options(), &VerifyOptions::default()] {
            let report = place.verify_with(options);
            let found = problem(&report);
            assert!(
                found.contains("begins with record 29, and none says that those before it were deleted"),
                "{restarts}: {found}"
            );
        }
    }
}

#[test]
fn what_stood_unsigned_at_a_kill_is_told_once_a_gateway_went_on_behind_it() {
    let (place, options) = killed();
    assert_eq!(ranges(&place.verify_with(&options)), [], "it is told as what is behind the last checkpoint");
    // `opened`, a checkpoint, and ten calls.
    let first = 4 * 14 + 1;
    append(&place, "call", "\"tool\":\"forged\"");
    place.write(10);
    place.write(10);
    let report = place.verify_with(&options);
    assert!(report.is_sound(), "{report:#?}");
    assert_eq!(ranges(&report), [(first + 2, first + 12)]);
    // In words as well, and where a key is given no word says that these are as the gateway wrote them.
    let public = place.folder.path().join("audit.pub");
    std::fs::write(&public, place.signer.public().to_pem()).unwrap();
    let path = |path: &std::path::Path| path.to_str().unwrap().to_owned();
    let arguments = ["audit", "verify", &path(&place.path()), "--public-key", &path(&public)];
    let told = tollgate(&arguments);
    assert!(told.ok, "{}", told.err);
    let range =
        format!("records {} to {} stood unsigned when their writer was killed", first + 2, first + 12);
    assert!(told.out.contains(&range) && told.out.contains("but for what stood unsigned"), "{}", told.out);
    let json = tollgate(&[&arguments[..], &["--json"]].concat()).json();
    let range = serde_json::json!([{ "first": first + 2, "last": first + 12 }]);
    assert_eq!(json["chains"][0]["stood_unsigned"], range);
}

/// A file that holds nothing but its first record was killed while it was begun; what it says of the one before nobody
/// signed.
#[test]
fn a_forged_beginning_of_a_file_hides_nothing() {
    for state in ["failed", "killed", "closed"] {
        let (place, options) = killed();
        append(&place, "call", "\"tool\":\"forged\"");
        let last = list(&place.path()).unwrap().pop().unwrap();
        let text = text_of(&last.path);
        let before: serde_json::Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
        let chain = place.lines()[0]["chain"].as_str().unwrap().to_owned();
        let members = format!(
            "\"chain\":\"{chain}\",\"tollgate\":\"1\",\"before_file\":\"{}\",\"before_state\":\"{state}\",\"before_bytes\":{},\"before_left_out\":0",
            last.name(),
            text.len()
        );
        append(&place, "opened", &members);
        let forged = text_of(&last.path);
        std::fs::write(&last.path, &text).unwrap();
        let next = before["seq"].as_u64().unwrap() + 1;
        let begun = LogFile { first: next, ..last.clone() }.name();
        std::fs::write(place.path().join(begun), &forged[text.len()..]).unwrap();
        place.write(10);
        let report = place.verify_with(&options);
        let told = ranges(&report).to_vec();
        // The forged call is one of them, and the forged beginning.
        let is_told = told == [(4 * 14 + 3, next - 1), (next, next)];
        assert!(is_told || !report.is_sound(), "{state}: {told:?} {report:#?}");
        assert_eq!(state == "closed", !report.is_sound(), "{state}: {report:#?}");
    }
}

#[test]
fn what_stands_behind_an_end_is_damage_at_a_start() {
    for (added, is_checkpoint_left) in [("\n", true), ("x", true), ("", false)] {
        let (place, options) = closed();
        let last = list(&place.path()).unwrap().pop().unwrap().path;
        let text = text_of(&last);
        if is_checkpoint_left {
            std::fs::write(&last, format!("{text}{added}")).unwrap();
            assert!(!place.verify_with(&options).is_sound(), "{added:?}");
        } else {
            // `closed` is the last record, and another than its checkpoint follows.
            let end = text.trim_end().rfind('\n').unwrap() + 1;
            std::fs::write(&last, &text[..end]).unwrap();
            append(&place, "call", "\"tool\":\"forged\"");
            assert!(problem(&place.verify_with(&place.options())).contains("it was added"));
        }
        place.write(10);
        let found = problem(&place.verify_with(&place.options()));
        assert!(found.contains("the gateway found this changed when it started"), "{added:?}: {found}");
    }
}
