//! Targets under load, in turn: each takes each place in the order.

use std::time::Duration;

use crate::load::{Load, Run};
use crate::process::{Cpu, Process};
use crate::report::{median, percentile};
use crate::{Failure, progress};

/// Of the calls of a round. Many, so that they are short: what else goes on on the machine changes within
/// a second.
const SLICES: usize = 16;
const ROUND_LIMIT: Duration = Duration::from_secs(120);
/// The gateway writes the records of its calls once a second: those of a round count, all of them, and
/// of the calls before it none.
const SETTLED: Duration = Duration::from_millis(1_200);

/// One server under measurement.
pub struct Target {
    pub name: String,
    pub process: Process,
    pub load: Load,
}

/// What every target gets in every round.
pub struct Plan {
    pub connections: usize,
    pub calls: usize,
    /// Bytes of an answer, of each target in turn.
    pub lengths: Vec<usize>,
}

/// One round of one target.
pub struct Sample {
    pub cpu_us: f64,
    pub calls_per_second: f64,
    pub p99_us: f64,
}

impl Plan {
    /// The samples of each target, by round.
    pub async fn run(
        &self,
        rounds: usize,
        targets: &[&Target],
    ) -> Result<Vec<Vec<Sample>>, Failure> {
        self.warm_up(targets).await?;
        let mut samples: Vec<Vec<Sample>> = targets.iter().map(|_| Vec::new()).collect();
        for round in 0..rounds {
            progress(&format!(
                "{} connections, round {} of {rounds}",
                self.connections,
                round + 1
            ));
            self.round(round, targets, &mut samples).await?;
        }
        Ok(samples)
    }

    pub async fn warm_up(&self, targets: &[&Target]) -> Result<(), Failure> {
        for (at, target) in targets.iter().enumerate() {
            let length = self.length(at);
            let calls = target.load.run(self.connections, self.calls / 4, length);
            tokio::time::timeout(ROUND_LIMIT, calls).await??;
        }
        Ok(())
    }

    /// Adds a sample of each target: of calls in several slices, so that what the machine does
    /// besides, and whoever was before, meets all of them.
    pub async fn round(
        &self,
        number: usize,
        targets: &[&Target],
        samples: &mut [Vec<Sample>],
    ) -> Result<(), Failure> {
        let mut sums: Vec<Sum> = targets.iter().map(|_| Sum::default()).collect();
        // Opened before they are counted, like those of clients, which keep theirs.
        let mut lines = Vec::with_capacity(targets.len());
        for (at, target) in targets.iter().enumerate() {
            let open = async {
                let mut opened = target.load.open(self.connections).await?;
                opened.run(self.connections, self.length(at)).await?;
                Ok::<_, Failure>(opened)
            };
            lines.push(tokio::time::timeout(ROUND_LIMIT, open).await??);
        }
        tokio::time::sleep(SETTLED).await;
        let before = cpu(targets)?;
        for slice in 0..SLICES {
            for position in 0..targets.len() {
                let forward = number + slice / 2 + position;
                let at = match slice % 2 {
                    0 => forward % targets.len(),
                    _ => targets.len() - 1 - forward % targets.len(),
                };
                let run = lines[at].run((self.calls / SLICES).max(1), self.length(at));
                sums[at].add(tokio::time::timeout(ROUND_LIMIT, run).await??);
            }
        }
        tokio::time::sleep(SETTLED).await;
        let after = cpu(targets)?;
        for ((samples, sum), (before, after)) in
            samples.iter_mut().zip(sums).zip(before.iter().zip(after))
        {
            samples.push(sum.sample(after.since(before)));
        }
        Ok(())
    }

    fn length(&self, target: usize) -> usize {
        self.lengths[target % self.lengths.len()]
    }
}

/// What each target has used so far. It goes on counting while another one is called: records are
/// written then, too. A gateway that nobody calls uses 1.4 ms a second, so a call of a round with four
/// targets is counted 1 µs too dear.
fn cpu(targets: &[&Target]) -> Result<Vec<Cpu>, Failure> {
    targets.iter().map(|target| target.process.cpu()).collect()
}

/// Of the slices of a round.
#[derive(Default)]
struct Sum {
    waits: Vec<Duration>,
    took: Duration,
}

impl Sum {
    fn add(&mut self, run: Run) {
        self.waits.extend(run.waits);
        self.took += run.took;
    }

    fn sample(self, cpu_ns: u64) -> Sample {
        let calls = self.waits.len() as f64;
        let waits = self.waits.iter().map(|wait| wait.as_secs_f64() * 1e6);
        Sample {
            cpu_us: cpu_ns as f64 / 1000.0 / calls,
            calls_per_second: calls / self.took.as_secs_f64(),
            p99_us: percentile(waits, 0.99),
        }
    }
}

/// The median of one figure.
pub fn middle(samples: &[Sample], of: impl Fn(&Sample) -> f64) -> f64 {
    median(samples.iter().map(of))
}

/// The median of the rounds' own ratios of one figure.
pub fn ratio(own: &[Sample], to: &[Sample], of: impl Fn(&Sample) -> f64) -> f64 {
    median(ratios(own, to, of))
}

/// The rounds' own ratios of one figure.
pub fn ratios(
    own: &[Sample],
    to: &[Sample],
    of: impl Fn(&Sample) -> f64,
) -> impl Iterator<Item = f64> {
    own.iter().zip(to).map(move |(own, to)| of(own) / of(to))
}
