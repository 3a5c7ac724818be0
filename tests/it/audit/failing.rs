//! A disk that is full, a folder that is gone: nothing that was taken is lost, nothing is written twice, and
//! what cannot be taken is known.

use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::{Place, VerifyOptions, list};

#[test]
fn a_folder_that_is_gone_for_a_while_loses_nothing() {
    let place = Place::new();
    let running = place.start();
    running.note(10);
    running.await_records(12);
    let aside = place.folder.path().join("aside");
    std::fs::rename(place.path(), &aside).unwrap();
    running.note(10);
    running.await_failing(true);
    running.note(10);
    std::fs::rename(&aside, place.path()).unwrap();
    running.await_failing(false);
    running.note(10);
    assert_eq!(running.stop(), 0);
    place.sound();
    assert_eq!(place.calls(), (0..40).collect::<Vec<_>>());
    let opened = place.lines().into_iter().find(|line| line["before_state"] == "failed").unwrap();
    assert_eq!(opened["before_file"], "gw-1-00000000000000000001.jsonl");
}

#[test]
fn a_file_that_is_deleted_is_missed_and_what_was_not_safe_is_written_again() {
    let place = Place::new();
    let running = place.start();
    running.note(10);
    running.await_records(12);
    std::fs::remove_file(&list(&place.path()).unwrap()[0].path).unwrap();
    running.note(10);
    running.await_records(12 + 12);
    assert_eq!(running.stop(), 0);
    assert_eq!(place.calls(), (10..20).collect::<Vec<_>>());
    let report = place.verify();
    let problem = report.chains[0].problem.as_ref().unwrap().to_string();
    assert!(
        problem.contains("begins with record 13, and none says that those before it were deleted"),
        "{problem}"
    );
}

#[test]
fn a_stop_while_nothing_can_be_written_says_how_much_is_lost() {
    let place = Place::new();
    let running = place.start();
    std::fs::rename(place.path(), place.folder.path().join("aside")).unwrap();
    running.note(10);
    running.await_failing(true);
    running.note(5);
    let begun = Instant::now();
    assert_eq!(running.stop(), 15);
    assert!(begun.elapsed() < Duration::from_secs(20));
}

/// No file of this process may become larger than this.
fn limit(bytes: Option<u64>) {
    let hard = getrlimit(Resource::Fsize).maximum;
    setrlimit(Resource::Fsize, Rlimit { current: bytes.or(hard), maximum: hard }).unwrap();
}

/// In a process of its own, as the limit holds for all files of a process; without the environment it is no test.
#[test]
fn child_whose_disk_is_full() {
    let Some(folder) = std::env::var_os("TOLLGATE_TEST_AUDIT_FULL") else { return };
    let mut place = Place::new();
    place.queue = 64;
    let names = std::sync::Arc::default();
    let mut params = place.params(&names);
    params.files.as_mut().unwrap().folder = folder.into();
    let running = place.start_with(params, &names).unwrap();
    for _ in 0..3 {
        running.note(20);
        std::thread::sleep(Duration::from_millis(50));
        // A few records more go into the file, and a part of one; the next cannot even be begun.
        limit(Some(700));
        running.note(5);
        running.await_failing(true);
        let mut taken = 0;
        while running.books.have_room() {
            running.note(1);
            taken += 1;
        }
        assert!(taken <= 64, "the queue is bounded, and full");
        std::thread::sleep(Duration::from_millis(700));
        assert!(running.is_failing() && !running.books.have_room());
        limit(None);
        running.await_failing(false);
    }
    assert_eq!(running.stop(), 0);
    println!("the child is done");
}

#[test]
fn a_full_disk_loses_nothing_and_writes_nothing_twice() {
    let place = Place::new();
    // Beyond the limit a process is sent a signal that kills it, unless it ignores it from the beginning.
    let mut child = Command::new("sh");
    child.args([
        "-c",
        "trap '' XFSZ; exec \"$0\" --exact --nocapture audit::failing::child_whose_disk_is_full",
    ]);
    child.arg(std::env::current_exe().unwrap()).env("TOLLGATE_TEST_AUDIT_FULL", place.path());
    let out = child.output().unwrap();
    assert!(String::from_utf8_lossy(&out.stdout).contains("the child is done"), "{out:?}");
    let report = place.verify_with(&VerifyOptions::default());
    assert!(report.is_sound(), "{report:#?}");
    let calls = place.calls();
    assert!(calls.len() > 60 && calls == (0..calls.len() as u64).collect::<Vec<_>>(), "{calls:?}");
    assert!(place.lines().iter().filter(|line| line["before_state"] == "failed").count() >= 3);
}
