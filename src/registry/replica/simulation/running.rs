//! A replica of the simulation as a gateway runs it, and what must not come back into what it has in
//! force.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::registry::Simulated;
use crate::base::{Clock, KeyId};
use crate::policy::KeyEntry;
use crate::policy::keys::Status;
use crate::registry::contract::{Change, Changes, Fault, Feed as _, Position};
use crate::registry::replica::{Replica, ReplicaParams};

/// A replica, what it has in force, and where it stands.
pub(super) struct Running {
    pub(super) replica: Replica<Simulated>,
    pub(super) in_force: BTreeMap<KeyId, KeyEntry>,
    pub(super) position: Position,
}

impl Running {
    pub(super) fn start(source: Simulated, path: &std::path::Path) -> Option<Self> {
        let params = ReplicaParams {
            name: source.who.clone(),
            path: path.to_owned(),
            max_staleness: None,
            clock: Clock::manual(Arc::clone(&source.seconds)),
        };
        let mut replica = Replica::over(source, params).unwrap();
        let mut in_force = BTreeMap::new();
        let position = load(&mut replica, &mut in_force).ok()?;
        Some(Self { replica, in_force, position })
    }

    /// One look, as the follower makes them; it says on the roster each time that it is there.
    pub(super) fn look(&mut self) {
        self.replica.registered = None;
        match self.replica.changes(self.position) {
            Err(_) => {}
            Ok(Changes::Lost) => {
                let mut in_force = BTreeMap::new();
                if let Ok(position) = load(&mut self.replica, &mut in_force) {
                    (self.position, self.in_force) = (position, in_force);
                }
            }
            Ok(Changes::Since(changes, position)) => {
                for change in changes {
                    match change {
                        Change::Gone(id) => drop(self.in_force.remove(&id)),
                        Change::Put(stored) => {
                            let entry = stored.record.ok().and_then(|r| crate::registry::key_entry(&r).ok());
                            self.in_force.remove(&stored.id);
                            self.in_force.extend(entry.map(|entry| (stored.id, entry)));
                        }
                    }
                }
                self.position = position;
            }
        }
    }
}

fn load(
    replica: &mut Replica<Simulated>,
    in_force: &mut BTreeMap<KeyId, KeyEntry>,
) -> Result<Position, Fault> {
    replica.entries(&mut |(id, entry)| {
        in_force.remove(&id);
        in_force.extend(entry.ok().map(|entry| (id, entry)));
    })
}

/// Something that was taken away, and is so for good.
#[derive(Clone, PartialEq)]
pub(super) enum Taken {
    Key(KeyId),
    Secret(KeyId, crate::base::digest::KeyHash),
    Scope(KeyId, String),
}

impl Taken {
    pub(super) fn id(&self) -> &KeyId {
        match self {
            Self::Key(id) | Self::Secret(id, _) | Self::Scope(id, _) => id,
        }
    }

    /// Whether it is accepted by what is in force.
    pub(super) fn is_back(&self, in_force: &BTreeMap<KeyId, KeyEntry>) -> bool {
        let active = |id: &KeyId| in_force.get(id).filter(|entry| entry.status == Status::Active);
        match self {
            Self::Key(id) => active(id).is_some(),
            Self::Secret(id, hash) => active(id).is_some_and(|entry| entry.hash == *hash),
            Self::Scope(id, scope) => {
                let scope = crate::policy::Scope::parse(scope).unwrap();
                active(id).is_some_and(|entry| entry.scopes.grants(&scope))
            }
        }
    }
}
