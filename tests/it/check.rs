//! The configuration: every kind of fault twice, all at once; overrides; documents.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use tempfile::TempDir;
use tollgate::config::{Environment, Faults, Settings, json_schema, load, load_text, toml_document};

const GOOD: &str = r#"
[listen]
plaintext = "loopback"
[plans.standard]
description = "agents"
[[servers]]
name = "crm"
upstreams = ["http://127.0.0.1:9001/mcp"]
[servers.tools."crm.*"]
scopes = ["crm:read"]
"#;

fn check_in(folder: &Path, text: &str, environment: &[(&str, &str)]) -> Result<Settings, Faults> {
    let environment = Environment::of(environment.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())));
    load_text(text, "tollgate.toml", folder, &environment)
}

fn check(text: &str) -> Result<Settings, Faults> {
    check_in(Path::new("/nonexistent"), text, &[])
}

/// The one fault of a text, as it is told.
fn told(text: &str) -> String {
    match check(text) {
        Ok(_) => panic!("sound: {text}"),
        Err(faults) => faults.to_string(),
    }
}

#[test]
fn the_good_one_is_sound() {
    check(GOOD).unwrap_or_else(|faults| panic!("{faults}"));
}

#[test]
fn every_kind_of_fault_is_told_with_path_found_and_accepted() {
    let with = |from: &str, to: &str| {
        assert!(GOOD.contains(from));
        GOOD.replace(from, to)
    };
    let (listen, plans, server) = ("plaintext = \"loopback\"", "description = \"agents\"", "name = \"crm\"");
    let cases = [
        // Type.
        (
            with(listen, "plaintext = \"loopback\"\nworkers = \"many\""),
            "listen.workers: found the string \"many\"; accepted: an integer",
        ),
        (
            with("scopes = [\"crm:read\"]", "scopes = \"crm:read\""),
            "servers[0].tools.\"crm.*\".scopes: found the string \"crm:read\"; accepted: an array",
        ),
        // Range.
        (
            with(listen, "plaintext = \"loopback\"\nworkers = 5000"),
            "listen.workers: found the integer 5000; accepted: an integer from 0 to 1024",
        ),
        (
            with("[plans", "[bounds]\nhead = \"1ms\"\n[plans"),
            "bounds.head: found the string \"1ms\", out of range; accepted: a duration with its unit from 10ms to 1day",
        ),
        // Unknown field.
        (
            with(listen, "plaintext = \"loopback\"\nadress = \"x\""),
            "listen.adress: found an unknown setting; accepted: one of address, tls, plaintext, hosts, workers",
        ),
        (
            with(server, "name = \"crm\"\ntool = {}"),
            "servers[0].tool: found an unknown setting; accepted: one of name, upstreams",
        ),
        // Missing file.
        (
            with(server, "name = \"crm\"\ncredential = { header = \"X-Token\", file = \"no.token\" }"),
            "servers[0].credential.file: found no file at this path",
        ),
        // Plaintext off loopback.
        (
            with(listen, "plaintext = \"loopback\"\naddress = \"0.0.0.0:8443\"\nhosts = [\"a.example\"]"),
            "listen.plaintext: found plaintext on 0.0.0.0:8443, which other machines can reach; accepted: listen.tls",
        ),
        (
            with(listen, "address = \"192.0.2.1:8443\"\nhosts = [\"a.example\"]"),
            "listen.tls: found no certificate; accepted: tls = {",
        ),
        // Undefined plan, undefined scope.
        (
            with("[plans", "[keys]\ndefault_plan = \"gold\"\n[plans"),
            "keys.default_plan: found the plan \"gold\", which [plans] does not define; accepted: a plan of [plans]: standard",
        ),
        (
            GOOD.replace("[plans.standard]\ndescription = \"agents\"\n", "[keys]\ndefault_plan = \"gold\"\n"),
            "accepted: no plan, as [plans] has none",
        ),
        (
            with("[plans", "[scopes]\n\"crm:write\" = \"\"\n[plans"),
            "servers[0].tools.\"crm.*\".scopes[0]: found the scope \"crm:read\", which [scopes] does not define",
        ),
        (
            with("scopes = [\"crm:read\"]", "scopes = [\"crm:*\"]"),
            "scopes[0]: found the scope \"crm:*\"; accepted: a pattern is not accepted here",
        ),
        // Duplicate name, and patterns that tie.
        (
            format!("{GOOD}\n[[servers]]\nname = \"crm\"\nupstreams = [\"http://127.0.0.1:1/mcp\"]\n"),
            "servers[1].name: found the name \"crm\", which another server has",
        ),
        (
            format!("{GOOD}\n[servers.tools.\"crm.*_x\"]\nscopes = [\"crm:read\"]\n"),
            "ties with the pattern 'crm.*'",
        ),
        (with(plans, "description = \"a\"\ndescription = \"b\""), "tollgate.toml line 6: found"),
        // Syntax, names, URLs, headers, hosts.
        ("[listen".into(), "tollgate.toml line 1: found"),
        (
            with(server, "name = \"CRM\""),
            "servers[0].name: found the name \"CRM\"; accepted: 1 to 64 lower-case letters",
        ),
        (
            with("http://127.0.0.1:9001/mcp", "ftp://x"),
            "servers[0].upstreams[0]: found the string \"ftp://x\"; accepted: one URL such as",
        ),
        (
            with("\"http://127.0.0.1:9001/mcp\"", "\"http://a/\", \"http://b/\""),
            "servers[0].upstreams: found 2 URLs",
        ),
        (
            with(server, "name = \"crm\"\nforward_headers = [\"Authorization\"]"),
            "servers[0].forward_headers[0]: found the header authorization",
        ),
        (
            with(server, "name = \"crm\"\nforward_headers = [\"Accept-Encoding\"]"),
            "servers[0].forward_headers[0]: found the header accept-encoding",
        ),
        (
            with(server, "name = \"crm\"\ncredential = { header = \"Content-Length\", value = \"5\" }"),
            "servers[0].credential.header: found the header content-length, which HTTP",
        ),
        (
            with(server, "name = \"crm\"\nidentity = { key_id = \"X-Who\", owner = \"X-Who\" }"),
            "servers[0].identity.owner: found the header that 'key_id' has",
        ),
        (
            with(server, "name = \"crm\"\norigins = [\"agent.example.com\"]"),
            "servers[0].origins[0]: found the string \"agent.example.com\"",
        ),
        (
            with(listen, "plaintext = \"loopback\"\nhosts = [\"https://a\"]"),
            "listen.hosts[0]: found the string \"https://a\"",
        ),
        (
            with("[plans", "[registry]\nkind = \"mysql\"\n[plans"),
            "registry.kind: found the string \"mysql\"; accepted: \"embedded\"",
        ),
        (
            with("[plans", "[admin]\naddress = \"0.0.0.0:9443\"\n[plans"),
            "admin.address: found 0.0.0.0:9443, which other machines can reach",
        ),
        (
            with("scopes = [\"crm:read\"]", "scopes = []"),
            "scopes: found no scope, which would let every key in",
        ),
        (
            with("[plans", "[bounds]\nbody = \"4MB\"\n[plans"),
            "bounds.body: found the string \"4MB\"; accepted: a size with its unit",
        ),
        (
            with(server, "name = \"crm\"\ncredential = { header = \"X-Token\", value = \"${NO_SUCH}\" }"),
            "servers[0].credential.value: found ${NO_SUCH}, which the environment does not define",
        ),
    ];
    for (text, want) in cases {
        let told = told(&text);
        assert!(told.contains(want), "{want}\n  in: {told}");
        assert_eq!(told.lines().count(), 1, "{told}");
    }
}

