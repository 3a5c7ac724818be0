//! Traffic that is skewed and shifts, at more than the limit: what replicas let through together.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::Replicas;
use crate::registry::Server;
use crate::world::{Connection, strength};

/// Shares of four replicas, in hundredths.
const SKEWED: [u32; 4] = [80, 15, 4, 1];
/// How long the shares stay where they are.
const SHIFT: Duration = Duration::from_millis(1_700);

/// Callers of some gateways with one key; they end when they are stopped, or dropped.
pub(super) struct Callers {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
    admitted: Arc<AtomicU64>,
    wrong: Arc<Mutex<Vec<String>>>,
}

impl Callers {
    /// So many calls a second in all, shared out over the gateways in turns.
    pub(super) fn start(addresses: &[SocketAddr], key: &str, tool: &str, rate: u32) -> Self {
        let mut callers = Self {
            stop: Arc::default(),
            threads: Vec::new(),
            admitted: Arc::default(),
            wrong: Arc::default(),
        };
        let begun = Instant::now();
        let threads = addresses.iter().enumerate().map(|(number, address)| {
            let (address, key, tool) = (*address, key.to_owned(), tool.to_owned());
            let (stop, wrong) = (Arc::clone(&callers.stop), Arc::clone(&callers.wrong));
            let admitted = Arc::clone(&callers.admitted);
            std::thread::spawn(move || {
                let (mut connection, mut due) = (Connection::open(address), Instant::now());
                while !stop.load(Ordering::Relaxed) {
                    let turn = (begun.elapsed().as_millis() / SHIFT.as_millis()) as usize;
                    let share = rate * SKEWED[(number + turn) % SKEWED.len()];
                    due += Duration::from_secs(100) / share.max(1);
                    let wait = due.saturating_duration_since(Instant::now());
                    // One that has few calls must not sleep over the next turn.
                    if wait > SHIFT / 4 {
                        std::thread::sleep(SHIFT / 4);
                        due = Instant::now();
                        continue;
                    }
                    std::thread::sleep(wait);
                    let answer = connection.call(&key, &tool);
                    match (answer.status, answer.reason().as_str()) {
                        (200, _) => admitted.fetch_add(1, Ordering::Relaxed),
                        (429, "rate_limited") => 0,
                        (status, reason) => {
                            wrong.lock().unwrap().push(format!("{status} {reason}"));
                            0
                        }
                    };
                }
            })
        });
        callers.threads = threads.collect();
        callers
    }

    pub(super) fn admitted(&self) -> u64 {
        self.admitted.load(Ordering::Relaxed)
    }

    /// Ends them: how many calls were let through.
    pub(super) fn stop(&mut self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let ended = thread.join();
            assert!(ended.is_ok() || std::thread::panicking(), "a caller broke");
        }
        let wrong = self.wrong.lock().unwrap();
        assert!(wrong.is_empty(), "{} wrong answers, the first {}", wrong.len(), wrong[0]);
        self.admitted()
    }
}

