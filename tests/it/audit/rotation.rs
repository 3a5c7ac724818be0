//! Files are rotated, compressed and deleted, and the chain goes on through it all.

use std::time::{Duration, Instant};

use super::{Place, list};
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
