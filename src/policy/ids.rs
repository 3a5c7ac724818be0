//! Places in a policy. They hold for that policy alone: a reload numbers anew.

/// A server's place in the policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ServerId(pub u32);

/// A rule's place in the policy, over all servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RuleId(pub u32);