impl Drop for Callers {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// What four replicas may be ahead of the ledger, as the gateway says itself.
fn overshoot(replicas: &Replicas, limit: &str) -> u64 {
    let begun = Instant::now();
    loop {
        let page = crate::admin::get(&replicas.gateways[0], "/metrics").text().to_owned();
        let count = replicas.gateways.len();
        if page.contains(&format!("tollgate_lease_replicas {count}.0")) {
            let line = format!("tollgate_lease_overshoot_tokens{{limit=\"{limit}\"}} ");
            let found = page.lines().find_map(|told| told.strip_prefix(&line));
            return found.unwrap_or_else(|| panic!("{limit} in {page}")).parse().unwrap();
        }
        assert!(begun.elapsed() < Duration::from_secs(5), "{page}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Sixty seconds in full; 10, 100 and 300 calls a second, twice that asked for.
#[expect(clippy::print_stdout, reason = "the record of the full run")]
pub(super) fn skewed() {
    let server = Server::with(&[]);
    let plan = |rate: u32| {
        format!("[plans.p{rate}]\ncalls = {{ rate = \"{rate}/s\", burst = {}, shared = true }}", rate.max(20))
    };
    let rates = [10, 100, 300];
    let replicas = Replicas::new(&server, 4, &rates.map(plan).join("\n"));
    let addresses: Vec<SocketAddr> = replicas.gateways.iter().map(|gateway| gateway.address).collect();
    let keys = rates.map(|rate| replicas.key(&format!("p{rate}")).0);
    let bounds = rates.map(|rate| overshoot(&replicas, &format!("plans.p{rate}.calls")));
    let begun = Instant::now();
    let mut callers: Vec<Callers> = rates
        .iter()
        .zip(&keys)
        .map(|(rate, key)| Callers::start(&addresses, key, "crm.read_x", 2 * rate))
        .collect();
    std::thread::sleep(Duration::from_secs(strength(6, 60) as u64));
    let admitted: Vec<u64> = callers.iter_mut().map(Callers::stop).collect();
    let passed = begun.elapsed().as_secs_f64();
    for ((rate, admitted), bound) in rates.iter().zip(admitted).zip(bounds) {
        let allowed = f64::from((*rate).max(20)) + f64::from(*rate) * passed;
        let most = allowed + bound as f64;
        // In a short time what the replicas have ahead when it ends is more than three in a hundred.
        let ahead = strength(1, 0) as f64 * bound as f64;
        let least = allowed * 0.97 - ahead;
        println!(
            "measured: {rate}/s on four replicas for {passed:.0} s: {admitted} of {allowed:.0} admitted, at most {most:.0}"
        );
        assert!((admitted as f64) <= most && admitted as f64 >= least, "{admitted}: {least} to {most}");
    }
}

pub(super) fn of_a_tool() {
    let server = Server::with(&[]);
    let replicas = Replicas::new(&server, 2, "[plans.free]");
    for (world, gateway) in replicas.fleet.worlds.iter().zip(&replicas.gateways) {
        world.edit(
            "[servers.tools.\"crm.read_*\"]",
            "[servers.tools.\"crm.read_all\"]\nscopes = [\"crm:read\"]\nlimit = { rate = \"1/h\", burst = 20, per = \"tool\", shared = true }\n[servers.tools.\"crm.read_*\"]",
        );
        gateway.signal("HUP");
        gateway.await_said("configuration reloaded");
    }
    let keys = [replicas.key("free").0, replicas.key("free").0];
    let told = replicas.fleet.run(&["doctor"]);
    assert!(told.out.contains("1 limits that replicas share: 2 replicas share them"), "{}", told.out);
    let mut admitted = 0;
    for round in 0..60 {
        let gateway = &replicas.gateways[round % 2];
        let answer = gateway.connect().call(&keys[round / 2 % 2], "crm.read_all");
        admitted += u32::from(answer.status == 200);
        if answer.status != 200 {
            assert_eq!(answer.json()["error"]["data"]["limit"], "tool");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    // One call of credit on each replica.
    assert!((20..=22).contains(&admitted), "{admitted}");
}

/// Killed without a word while it has a lease: the others go on, and no more is lost or gained than it had.
pub(super) fn killed() {
    let server = Server::with(&[]);
    let plan = "[plans.p]\ncalls = { rate = \"100/s\", burst = 100, shared = true }";
    let mut replicas = Replicas::new(&server, 3, plan);
    let (key, _) = replicas.key("p");
    let bound = overshoot(&replicas, "plans.p.calls");
    let addresses: Vec<SocketAddr> = replicas.gateways.iter().map(|gateway| gateway.address).collect();
    let begun = Instant::now();
    // Even the smallest shares of two together are what the limit lets through.
    let mut others = Callers::start(&addresses[1..], &key, "crm.read_x", 3_000);
    let mut victims = Callers::start(&addresses[..1], &key, "crm.read_x", 100);
    std::thread::sleep(Duration::from_secs(2));
    // Its callers first: whoever calls it afterwards gets no answer at all.
    let spent = victims.stop();
    replicas.gateways[0].signal("KILL");
    std::thread::sleep(Duration::from_secs(strength(3, 20) as u64));
    let admitted = others.stop() + spent;
    let allowed = 100.0 + 100.0 * begun.elapsed().as_secs_f64();
    let lease = bound as f64 / 3.0;
    assert!(
        admitted as f64 <= allowed + bound as f64 && admitted as f64 >= allowed * 0.97 - lease,
        "{admitted} of {allowed}, bound {bound}"
    );
    drop(replicas.gateways.remove(0));
}
