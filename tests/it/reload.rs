//! Reload: what changes while requests go on, and what a faulty file does not change.

use crate::world::World;

#[test]
fn a_changed_file_is_taken_and_a_faulty_one_is_not() {
    let world = World::new("", "");
    let (key, _) = world.issue(&["crm:read"]);
    let gateway = world.serve();
    let mut connection = gateway.connect();
    assert_eq!(connection.call(&key, "crm.read_x").status, 200);
    let text = std::fs::read_to_string(world.config()).unwrap();
    // Faulty: told, and nothing changes.
    std::fs::write(
        world.config(),
        text.replace("crm.read_*", "crm.read_*\"] = {}\n[servers.tools.\"crm.read_*y"),
    )
    .unwrap();
    gateway.await_said("configuration not reloaded");
    assert_eq!(connection.call(&key, "crm.read_x").status, 200);
    // Sound: without a signal, by the change of the file alone.
    std::fs::write(
        world.config(),
        text.replace(
            "[servers.tools.\"crm.read_*\"]\nscopes = [\"crm:read\"]",
            "[servers.tools.\"crm.read_*\"]\nscopes = [\"crm:admin\"]",
        ),
    )
    .unwrap();
    gateway.await_said("configuration reloaded");
    assert_eq!(connection.call(&key, "crm.read_x").reason(), "scope_missing");
    // Back, by signal, and a setting that needs a restart is told.
    std::fs::write(world.config(), text.replace("workers = 1", "workers = 2")).unwrap();
    gateway.signal("HUP");
    gateway.await_said("change with a restart only");
    let begun = std::time::Instant::now();
    while connection.call(&key, "crm.read_x").status != 200 {
        assert!(begun.elapsed().as_secs() < 5);
    }
}

#[test]
fn the_log_s_levels_change_while_it_runs() {
    let world = World::new("", "");
    let gateway = world.serve();
    let text = std::fs::read_to_string(world.config()).unwrap();
    let with = |level: &str| text.replace("level = \"debug\"", &format!("level = \"{level}\""));
    let reloaded = || gateway.said().matches("\"configuration reloaded\"").count();
    // Silently, as the new level holds from then on; what is faulty is told at any level, and leaves it as it is.
    std::fs::write(world.config(), with("error")).unwrap();
    gateway.signal("HUP");
    std::thread::sleep(std::time::Duration::from_millis(500));
    std::fs::write(world.config(), with("error,hyper=trace")).unwrap();
    gateway.await_said("log.level: found the string");
    assert_eq!(reloaded(), 0, "{}", gateway.said());
    // One module tells more than the others.
    std::fs::write(world.config(), with("error,tollgate::control=info")).unwrap();
    gateway.await_said("\"configuration reloaded\"");
    std::fs::write(world.config(), with("debug")).unwrap();
    gateway.await_said_times("\"configuration reloaded\"", 2);
}

#[test]
fn a_change_of_what_the_collector_is_sent_is_told_to_need_a_restart() {
    let collector = "[otlp]\nendpoint = \"http://127.0.0.1:9\"\nlogs = true\nheaders = [{ header = \"X-Key\", value = \"first-secret\" }]\n";
    let world = World::new(collector, "");
    let gateway = world.serve();
    let text = std::fs::read_to_string(world.config()).unwrap();
    // Nothing that is fixed: reloaded, and nothing said.
    gateway.signal("HUP");
    gateway.await_said("configuration reloaded");
    assert!(!gateway.said().contains("with a restart only"));
    let changes = [("first-secret", "other-secret"), ("X-Key", "X-Name"), ("logs = true", "metrics = {}")];
    for (times, (from, to)) in (1..).zip(changes) {
        std::fs::write(world.config(), text.replace(from, to)).unwrap();
        gateway.signal("HUP");
        gateway.await_said_times("with a restart only", times);
    }
    assert!(!gateway.said().contains("-secret"), "{}", gateway.said());
}

#[test]
fn each_request_is_told_where_it_is_asked_for_and_nowhere_else() {
    let world = World::new("requests = false\n[audit]\nfolder = \"audit\"\n", "");
    let (key, _) = world.issue(&["crm:read"]);
    let gateway = world.serve();
    let mut connection = gateway.connect();
    let text = std::fs::read_to_string(world.config()).unwrap();
    let told = || gateway.said().matches("\"message\":\"request\"").count();
    // Requests are written down a millisecond or more after they are over.
    let call = |connection: &mut crate::world::Connection| {
        assert_eq!(connection.call(&key, "crm.read_x").status, 200);
        std::thread::sleep(std::time::Duration::from_millis(200));
    };
    call(&mut connection);
    assert_eq!(told(), 0, "{}", gateway.said());
    std::fs::write(world.config(), text.replace("requests = false", "requests = true")).unwrap();
    gateway.await_said_times("\"configuration reloaded\"", 1);
    call(&mut connection);
    assert_eq!(told(), 1, "{}", gateway.said());
    std::fs::write(world.config(), &text).unwrap();
    gateway.await_said_times("\"configuration reloaded\"", 2);
    call(&mut connection);
    assert_eq!(told(), 1, "{}", gateway.said());
}
