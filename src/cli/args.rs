//! What can be typed. The comments below are the program's help.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use super::audit::AuditCommand;
use crate::base::{KeyId, UnderWay};
use crate::config::units;
use crate::registry::{LimitChange, LimitName, MOST, OwnLimit};

/// Tollgate: the gateway in front of MCP servers. It checks API keys and scopes on every
/// call, and streams the answer.
#[derive(Parser)]
#[command(name = "tollgate", version, max_term_width = 100)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Options of every command.
    #[command(flatten)]
    pub common: Common,
}

/// Options of every command.
#[derive(Args)]
pub struct Common {
    /// Configuration file; ./tollgate.toml, then /etc/tollgate/tollgate.toml when it is not given
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Print data as JSON: one object, one array for lists, and of the audit log's records one object a line
    #[arg(long, global = true)]
    pub json: bool,
}

/// The commands.
#[derive(Subcommand)]
pub enum Command {
    /// Start a TLS gateway with a real MCP server behind it, issue a key, and say how to use both
    Demo(DemoArguments),
    /// Run the gateway
    Serve(ServeArguments),
    /// Show every fault of the configuration at once
    Check,
    /// Print the JSON Schema of the configuration
    Schema {
        /// Print every setting with its meaning and default instead, as a file to begin with
        #[arg(long)]
        toml: bool,
    },
    /// Issue, show, change, rotate and revoke keys
    #[command(subcommand)]
    Key(KeyCommand),
    /// What replicas know of a registry in Redis, and what it has lost
    #[command(subcommand)]
    Registry(RegistryCommand),
    /// Check the audit log, and read it
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Tell whether a key may do a thing, and which rule decides it
    Explain(ExplainArguments),
    /// Try every dependency and every upstream, and say what is wrong
    Doctor,
}

/// `demo`
#[derive(Args)]
pub struct DemoArguments {
    /// Port of the gateway on 127.0.0.1; 0 takes a free one
    #[arg(long, default_value_t = 8443)]
    pub port: u16,
    /// Folder for certificates, configuration and registry; made when it is not there
    #[arg(long, value_name = "DIR", default_value = "tollgate-demo")]
    pub data: PathBuf,
}

/// `serve`
#[derive(Args)]
pub struct ServeArguments {
    /// Worker threads, instead of the configuration's number
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub workers: Option<u16>,
}

/// `key …`
#[derive(Subcommand)]
pub enum KeyCommand {
    /// Make a key and print it, once
    Issue(IssueArguments),
    /// List all keys
    List,
    /// Show one key
    Show {
        /// The key's id: what stands before the dot of the key
        id: KeyId,
    },
    /// Change a key's scopes, plan, limits, end, owner or name
    Set(SetArguments),
    /// Show how much of its limits a key has left, at the gateway that this configuration starts
    Limits {
        /// The key's id
        id: KeyId,
    },
    /// Give a key a new secret and print it, once; the old one works on for the overlap
    Rotate {
        /// The key's id
        id: KeyId,
        /// How long the old secret works on, e.g. 24h; 0s ends it at once
        #[arg(long, value_parser = parse_duration)]
        overlap: Option<Duration>,
        /// Waiting for the replicas
        #[command(flatten)]
        wait: WaitArguments,
    },
    /// End the overlap of the last rotation: the old secret works no more
    EndOverlap {
        /// The key's id
        id: KeyId,
        /// Waiting for the replicas
        #[command(flatten)]
        wait: WaitArguments,
    },
    /// Take a key away, and wait until every replica refuses it
    Revoke {
        /// The key's id
        id: KeyId,
        /// Wait for the replicas of Redis itself too, and say whether they have it
        #[arg(long)]
        durable: bool,
        /// Waiting for the replicas
        #[command(flatten)]
        wait: WaitArguments,
    },
    /// Remove the records of keys that were revoked long ago
    Purge {
        /// Only keys revoked before this: a time such as 2026-11-23T08:00:00Z, or an age such as 30d
        #[arg(long, value_name = "TIME")]
        revoked_before: String,
    },
    /// Import records as JSON Lines, all or none
    Import {
        /// The file; - for standard input
        file: PathBuf,
        /// Import the good lines and leave the bad
        #[arg(long)]
        skip_bad: bool,
        /// Let older content replace newer, under a new version
        #[arg(long)]
        force: bool,
    },
    /// Print all records as JSON Lines, hashes included
    Export,
}

