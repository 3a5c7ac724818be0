//! `loadtest replicas`: several gateways on one registry, under load. How soon a key that is issued
//! works at all of them, how soon one that is revoked works at none, whether one worked after
//! `key revoke` had returned, and whether calls go on when one of them is killed.
//!
//! The registry is the embedded one, a file that gateways on one machine share; or one in a Redis
//! that is started for it, where `key revoke` returns once all of them have applied it.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, spawn_local};
use tokio::time::{sleep, timeout};

use crate::load::{Caller, Load, Schedule, Target, callers, open};
use crate::machine::{self, Cores, Machine};
use crate::report::{Figure, Report, ReportFiles, Sizing};
use crate::targets::fixture::Fixture;
use crate::targets::registry::{Issued, Registry};
use crate::targets::server::{Program, Server, free_address};
use crate::traffic::Traffic;
use crate::transport::{Protocol, tls};
use crate::{Done, runtime};

/// Time in which a change has to reach every replica.
const LONGEST: Duration = Duration::from_secs(10);
/// How often a replica is asked whether a change has reached it; the figures are no finer.
const ASKED_EVERY: Duration = Duration::from_millis(1);
/// Calls in flight at each replica while one is killed.
const IN_FLIGHT: usize = 4;

/// `loadtest replicas`
#[derive(clap::Args)]
pub(crate) struct Options {
    /// The gateway's program, built for release.
    #[arg(long, value_name = "FILE")]
    gateway: PathBuf,
    /// Gateways.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(2..=16))]
    count: u8,
    /// Keys that are issued and revoked.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    rounds: u16,
    /// Calls a second at all gateways together while keys are issued and revoked.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rate: u32,
    /// Seconds of calls around the end of one replica.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=60))]
    seconds: u8,
    /// A redis-server to share the registry through; without it the gateways share a file.
    #[arg(long, value_name = "FILE")]
    redis: Option<PathBuf>,
    #[command(flatten)]
    files: ReportFiles,
}

/// Measures and reports; fails where a change did not arrive or calls failed that should not.
pub(crate) fn run(options: &Options) -> Done {
    let mut report = Report::new(Machine::here(), Vec::new());
    let cores = machine::take_cores()?;
    let stub = Server::start(&Program::own(&["stub"])?, cores.load, cores.load)?;
    let folder = TempDir::new().map_err(|error| format!("no temporary folder: {error}"))?;
    let redis = options.redis.as_deref().map(|path| redis(path, folder.path(), cores)).transpose()?;
    let fixture = match &redis {
        Some(redis) => Fixture::shared(&options.gateway, stub.address, IN_FLIGHT, redis.address)?,
        None => Fixture::make(&options.gateway, stub.address, IN_FLIGHT)?,
    };
    let start = |number: u8| {
        let program = match &redis {
            Some(_) => fixture.replica(number.into())?,
            None => fixture.gateway(Protocol::H1),
        };
        Server::start(&program, cores.target, cores.load)
    };
    let servers = (0..options.count).map(start).collect::<Done<_>>()?;
    if redis.is_some() {
        fixture.registry().accept()?;
    }
    let mut replicas = Replicas {
        servers,
        registry: fixture.registry().clone(),
        keys: Rc::clone(&fixture.keys),
        confirms: redis.is_some(),
    };
    let (mut issued, mut revoked, mut command) = (Vec::new(), Vec::new(), Vec::new());
    let (killed, under) = runtime()?.block_on(async {
        replicas.ready().await?;
        let load = Steady::start(&replicas, options.rate)?;
        for round in 0..options.rounds {
            let change = replicas.change(&format!("round-{round}"), true).await?;
            issued.push(change.issued);
            revoked.push(change.revoked);
            command.push(change.command);
        }
        let under = load.stop().await?;
        let killed = replicas.kill_one(Duration::from_secs(u64::from(options.seconds))).await?;
        // The others still follow the registry. The one that was killed is named by a command that
        // waits, as nobody can know that it is not only cut off.
        replicas.change("after", false).await?;
        Done::Ok((killed, under))
    })?;
    let mut measured = distribution("issued, until it worked at all, after the command", &issued);
    measured.extend(distribution("revoked, until it worked at none, after the command began", &revoked));
    measured.extend(distribution("of it, the command itself", &command));
    for one in &measured {
        println!("{}: {:.1} ms", one.name, one.value);
    }
    println!("{under}");
    println!("{killed}");
    let count =
        Figure { name: "gateways".to_owned(), value: options.count.into(), unit: String::new(), range: None };
    report.sizing = Some(Sizing {
        asked: vec![count],
        measured,
        needed: Vec::new(),
        assumed: vec![format!("each gateway is asked every {} ms", ASKED_EVERY.as_millis()), under],
        checked: Some(killed),
    });
    options.files.write(&report)
}

