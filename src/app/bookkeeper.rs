//! Writes down what tenants used and how their credentials do: every five seconds, where there are many
//! less often, and when the gateway stops. How many calls credentials had, and nothing else that is
//! new, is written less often where there are many. A crash loses no more than that from the day's count.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::complaint::Complaint;
use crate::gateway::{Gateway, Told};
use crate::store::StoreError;

const PERIOD: Duration = Duration::from_secs(5);
/// After each row that was written: some 14 µs of work have a two-hundredth of the time.
const PER_ROW: Duration = Duration::from_millis(3);
const LONGEST_PERIOD: Duration = Duration::from_secs(30);
/// How many calls a profile had, and nothing else that is new of it, waits so long for each profile that was
/// written down.
const PER_PROFILE: Duration = Duration::from_millis(30);
/// With a period it is five minutes, which is what such numbers are good to.
const LONGEST_WAIT: Duration = Duration::from_secs(300).saturating_sub(LONGEST_PERIOD);
/// Between two signs that the server runs.
const BEAT: Duration = Duration::from_secs(30);

/// Writes until `stop` turns true.
pub(super) async fn keep(gateway: Arc<Gateway>, mut stop: watch::Receiver<bool>) {
    if let Err(error) = gateway.begin_health().await {
        tracing::error!(%error, "`locum status` cannot be told that the server runs");
    }
    let mut beaten = Instant::now();
    let mut numbers = beaten;
    let (mut period, mut complaint) = (PERIOD, Complaint::default());
    loop {
        tokio::select! {
            () = tokio::time::sleep(period) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        let begun = Instant::now();
        // After a failure there has to be something to write, or nobody knows when it works again.
        let beat = gateway.is_unwritable() || beaten.elapsed() >= BEAT;
        let what = match begun >= numbers {
            true => Told::Numbers,
            false => Told::News,
        };
        let saved = save(&gateway, what, beat).await;
        gateway.note_writes(saved.is_ok());
        match saved {
            Ok(Saved { used, profiles }) => {
                complaint.end();
                if what == Told::Numbers {
                    numbers = begun + wait_for_numbers(profiles);
                }
                period = period_after(used + profiles);
                beaten = if beat { begun } else { beaten };
            }
            Err(error) => {
                period = PERIOD;
                if complaint.is_due(begun) {
                    tracing::error!(%error, "usage cannot be written; it is kept in memory");
                }
            }
        }
    }
}

/// Until the next save, after one of so many rows. What it took says nothing: on a busy machine a single
/// row takes long.
fn period_after(rows: usize) -> Duration {
    times(PER_ROW, rows).clamp(PERIOD, LONGEST_PERIOD)
}

/// Until mere numbers are written again, after those of so many profiles.
fn wait_for_numbers(profiles: usize) -> Duration {
    times(PER_PROFILE, profiles).min(LONGEST_WAIT)
}

fn times(each: Duration, count: usize) -> Duration {
    each.saturating_mul(u32::try_from(count).unwrap_or(u32::MAX))
}

/// Rows that a save wrote.
struct Saved {
    /// Of what tenants used.
    used: usize,
    /// Of how profiles do.
    profiles: usize,
}

async fn save(gateway: &Gateway, what: Told, beat: bool) -> Result<Saved, StoreError> {
    let used = gateway.save_usage().await?;
    let profiles = gateway.save_health(what).await?;
    if beat {
        gateway.beat().await?;
    }
    Ok(Saved { used, profiles })
}

/// What was used since it was last written, for the last time.
pub(super) async fn save_usage(gateway: &Gateway) {
    if let Err(error) = gateway.save_usage().await {
        tracing::error!(%error, "the last usage could not be written; it is lost");
    }
}

/// Writes what is left, when the last call has ended.
pub(super) async fn close(gateway: &Gateway) {
    save_usage(gateway).await;
    let health = async {
        gateway.save_health(Told::Numbers).await?;
        gateway.end_health().await
    };
    if let Err(error) = health.await {
        tracing::warn!(%error, "`locum status` could not be told that the server stopped");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_save_of_many_is_rarer() {
        assert_eq!(period_after(0), PERIOD);
        assert_eq!(period_after(1_000), PERIOD);
        assert_eq!(period_after(4_000), Duration::from_secs(12));
        assert_eq!(period_after(usize::MAX), LONGEST_PERIOD);
    }

    #[test]
    fn numbers_of_many_are_written_less_often_but_every_five_minutes() {
        assert_eq!(wait_for_numbers(0), Duration::ZERO);
        assert!(wait_for_numbers(160) < PERIOD, "as often as everything");
        assert_eq!(wait_for_numbers(1_000), Duration::from_secs(30));
        for many in [10_000, usize::MAX] {
            let oldest = wait_for_numbers(many) + LONGEST_PERIOD;
            assert_eq!(oldest, Duration::from_secs(300));
        }
    }
}
