//! A key that session ids are sealed with, on its way from the registry to the sealer.
//!
//! It has no `Debug`, `Display` or `Serialize`: whoever holds it could make session ids.

use super::UnixSeconds;

/// AES-256 takes 32 bytes.
pub const SEALING_KEY: usize = 32;

/// One sealing key.
#[derive(Clone)]
pub struct SealingKey {
    /// Its number, told in every id that it seals.
    pub id: u32,
    /// The key itself.
    pub bytes: [u8; SEALING_KEY],
    /// When it was made.
    pub made: UnixSeconds,
}
