//! What the recording upstream answers: a script for each word that stands after `crm.read_`
//! in the tool's name, or in `X-Request-Id`, which passes the gateway.
//!
//! Most scripts are faults: what a broken, slow or malicious server might do. None of them may
//! know the gateway.

use std::io::{BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// The answer to everything that asks for nothing special.
pub const ANSWER: &str = r#"{"jsonrpc":"2.0","id":7,"result":{"resultType":"complete","content":[]}}"#;

const SSE: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";

type Stream = BufReader<TcpStream>;
type Kept = std::io::Result<bool>;

/// Answers; false when the connection ends with it.
pub(super) fn answer(stream: &mut Stream, head: &str, body: &str) -> Kept {
    let lower = head.to_lowercase();
    let named = body.split(r#""name":"crm.read_"#).nth(1).and_then(|rest| rest.split('"').next());
    let told = lower.lines().find_map(|line| line.strip_prefix("x-request-id: "));
    let script = told.or(named).unwrap_or_default();
    let out = stream.get_mut();
    match script {
        "close" => Ok(false),
        "early" => {
            // Answers, and then says something that nobody asked for.
            send(out, &whole("200 OK", "", ANSWER))?;
            pause(50);
            send(out, &whole("200 OK", "", r#"{"of":"another"}"#))
        }
        "until_close" => {
            send(out, &format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{ANSWER}"))?;
            Ok(false)
        }
        "cut" => {
            send(out, &format!("{SSE}5\r\ndata:\r\n"))?;
            Ok(false)
        }
        "cut_json" => {
            send(out, &whole("200 OK", "", ANSWER)[..100])?;
            Ok(false)
        }
        "cut_long" => {
            let long = whole("200 OK", "", &format!("\"{}\"", "x".repeat(100_000)));
            send(out, &long[..50_000])?;
            Ok(false)
        }
        "cut_event" => {
            send(out, &format!("{SSE}100\r\ndata: {{\"jsonrpc\":\"2.0\""))?;
            Ok(false)
        }
        "cut_head" => {
            send(out, &whole("200 OK", "", ANSWER)[..40])?;
            Ok(false)
        }
        "reset" => {
            // No length, and no end that was meant as one.
            send(out, &format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{ANSWER}"))?;
            pause(50);
            socket2::SockRef::from(&*out).set_linger(Some(Duration::ZERO))?;
            Ok(false)
        }
        "late_204" => {
            send(out, &format!("HTTP/1.1 204 No Content\r\nContent-Length: {}\r\n\r\n", ANSWER.len()))?;
            pause(30);
            send(out, &whole("200 OK", "", r#"{"of":"another"}"#))
        }
        "late_chunk_fault" => {
            send(out, SSE)?;
            chunk(out, "data: {}\n\n")?;
            pause(50);
            send(out, "zz\r\ndata: x\n\n\r\n0\r\n\r\n")
        }
        "endless_interim" => endless(out, "HTTP/1.1 103 Early Hints\r\n\r\n"),
        "endless_head" => {
            send(out, "HTTP/1.1 200 OK\r\n")?;
            endless(out, "X: y\r\n")
        }
        "endless_line" => endless(out, "x"),
        "endless_extensions" => {
            send(out, SSE)?;
            endless(out, &format!("1;{}\r\nx\r\n", "e".repeat(1_000)))
        }
        "endless_trailers" => {
            send(out, &format!("{SSE}1\r\nx\r\n0\r\n"))?;
            endless(out, "X: y\r\n")
        }
        "silence" => silence(stream),
        "late" => {
            pause(1_000);
            send(out, &whole("200 OK", "", ANSWER))
        }
        "told_length" | "encoded" => {
            // Events whose length was told, or that are encoded, with a pause behind a line.
            let (first, second) = (format!("data: {}\n\n", "x".repeat(20_000)), "data: end\n\n");
            let told = match script {
                "encoded" => "Content-Encoding: gzip\r\n".into(),
                _ => format!("Content-Length: {}\r\n", first.len() + second.len()),
            };
            send(out, &format!("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n{told}\r\n{first}"))?;
            pause(350);
            send(out, second)?;
            Ok(false)
        }
        "marked" => {
            send(out, SSE)?;
            pause(350);
            chunk(out, "\u{feff}data: first\n\n")?;
            chunk(out, "\u{feff}data: second\n\n")?;
            send(out, "0\r\n\r\n")
        }
        "event" => {
            // One event, and then nothing until the other side leaves.
            send(out, SSE)?;
            chunk(out, "data: {}\n\n")?;
            silence(stream)
        }
        "half_answer" => {
            send(out, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{")?;
            silence(stream)
        }
        "events" => {
            send(out, SSE)?;
            for event in [
                "id: 1\r\ndata:\r\n\r\n",
                ": comment\n\n",
                "retry: 5\n\n",
                "event: message\ndata: {\"a\":1}\n\n",
            ] {
                chunk(out, event)?;
                pause(100);
            }
            send(out, "0\r\n\r\n")
        }
        "huge_event" => huge_event(out),
        _ if lower.starts_with("get") && lower.contains("last-event-id: silence") => {
            send(out, &format!("{SSE}3\r\n:\r\n\r\n"))?;
            silence(stream)
        }
        _ => send(out, &at_once(script, head, body)),
    }
}

/// The answers that are written in one go.
fn at_once(script: &str, head: &str, body: &str) -> String {
    match script {
        "unauthorized" => {
            whole("401 Unauthorized", "WWW-Authenticate: Bearer resource_metadata=\"https://evil\"\r\n", "{}")
        }
        "odd_headers" => whole(
            "200 OK",
            "Set-Cookie: a=b\r\nServer: secret/1\r\nAccess-Control-Allow-Origin: *\r\nKeep-Alive: timeout=5\r\nMcp-Session-Id: stray\r\nRateLimit: \"theirs\";r=0;t=9\r\nX-Request-Id: r1\r\n",
            ANSWER,
        ),
        // As long as the request: it is the request.
        "long" => whole("200 OK", "", body),
        "surplus" => whole("200 OK", "", ANSWER) + &whole("200 OK", "", r#"{"of":"another"}"#),
        "two_lengths" => whole("200 OK", "Content-Length: 3\r\n", ANSWER),
        "both_framings" => whole("200 OK", "Transfer-Encoding: chunked\r\n", ANSWER),
        _ if script.starts_with("status_") => {
            let status = script.trim_start_matches("status_");
            let error =
                format!(r#"{{"jsonrpc":"2.0","id":7,"error":{{"code":-32000,"message":"{status}"}}}}"#);
            whole(&format!("{status} Told"), "", &error)
        }
        "interim" => format!("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n{}", whole("200 OK", "", ANSWER)),
        "many_interim" => "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(1_000) + &whole("200 OK", "", ANSWER),
        "switching" => "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n".into(),
        "huge_head" => whole("200 OK", &format!("X-Request-Id: {}\r\n", "x".repeat(1 << 20)), ANSWER),
        "bare_lf" => format!("HTTP/1.1 200 OK\nContent-Length: {}\n\n{ANSWER}", ANSWER.len()),
        "injected" => whole("200 OK", "X-Request-Id: a\rSet-Cookie: b\r\n", ANSWER),
        "no_status" => format!("HTTP/1.1 99 Odd\r\nContent-Length: {}\r\n\r\n{ANSWER}", ANSWER.len()),
        "not_http" => "{\"jsonrpc\":\"2.0\"}\r\n\r\n".into(),
        "bad_chunk" => format!("{SSE}zz\r\ndata: x\n\n\r\n0\r\n\r\n"),
        "chunk_lf" => format!("{SSE}5\ndata:\n0\n\n"),
        "chunk_longer" => format!("{SSE}5\r\ndata: {ANSWER}\r\n0\r\n\r\n"),
        "chunk_overflow" => format!("{SSE}10000000000000005\r\ndata:\r\n0\r\n\r\n"),
        "mixed_lf" => format!("HTTP/1.1 200 OK\r\nX: y\nContent-Length: {}\r\n\r\n{ANSWER}", ANSWER.len()),
        "folded" => whole("200 OK", "X-Request-Id: a\r\n b\r\n", ANSWER),
        "nul" => whole("200 OK", "X-Request-Id: a\0b\r\n", ANSWER),
        "spaced" => whole("200 OK", "Transfer-Encoding : chunked\r\n", ANSWER),
        "plus_length" => format!("HTTP/1.1 200 OK\r\nContent-Length: +{}\r\n\r\n{ANSWER}", ANSWER.len()),
        "coded_twice" => "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n".into(),
        "old_chunks" => "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".into(),
        "no_code" => format!("HTTP/1.1 OK\r\nContent-Length: {}\r\n\r\n{ANSWER}", ANSWER.len()),
        "version_2" => whole("200 OK", "", ANSWER).replacen("HTTP/1.1", "HTTP/2.0", 1),
        "interim_body" => format!(
            "HTTP/1.1 103 Early Hints\r\nContent-Length: 5\r\n\r\nhello{}",
            whole("200 OK", "", ANSWER)
        ),
        "long_chunk" => format!("{SSE}ffffffffffffffff\r\ndata: x\n\n"),
        "body_on_204" => {
            format!("HTTP/1.1 204 No Content\r\nContent-Length: {}\r\n\r\n{ANSWER}", ANSWER.len())
        }
        "other_400" => whole(
            "400 Bad Request",
            "",
            r#"{"jsonrpc":"2.0","id":7,"error":{"code":-32602,"message":"no","data":{"supported":["json","xml"]}}}"#,
        ),
        "discover_twice" => {
            let list = r#""result":{"supportedVersions":["2030-01-01"]}"#;
            whole("200 OK", "", &format!(r#"{{"jsonrpc":"2.0","id":7,{list},{list}}}"#))
        }
        "discover_words" => whole("200 OK", "", "garbage"),
        "discover_json" => whole("200 OK", "", &discovered(r#""2027-01-01","2026-07-28","2024-11-05""#)),
        "discover_none" => whole("200 OK", "", &discovered(r#""2027-01-01""#)),
        "discover_odd" => {
            whole("200 OK", "", r#"{"jsonrpc":"2.0","id":7,"result":{"supportedVersions":"all"}}"#)
        }
        "discover_deep" => {
            let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
            whole("200 OK", "", &discovered(&deep))
        }
        "discover_sse" => {
            let event = format!("event: message\ndata: {}\n\n", discovered(r#""2027-01-01","2026-07-28""#));
            format!("{SSE}{:x}\r\n{event}\r\n0\r\n\r\n", event.len())
        }
        "unsupported" => whole(
            "400 Bad Request",
            "",
            r#"{"jsonrpc":"2.0","id":7,"error":{"code":-32022,"message":"no","data":{"supported":["2027-01-01","2026-07-28"],"requested":"x"}}}"#,
        ),
        _ if body.contains("\"method\":\"notifications/") => {
            "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n".into()
        }
        _ if head.to_lowercase().contains("x-request-id: session") => {
            whole("200 OK", "Mcp-Session-Id: upstream-session\r\n", ANSWER)
        }
        _ => whole("200 OK", "", ANSWER),
    }
}

fn whole(status: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
    )
}

fn discovered(versions: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":7,"result":{{"resultType":"complete","supportedVersions":[{versions}],"capabilities":{{"x":1e999}}}}}}"#
    )
}

/// One event of 96 MB, in pieces of a megabyte.
fn huge_event(out: &mut TcpStream) -> Kept {
    send(out, SSE)?;
    chunk(out, "data: ")?;
    let piece = "x".repeat(1_000_000);
    for _ in 0..96 {
        chunk(out, &piece)?;
    }
    chunk(out, "\n\n")?;
    send(out, "0\r\n\r\n")
}

/// Sends the same again and again, until the other side leaves or a bound is reached.
fn endless(out: &mut TcpStream, text: &str) -> Kept {
    let piece = text.repeat(4_096 / text.len() + 1);
    for _ in 0..100_000 {
        send(out, &piece)?;
    }
    Ok(false)
}

/// Answers nothing until the other side leaves.
fn silence(stream: &mut Stream) -> Kept {
    stream.get_ref().set_read_timeout(Some(Duration::from_secs(30)))?;
    let _ = stream.read(&mut [0]);
    Ok(false)
}

fn chunk(out: &mut TcpStream, data: &str) -> Kept {
    send(out, &format!("{:x}\r\n{data}\r\n", data.len()))
}

fn send(out: &mut TcpStream, text: &str) -> Kept {
    out.write_all(text.as_bytes())?;
    Ok(true)
}

fn pause(milliseconds: u64) {
    std::thread::sleep(Duration::from_millis(milliseconds));
}
