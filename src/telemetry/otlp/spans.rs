//! Spans: a request as the conventions of OpenTelemetry for MCP and HTTP tell it.
//!
//! What a client chose is looked through for secrets first, and never part of a span's name: those come from the
//! protocol and the configuration. No session's id is here, no argument, no result.

use http::Uri;

use super::fields::{integer, text, truth};
use crate::base::moment::Calendar;
use crate::telemetry::Outcome;
use crate::telemetry::event::Event;
use crate::telemetry::names::Names;
use crate::telemetry::told::{told, told_id};
use crate::wire::mcp::{Concern, Method};
use crate::wire::protobuf::Writer;

/// Kinds of span.
const SERVER: u64 = 2;
const CLIENT: u64 = 3;
/// Numbers of a span's fields.
const ATTRIBUTE: u32 = 9;
/// Bits of a span's flags: whether its parent is another process's is known, and it is.
const REMOTE_KNOWN: u32 = 0x100;
const REMOTE: u32 = 0x200;

/// Writes the span of a request.
pub(super) fn server(span: &mut Writer, event: &Event, names: &Names, calendar: &Calendar) {
    let trace = &event.trace;
    let remote = if trace.parent == 0 { 0 } else { REMOTE };
    begin(span, event, trace.own, trace.parent);
    let target = told(&event.target);
    let rule = names.name(event.rule);
    let name = names.name(event.server);
    span.text(5, name_of(event, &target, rule.as_deref(), name.as_deref()));
    span.number(6, SERVER);
    span.fixed64(7, calendar.unix_nanos(event.begun));
    span.fixed64(8, calendar.unix_nanos(event.ended));
    of_method(span, event, &target);
    if !event.id.is_empty() {
        text(span, ATTRIBUTE, "jsonrpc.request.id", &told_id(&event.id));
    }
    text(span, ATTRIBUTE, "client.address", &event.from.to_string());
    if event.status != 0 {
        integer(span, ATTRIBUTE, "http.response.status_code", event.status.into());
    }
    text(span, ATTRIBUTE, "tollgate.outcome", event.outcome.label());
    if let Some(name) = &name {
        text(span, ATTRIBUTE, "http.route", &format!("/{name}/mcp"));
        text(span, ATTRIBUTE, "tollgate.server", name);
    }
    if let Some(rule) = &rule {
        text(span, ATTRIBUTE, "tollgate.rule", rule);
    }
    if let Some(key) = &event.key {
        text(span, ATTRIBUTE, "tollgate.key_id", &key.to_string());
    }
    if event.warned {
        truth(span, ATTRIBUTE, "tollgate.limit_warned");
    }
    if let Some(denial) = event.denial {
        text(span, ATTRIBUTE, "rpc.response.status_code", &denial.row().code.to_string());
    }
    end(span, event, remote);
}

/// Writes the span of a request's way to its upstream and back, where it was sent there.
pub(super) fn client(span: &mut Writer, event: &Event, names: &Names, calendar: &Calendar) -> bool {
    let Some(sent) = event.sent.filter(|_| event.trace.upstream != 0) else { return false };
    begin(span, event, event.trace.upstream, event.trace.own);
    let target = told(&event.target);
    let rule = names.name(event.rule);
    let name = names.name(event.server);
    span.text(5, name_of(event, &target, rule.as_deref(), name.as_deref()));
    span.number(6, CLIENT);
    span.fixed64(7, calendar.unix_nanos(sent));
    span.fixed64(8, calendar.unix_nanos(event.ended));
    of_method(span, event, &target);
    if let Some(endpoint) = names.name(event.endpoint) {
        of_endpoint(span, &endpoint);
    }
    if let Some(name) = &name {
        text(span, ATTRIBUTE, "tollgate.server", name);
    }
    if let Some(answered) = event.answered {
        span.message(11, |began| {
            began.fixed64(1, calendar.unix_nanos(answered));
            began.text(2, "answer began");
        });
    }
    end(span, event, 0);
    true
}

fn begin(span: &mut Writer, event: &Event, own: u64, parent: u64) {
    span.text(1, event.trace.id.to_be_bytes());
    span.text(2, own.to_be_bytes());
    if parent != 0 {
        span.text(4, parent.to_be_bytes());
    }
}

