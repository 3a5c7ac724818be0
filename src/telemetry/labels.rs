//! The closed lists that labels of metrics are taken from.
//!
//! A label is one of these, a reason of the table of refusals, or a name of the configuration; nothing
//! here may ever come from a client.

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Outcome {
    /// Answered by the upstream, to the end.
    Answered,
    /// Refused by the gateway.
    Denied,
    /// The upstream failed, before or in the middle of its answer.
    UpstreamFailed,
    /// The client went away first.
    ClientGone,
}

impl Outcome {
    /// Every outcome, in the order of the enum.
    pub const ALL: [Self; 4] = [Self::Answered, Self::Denied, Self::UpstreamFailed, Self::ClientGone];

    /// The metric label.
    pub fn label(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Denied => "denied",
            Self::UpstreamFailed => "upstream_failed",
            Self::ClientGone => "client_gone",
        }
    }
}

/// What a connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Protocol {
    /// HTTP/1.1
    Http1,
    /// HTTP/2
    Http2,
}

impl Protocol {
    /// Every protocol, in the order of the enum.
    pub const ALL: [Self; 2] = [Self::Http1, Self::Http2];

    /// The metric label.
    pub fn label(self) -> &'static str {
        match self {
            Self::Http1 => "h1",
            Self::Http2 => "h2",
        }
    }
}

/// Why a connection was closed before anything was said, where proxies announce their clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Shut {
    /// It came from none of the proxies.
    Stranger,
    /// It did not begin, in time, with a header of the PROXY protocol, version 2.
    Unannounced,
}

impl Shut {
    /// Every reason, in the order of the enum.
    pub const ALL: [Self; 2] = [Self::Stranger, Self::Unannounced];

    /// The metric label.
    pub fn label(self) -> &'static str {
        match self {
            Self::Stranger => "stranger",
            Self::Unannounced => "unannounced",
        }
    }
}

/// What part of a request a time is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Stage {
    /// All of it, from its head to the end of its answer.
    Whole,
    /// What was not spent waiting for the upstream.
    Gateway,
    /// From the moment that the upstream was turned to, to the end of its answer.
    Upstream,
}

impl Stage {
    /// Every stage, in the order of the enum.
    pub const ALL: [Self; 3] = [Self::Whole, Self::Gateway, Self::Upstream];

    /// The metric label.
    pub fn label(self) -> &'static str {
        match self {
            Self::Whole => "whole",
            Self::Gateway => "gateway",
            Self::Upstream => "upstream",
        }
    }
}

/// What a connection to an upstream is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Lent {
    /// It serves an exchange.
    Busy,
    /// It waits for the next one.
    Idle,
}

impl Lent {
    /// Both, in the order of the enum.
    pub const ALL: [Self; 2] = [Self::Busy, Self::Idle];

    /// The metric label.
    pub fn label(self) -> &'static str {
        match self {
            Self::Busy => "busy",
            Self::Idle => "idle",
        }
    }
}