/// A Redis that syncs every change to its disk before it answers.
fn redis(path: &Path, folder: &Path, cores: Cores) -> Done<Server> {
    let address = free_address()?;
    let (port, folder) = (address.port().to_string(), folder.display().to_string());
    let settings = ["--save", "", "--appendonly", "yes", "--appendfsync", "always", "--bind", "127.0.0.1"];
    let place = ["--port", &port, "--dir", &folder];
    Server::start_at(&Program::new(path, &[&settings[..], &place[..]].concat()), address, cores)
}

/// The running ones.
struct Replicas {
    servers: Vec<Server>,
    registry: Registry,
    keys: Rc<[String]>,
    /// Whether a command returns once all of them have applied it.
    confirms: bool,
}

/// Times of one key's life, until the last replica had followed.
struct Change {
    issued: Duration,
    revoked: Duration,
    command: Duration,
}

impl Replicas {
    fn callers(&self, keys: &Rc<[String]>) -> Done<Vec<Caller>> {
        let one = |server: &Server| {
            let caller = callers(&target(server, keys)?, &Traffic::default(), 1)?.pop();
            caller.ok_or_else(|| "no client".to_owned())
        };
        self.servers.iter().map(one).collect()
    }

    /// Waits until all decide: those on a new registry do once somebody said that it is whole.
    async fn ready(&self) -> Done {
        for (number, caller) in self.callers(&self.keys)?.iter_mut().enumerate() {
            until(caller, Result::is_ok)
                .await
                .map_err(|said| format!("replica {number} is not ready: {said}"))?;
        }
        Ok(())
    }

    /// Issues a key, sees it work everywhere, revokes it, sees it work nowhere.
    async fn change(&self, name: &str, waits: bool) -> Done<Change> {
        let Issued { id, key } = self.registry.issue(name)?;
        let issued = Instant::now();
        let mut callers = self.callers(&Rc::from([key]))?;
        for (number, caller) in callers.iter_mut().enumerate() {
            until(caller, Result::is_ok).await.map_err(|said| {
                format!(
                    "a key that was issued did not work at replica {number} after {} s: {said}",
                    LONGEST.as_secs()
                )
            })?;
        }
        let issued = issued.elapsed();
        let (begun, command) = (Instant::now(), self.revoke_aside(&id, waits));
        let mut accepted = None;
        for (number, caller) in callers.iter_mut().enumerate() {
            let refused = |outcome: &Done| outcome.as_ref().is_err_and(|said| said.starts_with("status 401"));
            accepted = accepted.max(until(caller, refused).await.map_err(|said| {
                format!(
                    "a key that was revoked worked on at replica {number} after {} s: {said}",
                    LONGEST.as_secs()
                )
            })?);
        }
        let revoked = begun.elapsed();
        let command = command.await.map_err(|_| "the command gave no answer".to_owned())??;
        if self.confirms && waits && accepted.is_some_and(|at| at > begun + command) {
            return Err("a call was accepted that began after 'key revoke' had returned".to_owned());
        }
        Ok(Change { issued, revoked, command })
    }

    /// Revokes on a thread of its own, since replicas may follow before the command has ended.
    fn revoke_aside(&self, id: &str, waits: bool) -> oneshot::Receiver<Done<Duration>> {
        let (tell, told) = oneshot::channel();
        let (registry, id) = (self.registry.clone(), id.to_owned());
        std::thread::spawn(move || {
            let begun = Instant::now();
            let done = registry.revoke(&id, waits).map(|()| begun.elapsed());
            // Nobody asks any more where a replica did not follow.
            let _ = tell.send(done);
        });
        told
    }

    /// Calls at all, the first is killed, calls at the others go on.
    async fn kill_one(&mut self, length: Duration) -> Done<String> {
        let start = |server: &Server| Load::start(&target(server, &self.keys)?, IN_FLIGHT);
        let mut loads = self.servers.iter().map(start).collect::<Done<Vec<_>>>()?;
        sleep(length / 2).await;
        let before: u64 = loads.iter().map(|load| load.counted().requests).sum();
        drop(self.servers.remove(0));
        let of_killed = loads.remove(0);
        sleep(length / 2).await;
        let lost = of_killed.counted().errors;
        let (mut after, mut failed) = (0, None);
        for load in loads {
            let counted = load.counted();
            after += counted.requests;
            failed = failed.or(counted.first_error);
            load.stop().await?;
        }
        if let Some(error) = failed {
            return Err(format!("calls at a replica that was not killed failed: {error}"));
        }
        // Its clients go to another replica, as a balancer would send them.
        let survivor = self.servers.first().ok_or("no replica is left")?;
        for mut caller in callers(&target(survivor, &self.keys)?, &Traffic::default(), IN_FLIGHT)? {
            caller.call().await.map_err(|said| format!("a client that changed replicas failed: {said}"))?;
        }
        let others = self.servers.len();
        Ok(format!(
            "one of {} killed amid {before} calls: {lost} calls in flight there were lost, its clients were served by another at once, none of {after} calls at the other {others} failed",
            others + 1
        ))
    }
}

