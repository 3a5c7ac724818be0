//! One line of the log for each request, for whoever asks for it.
//!
//! Written by who reads the books, never on the request path. Texts of clients are fields, without secrets.

use crate::telemetry::event::{Event, Part};
use crate::telemetry::names::Names;
use crate::telemetry::told::{told, told_id};

/// By which levels are set for these lines.
const TARGET: &str = "tollgate::requests";

/// Tells a request that is over, or how many were not told one by one.
pub fn tell(event: &Event, names: &Names) {
    if !tracing::enabled!(target: "tollgate::requests", tracing::Level::INFO) {
        return;
    }
    let server = names.name(event.server);
    let (from, reason) = (event.from, event.denial.map(|denial| denial.row().reason));
    let server = server.as_deref();
    match event.part {
        Part::Decision => {}
        Part::Whole => whole(event, names, server),
        Part::Refusals => {
            tracing::info!(target: TARGET, server, %from, reason, count = event.count, "more requests refused");
        }
        Part::Lost => {
            tracing::info!(target: TARGET, count = event.count, "requests that were not noted");
        }
    }
}

fn whole(event: &Event, names: &Names, server: Option<&str>) {
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let (name, id) = (some(&told(&event.target)), some(&told_id(&event.id)));
    let rule = names.name(event.rule);
    tracing::info!(
        target: TARGET,
        server,
        method = some(event.method.name()),
        name,
        rule = rule.as_deref(),
        id,
        key_id = event.key.map(|key| key.to_string()),
        from = %event.from,
        outcome = event.outcome.label(),
        reason = event.denial.map(|denial| denial.row().reason),
        status = (event.status != 0).then_some(event.status),
        ms = milliseconds(event.whole()),
        upstream_ms = event.sent.map(|sent| milliseconds(event.ended.since(sent))),
        request_bytes = event.request_bytes,
        answer_bytes = event.answer_bytes,
        trace = (event.trace.id != 0).then(|| format!("{:032x}", event.trace.id)),
        "request"
    );
}

/// To a microsecond.
fn milliseconds(nanos: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a time in microseconds is far below 2^52")]
    let micros = (nanos / 1_000) as f64;
    micros / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::tell;
    use crate::base::Denial;
    use crate::base::key::{Env, NewKey};
    use crate::base::moment::Moment;
    use crate::base::text::Text;
    use crate::telemetry::event::{Event, Part, RequestNumber};
    use crate::telemetry::names::Names;
    use crate::wire::mcp::Method;
    use std::io::Write;
    use std::net::{IpAddr, Ipv4Addr};
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// What is written of an event, as text and as JSON.
    fn written(event: &Event, names: &Names) -> [String; 2] {
        let kept = [Kept::default(), Kept::default()];
        let [text, json] = kept.clone();
        let text = tracing_subscriber::fmt().with_ansi(false).with_writer(move || text.clone()).finish();
        let json =
            tracing_subscriber::fmt().json().flatten_event(true).with_writer(move || json.clone()).finish();
        tracing::subscriber::with_default(text, || tell(event, names));
        tracing::subscriber::with_default(json, || tell(event, names));
        kept.map(|kept| String::from_utf8(kept.0.lock().unwrap().clone()).unwrap())
    }

    fn event() -> Event {
        let request = RequestNumber { worker: 0, count: 0 };
        Event::new(request, Moment::now(), IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7)))
    }

    #[test]
    fn a_request_is_one_line_whatever_its_client_sent() {
        let key = NewKey::generate(Env::Live).unwrap().reveal();
        let names = Names::default();
        let mut event = event();
        event.method = Method::ToolsCall;
        event.target = Text::of(format!("a\nb\r\u{1b}[31m\0{key}").as_bytes());
        (event.server, event.denial, event.status) = (names.number("crm"), Some(Denial::ScopeMissing), 403);
        let written = written(&event, &names);
        for line in &written {
            assert!(line.ends_with('\n') && line.matches('\n').count() == 1, "{line}");
            assert!(!line.trim_end().chars().any(char::is_control), "{line}");
            assert!(!line.contains(&key), "{line}");
            for part in ["crm", "tools/call", "scope_missing", "403", "192.0.2.7"] {
                assert!(line.contains(part), "{part} in {line}");
            }
            assert!(!line.contains("upstream_ms") && !line.contains("trace"), "{line}");
        }
        let read: serde_json::Value = serde_json::from_str(&written[1]).unwrap();
        assert_eq!((&read["message"], &read["status"]), (&"request".into(), &403.into()));
    }

    #[test]
    fn what_was_only_counted_is_told_and_a_decision_is_not() {
        let names = Names::default();
        let of = |part| written(&Event { part, count: 7, ..event() }, &names)[0].clone();
        assert!(of(Part::Refusals).contains("count=7") && of(Part::Lost).contains("count=7"));
        assert_eq!(of(Part::Decision), "");
    }
}
