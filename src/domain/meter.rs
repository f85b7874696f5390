//! Meters: counters, gauges and histograms that a scrape reads, and the book that lists them.
//!
//! Whoever measures asks [`Meters`] once for a handle and keeps it; recording is then one or two
//! relaxed atomic additions, without a lock, a look-up or an allocation. Each gateway has a book
//! of its own, so nothing here is global. Labels are what profiles and this code name: no tenant,
//! no key, no text of a client or an upstream.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The word under which a [`Tally`] counts what is not in its list.
pub const OTHER: &str = "other";

/// Upper bounds of classes for what goes over a network.
pub const LATENCIES: &[Duration] = &[
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(25),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_millis(2_500),
    Duration::from_secs(5),
    Duration::from_secs(10),
    Duration::from_secs(30),
    Duration::from_secs(60),
];

/// How often something happened.
#[derive(Debug, Clone, Default)]
pub struct Counter(Arc<AtomicU64>);

impl Counter {
    pub fn count(&self) {
        self.add(1);
    }

    pub fn add(&self, times: u64) {
        self.0.fetch_add(times, Ordering::Relaxed);
    }

    pub fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// How much there is now.
#[derive(Debug, Clone, Default)]
pub struct Gauge(Arc<AtomicI64>);

impl Gauge {
    pub fn set(&self, value: i64) {
        self.0.store(value, Ordering::Relaxed);
    }

    pub fn value(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }

    /// One more, until what comes back is dropped.
    pub fn hold(&self) -> Held {
        self.0.fetch_add(1, Ordering::Relaxed);
        Held(self.clone())
    }
}

/// One that a gauge counts.
#[must_use = "the gauge counts it until it is dropped"]
#[derive(Debug)]
pub struct Held(Gauge);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// How long things took, in classes.
#[derive(Debug, Clone)]
pub struct Histogram(Arc<Classes>);

#[derive(Debug)]
struct Classes {
    bounds: &'static [Duration],
    /// One a bound, and one for what is longer than all of them.
    counts: Box<[AtomicU64]>,
    micros: AtomicU64,
}

impl Histogram {
    fn new(bounds: &'static [Duration]) -> Self {
        let counts = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self(Arc::new(Classes {
            bounds,
            counts,
            micros: AtomicU64::new(0),
        }))
    }

    pub fn observe(&self, took: Duration) {
        let classes = &*self.0;
        let class = classes.bounds.partition_point(|bound| *bound < took);
        classes.counts[class].fetch_add(1, Ordering::Relaxed);
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        classes.micros.fetch_add(micros, Ordering::Relaxed);
    }

    /// The upper bound of each class and how many were observed up to it; `None` is without bound.
    pub fn up_to(&self) -> impl Iterator<Item = (Option<Duration>, u64)> {
        let bounds = self.0.bounds.iter().copied().map(Some).chain([None]);
        let mut so_far = 0;
        bounds.zip(&self.0.counts).map(move |(bound, count)| {
            so_far += count.load(Ordering::Relaxed);
            (bound, so_far)
        })
    }

    /// All durations together.
    pub fn sum(&self) -> Duration {
        Duration::from_micros(self.0.micros.load(Ordering::Relaxed))
    }
}

/// Counters that differ in one label, whose values are a closed list.
#[derive(Debug, Clone)]
pub struct Tally {
    words: &'static [&'static str],
    /// One a word, and one for [`OTHER`].
    counters: Box<[Counter]>,
}

impl Tally {
    /// Counts a word of the list, or [`OTHER`].
    pub fn count(&self, word: &str) {
        let known = self.words.iter().position(|known| *known == word);
        debug_assert!(
            known.is_some() || word == OTHER,
            "`{word}` is missing in {:?}",
            self.words
        );
        self.counters[known.unwrap_or(self.words.len())].count();
    }
}

/// The name of a label and its value.
pub type Label<'a> = (&'static str, &'a str);

