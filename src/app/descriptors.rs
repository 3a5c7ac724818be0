//! How many files and sockets the process may have open, and how many of them are for clients.
//!
//! A process that has none left can neither accept nor reach an upstream, so a flood of
//! connections would cost everybody else their answers: it must meet a ceiling before.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the limit of open files to what the system allows; the ceiling for connections that
/// it leaves room for, at most the configured one.
pub(super) fn allow(configured: usize) -> usize {
    ceiling(configured, raise())
}

fn raise() -> usize {
    let limit = getrlimit(Resource::Nofile);
    // The low limit that processes start with protects programs that use select(2).
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let limit = if setrlimit(Resource::Nofile, raised).is_ok() { raised } else { limit };
    limit.current.and_then(|count| usize::try_from(count).ok()).unwrap_or(usize::MAX)
}

/// The ceiling for connections of clients: the configured one, or where the system allows less,
/// two thirds of what it allows. An eighth more are told that there is no room; the last quarter
/// is for upstreams and the process's own files.
fn ceiling(configured: usize, descriptors: usize) -> usize {
    let most = (descriptors / 3).saturating_mul(2).max(1);
    if configured > most {
        tracing::warn!(
            descriptors,
            connections = most,
            "the system allows fewer open files than bounds.connections needs; connections are held to fewer"
        );
    }
    configured.min(most)
}

#[cfg(test)]
mod tests {
    use super::{ceiling, raise};

    #[test]
    fn clients_never_have_all_descriptors() {
        assert_eq!(ceiling(16_384, 1 << 20), 16_384);
        assert_eq!(ceiling(16_384, 1_024), 682);
        assert_eq!(ceiling(16_384, usize::MAX), 16_384);
        assert!(raise() >= 256);
    }
}
