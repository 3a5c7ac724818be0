//! Rounds: every target measured once in each, the order reversed from round to round, so that
//! drift of a shared machine meets all alike.
//!
//! The target has one core for itself, load and upstream share another. Before each cell one
//! call is compared with the expected answer. A target that fails is out of the rest of the
//! rounds, and has no figures.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use super::lineup::Contender;
use crate::Done;
use crate::load::{Load, check};
use crate::machine::{Cores, Figures, Ticks};
use crate::report::{Progress, Sample};
use crate::targets::server::Server;
use crate::transport::Protocol;

/// Load before each cell that is not counted: connections, caches, allocator.
pub(crate) const WARM_UP: Duration = Duration::from_millis(400);
/// Rounds and seconds of `--quick`.
const QUICK: (u8, u8) = (3, 1);

/// How much is measured.
#[derive(clap::Args)]
pub(crate) struct Extent {
    /// What to speak, separated by commas: h1 (HTTP/1.1, plaintext), h1-tls, h2-tls.
    #[arg(long, value_delimiter = ',', value_name = "LIST", default_values = ["h1", "h1-tls", "h2-tls"])]
    pub(crate) protocols: Vec<Protocol>,
    /// Rounds; at least five for a claim.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u8).range(1..=50))]
    rounds: u8,
    /// Seconds that a target is measured in each round.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=60))]
    seconds: u8,
    /// Three rounds of one second: enough to see that it works, not for a claim.
    #[arg(long, conflicts_with_all = ["rounds", "seconds"])]
    quick: bool,
    /// Calls in flight: connections, or with HTTP/2 streams, four on a connection.
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) connections: u16,
}

impl Extent {
    /// How many.
    pub(crate) fn count(&self) -> u8 {
        if self.quick { QUICK.0 } else { self.rounds }
    }

    /// How long a target is measured in each.
    pub(crate) fn length(&self) -> Duration {
        Duration::from_secs(u64::from(if self.quick { QUICK.1 } else { self.seconds }))
    }

    /// How long a target takes in one round, about.
    pub(crate) fn cell(&self) -> Duration {
        self.length() + WARM_UP
    }

    /// Measures each target once in every round; figures by target, in their order.
    pub(crate) async fn interleave<T>(
        &self,
        contenders: &[Contender],
        with: &str,
        progress: &Progress,
        measure: impl AsyncFn(&Contender) -> Done<T>,
    ) -> Vec<Done<Vec<T>>> {
        let mut outcomes: Vec<_> = contenders.iter().map(|contender| (contender, Ok(Vec::new()))).collect();
        let rounds = self.count();
        for round in 1..=rounds {
            for (contender, outcome) in &mut outcomes {
                progress.step(&format!("{}, {with}, round {round} of {rounds}", contender.name));
                let Ok(figures) = outcome else { continue };
                match measure(contender).await {
                    Ok(figure) => figures.push(figure),
                    Err(said) => *outcome = Err(said),
                }
            }
            outcomes.reverse();
        }
        if rounds % 2 == 1 {
            outcomes.reverse();
        }
        outcomes.into_iter().map(|(_, outcome)| outcome).collect()
    }

    /// One cell of a closed loop: what a request costs while the target's core is full.
    pub(crate) async fn saturated(&self, contender: &Contender, cores: Cores) -> Done<Sample> {
        check(&contender.target).await?;
        let load = Load::start(&contender.target, usize::from(self.connections))?;
        sleep(WARM_UP).await;
        load.begin();
        let meter = Meter::start(contender, cores)?;
        sleep(self.length()).await;
        let counted = load.counted();
        let sample = meter.stop(counted.requests)?;
        load.stop().await?;
        if let Some(error) = counted.first_error {
            return Err(error);
        }
        Ok(Sample { p50_us: counted.p50_us, errors: counted.errors, ..sample })
    }
}

/// What a target and both cores spend from a moment on.
pub(crate) struct Meter<'c> {
    server: &'c Server,
    cores: Cores,
    before: Figures,
    ticks: [Ticks; 2],
    begun: Instant,
}

impl<'c> Meter<'c> {
    /// Begins to count.
    pub(crate) fn start(contender: &'c Contender, cores: Cores) -> Done<Self> {
        let server = contender.server()?;
        let ticks = [cores.target, cores.load].map(Ticks::of);
        Ok(Self { server, cores, before: server.figures()?, ticks, begun: Instant::now() })
    }

    /// What each of `count` things cost.
    pub(crate) fn stop(self, count: u64) -> Done<Sample> {
        let (took, before) = (self.begun.elapsed(), &self.before);
        let after = self.server.figures()?;
        let [target, load] = self.ticks;
        // Below 2^32 for any run that the options allow.
        let figure = |count: u64| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
        let count = figure(count).max(1.0);
        let each = |time: Duration| time.as_secs_f64() * 1e6 / count;
        let divided = after.divided_since(before);
        let switches = [
            after.voluntary_switches.saturating_sub(before.voluntary_switches),
            after.involuntary_switches.saturating_sub(before.involuntary_switches),
        ];
        Ok(Sample {
            cpu_us: each(after.cpu.saturating_sub(before.cpu)),
            per_second: count / took.as_secs_f64(),
            target_busy: Ticks::of(self.cores.target).busy_since(target),
            load_busy: Ticks::of(self.cores.load).busy_since(load),
            user_us: divided.map(|(user, _)| each(user)),
            system_us: divided.map(|(_, system)| each(system)),
            context_switches: Some(switches.map(figure).iter().sum::<f64>() / count),
            rss: after.resident,
            idle_rss: Some(self.server.idle_rss),
            peak_rss: Some(after.peak),
            ..Sample::default()
        })
    }
}
