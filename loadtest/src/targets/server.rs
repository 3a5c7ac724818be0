//! A server process of a measurement: started on a core, found listening, its whole tree of
//! processes counted, killed at the end.
//!
//! Only processes of its own tree are ever ended, each by its number.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Read};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::machine::{Cores, Figures};
use crate::{Done, machine};

/// Time that a server has to listen.
const START: Duration = Duration::from_secs(20);
/// How often a server is tried that does not say where it listens.
const TRIED_EVERY: Duration = Duration::from_millis(20);
/// Of a server that does not start, so many of its last lines are shown.
const LAST_LINES: usize = 8;
/// Processes that a tree may have; a server with more is not what it is taken for.
const LARGEST_TREE: usize = 64;

/// What is started.
#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) path: PathBuf,
    pub(crate) arguments: Vec<String>,
}

impl Program {
    /// A program with arguments.
    pub(crate) fn new(path: &Path, arguments: &[&str]) -> Self {
        let arguments = arguments.iter().map(|&argument| argument.to_owned()).collect();
        Self { path: path.to_owned(), arguments }
    }

    /// This program itself, as one of the servers of our own.
    pub(crate) fn own(arguments: &[&str]) -> Done<Self> {
        let own = std::env::current_exe().map_err(|error| error.to_string())?;
        Ok(Self::new(&own, arguments))
    }
}

/// A running server; it ends, with its children, when this is dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
    /// Resident memory when it had just begun to listen, in bytes.
    pub(crate) idle_rss: u64,
}

impl Server {
    /// Starts a program on a core, and waits until it says where it listens: one line of
    /// JSON, on either stream, with `listening`, or with `address` as the gateway logs it.
    pub(crate) fn start(program: &Program, core: usize, own_core: usize) -> Done<Self> {
        let (server, told, _) = Self::spawn(program, core, own_core)?;
        let mut said = LastLines::default();
        // Ends with the address, the time limit between lines, or both streams' end.
        while let Ok(line) = told.recv_timeout(START) {
            if let Some(address) = address(&line) {
                return Ok(server.listening(address));
            }
            said.push(line);
        }
        Err(format!("{} did not start: {}", program.path.display(), said.text()))
    }

    /// Starts a program that was told to listen on `address`, and waits until it accepts there.
    pub(crate) fn start_at(program: &Program, address: SocketAddr, cores: Cores) -> Done<Self> {
        // The sender is kept, so that the channel serves as the timer to the end.
        let (mut server, told, _open) = Self::spawn(program, cores.target, cores.load)?;
        let (mut said, begun) = (LastLines::default(), Instant::now());
        while begun.elapsed() < START {
            match told.recv_timeout(TRIED_EVERY) {
                Ok(line) => said.push(line),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    let ended = server.child.try_wait().map_err(|error| error.to_string())?;
                    if let Some(status) = ended {
                        let path = program.path.display();
                        return Err(format!("{path} ended at once ({status}): {}", said.text()));
                    }
                    if TcpStream::connect_timeout(&address, START).is_ok() {
                        return Ok(server.listening(address));
                    }
                }
            }
        }
        let path = program.path.display();
        Err(format!("{path} does not listen on {address} after {} s: {}", START.as_secs(), said.text()))
    }

    fn spawn(
        program: &Program,
        core: usize,
        own_core: usize,
    ) -> Done<(Self, Receiver<String>, SyncSender<String>)> {
        let mut command = Command::new(&program.path);
        command.args(&program.arguments);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // A process inherits the core of the thread that starts it, with all its threads.
        machine::pin(core)?;
        let child = command.spawn();
        machine::pin(own_core)?;
        let mut child =
            child.map_err(|error| format!("{} cannot be started: {error}", program.path.display()))?;
        let (tell, told) = sync_channel(64);
        listen_to(child.stdout.take(), tell.clone());
        listen_to(child.stderr.take(), tell.clone());
        let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));
        Ok((Self { child, address: nowhere, idle_rss: 0 }, told, tell))
    }

    fn listening(mut self, address: SocketAddr) -> Self {
        self.address = address;
        self.idle_rss = self.resident();
        self
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What its whole tree used: some peers work in children of a master. Pages that processes
    /// share count in each.
    pub(crate) fn figures(&self) -> Done<Figures> {
        let own = machine::figures(self.pid())?;
        tree(self.pid()).into_iter().skip(1).try_fold(own, |sum, child| Ok(sum.and(machine::figures(child)?)))
    }

    /// Resident memory of its whole tree, in bytes, counted likewise.
    pub(crate) fn resident(&self) -> u64 {
        tree(self.pid()).into_iter().map(machine::resident).sum()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let tree = tree(self.pid());
        // It may have ended by itself; then there is nothing to do. The parent goes first, so
        // that it starts no other child.
        let _ = self.child.kill();
        let _ = self.child.wait();
        for pid in tree.into_iter().skip(1) {
            if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
                let _ = kill_process(pid, Signal::KILL);
            }
        }
    }
}

