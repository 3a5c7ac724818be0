//! Connections to upstreams: counted whichever way they end, for every server that may use them.

use super::{Page, until};
use crate::world::{Connection, Gateway, World};

/// Connections of a server that are lent, and that wait.
fn told(page: &Page, server: &str) -> [u64; 2] {
    ["busy", "idle"].map(|state| {
        let labels = [("server", server), ("state", state)];
        page.whole("tollgate_upstream_connections", &labels).unwrap_or_else(|| panic!("{}", page.text))
    })
}

fn becomes(gateway: &Gateway, server: &str, counts: [u64; 2]) {
    until(gateway, &format!("{counts:?}"), |page| told(page, server) == counts);
}

/// A call whose answer is not waited for.
fn begun(gateway: &Gateway, key: &str, tool: &str) -> Connection {
    let mut connection = gateway.connect();
    connection.send_call(key, tool);
    connection
}

pub(super) fn counted() {
    let world = World::new("[bounds]\nupstream_idle = \"30s\"\n", "");
    let (key, _) = world.issue(&["crm:read"]);
    let gateway = world.serve();
    assert_eq!(told(&Page::of(&gateway), "crm"), [0, 0]);
    assert_eq!(gateway.connect().call(&key, "crm.read_x").status, 200);
    becomes(&gateway, "crm", [0, 1]);
    // The one that waits is taken, and a second is opened.
    let mut streams = ["crm.read_event", "crm.read_event"].map(|tool| begun(&gateway, &key, tool));
    for stream in &mut streams {
        assert_eq!(stream.head().status, 200);
        assert_eq!(stream.chunk().unwrap(), b"data: {}\n\n");
    }
    becomes(&gateway, "crm", [2, 0]);
    // Clients that leave in the middle of an answer, and before its head.
    drop(streams);
    becomes(&gateway, "crm", [0, 0]);
    let waiting: Vec<_> = (0..3).map(|_| begun(&gateway, &key, "crm.read_silence")).collect();
    let half = begun(&gateway, &key, "crm.read_half_answer");
    becomes(&gateway, "crm", [4, 0]);
    drop((waiting, half));
    becomes(&gateway, "crm", [0, 0]);
    // Upstreams that break off, answer wrongly, or say more than they were asked for.
    for script in
        ["close", "cut", "cut_json", "cut_head", "not_http", "bad_chunk", "until_close", "surplus", "reset"]
    {
        let mut connection = begun(&gateway, &key, &format!("crm.read_{script}"));
        connection.up_to(1);
        drop(connection);
    }
    // What is told is at most a second old.
    std::thread::sleep(std::time::Duration::from_millis(1_200));
    becomes(&gateway, "crm", [0, 0]);
}

pub(super) fn shared() {
    let world = World::new("[bounds]\nupstream_idle = \"3s\"\n", "");
    let text = std::fs::read_to_string(world.config()).unwrap();
    let server = |name: &str, to: &str| {
        format!(
            "[[servers]]\nname = \"{name}\"\nupstreams = [\"{to}\"]\n[servers.tools.\"*\"]\nscopes = [\"crm:read\"]\n"
        )
    };
    let own = format!("http://{}/other", world.recorder.address);
    let elsewhere = format!("http://localhost:{}/mcp", world.recorder.address.port());
    let (mail, apart) = (server("mail", &own), server("apart", &elsewhere));
    std::fs::write(world.config(), format!("{text}{mail}{apart}")).unwrap();
    let (key, _) = world.issue(&["crm:read"]);
    let gateway = world.serve();
    assert_eq!(gateway.connect().call(&key, "crm.read_x").status, 200);
    let page = until(&gateway, "told", |page| told(page, "crm") == [0, 1]);
    assert_eq!([told(&page, "mail"), told(&page, "apart")], [[0, 1], [0, 0]]);
    becomes(&gateway, "mail", [0, 0]);
    // A server that a reload takes away has none any more, though its connection lives on.
    let mut stream = begun(&gateway, &key, "crm.read_event");
    assert_eq!(stream.head().status, 200);
    becomes(&gateway, "mail", [1, 0]);
    std::fs::write(world.config(), format!("{text}{apart}")).unwrap();
    gateway.await_said("configuration reloaded");
    until(&gateway, "gone", |page| told(page, "mail") == [0, 0] && told(page, "crm") == [1, 0]);
}
