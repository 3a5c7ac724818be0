//! The versions that a server's answer offers, cut down to those that the gateway speaks.
//!
//! A client picks one of them, and it must work with both. Only the list is replaced; every
//! other byte stays.

use super::ProtocolVersion;
use crate::wire::jsonrpc::slow::{At, value_at};

/// Where a discovery holds its list.
const DISCOVERED: &[&str] = &["result", "supportedVersions"];
/// Where a refusal for the version holds it, and by which code such a refusal is told.
const SUPPORTED: &[&str] = &["error", "data", "supported"];
const CODE: &[&str] = &["error", "code"];
const UNSUPPORTED_VERSION: &str = "-32022";

/// What an answer offers.
#[derive(Debug, PartialEq, Eq)]
pub enum Offer {
    /// No list of versions at all.
    None,
    /// Versions that both speak; `changed` is the answer with those alone, where there were
    /// others.
    Versions {
        /// In the server's order, each once.
        both: Vec<ProtocolVersion>,
        /// The answer that goes to the client instead.
        changed: Option<String>,
    },
    /// A list that is none, or two.
    Unreadable,
    /// No JSON.
    NoJson,
}

/// Reads the JSON of an answer. Other errors may have a member `supported` of their own.
pub fn read(answer: &str) -> Offer {
    let refused = || matches!(value_at(answer, CODE), At::Value(_, UNSUPPORTED_VERSION));
    let list = match value_at(answer, DISCOVERED) {
        At::Absent if refused() => value_at(answer, SUPPORTED),
        discovered => discovered,
    };
    let (start, list) = match list {
        At::Absent => return Offer::None,
        At::Unclear => return Offer::Unreadable,
        At::NoJson => return Offer::NoJson,
        At::Value(start, list) => (start, list),
    };
    let Ok(offered) = serde_json::from_str::<Vec<String>>(list) else { return Offer::Unreadable };
    let mut both: Vec<ProtocolVersion> = Vec::new();
    for version in offered.iter().filter_map(|name| ProtocolVersion::parse(name)) {
        if ProtocolVersion::SPOKEN.contains(&version) && !both.contains(&version) {
            both.push(version);
        }
    }
    let changed = (both.len() < offered.len()).then(|| {
        let names: Vec<_> = both.iter().map(|version| format!("\"{}\"", version.name())).collect();
        let (before, rest) = answer.split_at_checked(start).unwrap_or_default();
        let after = rest.get(list.len()..).unwrap_or_default();
        format!("{before}[{}]{after}", names.join(","))
    });
    Offer::Versions { both, changed }
}

#[cfg(test)]
mod tests {
    use super::{Offer, read};
    use crate::wire::mcp::ProtocolVersion;

    #[test]
    fn foreign_versions_are_cut_out_and_nothing_else() {
        let answer = |list: &str| {
            format!(
                r#"{{ "id":1e0,"result":{{"x":123456789012345678901234567890,"supportedVersions": {list} ,"y":"\u0041"}}}}"#
            )
        };
        let both = vec![ProtocolVersion::V2026_07_28, ProtocolVersion::V2025_11_25];
        assert_eq!(
            read(&answer(r#"["2027-01-01","2026-07-28","2025-11-25"]"#)),
            Offer::Versions { both: both.clone(), changed: Some(answer(r#"["2026-07-28","2025-11-25"]"#)) }
        );
        assert_eq!(read(&answer(r#"["2026-07-28", "2025-11-25"]"#)), Offer::Versions { both, changed: None });
    }

    #[test]
    fn refusals_for_the_version_count_and_oddities_are_told() {
        let refusal = r#"{"error":{"code":-32022,"data":{"supported":["2030-01-01"],"requested":"x"}}}"#;
        assert_eq!(
            read(refusal),
            Offer::Versions { both: vec![], changed: Some(refusal.replace("\"2030-01-01\"", "")) }
        );
        assert_eq!(read(r#"{"result":{"supportedVersions":"all"}}"#), Offer::Unreadable);
        let other = r#"{"error":{"code":-32602,"data":{"supported":["json","xml"]}}}"#;
        for without in ["{}", "[]", r#"{"result":{}}"#, other] {
            assert_eq!(read(without), Offer::None);
        }
        let twice = r#"{"result":{"supportedVersions":["2026-07-28"]},"result":{"supportedVersions":[]}}"#;
        assert_eq!(read(twice), Offer::Unreadable);
        assert_eq!(read("nonsense"), Offer::NoJson);
    }
}
