//! Whatever clients send as a name, a method, a key, a path or a host is on no page of metrics, and
//! makes no series: the set of them is closed.

use std::collections::BTreeSet;

use tollgate::base::UnderWay;
use tollgate::base::denial::TABLE;
use tollgate::base::key::random;
use tollgate::telemetry::{Lent, Outcome, Protocol, Shut, Stage};

use super::page::{Page, whole};
use crate::world::{Connection, Gateway, META, World, call, call_headers, strength};

/// Clients at once.
const CLIENTS: usize = 4;

/// One client that makes things up.
struct Liar<'g> {
    gateway: &'g Gateway,
    connection: Option<Connection>,
    key: &'g str,
    foreign: &'g str,
    mark: &'g str,
    number: u64,
}

impl Liar<'_> {
    /// A word that nobody used before, with the mark in it: letters and digits, as every place takes them.
    fn word(&mut self) -> String {
        // A round of a generator of numbers; each once.
        self.number =
            self.number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        format!("{}{:016x}", self.mark, self.number)
    }

    fn send(&mut self, method: &str, path: &str, headers: &[(&str, String)], body: &str) {
        let gateway = self.gateway;
        let connection = self.connection.get_or_insert_with(|| gateway.connect());
        let answer = connection.request(method, path, headers, body);
        if answer.header("connection").is_some_and(|told| told.eq_ignore_ascii_case("close")) {
            self.connection = None;
        }
    }

    /// One request; each kind of lie in its turn.
    fn lie(&mut self, turn: usize) {
        let (word, key) = (self.word(), self.key.to_owned());
        let with = |key: String, tool: &str| {
            let mut headers = call_headers(tool);
            headers.push(("Authorization", format!("Bearer {key}")));
            headers
        };
        let tool = |tool: &str| (with(key.clone(), tool), call(tool));
        let (mut path, mut method) = ("/crm/mcp".to_owned(), "POST");
        let (headers, body) = match turn % 14 {
            0 => tool(&word),
            // Under a rule, whose pattern is the label.
            1 => tool(&format!("crm.read_{word}")),
            2 => tool(&key),
            3 => {
                let mut headers = with(key.clone(), &word);
                headers.retain(|(name, _)| *name != "Mcp-Method" && *name != "Mcp-Name");
                headers.push(("Mcp-Method", word.clone()));
                (headers, call("x").replace("tools/call", &word))
            }
            4 => (with(word.clone(), "crm.read_x"), call("crm.read_x")),
            // Well formed, and of another registry.
            5 => (with(self.foreign.to_owned(), "crm.read_x"), call("crm.read_x")),
            6 => {
                path = format!("/{word}/mcp");
                tool("crm.read_x")
            }
            7 => {
                let mut headers = with(key.clone(), "crm.read_x");
                headers.push(("Host", format!("{word}.example.com")));
                (headers, call("crm.read_x"))
            }
            8 => {
                let mut headers = with(key.clone(), "crm.read_x");
                headers.push(("Origin", format!("https://{word}.example.com")));
                (headers, call("crm.read_x"))
            }
            9 => {
                let mut headers = with(key.clone(), "crm.read_x");
                headers.retain(|(name, _)| *name != "MCP-Protocol-Version");
                headers.push(("MCP-Protocol-Version", word.clone()));
                (headers, call("crm.read_x").replace("2026-07-28", &word))
            }
            10 => {
                let mut headers = with(key.clone(), &format!("crm://{word}/a"));
                headers.retain(|(name, _)| *name != "Mcp-Method");
                headers.push(("Mcp-Method", "resources/read".into()));
                (
                    headers,
                    format!(
                        r#"{{"jsonrpc":"2.0","id":"{word}","method":"resources/read","params":{{"uri":"crm://{word}/a",{META}}}}}"#
                    ),
                )
            }
            11 => {
                let mut headers = with(key.clone(), "crm.read_x");
                for name in ["X-Request-Id", "User-Agent", "X-Forwarded-For", "Mcp-Session-Id", "Traceparent"]
                {
                    headers.push((name, word.clone()));
                }
                path = format!("/crm/mcp?{word}={word}");
                (headers, call("crm.read_x"))
            }
            12 => {
                // What is no method of the endpoint.
                method = "PURGE";
                path = format!("/crm/mcp/{word}");
                (with(key.clone(), "crm.read_x"), String::new())
            }
            _ => (with(key.clone(), "crm.read_x"), format!("{{\"{word}\":\"{key}\"")),
        };
        self.send(method, &path, &headers, &body);
    }
}

