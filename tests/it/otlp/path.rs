//! A request's trace through a gateway: what the upstream is told, and what the collector is.

use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;

use super::receiver::Got;
use super::{Receiver, all, attribute};
use crate::world::{Gateway, World, call, call_headers};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// A world whose gateway sends spans, and none of a trace that nobody chose.
fn traced(receiver: &Receiver) -> World {
    World::new(&format!("[otlp]\nendpoint = \"http://{}\"\ntraces = {{ ratio = 0.0 }}", receiver.address), "")
}

/// Calls a tool as part of a trace.
fn call_in(gateway: &Gateway, key: &str, tool: &str, flags: &str) -> u16 {
    let mut headers = call_headers(tool);
    headers.push(("Authorization", format!("Bearer {key}")));
    headers.push(("Traceparent", format!("00-{TRACE}-00f067aa0ba902b7-{flags}")));
    headers.push(("Tracestate", "rojo=00f067aa0ba902b7".into()));
    headers.push(("Baggage", "user=alice".into()));
    gateway.connect().request("POST", "/crm/mcp", &headers, &call(tool)).status
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

/// The spans of a request once they arrived: the server's, then the client's.
fn spans(receiver: &Receiver, count: usize) -> Vec<Span> {
    let mut spans = receiver.await_got("the spans", |got| {
        let spans = all(got, Got::spans);
        (spans.len() >= count).then_some(spans)
    });
    assert_eq!(spans.len(), count, "{spans:#?}");
    spans.sort_by_key(|span| span.kind);
    spans
}

#[test]
fn the_upstream_hangs_its_span_beneath_the_gateway_s() {
    let receiver = Receiver::start(false, None);
    let world = traced(&receiver);
    let (key, id) = world.issue(&["crm:read"]);
    let gateway = world.serve();
    assert_eq!(call_in(&gateway, &key, "crm.read_x", "01"), 200);
    let spans = spans(&receiver, 2);
    let [server, client] = spans.as_slice() else { panic!("{spans:#?}") };
    assert_eq!([server.kind(), client.kind()], [SpanKind::Server, SpanKind::Client]);
    assert_eq!([hex(&server.trace_id), hex(&client.trace_id)], [TRACE; 2]);
    assert_eq!(hex(&server.parent_span_id), "00f067aa0ba902b7");
    assert_eq!(client.parent_span_id, server.span_id);
    // By a pattern, so the tool is no part of the name.
    assert_eq!([&server.name, &client.name], ["tools/call"; 2]);
    let told = |key| attribute(&server.attributes, key);
    let (rule, name) = (told("tollgate.rule"), told("gen_ai.tool.name"));
    assert_eq!([rule.as_str(), name.as_str()], ["crm.read_*", "crm.read_x"]);
    assert_eq!([told("tollgate.key_id"), told("jsonrpc.request.id")], [id, "7".into()]);
    assert_eq!(attribute(&client.attributes, "server.port"), world.recorder.address.port().to_string());
    let head = world.recorder.last_head();
    assert!(head.contains(&format!("traceparent: 00-{TRACE}-{}-01", hex(&client.span_id))), "{head}");
    assert_eq!(head.matches("traceparent:").count(), 1, "{head}");
    assert!(
        head.contains("tracestate: rojo=00f067aa0ba902b7") && head.contains("baggage: user=alice"),
        "{head}"
    );
    let secret = key.split_once('.').unwrap().1;
    assert!(!format!("{:?}", receiver.got()).contains(secret));
}

#[test]
fn what_nobody_chose_is_told_to_no_collector_unless_it_is_refused() {
    let receiver = Receiver::start(true, None);
    let world = traced(&receiver);
    let config = std::fs::read_to_string(world.config()).unwrap();
    std::fs::write(world.config(), config.replace("traces =", "protocol = \"grpc\"\ntraces =")).unwrap();
    let (key, _) = world.issue(&["crm:read"]);
    let mut gateway = world.serve();
    assert_eq!(call_in(&gateway, &key, "crm.read_x", "00"), 200);
    let head = world.recorder.last_head();
    let told = head.lines().find(|line| line.starts_with(&format!("traceparent: 00-{TRACE}-")));
    assert!(told.is_some_and(|line| line.ends_with("-00")), "{head}");
    assert_eq!(gateway.connect().call(&key, "crm.read_x").status, 200);
    assert!(world.recorder.last_head().contains("traceparent: 00-"), "a trace that begins here");
    assert_eq!(call_in(&gateway, &key, "crm.write_activity", "00"), 403);
    assert!(gateway.stop());
    let spans = spans(&receiver, 1);
    assert_eq!(attribute(&spans[0].attributes, "error.type"), "scope_missing");
    assert_eq!((hex(&spans[0].trace_id).as_str(), spans[0].flags & 1), (TRACE, 0));
    // The rule has that very name.
    assert_eq!(spans[0].name, "tools/call crm.write_activity");
}

#[test]
fn without_traces_a_traceparent_passes_unchanged() {
    let world = World::new("", "");
    let (key, _) = world.issue(&["crm:read"]);
    let gateway = world.serve();
    assert_eq!(call_in(&gateway, &key, "crm.read_x", "01"), 200);
    assert!(world.recorder.last_head().contains(&format!("traceparent: 00-{TRACE}-00f067aa0ba902b7-01")));
    assert_eq!(gateway.connect().call(&key, "crm.read_x").status, 200);
    assert!(!world.recorder.last_head().contains("traceparent"), "none is made");
}
