//! Writes down what tenants used and how their credentials do: every five seconds, where there are many
//! a part of them at a time, and when the gateway stops. How many calls credentials had, and nothing else
//! that is new, is written less often where there are many. A crash loses no more than that from the
//! day's count.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::complaint::Complaint;
use crate::gateway::{Gateway, Told, Turn};
use crate::store::StoreError;

const PERIOD: Duration = Duration::from_secs(5);
/// Of all tenants at the latest after so long: a save is of one of the parts at least.
const LONGEST: Duration = PERIOD.saturating_mul(Turn::PARTS as u32);
/// So many rows are a save of few: some 15 ms of work every five seconds. Whoever is called meanwhile waits
/// for no longer than that.
const FEW: usize = 1_700;
/// How many calls a profile had, and nothing else that is new of it, waits so long for each profile that was
/// written down.
const PER_PROFILE: Duration = Duration::from_millis(30);
/// Until all have had their turn it is five minutes, which is what such numbers are good to.
const LONGEST_WAIT: Duration = Duration::from_secs(300).saturating_sub(LONGEST);
/// Between two signs that the server runs.
const BEAT: Duration = Duration::from_secs(30);

/// Writes until `stop` turns true.
pub(super) async fn keep(gateway: Arc<Gateway>, mut stop: watch::Receiver<bool>) {
    if let Err(error) = gateway.begin_health().await {
        tracing::error!(%error, "`locum status` cannot be told that the server runs");
    }
    let mut beaten = Instant::now();
    let (mut rota, mut complaint) = (Rota::new(beaten), Complaint::default());
    loop {
        tokio::select! {
            () = tokio::time::sleep(PERIOD) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        let begun = Instant::now();
        // After a failure there has to be something to write, or nobody knows when it works again.
        let beat = gateway.is_unwritable() || beaten.elapsed() >= BEAT;
        let saved = save(&gateway, &rota.turn(begun), beat).await;
        gateway.note_writes(saved.is_ok());
        match saved {
            Ok(saved) => {
                complaint.end();
                rota.advance(begun, &saved);
                beaten = if beat { begun } else { beaten };
            }
            Err(error) if complaint.is_due(begun) => {
                tracing::error!(%error, "usage cannot be written; it is kept in memory");
            }
            Err(_) => {}
        }
    }
}

/// Whose turn it is to be written down.
struct Rota {
    /// The first part of the next save, and how many there are in it.
    next: usize,
    width: usize,
    /// When mere numbers of each part are written again.
    numbers: [Instant; Turn::PARTS],
}

impl Rota {
    fn new(now: Instant) -> Self {
        Self {
            next: 0,
            width: Turn::PARTS,
            numbers: [now; Turn::PARTS],
        }
    }

    fn turn(&self, now: Instant) -> Turn {
        let mut turn = Turn::default();
        for part in self.parts() {
            let what = match self.are_numbers_due(part, now) {
                true => Told::Numbers,
                false => Told::News,
            };
            turn.tell(part, what);
        }
        turn
    }

    /// The next turn is of the parts that follow, of fewer where there was much to write.
    fn advance(&mut self, now: Instant, saved: &Saved) {
        let due = self.parts().filter(|part| self.are_numbers_due(*part, now));
        let due: Vec<usize> = due.collect();
        let wait = wait_for_numbers(saved.profiles * Turn::PARTS / due.len().max(1));
        for part in due {
            self.numbers[part] = now + wait;
        }
        self.next = (self.next + self.width) % Turn::PARTS;
        let of_part = (saved.used + saved.profiles).div_ceil(self.width);
        self.width = (FEW / of_part.max(1)).clamp(1, Turn::PARTS);
    }

    fn parts(&self) -> impl Iterator<Item = usize> + use<> {
        let next = self.next;
        (0..self.width).map(move |further| (next + further) % Turn::PARTS)
    }

    fn are_numbers_due(&self, part: usize, now: Instant) -> bool {
        now >= self.numbers[part]
    }
}

/// Until mere numbers are written again, after those of so many profiles.
fn wait_for_numbers(profiles: usize) -> Duration {
    let profiles = u32::try_from(profiles).unwrap_or(u32::MAX);
    PER_PROFILE.saturating_mul(profiles).min(LONGEST_WAIT)
}

/// Rows that a save wrote.
struct Saved {
    /// Of what tenants used.
    used: usize,
    /// Of how profiles do.
    profiles: usize,
}

async fn save(gateway: &Gateway, turn: &Turn, beat: bool) -> Result<Saved, StoreError> {
    let used = gateway.save_usage(turn).await?;
    let profiles = gateway.save_health(turn).await?;
    if beat {
        gateway.beat().await?;
    }
    Ok(Saved { used, profiles })
}

/// What was used since it was last written, for the last time.
pub(super) async fn save_usage(gateway: &Gateway) {
    if let Err(error) = gateway.save_usage(&Turn::of_all()).await {
        tracing::error!(%error, "the last usage could not be written; it is lost");
    }
}

/// Writes what is left, when the last call has ended.
pub(super) async fn close(gateway: &Gateway) {
    save_usage(gateway).await;
    let health = async {
        gateway.save_health(&Turn::of_all()).await?;
        gateway.end_health().await
    };
    if let Err(error) = health.await {
        tracing::warn!(%error, "`locum status` could not be told that the server stopped");
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// So many rows of each part, save after save: how many parts each save has.
    fn widths(rota: &mut Rota, rows: usize) -> Vec<usize> {
        let mut saves = Vec::new();
        for _ in 0..3 {
            let width = rota.width;
            let used = rows * width;
            rota.advance(Instant::now(), &Saved { used, profiles: 0 });
            saves.push(width);
        }
        saves
    }

    #[test]
    fn of_many_a_part_is_written_at_a_time() {
        let mut rota = Rota::new(Instant::now());
        assert_eq!(widths(&mut rota, 0), [6, 6, 6]);
        assert_eq!(widths(&mut rota, 280), [6, 6, 6], "1,680 of all");
        assert_eq!(widths(&mut rota, 700), [6, 2, 2], "4,200 of all");
        assert_eq!(widths(&mut rota, 1_700), [2, 1, 1]);
        assert_eq!(widths(&mut rota, 100_000), [1, 1, 1]);
        assert_eq!(widths(&mut rota, 7), [1, 6, 6]);
    }

    #[test]
    fn numbers_of_many_are_written_less_often_but_every_five_minutes() {
        assert_eq!(wait_for_numbers(0), Duration::ZERO);
        assert!(wait_for_numbers(160) < PERIOD, "as often as everything");
        assert_eq!(wait_for_numbers(1_000), Duration::from_secs(30));
        for many in [10_000, usize::MAX] {
            let oldest = wait_for_numbers(many) + LONGEST;
            assert_eq!(oldest, Duration::from_secs(300));
        }
    }

    proptest! {
        /// However much there is to write, and however that changes.
        #[test]
        fn everyone_has_a_turn_within_half_a_minute_and_numbers_within_five(
            saves in prop::collection::vec((0_usize..20_000, 0_usize..20_000), 200..400),
        ) {
            let begun = Instant::now();
            let mut rota = Rota::new(begun);
            let (mut told, mut numbers) = ([begun; Turn::PARTS], [begun; Turn::PARTS]);
            for (save, (used, profiles)) in (1_u32..).zip(saves) {
                let now = begun + PERIOD * save;
                let turn = rota.turn(now);
                for part in 0..Turn::PARTS {
                    let what = turn.of_part(part);
                    if what.is_some() {
                        told[part] = now;
                    }
                    if what == Some(Told::Numbers) {
                        numbers[part] = now;
                    }
                    prop_assert!(now - told[part] < LONGEST);
                    prop_assert!(now - numbers[part] <= Duration::from_secs(300));
                }
                rota.advance(now, &Saved { used, profiles });
            }
        }
    }
}
