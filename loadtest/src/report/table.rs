//! The table on the screen.

use super::Report;

impl Report {
    /// The table for the screen.
    pub(crate) fn table(&self) -> String {
        let mut text = format!(
            "{:<18} {:<17} {:>22} {:>8} {:>10} {:>9} {:>8} {:>13}\n",
            "target",
            "protocol",
            "CPU µs/request",
            "× floor",
            "requests/s",
            "p50 µs",
            "RSS MiB",
            "cores busy %"
        );
        for cell in &self.cells {
            let cpu = &cell.cpu_us_per_request;
            let spread = format!("{:.2} ({:.2}–{:.2})", cpu.median, cpu.min, cpu.max);
            let busy = format!("{:.0} / {:.0}", cell.core_busy.target * 100.0, cell.core_busy.load * 100.0);
            text.push_str(&format!(
                "{:<18} {:<17} {:>22} {:>8.3} {:>10.0} {:>9.0} {:>8} {:>13}{}\n",
                cell.target,
                cell.protocol,
                spread,
                cell.ratio_to_floor.unwrap_or(f64::NAN),
                cell.requests_per_second,
                cell.p50_us,
                cell.rss_bytes >> 20,
                busy,
                if cell.valid { "" } else { "  INVALID" },
            ));
        }
        text
    }
}