/// A loopback address that nobody listens on, for a program that cannot choose one itself.
pub(crate) fn free_address() -> Done<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|error| format!("no free port: {error}"))?;
    listener.local_addr().map_err(|error| error.to_string())
}

/// A process and all beneath it, itself first.
fn tree(pid: u32) -> Vec<u32> {
    let (mut found, mut open) = (Vec::new(), VecDeque::from([pid]));
    while let Some(pid) = open.pop_front().filter(|_| found.len() < LARGEST_TREE) {
        found.push(pid);
        let Ok(threads) = std::fs::read_dir(format!("/proc/{pid}/task")) else { continue };
        for thread in threads.flatten() {
            let children = std::fs::read_to_string(thread.path().join("children")).unwrap_or_default();
            open.extend(children.split_ascii_whitespace().filter_map(|child| child.parse::<u32>().ok()));
        }
    }
    found
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

/// The end of what a server said.
#[derive(Default)]
struct LastLines(VecDeque<String>);

impl LastLines {
    fn push(&mut self, line: String) {
        self.0.push_back(line);
        if self.0.len() > LAST_LINES {
            self.0.pop_front();
        }
    }

    fn text(self) -> String {
        if self.0.is_empty() {
            return "it said nothing".to_owned();
        }
        self.0.into_iter().collect::<Vec<_>>().join("\n")
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Program, Server, free_address, tree};
    use crate::machine;

    fn shell(script: &str) -> Program {
        Program::new(Path::new("/bin/sh"), &["-c", script])
    }

    #[test]
    fn a_server_that_does_not_start_is_told_with_its_last_lines() {
        let cores = machine::cores().unwrap();
        let address = free_address().unwrap();
        let said = Server::start_at(&shell("echo first; echo no such port >&2; exit 3"), address, cores);
        let said = said.err().unwrap();
        assert!(said.contains("ended at once") && said.contains("no such port"), "{said}");
        let said = Server::start(&shell("echo no certificate"), cores.target, cores.load).err().unwrap();
        assert!(said.contains("no certificate"), "{said}");
    }

    #[test]
    fn children_are_counted_and_end_with_their_parent() {
        let cores = machine::cores().unwrap();
        let script = r#"sleep 30 & sleep 30 & echo '{"listening":"127.0.0.1:9"}'; wait"#;
        let server = Server::start(&shell(script), cores.target, cores.load).unwrap();
        let processes = tree(server.pid());
        assert_eq!(processes.len(), 3, "{processes:?}");
        assert!(server.resident() > machine::resident(server.pid()));
        let (all, own) = (server.figures().unwrap(), machine::figures(server.pid()).unwrap());
        assert!(all.descriptors > own.descriptors && all.cpu >= own.cpu);
        drop(server);
        let gone = || processes.iter().all(|pid| machine::resident(*pid) == 0);
        // They are killed, but not our children: the kernel takes a moment.
        let begun = std::time::Instant::now();
        while !gone() && begun.elapsed().as_secs() < 5 {
            std::thread::yield_now();
        }
        assert!(gone());
    }
}
