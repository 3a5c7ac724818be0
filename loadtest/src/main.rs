//! What a call costs: load, the servers it goes to, and the figures, over sockets alone.
//!
//! It knows nothing of the gateway's code, so that it measures what a user runs. All load
//! goes to loopback, is bounded in time, and stops by itself; every process that it starts
//! ends with it.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a tool for a terminal")]

mod commands;
mod floors;
mod load;
mod machine;
mod measure;
mod report;
mod targets;
mod traffic;
mod transport;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use self::commands::{compare, drive, limits, overhead, replicas, size, soak};
use self::floors::{bare_proxy, bare_server, relay, stub};

/// The floor is to be as fast as it can be; so it has the allocator that the gateway has.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The sentence for the person, where something failed.
type Done<T = ()> = Result<T, String>;

/// Where to begin.
const START: &str = "\
Begin with:
  cargo build --release --workspace --bins
  target/release/loadtest overhead --gateway target/release/tollgate
  target/release/loadtest compare --gateway target/release/tollgate --html compare.html

Two cores are needed, and nothing else should run on them. docs/BENCHMARKS.md has the method.";

/// Measures what a call through the gateway costs, beside a bare proxy under the same load.
#[derive(Parser)]
#[command(name = "loadtest", version, after_help = START)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// The gateway beside a bare proxy, in the same run, interleaved: CPU per request,
    /// throughput, memory.
    Overhead(overhead::Options),
    /// The gateway beside the floor and other gateways: nginx, haproxy, envoy, agentgateway, and
    /// any that a file describes.
    Compare(compare::Options),
    /// How many cores, how much memory and how many replicas a traffic needs, from measurements
    /// made now.
    Size(Box<size::Options>),
    /// Mixed traffic with faults; memory and descriptors of the gateway have to come back.
    Soak(soak::Options),
    /// Several gateways on one registry: how soon a change reaches all, and what the end of one
    /// means for calls.
    Replicas(replicas::Options),
    /// Several gateways that share limits through Redis: what they let through together of traffic that is
    /// skewed and shifts, what Redis hears of it, and what it adds to a call's time.
    Limits(limits::Options),
    /// Load for any endpoint: at a rate that does not give way, or as fast as answers come.
    Drive(drive::Options),
    /// A report again from its JSON: on the screen, as a page, as a plot.
    Report(commands::report::Options),
    /// An upstream that gives every request the same answer, as cheaply as it can.
    Stub(stub::Options),
    /// The floor: a reverse proxy that checks nothing.
    BareProxy(bare_proxy::Options),
    /// The floor below: copies bytes between two sockets.
    Relay(relay::Options),
    /// The floor of TLS: accepts, and answers itself.
    BareServer(bare_server::Options),
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Overhead(options) => overhead::run(&options),
        Command::Compare(options) => compare::run(&options),
        Command::Size(options) => size::run(&options),
        Command::Soak(options) => soak::run(&options),
        Command::Replicas(options) => replicas::run(&options),
        Command::Limits(options) => limits::run(&options),
        Command::Drive(options) => drive::run(&options),
        Command::Report(options) => commands::report::run(&options),
        Command::Stub(options) => stub::run(&options),
        Command::BareProxy(options) => bare_proxy::run(&options),
        Command::Relay(options) => relay::run(&options),
        Command::BareServer(options) => bare_server::run(&options),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(said) => {
            eprintln!("{said}");
            ExitCode::FAILURE
        }
    }
}

/// One thread's runtime, for servers and for load.
fn runtime() -> Done<tokio::runtime::LocalRuntime> {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder
        .enable_all()
        .build_local(tokio::runtime::LocalOptions::default())
        .map_err(|e| format!("no runtime: {e}"))
}

/// Starts a task on this thread.
fn spawn(task: impl Future<Output = ()> + 'static) {
    drop(tokio::task::spawn_local(task));
}