fn target(server: &Server, keys: &Rc<[String]>) -> Done<Target> {
    let (address, keys) = (server.address, Rc::clone(keys));
    Ok(Target { address, protocol: Protocol::H1, tls: tls::trusting_nobody()?, keys })
}

/// Calls until the outcome is the wanted one, and tells when the last call began that was another, if
/// one was; otherwise the last one, in words.
async fn until(caller: &mut Caller, wanted: impl Fn(&Done) -> bool) -> Done<Option<Instant>> {
    let (mut last, mut other) = (String::new(), None);
    let calls = async {
        loop {
            let begun = Instant::now();
            let outcome = caller.call().await;
            if wanted(&outcome) {
                return;
            }
            other = Some(begun);
            last = outcome.err().unwrap_or_else(|| "the call was answered".to_owned());
            sleep(ASKED_EVERY).await;
        }
    };
    let done = timeout(LONGEST, calls).await;
    done.map(|()| other).map_err(|_| last)
}

/// Where in the distribution of times, in milliseconds.
fn distribution(name: &str, times: &[Duration]) -> Vec<Figure> {
    let mut times: Vec<f64> = times.iter().map(|time| time.as_secs_f64() * 1e3).collect();
    times.sort_by(f64::total_cmp);
    let last = times.len().saturating_sub(1);
    let figure = |(which, percent): (&str, usize)| Figure {
        name: format!("{name}, {which}"),
        value: times.get(last * percent / 100).copied().unwrap_or(f64::NAN),
        unit: "ms".to_owned(),
        range: None,
    };
    [("p50", 50), ("p90", 90), ("p99", 99), ("most", 100)].map(figure).into()
}

/// Calls at a fixed rate at every gateway, in turns of a second, until it is stopped.
struct Steady {
    over: Rc<Cell<bool>>,
    turns: Vec<JoinHandle<Done<u64>>>,
}

impl Steady {
    fn start(replicas: &Replicas, rate: u32) -> Done<Self> {
        let over = Rc::new(Cell::new(false));
        let count = u8::try_from(replicas.servers.len()).map_err(|_| "too many gateways")?;
        let rate = f64::from(rate) / f64::from(count);
        let turn = |server: &Server| {
            let (target, over) = (target(server, &replicas.keys)?, Rc::clone(&over));
            Ok(spawn_local(async move {
                let mut calls = 0;
                while !over.get() {
                    let schedule = Schedule { rate, seconds: 1.0, warm_up: 0.0, ..Schedule::default() };
                    let measured = open(&target, &schedule).await?;
                    if let Some(error) = measured.first_error {
                        return Err(format!("a call with a key that was never revoked failed: {error}"));
                    }
                    calls += measured.answered;
                }
                Ok(calls)
            }))
        };
        let turns = replicas.servers.iter().map(turn).collect::<Done<Vec<_>>>()?;
        Ok(Self { over, turns })
    }

    async fn stop(self) -> Done<String> {
        self.over.set(true);
        let mut calls = 0;
        for turn in self.turns {
            calls += turn.await.map_err(|_| "calls broke off".to_owned())??;
        }
        Ok(format!("beside {calls} calls with keys that were not revoked, none of which failed"))
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;
    use std::time::Duration;

    use super::{distribution, until};
    use crate::floors::stub;
    use crate::load::{Target, callers};
    use crate::traffic::Traffic;
    use crate::transport::{Protocol, tls};
    use crate::{runtime, spawn};

    #[test]
    fn a_change_is_waited_for() {
        runtime().unwrap().block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            drop(listener);
            let tls = tls::trusting_nobody().unwrap();
            let target = Target { address, protocol: Protocol::H1, tls, keys: Rc::new([]) };
            let mut caller = callers(&target, &Traffic::default(), 1).unwrap().pop().unwrap();
            until(&mut caller, |outcome| outcome.as_ref().is_err_and(|said| said.contains("cannot connect")))
                .await
                .unwrap();
            // It comes up while it is waited for.
            spawn(async move {
                tokio::time::sleep(Duration::from_millis(50)).await;
                stub::accept(tokio::net::TcpListener::bind(address).await.unwrap()).await;
            });
            until(&mut caller, Result::is_ok).await.unwrap();
        });
    }

    #[test]
    fn times_are_told_by_their_distribution_in_milliseconds() {
        let times: Vec<Duration> = (1..=101).rev().map(Duration::from_millis).collect();
        let told: Vec<f64> = distribution("x", &times).iter().map(|figure| figure.value.round()).collect();
        assert_eq!(told, [51.0, 91.0, 100.0, 101.0]);
    }
}
