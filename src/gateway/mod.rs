//! Floor 4, request side: what happens to a request, top to bottom, in [`serve()`].
//!
//! Each stage earns a proof value that the next one asks for, so a check cannot be skipped.
//! It must never see the control side: the two meet in the snapshot cell alone.

mod aside;
mod context;
mod refusal;
mod reply;
mod serve;
mod stage;
mod turn_away;
mod worker;

pub use reply::{Pauses, ReplyBody};
pub use serve::serve;
pub use turn_away::{Unread, turn_away};
pub use worker::{RequestBounds, Shared, Worker};
