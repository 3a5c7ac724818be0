//! How much memory the process holds, looked at a few times a second.
//!
//! It tells whoever takes work in, and has the allocator give back what is free; it never
//! refuses anything itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Pages of Linux on every machine that this runs on, in bytes.
const PAGE: usize = 4096;

/// Bytes that mimalloc takes a region of its own for.
const LARGE: usize = 1 << 20;

/// Compares the process's resident memory with a ceiling.
#[derive(Clone)]
pub(super) struct MemoryWatch {
    ceiling: usize,
    full: Arc<AtomicBool>,
}

impl MemoryWatch {
    /// A watch with a ceiling in bytes.
    pub(super) fn new(ceiling: usize) -> Self {
        Self { ceiling, full: Arc::default() }
    }

    /// True while the ceiling is passed.
    pub(super) fn full(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.full)
    }

    /// Looks how many bytes are resident. Where the system does not tell, nothing is refused for it.
    pub(super) fn look(&self) -> Option<usize> {
        give_back();
        let resident = resident();
        let full = resident.is_some_and(|bytes| bytes > self.ceiling);
        if full != self.full.swap(full, Ordering::Relaxed) {
            if full {
                tracing::warn!(ceiling = self.ceiling, "memory ceiling passed, new requests are refused");
            } else {
                tracing::info!("memory is below its ceiling again");
            }
        }
        resident
    }
}

/// Has the allocator return what was freed a second ago. mimalloc does so only on the occasion
/// of another large block coming or going, and a gateway that has become idle has none: what a
/// flood of requests took would stay with the process, and one above its ceiling would refuse for
/// ever. No page of the block is touched.
fn give_back() {
    drop(std::hint::black_box(Vec::<u8>::with_capacity(LARGE)));
}

/// Resident memory in bytes; the second number of `statm` (proc(5)).
fn resident() -> Option<usize> {
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    text.split(' ').nth(1)?.parse::<usize>().ok().map(|pages| pages * PAGE)
}

#[cfg(test)]
mod tests {
    use super::{MemoryWatch, resident};
    use std::sync::atomic::Ordering;

    #[test]
    fn the_ceiling_is_compared_with_what_is_resident() {
        let now = resident().unwrap();
        assert!(now > 1 << 20 && now < 1 << 40, "{now}");
        for (ceiling, full) in [(1, true), (1 << 40, false)] {
            let watch = MemoryWatch::new(ceiling);
            watch.look();
            assert_eq!(watch.full().load(Ordering::Relaxed), full);
        }
    }
}
