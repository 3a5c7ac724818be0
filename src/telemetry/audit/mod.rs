//! The audit log: what is written down of each call.
//!
//! Nothing here runs on the request path, and nothing here may write a secret.

mod pairs;
pub mod redact;
#[cfg(test)]
mod tests;

pub use redact::redact;
