//! `loadtest limits`: gateways that share limits through a Redis that is started for it. What they let
//! through together of traffic that is skewed and shifts, beyond what is allowed; how many questions Redis
//! hears for it; and what a shared limit adds to the time of a call that is allowed.

#![expect(clippy::cast_precision_loss, reason = "counts of calls in minutes are far below 2^52")]

mod callers;
mod redis;

use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::time::sleep;

use self::callers::{Skewed, Took};
use self::redis::Redis;
use crate::load::{Schedule, Target, callers, open};
use crate::machine::{self, Machine};
use crate::report::{Figure, Report, ReportFiles, Sizing};
use crate::targets::fixture::Fixture;
use crate::targets::server::{Program, Server};
use crate::traffic::Traffic;
use crate::transport::{Protocol, tls};
use crate::{Done, runtime};

/// What must be let through of what is allowed, where there are more calls than that.
const LEAST: f64 = 0.97;
/// Tokens that a replica may be ahead: what comes in a tenth of a second, or two of a call
/// (docs/LIMITS.md).
const AHEAD: f64 = 0.1;
/// Questions for a call that is let through, at 10,000 a second.
const QUESTIONS: f64 = 0.02;
/// The p99 of an allowed call against the same with limits that are not shared.
const SLOWER: f64 = 1.05;
/// Rounds of each kind for that, and calls a second in them.
const ROUNDS: usize = 9;
const RATE: f64 = 2_000.0;

/// `loadtest limits`
#[derive(clap::Args)]
pub(crate) struct Options {
    /// The gateway's program, built for release.
    #[arg(long, value_name = "FILE")]
    gateway: PathBuf,
    /// The redis-server.
    #[arg(long, value_name = "FILE", default_value = "redis-server")]
    redis: PathBuf,
    /// Gateways.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u8).range(2..=16))]
    count: u8,
    /// Limits, in calls a second.
    #[arg(long, value_delimiter = ',', default_value = "10,100,1000,10000")]
    rates: Vec<u32>,
    /// Seconds of calls under each.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u8).range(2..=240))]
    seconds: u8,
    #[command(flatten)]
    files: ReportFiles,
}

/// Measures and reports; fails where more was let through than is allowed, or less than was to be.
pub(crate) fn run(options: &Options) -> Done {
    let mut report = Report::new(Machine::here(), Vec::new());
    let cores = machine::take_cores()?;
    let stub = Server::start(&Program::own(&["stub"])?, cores.load, cores.load)?;
    let folder = TempDir::new().map_err(|error| format!("no temporary folder: {error}"))?;
    let redis = Redis::start(&options.redis, folder.path(), cores)?;
    let fixture =
        Fixture::shared_with(&options.gateway, stub.address, redis.address(), &plans(&options.rates))?;
    let start = |number: u8| Server::start(&fixture.replica(number.into())?, cores.target, cores.load);
    let servers = (0..options.count).map(start).collect::<Done<Vec<_>>>()?;
    fixture.registry().accept()?;
    let fleet = Fleet { servers, fixture, redis };
    let mut measured = Vec::new();
    runtime()?.block_on(async {
        for rate in &options.rates {
            measured.extend(fleet.under(*rate, options.seconds).await?);
        }
        measured.push(fleet.slower().await?);
        Done::Ok(())
    })?;
    let figure = |name: &str, value: f64| figure(name, value, "");
    report.sizing = Some(Sizing {
        asked: vec![
            figure("gateways", options.count.into()),
            figure("seconds under each limit", options.seconds.into()),
        ],
        measured,
        needed: Vec::new(),
        assumed: vec![
            "calls come at twice the limit, or half more than it at 10000/s, four fifths of them to one gateway, and change places".to_owned(),
        ],
        checked: None,
    });
    options.files.write(&report)
}

/// A plan for each limit, with a burst of one second; and two in which every call is allowed.
fn plans(rates: &[u32]) -> String {
    let mut text = String::new();
    for rate in rates {
        let burst = rate.max(&10);
        text.push_str(&format!(
            "[plans.rate-{rate}]\ncalls = {{ rate = \"{rate}/s\", burst = {burst}, shared = true }}\n"
        ));
    }
    for (name, shared) in [("alone", false), ("together", true)] {
        text.push_str(&format!(
            "[plans.{name}]\ncalls = {{ rate = \"100000/s\", burst = 100000, shared = {shared} }}\n"
        ));
    }
    text
}

fn figure(name: &str, value: f64, unit: &str) -> Figure {
    Figure { name: name.to_owned(), value, unit: unit.to_owned(), range: None }
}

