//! What is slow costs nobody else: the disk under the log, a pipe that nobody reads, a collector that never answers.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::{call, metric, of_kind, records, until, world};
use crate::otlp::{Receiver, Reply};
use crate::world::{Connection, Gateway, MIB, World};

/// As few records wait as may be configured.
const QUEUE: usize = 16;
const CLIENTS: usize = 4;
/// The longest that a call may take, on a machine that does much else.
const PATIENCE: Duration = Duration::from_secs(2);

/// A gateway whose log's thread, or others, stand still when they are told to.
struct Stalling<'w> {
    world: &'w World,
    gateway: Gateway,
}

impl<'w> Stalling<'w> {
    fn serve(world: &'w World) -> Self {
        Self::serve_where(world, "audit")
    }

    fn serve_where(world: &'w World, threads: &str) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/books/stall.py");
        let gateway = world.serve_by("python3", &[script, Self::file(world).to_str().unwrap(), threads]);
        Self { world, gateway }
    }

    fn file(world: &World) -> PathBuf {
        world.folder.path().join("stall")
    }

    fn stall(&self) {
        // The writer looks every 20 ms at the latest: by then it has taken what was noted, and the queue is empty.
        std::thread::sleep(Duration::from_millis(100));
        std::fs::write(Self::file(self.world), "").unwrap();
        until("the writer stands still", || self.is_stalled());
    }

    fn go_on(&self) {
        std::fs::remove_file(Self::file(self.world)).unwrap();
        until("the writer goes on", || !self.is_stalled());
    }

    fn is_stalled(&self) -> bool {
        self.world.folder.path().join("stall.stalled").exists()
    }
}

/// What so many calls of a client were answered: served, refused for want of room, and the slowest.
fn calls(connection: &mut Connection, key: &str, tool: &str, arguments: &str, count: usize) -> [usize; 2] {
    let mut counted = [0; 2];
    for _ in 0..count {
        let begun = Instant::now();
        let answer = call(connection, key, tool, "1", arguments);
        assert!(begun.elapsed() < PATIENCE, "{:?}", begun.elapsed());
        if answer.status == 200 {
            counted[0] += 1;
        } else {
            assert_eq!((answer.status, answer.reason()), (503, "audit_unavailable".into()));
            assert_eq!(answer.json()["error"]["code"], 50303);
            assert_eq!(answer.header("retry-after"), Some("1"));
            counted[1] += 1;
        }
    }
    counted
}

/// The same of several clients at a time, each with so many.
fn load(gateway: &Gateway, key: &str, tool: &str, arguments: &str, count: usize) -> [usize; 2] {
    let counted = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| scope.spawn(|| calls(&mut gateway.connect(), key, tool, arguments, count)))
            .collect();
        clients.into_iter().map(|client| client.join().unwrap()).collect::<Vec<_>>()
    });
    counted.into_iter().fold([0; 2], |sum, one| [sum[0] + one[0], sum[1] + one[1]])
}

fn counted(records: &[serde_json::Value], kind: &str) -> u64 {
    of_kind(records, kind).iter().map(|record| record["count"].as_u64().unwrap()).sum()
}

#[test]
fn calls_are_refused_while_the_disk_stands_still_and_nothing_is_lost() {
    let world = world(&format!("queue = {QUEUE}\n"), "");
    let (key, _) = world.issue(&["crm:read"]);
    let mut running = Stalling::serve(&world);
    assert_ne!(load(&running.gateway, &key, "crm.read_x", "{}", 50)[0], 0);
    let before = running.gateway.resident();
    let mut refused = 0;
    for _ in 0..2 {
        running.stall();
        let served = load(&running.gateway, &key, "crm.read_x", "{}", 10 * QUEUE);
        // What waits, a record of what was lost before perhaps among it, and what was let in before the queue
        // was full.
        assert!(served[0] + 1 >= QUEUE && served[0] <= QUEUE + CLIENTS, "{served:?}");
        let forwarded = world.recorder.count();
        let more = load(&running.gateway, &key, "crm.read_x", "{}", 100);
        assert_eq!((more[0], world.recorder.count()), (0, forwarded), "nothing is forwarded");
        refused += served[1] + more[1];
        running.go_on();
        let mut connection = running.gateway.connect();
        until("it serves again", || {
            let one = calls(&mut connection, &key, "crm.read_x", "{}", 1);
            refused += one[1];
            one[0] == 1
        });
    }
    let grown = running.gateway.resident().saturating_sub(before);
    assert!(grown < 16 * MIB, "{grown} bytes more");
    assert!(running.gateway.stop());
    let records = records(&world);
    assert_eq!(
        of_kind(&records, "call").len(),
        world.recorder.count(),
        "every call that was forwarded, once"
    );
    assert!(counted(&records, "lost") >= refused as u64, "what was refused is counted: {refused}");
}

