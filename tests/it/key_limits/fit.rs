//! Limits of a key's own that do not fit the configuration: refused where a person sets them, told where
//! they came otherwise, and in nobody's way who takes rights away or restores what was exported.

use super::{SERVER, done, plan};
use crate::registry::{Fleet, Server};
use crate::world::{Ran, World};

fn import(world: &World, lines: &str) -> Ran {
    let file = world.folder.path().join("keys.jsonl");
    std::fs::write(&file, lines).unwrap();
    world.run(&["key", "import", file.to_str().unwrap(), "--json"])
}

#[test]
fn what_the_configuration_came_to_later_keeps_nobody_from_taking_away_and_restoring() {
    let world = World::new(&plan(9), SERVER);
    let issue = || {
        let words =
            ["key", "issue", "--name", "n", "--json", "--limit", "calls=1/s:4", "--limit", "streams=2"];
        let issued =
            done(world.run(&[&words[..], &["--scope", "crm:read", "--scope", "crm:write"]].concat()));
        issued.json()["key_id"].as_str().unwrap().to_owned()
    };
    let [id, revoked] = [issue(), issue()];
    let dearer = |world: &World| world.edit("cost = 4", "cost = 5");
    dearer(&world);
    let set = |arguments: &[&str]| world.run(&[&["key", "set", &id], arguments].concat());
    let told =
        format!("tollgate: warning: {id} has a burst of 4 calls, less than the cost of \"crm.read_dear\"");
    for change in [["--scope", "crm:read"], ["--limit", "other=1/s:1"], ["--plan", ""]] {
        let changed = done(set(&change));
        assert!(changed.err.contains(&told) && changed.err.lines().count() == 1, "{}", changed.err);
    }
    assert_eq!(done(set(&["--owner", "sales"])).err, "", "nothing of it changed");
    // Who names the limit has to name one that fits, and who makes it worse is refused.
    let refused = set(&["--limit", "calls=1/s:3"]);
    assert!(!refused.ok && refused.err.contains("the key would have a burst of 3 calls"), "{}", refused.err);
    done(world.run(&["key", "revoke", &revoked]));
    let export = done(world.run(&["key", "export"])).out;
    let other = World::new(&plan(9), SERVER);
    dearer(&other);
    let restored = done(import(&other, &export));
    assert_eq!(other.run(&["key", "export"]).out, export, "everything is restored");
    let warnings = &restored.json()["warnings"];
    let said = warnings[0]["reason"].as_str().unwrap();
    assert!(
        warnings.as_array().unwrap().len() == 1 && said.contains(&id),
        "a revoked key needs none: {warnings}"
    );
    assert!(restored.err.contains(&format!("tollgate: warning: line {}: {said}", warnings[0]["line"])));
    assert!(
        said.ends_with("(accepted: a burst that every call fits into, or a limit that only warns)"),
        "{said}"
    );
    // Limits that the registry has already are no news.
    let newer = export.replace("\"owner\":\"sales\",", "").replace("\"version\":", "\"version\":1");
    let again = done(import(&other, &newer));
    assert_eq!((&again.json()["updated"], again.err.as_str()), (&2.into(), ""), "{}", again.err);
    let doctor = other.run(&["doctor"]).out;
    assert!(doctor.contains(&id) && !doctor.contains(&revoked), "{doctor}");
}

#[test]
fn a_limit_in_the_place_of_one_that_replicas_share_is_large_enough_to_share() {
    let server = Server::with(&[]);
    let plans = "[plans.shared]\ncalls = { rate = \"10000/s\", burst = 2000, shared = true }\n[plans.alone]\ncalls = { rate = \"10000/s\", burst = 2000 }";
    let fleet = Fleet::new(&server, 1, plans);
    let issue = |plan: &str, limit: &str| {
        let words = ["key", "issue", "--name", "n", "--json", "--scope", "crm:read", "--scope", "crm:write"];
        fleet.run(&[&words[..], &["--plan", plan, "--limit", limit]].concat())
    };
    let unfit = |ran: &Ran| {
        let found = "a limit of calls of 10000/s with a burst of 999, which replicas share as they do that of its plan \"shared\"";
        let accepted = "accepted: a burst of at least 1000, which is what comes in a tenth of a second";
        ran.err.contains(found) && ran.err.contains(accepted)
    };
    for limit in ["calls=10000/s:999", "calls=10000/s:999:warn"] {
        let refused = issue("shared", limit);
        assert!(!refused.ok && unfit(&refused), "{}", refused.err);
    }
    // What is large enough, or shared by nobody.
    for (plan, limit) in [("shared", "calls=10000/s:1000"), ("shared", "other=10000/s:9")] {
        done(issue(plan, limit));
    }
    let issued = done(issue("alone", "calls=10000/s:999")).json();
    let id = issued["key_id"].as_str().unwrap();
    let set = |arguments: &[&str]| fleet.run(&[&["key", "set", id], arguments].concat());
    let refused = set(&["--plan", "shared"]);
    assert!(!refused.ok && unfit(&refused), "{}", refused.err);
    done(set(&["--plan", "shared", "--limit", "calls=10000/s:1000"]));
    let refused = set(&["--limit", "calls=10000/s:999"]);
    assert!(!refused.ok && unfit(&refused), "{}", refused.err);
    let well = fleet.run(&["doctor"]).out;
    assert!(well.contains("well   registry"), "{well}");
    // By an import it may come; then it is told, and kept from nothing but this limit.
    let export = done(fleet.run(&["key", "export"])).out;
    let line = export.lines().find(|line| line.contains(id)).unwrap();
    let smaller = line.replace("\"burst\":1000", "\"burst\":999").replace("\"version\":2", "\"version\":3");
    let imported = done(import(&fleet.worlds[0], &smaller));
    assert!(unfit(&imported) && imported.err.contains(&format!("line 1: {id} has")), "{}", imported.err);
    let doctor = fleet.run(&["doctor"]);
    let told = format!("keys whose own limits do not fit: {id} has a limit of calls");
    assert!(!doctor.ok && doctor.out.contains(&told), "{}", doctor.out);
    let changed = done(set(&["--scope", "crm:read"]));
    assert!(unfit(&changed), "{}", changed.err);
    assert_eq!(done(set(&["--plan", "alone"])).err, "");
}
