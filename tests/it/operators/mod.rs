//! What operators are given: a dashboard, alerts and a page about both, held to what a running gateway
//! exports, and to what `promtool` says of them.

mod files;
mod promql;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tollgate::base::denial::TABLE;
use tollgate::telemetry::{Lent, Outcome, Stage};

use crate::metrics::{Page, until};
use crate::registry::{Fleet, Server};
use crate::world::{Connection, World};

/// Labels that Prometheus adds to what it scrapes.
const OF_TARGETS: [&str; 2] = ["job", "instance"];
/// Series that Prometheus makes itself.
const OF_PROMETHEUS: [&str; 1] = ["up"];

/// A gateway with everything that has metrics of its own, a registry in Redis and shared limits, and
/// traffic that ends in every way. Its page, once all of that is on it.
fn busy() -> Page {
    let server = Server::with(&[]);
    let limits = "[plans.p]\ncalls = { rate = \"1000/s\", burst = 1000, shared = true }";
    // Where nobody listens.
    let collector = "[otlp]\nendpoint = \"http://127.0.0.1:9\"\nmetrics = {}";
    let fleet = Fleet::new(&server, 1, &format!("{limits}\n{collector}"));
    let gateways = fleet.serve();
    let gateway = &gateways[0];
    let words = ["key", "issue", "--name", "t", "--scope", "crm:read", "--plan", "p", "--json"];
    let issued = fleet.run(&words);
    assert!(issued.ok, "{}", issued.err);
    let key = issued.json()["key"].as_str().unwrap().to_owned();
    let begun = Instant::now();
    while gateway.connect().call(&key, "crm.read_x").status != 200 {
        assert!(begun.elapsed() < Duration::from_secs(10), "the key does not arrive");
    }
    assert_eq!(gateway.connect().call(&key, "crm.unheard_of").status, 403);
    assert_eq!(gateway.connect().call("nonsense", "crm.read_x").status, 401);
    assert_eq!(gateway.connect().call(&key, "crm.read_close").status, 502);
    assert_eq!(gateway.connect().request("GET", "/nowhere", &[], "").status, 404);
    let mut leaves = gateway.connect();
    leaves.send_call(&key, "crm.read_event");
    assert_eq!(leaves.head().status, 200);
    drop(leaves);
    until(gateway, "all told", |page| {
        let outcome = |outcome: Outcome| {
            let labels = [("tool", "crm.read_*"), ("outcome", outcome.label())];
            let other = [("tool", "_other"), ("outcome", outcome.label())];
            let told = |labels| page.whole("tollgate_requests_total", labels).is_some();
            told(&labels) || told(&other)
        };
        Outcome::ALL.into_iter().all(outcome)
            && page.value("tollgate_lease_overshoot_tokens", &[]).is_some()
            && page.whole("tollgate_redis_up", &[]) == Some(1)
    })
}

/// Asserts that what a query asks for is exported.
fn holds(page: &Page, labels: &BTreeMap<&str, BTreeSet<&str>>, place: &str, query: &str) {
    let found = promql::asked(query);
    assert!(!found.selectors.is_empty(), "{place} asks for nothing: {query}");
    let mut known: BTreeSet<&str> = OF_TARGETS.into();
    for selector in &found.selectors {
        let name = selector.name.as_str();
        let own = match labels.get(name) {
            Some(own) => own.clone(),
            None if OF_PROMETHEUS.contains(&name) => BTreeSet::new(),
            None => panic!("{place}: no gateway exports {name}: {query}"),
        };
        known.extend(&own);
        for (label, sign, value) in &selector.labels {
            let is_known = own.contains(label.as_str()) || OF_TARGETS.contains(&label.as_str());
            assert!(is_known, "{place}: {name} has no label {label}: {query}");
            if OF_TARGETS.contains(&label.as_str()) || value.contains('$') {
                continue;
            }
            let values = values(page, name, label);
            if sign.contains('~') {
                for part in value.split('|') {
                    let part = part.trim_end_matches(".*");
                    assert!(
                        values.iter().any(|value| value.starts_with(part)),
                        "{place}: {label}={part}: {query}"
                    );
                }
            } else {
                assert!(values.contains(value.as_str()), "{place}: no {label}={value}: {query}");
            }
        }
    }
    for label in &found.grouped {
        assert!(known.contains(label.as_str()), "{place}: nothing has a label {label}: {query}");
    }
}