#[test]
fn calls_go_on_while_the_disk_stands_still_and_what_is_lost_is_told_where_that_is_chosen() {
    // What may be under way finds room behind the queue's end.
    let bounds = "[bounds]\nrequests = 100\nstreams = 100\n";
    let world = world(&format!("queue = {QUEUE}\nwhen_full = \"drop\"\n{bounds}"), "");
    let (key, _) = world.issue(&["crm:read"]);
    let mut running = Stalling::serve(&world);
    let mut served = load(&running.gateway, &key, "crm.read_x", "{}", 50)[0];
    let before = running.gateway.resident();
    running.stall();
    until("records are lost", || {
        let [more, refused] = load(&running.gateway, &key, "crm.read_x", "{}", 500);
        assert_eq!(refused, 0);
        served += more;
        metric(&running.gateway, "tollgate_audit_dropped_total") > 1_000
    });
    let grown = running.gateway.resident().saturating_sub(before);
    assert!(grown < 24 * MIB, "{grown} bytes more");
    running.go_on();
    served += load(&running.gateway, &key, "crm.read_x", "{}", 50)[0];
    let dropped = metric(&running.gateway, "tollgate_audit_dropped_total");
    assert!(running.gateway.stop());
    let records = records(&world);
    assert_eq!(counted(&records, "lost"), dropped);
    assert_eq!(of_kind(&records, "call").len() as u64 + dropped, served as u64, "each is told or counted");
}

/// For how long it is certainly not told that a disk stands still: the gateway says so after 5 s.
const A_MOMENT: Duration = Duration::from_millis(4_500);

fn ready(gateway: &Gateway) -> (u16, String) {
    let answer = crate::admin::get(gateway, "/readyz");
    (answer.status, answer.text().to_owned())
}

/// A disk that hangs is known from outside, though the thread that writes tells nothing; `refuses` is what
/// happens to calls meanwhile.
fn is_told(settings: &str, refuses: bool) {
    let world = world(&format!("queue = {QUEUE}\n{settings}"), "");
    let (key, _) = world.issue(&["crm:read"]);
    let mut running = Stalling::serve(&world);
    assert_eq!(load(&running.gateway, &key, "crm.read_x", "{}", 2), [2 * CLIENTS, 0]);
    let begun = Instant::now();
    running.stall();
    let served = load(&running.gateway, &key, "crm.read_x", "{}", 10)[0] as u64;
    assert!(served >= QUEUE as u64, "{served}");
    let waits = if refuses { served } else { QUEUE as u64 };
    until("what waits is told", || metric(&running.gateway, "tollgate_audit_queue") >= waits);
    loop {
        let (told, failing) = (ready(&running.gateway), metric(&running.gateway, "tollgate_audit_failing"));
        if begun.elapsed() >= A_MOMENT {
            break;
        }
        assert_eq!((told.0, failing), (200, 0), "a moment is no fault: {}", told.1);
        std::thread::sleep(Duration::from_millis(50));
    }
    until("it is told that nothing is written", || metric(&running.gateway, "tollgate_audit_failing") == 1);
    running.gateway.await_said("the audit log's disk does not answer");
    let told = ready(&running.gateway);
    let reason = "the audit log's disk does not answer, and requests are refused";
    assert_eq!(
        (told.0, told.1.contains(reason)),
        if refuses { (503, true) } else { (200, false) },
        "{}",
        told.1
    );
    running.go_on();
    until("it is well again", || {
        let numbers =
            ["queue", "failing"].map(|name| metric(&running.gateway, &format!("tollgate_audit_{name}")));
        numbers == [0, 0] && ready(&running.gateway).0 == 200
    });
    running.gateway.await_said("the audit log's disk answers again");
    assert!(running.gateway.stop());
    records(&world);
}

#[test]
fn a_replica_whose_disk_stands_still_says_so_and_is_not_ready() {
    is_told("", true);
}

#[test]
fn a_replica_that_may_lose_records_says_that_its_disk_stands_still_and_is_ready() {
    is_told("when_full = \"drop\"\n[bounds]\nrequests = 100\nstreams = 100\n", false);
}

#[test]
fn nobody_waits_for_a_record_that_a_disk_that_stands_still_will_not_have() {
    let world = world("sync = true\n", "");
    let (key, _) = world.issue(&["crm:read"]);
    let mut running = Stalling::serve(&world);
    let mut connection = running.gateway.connect();
    let mut ask = || {
        let begun = Instant::now();
        (call(&mut connection, &key, "crm.read_x", "1", "{}").status, begun.elapsed())
    };
    assert_eq!(ask().0, 200);
    running.stall();
    // Nobody knows yet that it does not come back.
    let (status, waited) = ask();
    assert!(status == 503 && waited > A_MOMENT, "{status} {waited:?}");
    until("nobody waits any more", || {
        let (status, waited) = ask();
        assert_eq!(status, 503);
        waited < PATIENCE
    });
    running.go_on();
    until("it serves again", || ask().0 == 200);
    assert!(running.gateway.stop());
    records(&world);
}

#[test]
fn a_stop_does_not_wait_for_a_disk_that_stands_still_for_ever() {
    let world = world("", "");
    let (key, _) = world.issue(&["crm:read"]);
    let mut running = Stalling::serve(&world);
    running.stall();
    assert_eq!(load(&running.gateway, &key, "crm.read_x", "{}", 2), [2 * CLIENTS, 0]);
    assert!(running.gateway.stop(), "in time");
    running.gateway.await_said("the audit log's disk does not answer, and is not waited for any longer");
    running.gateway.await_said(&format!("could not be written\",\"lost\":{}", 2 * CLIENTS));
}