struct Fleet {
    servers: Vec<Server>,
    fixture: Fixture,
    redis: Redis,
}

impl Fleet {
    /// A key under a plan, which all gateways know; each of them has answered one call with it.
    async fn key(&self, plan: &str) -> Done<Rc<[String]>> {
        let key: Rc<[String]> = Rc::from([self.fixture.registry().issue_under(plan, plan)?.key]);
        for server in &self.servers {
            let begun = Instant::now();
            let mut caller =
                callers(&target(server, &key)?, &Traffic::default(), 1)?.pop().ok_or("no client")?;
            while let Err(said) = caller.call().await {
                if begun.elapsed() > Duration::from_secs(10) {
                    return Err(format!("a new key is not served: {said}"));
                }
                sleep(Duration::from_millis(20)).await;
            }
        }
        Ok(key)
    }

    /// Skewed traffic of one key, beyond its limit.
    async fn under(&self, rate: u32, seconds: u8) -> Done<Vec<Figure>> {
        let key = self.key(&format!("rate-{rate}")).await?;
        let targets = self.servers.iter().map(|server| target(server, &key)).collect::<Done<Vec<_>>>()?;
        let demand = if rate < 10_000 { 2.0 } else { 1.5 } * f64::from(rate);
        // What the first calls took is there again.
        sleep(Duration::from_millis(500)).await;
        let (asked, begun) = (self.redis.scripts()?, Instant::now());
        let took = Skewed::run(&targets, demand, Duration::from_secs(seconds.into())).await?;
        let (passed, asked) = (begun.elapsed().as_secs_f64(), self.redis.scripts()? - asked);
        let Took { admitted, refused } = took;
        let allowed = f64::from(rate.max(10)) + f64::from(rate) * passed;
        let bound = self.servers.len() as f64 * (f64::from(rate) * AHEAD).ceil().max(2.0);
        let share = admitted as f64 / allowed;
        let questions = asked as f64 / admitted as f64;
        println!(
            "{rate}/s: {admitted} of {allowed:.0} let through ({:.1} %), {refused} refused, {asked} questions to Redis, {questions:.4} for each",
            share * 100.0
        );
        if admitted as f64 > allowed + bound {
            return Err(format!(
                "{admitted} calls at {rate}/s are more than {allowed:.0} and {bound:.0} ahead"
            ));
        }
        if share < LEAST {
            return Err(format!("{admitted} calls at {rate}/s are less than {LEAST} of {allowed:.0}"));
        }
        if rate >= 10_000 && questions > QUESTIONS {
            return Err(format!("{questions:.4} questions for a call at {rate}/s"));
        }
        Ok(vec![
            figure(&format!("{rate}/s, let through of what is allowed"), share * 100.0, "%"),
            figure(&format!("{rate}/s, questions to Redis for each"), questions, ""),
        ])
    }

    /// The p99 of calls that are all allowed, under a shared limit against the same that is not.
    async fn slower(&self) -> Done<Figure> {
        let server = self.servers.first().ok_or("no gateway")?;
        let targets =
            [target(server, &self.key("together").await?)?, target(server, &self.key("alone").await?)?];
        let schedule = Schedule { rate: RATE, seconds: 3.0, warm_up: 0.3, ..Schedule::default() };
        let mut ratios = Vec::new();
        for round in 0..ROUNDS {
            let mut p99 = [0.0; 2];
            // In turns, so that no kind always comes first.
            for place in [round % 2, 1 - round % 2] {
                if let (Some(target), Some(told)) = (targets.get(place), p99.get_mut(place)) {
                    let measured = open(target, &schedule).await?;
                    if let Some(error) = measured.first_error {
                        return Err(format!("a call that is allowed failed: {error}"));
                    }
                    *told = measured.latency_us(0.99);
                }
            }
            let [together, alone] = p99;
            ratios.push(together / alone);
        }
        ratios.sort_by(f64::total_cmp);
        let median = ratios.get(ROUNDS / 2).copied().unwrap_or(f64::NAN);
        println!("p99 under a shared limit: {median:.3} of the same that is not shared ({ratios:.2?})");
        if median > SLOWER {
            return Err(format!("the p99 under a shared limit is {median:.3} of the other's"));
        }
        Ok(figure("p99 of a call under a shared limit, of the same that is not", median, ""))
    }
}

fn target(server: &Server, keys: &Rc<[String]>) -> Done<Target> {
    let (address, keys) = (server.address, Rc::clone(keys));
    Ok(Target { address, protocol: Protocol::H1, tls: tls::trusting_nobody()?, keys })
}
