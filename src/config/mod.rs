//! The configuration: one TOML file, read raw, checked whole, and handed on as settings.
//!
//! Raw is what the user typed; [`Settings`] is everything resolved. All faults are told at
//! once, each with its path, what was found and what is accepted. It must never print the
//! value of a credential or a pepper, and nothing but settings leaves this module.

mod check;
pub mod defaults;
mod document;
mod environment;
mod fault;
mod load;
mod overrides;
mod raw;
mod settings;
mod shape;
mod tls;
pub mod units;

pub use check::public_beside;
pub use document::{json_schema, toml_document};
pub use environment::Environment;
pub use fault::{Fault, Faults};
pub use load::{load, load_admin, load_audit, load_keys, load_text};
pub use settings::{
    AuditPlace, AuditSettings, Bounds, Costly, KeySettings, LimitSettings, ListenSettings, LogFormat, Per,
    PlanSettings, RedisSettings, RegistrySettings, RuleSettings, ServerSettings, Settings, SinkKind, Store,
    Transport, UpstreamUrl,
};
pub use tls::{CertificateChain, read_authorities, read_certificate};
