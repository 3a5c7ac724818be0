//! Memory of a gateway's process, as the kernel counts it (proc(5)).

use super::Gateway;

/// A mebibyte.
pub const MIB: usize = 1 << 20;

impl Gateway {
    /// Resident memory, in bytes.
    pub fn resident(&self) -> usize {
        self.memory("VmRSS:")
    }

    /// The most that was resident since the last [`Self::forget_peak`], in bytes.
    pub fn peak(&self) -> usize {
        self.memory("VmHWM:")
    }

    /// Begins a new measurement of the peak.
    pub fn forget_peak(&self) {
        std::fs::write(format!("/proc/{}/clear_refs", self.pid()), "5").unwrap();
    }

    fn memory(&self, line: &str) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let told = status.lines().find_map(|told| told.strip_prefix(line)).unwrap();
        told.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
    }
}
