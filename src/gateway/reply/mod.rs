//! What goes back to the client: the upstream's answer, or a refusal.

mod answer;
mod body;
mod refuse;

pub(super) use answer::{Answer, receive};
pub use body::ReplyBody;
pub(super) use refuse::refuse;
