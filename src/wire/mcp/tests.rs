//! The table of eras, row by row.

use super::era::{EraFault, HeaderVersion, judge};
use super::{Era, ProtocolVersion};
use crate::wire::jsonrpc::Scratch;

const MODERN: &str = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}"#;
const OTHER: &str = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2027-01-01","io.modelcontextprotocol/clientCapabilities":{}}"#;
const BARE: &str = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}"#;

fn judged(header: &str, method: &str, meta: &str) -> Result<Era, EraFault> {
    let header = match header {
        "" => HeaderVersion::Absent,
        text => ProtocolVersion::parse(text).map_or(HeaderVersion::Unknown, HeaderVersion::Known),
    };
    let id = if method.starts_with("notifications/") { "" } else { r#""id":1,"# };
    let body = format!(
        r#"{{"jsonrpc":"2.0",{id}"method":"{method}","params":{{"name":"a"{}{meta}}}}}"#,
        if meta.is_empty() { "" } else { "," }
    );
    judge(header, &Scratch::new().read(body.as_bytes()).unwrap())
}

#[test]
fn header_and_body_decide_together() {
    let cases = [
        ("2026-07-28", "tools/call", MODERN, Ok(Era::Modern)),
        ("2026-07-28", "tools/call", "", Err(EraFault::MetaMissing)),
        ("2026-07-28", "tools/call", BARE, Err(EraFault::MetaMissing)),
        ("2026-07-28", "tools/call", OTHER, Err(EraFault::Disagree)),
        ("", "tools/call", MODERN, Err(EraFault::Disagree)),
        ("2025-11-25", "tools/call", MODERN, Err(EraFault::Disagree)),
        ("2025-11-25", "tools/call", "", Ok(Era::Legacy)),
        ("2025-03-26", "tools/call", "", Ok(Era::Legacy)),
        ("", "tools/call", "", Ok(Era::Legacy)),
        ("2027-01-01", "tools/call", "", Err(EraFault::Unknown { modern: false })),
        ("2027-01-01", "tools/call", MODERN, Err(EraFault::Unknown { modern: true })),
        ("2027-01-01", "tools/call", OTHER, Err(EraFault::Unknown { modern: true })),
        ("", "initialize", "", Ok(Era::Legacy)),
        ("2025-11-25", "initialize", "", Ok(Era::Legacy)),
        ("2026-07-28", "initialize", "", Err(EraFault::NoSuchMethod(Era::Modern))),
        ("", "initialize", MODERN, Err(EraFault::NoSuchMethod(Era::Modern))),
        ("2027-01-01", "initialize", "", Err(EraFault::Unknown { modern: false })),
        ("2026-07-28", "ping", MODERN, Err(EraFault::NoSuchMethod(Era::Modern))),
        ("2025-11-25", "server/discover", "", Err(EraFault::NoSuchMethod(Era::Legacy))),
        ("2026-07-28", "server/discover", MODERN, Ok(Era::Modern)),
        ("2025-11-25", "made/up", "", Err(EraFault::NoSuchMethod(Era::Legacy))),
        ("2026-07-28", "notifications/cancelled", "", Ok(Era::Modern)),
        ("2025-11-25", "notifications/initialized", "", Ok(Era::Legacy)),
    ];
    for (header, method, meta, want) in cases {
        assert_eq!(judged(header, method, meta), want, "{header} {method} {meta}");
    }
}
