//! The protocols by their names, and what HTTP/2 on hyper needs of this process.
//!
//! It must never hide a difference between them: a report names one for each of its cells.

/// What clients and targets speak.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub(crate) enum Protocol {
    /// HTTP/1.1, plaintext.
    H1,
    /// HTTP/1.1 over TLS.
    H1Tls,
    /// HTTP/2 over TLS.
    H2Tls,
}

impl Protocol {
    /// Its name in reports.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::H1 => "h1",
            Self::H1Tls => "h1-tls",
            Self::H2Tls => "h2-tls",
        }
    }

    /// What the client offers in the TLS handshake.
    pub(crate) fn alpn(self) -> &'static [u8] {
        if self == Self::H2Tls { b"h2" } else { b"http/1.1" }
    }
}

/// Starts hyper's tasks on the one thread.
#[derive(Clone, Copy)]
pub(crate) struct OnThisThread;

impl<F: Future + 'static> hyper::rt::Executor<F> for OnThisThread
where
    F::Output: 'static,
{
    fn execute(&self, task: F) {
        drop(tokio::task::spawn_local(task));
    }
}
