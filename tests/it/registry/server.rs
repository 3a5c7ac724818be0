//! A real redis-server, or Valkey, on a free port, in a folder of its own, ended when the test is.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tollgate::base::redis::{Node, RedisParams, Topology};
use tollgate::base::secret::Secret;
use tollgate::registry::redis::Redis;

/// A secret for sealing keys; every replica of a test has the same.
pub const SEALING: &str = "a secret of thirty-two bytes or more for the tests";

/// A port that nobody listens on, and with it the port 10,000 above, where a node of a cluster
/// talks to the others. Both are below 32,768, where Linux begins to give ports to outgoing
/// connections (`net.ipv4.ip_local_port_range`), so that none of those can take it before the server
/// does, or between its end and its restart; and no two servers of a run get the same one.
pub fn free_port() -> u16 {
    const FIRST: u32 = 12_000;
    const MANY: u32 = 10_000;
    static GIVEN: AtomicU32 = AtomicU32::new(0);
    for _ in 0..MANY {
        let given = GIVEN.fetch_add(1, Ordering::Relaxed);
        // Two runs on one machine begin at different places.
        let port = FIRST + (std::process::id().wrapping_mul(97) + given) % MANY;
        let port = u16::try_from(port).unwrap();
        if TcpListener::bind(("127.0.0.1", port)).is_ok()
            && TcpListener::bind(("127.0.0.1", port + 10_000)).is_ok()
        {
            return port;
        }
    }
    panic!("no port from {FIRST} on is free")
}

/// A running redis-server.
pub struct Server {
    program: PathBuf,
    folder: TempDir,
    pub port: u16,
    arguments: Vec<String>,
    child: Option<Child>,
}

impl Server {
    /// One that writes every change to its disk before it answers.
    pub fn start() -> Self {
        Self::with(&["--appendonly", "yes", "--appendfsync", "always"])
    }

    /// One with these settings.
    pub fn with(arguments: &[&str]) -> Self {
        Self::of("redis-server".into(), arguments)
    }

    /// Valkey, with these settings.
    pub fn valkey(arguments: &[&str]) -> Self {
        let program = "target/test-environment/valkey/valkey-server";
        Self::of(Path::new(env!("CARGO_MANIFEST_DIR")).join(program), arguments)
    }

    fn of(program: PathBuf, arguments: &[&str]) -> Self {
        let arguments = arguments.iter().map(ToString::to_string).collect();
        let (folder, port) = (TempDir::new().unwrap(), free_port());
        let mut server = Self { program, folder, port, arguments, child: None };
        server.restart();
        server
    }

    /// A sentinel that watches the primary on a port, under the name of tollgate.
    pub fn sentinel(primary: u16) -> Self {
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("sentinel.conf");
        let text = format!(
            "sentinel monitor tollgate 127.0.0.1 {primary} 2\nsentinel down-after-milliseconds tollgate 1000\nsentinel failover-timeout tollgate 3000\n"
        );
        std::fs::write(&file, text).unwrap();
        let arguments = vec![file.to_str().unwrap().to_owned(), "--sentinel".into()];
        let program = "redis-server".into();
        let mut server = Self { program, folder, port: free_port(), arguments, child: None };
        server.restart();
        server
    }

    /// Three primaries with a replica each, that know each other.
    pub fn cluster() -> Vec<Self> {
        let settings = ["--cluster-enabled", "yes", "--cluster-node-timeout", "1000"];
        let servers: Vec<Self> = (0..6).map(|_| Self::with(&settings)).collect();
        let addresses: Vec<String> =
            servers.iter().map(|server| format!("127.0.0.1:{}", server.port)).collect();
        let mut create = Command::new("redis-cli");
        create.args(["--cluster", "create"]).args(&addresses);
        let created = create.args(["--cluster-replicas", "1", "--cluster-yes"]).output().unwrap();
        assert!(created.status.success(), "{}", String::from_utf8_lossy(&created.stdout));
        // The command returns when the first node thinks so; each comes to it by itself, and a replica
        // that never had its primary's data would not take over from it.
        let deadline = Instant::now() + Duration::from_secs(30);
        let whole = |server: &Self| {
            let has = |command: &[&str], what: &str| server.ask(command).contains(what);
            has(&["CLUSTER", "INFO"], "cluster_state:ok")
                && (has(&["ROLE"], "master") || has(&["INFO", "replication"], "master_link_status:up"))
        };
        for server in &servers {
            while !whole(server) {
                assert!(Instant::now() < deadline, "{}", server.ask(&["CLUSTER", "NODES"]));
                std::thread::sleep(Duration::from_millis(50));
            }
        }
        servers
    }

