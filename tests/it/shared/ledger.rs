//! The ledger by itself, against real servers.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use tollgate::base::lease::{Ask, LeaseId, Told};
use tollgate::base::redis::{Node, RedisParams, Topology};
use tollgate::base::secret::Secret;
use tollgate::base::{KeyId, Limit};
use tollgate::cluster::Ledger;

use crate::registry::{Server, documented_rights, params};

fn key(number: u32) -> KeyId {
    format!("mcp_live_{number:016}").parse().unwrap()
}

/// One token an hour: none comes while a test runs.
fn slow(burst: u32) -> Limit {
    Limit::new(1, Duration::from_secs(3_600), burst).unwrap()
}

fn ask(number: u32, limit: Limit, [debt, back, want]: [u32; 3]) -> Ask {
    Ask { id: LeaseId { key: Some(key(number)), limit: 7 }, limit, debt, back, want }
}

pub(super) fn arithmetic(server: &Server) {
    let (mut one, mut two) = (Ledger::new(server.params(), 1), Ledger::new(server.params(), 2));
    let limit = slow(10);
    let say = |ledger: &mut Ledger, numbers| ledger.ask(&[ask(1, limit, numbers)]).told[0].unwrap();
    let told = |granted, level| Told { granted, level };
    // Both take from one bucket; the last token of an hour's bucket is a little less than whole.
    assert_eq!(say(&mut one, [0, 0, 4]), told(4, 6));
    assert_eq!(say(&mut two, [0, 0, 10]), told(6, 0));
    assert_eq!(say(&mut one, [0, 0, 1]), told(0, 0));
    // What was spent on credit is taken, there or not.
    assert_eq!(say(&mut one, [3, 0, 1]), told(0, -3));
    assert_eq!(say(&mut two, [0, 5, 0]), told(0, 2));
    // No bucket gets fuller than full, and a full one is no key.
    assert_eq!(say(&mut two, [0, 100, 0]), told(0, 10));
    let name = format!("tollgate:lease:{}:0000000000000007", key(1));
    assert_eq!(server.ask(&["EXISTS", &name]), "0");
    assert_eq!(say(&mut one, [0, 0, 5]), told(5, 5));
    let expires: u64 = server.ask(&["PTTL", &name]).parse().unwrap();
    assert!((17_900_000..=18_000_001).contains(&expires), "{expires}");
    // A server that has forgotten the script gets it again.
    server.ask(&["SCRIPT", "FLUSH"]);
    assert_eq!(say(&mut one, [0, 0, 1]), told(1, 4));
    // Another limit over the same bucket: what was taken stays taken.
    let as_limit =
        |ledger: &mut Ledger, limit| ledger.ask(&[ask(1, limit, [0, 0, 0])]).told[0].unwrap().level;
    let (per_second, small) = (Limit::new(1, Duration::from_secs(1), 100).unwrap(), slow(3));
    assert!(
        (94..=95).contains(&as_limit(&mut one, per_second)),
        "six of a hundred are taken, or one is back"
    );
    assert!((-3..=-2).contains(&as_limit(&mut one, small)));
    assert_eq!(say(&mut one, [0, 100, 0]), told(0, 10));
    // Time is the server's: at 1,000/s some come while one waits.
    let fast = Limit::new(1_000, Duration::from_secs(1), 100).unwrap();
    assert_eq!(one.ask(&[ask(2, fast, [0, 0, 100])]).told[0].unwrap().granted, 100);
    let begun = Instant::now();
    std::thread::sleep(Duration::from_millis(30));
    let came = one.ask(&[ask(2, fast, [0, 0, 100])]).told[0].unwrap().granted;
    let most = begun.elapsed().as_millis() as u32 + 2;
    assert!((30..=most).contains(&came), "{came} of {most}");
    // Many in one go, each its own bucket; that of a rule as well.
    let mut asks: Vec<Ask> = (10..500).map(|number| ask(number, limit, [0, 0, number % 12])).collect();
    asks.push(Ask { id: LeaseId { key: None, limit: 7 }, ..asks[0] });
    let answers = one.ask(&asks).told;
    assert!(asks.iter().zip(&answers).all(|(ask, told)| told.unwrap().granted == ask.want.min(10)));
    assert_eq!(server.ask(&["EXISTS", "tollgate:lease:tool:0000000000000007"]), "1");
    // Replicas that are given another limit one after the other get no more by that.
    let (wide, narrow) = (Limit::new(1, Duration::from_secs(3_600), 900).unwrap(), slow(9));
    let turn =
        |ledger: &mut Ledger, limit, want| ledger.ask(&[ask(600, limit, [0, 0, want])]).told[0].unwrap();
    assert_eq!(turn(&mut one, wide, 900).granted, 900);
    for _ in 0..20 {
        assert_eq!(turn(&mut two, narrow, 5).granted, 0);
        assert_eq!(turn(&mut one, wide, 900).granted, 0);
    }
    // What is no bucket is told by itself, and holds up no other.
    server.ask(&["DEL", &name]);
    server.ask(&["LPUSH", &name, "odd"]);
    let answers = one.ask(&[ask(1, limit, [0, 0, 1]), ask(601, limit, [0, 0, 1])]);
    assert_eq!((answers.told[0], answers.told[1].unwrap().granted, answers.reached), (None, 1, true));
    assert_eq!((one.present().unwrap(), two.present().unwrap(), one.present().unwrap()), (1, 2, 2));
    two.leave();
    assert_eq!(one.present().unwrap(), 1);
}

