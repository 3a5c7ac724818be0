//! A real redis-server on a free port, in a folder of its own, ended when the test is.

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tollgate::base::redis::{Node, RedisParams, Topology};
use tollgate::base::secret::Secret;
use tollgate::registry::redis::Redis;

/// A secret for sealing keys; every replica of a test has the same.
pub const SEALING: &str = "a secret of thirty-two bytes or more for the tests";

/// A port that nobody listened on a moment ago.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A running redis-server.
pub struct Server {
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
        let arguments = arguments.iter().map(ToString::to_string).collect();
        let mut server = Self { folder: TempDir::new().unwrap(), port: free_port(), arguments, child: None };
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
        let mut server = Self { folder, port: free_port(), arguments, child: None };
        server.restart();
        server
    }

    /// Starts it again, with what is on its disk.
    pub fn restart(&mut self) {
        self.kill();
        let mut command = Command::new("redis-server");
        let port = self.port.to_string();
        let common = ["--port", &port, "--bind", "127.0.0.1", "--save", "", "--dir"];
        // A sentinel's file comes first, and it takes no settings of a database.
        let sentinel = self.arguments.last().is_some_and(|last| last == "--sentinel");
        if sentinel {
            command.args(&self.arguments).args(["--port", &port, "--bind", "127.0.0.1"]);
        } else {
            command.args(common).arg(self.folder.path()).args(&self.arguments);
        }
        self.child = Some(command.stdout(Stdio::null()).stdin(Stdio::null()).spawn().unwrap());
        let deadline = Instant::now() + Duration::from_secs(10);
        while self.try_ask(&["PING"]).as_deref() != Some("PONG") {
            assert!(Instant::now() < deadline, "redis-server does not answer");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Another server with what this one holds now.
    pub fn copy(&self) -> Self {
        assert_eq!(self.ask(&["SAVE"]), "OK");
        let folder = TempDir::new().unwrap();
        std::fs::copy(self.folder().join("dump.rdb"), folder.path().join("dump.rdb")).unwrap();
        let mut other = Self { folder, port: free_port(), arguments: self.arguments.clone(), child: None };
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
