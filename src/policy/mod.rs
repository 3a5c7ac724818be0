//! Floor 2: decisions over immutable data: who a key is, which rule names a thing, whether
//! the key's scopes satisfy it.
//!
//! Pure functions over what they are given. It must never log, spawn, read the clock or do
//! I/O, so that every decision can be simulated, explained and benched.

pub mod address;
pub mod authenticate;
pub mod authorise;
pub mod compiled;
pub mod ids;
pub mod keys;
pub mod limits;
pub mod pattern;
pub mod rules;
pub mod scope;
pub mod server;

pub use address::{AddressSource, Clients, Entrance};
pub use authenticate::{Verified, authenticate};
pub use authorise::{Decision, Wanted, authorise};
pub use compiled::Policy;
pub use ids::{RuleId, ServerId};
pub use keys::{KeyEntry, Keys};
pub use limits::{Applied, Concurrent, KeyLimits, Most, Plans, RuleLimits, SharedLimits};
pub use scope::{Scope, ScopePattern, ScopeSet};
pub use server::{Authority, Endpoint, Identity, Server};
