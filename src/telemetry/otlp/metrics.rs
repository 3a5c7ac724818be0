//! Metrics: the numbers of the page that Prometheus reads, and nothing else, so that the two never differ.
//!
//! The page in `OpenMetrics` text is read back, which says of each family what it is; it is this process's own, so
//! a line that is not understood is left out. Families keep their names, counters without `_total`, as
//! `OpenTelemetry` has it for what comes from Prometheus.

use std::borrow::Cow;

use super::fields::text;
use super::queue::{BATCH_BYTES, Batch};
use crate::wire::protobuf::Writer;

/// Sums count from the start of the process.
const CUMULATIVE: u64 = 2;

/// When the numbers are from, in nanoseconds since 1970.
#[derive(Clone, Copy, Debug)]
pub(super) struct When {
    /// When counting began.
    pub(super) started: u64,
    /// When the page was made.
    pub(super) now: u64,
}

/// The page as batches of metrics; what is counted are data points.
pub(super) fn batches(page: &str, when: When) -> Vec<Batch> {
    let mut reading = Reading { when, family: Family::default(), batch: Batch::default(), done: Vec::new() };
    let mut help = "";
    for line in page.lines() {
        if let Some(told) = line.strip_prefix("# HELP ") {
            help = told.split_once(' ').map_or("", |(_, help)| help);
        } else if let Some(told) = line.strip_prefix("# TYPE ") {
            reading.end_family();
            let (name, kind) = told.split_once(' ').unwrap_or((told, ""));
            reading.family = Family::begin(name, kind, help.trim_end_matches('.'));
        } else if !line.starts_with('#') {
            reading.sample(line);
        }
    }
    reading.end_family();
    if reading.batch.count > 0 {
        reading.done.push(reading.batch);
    }
    reading.done
}

struct Reading<'p> {
    when: When,
    family: Family<'p>,
    batch: Batch,
    done: Vec<Batch>,
}

/// What the lines so far say of one family.
#[derive(Default)]
struct Family<'p> {
    name: &'p str,
    kind: Kind,
    help: &'p str,
    points: Writer,
    count: u64,
    histogram: Option<Histogram<'p>>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Kind {
    Counter,
    Histogram,
    #[default]
    Gauge,
}

/// One histogram, of which lines are still to come.
struct Histogram<'p> {
    labels: Vec<Label<'p>>,
    sum: f64,
    /// Upper bounds and how many are within.
    buckets: Vec<(f64, u64)>,
}

impl<'p> Family<'p> {
    fn begin(name: &'p str, kind: &str, help: &'p str) -> Self {
        let kind = match kind {
            "counter" => Kind::Counter,
            "histogram" => Kind::Histogram,
            _ => Kind::Gauge,
        };
        Self { name, kind, help, ..Self::default() }
    }

    /// The field of a metric that holds points of its kind.
    fn field(&self) -> u32 {
        match self.kind {
            Kind::Gauge => 5,
            Kind::Counter => 7,
            Kind::Histogram => 9,
        }
    }

    fn unit(&self) -> &'static str {
        match self.name {
            name if name.ends_with("_seconds") => "s",
            name if name.ends_with("_bytes") => "By",
            _ => "",
        }
    }
}

impl<'p> Reading<'p> {
    fn sample(&mut self, line: &'p str) {
        let Some((name, labels, value)) = parts(line) else { return };
        let Some(part) = name.strip_prefix(self.family.name) else { return };
        match (self.family.kind, part) {
            (Kind::Counter, "_total") | (Kind::Gauge, "") => self.point(&labels, value),
            (Kind::Histogram, "_bucket" | "_sum" | "_count") => self.of_histogram(part, labels, value),
            _ => {}
        }
    }

