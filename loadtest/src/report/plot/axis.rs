//! Axes: from figures to places, and the figures that are written beside them.

use crate::report::number::decimals;

/// Steps that a person counts in.
const STEPS: [f64; 4] = [1.0, 2.0, 5.0, 10.0];
/// Spaces between ticks, at most.
const SPACES: u32 = 6;

/// One axis, with places from 0 to 1.
pub(super) struct Axis {
    pub(super) title: String,
    low: f64,
    high: f64,
    logarithmic: bool,
    pub(super) ticks: Vec<(f64, String)>,
}

impl Axis {
    /// From zero to somewhat above the largest figure.
    pub(super) fn linear(title: &str, most: f64) -> Self {
        let most = if most.is_finite() && most > 0.0 { most } else { 1.0 };
        let step = round_step(most / f64::from(SPACES));
        let places = (0..9).find(|places| step * 10_f64.powi(*places) > 0.999).unwrap_or(9);
        let mut ticks = Vec::new();
        for number in 0..=SPACES + 1 {
            let tick = f64::from(number) * step;
            ticks.push((tick, decimals(tick, usize::try_from(places).unwrap_or(0))));
            if tick >= most {
                break;
            }
        }
        let high = ticks.last().map_or(most, |(tick, _)| *tick);
        Self { title: title.to_owned(), low: 0.0, high, logarithmic: false, ticks }
    }

    /// Decades, each with 1, 2 and 5; both figures above zero.
    pub(super) fn logarithmic(title: &str, least: f64, most: f64) -> Self {
        let (least, most) = (least.max(1e-3), most.max(least.max(1e-3) * 2.0));
        let mut ticks = Vec::new();
        'all: for decade in -3..12 {
            for step in [1.0, 2.0, 5.0] {
                let tick = step * 10_f64.powi(decade);
                let next = tick * if step > 1.5 && step < 3.0 { 2.5 } else { 2.0 };
                if next > least {
                    ticks.push((tick, decimals(tick, if decade < 0 { 3 } else { 0 })));
                }
                if tick >= most {
                    break 'all;
                }
            }
        }
        let (low, high) =
            (ticks.first().map_or(least, |tick| tick.0), ticks.last().map_or(most, |tick| tick.0));
        Self { title: title.to_owned(), low, high, logarithmic: true, ticks }
    }

    /// Quantiles by their nines: each nine takes the same room.
    pub(super) fn nines(most: f64) -> Self {
        let all = [
            (0.0, "0 %"),
            (nines(0.5), "50 %"),
            (1.0, "90 %"),
            (2.0, "99 %"),
            (3.0, "99.9 %"),
            (4.0, "99.99 %"),
            (5.0, "99.999 %"),
            (6.0, "99.9999 %"),
        ];
        let high = if most.is_finite() { most.clamp(1.0, 7.0) } else { 1.0 };
        let ticks = all.iter().filter(|(tick, _)| *tick <= high + 1e-9);
        let ticks = ticks.map(|(tick, label)| (*tick, (*label).to_owned())).collect();
        let title = "part of the requests that were answered within this time".to_owned();
        Self { title, low: 0.0, high, logarithmic: false, ticks }
    }

    /// Where a figure lies, 0 to 1.
    pub(super) fn place(&self, figure: f64) -> f64 {
        if self.logarithmic {
            (figure.max(self.low) / self.low).ln() / (self.high / self.low).ln()
        } else {
            (figure - self.low) / (self.high - self.low)
        }
    }
}

/// How many nines a quantile has: 0.99 has two.
pub(super) fn nines(quantile: f64) -> f64 {
    -(1.0 - quantile).log10()
}

/// The next step that a person counts in.
fn round_step(least: f64) -> f64 {
    let decade = 10_f64.powf(least.log10().floor());
    STEPS.iter().map(|step| step * decade).find(|step| *step >= least * 0.999).unwrap_or(least)
}

#[cfg(test)]
mod tests {
    use super::{Axis, nines};

    #[test]
    fn ticks_are_round_and_hold_every_figure() {
        for most in [0.003, 0.7, 1.0, 9.99, 34.8, 114.0, 55_000.0, 3e6] {
            let axis = Axis::linear("", most);
            assert!(axis.place(most) <= 1.0 && axis.place(most) > 0.7, "{most}");
            assert!((3..=8).contains(&axis.ticks.len()), "{most}: {:?}", axis.ticks);
            assert!(axis.ticks.windows(2).all(|pair| pair[0].1 != pair[1].1), "{:?}", axis.ticks);
        }
        for (least, most) in [(90.0, 20_000.0), (100.0, 100.0), (0.02, 5.0)] {
            let axis = Axis::logarithmic("", least, most);
            assert!(axis.place(least) >= 0.0 && axis.place(most) <= 1.0, "{least} {most}: {:?}", axis.ticks);
        }
        assert!(Axis::linear("", f64::NAN).place(0.5).is_finite());
    }

    #[test]
    fn a_nine_is_a_nine() {
        assert!((nines(0.999) - 3.0).abs() < 1e-9);
        assert_eq!(Axis::nines(3.4).ticks.last().unwrap().1, "99.9 %");
    }
}
