//! The way between a gateway and Redis, which a test can interrupt: connections stay open and nothing
//! comes through, as when a network is parted.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// A forwarder to a port on this machine. Its threads end with the connections, and the listener's
/// when it is dropped.
pub struct Wire {
    pub port: u16,
    cut: Arc<AtomicBool>,
    over: Arc<AtomicBool>,
}

impl Wire {
    pub fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let own = listener.local_addr().unwrap().port();
        let (cut, over) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let wire = Self { port: own, cut: Arc::clone(&cut), over: Arc::clone(&over) };
        std::thread::spawn(move || {
            while !over.load(Ordering::Relaxed) {
                match listener.accept() {
                    Ok((near, _)) => join(near, port, &cut, &over),
                    Err(_) => std::thread::sleep(Duration::from_millis(2)),
                }
            }
        });
        wire
    }

    /// Nothing comes through from now on, or everything does again.
    pub fn cut(&self, cut: bool) {
        self.cut.store(cut, Ordering::Relaxed);
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

fn join(near: TcpStream, port: u16, cut: &Arc<AtomicBool>, over: &Arc<AtomicBool>) {
    near.set_nonblocking(false).unwrap();
    let Ok(far) = TcpStream::connect(("127.0.0.1", port)) else { return };
    for (mut from, mut to) in [(near.try_clone().unwrap(), far.try_clone().unwrap()), (far, near)] {
        let (cut, over) = (Arc::clone(cut), Arc::clone(over));
        let _ = from.set_nodelay(true);
        from.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        std::thread::spawn(move || {
            let mut piece = [0; 16_384];
            while !over.load(Ordering::Relaxed) {
                if cut.load(Ordering::Relaxed) {
                    std::thread::sleep(Duration::from_millis(2));
                    continue;
                }
                match from.read(&mut piece) {
                    Ok(0) => break,
                    Ok(count) => {
                        // What was read when the way was parted waits until it is joined again.
                        while cut.load(Ordering::Relaxed) && !over.load(Ordering::Relaxed) {
                            std::thread::sleep(Duration::from_millis(2));
                        }
                        if to.write_all(&piece[..count]).is_err() {
                            break;
                        }
                    }
                    Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                    Err(_) => break,
                }
            }
            let _ = to.shutdown(std::net::Shutdown::Both);
        });
    }
}
