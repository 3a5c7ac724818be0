//! An upstream that writes down every byte it receives, and answers as the tool's name asks.
//!
//! It stands in for a server only where the test is about the bytes themselves; whether MCP
//! works is tested with real servers.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// The answer to everything that asks for nothing special.
pub const ANSWER: &str = r#"{"jsonrpc":"2.0","id":7,"result":{"resultType":"complete","content":[]}}"#;

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

/// Answers; false when the connection ends with it.
fn answer(stream: &mut BufReader<TcpStream>, head: &str, body: &str) -> std::io::Result<bool> {
    let whole = |status: &str, headers: &str, body: &str| {
        format!(
            "HTTP/1.1 {status}\r\nContent-Type: application/json\r\n{headers}Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let sse = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
    let asked = |what: &str| body.contains(&format!(r#""name":"crm.read_{what}""#));
    let text = if asked("unauthorized") {
        whole("401 Unauthorized", "WWW-Authenticate: Bearer resource_metadata=\"https://evil\"\r\n", "{}")
    } else if asked("odd_headers") {
        whole(
            "200 OK",
            "Set-Cookie: a=b\r\nServer: secret/1\r\nAccess-Control-Allow-Origin: *\r\nKeep-Alive: timeout=5\r\nMcp-Session-Id: stray\r\nX-Request-Id: r1\r\n",
            ANSWER,
        )
    } else if asked("close") {
        return Ok(false);
    } else if asked("early") {
        // Answers, and then says something that nobody asked for.
        stream.get_mut().write_all(whole("200 OK", "", ANSWER).as_bytes())?;
        std::thread::sleep(Duration::from_millis(50));
        whole("200 OK", "", r#"{"of":"another"}"#)
    } else if asked("long") {
        // As long as the request: it is the request.
        whole("200 OK", "", body)
    } else if asked("surplus") {
        whole("200 OK", "", ANSWER) + &whole("200 OK", "", r#"{"of":"another"}"#)
    } else if asked("two_lengths") {
        whole("200 OK", "Content-Length: 3\r\n", ANSWER)
    } else if asked("both_framings") {
        whole("200 OK", "Transfer-Encoding: chunked\r\n", ANSWER)
    } else if asked("until_close") {
        let text = format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{ANSWER}");
        stream.get_mut().write_all(text.as_bytes())?;
        return Ok(false);
    } else if asked("cut") {
        stream.get_mut().write_all(format!("{sse}5\r\ndata:\r\n").as_bytes())?;
        return Ok(false);
    } else if asked("silence")
        || (head.starts_with("GET") && head.to_lowercase().contains("last-event-id: silence"))
    {
        if head.starts_with("GET") {
            stream.get_mut().write_all(format!("{sse}3\r\n:\r\n\r\n").as_bytes())?;
        }
        // Answers nothing until the other side leaves.
        let mut byte = [0];
        stream.get_ref().set_read_timeout(Some(Duration::from_secs(30)))?;
        let _ = stream.read(&mut byte);
        return Ok(false);
    } else if asked("events") {
        stream.get_mut().write_all(sse.as_bytes())?;
        for event in
            ["id: 1\r\ndata:\r\n\r\n", ": comment\n\n", "retry: 5\n\n", "event: message\ndata: {\"a\":1}\n\n"]
        {
            stream.get_mut().write_all(format!("{:x}\r\n{event}\r\n", event.len()).as_bytes())?;
            std::thread::sleep(Duration::from_millis(100));
        }
        "0\r\n\r\n".into()
    } else if body.contains("\"method\":\"notifications/") {
        "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n".into()
    } else {
        whole("200 OK", "", ANSWER)
    };
    stream.get_mut().write_all(text.as_bytes())?;
    Ok(true)
}
