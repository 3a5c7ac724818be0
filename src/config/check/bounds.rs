//! Limits of time, size and number: each within a range in which it still protects.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::Check;
use crate::config::raw::RawBounds;
use crate::config::settings::Bounds;
use crate::config::units;

const KIB: usize = 1024;
const GIB: usize = 1 << 30;

impl Check<'_> {
    pub(super) fn bounds(&mut self, raw: &RawBounds) -> Bounds {
        let bounds = Bounds {
            body: self.size("bounds.body", &raw.body, KIB..=GIB),
            bodies: self.size("bounds.bodies", &raw.bodies, KIB..=64 * GIB),
            head_size: self.size("bounds.head_size", &raw.head_size, KIB..=KIB * KIB),
            memory: self.size("bounds.memory", &raw.memory, 64 * KIB * KIB..=1024 * GIB),
            handshake: self.wait("bounds.handshake", &raw.handshake),
            head: self.wait("bounds.head", &raw.head),
            idle: self.wait("bounds.idle", &raw.idle),
            body_idle: self.wait("bounds.body_idle", &raw.body_idle),
            body_total: self.wait("bounds.body_total", &raw.body_total),
            write_idle: self.wait("bounds.write_idle", &raw.write_idle),
            connect: self.wait("bounds.connect", &raw.connect),
            first_byte: self.wait("bounds.first_byte", &raw.first_byte),
            upstream_idle: self.wait("bounds.upstream_idle", &raw.upstream_idle),
            answer_idle: self.wait("bounds.answer_idle", &raw.answer_idle),
            stream_idle: self.wait("bounds.stream_idle", &raw.stream_idle),
            stream_comment: self.wait("bounds.stream_comment", &raw.stream_comment),
            session: self.duration(
                "bounds.session",
                &raw.session,
                Duration::from_secs(1),
                Duration::from_secs(31 * 86_400),
            ),
            connections: self.number("bounds.connections", raw.connections),
            requests: self.number("bounds.requests", raw.requests),
            streams: self.number("bounds.streams", raw.streams),
            buckets: self.buckets("bounds.buckets", raw.buckets),
            addresses: self.buckets("bounds.addresses", raw.addresses),
        };
        if bounds.bodies < bounds.body && self.faults.0.is_empty() {
            self.faults.add(
                "bounds.bodies",
                format!("{} bytes, less than one body of bounds.body", bounds.bodies),
                "at least bounds.body",
            );
        }
        bounds
    }

    /// Any wait of the request path.
    pub(super) fn wait(&mut self, path: &str, text: &str) -> Duration {
        self.duration(path, text, Duration::from_millis(10), Duration::from_secs(86_400))
    }

    /// A size with its unit, within a range in bytes.
    pub(super) fn size(&mut self, path: &str, text: &str, range: RangeInclusive<usize>) -> usize {
        match units::size(text).and_then(|bytes| usize::try_from(bytes).ok()) {
            Some(bytes) if range.contains(&bytes) => bytes,
            _ => {
                let (least, most) = (in_units(*range.start()), in_units(*range.end()));
                self.faults.add(
                    path,
                    format!("the string {text:?}"),
                    format!("a size with its unit from {least} to {most}, e.g. {least}, 4MiB"),
                );
                *range.start()
            }
        }
    }

    fn buckets(&mut self, path: &str, count: u32) -> usize {
        if !(1..=100_000_000).contains(&count) {
            self.faults.add(path, count.to_string(), "a number from 1 to 100000000");
        }
        count as usize
    }

    fn number(&mut self, path: &str, count: u32) -> usize {
        if !(1..=1_000_000).contains(&count) {
            self.faults.add(path, count.to_string(), "a number from 1 to 1000000");
        }
        count as usize
    }
}

pub(super) fn in_units(bytes: usize) -> String {
    match bytes {
        GIB.. => format!("{}GiB", bytes / GIB),
        0x10_0000.. => format!("{}MiB", bytes / KIB / KIB),
        _ => format!("{}KiB", bytes / KIB),
    }
}
