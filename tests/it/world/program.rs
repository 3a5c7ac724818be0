//! The program as a user runs it: `tollgate` with arguments, or serving in the background.
//!
//! Everything that it prints is kept, so that a test can search all of it for secrets.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use super::{Connection, Recorder};

/// What a finished program left.
pub struct Ran {
    pub ok: bool,
    pub out: String,
    pub err: String,
}

impl Ran {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|_| panic!("no JSON: {}{}", self.out, self.err))
    }
}

/// Runs the program to its end.
pub fn tollgate(arguments: &[&str]) -> Ran {
    let output = command(arguments).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ran { ok: output.status.success(), out: text(output.stdout), err: text(output.stderr) }
}

/// Where the program is that is tested.
pub fn program() -> OsString {
    std::env::var_os("TOLLGATE_TEST_PROGRAM").unwrap_or_else(|| env!("CARGO_BIN_EXE_tollgate").into())
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(program());
    command.args(arguments).stdin(Stdio::null());
    command
}

/// A folder with a configuration, and everything that programs said in it.
pub struct World {
    pub folder: TempDir,
    pub recorder: Recorder,
}

impl World {
    /// A world whose gateway serves `crm` in front of a recorder. `extra` stands before the
    /// server, `server` inside it.
    pub fn new(extra: &str, server: &str) -> Self {
        let (folder, recorder) = (TempDir::new().unwrap(), Recorder::start());
        let text = format!(
            r#"
[listen]
address = "127.0.0.1:0"
plaintext = "loopback"
workers = 1
# Tests come without a right key more often than anybody.
failed_keys = {{ rate = "1000000/s", burst = 1000000 }}
[admin]
address = "127.0.0.1:0"
[log]
level = "debug"
format = "json"
{extra}
[[servers]]
name = "crm"
upstreams = ["http://{}/mcp"]
credential = {{ header = "Authorization", value = "Bearer upstream-credential" }}
identity = {{ key_id = "X-Tollgate-Key-Id", owner = "X-Tollgate-Owner" }}
forward_headers = ["X-Request-Id"]
origins = ["https://agent.example.com"]
{server}
[servers.tools."crm.read_*"]
scopes = ["crm:read"]
[servers.tools."crm.write_activity"]
scopes = ["crm:write:activity", "crm:read"]
[servers.prompts."*"]
scopes = ["crm:read"]
[servers.resources."crm://public/**"]
scopes = ["crm:read"]
"#,
            recorder.address
        );
        std::fs::write(folder.path().join("tollgate.toml"), text).unwrap();
        Self { folder, recorder }
    }

    pub fn config(&self) -> PathBuf {
        self.folder.path().join("tollgate.toml")
    }

    /// Runs a command on this world's configuration.
    pub fn run(&self, arguments: &[&str]) -> Ran {
        let config = self.config();
        tollgate(&[arguments, &["--config", config.to_str().unwrap()]].concat())
    }

    /// Issues a key with these scopes: the raw key and its id.
    pub fn issue(&self, scopes: &[&str]) -> (String, String) {
        let mut arguments = vec!["key", "issue", "--json", "--name", "test", "--owner", "Zoë"];
        arguments.extend(scopes.iter().flat_map(|scope| ["--scope", scope]));
        let issued = self.run(&arguments);
        assert!(issued.ok, "{}", issued.err);
        let issued = issued.json();
        (issued["key"].as_str().unwrap().into(), issued["key_id"].as_str().unwrap().into())
    }

    /// Starts the gateway and waits until it serves.
    pub fn serve(&self) -> Gateway {
        let config = self.config();
        Gateway::start(command(&["serve", "--config", config.to_str().unwrap()]))
    }

    /// The same, where standard output leads elsewhere.
    pub fn serve_into(&self, stdout: impl Into<Stdio>) -> Gateway {
        let config = self.config();
        Gateway::start_into(command(&["serve", "--config", config.to_str().unwrap()]), stdout.into())
    }

    /// The same, begun by another program, which is given these arguments and behind them what to run.
    pub fn serve_by(&self, starter: &str, arguments: &[&str]) -> Gateway {
        let config = self.config();
        let program = command(&["serve", "--config", config.to_str().unwrap()]);
        let mut started = Command::new(starter);
        started.args(arguments).arg(program.get_program()).args(program.get_args()).stdin(Stdio::null());
        Gateway::start(started)
    }

    /// The same, where the system allows so many open files.
    pub fn serve_with_descriptors(&self, count: usize) -> Gateway {
        let config = self.config();
        let program = command(&["serve", "--config", config.to_str().unwrap()]);
        let mut limited = Command::new("prlimit");
        limited.arg(format!("--nofile={}:{count}", count / 2)).arg(program.get_program());
        limited.args(program.get_args()).stdin(Stdio::null());
        Gateway::start(limited)
    }
}

/// A gateway in the background; dropping it stops it.
pub struct Gateway {
    child: Child,
    pub address: SocketAddr,
    pub admin: SocketAddr,
    said: Arc<Mutex<String>>,
}

impl Gateway {
    fn start(program: Command) -> Self {
        Self::start_into(program, Stdio::piped())
    }

    fn start_into(mut program: Command, stdout: Stdio) -> Self {
        let mut child = program.stderr(Stdio::piped()).stdout(stdout).spawn().unwrap();
        let said = Arc::new(Mutex::new(String::new()));
        if let Some(stdout) = child.stdout.take() {
            keep(stdout, &said);
        }
        keep(child.stderr.take().unwrap(), &said);
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let text = said.lock().unwrap().clone();
            if let Some(line) = text.lines().find(|line| line.contains(r#""message":"serving""#)) {
                let line: Value = serde_json::from_str(line).unwrap();
                let address = |name: &str| line[name].as_str().unwrap().parse().unwrap();
                return Self { child, address: address("address"), admin: address("admin"), said };
            }
            assert!(child.try_wait().unwrap().is_none(), "the gateway ended: {text}");
            assert!(Instant::now() < deadline, "the gateway does not serve: {text}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub fn connect(&self) -> Connection {
        Connection::open(self.address)
    }

    /// Everything that it printed so far.
    pub fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    pub fn pid(&self) -> String {
        self.child.id().to_string()
    }

    pub fn signal(&self, name: &str) {
        assert!(Command::new("kill").args(["-s", name, &self.pid()]).status().unwrap().success());
    }

    /// Waits until something was printed.
    pub fn await_said(&self, what: &str) {
        self.await_said_times(what, 1);
    }

    /// Waits until something was printed so many times.
    pub fn await_said_times(&self, what: &str, times: usize) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while self.said().matches(what).count() < times {
            assert!(Instant::now() < deadline, "not said: {what} in {}", self.said());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Stops it as an operator would, and returns whether it ended well and in time.
    pub fn stop(&mut self) -> bool {
        self.signal("TERM");
        let deadline = Instant::now() + Duration::from_secs(15);
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.success();
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        false
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn keep(stream: impl Read + Send + 'static, said: &Arc<Mutex<String>>) {
    let said = Arc::clone(said);
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            let mut said = said.lock().unwrap();
            said.push_str(&line);
            said.push('\n');
        }
    });
}
