//! `tollgate doctor`: tries each dependency and each upstream, looks at the books, and says what is wrong.
//!
//! It only looks: the registry is read, and an upstream is asked `server/discover`, which
//! makes no session and calls no tool.

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, Method, StatusCode};
use serde_json::json;

use super::{CommandFault, Common, Session, books, config_file, output, own_limits};
use crate::cluster::Ledger;
use crate::config::{Settings, Store, load};
use crate::control::{compile, open, place};
use crate::policy::{Endpoint, Policy};
use crate::registry::{State, key_entry};
use crate::upstream::{Exchange as _, Outgoing, OutgoingHead, SendFault, Trust, Upstream, UpstreamParams};
use crate::wire::http::{MCP_METHOD, PROTOCOL_VERSION};

/// A person waits for the answer, so an upstream gets less time than a request would.
const PATIENCE: Duration = Duration::from_secs(10);

const DISCOVER: &str = r#"{"jsonrpc":"2.0","id":1,"method":"server/discover","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}"#;

/// One thing that was looked at.
pub(super) struct Finding {
    what: String,
    fault: Option<String>,
    told: String,
}

/// Tries everything; fails when anything is wrong.
pub(super) fn doctor(common: &Common, session: &mut Session<'_>) -> Result<(), CommandFault> {
    let file = config_file(common.config.as_deref());
    let settings = load(&file, &session.environment)?;
    let mut findings = vec![well(
        format!("configuration {}", file.display()),
        format!("{} servers", settings.servers.len()),
    )];
    findings.push(registry(&settings));
    findings.extend(shared_limits(&settings));
    findings.extend(books::findings(&settings));
    findings.extend(upstreams(&settings)?);
    if common.json {
        let list: Vec<_> = findings
            .iter()
            .map(|f| json!({ "what": f.what, "ok": f.fault.is_none(), "told": f.told, "fault": f.fault }))
            .collect();
        output::json_line(session.out, &json!(list))?;
    } else {
        for finding in &findings {
            let (mark, told) = match &finding.fault {
                None => ("well ", &finding.told),
                Some(fault) => ("WRONG", fault),
            };
            writeln!(session.out, "{mark}  {}: {told}", finding.what)?;
        }
    }
    let wrong = findings.iter().filter(|finding| finding.fault.is_some()).count();
    if wrong == 0 {
        Ok(())
    } else {
        Err(CommandFault::said(format!("{wrong} of {} are wrong", findings.len())))
    }
}

pub(super) fn well(what: String, told: String) -> Finding {
    Finding { what, fault: None, told }
}

pub(super) fn wrong(what: String, fault: String) -> Finding {
    Finding { what, fault: Some(fault), told: String::new() }
}

/// The registry can be read, and its records fit the configuration.
fn registry(settings: &Settings) -> Finding {
    let what = format!("registry {}", place(&settings.keys.registry));
    let (mut keys, mut unreadable, mut planless, mut unfit) = (0, Vec::new(), Vec::new(), Vec::new());
    let loaded = open(&settings.keys.registry).and_then(|mut registry| {
        registry.registry().load(&mut |stored| {
            keys += 1;
            match &stored.record {
                Ok(record) if key_entry(record).is_ok() => {
                    if record.plan.as_ref().is_some_and(|plan| !settings.keys.plans.contains_key(plan)) {
                        planless.push(stored.id.to_string());
                    }
                    if record.status == State::Active {
                        let misfits = own_limits::misfits(&settings.keys, record);
                        unfit.extend(misfits.iter().map(|misfit| misfit.of(stored.id)));
                    }
                }
                _ => unreadable.push(stored.id.to_string()),
            }
        })
    });
    match loaded {
        Err(fault) => wrong(what, fault.to_string()),
        Ok(()) if !unreadable.is_empty() => wrong(
            what,
            format!("records that cannot be read, so their keys are denied: {}", unreadable.join(", ")),
        ),
        Ok(()) if !planless.is_empty() => {
            wrong(what, format!("keys under a plan that [plans] does not define: {}", planless.join(", ")))
        }
        Ok(()) if !unfit.is_empty() => {
            wrong(what, format!("keys whose own limits do not fit: {}", unfit.join("; ")))
        }
        Ok(()) => well(what, format!("{keys} keys")),
    }
}

