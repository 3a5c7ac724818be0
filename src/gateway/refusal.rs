//! A refusal with what may be told beside its row: from the configuration or from constants,
//! never from another client, and from this client only what it named itself.

use std::time::Duration;

use crate::base::{Denial, Limit};
use crate::wire::mcp::ProtocolVersion;

/// A refused request.
#[derive(Debug)]
pub(super) struct Refusal {
    /// Why.
    pub(super) denial: Denial,
    /// What is told beside the row; boxed, as refusals are the rare case and results small.
    pub(super) detail: Option<Box<Detail>>,
}

/// What is told beside the row.
#[derive(Debug, Default)]
pub(super) struct Detail {
    /// Added to the sentence.
    pub(super) hint: Option<&'static str>,
    /// Scopes that the rule asks for and the key lacks.
    pub(super) missing_scopes: Vec<String>,
    /// The versions that gateway and server speak, where the client asked for another.
    pub(super) supported: Vec<ProtocolVersion>,
    /// The version that the client asked for, where it is not spoken.
    pub(super) requested_version: Option<String>,
    /// Whether the answer has status 200 all the same: legacy clients read errors there.
    pub(super) as_ok: bool,
    /// Value of `Allow`.
    pub(super) allow: Option<&'static str>,
    /// When a call that exceeded a limit is within it, and which one it was.
    pub(super) retry: Option<Retry>,
    /// Whether the call may have been carried out: nobody is told to try again then.
    pub(super) may_have_run: bool,
}

/// When to try again, and why.
#[derive(Debug)]
pub(super) struct Retry {
    /// After so long, if nobody else comes.
    pub(super) wait: Duration,
    /// Which limit, in a word.
    pub(super) which: &'static str,
    /// The limit, where it was one.
    pub(super) limit: Option<Limit>,
}

impl Retry {
    /// In whole seconds, as headers tell it: never too early.
    pub(super) fn seconds(&self) -> u64 {
        self.wait.as_nanos().div_ceil(1_000_000_000).try_into().unwrap_or(u64::MAX).max(1)
    }
}

impl From<Denial> for Refusal {
    fn from(denial: Denial) -> Self {
        Self { denial, detail: None }
    }
}

impl Refusal {
    /// A refusal with a hint.
    pub(super) fn hinted(denial: Denial, hint: &'static str) -> Self {
        Self::detailed(denial, Detail { hint: Some(hint), ..Detail::default() })
    }

    /// The upstream's answer broke off, or was none.
    pub(super) fn broken_off() -> Self {
        let hint = Some("its answer broke off or was faulty, and the call may have been carried out");
        let detail = Detail { hint, may_have_run: true, ..Detail::default() };
        Self::detailed(Denial::UpstreamUnreachable, detail)
    }

    /// A refusal with details.
    pub(super) fn detailed(denial: Denial, detail: Detail) -> Self {
        Self { denial, detail: Some(Box::new(detail)) }
    }

    /// The same refusal, answered with status 200.
    pub(super) fn with_ok_status(mut self) -> Self {
        self.detail.get_or_insert_default().as_ok = true;
        self
    }
}