/// How it failed, where it did, and the flags.
fn end(span: &mut Writer, event: &Event, remote: u32) {
    let failure = match (event.denial, event.outcome) {
        (Some(denial), _) => Some((denial.row().reason, denial.row().sentence)),
        (None, Outcome::UpstreamFailed) => Some(("upstream_failed", "the upstream's answer broke off")),
        _ => None,
    };
    if let Some((kind, sentence)) = failure {
        text(span, ATTRIBUTE, "error.type", kind);
        span.message(15, |status| {
            status.text(2, sentence);
            status.number(3, 2);
        });
    }
    span.fixed32(16, u32::from(event.trace.sampled) | REMOTE_KNOWN | remote);
}

/// "Method target" where the configuration has the target by its name. Of a request without a message, what the
/// conventions for HTTP have.
fn name_of(event: &Event, target: &str, rule: Option<&str>, server: Option<&str>) -> String {
    let named = matches!(event.method.concern(), Concern::Tool | Concern::Prompt);
    match (event.method, server) {
        (Method::Unknown, None) => "HTTP".into(),
        (Method::Unknown, Some(server)) => format!("HTTP /{server}/mcp"),
        (method, _) if named && rule == Some(target) => format!("{} {target}", method.name()),
        (method, _) => method.name().into(),
    }
}

fn of_method(span: &mut Writer, event: &Event, target: &str) {
    if event.method == Method::Unknown {
        return;
    }
    text(span, ATTRIBUTE, "mcp.method.name", event.method.name());
    if let Some(version) = event.version {
        text(span, ATTRIBUTE, "mcp.protocol.version", version.name());
    }
    if event.method == Method::ToolsCall {
        text(span, ATTRIBUTE, "gen_ai.operation.name", "execute_tool");
    }
    let key = match event.method.concern() {
        _ if target.is_empty() => return,
        Concern::Tool => "gen_ai.tool.name",
        Concern::Resource | Concern::Subscription => "mcp.resource.uri",
        Concern::Reference if target.contains(':') => "mcp.resource.uri",
        Concern::Prompt | Concern::Reference => "gen_ai.prompt.name",
        Concern::Server | Concern::Task => return,
    };
    text(span, ATTRIBUTE, key, target);
}

/// Host and port of a configured URL. The rest of one may hold a credential.
fn of_endpoint(span: &mut Writer, endpoint: &str) {
    let Ok(url) = endpoint.parse::<Uri>() else { return };
    let Some(host) = url.host() else { return };
    let port = url.port_u16().or(match url.scheme_str() {
        Some("https") => Some(443),
        Some("http") => Some(80),
        _ => None,
    });
    text(span, ATTRIBUTE, "server.address", host.trim_start_matches('[').trim_end_matches(']'));
    if let Some(port) = port {
        integer(span, ATTRIBUTE, "server.port", port.into());
    }
}

#[cfg(test)]
mod tests {
    use super::{client, server};
    use crate::base::Denial;
    use crate::base::moment::{Calendar, Moment};
    use crate::base::text::Text;
    use crate::telemetry::Outcome;
    use crate::telemetry::event::{Event, RequestNumber, Trace};
    use crate::telemetry::names::Names;
    use crate::wire::mcp::{Era, Method, ProtocolVersion};
    use crate::wire::protobuf::{Value, Writer, fields, last};
    use std::collections::BTreeMap;
    use std::net::{IpAddr, Ipv4Addr};

