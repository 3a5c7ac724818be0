//! Ceilings: above them new work is refused at once, what has begun goes on, and the admin
//! listener answers.

use std::time::{Duration, Instant};

use super::{bounded, overloaded, until};
use crate::world::{Connection, Gateway, MIB, World, call, call_headers, header_lines};

/// A stream in flight, of which one event has arrived.
fn stream(gateway: &Gateway, key: &str) -> Connection {
    let mut stream = gateway.connect();
    stream.send_call(key, "crm.read_event");
    assert_eq!(stream.head().status, 200);
    assert_eq!(stream.chunk().unwrap(), b"data: {}\n\n");
    stream
}

/// The stream still gets what is sent on it.
fn goes_on(stream: &mut Connection) {
    assert_eq!(stream.chunk().as_deref(), Some(&b":\n"[..]), "the stream goes on");
}

pub(super) fn connections() {
    let (_world, key, gateway) = bounded("connections = 8\nstream_comment = \"100ms\"");
    let mut stream = stream(&gateway, &key);
    let mut others: Vec<_> = (0..7).map(|_| gateway.connect()).collect();
    for other in &mut others {
        assert_eq!(other.call(&key, "crm.read_x").status, 200);
    }
    // Beyond the ceiling: one is told, the next is closed at once.
    let mut told = gateway.connect();
    let begun = Instant::now();
    let mut closed = gateway.connect();
    assert!(closed.closed() && begun.elapsed() < Duration::from_secs(1));
    overloaded(&told.call(&key, "crm.read_x"), &gateway);
    assert!(told.closed());
    goes_on(&mut stream);
    assert_eq!(others[0].call(&key, "crm.read_x").status, 200, "who is in is served on");
    drop(others);
    let one = "tollgate_connections{protocol=\"h1\"} 1\n";
    until("they are gone", || crate::admin::get(&gateway, "/metrics").text().contains(one));
    assert_eq!(gateway.connect().call(&key, "crm.read_x").status, 200, "there is room again");
}

pub(super) fn requests() {
    let (world, key, gateway) = bounded("requests = 2\nstream_comment = \"100ms\"");
    let mut stream = stream(&gateway, &key);
    let mut waiting: Vec<_> = (0..2).map(|_| gateway.connect()).collect();
    for waiting in &mut waiting {
        waiting.send_call(&key, "crm.read_silence");
    }
    until("both wait", || world.recorder.seen().len() == 3);
    let begun = Instant::now();
    overloaded(&gateway.connect().call(&key, "crm.read_x"), &gateway);
    assert!(begun.elapsed() < Duration::from_secs(1), "at once");
    goes_on(&mut stream);
    drop(waiting);
    until("there is room again", || gateway.connect().call(&key, "crm.read_x").status == 200);
}

pub(super) fn streams() {
    let (world, key, gateway) = bounded("streams = 1\nstream_comment = \"100ms\"");
    let mut first = stream(&gateway, &key);
    overloaded(&gateway.connect().call(&key, "crm.read_event"), &gateway);
    until("the upstream's stream is given up", || world.recorder.closed().len() == 1);
    goes_on(&mut first);
    assert_eq!(gateway.connect().call(&key, "crm.read_x").status, 200, "an answer that is none passes");
    drop(first);
    until("there is room again", || {
        let mut next = gateway.connect();
        next.send_call(&key, "crm.read_event");
        next.head().status == 200
    });
}

