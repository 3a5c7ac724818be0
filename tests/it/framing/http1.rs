//! HTTP/1.1 at the level of bytes: every case is one connection, judged by its answers, by what
//! the upstream saw, and by what the connection does next.

use super::http1_bodies::one_by_one;
use super::http1_cases;
use super::{Ground, wait_until};
use crate::world::call;

/// What must come of a case, answer by answer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Want {
    /// Forwarded, once, and answered.
    Served,
    /// Status and reason; nothing forwarded.
    Refused(u16, &'static str),
    /// A refusal without a body, of HEAD.
    Head(u16),
    /// No answer, and the end of the connection.
    Closed,
}

/// One case.
pub(super) struct Case {
    name: String,
    bytes: Vec<u8>,
    wants: Vec<Want>,
    /// Whether the client says that nothing more will come.
    finished: bool,
}

impl Case {
    pub(super) fn new(name: &str, bytes: String, wants: &[Want]) -> Self {
        Self {
            name: name.escape_debug().to_string(),
            bytes: bytes.into_bytes(),
            wants: wants.into(),
            finished: false,
        }
    }

    pub(super) fn finished(mut self) -> Self {
        self.finished = true;
        self
    }
}

#[test]
fn one_clean_request_or_a_refusal() {
    let ground = Ground::new("");
    let cases = http1_cases::all(&ground.key);
    assert!(cases.len() >= 200, "{}", cases.len());
    for case in &cases {
        run(&ground, case);
    }
    println!("measured: HTTP/1.1, {} cases, each one clean request or a refusal", cases.len());
}

fn run(ground: &Ground, case: &Case) {
    let name = &case.name;
    let before = ground.seen();
    let mut connection = ground.gateway.connect();
    connection.send(&case.bytes);
    if case.finished {
        connection.finish();
    }
    let mut closed = case.finished;
    for want in &case.wants {
        if *want == Want::Closed {
            assert!(connection.closed(), "{name}: the connection is open");
            closed = true;
            continue;
        }
        let answer = if matches!(want, Want::Head(_)) { connection.head() } else { connection.answer() };
        match want {
            Want::Served => assert_eq!(answer.status, 200, "{name}: {answer:?}"),
            Want::Head(status) => assert_eq!(answer.status, *status, "{name}: {answer:?}"),
            Want::Refused(status, reason) => {
                assert_eq!(
                    (answer.status, answer.reason().as_str()),
                    (*status, *reason),
                    "{name}: {answer:?}"
                );
            }
            Want::Closed => {}
        }
        closed |= answer.header("connection") == Some("close");
    }
    let served = case.wants.iter().filter(|want| **want == Want::Served).count();
    assert_eq!(ground.arrived(before, name), served, "{name}: requests upstream");
    // Either it has ended, or it serves on, with the answer to what is asked next.
    if closed {
        assert!(connection.closed(), "{name}: the connection is open");
    } else {
        ground.innocent(&mut connection, name);
    }
    if served > 0 {
        ground.innocent(&mut ground.gateway.connect(), name);
    }
}

#[test]
fn a_body_is_asked_for_when_it_is_wanted_and_not_before() {
    let ground = Ground::new("");
    let body = call("crm.read_x");
    let head = |key: &str| {
        format!(
            "POST /crm/mcp HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Type: application/json\r\nMCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: crm.read_x\r\nAuthorization: Bearer {key}\r\nContent-Length: {}\r\n\r\n",
            body.len()
        )
    };
    let mut connection = ground.gateway.connect();
    connection.send(head(&ground.key).as_bytes());
    assert_eq!(connection.head().status, 100);
    connection.send(body.as_bytes());
    assert_eq!(connection.answer().status, 200);
    ground.innocent(&mut connection, "an expectation met");
    // Refused before it is sent, the body is never asked for, and whatever comes is none.
    let before = ground.seen();
    let mut refused = ground.gateway.connect();
    refused.send(head("wrong").as_bytes());
    let answer = refused.answer();
    assert_eq!((answer.status, answer.header("connection")), (401, Some("close")));
    refused.send(crate::world::call_bytes(&ground.key, "crm.read_smuggled").as_bytes());
    assert!(refused.closed());
    assert_eq!(ground.arrived(before, "an expectation refused"), 0);
}

#[test]
fn heads_and_bodies_may_come_byte_by_byte() {
    let ground = Ground::new("");
    let body = call("crm.read_x");
    let mut connection = ground.gateway.connect();
    let chunks = one_by_one(&body);
    let whole = crate::world::call_bytes(&ground.key, "crm.read_x")
        .replace(&format!("Content-Length: {}", body.len()), "Transfer-Encoding: chunked")
        .replace(&body, &format!("{chunks}0\r\nX: y\r\n\r\n"));
    let before = ground.seen();
    for byte in whole.as_bytes() {
        connection.send(std::slice::from_ref(byte));
    }
    assert_eq!(connection.answer().status, 200);
    assert_eq!(ground.arrived(before, "byte by byte"), 1);
    assert!(ground.world.recorder.seen()[before].ends_with(&body));
    ground.innocent(&mut connection, "byte by byte");
}

#[test]
fn unfinished_requests_end_in_time() {
    let ground = Ground::new("[bounds]\nbody_idle = \"500ms\"\nhead = \"500ms\"\n");
    let call = crate::world::call_bytes(&ground.key, "crm.read_x");
    for cut in [10, 100, call.len() - 5] {
        let before = ground.seen();
        let mut connection = ground.gateway.connect();
        connection.send(&call.as_bytes()[..cut]);
        let answer = connection.answer();
        assert_eq!((answer.status, answer.reason().as_str()), (408, "request_timeout"), "{cut}");
        assert!(connection.closed(), "{cut}");
        assert_eq!(ground.arrived(before, "unfinished"), 0);
    }
    wait_until("the end of all connections", 5, || {
        crate::admin::get(&ground.gateway, "/metrics")
            .text()
            .contains("tollgate_connections{protocol=\"h1\"} 0")
    });
}
