//! What the driver does once it is connected, scenario by scenario.
//!
//! It must never go around the client: every step is a call of its public
//! interface, as an application would make it.

use std::time::{Duration, Instant};

use rmcp::RoleClient;
use rmcp::model::{
    CallToolRequestParams, CallToolResult, ContentBlock, GetPromptRequestParams, ReadResourceRequestParams,
    ResourceContents,
};
use rmcp::service::{RunningService, ServiceError};
use serde_json::{Value, json};

use crate::report::Report;
use crate::watch::Watch;
use crate::{Fault, depot};

/// The scenarios by name; the last three need the depot behind, all but those and `cancel` the
/// demo's notebook.
pub(super) const NAMES: [&str; 7] = ["full", "forbidden", "connect", "cancel", "ask", "follow", "resume"];

/// A cancelled call that takes longer than this to return was not cancelled.
const PROMPT: Duration = Duration::from_secs(2);
/// How long the server may take to notice, before it is reported not to have.
const NOTICE: Duration = Duration::from_secs(8);
const GIVE_UP_AFTER: Duration = Duration::from_millis(500);

pub(super) type Session = RunningService<RoleClient, Watch>;

/// Runs one of [`NAMES`].
pub(super) async fn run(name: &str, session: &Session, report: &Report, modern: bool) -> Result<(), Fault> {
    match name {
        "full" => full(session, report).await,
        "forbidden" => forbidden(session, report).await,
        "cancel" => cancel(session, report).await,
        "ask" => depot::ask(session, report).await,
        "follow" => depot::follow(session, report, modern).await,
        "resume" => depot::resume(session, report).await,
        _ => connect(session, report).await,
    }
}

async fn full(session: &Session, report: &Report) -> Result<(), Fault> {
    connect(session, report).await?;
    let found = call(session, "notes_search", &json!({ "query": "van" })).await?;
    report.step("notes_search", text_of(&found));
    let note = json!({ "title": "driver-rmcp", "text": "written by the Rust client" });
    report.step("notes_add", text_of(&call(session, "notes_add", &note).await?));
    let status = call(session, "notebook_status", &json!({})).await?;
    report.step("notebook_status", status.structured_content.unwrap_or_default().to_string());
    prompts(session, report).await?;
    resources(session, report).await?;
    streaming(session, report).await
}

async fn prompts(session: &Session, report: &Report) -> Result<(), Fault> {
    let listed = session.list_all_prompts().await?;
    report.step("list_prompts", sorted(listed.into_iter().map(|prompt| prompt.name)));
    let mut arguments = serde_json::Map::new();
    arguments.insert("title".to_owned(), "customs-form".into());
    let wanted = GetPromptRequestParams::new("summarise_note").with_arguments(arguments);
    let found = session.get_prompt(wanted).await?;
    let texts: Vec<String> = found.messages.iter().map(|message| block_text(&message.content)).collect();
    report.step("get_prompt", texts.join("\n"));
    let completed = session.complete_prompt_argument("summarise_note", "title", "cust", None).await?;
    report.step("complete", completed.values.join(","));
    Ok(())
}

async fn resources(session: &Session, report: &Report) -> Result<(), Fault> {
    let listed = session.list_all_resources().await?;
    report.step("list_resources", sorted(listed.into_iter().map(|one| one.uri)));
    let listed = session.list_all_resource_templates().await?;
    report.step("list_templates", sorted(listed.into_iter().map(|one| one.uri_template)));
    for (step, uri) in [
        ("read_text", "notes://handbook"),
        ("read_json", "notes://zones"),
        ("read_template", "notes://note/customs-form"),
    ] {
        let read = session.read_resource(ReadResourceRequestParams::new(uri)).await?;
        let texts = read.contents.iter().map(|part| match part {
            ResourceContents::TextResourceContents { text, .. } => text.as_str(),
            _ => "[blob]",
        });
        report.step(step, texts.collect::<Vec<_>>().join("\n"));
    }
    Ok(())
}

async fn streaming(session: &Session, report: &Report) -> Result<(), Fault> {
    let start = Instant::now();
    let built = call(session, "report_build", &json!({ "steps": 5 })).await?;
    let result_ms = millis(start.elapsed());
    report.step("report_build", text_of(&built));
    let progress = session.service().progress();
    let arrivals: Vec<u64> =
        progress.iter().map(|(at, _)| millis(at.saturating_duration_since(start))).collect();
    report.set(
        "progress",
        json!({
            "before_result": arrivals.len(),
            "arrivals_ms": arrivals,
            "result_ms": result_ms,
        }),
    );
    Ok(())
}

async fn forbidden(session: &Session, report: &Report) -> Result<(), Fault> {
    let answer = call(session, "notes_delete", &json!({ "title": "driver-rmcp" })).await?;
    report.step("notes_delete", text_of(&answer));
    Ok(())
}

async fn connect(session: &Session, report: &Report) -> Result<(), Fault> {
    let listed = session.list_all_tools().await?;
    report.step("list_tools", sorted(listed.into_iter().map(|tool| tool.name.into_owned())));
    Ok(())
}

async fn cancel(session: &Session, report: &Report) -> Result<(), Fault> {
    let tools = session.list_all_tools().await?;
    let status = tools.into_iter().map(|tool| tool.name.into_owned()).find(|name| name.ends_with("_status"));
    let status = status.ok_or("no tool tells what became of waits")?;
    let before = counted(session, &status, "waits_cancelled").await.ok_or("no count of cancelled waits")?;
    let start = Instant::now();
    // Dropping the call is how this client is told to give it up.
    let twenty = json!({ "seconds": 20 });
    let given_up = tokio::time::timeout(GIVE_UP_AFTER, call(session, "slow_wait", &twenty)).await.is_err();
    let took = start.elapsed();
    report.step("slow_wait", format!("returned after {} ms", millis(took)));
    if !given_up || took > GIVE_UP_AFTER + PROMPT {
        return Err("the cancelled call did not return promptly".into());
    }
    report.step("on_server", noticed(session, &status, "waits_cancelled", before + 1).await);
    Ok(())
}

/// A number that a tool tells.
pub(super) async fn counted(session: &Session, tool: &str, name: &str) -> Option<u64> {
    let status = call(session, tool, &json!({})).await.ok()?;
    status.structured_content?.get(name)?.as_u64()
}

/// How long the server took until it told what was wanted.
pub(super) async fn noticed(session: &Session, tool: &str, name: &str, wanted: u64) -> String {
    let start = Instant::now();
    while start.elapsed() < NOTICE {
        if counted(session, tool, name).await == Some(wanted) {
            return format!("within {} ms", millis(start.elapsed()));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    "never".to_owned()
}

pub(super) async fn call(
    session: &Session,
    tool: &str,
    arguments: &Value,
) -> Result<CallToolResult, ServiceError> {
    let arguments = arguments.as_object().cloned().unwrap_or_default();
    session.call_tool(CallToolRequestParams::new(tool.to_owned()).with_arguments(arguments)).await
}

// A tool's own failure is marked, since it is not an error of the call.
pub(super) fn text_of(result: &CallToolResult) -> String {
    let mark = if result.is_error == Some(true) { "isError: " } else { "" };
    let texts: Vec<String> = result.content.iter().map(block_text).collect();
    format!("{mark}{}", texts.join("\n"))
}

fn block_text(block: &ContentBlock) -> String {
    block.as_text().map_or_else(|| "[not text]".to_owned(), |text| text.text.clone())
}

fn sorted(names: impl Iterator<Item = String>) -> String {
    let mut names: Vec<String> = names.collect();
    names.sort();
    names.join(",")
}

pub(super) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
