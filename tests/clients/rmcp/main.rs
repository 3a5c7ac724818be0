//! Drives the official, unmodified Rust MCP client through one scenario and
//! prints one line of JSON that says what a person using it would have seen.
//!
//! `MCP_API_KEY=... drive URL CA SCENARIO [--modern]`: CA is a PEM file, or `-`
//! for a plain http:// address; SCENARIO is one of full, forbidden, connect,
//! cancel.
//!
//! It must never print the key, never print a second line on standard output,
//! and never outlive its time limit: a client that hangs is a result, not a
//! hung test.

mod report;
mod scenarios;

use std::error::Error;
use std::io::{self, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use rmcp::model::ProtocolVersion;
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use rmcp::{ClientLifecycleMode, ClientServiceExt as _};
use serde_json::{Value, json};

use report::{Report, describe};
use scenarios::Watch;

const LIMIT: Duration = Duration::from_secs(30);
const USAGE: &str = "usage: drive URL CA|- full|forbidden|connect|cancel [--modern]";

type Fault = Box<dyn Error + Send + Sync>;

/// What the command line asks for.
struct Job {
    url: String,
    ca: String,
    scenario: String,
    modern: bool,
    key: String,
}

fn main() -> ExitCode {
    let Some(job) = job() else {
        let _ = writeln!(io::stderr(), "{USAGE}");
        return ExitCode::from(2);
    };
    let report = Report::default();
    report.set("client", "rmcp");
    report.set("scenario", job.scenario.as_str());
    report.set("ok", false);
    report.set("protocol", Value::Null);
    report.set("steps", json!({}));
    let outcome = run(&job, &report);
    report.set("ok", outcome.is_ok());
    let ok = outcome.is_ok();
    if let Err(fault) = outcome {
        report.set("error", describe(fault.as_ref()));
    }
    let printed = writeln!(io::stdout(), "{}", report.line(&job.key));
    if ok && printed.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn job() -> Option<Job> {
    let (flags, mut words): (Vec<_>, Vec<_>) = std::env::args().skip(1).partition(|word| word == "--modern");
    let scenario = words.pop()?;
    let ca = words.pop()?;
    let url = words.pop()?;
    let known = scenarios::NAMES.contains(&scenario.as_str());
    let key = std::env::var("MCP_API_KEY").unwrap_or_default();
    (words.is_empty() && known).then_some(Job { url, ca, scenario, modern: !flags.is_empty(), key })
}

fn run(job: &Job, report: &Report) -> Result<(), Fault> {
    // Two providers could be compiled in elsewhere; this program means one. An error
    // says that one is installed already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let outcome = runtime.block_on(async { tokio::time::timeout(LIMIT, drive(job, report)).await });
    // Whatever still hangs is left behind with the process.
    runtime.shutdown_background();
    outcome.unwrap_or_else(|_| Err("timed out".into()))
}

async fn drive(job: &Job, report: &Report) -> Result<(), Fault> {
    let mut config = StreamableHttpClientTransportConfig::with_uri(job.url.as_str());
    if !job.key.is_empty() {
        config = config.auth_header(job.key.as_str());
    }
    let transport = StreamableHttpClientTransport::with_client(http_client(job)?, config);
    let lifecycle = if job.modern {
        ClientLifecycleMode::Discover { preferred_versions: vec![ProtocolVersion::V_2026_07_28] }
    } else {
        ClientLifecycleMode::Initialize
    };
    let session = Watch::default().serve_with_lifecycle(transport, lifecycle).await?;
    let protocol = session.peer().peer_info().map(|info| info.protocol_version.to_string());
    report.set("protocol", protocol);
    scenarios::run(&job.scenario, &session, report).await?;
    // Says goodbye to the server; only dropping it would leave its session behind.
    session.cancel().await?;
    Ok(())
}

fn http_client(job: &Job) -> Result<reqwest::Client, Fault> {
    // A proxy of the environment must not come between client and gateway.
    let builder = reqwest::Client::builder().no_proxy();
    let builder = if job.ca == "-" {
        builder
    } else {
        let pem = std::fs::read(&job.ca)?;
        builder.tls_certs_only(reqwest::Certificate::from_pem_bundle(&pem)?)
    };
    Ok(builder.build()?)
}
