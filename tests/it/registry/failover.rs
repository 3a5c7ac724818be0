//! Primaries that are killed, and a network that is parted, under load and with changes going on. At
//! the end every gateway decides by what the registry has, and every disk holds that. And a
//! failover that provably lost acknowledged revocations.

use std::time::{Duration, Instant};

use tollgate::base::redis::{Node, Topology};
use tollgate::registry::redis::Redis;

use super::churn::{Churn, agree, disks_agree};
use super::fleet::{Fleet, call, ready, until};
use super::load::Load;
use super::lost::Keys;
use super::server::{Server, params};
use super::wire::Wire;
use crate::world::{Gateway, strength};

const SOON: Duration = Duration::from_secs(5);
/// Changes and calls a second that go on meanwhile.
const CHANGES: u32 = 50;
const CALLS: u32 = 500;

fn node(server: &Server) -> Node {
    Node { host: "127.0.0.1".into(), port: server.port }
}

fn soon(what: &str, mut holds: impl FnMut() -> bool) -> Duration {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(30), "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
    begun.elapsed()
}

/// A primary, Redis' own replica of it, and three sentinels that know both.
pub struct Watched {
    pub primary: Server,
    pub replica: Server,
    sentinels: Vec<Server>,
}

impl Watched {
    pub fn start() -> Self {
        let primary = Server::with(&[]);
        let replica = Server::with(&["--replicaof", "127.0.0.1", &primary.port.to_string()]);
        let sentinels: Vec<Server> = (0..3).map(|_| Server::sentinel(primary.port)).collect();
        for sentinel in &sentinels {
            soon("the sentinels know the replica", || {
                sentinel.ask(&["SENTINEL", "REPLICAS", "tollgate"]).contains(&replica.port.to_string())
            });
        }
        soon("the replica has all", || {
            replica.ask(&["INFO", "replication"]).contains("master_link_status:up")
        });
        Self { primary, replica, sentinels }
    }

    pub fn fleet(&self, count: usize) -> Fleet {
        let nodes: Vec<String> =
            self.sentinels.iter().map(|sentinel| format!("\"127.0.0.1:{}\"", sentinel.port)).collect();
        let sentinel = format!("sentinel = {{ master = \"tollgate\", nodes = [{}] }}", nodes.join(", "));
        Fleet::new(&self.primary, count, &sentinel)
    }

    pub fn topology(&self) -> Topology {
        Topology::Sentinel { master: "tollgate".into(), nodes: self.sentinels.iter().map(node).collect() }
    }

    /// Waits until Redis' replica has taken over.
    fn taken_over(&self) -> Duration {
        soon("the failover", || self.replica.ask(&["ROLE"]).starts_with("master"))
    }
}

/// Something happens under load and changes; at the end all agree.
#[expect(clippy::print_stdout, reason = "the record of the full run")]
fn all_agree(what: &str, fleet: &Fleet, topology: Topology, happens: &mut dyn FnMut()) {
    let (good, _) = fleet.worlds[0].issue(&["crm:read"]);
    let gateways = fleet.serve();
    for gateway in &gateways {
        until(gateway, &good, "", SOON);
    }
    let load = Load::start(&gateways.iter().collect::<Vec<_>>(), &[&good], CALLS, str::is_empty);
    let churn = Churn::start(params(topology.clone()), CHANGES);
    std::thread::sleep(Duration::from_secs(strength(1, 10) as u64));
    happens();
    std::thread::sleep(Duration::from_secs(strength(2, 20) as u64));
    let (done, seen) = (churn.stop(), load.stop());
    assert!(seen.wrong.is_empty(), "{:?}", seen.wrong);
    let mut redis = Redis::new(params(topology));
    // What the failover lost, replicas claim; an administrator writes it back.
    let restored = fleet.run(&["registry", "restore"]);
    assert!(restored.ok, "{}", restored.err);
    agree(&gateways, &mut redis, &done.known);
    let status = || fleet.run(&["registry", "status", "--json"]).json()["replicas"].clone();
    soon("nothing is missed or lost", || {
        let replicas = status();
        let replicas = replicas.as_array().unwrap();
        let whole = |replica: &&serde_json::Value| replica["applied_all"] == true && replica["lost"] == 0;
        replicas.iter().filter(whole).count() == gateways.len() && replicas.len() == gateways.len()
    });
    assert!(done.changes > strength(50, 500), "{} changes", done.changes);
    disks_agree(fleet, gateways, &mut redis);
    println!(
        "measured: {what}: {} calls, none failed; {} changes made and {} not taken; {} raw keys and every disk agree with the registry; {}",
        seen.calls,
        done.changes,
        done.failed,
        done.known.len(),
        restored.out.trim()
    );
}

pub(super) fn sentinel() {
    let mut watched = Watched::start();
    let fleet = watched.fleet(2);
    let topology = watched.topology();
    all_agree("a failover of Sentinel", &fleet, topology, &mut || {
        watched.primary.kill();
        watched.taken_over();
    });
}

