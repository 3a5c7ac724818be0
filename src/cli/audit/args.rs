//! What can be typed behind `tollgate audit`. The comments below are the program's help.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::base::KeyId;

/// `audit …`
#[derive(Subcommand)]
pub enum AuditCommand {
    /// Tell whether the log is as the gateway wrote it, and the first record that is not
    Verify(VerifyArguments),
    /// Show the last records, and those that come
    Tail(TailArguments),
    /// Look for records
    Search(SearchArguments),
    /// Make a key that signs the log, and its public half beside it
    Key {
        /// Where to write the private key; the public one gets the same name with .pub behind it
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
}

/// `audit verify`
#[derive(Args)]
pub struct VerifyArguments {
    /// The log's folder, or files of one log in their order; the configuration's folder when nothing is given
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// File with the public key that signed the log; repeat where the key was changed. Of the configuration's
    /// folder, the one beside its signing key
    #[arg(long, value_name = "FILE")]
    pub public_key: Vec<PathBuf>,
    /// The hash of a record that has to be there, as an earlier 'verify' told it, or a sink received it; repeat for
    /// the other replicas of a folder
    #[arg(long, value_name = "HASH")]
    pub head: Vec<String>,
}

/// `audit tail`
#[derive(Args)]
pub struct TailArguments {
    /// The log's folder; the configuration's when it is not given
    pub folder: Option<PathBuf>,
    /// How many records
    #[arg(short = 'n', long, value_name = "N", default_value_t = 20)]
    pub lines: usize,
    /// Go on with what comes
    #[arg(short, long)]
    pub follow: bool,
}

/// `audit search`
#[derive(Args)]
pub struct SearchArguments {
    /// The log's folder; the configuration's when it is not given
    pub folder: Option<PathBuf>,
    /// The id of a key
    #[arg(long)]
    pub key: Option<KeyId>,
    /// A tool, prompt, resource or task, exactly
    #[arg(long)]
    pub tool: Option<String>,
    /// The server's name
    #[arg(long)]
    pub server: Option<String>,
    /// From when on: an age such as 2h, or a time such as 2026-11-23T08:00:00Z
    #[arg(long, value_name = "WHEN")]
    pub since: Option<String>,
    /// Before when: an age, or a time
    #[arg(long, value_name = "WHEN")]
    pub until: Option<String>,
    /// How the request ended: answered, denied, `upstream_failed` or `client_gone`
    #[arg(long)]
    pub outcome: Option<String>,
    /// Why it was refused, such as `scope_missing`
    #[arg(long)]
    pub reason: Option<String>,
    /// At most so many, the last ones
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
}