    fn event(names: &Names) -> Event {
        let from = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7));
        let mut event = Event::new(RequestNumber { worker: 0, count: 0 }, Moment::now(), from);
        event.sent = Some(Moment::now());
        event.answered = Some(Moment::now());
        event.ended = Moment::now();
        event.server = names.number("crm");
        event.endpoint = names.number("https://crm.example/secret-path/mcp?token=hunter2");
        event.rule = names.number("crm.read");
        (event.method, event.target) = (Method::ToolsCall, Text::of(b"crm.read"));
        (event.era, event.version) = (Some(Era::Modern), Some(ProtocolVersion::V2026_07_28));
        event.id = Text::of(br#""a-1""#);
        (event.outcome, event.status) = (Outcome::Answered, 200);
        event.trace = Trace { id: 1 << 96 | 5, parent: 7, own: 8, upstream: 9, sampled: true };
        event
    }

    /// A span's fields, and its attributes as texts.
    type Read = (BTreeMap<u64, Vec<u8>>, BTreeMap<String, String>);

    fn read(span: &[u8]) -> Read {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let value = |any: &[u8]| match fields(any).next() {
            Some((1, value)) => text(value.bytes()),
            Some((_, value)) => value.number().to_string(),
            None => String::new(),
        };
        let (mut plain, mut attributes) = (BTreeMap::new(), BTreeMap::new());
        for (number, field) in fields(span) {
            if number == 9 {
                let key = text(last(field.bytes(), 1).unwrap().bytes());
                let value = value(last(field.bytes(), 2).unwrap().bytes());
                assert!(attributes.insert(key, value).is_none(), "twice");
            } else {
                let bytes = match field {
                    Value::Bytes(bytes) => bytes.to_vec(),
                    Value::Number(number) => number.to_be_bytes().to_vec(),
                };
                plain.insert(number, bytes);
            }
        }
        (plain, attributes)
    }

    fn both(event: &Event, names: &Names) -> [Read; 2] {
        let (mut of_server, mut of_client, calendar) = (Writer::new(), Writer::new(), Calendar::new());
        server(&mut of_server, event, names, &calendar);
        client(&mut of_client, event, names, &calendar);
        [read(of_server.bytes()), read(of_client.bytes())]
    }

    #[test]
    fn a_call_is_told_as_the_conventions_have_it() {
        let names = Names::default();
        let event = event(&names);
        let [(server, attributes), (client, upstream)] = both(&event, &names);
        assert_eq!(server[&1], event.trace.id.to_be_bytes());
        assert_eq!(
            [&server[&2], &server[&4]],
            [&8_u64.to_be_bytes().to_vec(), &7_u64.to_be_bytes().to_vec()]
        );
        assert_eq!(
            [&client[&2], &client[&4]],
            [&9_u64.to_be_bytes().to_vec(), &8_u64.to_be_bytes().to_vec()]
        );
        assert_eq!([&server[&5], &client[&5]], [b"tools/call crm.read"; 2]);
        assert_eq!([server[&6][7], client[&6][7]], [2, 3]);
        assert_eq!([&server[&16][4..], &client[&16][4..]], [&[0, 0, 3, 1], &[0, 0, 1, 1]]);
        assert!(server[&7] <= client[&7] && client[&7] <= client[&8] && client[&8] <= server[&8]);
        assert!(!server.contains_key(&15) && !client.contains_key(&15), "no failure");
        let told: Vec<(&str, &str)> =
            attributes.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        assert_eq!(
            told,
            [
                ("client.address", "192.0.2.7"),
                ("gen_ai.operation.name", "execute_tool"),
                ("gen_ai.tool.name", "crm.read"),
                ("http.response.status_code", "200"),
                ("http.route", "/crm/mcp"),
                ("jsonrpc.request.id", "a-1"),
                ("mcp.method.name", "tools/call"),
                ("mcp.protocol.version", "2026-07-28"),
                ("tollgate.outcome", "answered"),
                ("tollgate.rule", "crm.read"),
                ("tollgate.server", "crm"),
            ]
        );
        assert_eq!([&upstream["server.address"], &upstream["server.port"]], ["crm.example", "443"]);
        assert!(!format!("{upstream:?}{attributes:?}").contains("secret-path"));
    }

    #[test]
    fn a_refusal_is_an_error_and_no_client_chooses_a_span_s_name() {
        let names = Names::default();
        let mut event = event(&names);
        (event.outcome, event.denial, event.status) = (Outcome::Denied, Some(Denial::ScopeMissing), 403);
        (event.sent, event.target) = (None, Text::of(b"crm.anything"));
        let mut none = Writer::new();
        assert!(!client(&mut none, &event, &names, &Calendar::new()) && none.bytes().is_empty());
        let [(server, attributes), _] = both(&event, &names);
        assert_eq!(server[&5], b"tools/call");
        assert_eq!(last(&server[&15], 3).map(Value::number), Some(2));
        let told = ["error.type", "rpc.response.status_code", "gen_ai.tool.name"].map(|key| &attributes[key]);
        assert_eq!(told, ["scope_missing", "40301", "crm.anything"]);
        (event.method, event.era) = (Method::Unknown, None);
        assert_eq!(both(&event, &names)[0].0[&5], b"HTTP /crm/mcp");
        // A resource is in no name, whatever the rule says.
        (event.method, event.target) = (Method::ResourcesRead, Text::of(b"crm://public/x"));
        event.rule = names.number("crm://public/x");
        let [(server, attributes), _] = both(&event, &names);
        assert_eq!(
            (server[&5].as_slice(), attributes["mcp.resource.uri"].as_str()),
            (&b"resources/read"[..], "crm://public/x")
        );
    }

    #[test]
    fn an_upstream_that_fails_is_an_error_of_both_spans() {
        let names = Names::default();
        let mut event = event(&names);
        event.outcome = Outcome::UpstreamFailed;
        for (plain, attributes) in both(&event, &names) {
            assert_eq!(attributes["error.type"], "upstream_failed");
            assert_eq!(last(&plain[&15], 3).map(Value::number), Some(2));
        }
    }
}