pub(super) fn cluster() {
    let mut servers = Server::cluster();
    // The node that is killed holds the registry, and is the one that the first gateway is given; the
    // second learns of the others.
    let slot = servers[0].ask(&["CLUSTER", "KEYSLOT", "{tollgate}:keys"]);
    let first = Fleet::new(&servers[0], 1, "cluster = true");
    first.worlds[0].issue(&["crm:read"]);
    let holds = |server: &Server| {
        server.ask(&["ROLE"]).starts_with("master")
            && server.ask(&["CLUSTER", "COUNTKEYSINSLOT", &slot]) != "0"
    };
    let holder = servers.iter().position(holds).unwrap();
    let other = &servers[(holder + 1) % servers.len()];
    let fleet = Fleet::new(&servers[holder], 2, "cluster = true");
    let nodes = format!("cluster = true\nnodes = [\"127.0.0.1:{}\"]", other.port);
    let text = std::fs::read_to_string(fleet.worlds[0].config()).unwrap();
    std::fs::write(fleet.worlds[0].config(), text.replace("cluster = true", &nodes)).unwrap();
    let topology = Topology::Cluster(servers.iter().map(node).collect());
    all_agree("a killed primary of a Cluster", &fleet, topology, &mut || {
        servers[holder].kill();
        soon("the failover", || fleet.run(&["registry", "status"]).ok);
    });
}

/// One gateway is cut off from Redis, which answers the other: it serves on with what it knew.
pub(super) fn parted() {
    let server = Server::start();
    let wire = Wire::to(server.port);
    let fleet = Fleet::by(&[server.port, wire.port], "when_stale = \"serve\"");
    let topology = Topology::Standalone(node(&server));
    all_agree("a partition", &fleet, topology, &mut || {
        wire.cut(true);
        std::thread::sleep(Duration::from_secs(strength(5, 20) as u64));
        wire.cut(false);
    });
}

/// Redis' replica is cut off, keys are taken away and every gateway says so, the primary is
/// killed, the replica takes over: what it has is older than what was acknowledged.
#[expect(clippy::print_stdout, reason = "the record of the full run")]
pub(super) fn lost() {
    let mut watched = Watched::start();
    let fleet = watched.fleet(3);
    let keys = Keys::issue(&fleet.worlds[0]);
    let mut gateways = fleet.serve();
    for gateway in &gateways {
        until(gateway, &keys.narrowed, "", SOON);
    }
    soon("the replica has the keys", || watched.replica.ask(&["HLEN", "{tollgate}:keys"]) == "4");
    watched.replica.ask(&["REPLICAOF", "127.0.0.1", "1"]);
    keys.take_away(&fleet);
    let taken = [keys.revoked.as_str(), &keys.rotated, &keys.narrowed];
    let load = Load::start(&gateways.iter().collect::<Vec<_>>(), &taken, 300, |reason| !reason.is_empty());
    watched.primary.kill();
    watched.taken_over();
    let record = watched.replica.ask(&["HGET", "{tollgate}:keys", keys.revoked_id()]);
    assert!(record.contains("\"active\""), "the failover lost what was acknowledged: {record}");
    let took_over = Instant::now();
    for gateway in &gateways {
        gateway.await_said("registry went back in time");
    }
    let alarm = took_over.elapsed();
    assert!(alarm < Duration::from_secs(5), "{alarm:?}");
    let seen = load.stop();
    assert!(seen.wrong.is_empty(), "{:?}", seen.wrong);
    // Started anew: with its disk, and without it while others live.
    assert!(gateways[1].stop() && gateways[2].stop());
    std::fs::remove_file(fleet.worlds[2].folder.path().join("tollgate.replica")).unwrap();
    gateways.truncate(1);
    gateways.push(fleet.worlds[1].serve());
    gateways.push(fleet.worlds[2].serve());
    let load = Load::start(&gateways.iter().collect::<Vec<_>>(), &taken, 300, |reason| !reason.is_empty());
    std::thread::sleep(Duration::from_secs(strength(3, 10) as u64));
    assert!(ready(&gateways[1]) && !ready(&gateways[2]), "without its disk it waits for a word");
    assert_eq!(call(&gateways[2], &keys.kept), "stale_registry");
    // Written back, the others vouch for the registry.
    assert!(fleet.run(&["registry", "restore"]).ok);
    soon("the one without its disk is ready", || ready(&gateways[2]));
    std::thread::sleep(Duration::from_secs(1));
    let after = load.stop();
    assert!(after.wrong.is_empty(), "{:?}", after.wrong);
    hold(&gateways, &keys);
    println!(
        "measured: a failover that lost acknowledged changes: alarm {} ms after it; {} calls with what was taken away, none accepted",
        alarm.as_millis(),
        seen.calls + after.calls
    );
}

fn hold(gateways: &[Gateway], keys: &Keys) {
    for gateway in gateways {
        keys.hold(gateway);
        assert_eq!(call(gateway, &keys.kept), "", "what was not taken away is served on");
    }
}
