//! Listening sockets: one for each worker on the same port, so that the kernel spreads
//! connections and no worker waits for another's accept.

use std::io;
use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Protocol, Socket, Type};

/// Connections that the kernel holds for a worker that is busy; Linux caps it at
/// `net.core.somaxconn`, 4096 by default.
const BACKLOG: i32 = 4096;

/// Why an address cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {reason}")]
pub struct ListenFault {
    address: SocketAddr,
    reason: String,
}

/// Binds `count` sockets to one address; port 0 takes a free one, the same for all.
pub fn bind(address: SocketAddr, count: usize) -> Result<Vec<TcpListener>, ListenFault> {
    let fault = |error: io::Error| ListenFault { address, reason: reason(&error) };
    // The first bind is exclusive: it fails where somebody listens already. With a shared
    // port alone, a second gateway of the same user would silently take half the clients.
    let probe = socket(address, false).map_err(fault)?;
    let bound = probe.local_addr().map_err(fault)?;
    if count == 1 {
        return Ok(vec![probe]);
    }
    drop(probe);
    (0..count).map(|_| socket(bound, true).map_err(fault)).collect()
}

fn socket(address: SocketAddr, shared: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(shared)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            "the port is in use; stop the other program or choose another port".into()
        }
        io::ErrorKind::PermissionDenied => "this user may not use the port; choose one above 1023".into(),
        io::ErrorKind::AddrNotAvailable => "this machine has no such address".into(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::bind;

    #[test]
    fn all_sockets_share_a_port_and_a_stranger_is_refused() {
        let sockets = bind("127.0.0.1:0".parse().unwrap(), 3).unwrap();
        let address = sockets[0].local_addr().unwrap();
        assert!(sockets.iter().all(|s| s.local_addr().unwrap() == address));
        let error = bind(address, 2).unwrap_err().to_string();
        assert!(error.contains("in use"), "{error}");
    }
}
