//! What goes back to the client: the upstream's answer, or a refusal.

mod answer;
mod body;
mod browser;
mod offer;
mod pace;
mod quota;
mod refuse;
mod standing;

pub(super) use answer::{Answer, receive};
pub use body::ReplyBody;
pub(super) use browser::{expose, preflight};
pub use pace::Pauses;
pub(super) use refuse::refuse;
