//! A Redis of its own for the run, and how many scripts it has run.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use crate::Done;
use crate::machine::Cores;
use crate::targets::server::{Program, Server, free_address};

/// Largest answer that is read.
const MOST: usize = 1 << 20;

/// The server; it ends when this is dropped.
pub(super) struct Redis(Server);

impl Redis {
    pub(super) fn start(program: &Path, folder: &Path, cores: Cores) -> Done<Self> {
        let address = free_address()?;
        let (port, folder) = (address.port().to_string(), folder.display().to_string());
        let settings = ["--save", "", "--bind", "127.0.0.1", "--port", &port, "--dir", &folder];
        // It is elsewhere for a gateway: what it does must not take the gateways' core.
        let cores = Cores { target: cores.load, ..cores };
        Ok(Self(Server::start_at(&Program::new(program, &settings), address, cores)?))
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.0.address
    }

    /// Scripts that it has run so far: the questions about limits, and each second four heartbeats of each
    /// gateway.
    pub(super) fn scripts(&self) -> Done<u64> {
        let failed = |error: std::io::Error| format!("Redis does not tell its counts: {error}");
        let mut stream = TcpStream::connect(self.0.address).map_err(failed)?;
        stream.set_read_timeout(Some(Duration::from_secs(5))).map_err(failed)?;
        stream.write_all(b"INFO commandstats\r\nQUIT\r\n").map_err(failed)?;
        let mut told = String::new();
        stream.take(MOST as u64).read_to_string(&mut told).map_err(failed)?;
        Ok(["cmdstat_eval:calls=", "cmdstat_evalsha:calls="].iter().map(|name| count(&told, name)).sum())
    }
}

fn count(told: &str, name: &str) -> u64 {
    let line = told.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    line.split(',').next().and_then(|count| count.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::count;

    #[test]
    fn counts_are_read_by_their_name() {
        let told = "$99\r\ncmdstat_eval:calls=7,usec=1\r\ncmdstat_evalsha:calls=12,usec=3\r\n";
        assert_eq!((count(told, "cmdstat_eval:calls="), count(told, "cmdstat_evalsha:calls=")), (7, 12));
        assert_eq!(count(told, "cmdstat_get:calls="), 0);
    }
}
