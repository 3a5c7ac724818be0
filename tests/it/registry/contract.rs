//! What every registry keeps, held against each of them: the file, and a real Redis.

use std::collections::BTreeMap;
use std::time::Duration;

use tollgate::base::digest::Hasher;
use tollgate::base::key::Env;
use tollgate::base::{KeyId, UnixSeconds};
use tollgate::registry::operations::{self, Amendment, Wish};
use tollgate::registry::transfer::{self, Manner};
use tollgate::registry::{
    Change, Changes, Embedded, Fault, KeyRecord, Position, Registry, State, Timestamp, Used,
};

use super::server::Server;

const NOW: UnixSeconds = UnixSeconds(1_800_000_000);
const DAY: Duration = Duration::from_secs(86_400);

/// Opens the same registry again and again.
type Open<'a> = &'a dyn Fn() -> Box<dyn Registry>;

fn issue(registry: &mut dyn Registry, name: &str) -> KeyRecord {
    let wish = Wish {
        env: Env::Test,
        name: name.into(),
        owner: Some("Zoë".into()),
        scopes: vec!["crm:read".into()],
        plan: None,
        limits: None,
        expires_at: None,
    };
    operations::issue(registry, &Hasher::new(&[]), wish, NOW).unwrap().record
}

fn all(registry: &mut dyn Registry) -> BTreeMap<KeyId, KeyRecord> {
    let mut found = BTreeMap::new();
    registry.load(&mut |stored| assert!(found.insert(stored.id, stored.record.unwrap()).is_none())).unwrap();
    found
}

fn entries(registry: &mut dyn Registry) -> (usize, Position) {
    let mut count = 0;
    let position = registry.entries(&mut |(_, entry)| count += usize::from(entry.is_ok())).unwrap();
    (count, position)
}

fn since(registry: &mut dyn Registry, position: Position) -> (Vec<Change>, Position) {
    match registry.changes(position).unwrap() {
        Changes::Since(changes, position) => (changes, position),
        Changes::Lost => panic!("lost"),
    }
}

fn put(change: &Change) -> KeyRecord {
    match change {
        Change::Put(stored) => stored.record.clone().unwrap(),
        Change::Gone(id) => panic!("{id} is gone"),
    }
}

fn changes_are_followed(open: Open<'_>) {
    let (mut one, mut other) = (open(), open());
    let (count, start) = entries(other.as_mut());
    assert_eq!(count, 0);
    assert_eq!(since(other.as_mut(), start).0.len(), 0);
    let first = issue(one.as_mut(), "first");
    let (changes, at) = since(other.as_mut(), start);
    assert_eq!((changes.len(), put(&changes[0])), (1, first.clone()));
    let (changes, same) = since(other.as_mut(), at);
    assert!(changes.is_empty() && same == at);
    let second = issue(one.as_mut(), "second");
    let id = first.key_id;
    let amendment = Amendment { scopes: Some(vec!["crm:write".into()]), ..Amendment::default() };
    let set = operations::set(one.as_mut(), id, &amendment).unwrap();
    let rotated = operations::rotate(one.as_mut(), &Hasher::new(&[]), id, DAY, NOW).unwrap().record;
    let ended = operations::end_overlap(one.as_mut(), id).unwrap();
    let revoked = operations::revoke(one.as_mut(), id, NOW).unwrap();
    let (changes, at) = since(other.as_mut(), at);
    let told: Vec<KeyRecord> = changes.iter().map(put).collect();
    assert_eq!(told, [second.clone(), set, rotated.clone(), ended, revoked.clone()]);
    assert_eq!((rotated.version, revoked.version, revoked.status), (3, 5, State::Revoked));
    assert_eq!(rotated.previous_hash, Some(first.key_hash));
    // From further back the same.
    assert_eq!(since(open().as_mut(), start).0.len(), 6);
    assert_eq!(all(other.as_mut()), BTreeMap::from([(id, revoked.clone()), (second.key_id, second.clone())]));
    assert_eq!(entries(other.as_mut()), (2, at));
    assert_eq!(operations::revoked_before(one.as_mut(), NOW.plus(DAY)).unwrap(), [id]);
    let nobody: KeyId = "mcp_live_0000000000000000".parse().unwrap();
    one.purge(&[nobody, id]).unwrap();
    let (changes, _) = since(other.as_mut(), at);
    assert!(matches!(&changes[..], [Change::Gone(gone)] if *gone == id));
    assert!(other.get(id).unwrap().is_none());
}

