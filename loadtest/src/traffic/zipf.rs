//! Skewed popularity: of N keys, the k-th is drawn in proportion to `k^-s` (Zipf's law).
//!
//! By rejection inversion (Hörmann, Derflinger: Rejection-inversion to generate variates from
//! monotone discrete distributions, 1996): no table, so a million keys cost nothing.

use super::random::Random;

/// The distribution over ranks 1 to `count`.
#[derive(Clone)]
pub(crate) struct Zipf {
    count: f64,
    exponent: f64,
    /// The integral's value at the ends of the range.
    low: f64,
    high: f64,
}

impl Zipf {
    /// Over `count` ranks (at least one) with an exponent above 0; about 1 is common.
    pub(crate) fn new(count: u32, exponent: f64) -> Self {
        let count = f64::from(count.max(1));
        let mut zipf = Self { count, exponent, low: 0.0, high: 0.0 };
        zipf.low = zipf.integral(1.5) - 1.0;
        zipf.high = zipf.integral(count + 0.5);
        zipf
    }

    /// The index of a rank, from 0.
    pub(crate) fn draw(&self, random: &mut Random) -> u32 {
        loop {
            let area = self.high + random.unit() * (self.low - self.high);
            let exact = self.inverse(area);
            let rank = exact.round().clamp(1.0, self.count);
            if area >= self.integral(rank + 0.5) - rank.powf(-self.exponent) {
                #[expect(clippy::cast_sign_loss, reason = "a rank is between 1 and a u32")]
                return rank as u32 - 1;
            }
        }
    }

    /// Of `x^-s`, from 1 to `x`.
    fn integral(&self, x: f64) -> f64 {
        let over = 1.0 - self.exponent;
        if over.abs() < 1e-9 { x.ln() } else { (x.powf(over) - 1.0) / over }
    }

    fn inverse(&self, area: f64) -> f64 {
        let over = 1.0 - self.exponent;
        if over.abs() < 1e-9 { area.exp() } else { (1.0 + area * over).powf(1.0 / over) }
    }
}

#[cfg(test)]
mod tests {
    use super::Zipf;
    use crate::traffic::Random;

    #[test]
    fn ranks_come_as_often_as_the_law_says() {
        const DRAWS: u32 = 200_000;
        for exponent in [0.7, 1.0, 1.3] {
            let (zipf, mut random) = (Zipf::new(1000, exponent), Random::seeded(3));
            let mut drawn = vec![0_u32; 1000];
            for _ in 0..DRAWS {
                drawn[zipf.draw(&mut random) as usize] += 1;
            }
            let all: f64 = (1..=1000).map(|rank| f64::from(rank).powf(-exponent)).sum();
            for rank in [1_u32, 2, 3, 10, 100, 1000] {
                let expected = f64::from(DRAWS) * f64::from(rank).powf(-exponent) / all;
                let found = f64::from(drawn[rank as usize - 1]);
                // Six standard deviations of a count.
                assert!((found - expected).abs() < 6.0 * expected.sqrt(), "{rank}: {found} {expected}");
            }
        }
        let (one, mut random) = (Zipf::new(1, 1.0), Random::seeded(3));
        assert_eq!(one.draw(&mut random), 0);
    }
}
