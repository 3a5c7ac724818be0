//! Opens the registry that the configuration names: to administer it, or to follow it.

use std::time::Duration;

use crate::base::Clock;
use crate::config::{RegistrySettings, Store};
use crate::registry::redis::Redis;
use crate::registry::replica::{Replica, ReplicaParams};
use crate::registry::{Embedded, Fault, Feed, Registry};

/// How often a registry is looked at that waits for changes itself: the wait is its own.
const WAITS: Duration = Duration::from_millis(1);

/// A registry to administer.
pub enum Opened {
    /// A file.
    Embedded(Embedded),
    /// Redis, which replicas follow.
    Redis(Box<Redis>),
}

impl Opened {
    /// As any registry.
    pub fn registry(&mut self) -> &mut dyn Registry {
        match self {
            Self::Embedded(embedded) => embedded,
            Self::Redis(redis) => &mut **redis,
        }
    }

    /// As one that replicas follow.
    pub fn redis(&mut self) -> Option<&mut Redis> {
        match self {
            Self::Embedded(_) => None,
            Self::Redis(redis) => Some(redis),
        }
    }
}

/// Where it is, for people.
pub fn place(settings: &RegistrySettings) -> String {
    match &settings.store {
        Store::Embedded { path, .. } => path.display().to_string(),
        Store::Redis(settings) => settings.params.place(),
    }
}

/// Opens it for administration.
pub fn open(settings: &RegistrySettings) -> Result<Opened, Fault> {
    match &settings.store {
        Store::Embedded { path, .. } => Embedded::open(path).map(Opened::Embedded),
        Store::Redis(settings) => Ok(Opened::Redis(Box::new(Redis::new(settings.params.clone())))),
    }
}

/// Opens it for a gateway, and says how often it is to be looked at.
pub fn feed(settings: &RegistrySettings, clock: &Clock) -> Result<(Box<dyn Feed>, Duration), Fault> {
    match &settings.store {
        Store::Embedded { path, poll } => Ok((Box::new(Embedded::open(path)?), *poll)),
        Store::Redis(redis) => {
            let replica = ReplicaParams {
                name: redis.replica.clone(),
                path: redis.path.clone(),
                max_staleness: settings.max_staleness,
                clock: clock.clone(),
            };
            Ok((Box::new(Replica::open(redis.params.clone(), replica)?), WAITS))
        }
    }
}
