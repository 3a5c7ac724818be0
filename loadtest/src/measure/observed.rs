//! What a process used while a load went on, per request.
//!
//! The warm-up is in it: the counts are taken over the same time as the requests.

use serde_json::{Value, json};

use crate::Done;
use crate::machine::{Counters, Figures, figures};

/// A process that is looked at while a load goes on.
pub(crate) struct Observation {
    pid: u32,
    before: Figures,
    counters: Done<Counters>,
}

/// What it used.
pub(crate) struct Observed {
    requests: f64,
    before: Figures,
    after: Figures,
    /// Or why there are none.
    counters: Done<Vec<(&'static str, u64)>>,
}

impl Observation {
    /// From now on.
    pub(crate) fn start(pid: u32) -> Done<Self> {
        Ok(Self { pid, counters: Counters::start(pid), before: figures(pid)? })
    }

    /// Until now, over so many requests.
    pub(crate) fn stop(self, requests: u64) -> Done<Observed> {
        let after = figures(self.pid)?;
        let counters = self.counters.and_then(Counters::stop);
        Ok(Observed { requests: count(requests).max(1.0), before: self.before, after, counters })
    }
}

impl Observed {
    /// The figures for a person.
    pub(crate) fn text(&self) -> String {
        let [cpu, user, system] = self.cpu_us();
        let told = |figure: Option<f64>| figure.map_or_else(|| "–".to_owned(), |us| format!("{us:.2}"));
        let (voluntary, involuntary) = self.switches();
        let counters = match &self.counters {
            Ok(counts) => counts
                .iter()
                .map(|(name, number)| format!("{name} {:.0}", count(*number) / self.requests))
                .collect::<Vec<_>>()
                .join(", "),
            Err(said) => said.clone(),
        };
        format!(
            "per request: CPU {} µs (user {}, system {}), switches {voluntary:.3} of its own and {involuntary:.3} not; {counters}\n\
             held at the end: {} MiB resident, {} at most, {} descriptors",
            told(cpu),
            told(user),
            told(system),
            self.after.resident >> 20,
            self.after.peak >> 20,
            self.after.descriptors,
        )
    }

    /// The same for programs; what was not measured is null.
    pub(crate) fn json(&self) -> Value {
        let [cpu, user, system] = self.cpu_us();
        let (voluntary, involuntary) = self.switches();
        let per_request =
            |(name, number): &(&str, u64)| ((*name).to_owned(), json!(count(*number) / self.requests));
        json!({
            "cpu_us_per_request": cpu,
            "user_us_per_request": user,
            "system_us_per_request": system,
            "voluntary_switches_per_request": voluntary,
            "involuntary_switches_per_request": involuntary,
            "rss_bytes": self.after.resident,
            "peak_rss_bytes": self.after.peak,
            "descriptors": self.after.descriptors,
            "counters_per_request": self.counters.as_ref().ok().map(|counts| counts.iter().map(per_request).collect::<serde_json::Map<_, _>>()),
            "no_counters_because": self.counters.as_ref().err(),
        })
    }

    fn cpu_us(&self) -> [Option<f64>; 3] {
        let each = |time: std::time::Duration| time.as_secs_f64() * 1e6 / self.requests;
        let divided = self.after.divided_since(&self.before);
        let cpu = self.after.cpu.saturating_sub(self.before.cpu);
        [Some(each(cpu)), divided.map(|(user, _)| each(user)), divided.map(|(_, system)| each(system))]
    }

    fn switches(&self) -> (f64, f64) {
        let each = |after: u64, before: u64| count(after.saturating_sub(before)) / self.requests;
        (
            each(self.after.voluntary_switches, self.before.voluntary_switches),
            each(self.after.involuntary_switches, self.before.involuntary_switches),
        )
    }
}

/// A count as a figure.
#[expect(clippy::cast_precision_loss, reason = "counts of a run lie far below 2^52")]
fn count(number: u64) -> f64 {
    number as f64
}