/// More keys at once than there is room for buckets: those beyond are refused, and counted; once buckets
/// are full again there is room.
pub(super) fn buckets() {
    use tollgate::base::Clock;
    use tollgate::base::digest::Hasher;
    use tollgate::base::key::Env;
    use tollgate::registry::Embedded;
    use tollgate::registry::operations::{self, Wish};
    let plan = "[bounds]\nbuckets = 1\n[plans.standard]\ncalls = { rate = \"6/m\", burst = 1 }\n";
    let tool =
        "[servers.tools.\"crm.read_x\"]\nscopes = [\"crm:read\"]\nlimit = { rate = \"6/m\", burst = 1 }";
    let world = World::new(plan, tool);
    let mut registry = Embedded::open(&world.folder.path().join("tollgate.db")).unwrap();
    // Each of 256 shards has room for the two buckets of four keys.
    let keys: Vec<String> = (0..1_500)
        .map(|_| {
            let wish = Wish {
                env: Env::Test,
                name: "crowd".into(),
                owner: None,
                scopes: vec!["crm:read".into()],
                plan: Some("standard".into()),
                limits: None,
                expires_at: None,
            };
            let now = Clock::system().now();
            operations::issue(&mut registry, &Hasher::new(&[]), wish, now).unwrap().key.reveal().clone()
        })
        .collect();
    let gateway = world.serve();
    let mut connection = gateway.connect();
    let mut refused = Vec::new();
    for key in &keys {
        let answer = connection.call(key, "crm.read_x");
        if answer.status != 200 {
            assert_eq!((answer.status, answer.reason()), (429, "rate_limited".into()));
            assert_eq!(answer.json()["error"]["data"]["limit"], "room");
            refused.push(key);
        }
    }
    assert!(!refused.is_empty(), "a crowd finds no room for all");
    let counted = format!("tollgate_limiter_full_total {}", refused.len());
    until("it is counted", || crate::admin::get(&gateway, "/metrics").text().contains(&counted));
    // Ten seconds later the others' buckets are full, and dropped by who needs the room.
    std::thread::sleep(Duration::from_secs(10));
    assert_eq!(connection.call(refused[0], "crm.read_x").status, 200);
}

/// More addresses than there is room for: those beyond it share one bucket, and a right key passes.
pub(super) fn addresses() {
    let world = World::new("[bounds]\naddresses = 1\n", "");
    let limit = "failed_keys = { rate = \"1/h\", burst = 2 }\nclient_address = \"x-forwarded-for\"\nproxies = [\"127.0.0.1\"]";
    world.edit("failed_keys = { rate = \"1000000/s\", burst = 1000000 }", limit);
    let (key, _) = world.issue(&["crm:read"]);
    let gateway = world.serve();
    let mut connection = gateway.connect();
    let mut ask = |number: u32, key: &str| {
        let from = ("X-Forwarded-For", std::net::Ipv4Addr::from(number).to_string());
        let headers = [call_headers("crm.read_x"), vec![from, ("X-API-Key", key.to_owned())]].concat();
        connection.request("POST", "/crm/mcp", &headers, &call("crm.read_x"))
    };
    // Each of 256 shards has room for eight.
    let (most, offered) = (2_048, 6_000);
    let statuses: Vec<u16> = (0..offered).map(|number| ask(number, "wrong").status).collect();
    let limited = statuses.iter().filter(|status| **status == 429).count();
    assert!(
        statuses.iter().all(|status| [401, 429].contains(status)) && limited >= offered as usize - most - 2
    );
    // What has no bucket of its own shares the two of the one for all others.
    let alone = offered as usize - limited - 2;
    for line in [
        format!("tollgate_limiter_addresses {alone}.0\n"),
        format!("tollgate_limiter_addresses_full_total {}\n", limited + 2),
    ] {
        until(&line, || crate::admin::get(&gateway, "/metrics").text().contains(&line));
    }
    assert_eq!(ask(offered, &key).status, 200);
}

