//! Where Redis can be: behind TLS with users of least privilege, behind Sentinel, in a Cluster; and
//! a failover that is followed.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use tollgate::base::digest::Hasher;
use tollgate::base::key::Env;
use tollgate::base::redis::{Node, RedisParams, Topology};
use tollgate::base::secret::Secret;
use tollgate::base::{KeyId, UnixSeconds};
use tollgate::registry::operations::{self, Wish};
use tollgate::registry::redis::Redis;
use tollgate::registry::{Fault, Feed as _, KeyRecord, Registry as _, Used};

use super::server::{Server, free_port, params};

const NOW: UnixSeconds = UnixSeconds(1_800_000_000);

fn issue(redis: &mut Redis) -> Result<KeyId, Fault> {
    let wish = Wish {
        env: Env::Test,
        name: "placed".into(),
        owner: None,
        scopes: vec!["crm:read".into()],
        plan: None,
        limits: None,
        expires_at: None,
    };
    operations::issue(redis, &Hasher::new(&[]), wish, NOW).map(|issued| issued.record.key_id)
}

fn all(redis: &mut Redis) -> BTreeMap<KeyId, KeyRecord> {
    let mut found = BTreeMap::new();
    redis.load(&mut |stored| assert!(found.insert(stored.id, stored.record.unwrap()).is_none())).unwrap();
    found
}

/// Waits until Redis' replica is there and has all.
fn stored(redis: &mut Redis) {
    soon("the replica has it", || match redis.wait_durable(Duration::from_secs(1))? {
        (1, 1) => Ok(()),
        found => Err(Fault::Refused(format!("{found:?}"))),
    });
}

fn node(port: u16) -> Node {
    Node { host: "127.0.0.1".into(), port }
}

