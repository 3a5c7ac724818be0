//! Upstreams that are silent, slow, endless, huge or wrong; the name of the tool says how.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use super::Kind;
use super::town::{Town, glance, resets};

pub(super) const KINDS: [Kind; 17] = [
    ("upstream: silent", 1, |town| held(town, "silent")),
    ("upstream: half an answer", 1, |town| held(town, "half")),
    ("upstream: half a head", 1, |town| held(town, "half_head")),
    ("upstream: slow head", 1, |town| held(town, "slow_head")),
    ("upstream: slow body", 1, |town| held(town, "slow_body")),
    ("upstream: endless stream", 2, |town| read(town, "endless")),
    ("upstream: chunks of a byte", 2, |town| read(town, "tiny_chunks")),
    ("upstream: event of 96 MB", 2, |town| read(town, "huge_event")),
    ("upstream: endless head", 2, |town| read(town, "endless_head")),
    ("upstream: endless interim answers", 2, |town| read(town, "interim")),
    ("upstream: endless trailers", 2, |town| read(town, "trailers")),
    ("upstream: surplus", 2, |town| read(town, "surplus")),
    ("upstream: closes", 2, |town| read(town, "closes")),
    ("upstream: resets", 2, |town| read(town, "resets")),
    ("upstream: dies in mid-answer", 2, |town| read(town, "dies")),
    ("upstream: garbage", 2, |town| read(town, "garbage")),
    ("upstream: never reads", 1, never_reads),
];

/// Calls whose answers are waited for, many at a time.
fn held(town: &Town, tool: &str) {
    let call = town.bad_call(tool);
    town.hold(100, || town.sent(call.as_bytes()), |_| Ok(()));
}

/// Calls whose answers are read as fast as they come.
fn read(town: &Town, tool: &str) {
    let call = town.bad_call(tool);
    town.again(|| {
        let mut stream = town.sent(call.as_bytes())?;
        let mut buffer = vec![0; 64 * 1024];
        while !town.over() {
            match io::Read::read(&mut stream, &mut buffer) {
                Ok(0) => break,
                Ok(count)
                    if buffer[..count].ends_with(b"}") || buffer[..count].ends_with(b"\r\n0\r\n\r\n") =>
                {
                    stream.write_all(call.as_bytes())?;
                }
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => break,
                _ => {}
            }
        }
        Ok(())
    });
}

/// Bodies of a megabyte that nobody takes.
fn never_reads(town: &Town) {
    let small = town.bad_call("never_reads");
    let (head, body) = small.split_once("\r\n\r\n").unwrap();
    let body =
        body.replace(r#""arguments":{}"#, &format!(r#""arguments":{{"a":"{}"}}"#, "x".repeat(1_000_000)));
    let length = head.rfind("Content-Length").unwrap();
    let call = format!("{}Content-Length: {}\r\n\r\n{body}", &head[..length], body.len());
    let begin = || {
        let mut stream = town.tls()?;
        stream.sock.set_write_timeout(Some(Duration::from_secs(5)))?;
        stream.write_all(call.as_bytes())?;
        Ok(stream)
    };
    town.hold(20, begin, glance);
}

/// The bad server.
pub struct Bad {
    pub address: SocketAddr,
}

impl Bad {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                std::thread::spawn(move || serve(stream));
            }
        });
        Self { address }
    }
}

const SSE: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";

/// Requests one after the other, until one goes wrong or is meant to.
fn serve(stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream);
    loop {
        let (mut length, mut tool) = (0, String::new());
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let line = line.trim_end().to_lowercase();
            if let Some(told) = line.strip_prefix("content-length: ") {
                length = told.parse().unwrap_or(0);
            } else if let Some(name) = line.strip_prefix("mcp-name: ") {
                tool = name.into();
            } else if let Some(name) = line.strip_prefix("last-event-id: ") {
                tool = name.into();
            } else if line.is_empty() {
                break;
            }
        }
        if tool == "never_reads" {
            std::thread::sleep(Duration::from_secs(60));
            return Ok(());
        }
        io::copy(&mut reader.by_ref().take(length), &mut io::sink())?;
        answer(&mut reader, &tool)?;
    }
}

/// Answers; an error ends the connection.
fn answer(reader: &mut BufReader<TcpStream>, tool: &str) -> io::Result<()> {
    let out = reader.get_mut();
    let event = format!("data: {}\n\n", "x".repeat(1_000));
    let chunk = format!("{:x}\r\n{event}\r\n", event.len());
    let endless = |out: &mut TcpStream, piece: &str| -> io::Result<()> {
        loop {
            out.write_all(piece.as_bytes())?;
        }
    };
    let slow = |out: &mut TcpStream| -> io::Result<()> {
        loop {
            out.write_all(b"x")?;
            std::thread::sleep(Duration::from_millis(10));
        }
    };
    match tool {
        "silent" => silent(reader),
        "half" => {
            out.write_all(
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{",
            )?;
            silent(reader)
        }
        "half_head" => {
            out.write_all(b"HTTP/1.1 200 OK\r\nContent-Ty")?;
            silent(reader)
        }
        "slow_head" => {
            out.write_all(b"HTTP/1.1 200 OK\r\nX-Slow: ")?;
            slow(out)
        }
        "slow_body" => {
            out.write_all(
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 9999999\r\n\r\n",
            )?;
            slow(out)
        }
        "endless" => {
            out.write_all(SSE.as_bytes())?;
            endless(out, &chunk.repeat(10))
        }
        "then_silent" => {
            out.write_all(format!("{SSE}{}", chunk.repeat(50)).as_bytes())?;
            silent(reader)
        }
        "tiny_chunks" => {
            out.write_all(SSE.as_bytes())?;
            endless(out, &"1\r\n:\r\n1\r\n\n\r\n".repeat(500))
        }
        "huge_event" => {
            out.write_all(format!("{SSE}6\r\ndata: \r\n").as_bytes())?;
            let piece = format!("f4240\r\n{}\r\n", "x".repeat(1_000_000));
            for _ in 0..96 {
                out.write_all(piece.as_bytes())?;
            }
            out.write_all(b"2\r\n\n\n\r\n0\r\n\r\n")
        }
        "endless_head" => {
            out.write_all(b"HTTP/1.1 200 OK\r\n")?;
            endless(out, &"X-Head: x\r\n".repeat(100))
        }
        "interim" => endless(out, &"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n".repeat(100)),
        "trailers" => {
            out.write_all(format!("{SSE}{chunk}0\r\n").as_bytes())?;
            endless(out, &"X-Trailer: x\r\n".repeat(100))
        }
        "surplus" => {
            out.write_all(OK.repeat(100).as_bytes())?;
            Err(io::ErrorKind::Other.into())
        }
        "closes" => Err(io::ErrorKind::Other.into()),
        "resets" => {
            resets(out)?;
            Err(io::ErrorKind::Other.into())
        }
        "dies" => {
            out.write_all(format!("{SSE}{chunk}ff\r\ndata").as_bytes())?;
            resets(out)?;
            Err(io::ErrorKind::Other.into())
        }
        "garbage" => {
            out.write_all(&[0xff; 1_000])?;
            Err(io::ErrorKind::Other.into())
        }
        _ => out.write_all(OK.as_bytes()),
    }
}

/// Says nothing until the other side leaves.
fn silent(reader: &mut BufReader<TcpStream>) -> io::Result<()> {
    let _ = reader.read(&mut [0]);
    Err(io::ErrorKind::Other.into())
}
