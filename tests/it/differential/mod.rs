//! The parser differential: bodies that parsers read differently go to the gateway, and nothing
//! that any reader takes for a forbidden call comes out on the other side.
//!
//! The bodies are data below `tests/corpus/bodies`; the readers beside them are real parsers and
//! known bad habits of others, and never see what the gateway says. The same judgement is passed
//! on checks as one would write them first, which must fail it.
mod mutants;
mod readers;
mod sending;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use serde_json::Value;

use self::readers::{RULES, Seen, permitted, read_all, smuggled};
use self::sending::{Headers, Sent, send_all, session};
use crate::corpus::{Body, Expected, bodies};
use crate::world::{Answer, Recorder, World, strength};

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
/// The bodies of this run and which calls every reader sees in each; read once for all tests.
fn read_bodies() -> &'static (Vec<Body>, Vec<Seen>) {
    static READ: OnceLock<(Vec<Body>, Vec<Seen>)> = OnceLock::new();
    READ.get_or_init(|| {
        let bodies = chosen();
        let seen = read_all(&bodies);
        (bodies, seen)
    })
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
/// What reached the upstream, by the request id under which each body was sent.
fn reached(recorder: &Recorder) -> BTreeMap<String, Vec<String>> {
    let mut reached: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for request in recorder.seen() {
        let (head, body) = request.split_once("\r\n\r\n").unwrap();
        let head = head.to_lowercase();
        let mark = head.lines().find_map(|line| line.strip_prefix("x-request-id: ")).unwrap();
        reached.entry(mark.to_owned()).or_default().push(body.to_owned());
    }
    reached
}

#[test]
fn nothing_that_any_reader_takes_for_a_forbidden_call_gets_through() {
    let (bodies, seen) = read_bodies();
    let world = World::new("", RULES);
    let (key, _) = world.issue(&["crm:read"]);
    let gateway = world.serve();
    let session = session(&gateway, &key);
    let sent = send_all(&gateway, &key, &session, bodies, seen);

    let reached = reached(&world.recorder);
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
