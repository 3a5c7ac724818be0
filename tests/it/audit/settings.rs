//! `[audit]`: what is taken, and every kind of fault.

use std::os::unix::fs::PermissionsExt as _;

use tempfile::TempDir;
use tollgate::config::{Environment, SinkKind, load_text};
use tollgate::telemetry::audit::Signer;

const GOOD: &str = r#"
[listen]
plaintext = "loopback"
[[servers]]
name = "crm"
upstreams = ["http://127.0.0.1:9001/mcp"]
"#;

#[test]
fn the_audit_log_is_kept_as_it_says() {
    let folder = TempDir::new().unwrap();
    let sound = |audit: &str| {
        load_text(
            &format!("[audit]\n{audit}\n{GOOD}"),
            "tollgate.toml",
            folder.path(),
            &Environment::default(),
        )
    };
    let settings = sound("").unwrap().audit;
    assert!(!settings.is_kept() && settings.refuse && !settings.sync && settings.queue == 8_192);
    let key = folder.path().join("audit.key");
    std::fs::write(&key, Signer::generate().unwrap()).unwrap();
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    let full = "folder = \"log\"\nsigning_key = \"audit.key\"\nreplica = \"gw-1\"\nwhen_full = \"drop\"\nsync = true\nretain_age = \"90d\"\nretain_size = \"1GiB\"\nsinks = [\"stdout\"]";
    let settings = sound(full).unwrap().audit;
    let files = settings.files.as_ref().unwrap();
    assert_eq!((files.folder.clone(), files.rotate_size), (folder.path().join("log"), 64 << 20));
    assert_eq!(files.retention.size, Some(1 << 30));
    assert!(settings.is_kept() && settings.signer.is_some() && !settings.refuse && settings.sync);
    assert_eq!((settings.replica.as_str(), settings.sinks.len()), ("gw-1", 1));
    std::fs::write(folder.path().join("not.key"), "x").unwrap();
    std::fs::set_permissions(folder.path().join("not.key"), std::fs::Permissions::from_mode(0o600)).unwrap();
    for (audit, told) in [
        ("folder = \"\"", "audit.folder: found an empty path; accepted: a folder"),
        ("sync = true", "audit.sync: found true without a folder; accepted: audit.folder beside it"),
        ("replica = \"a/b\"", "audit.replica: found the string \"a/b\"; accepted: 1 to 64 letters"),
        (
            "when_full = \"wait\"",
            "audit.when_full: found the string \"wait\"; accepted: \"refuse\" or \"drop\"",
        ),
        ("queue = 3", "audit.queue: found the integer 3; accepted: an integer from 16 to 1000000"),
        ("fsync = \"0s\"", "audit.fsync: found the string \"0s\", out of range; accepted: a duration"),
        ("checkpoint = \"1ms\"", "audit.checkpoint: found the string \"1ms\", out of range"),
        (
            "rotate_size = \"1KiB\"",
            "audit.rotate_size: found the string \"1KiB\"; accepted: a size with its unit from 64KiB",
        ),
        ("rotate_age = \"1s\"", "audit.rotate_age: found the string \"1s\", out of range"),
        ("retain_age = \"1s\"", "audit.retain_age: found the string \"1s\", out of range"),
        (
            "retain_size = \"100MiB\"",
            "audit.retain_size: found 100MiB, less than two files of audit.rotate_size; accepted: at least 128MiB",
        ),
        (
            "sinks = [\"syslog\"]",
            "audit.sinks[0]: found the string \"syslog\"; accepted: \"stdout\" or \"redis\"",
        ),
        (
            "sinks = [\"stdout\", \"redis\"]",
            "audit.sinks[1]: found \"redis\", and a registry that is in no Redis; accepted: \"redis\" where registry.kind = \"redis\"",
        ),
        (
            "stream_length = 10",
            "audit.stream_length: found the integer 10; accepted: an integer from 1000 to",
        ),
        (
            "sinks = [\"stdout\", \"stdout\"]",
            "audit.sinks[1]: found \"stdout\" again; accepted: each sink once",
        ),
        ("signing_key = \"none.key\"", "audit.signing_key: found no file at this path"),
        ("signing_key = \"not.key\"", "audit.signing_key: found no Ed25519 key in"),
    ] {
        let faults = sound(audit).err().map(|faults| faults.to_string()).unwrap_or_default();
        assert!(faults.contains(told) && faults.lines().count() == 1, "{audit}: {faults}");
    }
    let in_redis = "sinks = [\"redis\"]\nstream_length = 5000\n[registry]\nkind = \"redis\"\nurl = \"redis://127.0.0.1\"\nreplica = { name = \"gw-2\" }";
    let settings = sound(in_redis).unwrap().audit;
    assert!(matches!(settings.sinks[..], [SinkKind::Redis { length: 5_000, .. }]));
    assert_eq!((settings.replica.as_str(), settings.is_kept()), ("gw-2", true));
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    let open = sound("signing_key = \"audit.key\"").unwrap_err().to_string();
    assert!(open.contains("which every user of this machine can read"), "{open}");
}
