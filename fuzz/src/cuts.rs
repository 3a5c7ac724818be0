//! The places where an input is cut into what arrives at once: a reader's answer may not
//! depend on them.

/// Bytes that arrive at a time, in the runs that one input is put through.
const STEPS: [usize; 5] = [1, 2, 3, 7, 64];

/// Most parts of a run: readers look at all that arrived each time, so a long input in single
/// bytes would take a second.
const PARTS: usize = 512;

/// The runs: each is the parts that arrive, in order.
pub fn runs(data: &[u8]) -> impl Iterator<Item = Vec<&[u8]>> {
    // The last run cuts where the input itself says, in two.
    let place = data.last().map_or(0, |byte| usize::from(*byte) % data.len());
    let (before, after) = data.split_at(place);
    let steps = STEPS.into_iter().filter(|step| data.len() <= step * PARTS);
    steps.map(|step| data.chunks(step).collect()).chain([vec![before, after]])
}
