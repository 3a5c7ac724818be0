//! A key never appears in anything that the upstream receives, nor in any output, log, error
//! or file: this test sends keys everywhere a client can put them, and then searches it all.

use std::path::Path;

use crate::world::{World, call, call_headers};

#[test]
fn keys_appear_nowhere() {
    let world = World::new("", "");
    let (key, id) = world.issue(&["crm:read"]);
    let secret = key.split('.').nth(1).unwrap().to_owned();
    let mut gateway = world.serve();
    let mut said = Vec::new();
    let places = [
        "Authorization",
        "X-API-Key",
        "Cookie",
        "Proxy-Authorization",
        "X-Authorization",
        "Apikey",
        "X-Forwarded-Authorization",
        "X-Auth-Token",
        "Referer",
        "X-Anything",
        "User-Agent-Key",
        "Forwarded",
    ];
    for place in places {
        let mut headers = call_headers("crm.read_x");
        headers.push(("Authorization", format!("Bearer {key}")));
        if place != "Authorization" {
            headers.push((place, key.clone()));
        }
        let answer = gateway.connect().request(
            "POST",
            &format!("/crm/mcp?api_key={key}"),
            &headers,
            &call("crm.read_x"),
        );
        assert_eq!(answer.status, 200, "{place}");
        said.push(format!("{answer:?}"));
    }
    // Wrong, revoked, forbidden, malformed: no answer repeats what was sent as a key.
    let mut refusals = gateway.connect();
    for (sent, tool) in [
        (format!("{key}x"), "crm.read_x"),
        (key.replace("mcp_", "MCP_"), "crm.read_x"),
        (key.clone(), "crm.write"),
    ] {
        said.push(format!("{:?}", refusals.call(&sent, tool)));
    }
    let mut headers = call_headers("crm.read_x");
    headers.extend([("Authorization", format!("Bearer {key}")), ("X-API-Key", secret.clone())]);
    said.push(format!("{:?}", refusals.request("POST", "/crm/mcp", &headers, &call("crm.read_x"))));
    said.push(format!("{:?}", gateway.connect().request("GET", &format!("/{key}/mcp"), &[], "")));
    assert!(world.run(&["key", "revoke", &id]).ok);
    let begun = std::time::Instant::now();
    while refusals.call(&key, "crm.read_x").status == 200 {
        assert!(begun.elapsed().as_secs() < 5);
    }
    said.push(format!("{:?}", refusals.call(&key, "crm.read_x")));
    // Commands that meet a key where an id or a record belongs.
    for arguments in [
        vec!["key", "show", &key],
        vec!["key", "list"],
        vec!["key", "show", &id],
        vec!["key", "export"],
        vec!["doctor"],
        vec!["explain", "--key", &id, "--server", "crm", "--tool", "t"],
    ] {
        let ran = world.run(&arguments);
        if arguments != ["key", "show", &key] {
            said.push(ran.out + &ran.err);
        }
    }
    said.push(crate::admin::get(&gateway, "/metrics").text().to_owned());
    std::thread::sleep(std::time::Duration::from_millis(1_200));
    assert!(gateway.stop());
    said.push(gateway.said());
    said.extend(world.recorder.seen());
    read_all(world.folder.path(), &mut said);
    assert!(said.len() > 30);
    for text in said {
        assert!(!text.contains(&secret), "the secret is in: {text}");
    }
}

fn read_all(folder: &Path, said: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        said.push(String::from_utf8_lossy(&std::fs::read(entry.path()).unwrap()).into_owned());
    }
}

#[test]
fn secrets_of_the_configuration_are_not_shown_by_faults() {
    let world = World::new("", "credential_typo = 1");
    let ran = world.run(&["check"]);
    assert!(!ran.ok && !ran.err.contains("upstream-credential"), "{}", ran.err);
    let text = std::fs::read_to_string(world.config()).unwrap();
    for (from, to) in [
        ("value = \"Bearer upstream-credential\"", "value = 12345678"),
        ("value = \"Bearer upstream-credential\"", "value = \"hidden-one\\n\""),
        ("{ header = \"Authorization\", value = \"Bearer upstream-credential\" }", "\"hidden-one\""),
    ] {
        std::fs::write(world.config(), text.replace(from, to)).unwrap();
        let ran = world.run(&["check"]);
        assert!(!ran.ok && !ran.err.contains("hidden-one") && !ran.err.contains("12345678"), "{}", ran.err);
    }
}