/// What a label may say: what the page has, and what stands in the closed lists.
fn values<'p>(page: &'p Page, name: &str, label: &str) -> BTreeSet<&'p str> {
    let series = page.series.iter().filter(|series| series.name == name);
    let told = series.filter_map(|series| series.labels.get(label)).map(String::as_str);
    let listed: Vec<&str> = match label {
        "reason" => TABLE.iter().map(|row| row.reason).collect(),
        "outcome" => Outcome::ALL.map(Outcome::label).into(),
        "stage" => Stage::ALL.map(Stage::label).into(),
        "state" => Lent::ALL.map(Lent::label).into(),
        _ => Vec::new(),
    };
    told.chain(listed).collect()
}

#[test]
fn dashboards_and_alerts_ask_for_what_a_gateway_exports_and_the_page_lists_all_of_it() {
    let page = busy();
    let labels = page.labels();
    let queries = files::queries(&files::dashboard());
    assert!(queries.len() > 25, "{}", queries.len());
    for (place, query) in &queries {
        holds(&page, &labels, place, query);
    }
    for alert in files::alerts() {
        holds(&page, &labels, &alert.name, &alert.expr);
    }
    // Each family is on the dashboard or is an alert's, but what is there to be looked up.
    let told: BTreeSet<String> = queries
        .iter()
        .map(|(_, query)| query.clone())
        .chain(files::alerts().into_iter().map(|alert| alert.expr))
        .flat_map(|query| promql::asked(&query).selectors)
        .map(|selector| page.family(&selector.name).to_owned())
        .collect();
    let untold: Vec<&String> = page.families.keys().filter(|family| !told.contains(*family)).collect();
    assert!(untold.is_empty(), "no dashboard and no alert has {untold:?}");
    // The page of documentation has a row for each family, and none besides.
    let documented: BTreeMap<String, (String, BTreeSet<String>)> =
        files::table(&files::read("docs/OPERATIONS.md"), "## Metrics")
            .into_iter()
            .map(|row| {
                let words = |cell: &str| -> BTreeSet<String> {
                    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
                };
                assert!(row.len() == 4 && row[3].len() > 10, "{row:?}");
                (row[0].trim_matches('`').to_owned(), (row[1].clone(), words(&row[2])))
            })
            .collect();
    let exported: BTreeMap<String, (String, BTreeSet<String>)> = page
        .families
        .iter()
        .map(|(family, kind)| {
            let series = page.series.iter().filter(|series| page.family(&series.name) == family);
            let mut own: BTreeSet<String> = series.flat_map(|series| series.labels.keys().cloned()).collect();
            own.remove("le");
            (family.clone(), (kind.clone(), own))
        })
        .collect();
    assert_eq!(documented, exported);
}

#[test]
fn every_alert_says_what_to_do_and_is_tried() {
    let (alerts, operations) = (files::alerts(), files::read("docs/OPERATIONS.md"));
    let tried = files::read("config/prometheus/alerts_test.yml");
    assert!(alerts.len() >= 20, "{}", alerts.len());
    let names: BTreeSet<&str> = alerts.iter().map(|alert| alert.name.as_str()).collect();
    assert_eq!(names.len(), alerts.len(), "a name twice");
    for alert in &alerts {
        let name = &alert.name;
        assert!(
            !alert.expr.is_empty() && alert.summary.len() > 15 && alert.description.len() > 30,
            "{alert:?}"
        );
        assert!(["critical", "warning"].contains(&alert.severity.as_str()), "{alert:?}");
        assert_eq!(alert.runbook, format!("docs/OPERATIONS.md#{}", name.to_lowercase()));
        let (_, section) =
            operations.split_once(&format!("\n### {name}\n")).unwrap_or_else(|| panic!("no {name}"));
        let section = section.split("\n#").next().unwrap();
        for part in ["**What it means.**", "**What to look at.**", "**What to do.**"] {
            assert!(section.contains(part), "{name} does not say: {part}");
        }
        assert!(tried.contains(&format!("alertname=\"{name}\"")), "{name} is never tried");
    }
    // No section of an alert that is gone.
    let (_, sections) = operations.split_once("\n## Alerts\n").unwrap();
    let sections = sections.split("\n## ").next().unwrap();
    for heading in sections.lines().filter_map(|line| line.strip_prefix("### ")) {
        assert!(names.contains(heading), "{heading} is no alert");
    }
}

