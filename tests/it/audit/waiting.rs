//! Who waits for a record, and where records go beside the files.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tollgate::telemetry::audit::sink::{Batch, HeadOf, Sink};
use tollgate::telemetry::event::Part;

use super::Place;

#[test]
fn who_waits_is_answered_once_the_record_is_on_the_disk() {
    let mut place = Place::new();
    place.fsync = Duration::from_secs(60);
    let running = place.start();
    let mut slowest = Duration::ZERO;
    for count in 0..50_u64 {
        let (told, written) = oneshot::channel();
        let mut event = running.event();
        (event.part, event.written) = (Part::Decision, Some(told));
        let begun = Instant::now();
        running.books.note(event);
        written.blocking_recv().unwrap();
        slowest = slowest.max(begun.elapsed());
        assert_eq!(place.calls(), (0..=count).collect::<Vec<_>>());
    }
    assert!(slowest < Duration::from_secs(5), "{slowest:?}");
    // Who waits while nothing can be written is told so.
    std::fs::rename(place.path(), place.folder.path().join("aside")).unwrap();
    let (told, written) = oneshot::channel();
    let mut event = running.event();
    event.written = Some(told);
    running.books.note(event);
    assert!(written.blocking_recv().is_err());
    running.await_failing(true);
    std::fs::rename(place.folder.path().join("aside"), place.path()).unwrap();
    running.await_failing(false);
    running.stop();
    // It was taken, and so it is written all the same.
    assert_eq!(place.calls().len(), 51);
    place.sound();
}

struct Kept(Sender<String>, Sender<u64>);

#[expect(clippy::disallowed_methods, reason = "what a test keeps is bounded by the test")]
fn kept() -> (Kept, std::sync::mpsc::Receiver<String>, std::sync::mpsc::Receiver<u64>) {
    let ((lines, taken), (heads, told)) = (channel(), channel());
    (Kept(lines, heads), taken, told)
}

impl Sink for Kept {
    fn name(&self) -> &'static str {
        "kept"
    }

    fn write(&mut self, lines: &Batch, _: &AtomicBool) -> io::Result<()> {
        let text = String::from_utf8(lines.bytes().to_vec()).unwrap();
        self.0.send(text).map_err(io::Error::other)
    }

    fn head(&mut self, head: &HeadOf) {
        let _ = self.1.send(head.head.seq);
    }
}

#[test]
fn a_sink_gets_the_lines_of_the_files_and_the_heads() {
    let place = Place::new();
    let (sink, taken, heads) = kept();
    let names = Arc::default();
    let mut params = place.params(&names);
    params.sinks = vec![Box::new(sink)];
    let running = place.start_with(params, &names).unwrap();
    running.note(100);
    running.stop();
    let lines: String = taken.try_iter().collect();
    let file = tollgate::telemetry::audit::list(&place.path()).unwrap().remove(0);
    assert_eq!(lines, super::text_of(&file.path));
    assert_eq!(heads.try_iter().last(), Some(lines.lines().count() as u64));
}

struct Hangs;

impl Sink for Hangs {
    fn name(&self) -> &'static str {
        "hangs"
    }

    fn write(&mut self, _: &Batch, stopping: &AtomicBool) -> io::Result<()> {
        while !stopping.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(5));
        }
        Err(io::Error::other("told to stop"))
    }
}

#[test]
fn a_sink_that_hangs_costs_the_files_nothing_and_what_it_misses_is_told() {
    let mut place = Place::new();
    place.fsync = Duration::from_millis(1);
    let names = Arc::default();
    let mut params = place.params(&names);
    params.sinks = vec![Box::new(Hangs)];
    let running = place.start_with(params, &names).unwrap();
    let begun = Instant::now();
    while running.audit.counters().missed.load(Ordering::Relaxed) == 0 {
        running.note(20);
        std::thread::sleep(Duration::from_millis(1));
        assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", running.audit.counters());
    }
    let begun = Instant::now();
    assert_eq!(running.stop(), 0);
    assert!(begun.elapsed() < Duration::from_secs(15));
    place.sound();
    let calls = place.calls();
    assert_eq!(calls, (0..calls.len() as u64).collect::<Vec<_>>());
    let told: u64 = place
        .lines()
        .iter()
        .filter(|line| line["kind"] == "dropped" && line["sink"] == "hangs")
        .filter_map(|line| line["count"].as_u64())
        .sum();
    assert!(told > 0);
}

/// Takes nothing until it is let.
struct Shut(Kept, Arc<AtomicBool>);

impl Sink for Shut {
    fn name(&self) -> &'static str {
        "shut"
    }

    fn write(&mut self, lines: &Batch, stopping: &AtomicBool) -> io::Result<()> {
        while !self.1.load(Ordering::Relaxed) && !stopping.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(5));
        }
        self.0.write(lines, stopping)
    }
}

#[test]
fn what_finds_no_room_in_the_midst_of_a_stop_is_told_too() {
    let mut place = Place::new();
    // Nothing is safe, and so told to sinks, but where somebody waits for it.
    place.fsync = Duration::from_secs(60);
    let (kept, taken, _heads) = kept();
    let (names, open) = (Arc::default(), Arc::new(AtomicBool::new(false)));
    let mut params = place.params(&names);
    params.sinks = vec![Box::new(Shut(kept, Arc::clone(&open)))];
    let running = place.start_with(params, &names).unwrap();
    while running.audit.counters().missed.load(Ordering::Relaxed) == 0 {
        let (told, written) = oneshot::channel();
        let mut event = running.event();
        event.written = Some(told);
        running.books.note(event);
        written.blocking_recv().unwrap();
    }
    running.note(40);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_secs(1));
            open.store(true, Ordering::Relaxed);
        });
        assert_eq!(running.stop(), 0);
    });
    let taken = taken.try_iter().map(|lines| lines.lines().count() as u64).sum::<u64>();
    let lines = place.lines();
    let told =
        lines.iter().filter(|line| line["kind"] == "dropped").filter_map(|line| line["count"].as_u64());
    let untold = lines.len() as u64 - taken - told.sum::<u64>();
    assert!(untold <= 3, "{untold}: more than what says so, `closed` and a checkpoint");
}

#[test]
fn without_a_folder_the_chain_is_made_for_the_sinks() {
    let place = Place::new();
    let (sink, taken, _heads) = kept();
    let names = Arc::default();
    let mut params = place.params(&names);
    params.files = None;
    params.sinks = vec![Box::new(sink)];
    let running = place.start_with(params, &names).unwrap();
    running.note(20);
    running.stop();
    // Whoever keeps the lines can check them.
    std::fs::create_dir(place.path()).unwrap();
    let lines: String = taken.try_iter().collect();
    std::fs::write(place.path().join("gw-1-00000000000000000001.jsonl"), lines).unwrap();
    assert_eq!(place.sound().0, 24);
}

#[test]
fn with_observers_alone_events_are_shown_and_no_records_are_made() {
    let place = Place::new();
    let names = Arc::default();
    let shown = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&shown);
    let mut params = place.params(&names);
    params.files = None;
    params.observers = vec![Box::new(move |_, _, _| {
        counted.fetch_add(1, Ordering::Relaxed);
    })];
    let running = place.start_with(params, &names).unwrap();
    running.note(20);
    let counters = Arc::clone(running.audit.counters());
    running.stop();
    assert_eq!(shown.load(Ordering::Relaxed), 20);
    // Where it opened and closed, each with a checkpoint.
    assert_eq!(counters.records.load(Ordering::Relaxed), 4);
}
