//! An upstream that writes down every byte it receives, and answers as the tool's name asks.
//!
//! It stands in for a server only where the test is about the bytes themselves; whether MCP
//! works is tested with real servers.

use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use super::answers::answer;

/// A listening recorder.
pub struct Recorder {
    pub address: SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
    closed: Arc<Mutex<Vec<Instant>>>,
}

impl Recorder {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (seen, closed) = (Arc::default(), Arc::<Mutex<Vec<Instant>>>::default());
        let (seen_by, closed_by) = (Arc::clone(&seen), Arc::clone(&closed));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (seen, closed) = (Arc::clone(&seen_by), Arc::clone(&closed_by));
                std::thread::spawn(move || {
                    let _ = serve(stream, &seen);
                    closed.lock().unwrap().push(Instant::now());
                });
            }
        });
        Self { address, seen, closed }
    }

    /// Every request so far, head and body.
    pub fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }

    /// How many requests there were so far.
    pub fn count(&self) -> usize {
        self.seen.lock().unwrap().len()
    }

    /// The last request's head, lower case.
    pub fn last_head(&self) -> String {
        let seen = self.seen();
        seen.last().unwrap().split("\r\n\r\n").next().unwrap().to_lowercase()
    }

    /// When connections were closed by the gateway.
    pub fn closed(&self) -> Vec<Instant> {
        self.closed.lock().unwrap().clone()
    }
}

fn serve(stream: TcpStream, seen: &Mutex<Vec<String>>) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if reader.read_line(&mut head)? == 0 {
                // What is no request is kept as well, so that nothing that came is overlooked.
                if !head.is_empty() {
                    seen.lock().unwrap().push(head);
                }
                return Ok(());
            }
        }
        let lower = head.to_lowercase();
        let length =
            lower.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let body = String::from_utf8_lossy(&body).into_owned();
        seen.lock().unwrap().push(format!("{head}{body}"));
        if !answer(&mut reader, &head, &body)? {
            return Ok(());
        }
    }
}