/// Tries until it works: a failover takes a moment.
fn soon<T>(what: &str, mut attempt: impl FnMut() -> Result<T, Fault>) -> T {
    let begun = Instant::now();
    loop {
        match attempt() {
            Ok(done) => return done,
            Err(fault) => assert!(begun.elapsed() < Duration::from_secs(30), "{what}: {fault}"),
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// A certificate authority and a certificate for 127.0.0.1, as PEM files.
fn certificates(folder: &Path) {
    let mut authority = rcgen::CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let key = rcgen::KeyPair::generate().unwrap();
    let issuer = rcgen::CertifiedIssuer::self_signed(authority, key).unwrap();
    let own = rcgen::KeyPair::generate().unwrap();
    let certificate =
        rcgen::CertificateParams::new(vec!["127.0.0.1".into()]).unwrap().signed_by(&own, &issuer).unwrap();
    for (name, pem) in
        [("ca.pem", issuer.pem()), ("server.pem", certificate.pem()), ("server.key", own.serialize_pem())]
    {
        std::fs::write(folder.join(name), pem).unwrap();
    }
}

/// The lines for `ACL SETUSER` that the documentation gives, without the words before them.
pub fn documented_rights() -> BTreeMap<String, Vec<String>> {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/OPERATIONS.md")).unwrap();
    let lines = page.lines().filter_map(|line| line.strip_prefix("ACL SETUSER "));
    lines
        .map(|line| {
            let mut words = line.split_whitespace().map(ToOwned::to_owned);
            (words.next().unwrap(), words.collect())
        })
        .collect()
}

pub(super) fn tls_and_users() {
    let folder = tempfile::TempDir::new().unwrap();
    certificates(folder.path());
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let tls_port = free_port();
    let server = Server::with(&[
        "--tls-port",
        &tls_port.to_string(),
        "--tls-cert-file",
        &path("server.pem"),
        "--tls-key-file",
        &path("server.key"),
        "--tls-ca-cert-file",
        &path("ca.pem"),
        "--tls-auth-clients",
        "no",
    ]);
    let rights = documented_rights();
    assert_eq!(rights.keys().collect::<Vec<_>>(), ["administrator", "auditor", "gateway"]);
    for (user, words) in &rights {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        assert_eq!(server.ask(&[&["ACL", "SETUSER", user], &words[..]].concat()), "OK");
    }
    server.ask(&["ACL", "SETUSER", "default", "off"]);
    let ca = std::fs::read(folder.path().join("ca.pem")).unwrap();
    let reach = |user: &str, password: &str, ca: Option<&[u8]>| RedisParams {
        tls: true,
        ca: ca.map(<[u8]>::to_vec),
        user: Some(user.into()),
        password: Some(Secret::new(password)),
        ..params(Topology::Standalone(node(tls_port)))
    };
    let mut administrator = Redis::new(reach("administrator", "ADMINISTRATOR-PASSWORD", Some(&ca)));
    let id = issue(&mut administrator).unwrap();
    administrator.sealing_keys(NOW, Duration::from_secs(1), Duration::from_secs(2)).unwrap();
    let mut gateway = Redis::new(reach("gateway", "GATEWAY-PASSWORD", Some(&ca)));
    assert_eq!(all(&mut gateway).len(), 1);
    let (position, day) = (gateway.entries(&mut |_| {}).unwrap(), Duration::from_secs(86_400));
    gateway.changes(position).unwrap();
    gateway.sealing_keys(NOW, day, day).unwrap();
    gateway.note_used(&[Used { id, at: Some(NOW), previous_at: None }]).unwrap();
    gateway
        .register(
            "one",
            &tollgate::registry::redis::Applied {
                position,
                max_staleness: None,
                lost: 0,
                waiting: Some(7),
                identity: 1,
            },
        )
        .unwrap();
    gateway.claim("one", &[]).unwrap();
    assert_eq!(gateway.peers().unwrap().len(), 1);
    gateway.sign_off("one", 2).unwrap();
    assert_eq!(gateway.peers().unwrap().len(), 1, "another of that name");
    gateway.sign_off("one", 1).unwrap();
    assert!(gateway.peers().unwrap().is_empty());
    // What it may not: write a key, the feed, another registry's names.
    let refused = issue(&mut gateway).unwrap_err().to_string();
    assert!(refused.contains("lacks a right"), "{refused}");
    let mut other =
        Redis::new(RedisParams { prefix: "other".into(), ..reach("gateway", "GATEWAY-PASSWORD", Some(&ca)) });
    assert!(other.entries(&mut |_| {}).is_err());
    assert_eq!(all(&mut administrator).len(), 1);
    // A wrong password, and a server that the certificate authority does not vouch for.
    let wrong =
        Redis::new(reach("gateway", "wrong", Some(&ca))).entries(&mut |_| {}).unwrap_err().to_string();
    assert!(wrong.contains("does not accept the user") && !wrong.contains("wrong\""), "{wrong}");
    assert!(Redis::new(reach("gateway", "GATEWAY-PASSWORD", None)).entries(&mut |_| {}).is_err());
}

/// A primary with a replica behind three sentinels; the primary is killed.
pub(super) fn sentinel() {
    let mut primary = Server::with(&[]);
    let replica = Server::with(&["--replicaof", "127.0.0.1", &primary.port.to_string()]);
    let sentinels: Vec<Server> = (0..3).map(|_| Server::sentinel(primary.port)).collect();
    let nodes = sentinels.iter().map(|sentinel| node(sentinel.port)).collect();
    let mut redis = Redis::new(params(Topology::Sentinel { master: "tollgate".into(), nodes }));
    let first = soon("a change", || issue(&mut redis));
    let mut position = redis.entries(&mut |_| {}).unwrap();
    stored(&mut redis);
    // The sentinels have to know the replica before it can take over.
    for sentinel in &sentinels {
        let begun = Instant::now();
        while !sentinel.ask(&["SENTINEL", "REPLICAS", "tollgate"]).contains(&replica.port.to_string()) {
            assert!(begun.elapsed() < Duration::from_secs(20));
            std::thread::sleep(Duration::from_millis(100));
        }
    }
    primary.kill();
    let second = soon("a change after the failover", || issue(&mut redis));
    assert_eq!(all(&mut redis).into_keys().collect::<Vec<_>>().len(), 2);
    assert!(replica.ask(&["ROLE"]).starts_with("master"));
    let changes = soon("the feed", || redis.changes(position));
    let tollgate::registry::Changes::Since(changes, after) = changes else { panic!("lost") };
    assert_eq!(changes.len(), 1);
    position = after;
    assert_eq!(position, redis.end().unwrap());
    assert!(redis.get(first).unwrap().is_some() && redis.get(second).unwrap().is_some());
}

/// Three primaries with a replica each; the one with the registry is killed.
pub(super) fn cluster() {
    let mut servers = Server::cluster();
    let nodes: Vec<Node> = servers.iter().map(|server| node(server.port)).collect();
    let mut redis = Redis::new(params(Topology::Cluster(nodes)));
    let first = soon("a change", || issue(&mut redis));
    let used = Used { id: first, at: Some(NOW), previous_at: None };
    soon("a last use", || redis.note_used(&[used]));
    assert_eq!(redis.used(Some(first)).unwrap(), [used]);
    assert_eq!(redis.used(None).unwrap(), [used]);
    stored(&mut redis);
    let holder = servers.iter().position(|server| server.ask(&["EXISTS", "{tollgate}:keys"]) == "1");
    let holder = holder.unwrap();
    assert!(servers[holder].ask(&["ROLE"]).starts_with("master"));
    // The primary of another shard, where last uses lie and the registry does not: the feed goes on, and
    // what is noted arrives again.
    let other = servers.iter().position(|server| {
        server.ask(&["ROLE"]).starts_with("master") && server.port != servers[holder].port
    });
    servers[other.unwrap()].kill();
    let many: Vec<Used> = (0..200_u32)
        .map(|number| Used {
            id: format!("mcp_live_{number:016}").parse().unwrap(),
            at: Some(NOW),
            previous_at: None,
        })
        .collect();
    let position = redis.end().unwrap();
    soon("last uses on every shard", || {
        let (noted, begun) = (redis.note_used(&many), Instant::now());
        // While a shard has no primary the cluster serves nothing, but nobody waits for that.
        let _ = redis.changes(position);
        assert!(begun.elapsed() < Duration::from_secs(1));
        noted
    });
    assert!(redis.changes(position).is_ok());
    assert_eq!(redis.used(None).unwrap().len(), 201);
    servers[holder].kill();
    let second = soon("a change after the failover", || issue(&mut redis));
    let keys: Vec<KeyId> = all(&mut redis).into_keys().collect();
    assert!(keys.len() == 2 && keys.contains(&first) && keys.contains(&second));
}
