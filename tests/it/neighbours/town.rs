//! One gateway with TLS, an innocent server, a bad one and one that is gone; and the bad
//! neighbours' tools: connections that give up waiting soon, so that each ends when told to.

use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use super::upstreams::Bad;
use crate::world::{Gateway, Secure, Trusting, World, call_bytes};

/// How long a bad neighbour waits for anything, so that it notices that it has to stop.
const PATIENCE: Duration = Duration::from_millis(100);

pub struct Town {
    _world: World,
    pub gateway: Gateway,
    pub trusting: Trusting,
    /// The innocent client's key.
    pub key: String,
    /// The bad neighbours' key.
    pub bad_key: String,
    stop: AtomicBool,
    numbers: AtomicU64,
    _bad: Bad,
}

impl Town {
    pub fn build() -> Self {
        let (world, bad) = (World::new("", ""), Bad::start());
        let trusting = world.secure();
        // What the log says of each refusal would be read by the same machine.
        world.edit("level = \"debug\"", "level = \"info\"");
        let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut text = std::fs::read_to_string(world.config()).unwrap();
        for (name, address) in [("bad", bad.address), ("gone", gone)] {
            text += &format!(
                "\n[[servers]]\nname = \"{name}\"\nupstreams = [\"http://{address}/mcp\"]\n[servers.tools.\"*\"]\nscopes = [\"crm:read\"]\n"
            );
        }
        std::fs::write(world.config(), text).unwrap();
        let (key, bad_key) = (world.issue(&["crm:read"]).0, world.issue(&["crm:read"]).0);
        let gateway = world.serve();
        let (stop, numbers) = (AtomicBool::new(false), AtomicU64::new(1));
        Self { _world: world, gateway, trusting, key, bad_key, stop, numbers, _bad: bad }
    }

    pub fn address(&self) -> SocketAddr {
        self.gateway.address
    }

    /// Whether the bad neighbours have to stop.
    pub fn over(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    pub fn set_over(&self, over: bool) {
        self.stop.store(over, Ordering::Relaxed);
    }

    /// Does something again and again until it is over; what fails is begun anew.
    pub fn again(&self, mut something: impl FnMut() -> io::Result<()>) {
        while !self.over() {
            if something().is_err() {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    }

    /// Makes up to `count` of something and holds them; `each` is done to all, again and again.
    pub fn hold<T>(
        &self,
        count: usize,
        make: impl Fn() -> io::Result<T>,
        mut each: impl FnMut(&mut T) -> io::Result<()>,
    ) {
        let mut held = Vec::new();
        while !self.over() {
            if held.len() < count
                && let Ok(made) = make()
            {
                held.push(made);
            }
            if held.len() == count {
                held.retain_mut(|one| self.over() || each(one).is_ok());
                std::thread::sleep(Duration::from_millis(5));
            }
        }
    }

    /// A number that was not given before; odd strides make it look like none.
    pub fn random(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9E37_79B9_7F4A_7C15)
    }

    /// A TCP connection.
    pub fn tcp(&self) -> io::Result<TcpStream> {
        let stream = TcpStream::connect(self.address())?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(stream)
    }

    /// A TLS connection for HTTP/1.1.
    pub fn tls(&self) -> io::Result<Secure> {
        self.trusting.connect(self.address(), false, PATIENCE)
    }

    /// A connection for HTTP/2.
    pub fn h2(&self) -> io::Result<super::frames::Client> {
        super::frames::Client::open(&self.trusting, self.address(), PATIENCE)
    }

    /// A TLS connection on which this was sent.
    pub fn sent(&self, bytes: &[u8]) -> io::Result<Secure> {
        let mut stream = self.tls()?;
        stream.write_all(bytes)?;
        Ok(stream)
    }

    /// A call of a tool of the bad server by the bad neighbour.
    pub fn bad_call(&self, tool: &str) -> String {
        call_bytes(&self.bad_key, tool).replacen("/crm/", "/bad/", 1)
    }

    /// The head of a POST by the bad neighbour, without its end.
    pub fn bad_head(&self, framing: &str) -> String {
        format!(
            "POST /bad/mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nAuthorization: Bearer {}\r\n{framing}\r\n",
            self.bad_key
        )
    }
}

/// Reads once and throws away; nothing to read is no error.
pub fn glance(stream: &mut impl io::Read) -> io::Result<()> {
    match stream.read(&mut [0; 4096]) {
        Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
        Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
        _ => Ok(()),
    }
}

/// Has the connection end with a reset.
pub fn resets(stream: &TcpStream) -> io::Result<()> {
    socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO))
}
