//! What can be typed. The comments below are the program's help.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::base::KeyId;
use crate::config::units;

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
    /// Print data as JSON: one object, or one array for lists
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
    Schema,
    /// Issue, show, change, rotate and revoke keys
    #[command(subcommand)]
    Key(KeyCommand),
    /// What replicas know of a registry in Redis, and what it has lost
    #[command(subcommand)]
    Registry(RegistryCommand),
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
    /// Change a key's scopes, plan, end, owner or name
    Set(SetArguments),
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