/// The environment that a key is for.
#[derive(Clone, Copy, ValueEnum)]
pub enum EnvArgument {
    /// `mcp_live_…`
    Live,
    /// `mcp_test_…`
    Test,
}

/// A limit of a key's own, or none.
#[derive(Clone, Debug, PartialEq)]
pub enum LimitArgument {
    /// None of any name.
    None,
    /// One of a name, or none.
    Of(LimitChange),
}

/// `key issue`
#[derive(Args)]
pub struct IssueArguments {
    /// What the key is called
    #[arg(long)]
    pub name: String,
    /// A scope that the key has; repeat for more. Patterns: * for a word, ** for the rest
    #[arg(long = "scope", value_name = "SCOPE", required = true)]
    pub scopes: Vec<String>,
    /// The plan whose limits it has
    #[arg(long)]
    pub plan: Option<String>,
    /// A limit of its own instead of the plan's: calls or other, a rate and a burst, such as
    /// calls=50/s:100; with :warn behind it, what exceeds it is counted only. Or concurrent or
    /// streams, how many at once, such as concurrent=5. Repeat for more
    #[arg(long = "limit", value_name = "LIMIT", value_parser = parse_limit)]
    pub limits: Vec<LimitArgument>,
    /// Whether it is for real use or for tests
    #[arg(long, value_enum, default_value = "live")]
    pub env: EnvArgument,
    /// When it ends: an age such as 90d, or a time such as 2027-01-01T00:00:00Z
    #[arg(long, value_name = "WHEN")]
    pub expires: Option<String>,
    /// Whose it is; told to upstreams that ask for it
    #[arg(long)]
    pub owner: Option<String>,
}

/// How long a change waits for the replicas of a gateway that share the registry.
#[derive(Args)]
pub struct WaitArguments {
    /// Return at once instead of waiting until every replica has applied the change
    #[arg(long)]
    pub no_wait: bool,
    /// How long to wait; replicas that have not applied it by then are named
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = parse_duration)]
    pub timeout: Duration,
}

/// `registry`
#[derive(Subcommand)]
pub enum RegistryCommand {
    /// Show the replicas, what each has applied, and keys that they know and the registry has lost
    Status,
    /// Write back what the registry has lost, as the replicas know it
    Restore,
    /// Take the registry as it is, on purpose: replicas give up what they know and it does not,
    /// and those that wait for a word that it is whole begin to serve
    Accept,
}

/// `key set`
#[derive(Args)]
#[command(group = clap::ArgGroup::new("change").required(true).multiple(true))]
pub struct SetArguments {
    /// The key's id
    pub id: KeyId,
    /// Scopes instead of those it has; repeat for more
    #[arg(long = "scope", value_name = "SCOPE", group = "change")]
    pub scopes: Option<Vec<String>>,
    /// Another plan; empty for none
    #[arg(long, group = "change")]
    pub plan: Option<String>,
    /// A limit of its own instead of the plan's: calls or other, a rate and a burst, such as
    /// calls=50/s:100; with :warn behind it, what exceeds it is counted only. Or concurrent or
    /// streams, how many at once, such as concurrent=5. calls=none for the plan's again, none for
    /// all of the plan's. Repeat for more
    #[arg(long = "limit", value_name = "LIMIT", value_parser = parse_limit, group = "change")]
    pub limits: Vec<LimitArgument>,
    /// Another end: an age, a time, or never
    #[arg(long, value_name = "WHEN", group = "change")]
    pub expires: Option<String>,
    /// Another owner; empty for none
    #[arg(long, group = "change")]
    pub owner: Option<String>,
    /// Another name
    #[arg(long, group = "change")]
    pub name: Option<String>,
    /// Waiting for the replicas
    #[command(flatten)]
    pub wait: WaitArguments,
}

/// `explain`
#[derive(Args)]
#[command(group = clap::ArgGroup::new("thing").required(true))]
pub struct ExplainArguments {
    /// The key's id
    #[arg(long)]
    pub key: KeyId,
    /// The server's name
    #[arg(long)]
    pub server: String,
    /// A tool
    #[arg(long, group = "thing")]
    pub tool: Option<String>,
    /// A prompt
    #[arg(long, group = "thing")]
    pub prompt: Option<String>,
    /// A resource's URI
    #[arg(long, group = "thing")]
    pub resource: Option<String>,
}

