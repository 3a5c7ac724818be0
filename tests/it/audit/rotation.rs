//! Files are rotated, compressed and deleted, and the chain goes on through it all.

use std::time::{Duration, Instant, SystemTime};

use super::{Place, list, text_of};
use tollgate::telemetry::audit::Retention;

fn await_compressed(place: &Place, finished: usize) {
    let begun = Instant::now();
    while list(&place.path()).unwrap().iter().filter(|file| file.is_compressed).count() < finished {
        assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", list(&place.path()));
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn finished_files_are_compressed_and_the_chain_goes_on() {
    let mut place = Place::new();
    place.rotate_size = 64 * 1024;
    let running = place.start();
    for round in 1..=5 {
        running.note(150);
        running.await_records(round * 150);
    }
    await_compressed(&place, 5);
    let report = place.verify();
    assert!(report.is_sound() && report.chains[0].files >= 6 && !report.chains[0].is_closed, "{report:?}");
    assert_eq!(running.stop(), 0);
    let report = place.verify();
    assert!(report.is_sound() && report.chains[0].is_closed);
    assert_eq!(place.calls(), (0..750).collect::<Vec<_>>());
    let lines = place.lines();
    let seqs: Vec<u64> = lines.iter().map(|line| line["seq"].as_u64().unwrap()).collect();
    assert_eq!(seqs, (1..=lines.len() as u64).collect::<Vec<_>>());
    // Each file begins so that it can be checked without those before it.
    let opened = lines.windows(2).filter(|pair| pair[0]["kind"] == "opened");
    assert!(opened.map(|pair| &pair[1]["kind"]).all(|kind| kind == "checkpoint"));
    // A compressed file that is damaged is named.
    let second = list(&place.path()).unwrap().remove(1);
    let mut bytes = std::fs::read(&second.path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x10;
    std::fs::write(&second.path, bytes).unwrap();
    let report = place.verify();
    let problem = report.chains[0].problem.as_ref().unwrap();
    assert!(problem.file.starts_with(&second.name()), "{problem}");
}

#[test]
fn the_oldest_files_go_and_the_log_says_so() {
    let mut place = Place::new();
    place.rotate_size = 64 * 1024;
    let running = place.start();
    for round in 1..=5 {
        running.note(150);
        running.await_records(round * 150);
    }
    await_compressed(&place, 5);
    running.stop();
    let before = list(&place.path()).unwrap();
    let third = before[3].path.metadata().unwrap().len();
    place.retention = Retention { age: None, size: Some(3 * third) };
    // Files are looked through at the start.
    let running = place.start();
    let begun = Instant::now();
    while list(&place.path()).unwrap()[0].first < before[2].first {
        assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", list(&place.path()));
        std::thread::sleep(Duration::from_millis(5));
    }
    running.stop();
    let report = place.verify();
    assert!(report.is_sound() && report.chains[0].first > 1, "{report:?}");
    let deleted: Vec<_> = place.lines().into_iter().filter(|line| line["kind"] == "deleted").collect();
    assert!(deleted.iter().all(|line| line["why"] == "size" && line["bytes"].as_u64() > Some(0)));
    assert!(
        deleted.iter().any(|line| line["file"] == before[0].name() && line["through"] == before[1].first - 1)
    );
    // What was told to go may still be there, as the stop came before: it is not missed.
    let through = deleted.iter().filter_map(|line| line["through"].as_u64()).max().unwrap();
    for file in list(&place.path()).unwrap().into_iter().filter(|file| file.first <= through) {
        std::fs::remove_file(file.path).unwrap();
    }
    assert!(place.verify().is_sound());
    // One more that goes by somebody's hand is.
    let first = list(&place.path()).unwrap().remove(0);
    std::fs::remove_file(first.path).unwrap();
    assert!(!place.verify().is_sound());
}

/// Says on the disk of all files that they were written at a time, as `touch` does.
fn touch(place: &Place, time: SystemTime) {
    for file in list(&place.path()).unwrap() {
        let file = std::fs::File::options().write(true).open(&file.path).unwrap();
        file.set_modified(time).unwrap();
    }
}

/// Starts and stops a gateway, which looks through the files at its start; what it says of those that go.
fn deleted_by_a_start(place: &Place) -> Vec<(String, String)> {
    let running = place.start();
    running.note(1);
    // `opened`, a checkpoint and the call; files were looked through in the same turn.
    running.await_records(3);
    assert_eq!(running.stop(), 0);
    let text = |line: &serde_json::Value, name: &str| line[name].as_str().unwrap().to_owned();
    let lines = place.lines();
    let deleted = lines.iter().filter(|line| line["kind"] == "deleted");
    deleted.map(|line| (text(line, "file"), text(line, "why"))).collect()
}

#[test]
fn files_go_by_the_times_of_their_records_and_not_by_the_disks() {
    let mut place = Place::new();
    (0..3).for_each(|_| place.write(10));
    place.retention = Retention { age: Some(Duration::from_secs(3_600)), size: None };
    touch(&place, SystemTime::UNIX_EPOCH + Duration::from_secs(1_577_836_800));
    let kept = list(&place.path()).unwrap().len();
    assert_eq!(deleted_by_a_start(&place), []);
    assert_eq!(list(&place.path()).unwrap().len(), kept + 1);
    assert!(place.verify().is_sound());
    // Those that are old by their records go, whatever the disk says.
    std::thread::sleep(Duration::from_millis(1_500));
    place.write(10);
    let files = list(&place.path()).unwrap();
    touch(&place, SystemTime::now() + Duration::from_secs(86_400));
    place.retention.age = Some(Duration::from_millis(1_400));
    let deleted = deleted_by_a_start(&place);
    let wanted: Vec<_> = files[..3].iter().map(|file| (file.name(), "age".to_owned())).collect();
    assert_eq!(deleted[..3], wanted);
    assert!(place.verify().is_sound());
}

/// Writes the second file anew, compressed if it is.
fn rewrite_second(place: &Place, text: &str) {
    let file = list(&place.path()).unwrap().remove(1);
    let bytes = if file.is_compressed { zstd::encode_all(text.as_bytes(), 1).unwrap() } else { text.into() };
    std::fs::write(file.path, bytes).unwrap();
}

#[test]
fn a_file_stays_while_nobody_vouches_for_when_it_ended() {
    let mut place = Place::new();
    (0..3).for_each(|_| place.write(10));
    std::thread::sleep(Duration::from_millis(20));
    place.retention = Retention { age: Some(Duration::from_millis(1)), size: None };
    let text = text_of(&list(&place.path()).unwrap()[1].path);
    rewrite_second(&place, &text.replacen("\"time\":\"20", "\"time\":\"19", 1));
    assert_eq!(deleted_by_a_start(&place), []);
    rewrite_second(&place, &text);
    let deleted = deleted_by_a_start(&place);
    assert!(deleted.len() >= 3 && deleted.iter().all(|(_, why)| why == "age"), "{deleted:?}");
}

/// What is called after a record that was not written yet is no follower, and makes no current file go.
#[test]
fn a_file_that_is_called_after_what_is_to_come_makes_nothing_go() {
    let mut place = Place::new();
    place.rotate_size = 30_000;
    place.retention = Retention { age: None, size: Some(1) };
    let running = place.start();
    std::fs::write(place.path().join(format!("gw-1-{}.jsonl", u64::MAX)), "x".repeat(1_000)).unwrap();
    for round in 1..=4 {
        running.note(60);
        running.await_records(60 * round);
    }
    running.stop();
    let lines = place.lines();
    let deleted: Vec<_> = lines.iter().filter(|line| line["kind"] == "deleted").collect();
    assert!(!deleted.is_empty(), "{lines:?}");
    for line in deleted {
        assert!(line["through"].as_u64() < line["seq"].as_u64(), "{line}");
    }
}
