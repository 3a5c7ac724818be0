//! Numbers that have to differ from one another and need not be secret: ids of traces and spans, jitter.
//!
//! xoshiro256++ of Blackman and Vigna, seeded by the system: 256 bits of state, so that no two workers of
//! no two replicas ever come upon each other's numbers, and some nanoseconds each, where asking the system
//! costs a call. Who has seen a few of its numbers can tell the next ones: nothing secret may be made of
//! them.

use std::cell::Cell;

use super::key::{NoRandomness, random};

/// One thread's numbers.
#[derive(Debug)]
pub struct Numbers(Cell<[u64; 4]>);

impl Numbers {
    /// Numbers like nobody else's.
    pub fn new() -> Result<Self, NoRandomness> {
        let seed: [[u8; 8]; 4] = [random()?, random()?, random()?, random()?];
        Ok(Self::of(seed.map(u64::from_le_bytes)))
    }

    /// The numbers that follow from a seed.
    pub fn of(seed: [u64; 4]) -> Self {
        // All zeros would stay so.
        Self(Cell::new(if seed == [0; 4] { [1; 4] } else { seed }))
    }

    /// The next one.
    #[inline]
    pub fn draw(&self) -> u64 {
        let [mut a, mut b, mut c, mut d] = self.0.get();
        let number = a.wrapping_add(d).rotate_left(23).wrapping_add(a);
        let shifted = b << 17;
        c ^= a;
        d ^= b;
        b ^= c;
        a ^= d;
        c ^= shifted;
        d = d.rotate_left(45);
        self.0.set([a, b, c, d]);
        number
    }

    /// The next one that is not zero.
    #[inline]
    pub fn some(&self) -> u64 {
        loop {
            let number = self.draw();
            if number != 0 {
                return number;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Numbers;
    use std::collections::HashSet;

    #[test]
    fn they_are_those_of_the_published_generator() {
        let numbers = Numbers::of([1, 2, 3, 4]);
        let first: Vec<u64> = (0..5).map(|_| numbers.draw()).collect();
        // Of the reference implementation in C with the same state.
        assert_eq!(
            first,
            [41_943_041, 58_720_359, 3_588_806_011_781_223, 3_591_011_842_654_386, 9_228_616_714_210_784_205]
        );
    }

    #[test]
    fn no_two_are_alike_and_none_of_two_threads() {
        let mut seen = HashSet::new();
        for numbers in [Numbers::new().unwrap(), Numbers::new().unwrap()] {
            assert!((0..10_000).all(|_| seen.insert(numbers.some())));
        }
        assert!(Numbers::of([0; 4]).some() != 0);
    }
}
