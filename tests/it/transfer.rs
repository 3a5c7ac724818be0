//! Import and export: round trip, bad lines, versions.

use crate::world::World;

fn line(id: u32, version: u32, scope: &str) -> String {
    format!(
        r#"{{"key_id":"mcp_live_{id:016}","key_hash":"sha256:{}","scopes":["{scope}"],"status":"active","name":"n","created_at":"2026-11-23T08:00:00Z","version":{version},"colour":"kept"}}"#,
        format!("{:02}", id % 100).repeat(32)
    )
}

fn import(world: &World, lines: &[String], flags: &[&str]) -> crate::world::Ran {
    let file = world.folder.path().join("keys.jsonl");
    std::fs::write(&file, lines.join("\n")).unwrap();
    world.run(&[&["key", "import", file.to_str().unwrap()], flags].concat())
}

#[test]
fn what_was_exported_imports_unchanged_elsewhere() {
    let (one, other) = (World::new("", ""), World::new("", ""));
    let (key, id) = one.issue(&["crm:read"]);
    assert!(one.run(&["key", "rotate", &id, "--overlap", "1h"]).ok);
    assert!(import(&one, &[line(1, 3, "crm:read")], &[]).ok);
    let export = one.run(&["key", "export"]).out;
    assert!(export.contains("\"colour\":\"kept\""));
    let lines: Vec<String> = export.lines().map(Into::into).collect();
    assert!(import(&other, &lines, &[]).ok);
    assert_eq!(other.run(&["key", "export"]).out, export);
    // The key itself works there, old secret included.
    let gateway = other.serve();
    assert_eq!(gateway.connect().call(&key, "crm.read_x").status, 200);
    let again = import(&other, &lines, &["--json"]);
    assert_eq!(again.json()["unchanged"], 2);
}

#[test]
fn bad_lines_are_named_and_nothing_is_imported() {
    let world = World::new("", "");
    let lines = [
        line(1, 1, "crm:read"),
        "nonsense".into(),
        line(2, 1, "crm::read"),
        String::new(),
        line(1, 1, "crm:write"),
        line(3, 1, "crm:read").replace("sha256:", "md5:"),
    ];
    let ran = import(&world, &lines, &[]);
    assert!(!ran.ok);
    for word in [
        "line 2:",
        "line 3:",
        "line 5: the key mcp_live_0000000000000001 stands in line 1 already",
        "line 6:",
        "nothing was imported",
    ] {
        assert!(ran.err.contains(word), "{word} in {}", ran.err);
    }
    assert!(
        !ran.err.contains(&"01".repeat(32)) && !ran.err.contains(&"03".repeat(32)),
        "a hash in {}",
        ran.err
    );
    assert_eq!(world.run(&["key", "list", "--json"]).out.trim(), "[]");
    let skipped = import(&world, &lines, &["--skip-bad", "--json"]);
    assert!(!skipped.ok, "skipped lines are told by the exit code too");
    assert_eq!(
        (skipped.json()["added"].as_u64(), skipped.json()["bad"].as_array().unwrap().len()),
        (Some(1), 4)
    );
}

#[test]
fn a_raw_key_in_the_place_of_something_else_is_not_repeated() {
    let world = World::new("", "");
    let (key, _) = world.issue(&["crm:read"]);
    let mut lines: Vec<String> = ["status", "version", "plan", "limits", "purposes"]
        .iter()
        .map(|name| {
            let mut record: serde_json::Value = serde_json::from_str(&line(1, 1, "crm:read")).unwrap();
            record[name] = if *name == "plan" { serde_json::json!([key]) } else { key.as_str().into() };
            record.to_string()
        })
        .collect();
    lines.push(line(1, 1, &format!("{key}!")));
    lines.push(
        line(1, 1, "crm:read").replace("\"name\"", &format!("\"limits\":{{\"calls\":{key:?}}},\"name\"")),
    );
    let ran = import(&world, &lines, &[]);
    assert_eq!(ran.err.lines().filter(|line| line.contains("tollgate: line ")).count(), 7, "{}", ran.err);
    let said = format!("{}{}", ran.out, ran.err);
    assert!(!said.contains(&key) && !said.contains(key.split_once('.').unwrap().1), "{said}");
    assert!(said.contains(r#"line 4: expected limits: limits by name, such as {"calls":"#), "{said}");
}

#[test]
fn an_older_version_does_not_replace_a_newer_one() {
    let world = World::new("", "");
    assert!(import(&world, &[line(1, 5, "crm:read")], &[]).ok);
    let stale = import(&world, &[line(2, 1, "crm:read"), line(1, 4, "crm:**")], &[]);
    assert!(
        !stale.ok && stale.err.contains("line 2: mcp_live_0000000000000001 is at version 5"),
        "{}",
        stale.err
    );
    assert!(!world.run(&["key", "show", "mcp_live_0000000000000002"]).ok, "all or nothing");
    assert!(import(&world, &[line(1, 4, "crm:**")], &["--force"]).ok);
    let shown = world.run(&["key", "show", "mcp_live_0000000000000001", "--json"]).json();
    assert_eq!((shown["version"].as_u64(), shown["scopes"][0].as_str()), (Some(6), Some("crm:**")));
}

#[test]
fn a_gateway_follows_an_import_of_thousands() {
    let world = World::new("", "");
    let gateway = world.serve();
    let (key, _) = world.issue(&["crm:read"]);
    let lines: Vec<String> = (1..=5_000).map(|n| line(n, 1, "crm:read")).collect();
    let imported = import(&world, &lines, &[]);
    assert!(imported.ok, "{}", imported.err);
    let begun = std::time::Instant::now();
    while crate::admin::get(&gateway, "/readyz").json()["keys"] != 5_001 {
        assert!(begun.elapsed().as_secs() < 10);
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    assert_eq!(gateway.connect().call(&key, "crm.read_x").status, 200);
}
