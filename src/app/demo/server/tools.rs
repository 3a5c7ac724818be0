//! The tools of the demo's MCP server: what a key can be allowed or refused.
//!
//! They must never run longer or answer with more than their bounds, and must
//! stop when the caller cancels: one of them is here to make that visible.

use std::fmt::Write as _;
use std::time::Duration;

use rmcp::handler::server::wrapper::{Json, Parameters};
use rmcp::model::{CallToolResult, ContentBlock, ProgressNotificationParam};
use rmcp::service::RequestContext;
use rmcp::{RoleServer, tool, tool_router};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Notebook;

/// The most notes one search answers with.
const MAX_FOUND: usize = 20;
/// The most characters of each that it shows.
const MAX_SHOWN: usize = 120;
/// The steps of a report when the caller does not say.
const STEPS: u32 = 10;
const MAX_STEPS: u32 = 20;
/// How long a whole report takes, whatever its steps.
const REPORT_TIME: Duration = Duration::from_secs(1);
/// The longest wait, in seconds.
const MAX_WAIT: u32 = 30;

// The schemas below call every number an i64: the formats of the unsigned types are
// not in the vocabulary of validators, and clients warn of each one they meet.

#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct Search {
    /// Words to look for, ignoring case; empty for every note.
    query: String,
}

#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct Add {
    /// 1 to 64 lower-case letters, digits and hyphens.
    title: String,
    /// The note itself, at most 16 KiB.
    text: String,
}

#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct Delete {
    /// The title of the note to delete.
    title: String,
}

#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct Report {
    /// How many steps to report progress for, 1 to 20; 10 by default.
    #[serde(default)]
    #[schemars(with = "Option<i64>", range(min = 1, max = 20))]
    steps: Option<u32>,
}

#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct SlowWait {
    /// How long to wait; anything above 30 is taken as 30.
    #[schemars(with = "i64", range(min = 0, max = 30))]
    seconds: u32,
}

/// What the notebook holds and what became of its waits.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Status {
    #[schemars(with = "i64")]
    notes: usize,
    #[schemars(with = "i64")]
    bytes: usize,
    #[schemars(with = "i64")]
    waits_started: u64,
    #[schemars(with = "i64")]
    waits_finished: u64,
    #[schemars(with = "i64")]
    waits_cancelled: u64,
}

#[tool_router(vis = "pub(super)")]
impl Notebook {
    #[tool(
        description = "Finds notes by a word in their title or text",
        annotations(title = "Search notes", read_only_hint = true, open_world_hint = false)
    )]
    fn notes_search(&self, Parameters(Search { query }): Parameters<Search>) -> String {
        let found = self.notes.search(&query, MAX_FOUND);
        if found.is_empty() {
            return "No note matches.".to_owned();
        }
        let mut answer = String::new();
        for (title, text) in found {
            let shown: String = text.chars().take(MAX_SHOWN).collect();
            // Writing to a String does not fail.
            let _ = writeln!(answer, "{title}: {shown}");
        }
        answer
    }

    #[tool(
        description = "Adds a note, or replaces the one of the same title",
        annotations(
            title = "Add a note",
            destructive_hint = false,
            idempotent_hint = true,
            open_world_hint = false
        )
    )]
    fn notes_add(&self, Parameters(Add { title, text }): Parameters<Add>) -> CallToolResult {
        match self.notes.put(title, text) {
            Ok(false) => said("Added."),
            Ok(true) => said("Replaced."),
            Err(refusal) => refused(refusal.to_string()),
        }
    }

    #[tool(
        description = "Deletes a note for good",
        annotations(
            title = "Delete a note",
            destructive_hint = true,
            idempotent_hint = true,
            open_world_hint = false
        )
    )]
    fn notes_delete(&self, Parameters(Delete { title }): Parameters<Delete>) -> CallToolResult {
        if self.notes.remove(&title) { said("Deleted.") } else { refused("There is no note of that title.") }
    }

    #[tool(
        description = "Tells how many notes there are and what became of slow waits",
        annotations(title = "Notebook status", read_only_hint = true, open_world_hint = false)
    )]
    fn notebook_status(&self) -> Json<Status> {
        let (notes, bytes) = self.notes.size();
        let waits = self.waits.counts();
        Json(Status {
            notes,
            bytes,
            waits_started: waits.started,
            waits_finished: waits.finished,
            waits_cancelled: waits.cancelled,
        })
    }

    #[tool(
        description = "Builds the daily report in about a second, telling its progress",
        annotations(title = "Build the report", read_only_hint = true, open_world_hint = false)
    )]
    async fn report_build(
        &self,
        Parameters(Report { steps }): Parameters<Report>,
        context: RequestContext<RoleServer>,
    ) -> CallToolResult {
        let steps = steps.unwrap_or(STEPS).clamp(1, MAX_STEPS);
        for step in 1..=steps {
            tokio::select! {
                () = tokio::time::sleep(REPORT_TIME / steps) => {}
                () = context.ct.cancelled() => return refused("Cancelled."),
            }
            tell(&context, step, steps).await;
        }
        let (notes, bytes) = self.notes.size();
        said(format!("Daily report in {steps} steps: {notes} notes, {bytes} bytes, no parcel lost."))
    }

    #[tool(
        description = "Waits, so that cancelling a call can be seen to reach the server",
        annotations(title = "Wait", read_only_hint = true, open_world_hint = false)
    )]
    async fn slow_wait(
        &self,
        Parameters(SlowWait { seconds }): Parameters<SlowWait>,
        context: RequestContext<RoleServer>,
    ) -> CallToolResult {
        let seconds = seconds.min(MAX_WAIT);
        let wait = self.waits.begin();
        tokio::select! {
            () = tokio::time::sleep(Duration::from_secs(seconds.into())) => {
                wait.finish();
                said(format!("Waited {seconds} s."))
            }
            () = context.ct.cancelled() => refused("Cancelled."),
        }
    }
}

// A caller that gave no token did not ask to be told.
async fn tell(context: &RequestContext<RoleServer>, step: u32, steps: u32) {
    let Some(token) = context.meta.get_progress_token() else {
        return;
    };
    let progress = ProgressNotificationParam::new(token, f64::from(step))
        .with_total(f64::from(steps))
        .with_message(format!("step {step} of {steps}"));
    if context.peer.notify_progress(progress).await.is_err() {
        // The caller is gone; the cancellation that follows ends the call.
        tracing::debug!("nobody listens to the progress of a report");
    }
}

fn said(text: impl Into<String>) -> CallToolResult {
    CallToolResult::success(vec![ContentBlock::text(text)])
}

// A tool's own failure is a result the model reads, not an error of the protocol.
fn refused(text: impl Into<String>) -> CallToolResult {
    CallToolResult::error(vec![ContentBlock::text(text)])
}