#[test]
fn all_faults_come_at_once() {
    let told =
        told(&GOOD.replace(
            "plaintext = \"loopback\"",
            "tls = { certificate = \"no.pem\", private_key = \"no.key\" }",
        ));
    for (name, file) in [("certificate", "no.pem"), ("private_key", "no.key")] {
        let want = format!("listen.tls.{name}: found no file at this path (/nonexistent/{file})");
        assert!(told.contains(&want), "{want}\n  in: {told}");
    }
    let text = "[listen]\naddress = 5\nplaintext = \"yes\"\nfoo = 1\n[bounds]\nhead = \"10\"\n[keys]\ndefault_plan = \"gold\"\n[[servers]]\nname = \"A\"\nupstreams = []\n";
    let faults = check(text).unwrap_err();
    let paths: Vec<&str> = faults.0.iter().map(|fault| fault.path.as_str()).collect();
    for path in [
        "listen.address",
        "listen.plaintext",
        "listen.foo",
        "bounds.head",
        "keys.default_plan",
        "servers[0].name",
        "servers[0].upstreams",
    ] {
        assert!(paths.contains(&path), "{path} in {paths:?}");
    }
}

#[test]
fn certificates_that_cannot_be_used_are_told() {
    let folder = TempDir::new().unwrap();
    let write = |name: &str, text: &str, mode: u32| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    let (key, other) = (rcgen::KeyPair::generate().unwrap(), rcgen::KeyPair::generate().unwrap());
    let pem =
        rcgen::CertificateParams::new(vec!["localhost".into()]).unwrap().self_signed(&key).unwrap().pem();
    let text = GOOD.replace(
        "plaintext = \"loopback\"",
        "tls = { certificate = \"server.pem\", private_key = \"server.key\" }",
    );
    let told = || check_in(folder.path(), &text, &[]).map(|_| ()).map_err(|faults| faults.to_string());
    write("server.pem", "nonsense", 0o644);
    write("server.key", &key.serialize_pem(), 0o600);
    assert!(told().unwrap_err().contains("listen.tls.certificate: found no certificate in"));
    write("server.pem", &pem, 0o644);
    assert_eq!(told(), Ok(()));
    write("server.key", &key.serialize_pem(), 0o644);
    assert!(told().unwrap_err().contains("which every user of this machine can read"));
    write("server.key", "nonsense", 0o600);
    assert!(told().unwrap_err().contains("listen.tls.private_key: found no private key in"));
    write("server.key", &other.serialize_pem(), 0o600);
    assert!(told().unwrap_err().contains("a key that belongs to another certificate"));
}