/// As many questions as are asked in one go, and no answer.
pub(super) fn hung() {
    let server = Server::with(&[]);
    let mut ledger = Ledger::new(server.params(), 1);
    let asks: Vec<Ask> = (0..1_000).map(|number| ask(number, slow(10), [0, 0, 1])).collect();
    assert!(ledger.ask(&asks).told.iter().all(Option::is_some));
    let answers = server.hung(Duration::from_secs(3), || ledger.ask(&asks));
    assert!(!answers.reached && answers.told.iter().all(Option::is_none));
    // What the server says after all is no answer to what it is asked next.
    let level = ledger.ask(&[ask(2_000, slow(50), [0, 0, 1])]).told[0].unwrap().level;
    assert_eq!(level, 49);
}

pub(super) fn rights() {
    let server = Server::with(&[]);
    for (user, words) in &documented_rights() {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        assert_eq!(server.ask(&[&["ACL", "SETUSER", user], &words[..]].concat()), "OK");
    }
    let of = |prefix: &str| RedisParams {
        user: Some("gateway".into()),
        password: Some(Secret::new("GATEWAY-PASSWORD")),
        prefix: prefix.into(),
        ..server.params()
    };
    let mut ledger = Ledger::new(of("tollgate"), 1);
    assert_eq!(ledger.ask(&[ask(1, slow(10), [0, 0, 3])]).told[0].unwrap().granted, 3);
    assert_eq!(ledger.present(), Some(1));
    let mut other = Ledger::new(of("other"), 1);
    assert_eq!(other.ask(&[ask(1, slow(10), [0, 0, 3])]).told, [None]);
    assert_eq!(
        (ledger.look(), other.look()),
        (Some(0), None),
        "who only looks is no replica, and this one has gone"
    );
    assert_eq!(other.present(), None);
    let refused = other.trouble().unwrap();
    assert!(refused.contains("NOPERM") || refused.contains("ermission"), "{refused}");
}

/// Three primaries with a replica each; one of them is killed.
pub(super) fn cluster() {
    let mut servers = Server::cluster();
    let node = |server: &Server| Node { host: "127.0.0.1".into(), port: server.port };
    let nodes = servers.iter().map(node).collect();
    let mut ledger = Ledger::new(params(Topology::Cluster(nodes)), 1);
    let asks: Vec<Ask> = (0..60).map(|number| ask(number, slow(1_000), [0, 0, 1])).collect();
    let answered = |ledger: &mut Ledger, patience: Duration| {
        let (begun, mut open) = (Instant::now(), asks.clone());
        while !open.is_empty() && begun.elapsed() < patience {
            let answers = ledger.ask(&open).told;
            let told: BTreeMap<LeaseId, bool> =
                open.iter().zip(&answers).map(|(ask, told)| (ask.id, told.is_some())).collect();
            open.retain(|ask| !told[&ask.id]);
            std::thread::sleep(Duration::from_millis(100));
        }
        open.len()
    };
    assert_eq!(answered(&mut ledger, Duration::from_secs(10)), 0);
    let holds = |server: &Server| server.ask(&["DBSIZE"]).parse::<u32>().unwrap();
    assert!(servers.iter().filter(|server| holds(server) > 0).count() >= 6, "spread over all nodes");
    // A slot that moves holds up its own bucket, and that not for long.
    let moving = ask(999, slow(1_000), [0, 0, 1]);
    let slot =
        servers[0].ask(&["CLUSTER", "KEYSLOT", &format!("tollgate:lease:{}:0000000000000007", key(999))]);
    let primaries: Vec<&Server> =
        servers.iter().filter(|server| server.ask(&["ROLE"]).starts_with("master")).collect();
    let answers = [moving, asks[0]];
    let told = ledger.ask(&answers);
    assert!(told.reached && told.told[0].is_some());
    let name = format!("tollgate:lease:{}:0000000000000007", key(999));
    let holder = primaries.iter().position(|server| server.ask(&["EXISTS", &name]) == "1").unwrap();
    primaries[holder].ask(&["DEL", &name]);
    let id = primaries[(holder + 1) % primaries.len()].ask(&["CLUSTER", "MYID"]);
    for server in &primaries {
        assert_eq!(server.ask(&["CLUSTER", "SETSLOT", &slot, "NODE", &id]), "OK");
    }
    let mut all = asks.clone();
    all.push(moving);
    let told = ledger.ask(&all);
    assert!(told.reached && told.told.iter().filter(|told| told.is_none()).count() == 1, "{told:?}");
    assert_eq!(told.told.last(), Some(&None));
    let begun = Instant::now();
    while ledger.ask(&[moving]).told[0].is_none() {
        assert!(begun.elapsed() < Duration::from_secs(10), "the slot's new holder is not found");
        std::thread::sleep(Duration::from_millis(100));
    }
    let primary = servers.iter().position(|server| server.ask(&["ROLE"]).starts_with("master")).unwrap();
    servers[primary].kill();
    assert_eq!(answered(&mut ledger, Duration::from_secs(30)), 0, "its replica has taken over");
    servers.remove(primary);
    // One that hangs costs its own buckets their answers, and all others a moment.
    let hangs = servers.iter().find(|server| server.ask(&["ROLE"]).starts_with("master")).unwrap();
    let answers = hangs.hung(Duration::from_secs(3), || ledger.ask(&asks));
    let lost = answers.told.iter().filter(|told| told.is_none()).count();
    assert!(!answers.reached && (5..asks.len() - 5).contains(&lost), "{lost}");
}
