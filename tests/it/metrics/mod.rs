//! Metrics: the page in both formats, a closed set of series whatever clients send, and gauges that are
//! right on every path.

mod bounded;
mod page;
mod upstreams;

pub use page::Page;

use std::time::{Duration, Instant};

use crate::admin::get;
use crate::world::{Connection, Gateway, World};

/// Waits until a page says so.
pub fn until(gateway: &Gateway, what: &str, holds: impl Fn(&Page) -> bool) -> Page {
    let begun = Instant::now();
    loop {
        let page = Page::of(gateway);
        if holds(&page) {
            return page;
        }
        assert!(begun.elapsed() < Duration::from_secs(10), "not {what}: {}", page.text);
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn the_page_is_written_as_its_reader_asks() {
    let world = World::new("", "");
    let (key, _) = world.issue(&["crm:read"]);
    let gateway = world.serve();
    assert_eq!(gateway.connect().call(&key, "crm.read_x").status, 200);
    let ask = |accept: &str| {
        let headers = [("Accept", accept.to_owned())];
        Connection::open(gateway.admin).request("GET", "/metrics", &headers, "")
    };
    // What Prometheus sends, in two of its versions.
    for accept in [
        "application/openmetrics-text;version=1.0.0;q=0.75,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=0.0.4;q=0.25,*/*;q=0.1",
        "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.6,application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,text/plain;version=1.0.0;q=0.3,*/*;q=0.2",
    ] {
        let page = ask(accept);
        let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
        assert_eq!((page.status, page.header("content-type")), (200, Some(kind)));
        assert!(page.text().ends_with("\n# EOF\n"));
        assert!(page.text().contains("# TYPE tollgate_requests counter\ntollgate_requests_total{"));
    }
    for page in [ask("text/plain"), ask("*/*"), get(&gateway, "/metrics")] {
        let kind = "text/plain; version=0.0.4; charset=utf-8";
        assert_eq!((page.status, page.header("content-type")), (200, Some(kind)));
        assert!(!page.text().contains("# EOF"));
        assert!(page.text().contains("# TYPE tollgate_requests_total counter\ntollgate_requests_total{"));
    }
    // Both tell the same series.
    let lines = |text: &str| {
        let series = text.lines().filter(|line| !line.starts_with('#'));
        series.map(|line| line.rsplit_once(' ').unwrap().0.to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(lines(ask("application/openmetrics-text").text()), lines(ask("text/plain").text()));
}

#[test]
fn what_is_told_of_the_process_is_true() {
    let world = World::new("[bounds]\nconnections = 100\nmemory = \"1GiB\"\n", "");
    let gateway = world.serve();
    let page = until(&gateway, "memory told", |page| {
        page.whole("process_resident_memory_bytes", &[]).is_some_and(|bytes| bytes > 0)
    });
    let value = |name: &str| page.value(name, &[]).unwrap();
    let whole = |name: &str| page.whole(name, &[]).unwrap();
    let resident = gateway.resident() as u64;
    assert!(whole("process_resident_memory_bytes").abs_diff(resident) < resident / 2, "{resident}");
    let age = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs_f64() - value("process_start_time_seconds");
    assert!((0.0..30.0).contains(&age), "{age}");
    assert!((0.001..30.0).contains(&value("process_cpu_seconds_total")));
    assert_eq!((whole("tollgate_connections_ceiling"), whole("tollgate_ready")), (100, 1));
    assert_eq!(whole("tollgate_memory_ceiling_bytes"), 1 << 30);
    assert_eq!(page.whole("tollgate_redis_up", &[]), None, "there is no Redis");
}

/// Also those that nothing was counted of yet, so that the first is seen as one more.
#[test]
fn every_server_has_its_times_from_the_beginning() {
    let world = World::new("", "");
    let page = Page::of(&world.serve());
    for stage in ["whole", "gateway", "upstream"] {
        let labels = [("server", "crm"), ("stage", stage)];
        let count = page.whole("tollgate_request_seconds_count", &labels);
        let last = page.whole("tollgate_request_seconds_bucket", &[&labels[..], &[("le", "+Inf")]].concat());
        assert!(count.is_some() && count == last, "{}", page.text);
        let bounds = page.series.iter().filter(|series| {
            series.name == "tollgate_request_seconds_bucket" && series.labels["stage"] == stage
        });
        let bounds: Vec<f64> = bounds.map(|series| series.labels["le"].parse().unwrap()).collect();
        let ends = [bounds[0], bounds[bounds.len() - 2]].map(|bound| (bound * 1e6).round().to_string());
        assert!(bounds.is_sorted() && ends == ["5", "60000000"], "{bounds:?}");
    }
}

#[test]
fn every_request_is_timed_once_in_each_stage_that_it_had() {
    let world = World::new("", "");
    let (key, _) = world.issue(&["crm:read"]);
    let gateway = world.serve();
    let mut connection = gateway.connect();
    for _ in 0..10 {
        assert_eq!(connection.call(&key, "crm.read_x").status, 200);
    }
    assert_eq!(connection.call(&key, "crm.read_late").status, 200);
    assert_eq!(connection.call(&key, "crm.unheard_of").status, 403);
    let mut stream = gateway.connect();
    stream.send_call(&key, "crm.read_event");
    assert_eq!(stream.head().status, 200);
    let of = |page: &Page, name: &str, stage: &str| {
        page.value(&format!("tollgate_request_seconds_{name}"), &[("server", "crm"), ("stage", stage)])
            .unwrap()
    };
    let count = |page: &Page, stage: &str| page::whole(of(page, "count", stage));
    let page = Page::of(&gateway);
    assert_eq!(
        ["whole", "gateway", "upstream"].map(|stage| count(&page, stage)),
        [12, 12, 11],
        "the stream goes on"
    );
    drop(stream);
    let page = until(&gateway, "the stream told", |page| count(page, "whole") == 13);
    assert_eq!(["whole", "gateway", "upstream"].map(|stage| count(&page, stage)), [13, 13, 12]);
    let [whole, own, upstream] = ["whole", "gateway", "upstream"].map(|stage| of(&page, "sum", stage));
    assert!(
        upstream >= 1.0 && own < 0.5 && (whole - own - upstream).abs() < 1e-6,
        "{whole} {own} {upstream}"
    );
}

#[test]
fn what_clients_make_up_is_on_no_page_and_makes_no_series() {
    bounded::made_up();
}

#[test]
fn connections_to_upstreams_are_told_whichever_way_they_end() {
    upstreams::counted();
}

#[test]
fn servers_of_one_upstream_tell_its_connections_until_they_are_gone() {
    upstreams::shared();
}