/// Limits that replicas share can be looked up, with the rights that this user has; nothing where none is.
fn shared_limits(settings: &Settings) -> Option<Finding> {
    let Store::Redis(redis) = &settings.keys.registry.store else { return None };
    let shared = compile(settings).shared().named.len();
    if shared == 0 {
        return None;
    }
    let what = format!("{shared} limits that replicas share");
    let mut ledger = Ledger::new(redis.params.clone(), 0);
    Some(match ledger.look() {
        Some(replicas) => well(what, format!("{replicas} replicas share them")),
        None => wrong(what, ledger.trouble().unwrap_or("no answer").to_owned()),
    })
}

/// Each server's upstream answers, and takes the gateway's credential.
fn upstreams(settings: &Settings) -> Result<Vec<Finding>, CommandFault> {
    let policy = compile(settings);
    let trust = Trust::default();
    let authorities =
        policy.servers().iter().filter(|s| s.endpoint.authority.tls).map(|s| s.endpoint.authority.ca.clone());
    trust.prepare(authorities).map_err(|fault| CommandFault::said(fault.to_string()))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build_local(tokio::runtime::LocalOptions::default())?;
    Ok(runtime.block_on(ask_all(&policy, settings, trust)))
}

async fn ask_all(policy: &Policy, settings: &Settings, trust: Trust) -> Vec<Finding> {
    let upstream = Upstream::new(UpstreamParams {
        connect: settings.bounds.connect.min(PATIENCE),
        first_byte: PATIENCE,
        idle: PATIENCE,
        trust,
    });
    let mut findings = Vec::new();
    for server in policy.servers() {
        let authority = &server.endpoint.authority;
        let scheme = if authority.tls { "https" } else { "http" };
        let what = format!(
            "server {} at {scheme}://{}:{}{}",
            server.name, authority.host, authority.port, server.endpoint.path
        );
        findings.push(match ask(&upstream, &server.endpoint).await {
            Ok(told) => well(what, told),
            Err(fault) => wrong(what, fault),
        });
    }
    findings
}

async fn ask(upstream: &Upstream, endpoint: &Endpoint) -> Result<String, String> {
    if let Err(fault) =
        tokio::time::timeout(PATIENCE, upstream.probe(&endpoint.authority)).await.unwrap_or(Ok(()))
    {
        return Err(fault.to_string());
    }
    let response = upstream.send(&endpoint.authority, discover(endpoint), None).await;
    match response.map(|response| response.status) {
        Err(SendFault::TimedOut) => Err(format!("no answer within {} s", PATIENCE.as_secs())),
        Err(SendFault::Unreachable | SendFault::Broken) => {
            Err("the connection broke before an answer".into())
        }
        Ok(status @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)) => Err(format!(
            "it refuses the gateway's credential (status {status}); see the server's 'credential' setting"
        )),
        Ok(status) if status.is_server_error() => Err(format!("it answers with status {status}")),
        Ok(StatusCode::OK) => Ok("answers, speaks 2026-07-28".into()),
        // A legacy server refuses what it does not know: it is there, and that is what counts.
        Ok(status) => {
            Ok(format!("answers (status {status} to server/discover, as servers up to 2025-11-25 do)"))
        }
    }
}

fn discover(endpoint: &Endpoint) -> Outgoing {
    const HEADERS: [(HeaderName, &str); 4] = [
        (ACCEPT, "application/json, text/event-stream"),
        (CONTENT_TYPE, "application/json"),
        (PROTOCOL_VERSION, "2026-07-28"),
        (MCP_METHOD, "server/discover"),
    ];
    let mut head = OutgoingHead::begin(Method::POST, &endpoint.preamble, 256, DISCOVER.len());
    for (name, value) in &HEADERS {
        head.add(name, &HeaderValue::from_static(value));
    }
    head.end(&Bytes::from_static(DISCOVER.as_bytes()))
}