#[test]
fn the_environment_overrides_and_fills_in() {
    let settings = check_in(
        Path::new("."),
        &GOOD.replace(
            "name = \"crm\"",
            "name = \"crm\"\ncredential = { header = \"X-Token\", value = \"a ${TOKEN} $$\" }",
        ),
        &[
            ("TOLLGATE_LISTEN__ADDRESS", "127.0.0.1:1234"),
            ("TOLLGATE_LISTEN__WORKERS", "3"),
            ("TOLLGATE_SERVERS__0__UPSTREAMS", "[\"https://crm.example.com:8443/x\"]"),
            ("TOLLGATE_SERVERS__0__TOOLS__CRM____SCOPES", "[\"crm:admin\"]"),
            ("TOLLGATE_APPROVER_KEY", "of another purpose"),
            ("TOKEN", "t0ken"),
        ],
    );
    let settings = settings.unwrap_or_else(|faults| panic!("{faults}"));
    assert_eq!((settings.listen.address.port(), settings.listen.workers), (1234, 3));
    assert_eq!(
        (settings.servers[0].upstream.host.as_str(), settings.servers[0].upstream.port),
        ("crm.example.com", 8443)
    );
    assert_eq!(settings.servers[0].credential.as_ref().unwrap().1, "a t0ken $");
    assert!(!format!("{settings:?}").contains("t0ken"), "a credential in Debug");
    for (name, value, word) in [
        ("TOLLGATE_LISTEN__ADRESS", "x", "one of ADDRESS"),
        ("TOLLGATE_LISTEN__WORKERS", "many", "a TOML value of type integer"),
        ("TOLLGATE_SERVERS__9__NAME", "x", "a place from 0 to 0"),
    ] {
        let faults = check_in(Path::new("."), GOOD, &[(name, value)]).unwrap_err().to_string();
        assert!(faults.contains(name) && faults.contains(word), "{faults}");
    }
}

