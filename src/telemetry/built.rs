//! What is running: the version, and what is known of how it was built.
//!
//! Known at compile time, from cargo and the environment alone.

/// The version.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The revision of the source, as whoever built it told in `TOLLGATE_COMMIT`; empty where nobody did.
pub const COMMIT: &str = match option_env!("TOLLGATE_COMMIT") {
    Some(commit) => commit,
    None => "",
};

/// How it was compiled. A debug build serves as well, several times as slowly.
pub const PROFILE: &str = if cfg!(debug_assertions) { "debug" } else { "release" };

/// The processor and the system that it was compiled for, as `x86_64-linux`.
pub fn target() -> String {
    format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS)
}
