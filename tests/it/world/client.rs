//! A client that sends exactly the bytes it is told, and reads one answer at a time.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;
use socket2::{Domain, Socket, Type};

/// One answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    /// `data.reason` of a refusal.
    pub fn reason(&self) -> String {
        self.json()["error"]["data"]["reason"].as_str().unwrap_or_default().into()
    }
}

/// One connection, in plaintext.
pub struct Connection {
    stream: BufReader<TcpStream>,
    pub host: String,
}

impl Connection {
    pub fn open(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).unwrap(), address)
    }

    /// One from this address of the machine.
    pub fn open_from(from: &str, address: SocketAddr) -> Self {
        Self::over(connect_from(from, address).unwrap(), address)
    }

    fn over(stream: TcpStream, address: SocketAddr) -> Self {
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream: BufReader::new(stream), host: address.to_string() }
    }

    /// Sends bytes as they are.
    pub fn send(&mut self, bytes: &[u8]) {
        self.stream.get_mut().write_all(bytes).unwrap();
    }

    /// Sends bytes to a side that may have closed.
    pub fn try_send(&mut self, bytes: &[u8]) {
        let _ = self.stream.get_mut().write_all(bytes);
    }

    /// Sends a request and reads its answer.
    pub fn request(&mut self, method: &str, path: &str, headers: &[(&str, String)], body: &str) -> Answer {
        let host = if headers.iter().any(|(n, _)| *n == "Host") {
            String::new()
        } else {
            format!("Host: {}\r\n", self.host)
        };
        let lines = header_lines(headers);
        let length =
            if method == "POST" { format!("Content-Length: {}\r\n", body.len()) } else { String::new() };
        self.send(format!("{method} {path} HTTP/1.1\r\n{host}{lines}{length}\r\n{body}").as_bytes());
        self.answer()
    }

    /// Sends a modern call of a tool, and does not wait for its answer.
    pub fn send_call(&mut self, key: &str, tool: &str) {
        self.send(call_bytes(key, tool).as_bytes());
    }

    /// A modern call of a tool.
    pub fn call(&mut self, key: &str, tool: &str) -> Answer {
        let mut headers = super::call_headers(tool);
        headers.push(("Authorization", format!("Bearer {key}")));
        self.request("POST", "/crm/mcp", &headers, &super::call(tool))
    }

    /// Reads the head of an answer, and nothing of its body.
    pub fn head(&mut self) -> Answer {
        let mut line = String::new();
        self.stream.read_line(&mut line).unwrap();
        let status = line.split(' ').nth(1).and_then(|code| code.parse().ok());
        let status = status.unwrap_or_else(|| panic!("no status line: {line:?}"));
        let mut headers = Vec::new();
        loop {
            let mut line = String::new();
            self.stream.read_line(&mut line).unwrap();
            let Some((name, value)) = line.trim_end().split_once(": ") else { break };
            headers.push((name.into(), value.into()));
        }
        Answer { status, headers, body: Vec::new() }
    }

    /// Reads one chunk of a chunked body; `None` at its end or when it broke off.
    pub fn chunk(&mut self) -> Option<Vec<u8>> {
        let mut line = String::new();
        self.stream.read_line(&mut line).ok()?;
        let size = usize::from_str_radix(line.trim(), 16).ok()?;
        let mut chunk = vec![0; size + 2];
        self.stream.read_exact(&mut chunk).ok()?;
        chunk.truncate(size);
        (size > 0).then_some(chunk)
    }

    /// Reads at most a few KiB of whatever comes; `None` at the end.
    pub fn some(&mut self) -> Option<usize> {
        self.stream.read(&mut [0; 4096]).ok().filter(|count| *count > 0)
    }

    /// Reads one chunk of a chunked body, the last one too; `None` when it broke off.
    pub fn piece(&mut self) -> Option<Vec<u8>> {
        let mut line = String::new();
        self.stream.read_line(&mut line).ok()?;
        let size = usize::from_str_radix(line.trim(), 16).ok()?;
        let chunk = self.up_to(size + 2);
        (chunk.len() == size + 2).then(|| chunk[..size].to_vec())
    }

    /// Reads this many bytes, or as many as come.
    pub fn up_to(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        let _ = self.stream.by_ref().take(count as u64).read_to_end(&mut bytes);
        bytes
    }

    /// Reads a whole answer.
    pub fn answer(&mut self) -> Answer {
        let mut answer = self.head();
        if answer.header("transfer-encoding") == Some("chunked") {
            while let Some(chunk) = self.chunk() {
                answer.body.extend(chunk);
            }
        } else if let Some(length) = answer.header("content-length").and_then(|length| length.parse().ok()) {
            answer.body = vec![0; length];
            self.stream.read_exact(&mut answer.body).unwrap();
        }
        answer
    }

    /// Sends nothing more; answers can still be read.
    pub fn finish(&mut self) {
        let _ = self.stream.get_ref().shutdown(std::net::Shutdown::Write);
    }

    /// Whether the other side has closed.
    pub fn closed(&mut self) -> bool {
        let mut byte = [0];
        matches!(self.stream.read(&mut byte), Ok(0) | Err(_))
    }
}

/// Connects from one of the addresses that this machine has: on loopback, all of 127.0.0.0/8.
pub fn connect_from(from: &str, address: SocketAddr) -> std::io::Result<TcpStream> {
    let from: IpAddr = from.parse().unwrap();
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.bind(&SocketAddr::new(from, 0).into())?;
    socket.connect(&address.into())?;
    Ok(socket.into())
}

/// A whole modern call of a tool.
pub fn call_bytes(key: &str, tool: &str) -> String {
    let mut headers = super::call_headers(tool);
    headers.push(("Authorization", format!("Bearer {key}")));
    let (lines, body) = (header_lines(&headers), super::call(tool));
    let length = body.len();
    format!("POST /crm/mcp HTTP/1.1\r\nHost: localhost\r\n{lines}Content-Length: {length}\r\n\r\n{body}")
}

/// Headers as they are sent.
pub fn header_lines(headers: &[(&str, String)]) -> String {
    headers.iter().flat_map(|(name, value)| [name, ": ", value, "\r\n"]).collect()
}
