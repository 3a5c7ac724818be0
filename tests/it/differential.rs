//! The parser differential: bodies that parsers read differently go to the gateway, and nothing
//! that any reader takes for a forbidden call comes out on the other side.
//!
//! The bodies are data below `tests/corpus/bodies`; the readers beside them are real parsers and
//! known bad habits of others, and never see what the gateway says. The same judgement is passed
//! on checks as one would write them first, which must fail it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::corpus::{Body, Expected, bodies};
use crate::world::{Answer, Connection, Gateway, World, legacy_headers, strength};

/// Rules of their own below the patterns that the key has.
const RULES: &str = r#"
[servers.tools."crm.read_secret"]
scopes = ["crm:secret"]
[servers.prompts."secret.*"]
scopes = ["crm:secret"]
[servers.resources."crm://public/secret"]
scopes = ["crm:secret"]
"#;

/// A method and whom it concerns.
type Call = (String, String);
/// Which calls each reader sees in one body.
type Seen = BTreeMap<String, Vec<Call>>;

/// Whether the key may have what a reader sees, by the configuration's rules.
fn permitted((method, target): &Call) -> bool {
    match method.as_str() {
        "tools/call" => target.starts_with("crm.read_") && target != "crm.read_secret",
        "prompts/get" => !target.starts_with("secret."),
        "resources/read" | "resources/subscribe" | "resources/unsubscribe" => {
            let below = target.strip_prefix("crm://public/").unwrap_or("..");
            below != "secret" && !below.split('/').any(|segment| segment == "..")
        }
        "tools/list"
        | "prompts/list"
        | "resources/list"
        | "resources/templates/list"
        | "initialize"
        | "ping"
        | "server/discover"
        | "completion/complete"
        | "subscriptions/listen"
        | "logging/setLevel" => true,
        other => matches!(
            other.strip_prefix("notifications/"),
            Some("initialized" | "cancelled" | "progress" | "roots/list_changed")
        ),
    }
}

/// What of the bodies that `reached` the upstream some reader takes for a forbidden call.
fn smuggled(bodies: &[Body], seen: &[Seen], reached: impl Fn(usize) -> bool) -> Vec<String> {
    let forbidden = |index: usize| {
        let of_reader = |(reader, calls): (&String, &Vec<Call>)| {
            let call = calls.iter().find(|call| !permitted(call))?;
            Some(format!("{}: {reader} sees {call:?}", bodies[index].name))
        };
        seen[index].iter().filter_map(of_reader).collect::<Vec<_>>()
    };
    (0..bodies.len()).filter(|index| reached(*index)).flat_map(forbidden).collect()
}

/// Bodies for this run: every line as a request in each era, and of its other shapes all or,
/// on everyday runs, a share that moves from line to line.
fn chosen() -> Vec<Body> {
    // Prime to the number of shapes, so that every shape has its turn.
    let share = strength(17, 1);
    let mut chosen = bodies();
    let mut index = 0;
    chosen.retain(|body| {
        index += 1;
        body.name.contains(" request ") || index % share == 0
    });
    chosen
}

/// Has a program read every body, in one run.
fn read_with(mut command: Command, bodies: &[Body]) -> Vec<Seen> {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    let answers: Vec<String> = std::thread::scope(|scope| {
        scope.spawn(move || {
            for body in bodies {
                writeln!(input, "{} {}", STANDARD.encode(&body.bytes), body.media).unwrap();
            }
        });
        output.lines().map(Result::unwrap).collect()
    });
    assert!(child.wait().unwrap().success());
    assert_eq!(answers.len(), bodies.len(), "a reader did not answer for every body");
    answers.iter().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"))).collect()
}

/// The bodies of this run and which calls every reader sees in each; read once for all tests.
fn read_bodies() -> &'static (Vec<Body>, Vec<Seen>) {
    static READ: OnceLock<(Vec<Body>, Vec<Seen>)> = OnceLock::new();
    READ.get_or_init(|| {
        let bodies = chosen();
        let seen = read_all(&bodies);
        (bodies, seen)
    })
}

