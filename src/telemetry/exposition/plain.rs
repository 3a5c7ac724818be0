//! From `OpenMetrics` to the older text format of Prometheus, which differ in how families of
//! counters are named and in the mark at the end.
//!
//! Series are the same in both, to the byte.

/// The page in the older format.
pub(super) fn plain(page: &str) -> String {
    let mut out = String::with_capacity(page.len() + 1_024);
    let mut lines = page.lines().peekable();
    while let Some(line) = lines.next() {
        if line == "# EOF" || line.starts_with("# UNIT ") {
            continue;
        }
        // What a family is stands in the line below what it is for.
        let kind = lines.peek().copied().filter(|_| line.starts_with("# HELP ")).unwrap_or(line);
        match name_of_counter(kind) {
            Some(name) if line.starts_with("# HELP ") => described(&mut out, "# HELP ", name, line),
            Some(name) => described(&mut out, "# TYPE ", name, line),
            None => out.push_str(line),
        }
        out.push('\n');
    }
    out
}

/// The name of the family that a line says is one of counters.
fn name_of_counter(line: &str) -> Option<&str> {
    line.strip_prefix("# TYPE ")?.strip_suffix(" counter")
}

/// A line about a family, with the name that its series have.
fn described(out: &mut String, begin: &str, name: &str, line: &str) {
    let rest = line.strip_prefix(begin).and_then(|rest| rest.strip_prefix(name)).unwrap_or_default();
    out.push_str(begin);
    out.push_str(name);
    out.push_str("_total");
    out.push_str(rest);
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn counters_are_named_like_their_series_and_nothing_else_changes() {
        let page = "# HELP a_requests Requests, counter.\n# TYPE a_requests counter\na_requests_total{b=\"# TYPE x counter\"} 1\n# HELP a_keys Keys.\n# TYPE a_keys gauge\na_keys 1.0\n# HELP a_size_bytes Size.\n# TYPE a_size_bytes gauge\n# UNIT a_size_bytes bytes\na_size_bytes 2\n# EOF\n";
        let told = "# HELP a_requests_total Requests, counter.\n# TYPE a_requests_total counter\na_requests_total{b=\"# TYPE x counter\"} 1\n# HELP a_keys Keys.\n# TYPE a_keys gauge\na_keys 1.0\n# HELP a_size_bytes Size.\n# TYPE a_size_bytes gauge\na_size_bytes 2\n";
        assert_eq!(plain(page), told);
    }
}
