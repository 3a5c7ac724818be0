//! The stages of a request, one file each, in the order in which [`super::serve()`] calls them.
//!
//! Each proof value has private fields and one constructor, in the file of the stage that
//! earns it.

mod admit;
mod authenticate;
mod authorise;
mod collect;
mod failure;
mod forward;
mod limit;
mod message;
mod note;
mod route;
mod session;
mod stream;
mod vet;

pub(super) use admit::{Admitted, Intent, admit};
pub(super) use authenticate::{Caller, authenticate};
pub(super) use authorise::{Grant, authorise};
pub(super) use collect::{Collected, collect};
pub(super) use failure::count_failure;
pub(super) use forward::{forward, outgoing};
pub(super) use limit::{Within, limit};
pub(super) use message::{Message, read};
pub(super) use note::note;
pub(super) use route::{Routed, route};
pub(super) use session::{Session, resume};
pub(super) use stream::{Stream, open_stream};
pub(super) use vet::{Vetted, vet};