    fn point(&mut self, labels: &[Label<'_>], value: &str) {
        let when = self.when;
        let is_sum = self.family.kind == Kind::Counter;
        self.family.points.message(1, |point| {
            if is_sum {
                point.fixed64(2, when.started);
            }
            point.fixed64(3, when.now);
            match value.parse::<i64>() {
                Ok(whole) => point.some_fixed64(6, whole.cast_unsigned()),
                Err(_) => point.some_double(4, value.parse().unwrap_or(f64::NAN)),
            }
            for (key, value) in labels {
                text(point, 7, key, value);
            }
        });
        self.counted();
    }

    fn of_histogram(&mut self, part: &str, mut labels: Vec<Label<'p>>, value: &str) {
        let le = labels.iter().position(|(name, _)| *name == "le").map(|at| labels.remove(at).1);
        if self.family.histogram.as_ref().is_some_and(|histogram| histogram.labels != labels) {
            self.end_histogram();
        }
        let empty = || Histogram { labels, sum: 0.0, buckets: Vec::new() };
        let histogram = self.family.histogram.get_or_insert_with(empty);
        match (part, le) {
            ("_sum", _) => histogram.sum = value.parse().unwrap_or(0.0),
            ("_bucket", Some(le)) => {
                let bound = if le == "+Inf" { f64::INFINITY } else { le.parse().unwrap_or(f64::INFINITY) };
                histogram.buckets.push((bound, value.parse().unwrap_or(0)));
            }
            // It is what the last bucket says.
            _ => {}
        }
    }

    fn end_histogram(&mut self) {
        let Some(histogram) = self.family.histogram.take() else { return };
        let when = self.when;
        let below = std::iter::once(0).chain(histogram.buckets.iter().map(|(_, within)| *within));
        let each: Vec<u64> = histogram
            .buckets
            .iter()
            .zip(below)
            .map(|((_, within), below)| within.saturating_sub(below))
            .collect();
        let bounds: Vec<f64> =
            histogram.buckets.iter().map(|(bound, _)| *bound).filter(|bound| bound.is_finite()).collect();
        self.family.points.message(1, |point| {
            point.fixed64(2, when.started);
            point.fixed64(3, when.now);
            point.some_fixed64(4, each.iter().sum());
            point.some_double(5, histogram.sum);
            point.packed(6, each.into_iter());
            point.packed(7, bounds.into_iter().map(f64::to_bits));
            for (key, value) in &histogram.labels {
                text(point, 9, key, value);
            }
        });
        self.counted();
    }

    /// One more point; a request is not to grow for ever.
    fn counted(&mut self) {
        self.family.count += 1;
        if self.family.points.bytes().len() >= BATCH_BYTES {
            self.put_metric();
        }
    }

    fn end_family(&mut self) {
        self.end_histogram();
        self.put_metric();
    }

    fn put_metric(&mut self) {
        let family = &mut self.family;
        if family.count == 0 {
            return;
        }
        let mut metric = Writer::new();
        metric.text(1, family.name);
        metric.text(2, family.help);
        metric.text(3, family.unit());
        metric.message(family.field(), |data| {
            data.append(family.points.bytes());
            if family.kind != Kind::Gauge {
                data.number(2, CUMULATIVE);
            }
            data.number(3, u64::from(family.kind == Kind::Counter));
        });
        self.batch.push(metric.bytes());
        // What is counted of metrics are points, of which a metric has many.
        self.batch.count += family.count - 1;
        family.points.clear();
        family.count = 0;
        if self.batch.records.bytes().len() >= BATCH_BYTES {
            self.done.push(std::mem::take(&mut self.batch));
        }
    }
}

/// A label's name and value.
type Label<'p> = (&'p str, Cow<'p, str>);

/// A sample's name, labels and value.
fn parts(line: &str) -> Option<(&str, Vec<Label<'_>>, &str)> {
    let (name, rest) = line.split_at_checked(line.find(['{', ' '])?)?;
    let (mut labels, mut rest) = (Vec::new(), rest);
    if let Some(inner) = rest.strip_prefix('{') {
        rest = inner;
        while !rest.starts_with('}') {
            let (key, behind) = rest.trim_start_matches(',').split_once("=\"")?;
            let (value, behind) = behind.split_at_checked(end_of(behind)?)?;
            labels.push((key, unescaped(value)));
            rest = behind.strip_prefix('"')?;
        }
        rest = rest.strip_prefix('}')?;
    }
    let value = rest.trim_start().split(' ').next().filter(|value| !value.is_empty())?;
    Some((name, labels, value))
}

/// Where the quote is that ends a label's value.
fn end_of(value: &str) -> Option<usize> {
    let mut escaped = false;
    value.bytes().position(|byte| match byte {
        _ if escaped => {
            escaped = false;
            false
        }
        b'\\' => {
            escaped = true;
            false
        }
        byte => byte == b'"',
    })
}

fn unescaped(value: &str) -> Cow<'_, str> {
    if !value.contains('\\') {
        return Cow::Borrowed(value);
    }
    let (mut plain, mut characters) = (String::with_capacity(value.len()), value.chars());
    while let Some(character) = characters.next() {
        plain.push(match character {
            '\\' => match characters.next() {
                Some('n') => '\n',
                Some(other) => other,
                None => '\\',
            },
            other => other,
        });
    }
    Cow::Owned(plain)
}

#[cfg(test)]
mod tests {
    use super::{When, batches, parts};
    use crate::wire::protobuf::{Value, fields, last};
    use std::borrow::Cow;

