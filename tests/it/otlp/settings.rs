//! `[otlp]` and `[log]`: what is read, and what is a fault.

use std::path::Path;

use tollgate::config::{Environment, Faults, Settings, load_text};

fn check(text: &str) -> Result<Settings, Faults> {
    let good = "[listen]\nplaintext = \"loopback\"\n[[servers]]\nname = \"crm\"\nupstreams = [\"http://127.0.0.1:9001/mcp\"]\n[servers.tools.\"*\"]\nscopes = [\"crm:read\"]\n";
    load_text(&format!("{text}\n{good}"), "tollgate.toml", Path::new("/nonexistent"), &Environment::of([]))
}

#[test]
fn what_is_sent_to_a_collector_is_read_whole() {
    let text = r#"[otlp]
endpoint = "https://collector.example/otlp/"
protocol = "http/protobuf"
headers = [{ header = "Authorization", value = "Bearer hunter2" }]
timeout = "3s"
traces = { ratio = 1, slow = "250ms" }
metrics = {}
logs = true
queue = "2MiB"
[log]
level = "warn,tollgate::net=debug"
requests = true"#;
    let settings = check(text).unwrap_or_else(|faults| panic!("{faults}"));
    let otlp = settings.otlp.as_ref().unwrap();
    let (endpoint, traces) = (&otlp.endpoint, otlp.traces.unwrap());
    assert_eq!((endpoint.tls, endpoint.port, endpoint.path.as_str()), (true, 443, "/otlp"));
    assert!(traces.ratio >= 1.0 && traces.refusals, "{traces:?}");
    assert_eq!(traces.slow.unwrap().as_millis(), 250);
    assert_eq!((otlp.metrics.unwrap().as_secs(), otlp.timeout.as_secs(), otlp.logs), (60, 3, true));
    assert!(otlp.queue == 2 << 20 && !otlp.instance.is_empty() && settings.log_requests);
    assert!(!format!("{settings:?}").contains("hunter2"));
    assert!(check("").unwrap().otlp.is_none(), "off where nobody asks for it");
}

#[test]
fn faults_are_told_with_path_found_and_accepted() {
    const HERE: &str = "endpoint = \"http://[::1]:4318\"";
    for (text, told) in [
        (
            "[log]\nlevel = \"loud\"",
            "log.level: found the string \"loud\"; accepted: one of off, error, warn, info, debug, trace, and behind it",
        ),
        (
            "[log]\nlevel = \"info,hyper=trace\"",
            "log.level: found the string \"info,hyper=trace\"; accepted: one of",
        ),
        (
            "[otlp]\ntraces = { ratio = 1.5 }",
            "otlp.traces.ratio: found a floating-point number; accepted: a number from 0 to 1",
        ),
        (
            "[otlp]\ntraces = { ratio = nan }",
            "otlp.traces.ratio: found a floating-point number; accepted: a number from 0 to 1",
        ),
        (
            "[otlp]\ntraces = { ratio = -1 }",
            "otlp.traces.ratio: found the integer -1; accepted: a number from 0 to 1",
        ),
        (
            "[otlp]\ntraces = { ratio = \"all\" }",
            "otlp.traces.ratio: found the string \"all\"; accepted: a number",
        ),
        (
            "[otlp]\nlogs = true",
            "otlp.endpoint: found nothing, so that nothing can be sent; accepted: a URL such as",
        ),
        (
            "[otlp]\nendpoint = \"http://[::1]:4318\"",
            "otlp: found an endpoint, and nothing that is sent there; accepted: traces = {}, metrics = {} or logs = true",
        ),
        (
            "[otlp]\nendpoint = \"http://user:hunter2@host\"\nlogs = true",
            "otlp.endpoint: found a URL with user information; accepted: a URL",
        ),
        ("[otlp]\nendpoint = \"http://host?key=1\"\nlogs = true", "otlp.endpoint: found the string"),
        (
            "[otlp]\nendpoint = \"grpc://host\"\nlogs = true",
            "otlp.endpoint: found the string \"grpc://host\"; accepted",
        ),
        (
            "[otlp]\nendpoint = \"http://[::1]:4317/x\"\nprotocol = \"grpc\"\nlogs = true",
            "otlp.endpoint: found the path \"/x\"; accepted: no path",
        ),
        (
            "[otlp]\nendpoint = \"http://192.0.2.1\"\nlogs = true\nheaders = [{ header = \"X-Key\", value = \"hunter2\" }]",
            "otlp.headers: found headers for another machine without TLS, which anybody on the way can read",
        ),
        (
            &format!("[otlp]\n{HERE}\nlogs = true\nheaders = [{{ header = \"X-Key\" }}]"),
            "otlp.headers[0]: found neither or both of value and file",
        ),
        (
            &format!("[otlp]\n{HERE}\nlogs = true\nheaders = [{{ header = \"X-Key\", value = 17 }}]"),
            "otlp.headers[0].value: found an integer; accepted: a string",
        ),
        (
            &format!("[otlp]\n{HERE}\nmetrics = {{ interval = \"1ms\" }}"),
            "otlp.metrics.interval: found the string \"1ms\", out of range; accepted: a duration with its unit from 1s",
        ),
        (&format!("[otlp]\n{HERE}\nlogs = true\nqueue = \"1KiB\""), "otlp.queue: found the string \"1KiB\""),
        (
            &format!("[otlp]\n{HERE}\nlogs = true\nca = \"no.pem\""),
            "otlp.ca: found no file at this path (/nonexistent/no.pem)",
        ),
    ] {
        let faults = check(text).err().unwrap_or_else(|| panic!("sound: {text}")).to_string();
        assert!(faults.contains(told), "{told} is not in {faults}");
        assert!(!faults.contains("hunter2"), "{faults}");
    }
}
