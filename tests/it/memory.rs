//! What the gateway holds in memory for its clients, measured on the process: little for who is
//! idle, in proportion for who sends, nothing for what clients make up.

use std::collections::BTreeSet;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::world::{
    ANSWER, Gateway, META, MIB, Secure, Trusting, World, call, call_bytes, call_headers, header_lines,
    legacy_call, legacy_headers, strength,
};

const PATIENCE: Duration = Duration::from_secs(20);
const KIB: usize = 1024;
/// The default of `bounds.body`.
const BODY: usize = 4 * MIB;

/// Lets this process hold so many connections.
fn allow_descriptors(count: usize) {
    let limits = format!("--nofile={count}:{count}");
    let _ = Command::new("prlimit").args(["--pid", &std::process::id().to_string(), &limits]).status();
}

/// An idle connection, of which the client's side is only the socket.
fn idle(trusting: &Trusting, gateway: &Gateway, h2: bool, sent: &[u8]) -> TcpStream {
    let mut secure: Secure = trusting.connect(gateway.address, h2, PATIENCE).unwrap();
    if !sent.is_empty() {
        secure.write_all(sent).unwrap();
        let mut whole = Vec::new();
        let mut buffer = [0; 4096];
        // An answer to the call, or the settings of HTTP/2.
        while if h2 { whole.is_empty() } else { !whole.ends_with(ANSWER.as_bytes()) } {
            let count = secure.read(&mut buffer).unwrap();
            assert!(count > 0);
            whole.extend_from_slice(&buffer[..count]);
        }
    }
    let Secure { sock, .. } = secure;
    sock
}

