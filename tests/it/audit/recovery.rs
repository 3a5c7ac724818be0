//! What a log goes on with: after a stop, a kill, a file of which nothing was written, one that was changed.

use std::process::{Command, Stdio};
use std::time::Duration;

use super::{Place, VerifyOptions, list, text_of};
use crate::world::strength;

#[test]
fn a_log_that_was_closed_goes_on_in_a_new_file() {
    let place = Place::new();
    place.write(10);
    place.write(10);
    let lines = place.lines();
    let opened: Vec<_> = lines.iter().filter(|line| line["kind"] == "opened").collect();
    assert_eq!(opened.len(), 2);
    assert_eq!((&opened[1]["before_state"], &opened[1]["chain"]), (&"closed".into(), &opened[0]["chain"]));
    assert_eq!(opened[1]["before_file"], "gw-1-00000000000000000001.jsonl");
    assert!(place.verify().chains[0].is_closed);
    assert_eq!(place.sound().0, 2 * (10 + 4));
}

#[test]
fn what_a_kill_left_unfinished_does_not_count_and_is_told() {
    for torn in [b"".as_slice(), b"{\"ti", b"\0\0\0\0", b"{\"time\":\"x\"}\n{\"time\":\"y\"}\nz"] {
        let place = Place::new();
        place.write_killed(10, torn);
        let report = place.verify();
        let whole = !torn.contains(&b'\n');
        assert_eq!(report.is_sound(), whole, "{report:?}");
        assert!(!whole || report.chains[0].unfinished == torn.len() as u64);
        place.write(10);
        assert_eq!(place.calls(), (0..10).chain(0..10).collect::<Vec<_>>());
        let report = place.verify();
        assert!(report.is_sound(), "{report:#?}");
        let left_out: Vec<u64> = report.chains[0].left_out.iter().map(|(_, bytes)| *bytes).collect();
        assert_eq!(left_out, [torn.len() as u64]);
    }
}

#[test]
fn a_file_that_was_only_begun_is_begun_again() {
    let place = Place::new();
    place.write(10);
    let next = place.path().join("gw-1-00000000000000000015.jsonl");
    for begun in ["", "{\"time\":\"2026"] {
        std::fs::write(&next, begun).unwrap();
        let report = place.verify();
        assert!(report.is_sound() && !report.chains[0].is_closed, "{report:?}");
    }
    place.write(10);
    assert!(text_of(&next).starts_with("{\"time\":\"2026") && place.verify().is_sound());
}

#[test]
fn a_log_that_was_changed_is_not_covered_up_by_a_start() {
    let place = Place::new();
    place.write(10);
    let first = list(&place.path()).unwrap().pop().unwrap().path;
    let edited = text_of(&first).replacen("\"crm.call_3\"", "\"crm.call_4\"", 1);
    std::fs::write(&first, &edited).unwrap();
    place.write(10);
    assert_eq!(text_of(&first), edited, "nothing is taken away");
    let report = place.verify();
    let problem = report.chains[0].problem.as_ref().unwrap().to_string();
    assert!(problem.contains("the gateway found this changed when it started"), "{problem}");
    // A file of which not even the beginning is right is put aside.
    let place = Place::new();
    place.write(10);
    place.write(10);
    let last = list(&place.path()).unwrap().pop().unwrap().path;
    std::fs::write(&last, text_of(&last).replacen("\"seq\":15", "\"seq\":16", 1)).unwrap();
    place.write(10);
    assert!(last.with_extension("spoilt").exists());
    assert!(!place.verify().is_sound());
}

#[test]
fn two_writers_of_one_replica_are_refused() {
    let place = Place::new();
    let running = place.start();
    let told = place.try_start().err().unwrap().to_string();
    assert!(told.contains("another process writes the audit log of the replica \"gw-1\""), "{told}");
    running.stop();
    place.start().stop();
}

/// Told by the environment where to write, it does so until it is killed; without, it is no test.
#[test]
fn child_that_writes_until_it_is_killed() {
    let Some(folder) = std::env::var_os("TOLLGATE_TEST_AUDIT_WRITER") else { return };
    let mut place = Place::new();
    place.rotate_size = 100_000;
    place.fsync = Duration::from_millis(5);
    let names = std::sync::Arc::default();
    let mut params = place.params(&names);
    params.files.as_mut().unwrap().folder = folder.into();
    let running = place.start_with(params, &names).unwrap();
    loop {
        running.note(100);
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_writer_that_is_killed_again_and_again_leaves_one_sound_chain() {
    let place = Place::new();
    for round in 0..strength(8, 50) as u64 {
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", "audit::recovery::child_that_writes_until_it_is_killed"]);
        child.env("TOLLGATE_TEST_AUDIT_WRITER", place.path()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = child.spawn().unwrap();
        std::thread::sleep(Duration::from_millis(300 + 37 * round));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    // Each child signs with a key of its own.
    let report = place.verify_with(&VerifyOptions::default());
    assert!(report.is_sound(), "{report:#?}");
    assert!(report.chains[0].records > 1_000, "{report:?}");
    let calls = place.calls();
    let starts: Vec<_> = calls.chunk_by(|one, two| *two == one + 1).collect();
    assert!(starts.len() <= strength(8, 50), "each round's calls are there once and in order");
    assert!(starts.iter().all(|calls| calls[0] == 0));
}
