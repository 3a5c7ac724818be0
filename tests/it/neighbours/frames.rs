//! An HTTP/2 client that sends exactly the frames it is told, right or wrong (RFC 9113).
//!
//! It keeps no account of windows or streams and reads only to throw away.

use std::io::{self, Read as _, Write as _};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::world::{Secure, Trusting, call, call_headers};

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const PRIORITY: u8 = 2;
pub const RESET: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const WINDOW: u8 = 8;
pub const CONTINUATION: u8 = 9;
pub const END_STREAM: u8 = 1;
pub const END_HEADERS: u8 = 4;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// One connection.
pub struct Client {
    stream: Secure,
}

impl Client {
    /// A connection with the preface and empty settings sent.
    pub fn open(trusting: &Trusting, address: SocketAddr, patience: Duration) -> io::Result<Self> {
        Self::over(trusting.connect(address, true, patience)?)
    }

    /// The same over a stream that is there.
    pub fn over(stream: Secure) -> io::Result<Self> {
        let mut client = Self { stream };
        client.stream.write_all(PREFACE)?;
        client.settings(&[])?;
        Ok(client)
    }

    pub fn settings(&mut self, settings: &[(u16, u32)]) -> io::Result<()> {
        let payload: Vec<u8> = settings
            .iter()
            .flat_map(|(id, value)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat())
            .collect();
        self.frame(SETTINGS, 0, 0, &payload)
    }

    pub fn frame(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> io::Result<()> {
        self.stream.write_all(&frame(kind, flags, stream, payload))
    }

    /// Sends frames that were put together before.
    pub fn raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// A modern call of a tool of `crm`, whole.
    pub fn call(&mut self, stream: u32, key: &str, tool: &str) -> io::Result<()> {
        let body = call(tool);
        self.frame(HEADERS, END_HEADERS, stream, &call_block(key, "/crm/mcp", tool))?;
        self.frame(DATA, END_STREAM, stream, body.as_bytes())
    }

    /// Reads what there is, for at most `time`; an error once the other side has closed.
    pub fn discard(&mut self, time: Duration) -> io::Result<()> {
        let (deadline, mut buffer) = (Instant::now() + time, [0; 16 * 1024]);
        while Instant::now() < deadline {
            match self.stream.read(&mut buffer) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Reads one frame: kind, flags, stream, payload.
    pub fn read(&mut self) -> io::Result<(u8, u8, u32, Vec<u8>)> {
        let mut head = [0; 9];
        self.stream.read_exact(&mut head)?;
        let number = |bytes: &[u8]| bytes.iter().fold(0, |number, byte| number << 8 | u32::from(*byte));
        let mut payload = vec![0; number(&head[..3]) as usize];
        self.stream.read_exact(&mut payload)?;
        Ok((head[3], head[4], number(&head[5..]), payload))
    }

    /// Reads to the end; false when it does not come before the patience is over.
    pub fn ended(&mut self) -> bool {
        self.discard(Duration::from_secs(60)).is_err()
    }
}

/// One frame.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// The header block of a call.
pub fn call_block(key: &str, path: &str, tool: &str) -> Vec<u8> {
    let authorization = format!("Bearer {key}");
    let mut lines =
        vec![(":method", "POST"), (":scheme", "https"), (":path", path), (":authority", "localhost")];
    lines.push(("authorization", &authorization));
    let headers = call_headers(tool);
    let mut block = block(&lines);
    for (name, value) in &headers {
        block.extend(line(&name.to_lowercase(), value));
    }
    block
}

/// A header block of literals that nothing indexes (RFC 7541 §6.2.2).
pub fn block(lines: &[(&str, &str)]) -> Vec<u8> {
    lines.iter().flat_map(|(name, value)| line(name, value)).collect()
}

pub fn line(name: &str, value: &str) -> Vec<u8> {
    [&[0][..], &length(name.len()), name.as_bytes(), &length(value.len()), value.as_bytes()].concat()
}

/// A length with a prefix of seven bits (RFC 7541 §5.1).
fn length(length: usize) -> Vec<u8> {
    if length < 127 {
        return vec![length as u8];
    }
    let (mut rest, mut bytes) = (length - 127, vec![127]);
    while rest >= 128 {
        bytes.push((rest % 128) as u8 | 128);
        rest /= 128;
    }
    bytes.push(rest as u8);
    bytes
}
