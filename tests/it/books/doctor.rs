//! What `tollgate doctor` says of the audit log's folder and of the collector.

use std::os::unix::fs::PermissionsExt as _;

use super::{call, folder, until};
use crate::otlp::Receiver;
use crate::world::{Ran, World};

fn doctor(world: &World) -> Ran {
    world.run(&["doctor"])
}

/// The line of its findings that begins so.
fn line(ran: &Ran, what: &str) -> String {
    let line = ran.out.lines().find(|line| line.get(7..).is_some_and(|line| line.starts_with(what)));
    line.unwrap_or_else(|| panic!("{what} is not in {}{}", ran.out, ran.err)).to_owned()
}

fn wrong(world: &World, what: &str, told: &[&str]) {
    let ran = doctor(world);
    let line = line(&ran, what);
    assert!(!ran.ok && line.starts_with("WRONG"), "{line}");
    for told in told {
        assert!(line.contains(told), "{told} is not in {line}");
    }
}

#[test]
fn the_folder_of_the_audit_log_is_looked_at() {
    let world = super::world("signing_key = \"audit.key\"\n", "");
    let key = world.folder.path().join("audit.key");
    assert!(crate::world::tollgate(&["audit", "key", "--out", key.to_str().unwrap()]).ok);
    let (id, _) = world.issue(&["crm:read"]);
    let before = doctor(&world);
    assert!(before.ok && line(&before, "audit log in").contains("the gateway makes it"), "{}", before.out);
    assert!(!folder(&world).exists(), "it only looks");
    let mut gateway = world.serve();
    let mut connection = gateway.connect();
    for _ in 0..5 {
        assert_eq!(call(&mut connection, &id, "crm.read_x", "1", "{}").status, 200);
    }
    until("they are written", || super::of_kind(&super::lines(&world), "call").len() == 5);
    let ran = doctor(&world);
    let told = line(&ran, "audit log in");
    for part in ["MiB free", "7 records in gw-00000000000000000001.jsonl, which is sound", "signed by "] {
        assert!(ran.ok && told.starts_with("well") && told.contains(part), "{part} is not in {told}");
    }
    assert!(gateway.stop());
    // Somebody changed a record.
    let file = folder(&world).join("gw-00000000000000000001.jsonl");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replacen("crm.read_x", "crm.read_y", 1)).unwrap();
    wrong(&world, "audit log in", &["gw-00000000000000000001.jsonl", "tollgate audit verify"]);
    // Others may read it.
    std::fs::set_permissions(folder(&world), std::fs::Permissions::from_mode(0o755)).unwrap();
    wrong(&world, "audit log in", &["755", "accepted", "chmod 700"]);
    std::fs::remove_dir_all(folder(&world)).unwrap();
    std::fs::write(folder(&world), "").unwrap();
    wrong(&world, "audit log in", &["found a file", "accepted: a folder"]);
    std::fs::remove_file(folder(&world)).unwrap();
    let text = std::fs::read_to_string(world.config()).unwrap();
    std::fs::write(world.config(), text.replace("\"audit\"", "\"nowhere/audit\"")).unwrap();
    wrong(&world, "audit log in", &["found nothing", "nowhere", "accepted"]);
    // A key that others can read.
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    let ran = doctor(&world);
    assert!(!ran.ok && ran.err.contains("audit.signing_key") && ran.err.contains("chmod"), "{}", ran.err);
}

#[test]
fn the_collector_is_tried() {
    for (grpc, protocol) in [(false, "http/protobuf"), (true, "grpc")] {
        let receiver = Receiver::start(grpc, None);
        let address = receiver.address.to_string();
        let settings = format!(
            "[otlp]\nendpoint = \"http://{address}\"\nprotocol = \"{protocol}\"\ntimeout = \"2s\"\nlogs = true\nheaders = [{{ header = \"X-Key\", value = \"collector-secret\" }}]\n"
        );
        let world = World::new(&settings, "");
        let ran = doctor(&world);
        let told = line(&ran, "collector at http://");
        assert!(ran.ok && told.starts_with("well") && told.contains("takes connections"), "{told}");
        assert!(receiver.got().is_empty(), "nothing is sent");
        // Over TLS, which it does not speak.
        let text = std::fs::read_to_string(world.config()).unwrap();
        std::fs::write(world.config(), text.replace("endpoint = \"http://", "endpoint = \"https://"))
            .unwrap();
        wrong(&world, "collector at https://", &["TLS", "accepted", "otlp.endpoint"]);
        std::fs::write(world.config(), &text).unwrap();
        drop(receiver);
        wrong(&world, "collector at http://", &["no TCP connection", &address, "accepted"]);
        assert!(!doctor(&world).out.contains("collector-secret"));
    }
}
