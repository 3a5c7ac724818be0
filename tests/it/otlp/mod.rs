//! What is sent to a collector of OpenTelemetry: that one reads it, over both protocols, with TLS and without;
//! and what becomes of it where the collector is away, slow, or will not have it.

mod path;
mod receiver;
mod secrets;
mod settings;
mod trouble;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::PrivateKeyDer;
use tollgate::base::Denial;
use tollgate::base::moment::{Calendar, Moment};
use tollgate::base::text::Text;
use tollgate::telemetry::Outcome;
use tollgate::telemetry::audit::sink::{Batch, Sink as _};
use tollgate::telemetry::event::{Event, RequestNumber};
use tollgate::telemetry::names::Names;
use tollgate::telemetry::otlp::{Endpoint, Exporter, Kind, OtlpCells, OtlpParams, OtlpParts, OtlpProtocol};
use tollgate::telemetry::trace::{Sampler, Tracer};
use tollgate::upstream::Trust;
use tollgate::wire::mcp::{Era, Method, ProtocolVersion};

pub use path::hex;
pub use receiver::{Got, Receiver, Reply, all, attribute};

use crate::world::World;

/// An exporter and what it counts.
struct Exporting {
    exporter: Option<Exporter>,
    cells: Arc<OtlpCells>,
    names: Names,
}

const PAGE: &str =
    "# HELP a_requests Requests.\n# TYPE a_requests counter\na_requests_total{server=\"crm\"} 3\n";

/// A record as the audit log writes it.
fn line() -> String {
    let (trace, hash) = (format!("{:032x}", 5), "0".repeat(64));
    format!(
        r#"{{"time":"1970-01-01T00:00:01.500000000Z","seq":1,"replica":"a","kind":"call","owner":"Zoë","trace":"{trace}","prev":"{hash}","hash":"{hash}"}}"#
    )
}

fn params(address: SocketAddr, grpc: bool) -> OtlpParams {
    let protocol = if grpc { OtlpProtocol::Grpc } else { OtlpProtocol::Http };
    let authority = address.to_string();
    let path = if grpc { "" } else { "/otlp" };
    let mut secret = HeaderValue::from_static("collector-key");
    secret.set_sensitive(true);
    OtlpParams {
        endpoint: Endpoint {
            tls: false,
            host: "127.0.0.1".into(),
            port: address.port(),
            authority,
            path: path.into(),
        },
        protocol,
        headers: vec![(HeaderName::from_static("x-collector-key"), secret)],
        ca: None,
        timeout: Duration::from_secs(5),
        traces: Some(Sampler { ratio: 1.0, refusals: true, slow: None }),
        metrics: None,
        logs: true,
        queue: 1 << 20,
        instance: "gateway-1".into(),
    }
}

impl Exporting {
    fn start(params: OtlpParams, ca: Option<&Path>) -> Self {
        let tls = ca.and_then(|ca| {
            let (trust, ca) = (Trust::default(), Some(ca.to_str().unwrap().into()));
            trust.prepare([ca.clone()]).unwrap();
            trust.get(ca.as_deref())
        });
        let cells = Arc::<OtlpCells>::default();
        let page = Box::new(|| PAGE.to_owned());
        let exporter = Exporter::start(OtlpParts { params, tls, cells: Arc::clone(&cells), page }).unwrap();
        Self { exporter: Some(exporter), cells, names: Names::default() }
    }

    /// Tells so many calls, each in two spans.
    fn tell(&self, count: usize) {
        let mut spans = self.exporter.as_ref().unwrap().spans().unwrap();
        let (event, calendar) = (self.call(), Calendar::new());
        (0..count).for_each(|_| spans.tell(&event, &self.names, &calendar));
    }

    fn call(&self) -> Event {
        let number = RequestNumber { worker: 0, count: 0 };
        let mut event = Event::new(number, Moment::now(), IpAddr::V4(Ipv4Addr::LOCALHOST));
        (event.sent, event.ended) = (Some(Moment::now()), Moment::now());
        (event.server, event.rule) = (self.names.number("crm"), self.names.number("crm.read"));
        event.endpoint = self.names.number("http://127.0.0.1:9001/mcp");
        (event.method, event.target) = (Method::ToolsCall, Text::of(b"crm.read"));
        (event.era, event.version) = (Some(Era::Modern), Some(ProtocolVersion::V2026_07_28));
        (event.id, event.outcome, event.status) = (Text::of(b"7"), Outcome::Answered, 200);
        let told = tollgate::wire::traceparent::TraceParent { trace: 5, span: 6, sampled: true };
        let sampler = Sampler { ratio: 0.0, refusals: true, slow: None };
        event.trace = Tracer::new(sampler).unwrap().begin(Some(&told));
        event
    }

