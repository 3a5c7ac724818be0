//! The innocent client: calls a tool again and again on its connection, opens another now and
//! then, and notes how long each answer took.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::time::{Duration, Instant};

use super::town::Town;
use crate::world::{ANSWER, Secure, call_bytes};

/// How long an innocent client would wait.
const PATIENCE: Duration = Duration::from_secs(10);
/// Calls on one connection.
const CALLS: usize = 50;

/// Calls for a time; the latency of each call, sorted. An error is whatever is no answer.
pub fn calls(town: &Town, time: Duration) -> Result<Vec<Duration>, String> {
    let request = call_bytes(&town.key, "crm.read_x");
    let (begun, mut took, mut stream) = (Instant::now(), Vec::new(), None);
    while begun.elapsed() < time {
        let at = Instant::now();
        let call = (|| {
            let open = match stream.take() {
                Some(open) if took.len() % CALLS != 0 => open,
                _ => BufReader::new(town.trusting.connect(town.address(), false, PATIENCE)?),
            };
            one(open, &request)
        })();
        match call {
            Ok((status, body, open)) if (status, body.as_str()) == (200, ANSWER) => stream = Some(open),
            Ok((status, body, _)) => return Err(format!("after {} calls: {status} {body}", took.len())),
            Err(error) => return Err(format!("after {} calls: {error}", took.len())),
        }
        took.push(at.elapsed());
        std::thread::sleep(Duration::from_millis(1));
    }
    took.sort_unstable();
    Ok(took)
}

/// The latency that 99 of 100 calls stay below.
pub fn p99(sorted: &[Duration]) -> Duration {
    sorted.get(sorted.len() * 99 / 100).copied().unwrap_or(Duration::MAX)
}

type Open = BufReader<Secure>;

fn one(mut open: Open, request: &str) -> io::Result<(u16, String, Open)> {
    open.get_mut().write_all(request.as_bytes())?;
    let (mut status, mut length) = (0, 0);
    for number in 0.. {
        let mut line = String::new();
        if open.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let line = line.trim_end().to_lowercase();
        if number == 0 {
            status = line.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or_default();
        } else if let Some(told) = line.strip_prefix("content-length: ") {
            length = told.parse().map_err(io::Error::other)?;
        } else if line.is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    open.read_exact(&mut body)?;
    Ok((status, String::from_utf8_lossy(&body).into_owned(), open))
}