fn edits_see_what_is_there(open: Open<'_>) {
    let mut registry = open();
    let record = issue(registry.as_mut(), "one");
    let id = record.key_id;
    let nobody: KeyId = "mcp_live_0000000000000000".parse().unwrap();
    assert!(matches!(operations::revoke(registry.as_mut(), nobody, NOW), Err(Fault::NoSuchKey(_))));
    // All or none.
    let before = all(registry.as_mut());
    let mut rename = |before: Option<KeyRecord>| {
        Ok(before.map(|before| KeyRecord { name: "other".into(), version: before.version + 1, ..before }))
    };
    let mut refuse = |_: Option<KeyRecord>| Err(Fault::Refused("no".into()));
    let edits: [(KeyId, tollgate::registry::Edit<'_>); 2] = [(id, &mut rename), (id, &mut refuse)];
    assert!(matches!(registry.change(&mut edits.into_iter()), Err(Fault::Refused(_))));
    assert_eq!(all(registry.as_mut()), before);
    // Two edits of one key: the second sees the first.
    let mut seen = None;
    let mut look = |before: Option<KeyRecord>| {
        seen = before.map(|before| before.name);
        Ok(None)
    };
    let edits: [(KeyId, tollgate::registry::Edit<'_>); 2] = [(id, &mut rename), (id, &mut look)];
    registry.change(&mut edits.into_iter()).unwrap();
    assert_eq!(seen.as_deref(), Some("other"));
    assert_eq!(registry.get(id).unwrap().unwrap().record.unwrap().version, 2);
}

fn many_writers_lose_nothing(open: Open<'_>) {
    let id = issue(open().as_mut(), "hot").key_id;
    let (_, start) = entries(open().as_mut());
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let mut registry = Bound(open());
            scope.spawn(move || {
                for number in 0..10 {
                    let name = Some(format!("{writer} {number}"));
                    let amendment = Amendment { name, ..Amendment::default() };
                    operations::set(registry.get(), id, &amendment).unwrap();
                }
            });
        }
    });
    let mut registry = open();
    assert_eq!(registry.get(id).unwrap().unwrap().record.unwrap().version, 41);
    let versions: Vec<u64> =
        since(registry.as_mut(), start).0.iter().map(|change| put(change).version).collect();
    assert_eq!(versions, (2..=41).collect::<Vec<_>>());
}

/// A registry on its way to a thread.
struct Bound(Box<dyn Registry>);

impl Bound {
    fn get(&mut self) -> &mut dyn Registry {
        self.0.as_mut()
    }
}

fn last_uses_only_grow(open: Open<'_>) {
    let mut registry = open();
    let id = issue(registry.as_mut(), "used").key_id;
    let at = |seconds: u32| Some(UnixSeconds(seconds));
    assert!(registry.used(Some(id)).unwrap().is_empty());
    for (at_time, previous_at, want) in [
        (at(20), None, (at(20), None)),
        (at(10), at(15), (at(20), at(15))),
        (at(30), at(5), (at(30), at(15))),
    ] {
        registry.note_used(&[Used { id, at: at_time, previous_at }]).unwrap();
        let used = registry.used(Some(id)).unwrap();
        assert_eq!(used, registry.used(None).unwrap());
        assert_eq!((used[0].at, used[0].previous_at), want);
    }
    operations::revoke(registry.as_mut(), id, NOW).unwrap();
    registry.purge(&[id]).unwrap();
    assert!(registry.used(None).unwrap().is_empty());
}

fn sealing_keys_are_shared(open: Open<'_>) {
    let (mut one, mut other) = (open(), open());
    let ids = |registry: &mut dyn Registry, now| {
        let mut keys: Vec<_> = registry
            .sealing_keys(now, DAY, DAY * 3)
            .unwrap()
            .iter()
            .map(|key| (key.id, key.bytes, key.made))
            .collect();
        keys.sort_unstable();
        keys
    };
    let first = ids(one.as_mut(), NOW);
    assert_eq!((first.len(), &ids(other.as_mut(), NOW)), (1, &first));
    let mut now = NOW;
    for day in 1..3 {
        now = now.plus(DAY);
        assert_eq!(ids(other.as_mut(), now).len(), day + 1);
        assert_eq!(ids(one.as_mut(), now), ids(other.as_mut(), now));
    }
    let later = ids(one.as_mut(), now.plus(DAY));
    assert!(later.len() == 3 && !later.contains(&first[0]));
}

fn an_export_is_imported(open: Open<'_>) {
    let mut registry = open();
    for number in 0..25 {
        issue(registry.as_mut(), &format!("key {number}"));
    }
    let mut lines = String::new();
    transfer::export(
        registry.as_mut(),
        |line| {
            lines.push_str(line);
            lines.push('\n');
        },
        |id, reason| panic!("{id}: {reason}"),
    )
    .unwrap();
    let before = all(registry.as_mut());
    let folder = tempfile::TempDir::new().unwrap();
    let mut file = Embedded::open(&folder.path().join("moved.db")).unwrap();
    let manner = Manner { skip_bad: false, force: false };
    assert_eq!(transfer::import(&mut file, lines.as_bytes(), manner, &|_| Vec::new()).unwrap().added, 25);
    assert_eq!(all(&mut file), before);
    let again = transfer::import(registry.as_mut(), lines.as_bytes(), manner, &|_| Vec::new()).unwrap();
    assert_eq!((again.added, again.updated, again.unchanged), (0, 0, 25));
    assert!(Timestamp(NOW).to_string().starts_with("2027"));
}

/// One promise of the contract.
type Promise = fn(Open<'_>);

const PROMISES: [Promise; 6] = [
    changes_are_followed,
    edits_see_what_is_there,
    many_writers_lose_nothing,
    last_uses_only_grow,
    sealing_keys_are_shared,
    an_export_is_imported,
];

pub(super) fn embedded() {
    for keep in PROMISES {
        let folder = tempfile::TempDir::new().unwrap();
        keep(&|| Box::new(Embedded::open(&folder.path().join("registry.db")).unwrap()));
    }
}

pub(super) fn redis(server: &Server) {
    for keep in PROMISES {
        server.ask(&["FLUSHALL"]);
        keep(&|| Box::new(server.registry()));
    }
}
