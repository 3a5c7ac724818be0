//! `tollgate audit …` as a person or a script runs it.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use super::{KEY, Place, list, text_of};
use crate::world::{World, tollgate};
use tempfile::TempDir;
use tollgate::base::text::Text;
use tollgate::telemetry::audit::{AuditParams, Signer};
use tollgate::telemetry::names::Names;

fn path(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

#[test]
fn a_key_is_made_once_and_signs_what_verify_checks() {
    let mut place = Place::new();
    let key = path(&place.folder.path().join("audit.key"));
    let made = tollgate(&["audit", "key", "--out", &key]);
    assert!(made.ok && made.out.contains("audit.signing_key"), "{}{}", made.out, made.err);
    assert_eq!(std::fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    let again = tollgate(&["audit", "key", "--out", &key]);
    assert!(!again.ok && again.err.contains("a key is never replaced"), "{}", again.err);
    let pem = std::fs::read(&key).unwrap();
    assert!(!made.out.contains(std::str::from_utf8(&pem).unwrap().lines().nth(1).unwrap()));
    place.signer = Signer::read(&pem).unwrap().into();
    place.write(10);
    let folder = path(&place.path());
    let public = format!("{key}.pub");
    let good = tollgate(&["audit", "verify", &folder, "--public-key", &public]);
    assert!(good.ok && good.out.contains("as the gateway wrote them"), "{}{}", good.out, good.err);
    let (_, head) = place.sound();
    assert!(good.out.contains(&format!("head {head}")), "{}", good.out);
    let word = tollgate(&["audit", "verify", &folder]);
    assert!(word.ok && word.out.contains("by the log's own word"), "{}", word.out);
    let json = tollgate(&[
        "audit",
        "verify",
        &folder,
        "--public-key",
        &public,
        "--head",
        &head.to_string(),
        "--json",
    ]);
    let told = json.json();
    assert_eq!((&told["sound"], &told["chains"][0]["last"]), (&true.into(), &14.into()));
    assert_eq!(
        (&told["chains"][0]["signed"]["trusted"], &told["chains"][0]["closed"]),
        (&true.into(), &true.into())
    );
    // Faults of any kind are told on standard error, and by the exit.
    let other = format!("{:064}", 7);
    let cut = tollgate(&["audit", "verify", &folder, "--head", &other]);
    assert!(!cut.ok && cut.err.contains("the log was cut off before it, or written anew"), "{}", cut.err);
    let bad = tollgate(&["audit", "verify", &folder, "--head", "abc"]);
    assert!(!bad.ok && bad.err.contains("64 hexadecimal digits"), "{}", bad.err);
    let file = list(&place.path()).unwrap().remove(0).path;
    std::fs::write(&file, text_of(&file).replacen("crm.call_3", "crm.call_4", 1)).unwrap();
    let edited = tollgate(&["audit", "verify", &path(&file), "--json"]);
    assert!(
        !edited.ok && edited.err.contains("line 6, where record 6 should be: it was edited"),
        "{}",
        edited.err
    );
    assert_eq!(
        (&edited.json()["sound"], &edited.json()["chains"][0]["problem"]["line"]),
        (&false.into(), &6.into())
    );
}

#[test]
fn the_head_of_each_replica_of_a_folder_is_looked_for() {
    let place = Place::new();
    place.write(5);
    let (last, one) = place.sound();
    let names = Arc::new(Names::default());
    let other = AuditParams { replica: "gw-2".into(), ..place.params(&names) };
    let running = place.start_with(other, &names).unwrap_or_else(|fault| panic!("{fault}"));
    running.note(3);
    assert_eq!(running.stop(), 0);
    let (folder, one) = (path(&place.path()), one.to_string());
    let two = place.verify().chains.remove(1).last.hash.to_string();
    let verify = || tollgate(&["audit", "verify", &folder, "--head", &one, "--head", &two]);
    let whole = verify();
    assert!(whole.ok, "{}", whole.err);
    assert!(whole.out.contains(&format!("record {last} has the hash {one} that was noted")), "{}", whole.out);
    assert!(whole.out.contains(&format!("has the hash {two} that was noted")), "{}", whole.out);
    assert!(whole.out.contains("gw-2: 1 file, records 1 to "), "{}", whole.out);
    for file in list(&place.path()).unwrap().iter().filter(|file| file.replica == "gw-2") {
        std::fs::remove_file(&file.path).unwrap();
    }
    let cut = verify();
    let said = format!("no record has the hash {two}");
    assert!(!cut.ok && cut.err.contains(&said) && !cut.err.contains(&one), "{}", cut.err);
    let json = tollgate(&["audit", "verify", &folder, "--head", &one, "--head", &two, "--json"]).json();
    assert_eq!((&json["missing_heads"], &json["chains"][0]["noted"]), (&[two].into(), &[one].into()));
}

#[test]
fn a_log_that_nobody_signs_is_told_to_be_that_as_a_whole() {
    let place = Place::new();
    let names = Arc::new(Names::default());
    let unsigned = AuditParams { signer: None, ..place.params(&names) };
    let running = place.start_with(unsigned, &names).unwrap_or_else(|fault| panic!("{fault}"));
    running.note(3);
    assert_eq!(running.stop(), 0);
    let file = list(&place.path()).unwrap().remove(0).path;
    let told = || tollgate(&["audit", "verify", &path(&place.path())]).out;
    let whole = told();
    assert!(whole.contains("nothing is signed") && !whole.contains("behind that"), "{whole}");
    // Without its last checkpoint.
    let text = text_of(&file);
    let end = text.trim_end().rfind('\n').unwrap() + 1;
    std::fs::write(&file, &text[..end]).unwrap();
    let open = told();
    assert!(open.contains("nothing is signed") && !open.contains("behind that"), "{open}");
    std::fs::write(&file, format!("{}{{", &text[..end])).unwrap();
    let begun = told();
    assert!(begun.contains("  1 byte at the end is no whole record"), "{begun}");
}

#[test]
fn a_whole_key_given_for_its_id_is_not_printed_back() {
    let id = "mcp_live_0123456789abcdef";
    let (secret, short) = ("S".repeat(49), "S".repeat(40));
    let key = format!("{id}.{secret}");
    let given = [key.clone(), format!("{id}.{short}"), format!("mcp_liv_0123.{secret}"), secret.clone()];
    for key in &given {
        for command in [
            &["audit", "search", ".", "--key", key][..],
            &["key", "show", key],
            &["key", "revoke", key],
            &["key", "set", key, "--name", "x"],
            &["explain", "--server", "crm", "--tool", "x", "--key", key],
        ] {
            let ran = tollgate(command);
            assert!(!ran.ok && !ran.out.contains(&short) && !ran.err.contains(&short), "{}", ran.err);
        }
    }
    let said = tollgate(&["key", "show", &key]).err;
    assert!(said.contains(&format!("{id}.[a secret]")) && said.contains("without the secret"), "{said}");
    for elsewhere in [
        ["audit", "search", &key, "--limit", "1"],
        ["audit", "search", ".", "--since", &key],
        ["key", "list", &key, "--json", "--json"],
    ] {
        let ran = tollgate(&elsewhere);
        assert!(!ran.ok && ran.err.contains(id) && !ran.err.contains(&secret), "{}", ran.err);
    }
}

#[test]
fn records_are_found_by_what_they_hold() {
    let place = Place::new();
    place.write(100);
    let folder = path(&place.path());
    let found = |arguments: &[&str]| {
        let ran = tollgate(&[&["audit", "search", &folder, "--json"], arguments].concat());
        assert!(ran.ok, "{}", ran.err);
        ran.out
            .lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
            .collect::<Vec<_>>()
    };
    assert_eq!(found(&["--tool", "crm.call_7"])[0]["id"], 7);
    assert_eq!(found(&["--outcome", "denied"]).len(), 20);
    assert_eq!(found(&["--reason", "scope_missing", "--server", "crm", "--key", KEY]).len(), 20);
    assert_eq!(found(&["--reason", "missing_key"]).len(), 0);
    assert_eq!(found(&["--tool", "crm.call_"]).len(), 0, "exactly");
    assert_eq!(found(&["--since", "1h"]).len(), 104);
    assert_eq!(found(&["--until", "1h"]).len(), 0);
    let last = found(&["--outcome", "answered", "--limit", "2"]);
    assert_eq!(last.iter().map(|line| line["id"].as_u64().unwrap()).collect::<Vec<_>>(), [97, 98]);
    for (arguments, told) in [
        (["--outcome", "good"], "accepted: answered, denied, upstream_failed, client_gone"),
        (["--reason", "bad"], "accepted: "),
        (["--since", "yesterday"], "accepted: an age such as 2h"),
    ] {
        let ran = tollgate(&[&["audit", "search", &folder], arguments.as_slice()].concat());
        assert!(!ran.ok && ran.err.contains(told), "{}", ran.err);
    }
}

#[test]
fn the_last_records_are_shown_and_those_that_come() {
    use std::io::{BufRead as _, BufReader};
    use std::process::{Command, Stdio};
    let mut place = Place::new();
    place.rotate_size = 64 * 1024;
    place.write(100);
    let folder = path(&place.path());
    let last = tollgate(&["audit", "tail", &folder, "-n", "3"]);
    let lines: Vec<&str> = last.out.lines().collect();
    assert!(
        lines.len() == 3 && lines[0].contains("tools/call crm.call_99") && lines[1].contains("closed"),
        "{lines:?}"
    );
    assert!(
        lines[0].contains("denied")
            && lines[0].contains("scope_missing from 203.0.113.7")
            && lines[0].contains(KEY)
    );
    assert_eq!(tollgate(&["audit", "tail", &folder, "-n", "0"]).out, "");
    assert_eq!(tollgate(&["audit", "tail", &folder, "-n", "1000"]).out.lines().count(), place.lines().len());
    let mut following = Command::new(crate::world::program());
    following.args(["audit", "tail", &folder, "-n", "1", "--follow", "--json"]).stdout(Stdio::piped());
    let mut following = following.spawn().unwrap();
    let mut lines = BufReader::new(following.stdout.take().unwrap()).lines().map_while(Result::ok);
    let next = |lines: &mut dyn Iterator<Item = String>| -> serde_json::Value {
        serde_json::from_str(&lines.next().unwrap()).unwrap()
    };
    let first = next(&mut lines)["seq"].as_u64().unwrap();
    // Over the end of a file.
    let running = place.start();
    running.note(300);
    running.await_records(300);
    let seen: Vec<u64> = (0..300).map(|_| next(&mut lines)["seq"].as_u64().unwrap()).collect();
    assert_eq!(seen, (first + 1..=first + 300).collect::<Vec<_>>());
    following.kill().unwrap();
    following.wait().unwrap();
    running.stop();
}

#[test]
fn nothing_that_a_client_chose_acts_on_a_terminal() {
    let place = Place::new();
    let running = place.start();
    let mut event = running.event();
    event.target = Text::of("x\u{1b}[2J\u{202e}\r\ny".as_bytes());
    event.owner = Text::of(b"\x1b]0;title\x07");
    running.books.note(event);
    running.stop();
    let folder = path(&place.path());
    let all: [&[&str]; 3] = [&["tail"], &["tail", "--json"], &["search"]];
    for arguments in all {
        let ran = tollgate(&[&["audit"], arguments, &[folder.as_str()]].concat());
        assert!(ran.ok && ran.out.lines().count() == 5, "{}", ran.out);
        assert!(
            !ran.out.contains(|c: char| c.is_control() && c != '\n') && !ran.out.contains('\u{202e}'),
            "{}",
            ran.out
        );
    }
}

#[test]
fn the_folder_and_the_key_are_the_configurations() {
    let world = World::new("[audit]\nfolder = \"audit\"\nsigning_key = \"audit.key\"", "");
    let key = world.folder.path().join("audit.key");
    let told = world.run(&["check"]);
    assert!(!told.ok && told.err.contains("audit.signing_key: found no file at this path"), "{}", told.err);
    assert!(told.err.contains("a key made by: tollgate audit key --out"), "{}", told.err);
    assert!(tollgate(&["audit", "key", "--out", &path(&key)]).ok);
    assert!(world.run(&["check"]).ok);
    let mut place = Place::new();
    place.signer = Signer::read(&std::fs::read(&key).unwrap()).unwrap().into();
    place.write(10);
    std::fs::rename(place.path(), world.folder.path().join("audit")).unwrap();
    // Who reads the log need not be able to read its key.
    std::fs::remove_file(&key).unwrap();
    let good = world.run(&["audit", "verify"]);
    assert!(good.ok && good.out.contains("as the gateway wrote them"), "{}{}", good.out, good.err);
    assert_eq!(world.run(&["audit", "search", "--tool", "crm.call_1"]).out.lines().count(), 1);
    let none = TempDir::new().unwrap();
    let empty = tollgate(&["audit", "verify", none.path().to_str().unwrap()]);
    assert!(!empty.ok && empty.err.contains("holds no audit log"), "{}", empty.err);
    let without = World::new("", "").run(&["audit", "tail"]);
    assert!(!without.ok && without.err.contains("names no audit.folder"), "{}", without.err);
}
