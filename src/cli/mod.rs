//! The command line: what a person types, and what they read.
//!
//! Data goes to standard output, faults to standard error in one sentence each. It works on
//! the registry that the configuration names, with or without a running gateway, and shows a
//! raw key once, when it is made.

mod args;
mod audit;
mod books;
mod check;
mod doctor;
mod explain;
mod key;
mod output;
mod own_limits;
mod registry;
mod typed;

use std::io::Write;
use std::path::{Path, PathBuf};

pub use args::{Arguments, Command, Common};
pub use typed::{typed, without_keys};

use crate::base::Clock;
use crate::config::{Environment, Faults};
use crate::registry::Fault;

/// Why a command failed, for the person who typed it.
#[derive(Debug, thiserror::Error)]
pub enum CommandFault {
    /// The configuration; one line for each fault.
    #[error("{0}")]
    Config(#[from] Faults),
    /// The registry.
    #[error(transparent)]
    Registry(#[from] Fault),
    /// Reading or writing.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// Anything else, as one sentence.
    #[error("{0}")]
    Said(String),
}

impl CommandFault {
    fn said(sentence: impl Into<String>) -> Self {
        Self::Said(sentence.into())
    }
}

/// What commands work with.
pub struct Session<'a> {
    /// Where data goes.
    pub out: &'a mut dyn Write,
    /// Where goes what a person should know though the command succeeds.
    pub err: &'a mut dyn Write,
    /// The environment of the start.
    pub environment: Environment,
    /// The time.
    pub clock: Clock,
}

impl Session<'_> {
    /// Says something that does not make the command fail, nor does it where nobody listens.
    fn warn(&mut self, sentence: &str) {
        let _ = writeln!(self.err, "tollgate: warning: {sentence}");
    }
}

/// Runs a command that needs no gateway of its own.
pub fn run(command: Command, common: &Common, session: &mut Session<'_>) -> Result<(), CommandFault> {
    match command {
        Command::Check => check::check(common, session),
        Command::Schema { toml } => check::schema(toml, session),
        Command::Key(command) => key::run(command, common, session),
        Command::Registry(command) => registry::run(&command, common, session),
        Command::Audit(command) => audit::run(command, common, session),
        Command::Explain(what) => explain::explain(&what, common, session),
        Command::Doctor => doctor::doctor(common, session),
        Command::Demo(_) | Command::Serve(_) => {
            Err(CommandFault::said("this command is run by the program itself"))
        }
    }
}

/// The configuration file: the one that was named, else the first that is there.
pub fn config_file(named: Option<&Path>) -> PathBuf {
    const PLACES: [&str; 2] = ["tollgate.toml", "/etc/tollgate/tollgate.toml"];
    match named {
        Some(file) => file.to_owned(),
        None => {
            PLACES.iter().map(PathBuf::from).find(|file| file.exists()).unwrap_or_else(|| PLACES[0].into())
        }
    }
}
