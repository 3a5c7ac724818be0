//! Drives the official, unmodified Rust MCP client through scenarios and
//! prints one line of JSON for each key that says what a person using it would
//! have seen.
//!
//! `MCP_API_KEY=... drive URL CA SCENARIO[,SCENARIO...] [--modern] [--http2]`:
//! CA is a PEM file, or `-` for a plain http:// address; the scenarios run one
//! after the other in one session, and all of it with each key of several,
//! which commas divide.
//!
//! It must never print a key, never print anything else on standard output,
//! and never outlive its time limit: a client that hangs is a result, not a
//! hung test.

mod depot;
mod report;
mod scenarios;
mod watch;

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
use watch::Watch;

const LIMIT: Duration = Duration::from_secs(45);
const USAGE: &str =
    "usage: drive URL CA|- full|forbidden|connect|cancel|ask|follow|resume[,...] [--modern] [--http2]";

type Fault = Box<dyn Error + Send + Sync>;

/// What the command line asks for.
struct Job {
    url: String,
    ca: String,
    scenario: String,
    modern: bool,
    http2: bool,
}

fn main() -> ExitCode {
    let Some(job) = job() else {
        let _ = writeln!(io::stderr(), "{USAGE}");
        return ExitCode::from(2);
    };
    let keys = std::env::var("MCP_API_KEY").unwrap_or_default();
    let mut code = ExitCode::SUCCESS;
    for key in keys.split(',') {
        let report = Report::default();
        report.set("client", "rmcp");
        report.set("scenario", job.scenario.as_str());
        report.set("protocol", Value::Null);
        report.set("steps", json!({}));
        let outcome = run(&job, key, &report);
        report.set("ok", outcome.is_ok());
        if let Err(fault) = outcome {
            report.set("error", describe(fault.as_ref()));
            code = ExitCode::FAILURE;
        }
        if writeln!(io::stdout(), "{}", report.line(key)).is_err() {
            code = ExitCode::FAILURE;
        }
    }
    code
}

fn job() -> Option<Job> {
    let (flags, mut words): (Vec<_>, Vec<_>) =
        std::env::args().skip(1).partition(|word| word.starts_with("--"));
    let scenario = words.pop()?;
    let ca = words.pop()?;
    let url = words.pop()?;
    let known = scenario.split(',').all(|one| scenarios::NAMES.contains(&one));
    let flag = |name: &str| flags.iter().any(|flag| flag == name);
    let (modern, http2) = (flag("--modern"), flag("--http2"));
    let rest = flags.len() - usize::from(modern) - usize::from(http2) + words.len();
    (rest == 0 && known).then_some(Job { url, ca, scenario, modern, http2 })
}

fn run(job: &Job, key: &str, report: &Report) -> Result<(), Fault> {
    // Two providers could be compiled in elsewhere; this program means one. An error
    // says that one is installed already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let outcome = runtime.block_on(async { tokio::time::timeout(LIMIT, drive(job, key, report)).await });
    // Whatever still hangs is left behind with the process.
    runtime.shutdown_background();
    outcome.unwrap_or_else(|_| Err("timed out".into()))
}

async fn drive(job: &Job, key: &str, report: &Report) -> Result<(), Fault> {
    let mut config = StreamableHttpClientTransportConfig::with_uri(job.url.as_str());
    if !key.is_empty() {
        config = config.auth_header(key);
    }
    let http = http_client(job)?;
    // Whatever the answer: it came over that version.
    report.set("http", format!("{:?}", http.get(&job.url).send().await?.version()));
    let transport = StreamableHttpClientTransport::with_client(http, config);
    let lifecycle = if job.modern {
        ClientLifecycleMode::Discover { preferred_versions: vec![ProtocolVersion::V_2026_07_28] }
    } else {
        ClientLifecycleMode::Initialize
    };
    let session = Watch::new().serve_with_lifecycle(transport, lifecycle).await?;
    let protocol = session.peer().peer_info().map(|info| info.protocol_version.to_string());
    report.set("protocol", protocol);
    for scenario in job.scenario.split(',') {
        scenarios::run(scenario, &session, report, job.modern).await?;
    }
    // Says goodbye to the server; only dropping it would leave its session behind.
    session.cancel().await?;
    Ok(())
}

fn http_client(job: &Job) -> Result<reqwest::Client, Fault> {
    // A proxy of the environment must not come between client and gateway.
    let builder = reqwest::Client::builder().no_proxy();
    let builder = if job.http2 { builder } else { builder.http1_only() };
    let builder = if job.ca == "-" {
        builder
    } else {
        let pem = std::fs::read(&job.ca)?;
        builder.tls_certs_only(reqwest::Certificate::from_pem_bundle(&pem)?)
    };
    Ok(builder.build()?)
}