fn read_all(bodies: &[Body]) -> Vec<Seen> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let installed = |path: &str| {
        let path = root.join("target/test-environment").join(path);
        assert!(path.exists(), "{} is missing; `cargo xtask test` puts it in place", path.display());
        path
    };
    let mut python = Command::new(installed("python/bin/python"));
    python.arg(root.join("tests/corpus/readers/readers.py")).env("PYTHONDONTWRITEBYTECODE", "1");
    let mut node = Command::new("node");
    node.arg(root.join("tests/corpus/readers/readers.mjs")).arg(installed("typescript"));
    let (mut seen, others) = std::thread::scope(|scope| {
        let python = scope.spawn(|| read_with(python, bodies));
        (read_with(node, bodies), python.join().unwrap())
    });
    for (seen, others) in seen.iter_mut().zip(others) {
        seen.extend(others);
    }
    seen
}

/// Headers of a modern message; the mirrors say what a reader sees.
fn modern_headers(key: &str, call: Option<&Call>) -> Vec<(&'static str, String)> {
    let read_note = ("tools/call".to_owned(), "crm.read_note".to_owned());
    let plain = |text: &str| {
        !text.is_empty() && text.trim() == text && text.bytes().all(|b| (b' '..=b'~').contains(&b))
    };
    let (method, target) =
        call.filter(|(method, _)| plain(method) && method.len() < 100).unwrap_or(&read_note);
    let mut headers = legacy_headers(key);
    headers.extend([("MCP-Protocol-Version", "2026-07-28".to_owned()), ("Mcp-Method", method.clone())]);
    if ["tools/call", "prompts/get", "resources/read"].contains(&method.as_str()) && target.len() < 4_000 {
        let sentinel = !plain(target) || target.contains("=?base64?");
        let name = if sentinel { format!("=?base64?{}?=", STANDARD.encode(target)) } else { target.clone() };
        headers.push(("Mcp-Name", name));
    }
    headers
}