    /// Starts it again, with what is on its disk.
    pub fn restart(&mut self) {
        self.kill();
        let mut command = Command::new(&self.program);
        let port = self.port.to_string();
        let common = ["--port", &port, "--bind", "127.0.0.1", "--save", "", "--dir"];
        // A sentinel's file comes first, and it takes no settings of a database.
        let sentinel = self.arguments.last().is_some_and(|last| last == "--sentinel");
        if sentinel {
            command.args(&self.arguments).args(["--port", &port, "--bind", "127.0.0.1"]);
        } else {
            command.args(common).arg(self.folder.path()).args(&self.arguments);
        }
        let log = self.folder.path().join("log");
        command.stdout(std::fs::File::create(&log).unwrap()).stdin(Stdio::null());
        self.child =
            Some(command.spawn().unwrap_or_else(|error| panic!("{}: {error}", self.program.display())));
        // Six of them may start at once beside a build.
        let deadline = Instant::now() + Duration::from_secs(30);
        while self.try_ask(&["PING"]).as_deref() != Some("PONG") {
            let ended = self.child.as_mut().unwrap().try_wait().unwrap();
            assert!(
                ended.is_none() && Instant::now() < deadline,
                "redis-server does not answer ({ended:?}):\n{}",
                std::fs::read_to_string(&log).unwrap_or_default()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Another server with what this one holds now.
    pub fn copy(&self) -> Self {
        assert_eq!(self.ask(&["SAVE"]), "OK");
        let folder = TempDir::new().unwrap();
        std::fs::copy(self.folder().join("dump.rdb"), folder.path().join("dump.rdb")).unwrap();
        let (program, arguments) = (self.program.clone(), self.arguments.clone());
        let mut other = Self { program, folder, port: free_port(), arguments, child: None };
        other.restart();
        other
    }

    /// Ends it at once, as a crash would.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    pub fn signal(&self, name: &str) {
        let pid = self.child.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
    }

    /// What something comes to while this server hangs: it takes connections and answers nothing.
    pub fn hung<T: Send>(&self, within: Duration, what: impl FnOnce() -> T + Send) -> T {
        self.signal("STOP");
        self.goes_on(within, what)
    }

    /// Goes on when something is done, or should have been, that a server which hangs must not hold up.
    pub fn goes_on<T: Send>(&self, within: Duration, what: impl FnOnce() -> T + Send) -> T {
        let begun = Instant::now();
        std::thread::scope(|scope| {
            let waits = scope.spawn(what);
            while !waits.is_finished() && begun.elapsed() < within {
                std::thread::sleep(Duration::from_millis(10));
            }
            let is_soon = waits.is_finished();
            self.signal("CONT");
            let came = waits.join().unwrap();
            assert!(is_soon, "not done within {within:?} of a server that hangs");
            came
        })
    }

    /// Where its files are.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What redis-cli says to a command.
    pub fn ask(&self, command: &[&str]) -> String {
        self.try_ask(command).unwrap_or_else(|| panic!("{command:?}"))
    }

    fn try_ask(&self, command: &[&str]) -> Option<String> {
        TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        let port = self.port.to_string();
        let output = Command::new("redis-cli").args(["-p", &port]).args(command).output().unwrap();
        Some(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
    }

    /// How a registry reaches it.
    pub fn params(&self) -> RedisParams {
        let node = Node { host: "127.0.0.1".into(), port: self.port };
        params(Topology::Standalone(node))
    }

    /// Its registry.
    pub fn registry(&self) -> Redis {
        Redis::new(self.params())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// How a registry is reached without TLS and credentials.
pub fn params(topology: Topology) -> RedisParams {
    RedisParams {
        topology,
        tls: false,
        ca: None,
        user: None,
        password: None,
        database: 0,
        prefix: "tollgate".into(),
        sealing: Some(Secret::new(SEALING)),
    }
}
