//! What may be written down of a call's arguments.
//!
//! The rule alone: the policy holds it and `telemetry::audit::redact` keeps to it, and neither knows the other.

use super::pointer::Pointer;

/// How much of the arguments may be written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Inputs {
    /// Nothing.
    #[default]
    None,
    /// Names and types, and the values that the rule names.
    Redacted,
    /// Values as well.
    Full,
}

/// What may be written down of the arguments of the calls that a rule is for. Whatever it says,
/// no secret is ever written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InputRule {
    /// How much.
    pub inputs: Inputs,
    /// Whose values may stand where others are redacted, with all that is in them; at most
    /// [`POINTERS`](crate::base::bounds::POINTERS).
    pub allow: Box<[Pointer]>,
}