/// Where the system allows fewer open files than there may be connections, a flood of them meets
/// a ceiling all the same, and calls still find their way to the upstream.
#[test]
fn a_flood_of_connections_leaves_descriptors_for_upstreams() {
    let world = World::new("[bounds]\nstream_comment = \"100ms\"\n", "");
    let (key, _) = world.issue(&["crm:read"]);
    let gateway = world.serve_with_descriptors(300);
    gateway.await_said("the system allows fewer open files");
    let mut stream = stream(&gateway, &key);
    let mut callers: Vec<_> = (0..20).map(|_| gateway.connect()).collect();
    assert_eq!(callers[0].call(&key, "crm.read_x").status, 200);
    let flood: Vec<_> = (0..600).filter_map(|_| std::net::TcpStream::connect(gateway.address).ok()).collect();
    // All at once, so that each needs a connection to the upstream of its own.
    for caller in &mut callers {
        caller.send_call(&key, "crm.read_x");
    }
    for caller in &mut callers {
        assert_eq!(caller.answer().status, 200);
    }
    goes_on(&mut stream);
    assert_eq!(crate::admin::get(&gateway, "/readyz").status, 200);
    drop(flood);
}

/// Begins a call whose body is this long and sends the first `sent` bytes of it.
fn begin_body(gateway: &Gateway, key: &str, length: usize, sent: usize) -> Connection {
    let lines = header_lines(&call_headers("crm.read_x"));
    let body = call("crm.read_x").replace(r#""arguments":{}"#, r#""arguments":{"text":"@"}"#);
    let body = body.replace('@', &"x".repeat(length - body.len() + 1));
    let mut connection = gateway.connect();
    connection.send(format!("POST /crm/mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\n{lines}Content-Length: {length}\r\n\r\n").as_bytes());
    // A refusal may come before all of it was taken.
    connection.try_send(&body.as_bytes()[..sent]);
    connection
}

pub(super) fn bodies() {
    let (_world, key, gateway) = bounded("body = \"1MiB\"\nbodies = \"2MiB\"\nstream_comment = \"100ms\"");
    let mut stream = stream(&gateway, &key);
    // What a client promises to send takes nobody's place.
    let promised: Vec<_> = (0..20).map(|_| begin_body(&gateway, &key, MIB, 1_000)).collect();
    assert_eq!(begin_body(&gateway, &key, MIB, MIB).answer().status, 200);
    // What is held does; of those below, as many as fit. Bodies that grow beside one another, and
    // the one that asks for room, may take each other's: another is begun before each question.
    let mut held: Vec<_> = (0..4).map(|_| begin_body(&gateway, &key, MIB, MIB - 1)).collect();
    let begun = Instant::now();
    let mut refused = None;
    until("a body beyond the ceiling is refused", || {
        held.push(begin_body(&gateway, &key, MIB, MIB - 1));
        let answer = begin_body(&gateway, &key, MIB, MIB).answer();
        let over = answer.status == 503;
        refused = Some(answer);
        over
    });
    overloaded(&refused.unwrap(), &gateway);
    assert!(begun.elapsed() < Duration::from_secs(2), "at once");
    goes_on(&mut stream);
    assert_eq!(gateway.connect().call(&key, "crm.read_x").status, 200, "small bodies are not counted");
    drop((promised, held));
    until("there is room again", || begin_body(&gateway, &key, MIB, MIB).answer().status == 200);
}

pub(super) fn memory() {
    let world =
        World::new("[bounds]\nmemory = \"64MiB\"\nbodies = \"1GiB\"\nstream_comment = \"100ms\"\n", "");
    let (key, _) = world.issue(&["crm:read"]);
    let gateway = world.serve();
    let mut stream = stream(&gateway, &key);
    let mut caller = gateway.connect();
    assert_eq!(caller.call(&key, "crm.read_x").status, 200);
    let held: Vec<_> = (0..20).map(|_| begin_body(&gateway, &key, 4 * MIB, 4 * MIB - 1)).collect();
    until("the ceiling is passed", || gateway.said().contains("memory ceiling passed"));
    overloaded(&caller.call(&key, "crm.read_x"), &gateway);
    goes_on(&mut stream);
    drop(held);
    until("memory comes back", || caller.call(&key, "crm.read_x").status == 200);
    assert!(gateway.said().contains("memory is below its ceiling again"));
}
