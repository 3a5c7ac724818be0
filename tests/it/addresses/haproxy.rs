//! A real haproxy before a gateway, ended when the test is.

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::registry::free_port;

/// A running haproxy.
pub(super) struct Haproxy {
    child: Child,
    _folder: TempDir,
    pub(super) address: SocketAddr,
}

impl Haproxy {
    /// Passes connections on to a gateway: `mode` is `tcp` or `http` with what belongs to it, `server`
    /// what is said of the gateway.
    pub(super) fn start(gateway: SocketAddr, mode: &str, server: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        let file = folder.path().join("haproxy.cfg");
        let text = format!(
            "global\n  nbthread 1\n  maxconn 100\n  no strict-limits\ndefaults\n  mode {mode}\n  timeout connect 5s\n  timeout client 30s\n  timeout server 30s\nlisten before\n  bind {address}\n  server gateway {gateway} {server}\n"
        );
        std::fs::write(&file, text).unwrap();
        // Installed by `cargo xtask test`.
        let mut haproxy = Command::new("haproxy");
        haproxy.args(["-db", "-q", "-f", file.to_str().unwrap()]).stdin(Stdio::null());
        let child = haproxy.spawn().unwrap();
        let deadline = Instant::now() + Duration::from_secs(10);
        while TcpStream::connect(address).is_err() {
            assert!(Instant::now() < deadline, "haproxy does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        Self { child, _folder: folder, address }
    }
}

impl Drop for Haproxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