    const WHEN: When = When { started: 5, now: 9 };
    const PAGE: &str = r#"# HELP a_requests Requests.
# TYPE a_requests counter
a_requests_total{server="crm",tool="a \"b\" \\ c"} 3
a_requests_total{server="crm",tool="} 1"} 4
# HELP a_keys Keys.
# TYPE a_keys gauge
a_keys 1.0
# HELP a_seconds Times.
# TYPE a_seconds histogram
# UNIT a_seconds seconds
a_seconds_sum{stage="whole"} 2.5
a_seconds_count{stage="whole"} 6
a_seconds_bucket{le="0.5",stage="whole"} 2
a_seconds_bucket{le="1.0",stage="whole"} 5
a_seconds_bucket{le="+Inf",stage="whole"} 6
a_seconds_sum{stage="own"} 0.0
a_seconds_count{stage="own"} 0
a_seconds_bucket{le="0.5",stage="own"} 0
a_seconds_bucket{le="1.0",stage="own"} 0
a_seconds_bucket{le="+Inf",stage="own"} 0
# EOF
"#;

    fn metrics(page: &str) -> (u64, Vec<Vec<u8>>) {
        let batches = batches(page, WHEN);
        let metrics = batches.iter().flat_map(|batch| fields(batch.records.bytes()));
        let metrics = metrics.map(|(_, metric)| metric.bytes().to_vec()).collect();
        (batches.iter().map(|batch| batch.count).sum(), metrics)
    }

    #[test]
    fn each_family_is_a_metric_of_its_kind() {
        let (points, metrics) = metrics(PAGE);
        assert_eq!((points, metrics.len()), (5, 3));
        let text =
            |metric: &[u8], field| String::from_utf8(last(metric, field).unwrap().bytes().to_vec()).unwrap();
        let named: Vec<_> = metrics.iter().map(|metric| (text(metric, 1), text(metric, 2))).collect();
        let want = [("a_requests", "Requests"), ("a_keys", "Keys"), ("a_seconds", "Times")];
        assert_eq!(named, want.map(|(name, help)| (name.to_owned(), help.to_owned())));
        let sum = last(&metrics[0], 7).unwrap().bytes();
        assert_eq!([last(sum, 2), last(sum, 3)], [Some(Value::Number(2)), Some(Value::Number(1))]);
        let values: Vec<u64> =
            fields(sum).take(2).map(|(_, point)| last(point.bytes(), 6).unwrap().number()).collect();
        assert_eq!(values, [3, 4]);
        let gauge = last(&metrics[1], 5).unwrap().bytes();
        let point = last(gauge, 1).unwrap().bytes();
        assert_eq!(last(point, 4).map(Value::number).map(f64::from_bits), Some(1.0));
        assert_eq!((last(point, 2), last(point, 3).map(Value::number)), (None, Some(9)));
        let histogram = last(&metrics[2], 9).unwrap().bytes();
        let first = fields(histogram).next().unwrap().1.bytes();
        let packed = |field| {
            let packed = last(first, field).unwrap().bytes();
            packed.chunks(8).map(|bytes| u64::from_le_bytes(bytes.try_into().unwrap())).collect::<Vec<_>>()
        };
        assert_eq!(packed(6), [2, 3, 1]);
        assert_eq!(packed(7).into_iter().map(f64::from_bits).collect::<Vec<_>>(), [0.5, 1.0]);
        assert_eq!([last(first, 4), last(first, 2)], [Some(Value::Number(6)), Some(Value::Number(5))]);
        assert_eq!(text(&metrics[2], 3), "s");
    }

    #[test]
    fn samples_are_taken_apart() {
        let labels = |labels: &[(&'static str, &'static str)]| {
            labels.iter().map(|(key, value)| (*key, Cow::Borrowed(*value))).collect::<Vec<_>>()
        };
        for (line, want) in [
            ("a 1", Some(("a", labels(&[]), "1"))),
            ("a{} 1.5 123", Some(("a", labels(&[]), "1.5"))),
            (r#"a{b="c",d="e,f=\"}"} 2"#, Some(("a", labels(&[("b", "c"), ("d", "e,f=\"}")]), "2"))),
            (r#"a{b="x\ny\\"} 2"#, Some(("a", labels(&[("b", "x\ny\\")]), "2"))),
            (r#"a{b="c} 2"#, None),
            ("a", None),
            ("a ", None),
            ("", None),
        ] {
            assert_eq!(parts(line), want, "{line}");
        }
    }

    #[test]
    fn a_large_page_is_told_in_several_requests() {
        let mut page = String::from("# HELP a_requests Requests.\n# TYPE a_requests counter\n");
        for number in 0..30_000 {
            page.push_str(&format!(
                "a_requests_total{{server=\"server-{number}\",outcome=\"answered\"}} 1\n"
            ));
        }
        let batches = batches(&page, WHEN);
        assert!(batches.len() > 2);
        assert_eq!(batches.iter().map(|batch| batch.count).sum::<u64>(), 30_000);
        assert!(batches.iter().all(|batch| batch.records.bytes().len() < 2 * super::BATCH_BYTES));
    }
}
