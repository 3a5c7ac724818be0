//! The admin listener: alive, ready, version, metrics, nothing else, and nothing for who names another host.

use serde_json::json;

use crate::world::{Answer, Connection, Gateway, World};

pub fn get(gateway: &Gateway, path: &str) -> Answer {
    Connection::open(gateway.admin).request("GET", path, &[], "")
}

#[test]
fn health_version_and_metrics() {
    let world = World::new("", "");
    let (key, _) = world.issue(&["crm:read"]);
    let mut gateway = world.serve();
    assert_eq!(get(&gateway, "/livez").json(), json!({"status": "alive"}));
    let ready = get(&gateway, "/readyz");
    assert_eq!((ready.status, ready.json()["keys"].as_u64()), (200, Some(1)));
    let version = get(&gateway, "/version").json();
    assert_eq!(version["name"], "tollgate");
    assert_eq!(version["version"], env!("CARGO_PKG_VERSION"));
    let profile = version["profile"].as_str().unwrap();
    assert!(["debug", "release"].contains(&profile), "{version}");
    assert_eq!(version["target"], format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS));
    // Whoever builds may say the revision, and need not.
    assert!(
        version["commit"].is_null() || version["commit"].as_str().is_some_and(|commit| !commit.is_empty())
    );
    assert_eq!(get(&gateway, "/keys").status, 404);
    for _ in 0..3 {
        assert_eq!(gateway.connect().call(&key, "crm.read_x").status, 200);
    }
    assert_eq!(gateway.connect().call("nonsense", "crm.read_x").status, 401);
    let page = get(&gateway, "/metrics");
    let text = page.text();
    assert!(page.header("content-type").unwrap().starts_with("text/plain"));
    for line in [
        r#"tollgate_requests_total{server="crm",tool="crm.read_*",outcome="answered"} 3"#,
        r#"tollgate_denials_total{server="crm",reason="invalid_key"} 1"#,
        "tollgate_keys 1.0",
        "tollgate_snapshot_swaps_total",
        "tollgate_snapshot_age_seconds 0.",
        r#"tollgate_connections{protocol="h1"}"#,
        "tollgate_build_info{version=",
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
    assert!(gateway.stop(), "a stop in peace ends with success");
}

/// Who sends requests here must know at once that it stops, and how far it has come.
#[test]
fn a_gateway_that_drains_is_alive_and_not_ready_and_says_why() {
    let world = World::new("", "");
    let (key, _) = world.issue(&["crm:read"]);
    let mut gateway = world.serve();
    let ready = get(&gateway, "/readyz").json();
    assert_eq!((&ready["status"], &ready["reasons"]), (&json!("ready"), &json!([])));
    let mut waits = gateway.connect();
    waits.send_call(&key, "crm.read_late");
    while world.recorder.count() == 0 {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    gateway.signal("TERM");
    gateway.await_said("stopping");
    let begun = std::time::Instant::now();
    let drains = loop {
        let told = get(&gateway, "/readyz");
        if told.status != 200 {
            break told;
        }
        assert!(begun.elapsed().as_millis() < 500, "at once");
    };
    assert_eq!((drains.status, &drains.json()["status"]), (503, &json!("not ready")));
    assert_eq!(drains.json()["reasons"], json!(["it is not serving: it is starting or stopping"]));
    assert!(get(&gateway, "/metrics").text().contains("tollgate_ready 0.0\n"));
    assert_eq!(get(&gateway, "/livez").status, 200, "nobody is to kill it now");
    assert_eq!(waits.answer().status, 200, "what had begun ends well");
    assert!(gateway.stop());
}

#[test]
fn who_names_another_host_is_shown_nothing() {
    let world = World::new("", "");
    let (_, id) = world.issue(&["crm:read"]);
    let gateway = world.serve();
    let ask = |head: &str| {
        let mut connection = Connection::open(gateway.admin);
        connection.send(format!("{head}\r\n").as_bytes());
        connection.answer()
    };
    let (port, limits) = (gateway.admin.port(), format!("/limits?key_id={id}"));
    for path in ["/livez", "/readyz", "/version", "/metrics", &limits] {
        for host in ["127.0.0.1", "localhost", "LocalHost", "[::1]", "127.8.8.8"] {
            for host in [host.to_owned(), format!("{host}:{port}")] {
                let answer = ask(&format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n"));
                assert_eq!(answer.status, 200, "{path} of {host}");
            }
        }
        // Some probes of health say no more, and no browser speaks HTTP/1.0.
        assert_eq!(ask(&format!("GET {path} HTTP/1.0\r\n")).status, 200, "{path}");
        assert_eq!(
            ask(&format!("GET http://localhost:{port}{path} HTTP/1.1\r\nHost: localhost\r\n")).status,
            200
        );
        for head in [
            format!("GET {path} HTTP/1.1\r\nHost: rebound.example\r\n"),
            format!("GET {path} HTTP/1.1\r\nHost: rebound.example:{port}\r\n"),
            format!("GET {path} HTTP/1.0\r\nHost: rebound.example\r\n"),
            format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1.rebound.example:{port}\r\n"),
            format!("GET {path} HTTP/1.1\r\nHost: localhost.rebound.example\r\n"),
            format!("GET {path} HTTP/1.1\r\nHost: 192.0.2.1:{port}\r\n"),
            format!("GET {path} HTTP/1.1\r\nHost: [2001:db8::1]:{port}\r\n"),
            format!("GET {path} HTTP/1.1\r\nHost: user@localhost\r\n"),
            format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nHost: rebound.example\r\n"),
            format!("GET {path} HTTP/1.1\r\nHost: rebound.example\r\nHost: localhost\r\n"),
            format!("GET http://rebound.example{path} HTTP/1.1\r\nHost: localhost\r\n"),
            format!("GET http://localhost{path} HTTP/1.1\r\nHost: rebound.example\r\n"),
            format!("GET {path} HTTP/1.1\r\nHost:\r\n"),
            format!("GET {path} HTTP/1.1\r\n"),
        ] {
            let answer = ask(&head);
            assert_eq!(answer.status, 421, "{head}");
            let told = answer.json()["error"].as_str().unwrap().to_owned();
            assert!(told.contains("accepted: localhost") && !told.contains("rebound"), "{told}");
        }
    }
    assert_eq!(ask("GET /keys HTTP/1.1\r\nHost: rebound.example\r\n").status, 421);
}