/// Sends one body, on a connection that is opened anew where the last answer closed it.
fn send(
    gateway: &Gateway,
    connection: &mut Option<Connection>,
    headers: &[(&str, String)],
    body: &Body,
) -> Answer {
    let to = connection.get_or_insert_with(|| gateway.connect());
    let mut request = format!("POST /crm/mcp HTTP/1.1\r\nHost: {}\r\n", to.host);
    for (name, value) in headers.iter().filter(|(name, _)| *name != "Content-Type") {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str(&format!(
        "Content-Type: {}\r\nContent-Length: {}\r\n\r\n",
        body.media,
        body.bytes.len()
    ));
    to.send(&[request.as_bytes(), &body.bytes].concat());
    let answer = to.answer();
    if answer.header("connection") == Some("close") {
        *connection = None;
    }
    answer
}

/// What is wrong with the answer to a body that has to be refused; nothing, if it is none.
fn misrefused(body: &Body, answer: &Answer) -> Option<String> {
    let Expected::Refused(wanted) = body.expected else { return None };
    let said = || format!("{}: {} {}", body.name, answer.status, String::from_utf8_lossy(&answer.body));
    let Ok(told) = serde_json::from_slice::<Value>(&answer.body) else { return Some(said()) };
    let code = told["error"]["code"].as_i64().unwrap_or(0);
    // A shape that is wrong may be told first, and so may a notification nobody knows.
    let shape = body.misshapen && (code == -32600 || (wanted == -32601 && code == 40302));
    let status = match code {
        -32601 => 200,
        -32700..=-32000 => 400,
        own => u16::try_from(own / 100).unwrap_or(0),
    };
    let id = body.id.as_deref().unwrap_or("null");
    let right = (code == wanted || shape)
        && answer.status == status
        && answer.text().starts_with(&format!(r#"{{"jsonrpc":"2.0","id":{id},"error":"#));
    (!right).then(said)
}

/// Which headers a body is sent with.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Headers {
    /// Those of its era, which repeat what it says.
    Own,
    /// Modern ones that name what the key may have, whatever the body says.
    Innocent,
    /// Those of the other era.
    OtherEra,
}

impl Headers {
    /// Those that a body is sent with, one after the other.
    fn of(body: &Body) -> &'static [Self] {
        let refused = body.expected != Expected::Passes;
        match (body.name.contains(" request "), body.modern) {
            (true, true) if refused && body.of_one_era => &[Self::Own, Self::Innocent],
            (true, true) if refused => &[Self::Own, Self::Innocent, Self::OtherEra],
            (true, _) if !body.of_one_era && (body.modern || refused) => &[Self::Own, Self::OtherEra],
            _ => &[Self::Own],
        }
    }

    /// The request id under which a body is sent with them.
    fn mark(self, index: usize) -> String {
        let word = match self {
            Self::Own => "own",
            Self::Innocent => "innocent",
            Self::OtherEra => "other",
        };
        format!("{word}-{index}")
    }
}

/// A body of the corpus that was sent.
struct Sent {
    index: usize,
    headers: Headers,
    answer: Answer,
}

/// Sends every body, some of them more than once.
fn send_all(gateway: &Gateway, key: &str, session: &str, bodies: &[Body], seen: &[Seen]) -> Vec<Sent> {
    let lanes = 2;
    let lane = |lane: usize| {
        let mut connection = None;
        let mut sent = Vec::new();
        for (index, body) in bodies.iter().enumerate().filter(|(index, _)| index % lanes == lane) {
            let call = seen[index]["python"].first().or_else(|| seen[index]["node"].first());
            for headers in Headers::of(body) {
                let modern = body.modern != (*headers == Headers::OtherEra);
                let mut lines = if modern {
                    modern_headers(key, call.filter(|_| *headers != Headers::Innocent))
                } else {
                    [legacy_headers(key), vec![("Mcp-Session-Id", session.to_owned())]].concat()
                };
                lines.push(("X-Request-Id", headers.mark(index)));
                let answer = send(gateway, &mut connection, &lines, body);
                sent.push(Sent { index, headers: *headers, answer });
            }
        }
        sent
    };
    std::thread::scope(|scope| {
        let other = scope.spawn(|| lane(1));
        [lane(0), other.join().unwrap()].into_iter().flatten().collect()
    })
}

/// A session, so that a client's answers get as far as they can.
fn session(gateway: &Gateway, key: &str) -> String {
    let mut headers = legacy_headers(key);
    headers.push(("X-Request-Id", "session".into()));
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{}}"#;
    let answer = gateway.connect().request("POST", "/crm/mcp", &headers, body);
    answer.header("mcp-session-id").unwrap_or_else(|| panic!("{answer:?}")).to_owned()
}

#[test]
fn nothing_that_any_reader_takes_for_a_forbidden_call_gets_through() {
    let (bodies, seen) = read_bodies();
    let world = World::new("", RULES);
    let (key, _) = world.issue(&["crm:read"]);
    let gateway = world.serve();
    let session = session(&gateway, &key);
    let sent = send_all(&gateway, &key, &session, bodies, seen);

    // What reached the upstream, by the number that each body was sent under.
    let mut reached: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for request in world.recorder.seen() {
        let (head, body) = request.split_once("\r\n\r\n").unwrap();
        let mark = head
            .lines()
            .find_map(|line| line.to_lowercase().strip_prefix("x-request-id: ").map(str::to_owned));
        reached.entry(mark.unwrap()).or_default().push(body.to_owned());
    }
    let marks = |index| [Headers::Own, Headers::Innocent, Headers::OtherEra].map(|h: Headers| h.mark(index));
    let mut wrong =
        smuggled(bodies, seen, |index| marks(index).iter().any(|mark| reached.contains_key(mark)));
    let (mut passed, mut refused) = (0, 0);
    for Sent { index, headers, answer } in &sent {
        let (body, own) = (&bodies[*index], *headers == Headers::Own);
        let arrived = reached.get(&headers.mark(*index)).map_or(&[][..], Vec::as_slice);
        if own && body.expected == Expected::Passes {
            let whole = matches!(arrived, [one] if one.as_bytes() == body.bytes);
            if !whole || ![200, 202].contains(&answer.status) {
                wrong.push(format!("{} does not pass: {answer:?}", body.name));
            }
            passed += 1;
        } else {
            if !arrived.is_empty() {
                wrong.push(format!("{} gets through", body.name));
            }
            // Which of two faults is told does not matter where the headers are wrong as well.
            wrong.extend(misrefused(body, answer).filter(|_| own));
            refused += 1;
        }
    }
    println!("{} bodies: {passed} passed, {refused} were refused", sent.len());
    assert!(wrong.is_empty(), "{} of {} bodies:\n{}", wrong.len(), sent.len(), wrong.join("\n"));
    assert!(passed >= 150 && refused >= 1_000, "{passed} {refused}");
}

