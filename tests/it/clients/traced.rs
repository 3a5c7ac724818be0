//! The official Python client says in `_meta` in which trace it calls (SEP-414); the collector sees the gateway's
//! spans in that trace.

use std::process::Stdio;

use super::CLIENTS;
use super::depot::Served;
use crate::otlp::{Got, Receiver, all, hex};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

#[test]
fn calls_of_the_python_client_are_part_of_its_trace() {
    let receiver = Receiver::start(false, None);
    let listen = format!(
        "plaintext = \"loopback\"\n[otlp]\nendpoint = \"http://{}\"\ntraces = {{ ratio = 0.0 }}",
        receiver.address
    );
    let served = Served::start(&listen, 2);
    for client in CLIENTS.iter().filter(|client| client.name == "python") {
        let ran = client
            .command()
            .args([&format!("http://{}/depot/mcp", served.gateway.address), "-", "connect"])
            .args(client.flags)
            .env("MCP_API_KEY", served.key())
            .env("TRACEPARENT", format!("00-{TRACE}-00f067aa0ba902b7-01"))
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stdout));
    }
    let spans = receiver.await_got("a list of tools from each era", |got| {
        let spans = all(got, Got::spans);
        (spans.iter().filter(|span| span.name == "tools/list").count() >= 4).then_some(spans)
    });
    for span in &spans {
        let trace = hex(&span.trace_id);
        assert_eq!(trace, TRACE, "{span:?}");
    }
}