/// A stop ends in its time though these threads hang, and says so.
fn stops_in_time(world: &World, threads: &str, said: &[&str]) {
    let (key, _) = world.issue(&["crm:read"]);
    let mut running = Stalling::serve_where(world, threads);
    running.stall();
    assert_eq!(load(&running.gateway, &key, "crm.read_x", "{}", 2), [2 * CLIENTS, 0]);
    let begun = Instant::now();
    assert!(running.gateway.stop(), "{}", running.gateway.said());
    let took = begun.elapsed();
    assert!(took > Duration::from_secs(9) && took < Duration::from_secs(13), "{took:?}");
    for said in said {
        running.gateway.await_said(&format!("{said} and is not waited for any longer"));
    }
}

const REGISTRY: &str = "the registry, or the disk that it is on, does not answer,";

#[test]
fn a_stop_does_not_wait_for_a_registry_whose_disk_stands_still() {
    let world = world("", "");
    stops_in_time(&world, "registry", &[REGISTRY]);
    assert_eq!(of_kind(&records(&world), "call").len(), 2 * CLIENTS);
}

#[test]
fn a_stop_does_not_wait_for_a_configuration_whose_disk_stands_still() {
    let world = world("", "");
    let (key, _) = world.issue(&["crm:read"]);
    let mut running = Stalling::serve_where(&world, "reload");
    assert_eq!(load(&running.gateway, &key, "crm.read_x", "{}", 2), [2 * CLIENTS, 0]);
    running.stall();
    // It is looked at each second.
    std::thread::sleep(Duration::from_millis(1_500));
    let begun = Instant::now();
    assert!(running.gateway.stop(), "{}", running.gateway.said());
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert_eq!(of_kind(&records(&world), "call").len(), 2 * CLIENTS);
}

#[test]
fn a_disk_that_stands_still_under_all_that_is_written_holds_a_stop_up_but_once() {
    let world = world("", "");
    stops_in_time(&world, "audit,registry", &[REGISTRY, "the audit log's disk does not answer,"]);
}

#[test]
fn a_stop_does_not_wait_for_telemetry_that_hangs() {
    let receiver = Receiver::start(false, None);
    let settings = format!("[otlp]\nendpoint = \"http://{}\"\nlogs = true\n", receiver.address);
    let world = world(&settings, "");
    stops_in_time(&world, "otlp", &["telemetry hangs,"]);
    assert_eq!(of_kind(&records(&world), "call").len(), 2 * CLIENTS);
}

#[test]
fn a_pipe_that_nobody_reads_and_a_collector_that_never_answers_cost_the_files_and_the_calls_nothing() {
    let receiver = Receiver::start(false, None);
    receiver.answer((0..1_000).map(|_| Reply::Silence(Duration::from_secs(60))));
    let settings = format!(
        "sinks = [\"stdout\"]\n[otlp]\nendpoint = \"http://{}\"\nqueue = \"1MiB\"\ntimeout = \"1s\"\ntraces = {{ ratio = 1.0 }}\nlogs = true\n",
        receiver.address
    );
    let tool =
        "[servers.tools.\"crm.full\"]\nscopes = [\"crm:read\"]\naudit = { inputs = \"full\" }\n".to_owned();
    let world = world(&settings, &tool);
    let (key, _) = world.issue(&["crm:read"]);
    let (unread, pipe) = std::io::pipe().unwrap();
    let mut gateway = world.serve_into(pipe);
    // Records as large as they get, so that what waits for a sink comes to its bound.
    let texts = vec![format!("\"{}\"", "word ".repeat(300)); 8];
    let arguments = format!("{{\"texts\":[{}]}}", texts.join(","));
    let mut served = 0;
    let missed = |gateway: &Gateway| metric(gateway, "tollgate_audit_missed_total");
    let begun = Instant::now();
    while missed(&gateway) == 0 {
        assert!(begun.elapsed() < Duration::from_secs(60), "{served}");
        let [more, refused] = load(&gateway, &key, "crm.full", &arguments, 50);
        assert_eq!(refused, 0);
        served += more;
    }
    let before = gateway.resident();
    for _ in 0..10 {
        let [more, refused] = load(&gateway, &key, "crm.full", &arguments, 50);
        assert_eq!(refused, 0);
        served += more;
    }
    let grown = gateway.resident().saturating_sub(before);
    assert!(grown < 24 * MIB, "{grown} bytes more");
    assert!(crate::admin::get(&gateway, "/readyz").status == 200);
    assert!(gateway.stop());
    drop(unread);
    let records = records(&world);
    assert_eq!(of_kind(&records, "call").len(), served, "the files have all");
    for sink in ["stdout", "otlp"] {
        let told = of_kind(&records, "dropped").into_iter().filter(|record| record["sink"] == sink);
        assert!(told.filter_map(|record| record["count"].as_u64()).sum::<u64>() > 0, "{sink}");
    }
}