#[test]
fn the_corpus_is_as_large_as_it_must_be() {
    let bodies = bodies();
    let lines = |passes: bool| {
        let of_kind =
            bodies.iter().filter(|body| !body.misshapen && (body.expected == Expected::Passes) == passes);
        of_kind.map(|body| body.name.split(' ').next().unwrap()).collect::<BTreeSet<_>>().len()
    };
    assert!(lines(false) >= 350 && lines(true) >= 60, "{} {}", lines(false), lines(true));
    let names: BTreeSet<&str> = bodies.iter().map(|body| body.name.as_str()).collect();
    assert_eq!(names.len(), bodies.len(), "two bodies have one name");
}

/// A check as one would write it first: whether it forwards a body.
type Check = fn(&[u8]) -> bool;

/// Looks for the first text behind a member's name, without parsing.
fn by_scanning(body: &[u8]) -> bool {
    let text = String::from_utf8_lossy(body);
    let behind = |name: &str| {
        let rest = text.split_once(&format!("\"{name}\":\""))?.1;
        Some(rest.split_once('"')?.0.to_owned())
    };
    let Some(method) = behind("method") else { return false };
    let target = behind(if method.starts_with("resources/") { "uri" } else { "name" });
    permitted(&(method, target.unwrap_or_default()))
}

/// Parses, and takes the last of two members, as most parsers do.
fn by_parsing(body: &[u8]) -> bool {
    let Ok(value) = serde_json::from_slice::<Value>(body) else { return false };
    let Some(method) = value["method"].as_str() else { return value.get("result").is_some() };
    let params = &value["params"];
    let named = if method.starts_with("resources/") { &params["uri"] } else { &params["name"] };
    permitted(&(method.to_owned(), named.as_str().unwrap_or_default().to_owned()))
}

/// Parses, and applies the rules to requests alone: what has no proper id is no request.
fn requests_only(body: &[u8]) -> bool {
    let Ok(value) = serde_json::from_slice::<Value>(body) else { return false };
    !(value["id"].is_string() || value["id"].is_i64()) || by_parsing(body)
}

#[test]
fn checks_as_one_writes_them_first_let_some_through() {
    let (bodies, seen) = read_bodies();
    let checks: [(&str, Check); 3] =
        [("scanning", by_scanning), ("parsing", by_parsing), ("requests only", requests_only)];
    for (name, check) in checks {
        let through = smuggled(bodies, seen, |index| check(&bodies[index].bytes));
        println!("{name}: {} forbidden calls get through", through.len());
        assert!(through.len() >= 30, "{name} lets nothing through: the judgement sees nothing");
    }
    // Each reader sees something that the strictest of the checks does not.
    let all = smuggled(bodies, seen, |_| true).join("\n");
    let through = smuggled(bodies, seen, |index| by_parsing(&bodies[index].bytes)).join("\n");
    for reader in
        seen[0].keys().filter(|reader| !["python", "node", "node-buffer"].contains(&reader.as_str()))
    {
        let sees = format!(": {reader} sees");
        assert!(all.contains(&sees), "{reader} sees nothing at all");
        let more = ["python-sdk", "typescript-sdk"].contains(&reader.as_str()) || through.contains(&sees);
        assert!(more, "{reader} sees nothing that a plain parser does not");
    }
}
