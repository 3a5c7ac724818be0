//! `tollgate key limits`: what a key has left, asked of the gateway that runs by the configuration.
//!
//! Buckets are in that gateway's memory and nowhere else, so there is no answer without it, and of
//! several gateways each has its own.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::header::HOST;
use http::uri::PathAndQuery;
use http::{HeaderValue, Method};
use http_body_util::{BodyExt as _, Limited};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::base::KeyId;
use crate::cli::{CommandFault, Common, Session, config_file, output};
use crate::config::load_admin;
use crate::policy::Authority;
use crate::upstream::{Exchange as _, Outgoing, OutgoingHead, SendFault, Trust, Upstream, UpstreamParams};
use crate::wire::http1::Preamble;

/// It answers from memory.
const PATIENCE: Duration = Duration::from_secs(5);

/// Largest answer that is read, in bytes: some fifty thousand limits.
const MOST: usize = 16 << 20;

/// Asks, and shows what it is told.
pub(super) fn limits(id: KeyId, common: &Common, session: &mut Session<'_>) -> Result<(), CommandFault> {
    let address = load_admin(&config_file(common.config.as_deref()), &session.environment)?;
    if address.port() == 0 {
        return Err(CommandFault::said(format!(
            "admin.address is {address}, where a gateway listens on a port of its choice; accepted here: an address with its port, e.g. 127.0.0.1:9443"
        )));
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build_local(tokio::runtime::LocalOptions::default())?;
    let told = runtime.block_on(ask(address, id))?;
    let Told { plan, limits } = Told::deserialize(&told).map_err(|_| foreign(address))?;
    if common.json {
        return Ok(output::json_line(session.out, &told)?);
    }
    let text = |text: &str| output::plain(&json!(text));
    writeln!(session.out, "{:<22} {id}", "key_id")?;
    writeln!(session.out, "{:<22} {}", "plan", text(plan.as_deref().unwrap_or("-")))?;
    writeln!(session.out, "{:<22} {address}\n", "told by")?;
    if limits.is_empty() {
        return Ok(writeln!(session.out, "no limit applies to it")?);
    }
    let rows: Vec<Vec<String>> = limits.iter().map(Shown::cells).collect();
    Ok(output::table(session.out, &["LIMIT", "RATE", "BURST", "LEFT", "FULL IN", "NOTE"], &rows)?)
}

/// What a gateway tells; members that it does not know are those of a newer one.
#[derive(Deserialize)]
struct Told {
    plan: Option<String>,
    limits: Vec<Shown>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Shown {
    HowOften(Row),
    AtOnce(AtOnce),
}

/// A limit of what is under way; older gateways do not tell it.
#[derive(Deserialize)]
struct AtOnce {
    limit: String,
    most: u32,
    under_way: u32,
    warn_only: bool,
    own: bool,
}

/// A limit of how often.
#[derive(Deserialize)]
struct Row {
    limit: Name,
    rate: String,
    burst: u32,
    warn_only: bool,
    /// Older gateways do not say it.
    #[serde(default)]
    shared: bool,
    own: Option<bool>,
    cost: Option<u32>,
    tokens: Option<u32>,
    full_in_seconds: Option<f64>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Name {
    OfKey(String),
    OfRule { server: String, kind: String, rule: String, per: String },
}

impl Shown {
    /// What stands in the columns, with no control character of what a gateway says.
    fn cells(&self) -> Vec<String> {
        let cells = match self {
            Self::HowOften(row) => row.cells(),
            Self::AtOnce(limit) => limit.cells(),
        };
        cells.iter().map(|cell| output::plain(&json!(cell))).collect()
    }
}

fn whose(own: bool) -> &'static str {
    if own { "the key's own" } else { "the plan's" }
}

impl AtOnce {
    fn cells(&self) -> [String; 6] {
        let under_way = format!("{} under way", self.under_way);
        let warns = self.warn_only.then_some("only warns");
        let notes: Vec<&str> = [whose(self.own), &*under_way].into_iter().chain(warns).collect();
        [
            self.limit.clone(),
            format!("{} at once", self.most),
            "-".into(),
            self.most.saturating_sub(self.under_way).to_string(),
            "-".into(),
            notes.join(", "),
        ]
    }
}

impl Row {
    fn cells(&self) -> [String; 6] {
        let name = match &self.limit {
            Name::OfKey(name) => name.clone(),
            Name::OfRule { server, kind, rule, per } => format!("{server} {kind} {rule}, per {per}"),
        };
        let own = self.own.map(whose);
        let warns = self.warn_only.then_some("only warns");
        let shared = self.shared.then_some("all replicas together");
        let unknown = self.tokens.is_none().then_some("not used here of late");
        let cost = self.cost.filter(|cost| *cost > 1).map(|cost| format!("a call costs {cost}"));
        let said = [own, warns, shared, unknown].into_iter().flatten().map(String::from);
        let notes = said.chain(cost).collect::<Vec<String>>();
        let known = |told: Option<String>| told.unwrap_or_else(|| "-".into());
        [
            name,
            self.rate.clone(),
            self.burst.to_string(),
            known(self.tokens.map(|tokens| tokens.to_string())),
            known(self.full_in_seconds.map(|seconds| format!("{seconds} s"))),
            notes.join(", "),
        ]
    }
}

/// No answer, or one of something else.
fn silent(address: SocketAddr, what: &str) -> CommandFault {
    CommandFault::said(format!(
        "no gateway answers at {address}, the configuration's admin.address ({what}); limits are counted in a running gateway's memory, so start it, or name its configuration with --config"
    ))
}

fn foreign(address: SocketAddr) -> CommandFault {
    silent(address, "what listens is no gateway that tells limits")
}

async fn ask(address: SocketAddr, id: KeyId) -> Result<Value, CommandFault> {
    let silent = |what: &str| silent(address, what);
    let upstream = Upstream::new(UpstreamParams {
        connect: PATIENCE,
        first_byte: PATIENCE,
        idle: PATIENCE,
        trust: Trust::default(),
    });
    let to = Authority {
        host: match address {
            SocketAddr::V4(address) => address.ip().to_string().into(),
            SocketAddr::V6(address) => format!("[{}]", address.ip()).into(),
        },
        port: address.port(),
        tls: false,
        ca: None,
    };
    let request = request(address, id).ok_or_else(|| silent("it cannot be asked"))?;
    let answer = upstream.send(&to, request, None).await.map_err(|fault| match fault {
        SendFault::Unreachable => silent("nobody listens"),
        SendFault::Broken => silent("what listens speaks no HTTP"),
        SendFault::TimedOut => silent("no answer came in time"),
    })?;
    let status = answer.status;
    let body = tokio::time::timeout(PATIENCE, Limited::new(answer.body, MOST).collect()).await;
    let body = body.map_err(|_| silent("no answer came in time"))?;
    let body = body.map_err(|_| silent("its answer broke off"))?.to_bytes();
    let told: Value = serde_json::from_slice(&body).unwrap_or_default();
    match (status.is_success(), told.get("error").and_then(Value::as_str)) {
        (true, _) => Ok(told),
        (false, Some(error)) => Err(CommandFault::said(format!("{id}: {}", output::plain(&json!(error))))),
        (false, None) => Err(foreign(address)),
    }
}

fn request(address: SocketAddr, id: KeyId) -> Option<Outgoing> {
    let target = PathAndQuery::try_from(format!("/limits?key_id={id}")).ok()?;
    let host = HeaderValue::try_from(address.to_string()).ok()?;
    let head = OutgoingHead::begin(Method::GET, &Preamble::new(&target, [(&HOST, &host)]), 0, 0);
    Some(head.end(&Bytes::new()))
}
