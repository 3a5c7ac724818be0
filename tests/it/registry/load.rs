//! Calls to gateways while something else happens, each on a thread and a connection of its own.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::world::{Connection, Gateway};

/// Turns that are kept: with one key on one gateway there are a few.
const TURNS: usize = 100;

/// What was seen.
#[derive(Default, Debug)]
pub struct Seen {
    pub calls: u64,
    /// Calls that were not as they should be, the first few of them.
    pub wrong: Vec<String>,
    /// When calls began to come to something else, and to what.
    pub turns: Vec<(Instant, String)>,
}

/// A running load; it ends when it is stopped, or dropped.
pub struct Load {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
    seen: Arc<Mutex<Seen>>,
}

impl Load {
    /// Calls each gateway with each key, about so many times a second in all, and holds every answer
    /// to `right`, which is given its reason: "" where the call was allowed.
    pub fn start(
        gateways: &[&Gateway],
        keys: &[&str],
        per_second: u32,
        right: impl Fn(&str) -> bool + Clone + Send + 'static,
    ) -> Self {
        let (stop, seen) = (Arc::new(AtomicBool::new(false)), Arc::<Mutex<Seen>>::default());
        let pause = Duration::from_secs(1) * gateways.len() as u32 / per_second;
        let threads = gateways.iter().map(|gateway| {
            let keys: Vec<String> = keys.iter().map(ToString::to_string).collect();
            let (address, stop, seen, right) =
                (gateway.address, Arc::clone(&stop), Arc::clone(&seen), right.clone());
            std::thread::spawn(move || run(address, &keys, pause, &stop, &seen, right))
        });
        let threads = threads.collect();
        Self { stop, threads, seen }
    }

    /// Ends it.
    pub fn stop(mut self) -> Seen {
        self.end();
        std::mem::take(&mut self.seen.lock().unwrap())
    }

    fn end(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let ended = thread.join();
            assert!(ended.is_ok() || std::thread::panicking(), "a caller broke");
        }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.end();
    }
}

fn run(
    address: SocketAddr,
    keys: &[String],
    pause: Duration,
    stop: &AtomicBool,
    seen: &Mutex<Seen>,
    right: impl Fn(&str) -> bool,
) {
    let mut connection = Connection::open(address);
    let mut due = Instant::now();
    for key in keys.iter().cycle() {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let answer = connection.call(key, "crm.read_x");
        let reason = match (answer.status, answer.reason()) {
            (200, _) => String::new(),
            (status, reason) if reason.is_empty() => format!("status {status}"),
            (_, reason) => reason,
        };
        let now = Instant::now();
        let mut seen = seen.lock().unwrap();
        seen.calls += 1;
        if seen.turns.last().is_none_or(|(_, before)| *before != reason) && seen.turns.len() < TURNS {
            seen.turns.push((now, reason.clone()));
        }
        if !right(&reason) && seen.wrong.len() < 5 {
            seen.wrong.push(format!("{reason:?} on {address}"));
        }
        drop(seen);
        due += pause;
        std::thread::sleep(due.saturating_duration_since(now));
    }
}
