//! A server process of a measurement: started on a core, asked where it listens, killed at
//! the end.

use std::io::{BufRead as _, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;

use serde_json::Value;

use crate::{Done, machine};

/// Time that a server has to say where it listens.
const START: Duration = Duration::from_secs(20);

/// A running server; it ends when this is dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Server {
    /// Starts a program on a core, and waits until it says where it listens: one line of
    /// JSON, on either stream, with `listening`, or with `address` as the gateway logs it.
    pub(crate) fn start(program: &Path, arguments: &[&str], core: usize, own_core: usize) -> Done<Self> {
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // A process inherits the core of the thread that starts it, with all its threads.
        machine::pin(core)?;
        let child = command.spawn();
        machine::pin(own_core)?;
        let mut child = child.map_err(|error| format!("{} cannot be started: {error}", program.display()))?;
        let (tell, told) = sync_channel(64);
        listen_to(child.stdout.take(), tell.clone());
        listen_to(child.stderr.take(), tell);
        let mut server = Self { child, address: SocketAddr::from(([0, 0, 0, 0], 0)) };
        let mut said = String::new();
        // Ends with the address, the time limit between lines, or both streams' end.
        while let Ok(line) = told.recv_timeout(START) {
            if let Some(address) = address(&line) {
                server.address = address;
                return Ok(server);
            }
            said.push_str(&line);
            said.push('\n');
        }
        Err(format!("{} did not start: {}", program.display(), said.trim_end()))
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads a stream to its end, so that the process never waits; the first lines are told.
fn listen_to(stream: Option<impl Read + Send + 'static>, tell: SyncSender<String>) {
    let Some(stream) = stream else { return };
    std::thread::spawn(move || {
        let mut tell = Some(tell);
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            // Nobody listens any more once the address is known.
            tell = tell.filter(|tell| tell.try_send(line).is_ok());
        }
    });
}

fn address(line: &str) -> Option<SocketAddr> {
    let line: Value = serde_json::from_str(line).ok()?;
    let text = line.get("listening").or_else(|| line.get("address"))?;
    text.as_str()?.parse().ok()
}
