//! What of a client's texts is told: anything but secrets.
//!
//! For logs and traces alike; what is told here still goes through whoever escapes it.

use crate::base::text::{NOTED_BYTES, Text};
use crate::wire::secrets::masked;

/// Bytes at the end of a text that was cut, which may begin a secret that nobody recognises without its rest.
const CUT: usize = 256;

/// A text that a client chose, without what looks like a secret.
pub fn told<const N: usize>(noted: &Text<N>) -> String {
    let text = String::from_utf8_lossy(noted.bytes());
    let mut told = masked(&text).into_owned();
    if noted.is_cut() {
        let mut end = told.len().min(NOTED_BYTES).saturating_sub(CUT);
        while !told.is_char_boundary(end) {
            end -= 1;
        }
        told.truncate(end);
        told.push('…');
    }
    told
}

#[cfg(test)]
mod tests {
    use super::told;
    use crate::base::key::{Env, NewKey};
    use crate::base::text::Text;

    #[test]
    fn what_a_client_chose_is_told_without_secrets() {
        let key = NewKey::generate(Env::Live).unwrap().reveal();
        let text = Text::<62>::of(format!("crm.read {key}").as_bytes());
        assert!(!told(&text).contains(key.as_str().split_at(30).1), "{}", told(&text));
        // Where a text was cut, a part of a secret may be left at its end.
        let mut long = "é".repeat(480);
        long.push_str(&key);
        let text = Text::<62>::of(long.as_bytes());
        assert!(text.is_cut());
        let told = told(&text);
        assert!(told.ends_with("é…") && !told.contains("mcp_"), "{told}");
    }
}