/// Each client lies so often; `from` goes on where the last ones ended.
fn lies(gateway: &Gateway, keys: [&str; 2], mark: &str, from: usize, count: usize) {
    std::thread::scope(|scope| {
        for client in 0..CLIENTS {
            scope.spawn(move || {
                let number = ((client as u64) << 60) | from as u64;
                let [key, foreign] = keys;
                let mut liar = Liar { gateway, connection: None, key, foreign, mark, number };
                (0..count / CLIENTS).for_each(|turn| liar.lie(turn));
            });
        }
    });
}

/// Every label is one of a list that is written down.
fn closed(page: &Page) {
    let servers = ["crm", "_none"];
    let tools = ["crm.read_*", "crm.write_activity", "_other"];
    let reasons = TABLE.iter().map(|row| row.reason).chain(Shut::ALL.map(Shut::label));
    let reasons: BTreeSet<&str> = reasons.collect();
    for series in &page.series {
        for (label, value) in &series.labels {
            let value = value.as_str();
            let known = match label.as_str() {
                "server" => servers.contains(&value),
                "tool" => tools.contains(&value),
                "reason" => reasons.contains(value),
                "outcome" => Outcome::ALL.iter().any(|outcome| outcome.label() == value),
                "stage" => Stage::ALL.iter().any(|stage| stage.label() == value),
                "state" => Lent::ALL.iter().any(|state| state.label() == value),
                "protocol" => Protocol::ALL.iter().any(|protocol| protocol.label() == value),
                "kind" => UnderWay::ALL.iter().any(|kind| kind.label() == value),
                "le" => value == "+Inf" || value.parse::<f64>().is_ok(),
                "version" | "commit" | "profile" => series.name == "tollgate_build_info",
                _ => false,
            };
            assert!(known, "{label} of {series:?}");
        }
    }
}

#[expect(clippy::print_stdout, reason = "the record of the full run")]
pub(super) fn made_up() {
    let world = World::new("", "");
    // A line for every refusal of a million would be kept by this test.
    world.edit("level = \"debug\"", "level = \"info\"");
    let (key, id) = world.issue(&["crm:read"]);
    let (foreign, foreign_id) = World::new("", "").issue(&["crm:read"]);
    let gateway = world.serve();
    let mark = format!("zq{:012x}", u64::from_be_bytes(random().unwrap()) >> 16);
    let keys = [key.as_str(), foreign.as_str()];
    // Every kind of lie once or more: what may be counted is counted.
    let first = 280;
    lies(&gateway, keys, &mark, 0, first);
    let before = Page::of(&gateway);
    closed(&before);
    for reason in ["not_configured", "invalid_key", "route_unknown", "host_denied", "origin_denied"] {
        assert!(before.text.contains(reason), "{reason} in {}", before.text);
    }
    let answered = [("tool", "crm.read_*"), ("outcome", "answered")];
    assert!(before.whole("tollgate_requests_total", &answered).unwrap() > 10, "{}", before.text);
    lies(&gateway, keys, &mark, first, strength(2_800, 1_000_000));
    let after = Page::of(&gateway);
    closed(&after);
    let new: Vec<_> = after.identities().difference(&before.identities()).cloned().collect();
    assert!(new.is_empty(), "{new:?}");
    assert_eq!(before.series.len(), after.series.len());
    let page = after.text.to_lowercase();
    let secrets = keys.map(|key| key.split_once('.').unwrap().1);
    for word in [mark.as_str(), &id, &foreign_id].into_iter().chain(secrets) {
        assert!(!page.contains(&word.to_lowercase()), "{word} in {page}");
    }
    let count = |page: &Page| {
        let counted = ["tollgate_requests_total", "tollgate_denials_total"];
        let series = page.series.iter().filter(|series| counted.contains(&series.name.as_str()));
        series.map(|series| whole(series.value)).sum::<u64>()
    };
    println!(
        "measured: {} requests that make names up: {} series before them, {} after",
        strength(2_800, 1_000_000),
        before.series.len(),
        after.series.len()
    );
    assert!(count(&after) - count(&before) >= strength(2_800, 1_000_000) as u64, "all were counted");
}
