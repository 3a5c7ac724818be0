//! Gateways that share a registry in Redis, and what a call to one comes to.

use std::path::Path;
use std::time::{Duration, Instant};

use super::server::{SEALING, Server};
use crate::admin;
use crate::world::{Gateway, Ran, World};

/// Some replicas of one registry, each with a world of its own.
pub struct Fleet {
    pub worlds: Vec<World>,
}

impl Fleet {
    /// So many replicas on a server; `extra` stands in each one's `[registry]`.
    pub fn new(server: &Server, count: usize, extra: &str) -> Self {
        Self::by(&vec![server.port; count], extra)
    }

    /// A replica for each port.
    pub fn by(ports: &[u16], extra: &str) -> Self {
        let world = |(number, port): (usize, &u16)| {
            let registry = format!(
                "[registry]\nkind = \"redis\"\nurl = \"redis://127.0.0.1:{port}/0\"\nsealing_file = \"sealing\"\nreplica = {{ name = \"replica-{number}\" }}\n{extra}\n"
            );
            let world = World::new(&registry, "");
            secret(&world.folder.path().join("sealing"));
            world
        };
        Self { worlds: ports.iter().enumerate().map(world).collect() }
    }

    /// Starts all of them on a registry with a first key, and confirms it.
    pub fn serve(&self) -> Vec<Gateway> {
        let gateways: Vec<Gateway> = self.worlds.iter().map(World::serve).collect();
        self.confirm(&gateways);
        gateways
    }

    /// Says that the registry is whole, and waits until all are ready.
    pub fn confirm(&self, gateways: &[Gateway]) {
        let begun = Instant::now();
        while !gateways.iter().all(ready) {
            assert!(begun.elapsed() < Duration::from_secs(10), "not ready");
            let accepted = self.run(&["registry", "accept"]);
            assert!(accepted.ok, "{}", accepted.err);
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// A command, as the administrator of the first world.
    pub fn run(&self, arguments: &[&str]) -> Ran {
        self.worlds[0].run(arguments)
    }
}

fn secret(path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::write(path, SEALING).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

pub fn ready(gateway: &Gateway) -> bool {
    admin::get(gateway, "/readyz").status == 200
}

/// What a call with a key comes to: "" where it is allowed.
pub fn call(gateway: &Gateway, key: &str) -> String {
    let answer = gateway.connect().call(key, "crm.read_x");
    if answer.status == 200 { String::new() } else { answer.reason() }
}

/// Waits until a call comes to this.
pub fn until(gateway: &Gateway, key: &str, reason: &str, patience: Duration) {
    let begun = Instant::now();
    while call(gateway, key) != reason {
        assert!(begun.elapsed() < patience, "still {:?} instead of {reason:?}", call(gateway, key));
        std::thread::sleep(Duration::from_millis(5));
    }
}