fn parse_duration(text: &str) -> Result<Duration, String> {
    units::duration(text).ok_or_else(|| "accepted: a duration with its unit, e.g. 30m, 24h, 7d".into())
}

fn parse_limit(text: &str) -> Result<LimitArgument, String> {
    const ACCEPTED: &str = "accepted: calls or other with a rate and a burst, e.g. calls=50/s:100, other=30/m:10:warn; concurrent or streams with a number from 1 to 1000000, e.g. concurrent=5; or none";
    if text == "none" {
        return Ok(LimitArgument::None);
    }
    let (name, told) = text.split_once('=').ok_or(ACCEPTED)?;
    if let Some(what) = UnderWay::ALL.into_iter().find(|what| what.setting() == name) {
        let most = match told {
            "none" => None,
            _ => Some(read_most(told).ok_or(ACCEPTED)?),
        };
        return Ok(LimitArgument::Of(LimitChange::Most(what, most)));
    }
    let name = LimitName::ALL.into_iter().find(|known| known.word() == name).ok_or(ACCEPTED)?;
    if told == "none" {
        return Ok(LimitArgument::Of(LimitChange::Rate(name, None)));
    }
    let (told, warn_only) = told.strip_suffix(":warn").map_or((told, false), |told| (told, true));
    let (rate, burst) = told.split_once(':').ok_or(ACCEPTED)?;
    let burst = burst.parse().map_err(|_| ACCEPTED)?;
    let limit = OwnLimit { rate: rate.into(), burst, warn_only, unknown: serde_json::Map::new() };
    limit.limit(name).map_err(|fault| format!("{fault}; {ACCEPTED}"))?;
    Ok(LimitArgument::Of(LimitChange::Rate(name, Some(limit))))
}

fn read_most(text: &str) -> Option<u32> {
    // `parse` would take a sign.
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|most| digits && MOST.contains(most))
}

#[cfg(test)]
mod tests {
    use super::{LimitArgument, parse_limit};
    use crate::base::UnderWay;
    use crate::registry::{LimitChange, LimitName};

    #[test]
    fn a_limit_is_a_name_and_a_rate_with_a_burst_or_a_number() {
        let read = |text| match parse_limit(text) {
            Ok(LimitArgument::Of(LimitChange::Rate(name, Some(limit)))) => {
                (name, limit.rate, limit.burst, limit.warn_only)
            }
            other => panic!("{other:?}"),
        };
        assert_eq!(read("calls=50/s:100"), (LimitName::Calls, "50/s".into(), 100, false));
        assert_eq!(read("other=1/h:2:warn"), (LimitName::Other, "1/h".into(), 2, true));
        assert_eq!(parse_limit("none"), Ok(LimitArgument::None));
        let rate = LimitChange::Rate(LimitName::Other, None);
        assert_eq!(parse_limit("other=none"), Ok(LimitArgument::Of(rate)));
        for (text, what, most) in [
            ("concurrent=5", UnderWay::Call, Some(5)),
            ("streams=1000000", UnderWay::Stream, Some(1_000_000)),
            ("streams=none", UnderWay::Stream, None),
        ] {
            assert_eq!(parse_limit(text), Ok(LimitArgument::Of(LimitChange::Most(what, most))));
        }
        for (bad, told) in [
            ("", "e.g. calls=50/s:100"),
            ("calls", "e.g. calls=50/s:100"),
            ("daily=5/s:1", "calls or other"),
            ("daily=5/s:1", "concurrent or streams"),
            ("streams=5/s:1", "a number from 1 to 1000000"),
            ("streams=0", "a number from 1 to 1000000"),
            ("concurrent=1000001", "a number from 1 to 1000000"),
            ("concurrent=+5", "a number from 1 to 1000000"),
            ("concurrent=", "a number from 1 to 1000000"),
            ("concurrent=5:warn", "a number from 1 to 1000000"),
            ("calls=5/s", "a burst"),
            ("calls=5/s:many", "a burst"),
            ("calls=5:1", "e.g. 100/s"),
            ("calls=5/s:0", "from 1 to 1000000"),
            ("calls=1/d:5", "from 1/h"),
            ("calls=5/s:1:loud", "a burst"),
        ] {
            assert!(parse_limit(bad).unwrap_err().contains(told), "{bad}");
        }
    }
}
