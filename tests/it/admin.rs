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
    assert_eq!(get(&gateway, "/version").json()["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(get(&gateway, "/keys").status, 404);
    for _ in 0..3 {
        assert_eq!(gateway.connect().call(&key, "crm.read_x").status, 200);
    }
    assert_eq!(gateway.connect().call("nonsense", "crm.read_x").status, 401);
    let page = get(&gateway, "/metrics");
    let text = page.text();
    assert!(page.header("content-type").unwrap().starts_with("application/openmetrics-text"));
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
