//! The chain is followed by twenty lines of Python, which know what the documentation says and nothing else;
//! a signature by openssl.

use std::path::Path;
use std::process::{Command, Output};

use super::{Place, text_of};
use tollgate::telemetry::audit::list;

fn python(place: &Place) -> Output {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/audit/verify_log.py");
    let mut python = Command::new("python3");
    python.arg(script);
    for file in list(&place.path()).unwrap() {
        // Python has no zstd of its own.
        let plain = place.folder.path().join(file.name());
        std::fs::write(&plain, text_of(&file.path)).unwrap();
        python.arg(plain);
    }
    python.output().unwrap()
}

#[test]
fn python_follows_the_chain_and_finds_an_edit() {
    let place = Place::new();
    place.write(50);
    place.write(50);
    let (seq, hash) = place.sound();
    let followed = python(&place);
    assert_eq!(String::from_utf8_lossy(&followed.stdout).trim(), format!("{seq} {hash}"), "{followed:?}");
    let first = &list(&place.path()).unwrap()[1].path;
    let edited = text_of(first).replacen("crm.call_7", "crm.call_8", 1);
    std::fs::write(first, edited).unwrap();
    let found = python(&place);
    assert!(
        !found.status.success() && String::from_utf8_lossy(&found.stderr).contains("edited"),
        "{found:?}"
    );
}

#[test]
fn openssl_checks_a_checkpoint() {
    let place = Place::new();
    place.write(3);
    let last = place.lines().pop().unwrap();
    let text = |name: &str| last[name].as_str().unwrap().to_owned();
    let seq = last["seq"].to_string();
    let signed = ["tollgate audit checkpoint 1", "gw-1", &text("chain"), &seq, &text("prev"), &text("time")];
    let file = |name: &str, content: &[u8]| {
        let path = place.folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    };
    let hex = text("signature");
    let signature: Vec<u8> =
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect();
    let public = file("public.pem", place.signer.public().to_pem().as_bytes());
    let signature = file("signature", &signature);
    let check = |signed: &str| {
        let mut openssl = Command::new("openssl");
        openssl.args(["pkeyutl", "-verify", "-rawin", "-pubin", "-inkey"]).arg(&public);
        openssl.arg("-sigfile").arg(&signature).arg("-in").arg(file("signed", signed.as_bytes()));
        openssl.output().unwrap()
    };
    let good = check(&signed.join("\n"));
    assert!(good.status.success(), "{good:?}");
    assert!(!check(&signed.join("\n").replace("gw-1", "gw-2")).status.success());
}