    /// What became of spans: sent, rejected, without room, undelivered.
    fn spans(&self) -> [u64; 4] {
        let of = self.cells.of(Kind::Spans);
        [&of.sent, &of.rejected, &of.full, &of.undelivered]
            .map(|count| count.load(std::sync::atomic::Ordering::Relaxed))
    }

    fn await_spans(&self, what: &str, enough: impl Fn([u64; 4]) -> bool) {
        let begun = std::time::Instant::now();
        while !enough(self.spans()) {
            assert!(begun.elapsed() < Duration::from_secs(20), "not {what}: {:?}", self.spans());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Stops it, which sends what waits.
    fn stop(&mut self) {
        drop(self.exporter.take());
    }
}

/// What a collector proves itself with, and the file by which it is trusted.
fn identity(folder: &Path, protocol: &[u8]) -> (Arc<ServerConfig>, std::path::PathBuf) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let ca = folder.join("collector-ca.pem");
    std::fs::write(&ca, made.cert.pem()).unwrap();
    let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let mut config = builder.with_single_cert(vec![made.cert.der().clone()], key).unwrap();
    config.alpn_protocols = vec![protocol.to_vec()];
    (Arc::new(config), ca)
}

#[test]
fn a_collector_reads_all_three_kinds_over_both_protocols_with_tls_and_without() {
    let folder = tempfile::TempDir::new().unwrap();
    for (grpc, secure) in [(false, false), (false, true), (true, false), (true, true)] {
        let name = format!("grpc {grpc}, TLS {secure}");
        let (config, ca) = identity(folder.path(), if grpc { b"h2" } else { b"http/1.1" });
        let receiver = Receiver::start(grpc, secure.then_some(config));
        let mut params = params(receiver.address, grpc);
        params.metrics = Some(Duration::from_secs(1));
        if secure {
            (params.endpoint.tls, params.endpoint.host) = (true, "localhost".into());
        }
        let mut exporting = Exporting::start(params, secure.then_some(&ca));
        exporting.tell(1);
        let line = line();
        let lines = Batch::new(Bytes::from(format!("{line}\n")), 1);
        let mut sink = exporting.exporter.as_ref().unwrap().sink().unwrap();
        sink.write(&lines, &AtomicBool::new(false)).unwrap();
        let got = receiver.await_got(&format!("all three kinds ({name})"), |got| {
            let enough = got.iter().any(|got| !got.spans().is_empty())
                && got.iter().any(|got| !got.logs().is_empty())
                && got.iter().any(|got| !got.metrics().is_empty());
            enough.then(|| got.to_vec())
        });
        for got in &got {
            assert_eq!(got.headers["x-collector-key"], "collector-key", "{name}");
            let resource = got.resource().attributes;
            let told = ["service.name", "service.instance.id", "service.version"]
                .map(|key| attribute(&resource, key));
            assert_eq!(told, ["tollgate", "gateway-1", env!("CARGO_PKG_VERSION")], "{name}");
            assert_eq!(got.path.starts_with("/otlp/v1/"), !grpc, "{}", got.path);
        }
        let spans = all(&got, Got::spans);
        call_in_two_spans(&spans);
        let logs = all(&got, Got::logs);
        let [record] = logs.as_slice() else { panic!("{logs:?}") };
        assert_eq!((record.time_unix_nano, record.severity_number), (1_500_000_000, 9));
        assert_eq!((&record.trace_id, record.span_id.len()), (&5_u128.to_be_bytes().to_vec(), 0));
        let body = record.body.as_ref().and_then(|body| body.value.clone());
        assert_eq!(body, Some(Value::StringValue(line)));
        let metrics = all(&got, Got::metrics);
        let Some(Data::Sum(sum)) = &metrics[0].data else { panic!("{metrics:?}") };
        assert_eq!(
            (metrics[0].name.as_str(), sum.is_monotonic, sum.aggregation_temporality),
            ("a_requests", true, 2)
        );
        let point = &sum.data_points[0];
        assert_eq!(
            (&point.value, attribute(&point.attributes, "server")),
            (&Some(Number::AsInt(3)), "crm".into())
        );
        assert!(point.start_time_unix_nano > 0 && point.time_unix_nano >= point.start_time_unix_nano);
        exporting.stop();
        assert_eq!(exporting.spans(), [2, 0, 0, 0], "{name}");
    }
}

fn call_in_two_spans(spans: &[Span]) {
    let [server, client] = spans else { panic!("{spans:?}") };
    assert_eq!([server.kind(), client.kind()], [SpanKind::Server, SpanKind::Client]);
    assert_eq!([&server.trace_id, &client.trace_id], [&5_u128.to_be_bytes().to_vec(); 2]);
    assert_eq!(
        (&server.parent_span_id, &client.parent_span_id),
        (&6_u64.to_be_bytes().to_vec(), &server.span_id)
    );
    assert_eq!([server.name.as_str(), client.name.as_str()], ["tools/call crm.read"; 2]);
    assert_eq!([server.flags, client.flags], [0x301, 0x101]);
    assert!(
        server.end_time_unix_nano >= server.start_time_unix_nano && server.start_time_unix_nano > 1 << 60
    );
    assert_eq!(attribute(&server.attributes, "http.response.status_code"), "200");
    assert_eq!(attribute(&client.attributes, "server.port"), "9001");
    assert!(server.status.is_none());
}

#[test]
fn a_refusal_is_told_though_its_sender_asked_for_no_record() {
    let receiver = Receiver::start(false, None);
    let mut exporting = Exporting::start(params(receiver.address, false), None);
    let mut spans = exporting.exporter.as_ref().unwrap().spans().unwrap();
    let mut event = exporting.call();
    event.trace.sampled = false;
    let calendar = Calendar::new();
    spans.tell(&event, &exporting.names, &calendar);
    (event.outcome, event.denial, event.sent) = (Outcome::Denied, Some(Denial::ScopeMissing), None);
    spans.tell(&event, &exporting.names, &calendar);
    exporting.stop();
    let got = all(&receiver.got(), Got::spans);
    let [span] = got.as_slice() else { panic!("{got:?}") };
    assert_eq!(span.flags & 1, 0);
    assert_eq!(span.status.as_ref().unwrap().code(), StatusCode::Error);
    assert_eq!(attribute(&span.attributes, "error.type"), "scope_missing");
}

#[test]
fn a_gateway_tells_a_collector_the_numbers_of_its_page() {
    let receiver = Receiver::start(true, None);
    let collector = format!(
        "[otlp]\nendpoint = \"http://{}\"\nprotocol = \"grpc\"\nmetrics = {{ interval = \"1s\" }}\nheaders = [{{ header = \"X-Collector-Key\", value = \"collector-key\" }}]",
        receiver.address
    );
    let world = World::new(&collector, "");
    let (key, _) = world.issue(&["crm:read"]);
    let mut gateway = world.serve();
    assert_eq!(gateway.connect().call(&key, "crm.read_x").status, 200);
    let answered = receiver.await_got("the call", |got| {
        let metrics = all(got, Got::metrics);
        let requests = metrics.into_iter().rev().find(|metric| metric.name == "tollgate_requests")?;
        let Some(Data::Sum(sum)) = requests.data else { panic!("{:?}", requests.data) };
        sum.data_points.into_iter().find(|point| attribute(&point.attributes, "outcome") == "answered")
    });
    assert_eq!(answered.value, Some(Number::AsInt(1)));
    let page = crate::admin::get(&gateway, "/metrics");
    let page = page.text();
    assert!(page.contains("tollgate_otlp_up{kind=\"metrics\"} 1"), "{page}");
    let told: Vec<String> = all(&receiver.got(), Got::metrics).into_iter().map(|m| m.name).collect();
    // Every family of the page that has a number.
    for family in page.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()) {
        let family = family.strip_suffix("_total").unwrap_or(family);
        let is_empty = !page.lines().any(|line| line.starts_with(family));
        assert!(is_empty || told.iter().any(|name| name == family), "{family} in {told:?}");
    }
    assert!(gateway.stop());
    assert!(!gateway.said().contains("collector-key"));
}
