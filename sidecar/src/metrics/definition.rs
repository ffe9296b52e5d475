//! What a metric is, and what is told of it at a moment: the same for those who scrape and for what is
//! pushed.

/// A metric.
#[derive(Debug, PartialEq, Eq)]
pub struct Definition {
    /// As Prometheus has it.
    pub name: &'static str,
    /// As OpenTelemetry has it, where its conventions name it; else it is `name`.
    pub convention: Option<&'static str>,
    pub kind: Kind,
    pub labels: &'static [Label],
    /// What it says, and in which unit.
    pub help: &'static str,
}

/// How its values come about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It grows.
    Counter,
    /// It is what it is now.
    Gauge,
    /// Seconds, by the upper bounds of buckets in microseconds; the last bucket has none.
    Histogram(&'static [i64]),
}

/// A label: as Prometheus has it, and as OpenTelemetry has it.
pub type Label = (&'static str, &'static str);

/// All series of a metric.
#[derive(Debug, Clone, PartialEq)]
pub struct Family {
    pub definition: &'static Definition,
    /// When its sums were zero, Unix milliseconds.
    pub since_ms: i64,
    pub series: Vec<Series>,
}

/// A series.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// The labels' values, in their order; an empty one is none.
    pub labels: Vec<String>,
    pub value: Value,
}

/// What it is.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A sum, or a number of things.
    Whole(u64),
    /// A gauge with a point.
    Real(f64),
    /// How many there are in each bucket (one more than bounds), and the sum of all in microseconds.
    Buckets { counts: Vec<u64>, sum_us: u64 },
}

impl Family {
    /// A metric without labels.
    pub fn single(definition: &'static Definition, since_ms: i64, value: Value) -> Self {
        Self { definition, since_ms, series: vec![Series { labels: Vec::new(), value }] }
    }
}

/// Microseconds as seconds.
pub fn seconds(us: u64) -> f64 {
    // Exact up to 285 years.
    #[allow(clippy::cast_precision_loss, reason = "a sum of times is read as a rate")]
    let us = us as f64;
    us / 1_000_000.0
}