#[test]
fn idle_connections_cost_little() {
    let count = strength(1_000, 10_000);
    allow_descriptors(2 * count + 4_000);
    let world = World::new("", "");
    let trusting = world.secure();
    world.edit("level = \"debug\"", "level = \"info\"");
    let (key, _) = world.issue(&["crm:read"]);
    let request = call_bytes(&key, "crm.read_x");
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    for (what, h2, sent, most) in [
        ("after the handshake", false, &b""[..], 24),
        ("after a call", false, request.as_bytes(), 24),
        // The buffers of h2, which cannot be taken back while a connection idles.
        ("of HTTP/2", true, &preface[..], 64),
    ] {
        let gateway = world.serve();
        for _ in 0..20 {
            drop(idle(&trusting, &gateway, h2, sent));
        }
        let base = gateway.resident();
        let held: Vec<_> = (0..count).map(|_| idle(&trusting, &gateway, h2, sent)).collect();
        let each = gateway.resident().saturating_sub(base) / held.len();
        println!("{count} idle TLS connections {what}: {each} bytes each");
        assert!(each <= most * KIB, "{what}: {each} bytes each");
        let protocol = if h2 { "h2" } else { "h1" };
        let line = format!("tollgate_connections{{protocol=\"{protocol}\"}} {count}");
        // All are served, once those of the warm-up are gone.
        let deadline = Instant::now() + PATIENCE;
        while !crate::admin::get(&gateway, "/metrics").text().contains(&line) {
            assert!(Instant::now() < deadline, "{line}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

#[test]
fn an_event_of_96_megabytes_passes_in_little_memory() {
    let world = World::new("", "");
    let (key, _) = world.issue(&["crm:read"]);
    let gateway = world.serve();
    let mut connection = gateway.connect();
    assert_eq!(connection.call(&key, "crm.read_x").status, 200);
    let base = gateway.resident();
    gateway.forget_peak();
    connection.send_call(&key, "crm.read_huge_event");
    assert_eq!(connection.head().status, 200);
    let (mut length, mut other) = (0, Vec::new());
    while let Some(chunk) = connection.chunk() {
        length += chunk.len();
        other.extend(chunk.into_iter().filter(|byte| *byte != b'x'));
    }
    assert_eq!((length, other.as_slice()), (96_000_000 + 8, &b"data: \n\n"[..]), "every byte");
    let grown = gateway.peak().saturating_sub(base);
    println!("an event of 96 MB: {} KiB more than before", grown / KIB);
    assert!(grown <= 64 * MIB, "{} MiB", grown / MIB);
}

#[test]
fn deep_json_is_refused_and_the_process_lives() {
    let world = World::new("", "");
    let (key, _) = world.issue(&["crm:read"]);
    let gateway = world.serve();
    let mut headers = call_headers("crm.read_x");
    headers.push(("Authorization", format!("Bearer {key}")));
    let deep = [("[", "]"), ("{\"a\":", "}"), ("[{\"a\":", "}]")].map(|(open, close)| {
        let times = 100_000 / open.matches(['[', '{']).count();
        format!("{}0{}", open.repeat(times), close.repeat(times))
    });
    for deep in &deep {
        let half = &deep[..deep.len() / 2];
        for body in [
            deep.clone(),
            half.to_owned(),
            call("crm.read_x").replace("\"arguments\":{}", &format!("\"arguments\":{deep}")),
            call("crm.read_x").replace("\"id\":7", &format!("\"id\":{deep}")),
            call("crm.read_x").replace("\"id\":7", &format!("\"other\":{deep},\"id\":7")),
        ] {
            let answer = gateway.connect().request("POST", "/crm/mcp", &headers, &body);
            assert_eq!(answer.status, 400, "{}: {}", &body[..40], answer.text());
        }
    }
    // An answer that is looked into is no way in either.
    let mut discovers = headers.clone();
    discovers.retain(|(name, _)| !name.starts_with("Mcp-"));
    discovers.push(("Mcp-Method", "server/discover".into()));
    discovers.push(("X-Request-Id", "discover_deep".into()));
    let body = format!(r#"{{"jsonrpc":"2.0","id":7,"method":"server/discover","params":{{{META}}}}}"#);
    let answer = gateway.connect().request("POST", "/crm/mcp", &discovers, &body);
    assert_eq!((answer.status, answer.reason().as_str()), (502, "result_withheld"));
    assert_eq!(gateway.connect().call(&key, "crm.read_x").status, 200);
}

/// Requests that cost some readers many times their size; each of about `size` bytes.
fn nasty(key: &str, size: usize) -> Vec<(&'static str, Vec<u8>)> {
    let lines = header_lines(&call_headers("crm.read_silence"));
    let head = format!("POST /crm/mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\n{lines}");
    let whole = |body: String| format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()).into_bytes();
    let arguments = |text: String| {
        whole(call("crm.read_silence").replace("\"arguments\":{}", &format!("\"arguments\":{text}")))
    };
    let chunked = |body: &str| {
        let chunks = body.bytes().fold(Vec::new(), |mut chunks, byte| {
            chunks.extend([b'1', b'\r', b'\n', byte, b'\r', b'\n']);
            chunks
        });
        [format!("{head}Transfer-Encoding: chunked\r\n\r\n").as_bytes(), &chunks, b"0\r\n\r\n"].concat()
    };
    let padded = |length: usize| {
        call("crm.read_silence")
            .replace("\"arguments\":{}", &format!("\"arguments\":\"{}\"", "x".repeat(length)))
    };
    vec![
        ("brackets without end", whole("[".repeat(size))),
        ("members without end", whole("{\"a\":".repeat(size / 5))),
        ("members of two bytes", arguments(format!("{{{}\"\":0}}", "\"\":0,".repeat(size / 5)))),
        ("empty arrays", arguments(format!("[{}[]]", "[],".repeat(size / 3)))),
        ("digits", arguments(format!("[{}1]", "1,".repeat(size / 2)))),
        ("escapes", arguments(format!("\"{}\"", "\\u00e9".repeat(size / 6)))),
        ("a long number", arguments("1".repeat(size))),
        (
            "a long id",
            whole(call("crm.write").replace("\"id\":7", &format!("\"id\":\"{}\"", "i".repeat(size)))),
        ),
        ("a long name", whole(call(&"n".repeat(size)))),
        ("chunks of a byte", chunked(&padded(size / 6))),
        ("a body that is not finished", whole(padded(size)).split_last().unwrap().1.to_vec()),
    ]
}

/// Heads of about ten KiB.
fn nasty_heads(key: &str) -> Vec<(&'static str, Vec<u8>)> {
    let begun = format!("POST /crm/mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\n");
    let lines = header_lines(&call_headers("crm.read_silence"));
    let body = call("crm.read_silence");
    let end = format!("{lines}Content-Length: {}\r\n\r\n{body}", body.len());
    vec![
        ("a long header", format!("{begun}X: {}\r\n{end}", "x".repeat(10_000)).into_bytes()),
        ("many headers", format!("{begun}{}{end}", "X: y\r\n".repeat(90)).into_bytes()),
        ("half a head", format!("{begun}X: {}", "x".repeat(10_000)).into_bytes()),
        ("a long path", begun.replace("/crm/mcp", &format!("/{}", "x".repeat(10_000))).into_bytes()),
    ]
}

#[test]
fn no_input_costs_many_times_its_size() {
    let world = World::new("[bounds]\nbodies = \"1GiB\"\n", "");
    world.edit("level = \"debug\"", "level = \"info\"");
    let (key, _) = world.issue(&["crm:read"]);
    let inputs = [
        (strength(40, 200), nasty_heads(&key)),
        (strength(40, 200), nasty(&key, 10 * KIB)),
        (strength(6, 16), nasty(&key, BODY - 8 * KIB)),
    ];
    for (count, inputs) in inputs {
        for (what, input) in inputs {
            let each = growth(&world, &key, &input, count);
            println!("{what:<28} {:>8} bytes cost {each:>9} each, {count} at once", input.len());
            assert!(each <= 4 * BODY, "{what}: {each} bytes");
            assert!(each < 100 * input.len(), "{what}: {each} bytes for {}", input.len());
        }
    }
}

/// What `count` of one request at once had resident at most, for each.
fn growth(world: &World, key: &str, input: &[u8], count: usize) -> usize {
    // A new one each time: none may live on what another input left in the allocator.
    let gateway = world.serve();
    assert_eq!(gateway.connect().call(key, "crm.read_x").status, 200);
    let (base, reached) = (gateway.resident(), world.recorder.count());
    gateway.forget_peak();
    let clients: Vec<_> = (0..count)
        .map(|_| {
            let mut client = TcpStream::connect(gateway.address).unwrap();
            client.set_write_timeout(Some(PATIENCE)).unwrap();
            // A refusal may come before all of it was taken.
            let _ = client.write_all(input);
            client.set_nonblocking(true).unwrap();
            client
        })
        .collect();
    // Each has reached the upstream, which is silent, or was answered, or hangs for want of more.
    let settles = Instant::now() + Duration::from_millis(strength(500, 1_500) as u64);
    loop {
        let answered = |client: &&TcpStream| !matches!(client.peek(&mut [0]), Err(error) if error.kind() == ErrorKind::WouldBlock);
        let done = world.recorder.count() - reached + clients.iter().filter(answered).count();
        if done >= count || Instant::now() > settles {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    gateway.peak().saturating_sub(base) / count
}

/// Names that clients make up: keys, tools, sessions, servers, methods, versions.
#[test]
fn what_clients_make_up_leaves_nothing_behind() {
    let world = World::new("", "");
    world.edit("level = \"debug\"", "level = \"info\"");
    let (key, _) = world.issue(&["crm:read"]);
    let gateway = world.serve();
    let made_up = |count: usize| {
        let mut connection = gateway.connect();
        let mut statuses = BTreeSet::new();
        for number in 0..count {
            let word = format!("{:016x}", (number as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15));
            let mut modern = call_headers("crm.read_x");
            modern.push(("Authorization", format!("Bearer {key}")));
            let mut versions = modern.clone();
            versions[2].1.clone_from(&word);
            let mut legacy = legacy_headers(&key);
            legacy.push(("Mcp-Session-Id", word.clone()));
            let method = call("crm.read_x").replace("tools/call", &word);
            for answer in [
                connection.call(&format!("{}{word}", &key[..key.len() - 16]), "crm.read_x"),
                connection.call(&key, &format!("crm.other_{word}")),
                connection.call(&key, &format!("crm.read_{word}")),
                connection.request("POST", &format!("/{word}/mcp"), &modern, &call("crm.read_x")),
                connection.request("POST", "/crm/mcp", &versions, &call("crm.read_x")),
                connection.request("POST", "/crm/mcp", &modern, &method),
                connection.request("POST", "/crm/mcp", &legacy, &legacy_call("crm.read_x")),
            ] {
                statuses.insert(answer.status);
            }
        }
        assert!(statuses.is_superset(&[200, 400, 401, 403, 404].into()), "{statuses:?}");
        let page = crate::admin::get(&gateway, "/metrics").text().to_owned();
        // Without the numbers, which grow by digits.
        let lines: BTreeSet<_> = page
            .lines()
            .map(|line| line.rsplit_once(' ').map_or(line, |(name, _)| name).to_owned())
            .collect();
        (lines, gateway.resident())
    };
    let (before, base) = made_up(50);
    let (after, then) = made_up(strength(600, 10_000));
    assert_eq!(before, after, "the page has no line more");
    assert!(then <= base + 8 * MIB, "{} MiB more", (then - base) / MIB);
}
