//! The revisions of the protocol.
//!
//! Two eras: legacy revisions begin with `initialize` and may hold a session; modern ones
//! carry their metadata in every request.

use super::Era;

/// A released revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ProtocolVersion {
    /// HTTP with two endpoints, deprecated; its name still occurs in `initialize`.
    V2024_11_05,
    /// Streamable HTTP.
    V2025_03_26,
    /// Without batches, with the version header.
    V2025_06_18,
    /// Polling, tasks (experimental).
    V2025_11_25,
    /// Without sessions; mirrored headers; `server/discover`.
    V2026_07_28,
}

impl ProtocolVersion {
    /// Every revision, oldest first.
    pub const ALL: [Self; 5] =
        [Self::V2024_11_05, Self::V2025_03_26, Self::V2025_06_18, Self::V2025_11_25, Self::V2026_07_28];

    /// Those that the gateway speaks, oldest first: the transport of the first revision, with
    /// its two endpoints, is not served.
    pub const SPOKEN: [Self; 4] =
        [Self::V2025_03_26, Self::V2025_06_18, Self::V2025_11_25, Self::V2026_07_28];

    /// Its name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::V2024_11_05 => "2024-11-05",
            Self::V2025_03_26 => "2025-03-26",
            Self::V2025_06_18 => "2025-06-18",
            Self::V2025_11_25 => "2025-11-25",
            Self::V2026_07_28 => "2026-07-28",
        }
    }

    /// The revision of this name, compared exactly.
    #[inline]
    pub fn parse(name: &str) -> Option<Self> {
        // Newest first: it is the one that names itself on every request.
        Self::ALL.into_iter().rev().find(|version| version.name() == name)
    }

    /// The era it belongs to.
    pub fn era(self) -> Era {
        if self < Self::V2026_07_28 { Era::Legacy } else { Era::Modern }
    }
}

#[cfg(test)]
mod tests {
    use super::ProtocolVersion;

    #[test]
    fn names_round_trip_and_nothing_else_is_a_version() {
        for version in ProtocolVersion::ALL {
            assert_eq!(ProtocolVersion::parse(version.name()), Some(version));
        }
        for other in ["", "2026-07-28 ", "DRAFT-2026", "2024-10-07", "2027-01-01"] {
            assert_eq!(ProtocolVersion::parse(other), None);
        }
    }
}