/// Meters of one name and kind, by their labels.
pub struct Family {
    pub help: &'static str,
    pub series: BTreeMap<Vec<(&'static str, String)>, Meter>,
}

/// A meter of any kind.
#[derive(Debug, Clone)]
pub enum Meter {
    Counter(Counter),
    Gauge(Gauge),
    Histogram(Histogram),
}

/// The book of all meters; cheap to clone. Asking twice for the same meter gives the same one.
#[derive(Clone, Default)]
pub struct Meters(Arc<Mutex<BTreeMap<&'static str, Family>>>);

impl Meters {
    pub fn counter(&self, name: &'static str, help: &'static str, labels: &[Label<'_>]) -> Counter {
        let made = || Meter::Counter(Counter::default());
        match self.meter(name, help, labels, made) {
            Meter::Counter(counter) => counter,
            _ => Counter::default(),
        }
    }

    pub fn gauge(&self, name: &'static str, help: &'static str, labels: &[Label<'_>]) -> Gauge {
        let made = || Meter::Gauge(Gauge::default());
        match self.meter(name, help, labels, made) {
            Meter::Gauge(gauge) => gauge,
            _ => Gauge::default(),
        }
    }

    /// `bounds` are the upper bounds of the classes, in ascending order.
    pub fn histogram(
        &self,
        name: &'static str,
        help: &'static str,
        labels: &[Label<'_>],
        bounds: &'static [Duration],
    ) -> Histogram {
        let made = || Meter::Histogram(Histogram::new(bounds));
        match self.meter(name, help, labels, made) {
            Meter::Histogram(histogram) => histogram,
            _ => Histogram::new(bounds),
        }
    }

    /// A counter for each of `words` as value of the label `by`, and one for [`OTHER`].
    pub fn tally(
        &self,
        name: &'static str,
        help: &'static str,
        labels: &[Label<'_>],
        by: &'static str,
        words: &'static [&'static str],
    ) -> Tally {
        let counters = words.iter().chain([&OTHER]).map(|word| {
            let labels: Vec<_> = labels.iter().copied().chain([(by, *word)]).collect();
            self.counter(name, help, &labels)
        });
        Tally {
            words,
            counters: counters.collect(),
        }
    }

    /// Visits the families by name.
    pub fn each(&self, mut visit: impl FnMut(&str, &Family)) {
        self.book()
            .iter()
            .for_each(|(name, family)| visit(name, family));
    }

    fn meter(
        &self,
        name: &'static str,
        help: &'static str,
        labels: &[Label<'_>],
        made: impl FnOnce() -> Meter,
    ) -> Meter {
        let owned = |(name, value): &Label<'_>| (*name, (*value).to_owned());
        let mut book = self.book();
        let family = book.entry(name).or_insert_with(|| Family {
            help,
            series: BTreeMap::new(),
        });
        let labels = labels.iter().map(owned).collect();
        family.series.entry(labels).or_insert_with(made).clone()
    }

    fn book(&self) -> MutexGuard<'_, BTreeMap<&'static str, Family>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asking_twice_gives_the_same_meter_and_labels_tell_meters_apart() {
        let meters = Meters::default();
        for (word, times) in [("a", 2), ("b", 1)] {
            for _ in 0..times {
                meters.counter("x_total", "x", &[("word", word)]).count();
            }
        }
        let value = |word| meters.counter("x_total", "x", &[("word", word)]).value();
        assert_eq!((value("a"), value("b"), value("c")), (2, 1, 0));
    }

    #[test]
    fn a_tally_counts_words_of_its_list_and_what_is_named_other() {
        let meters = Meters::default();
        let tally = meters.tally("x_total", "x", &[], "word", &["a", "b"]);
        for word in ["b", "other", "b"] {
            tally.count(word);
        }
        let value = |word| meters.counter("x_total", "x", &[("word", word)]).value();
        assert_eq!((value("a"), value("b"), value(OTHER)), (0, 2, 1));
    }

    #[test]
    fn a_bound_belongs_to_its_class() {
        const BOUNDS: &[Duration] = &[Duration::from_secs(1), Duration::from_secs(2)];
        let histogram = Meters::default().histogram("x", "x", &[], BOUNDS);
        for millis in [0, 1_000, 1_001, 2_000, 9_000] {
            histogram.observe(Duration::from_millis(millis));
        }
        let counts: Vec<u64> = histogram.up_to().map(|(_, count)| count).collect();
        assert_eq!(counts, [2, 4, 5]);
        assert_eq!(histogram.sum(), Duration::from_millis(13_001));
    }

    #[test]
    fn a_gauge_counts_what_is_held() {
        let gauge = Gauge::default();
        let (one, two) = (gauge.hold(), gauge.hold());
        drop(one);
        assert_eq!(gauge.value(), 1);
        drop(two);
        assert_eq!(gauge.value(), 0);
    }
}
