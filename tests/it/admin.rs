//! The admin listener: alive, ready, version, metrics, and nothing else.

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
