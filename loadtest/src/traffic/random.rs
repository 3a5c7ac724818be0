//! Chance for the load: seeded, so that two runs ask for the same in the same order.
//!
//! It must never be used for a secret: whoever knows the seed knows it all.

/// `SplitMix64` (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014).
#[derive(Clone)]
pub(crate) struct Random(u64);

impl Random {
    /// With a seed; equal seeds give equal sequences.
    pub(crate) fn seeded(seed: u64) -> Self {
        Self(seed)
    }

    /// Any 64 bits.
    pub(crate) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From 0 to below 1, in steps of 2^-32.
    pub(crate) fn unit(&mut self) -> f64 {
        f64::from((self.bits() >> 32) as u32) / 4_294_967_296.0
    }

    /// Exponential with mean 1: the gaps of a Poisson process.
    pub(crate) fn exponential(&mut self) -> f64 {
        -(1.0 - self.unit()).ln()
    }
}

#[cfg(test)]
mod tests {
    use super::Random;

    #[test]
    fn it_is_even_and_exponential_and_repeats() {
        let (mut one, mut same) = (Random::seeded(7), Random::seeded(7));
        let (mut even, mut gaps) = (0.0, 0.0);
        for _ in 0..100_000 {
            let unit = one.unit();
            assert!((0.0..1.0).contains(&unit));
            assert!((unit - same.unit()).abs() < f64::EPSILON);
            even += unit;
            gaps += one.exponential();
            same.bits();
        }
        // Seven standard deviations of the mean of so many.
        assert!((even / 100_000.0 - 0.5).abs() < 0.0065, "{even}");
        assert!((gaps / 100_000.0 - 1.0).abs() < 0.022, "{gaps}");
    }
}