#[test]
fn the_dashboard_can_be_imported() {
    let dashboard = files::dashboard();
    let panels = dashboard["panels"].as_array().unwrap();
    let ids: BTreeSet<u64> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
    assert_eq!(ids.len(), panels.len(), "a panel's id twice");
    assert!(
        dashboard["uid"] == "tollgate" && dashboard["id"].is_null() && dashboard["schemaVersion"].is_u64()
    );
    let mut taken = BTreeSet::new();
    for panel in panels {
        let title = &panel["title"];
        let at = |name: &str| panel["gridPos"][name].as_u64().unwrap();
        for (x, y) in
            (at("x")..at("x") + at("w")).flat_map(|x| (at("y")..at("y") + at("h")).map(move |y| (x, y)))
        {
            assert!(x < 24 && taken.insert((x, y)), "{title} lies on another panel");
        }
        if panel["type"] == "row" {
            continue;
        }
        // The source is the reader's to choose.
        assert_eq!(panel["datasource"]["uid"], "${datasource}", "{title}");
        let targets = panel["targets"].as_array().unwrap();
        let letters: BTreeSet<&str> =
            targets.iter().map(|target| target["refId"].as_str().unwrap()).collect();
        assert!(!targets.is_empty() && letters.len() == targets.len(), "{title}");
        assert!(panel["description"].as_str().unwrap().len() > 20, "{title}");
        assert!(panel["fieldConfig"]["defaults"]["unit"].is_string(), "{title} has no unit");
    }
}

/// `promtool`, which `cargo xtask test` puts in place.
fn promtool(arguments: &[&str], input: &str) {
    let program = files::path("target/test-environment/prometheus/promtool");
    assert!(program.exists(), "{} is missing; `cargo xtask test` puts it in place", program.display());
    let mut command = Command::new(program);
    command.args(arguments).current_dir(files::path("config/prometheus"));
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    // What it only advises against stands beside success.
    let is_content = output.status.success() && !said.contains("WARN");
    assert!(is_content, "promtool {arguments:?}: {said}");
}

#[test]
fn promtool_reads_the_page() {
    promtool(&["check", "metrics"], &busy().text);
    let world = World::new("", "");
    let gateway = world.serve();
    promtool(&["check", "metrics"], crate::admin::get(&gateway, "/metrics").text());
    // The other format it reads only where every series says when it was.
    let headers = [("Accept", "application/openmetrics-text".to_owned())];
    let page = Connection::open(gateway.admin).request("GET", "/metrics", &headers, "");
    let timed =
        |line: &str| if line.starts_with('#') { format!("{line}\n") } else { format!("{line} 1800000000\n") };
    let timed: String = page.text().lines().map(timed).collect();
    let (file, blocks) = (world.folder.path().join("page"), world.folder.path().join("blocks"));
    std::fs::write(&file, timed).unwrap();
    let [file, blocks] = [&file, &blocks].map(|path| path.to_str().unwrap());
    promtool(&["tsdb", "create-blocks-from", "openmetrics", file, blocks], "");
}

#[test]
fn promtool_takes_the_alerts_and_they_fire_when_they_should() {
    promtool(&["check", "rules", "alerts.yml"], "");
    promtool(&["test", "rules", "alerts_test.yml"], "");
}
