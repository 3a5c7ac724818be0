//! The call of record: one `tools/call` and its answer, of a common size.
//!
//! The protocol revision is the newest, whose requests repeat method, name and version in
//! headers that a gateway has to compare with the body.

/// The path of the endpoint; the floor and the stub take any.
pub(crate) const PATH: &str = "/bench/mcp";
/// The scope that the tool asks for.
pub(crate) const SCOPE: &str = "bench:search";
/// The tool.
pub(crate) const TOOL: &str = "search";

/// 249 bytes of request.
pub(crate) const BODY: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"search","arguments":{"query":"unpaid invoices from the last quarters"},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}"#;

/// 276 bytes of answer.
pub(crate) const ANSWER: &str = r#"{"jsonrpc":"2.0","id":1,"result":{"resultType":"complete","content":[{"type":"text","text":"3 invoices of the last quarter: 2026-0417 over 1,240.00 to Aldis Ltd, paid; 2026-0433 over 86.50 to Borealis, paid; 2026-0451 over 912.75 to Corvid and Sons, open."}],"isError":false}}"#;

#[cfg(test)]
mod tests {
    use super::{ANSWER, BODY};

    #[test]
    fn sizes_are_as_stated_and_both_are_json() {
        assert_eq!((BODY.len(), ANSWER.len()), (249, 276));
        for text in [BODY, ANSWER] {
            serde_json::from_str::<serde_json::Value>(text).unwrap();
        }
    }
}