#[test]
fn peppers_are_files_that_others_cannot_read() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("p1");
    let text = format!("{GOOD}\n[registry.peppers]\np1 = {{ file = \"p1\" }}\n");
    let set = |content: &str, mode: u32| {
        std::fs::write(&file, content).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
        check_in(folder.path(), &text, &[])
            .map(|settings| settings.keys.registry.peppers.len())
            .map_err(|faults| faults.to_string())
    };
    assert_eq!(set(&"x".repeat(32), 0o600), Ok(1));
    assert!(set(&"x".repeat(31), 0o600).unwrap_err().contains("registry.peppers.p1.file: found 31 bytes"));
    assert!(set(&"x".repeat(32), 0o604).unwrap_err().contains("every user"));
    let three = format!(
        "{GOOD}\n[registry.peppers]\na = {{ file = \"p1\" }}\nb = {{ file = \"p1\" }}\nc = {{ file = \"p1\" }}\n"
    );
    assert!(
        check_in(folder.path(), &three, &[])
            .unwrap_err()
            .to_string()
            .contains("registry.peppers: found 3 peppers")
    );
}

#[test]
fn the_generated_documents_are_those_of_the_code() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let drift = "run `cargo xtask generate` and commit what it writes";
    assert!(
        std::fs::read_to_string(root.join("config/tollgate.toml")).unwrap() == toml_document(),
        "config/tollgate.toml: {drift}"
    );
    let schema = serde_json::to_string_pretty(&json_schema()).unwrap() + "\n";
    assert!(
        std::fs::read_to_string(root.join("config/tollgate.schema.json")).unwrap() == schema,
        "config/tollgate.schema.json: {drift}"
    );
}

#[test]
fn the_generated_configuration_holds_every_setting_and_works() {
    let text = toml_document();
    let overrides = [("TOLLGATE_LISTEN__PLAINTEXT", "loopback")];
    check_in(Path::new("."), &text, &overrides).unwrap_or_else(|faults| panic!("{faults}"));
    let mut names = BTreeMap::new();
    collect(&json_schema(), &mut names);
    for (name, described) in names {
        assert!(text.contains(&name), "{name} is not in the document");
        assert!(described, "{name} has no description");
    }
    // The default of each setting stands in the document.
    for default in ["127.0.0.1:8443", "127.0.0.1:9443", "\"4MiB\"", "\"300s\"", "\"24h\"", "\"10ms\""] {
        assert!(text.contains(default), "{default}");
    }
}

fn collect(schema: &serde_json::Value, names: &mut BTreeMap<String, bool>) {
    for (name, inner) in schema.get("properties").and_then(|p| p.as_object()).into_iter().flatten() {
        names.insert(name.clone(), inner.get("description").is_some());
        collect(inner, names);
    }
    for part in ["items", "additionalProperties"] {
        schema.get(part).into_iter().for_each(|inner| collect(inner, names));
    }
    schema
        .get("anyOf")
        .and_then(|any| any.as_array())
        .into_iter()
        .flatten()
        .for_each(|inner| collect(inner, names));
}

#[test]
fn the_command_says_the_same() {
    let world = crate::world::World::new("", "");
    let sound = world.run(&["check"]);
    assert!(sound.ok && sound.out.contains("is sound; servers: 1"), "{}", sound.err);
    let faulty = crate::world::World::new("[foo]\n", "bar = 1").run(&["check", "--json"]);
    assert!(!faulty.ok);
    assert_eq!(faulty.json()["faults"].as_array().unwrap().len(), 2);
    assert_eq!(faulty.err.lines().count(), 2);
    let schema = crate::world::tollgate(&["schema"]);
    assert_eq!(schema.json(), json_schema());
    let every = crate::world::tollgate(&["schema", "--toml"]);
    assert!(every.ok && every.out == toml_document(), "{}", every.err);
    let absent = crate::world::tollgate(&["check", "--config", "/nonexistent/x.toml"]);
    assert!(absent.err.contains("found no file at this path"), "{}", absent.err);
    assert!(load(Path::new("/nonexistent/x.toml"), &Environment::default()).is_err());
}

#[test]
fn administering_keys_needs_no_credential_of_the_upstreams() {
    let world = crate::world::World::new("", "");
    let text = std::fs::read_to_string(world.config()).unwrap();
    std::fs::write(world.config(), text.replace("Bearer upstream-credential", "Bearer ${NOT_IN_THIS_SHELL}"))
        .unwrap();
    assert!(!world.run(&["check"]).ok);
    assert!(world.run(&["key", "list"]).ok);
}
