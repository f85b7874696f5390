//! Writes down what tenants used and how their credentials do: every five seconds, where there are many
//! a part of them at a time, and when the gateway stops. Numbers that nothing depends on (how many calls
//! credentials had, and what tenants used who have no limit of the day) are written less often where there are
//! many. A crash loses no more than what is not written yet.

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
/// Of so many profiles all are written down at once: by measurement 14 µs of work for each, and as much for the
/// use of its tenant.
const FEW: usize = 1_700;
/// How many calls a profile had, and nothing else that is new of it, waits so long for each profile that there
/// is; so do the requests of a tenant whose day has no limit.
const PER_PROFILE: Duration = Duration::from_millis(30);
/// Until all have had their turn it is five minutes, which is what such numbers are good to.
const LONGEST_WAIT: Duration = Duration::from_secs(300).saturating_sub(LONGEST);
/// Between two signs that the server runs, and two looks for tokens that nobody uses.
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
        let profiles = gateway.profiles();
        // After a failure there has to be something to write, or nobody knows when it works again.
        let beat = gateway.is_unwritable() || beaten.elapsed() >= BEAT;
        if beat {
            gateway.tidy().await;
        }
        let saved = save(&gateway, &rota.turn(profiles, begun), beat).await;
        gateway.note_writes(saved.is_ok());
        match &saved {
            Ok(()) => {
                complaint.end();
                beaten = if beat { begun } else { beaten };
            }
            Err(error) if complaint.is_due(begun) => {
                tracing::error!(%error, "usage cannot be written; it is kept in memory");
            }
            Err(_) => {}
        }
        rota.advance(profiles, begun, saved.is_ok());
    }
}

/// Whose turn it is to be written down.
struct Rota {
    /// The first part of the next save.
    next: usize,
    /// When mere numbers of each part are written again.
    numbers: [Instant; Turn::PARTS],
}

impl Rota {
    fn new(now: Instant) -> Self {
        Self {
            next: 0,
            numbers: [now; Turn::PARTS],
        }
    }

    fn turn(&self, profiles: usize, now: Instant) -> Turn {
        let mut turn = Turn::default();
        for part in self.parts(profiles) {
            let what = match now >= self.numbers[part] {
                true => Told::Numbers,
                false => Told::News,
            };
            turn.tell(part, what);
        }
        turn
    }

    /// The next turn is of the parts that follow. What could not be written waits for its next turn, or
    /// one part that cannot be written would keep all others from it.
    fn advance(&mut self, profiles: usize, now: Instant, is_written: bool) {
        for part in self.parts(profiles) {
            if is_written && now >= self.numbers[part] {
                self.numbers[part] = now + wait_for_numbers(profiles);
            }
        }
        self.next = (self.next + width(profiles)) % Turn::PARTS;
    }

    fn parts(&self, profiles: usize) -> impl Iterator<Item = usize> + use<> {
        let next = self.next;
        (0..width(profiles)).map(move |further| (next + further) % Turn::PARTS)
    }
}

/// How many parts of so many profiles are written at a time.
fn width(profiles: usize) -> usize {
    (FEW * Turn::PARTS / profiles.max(1)).clamp(1, Turn::PARTS)
}

/// Until mere numbers are written again, after those of so many profiles.
fn wait_for_numbers(profiles: usize) -> Duration {
    let profiles = u32::try_from(profiles).unwrap_or(u32::MAX);
    PER_PROFILE.saturating_mul(profiles).min(LONGEST_WAIT)
}

async fn save(gateway: &Gateway, turn: &Turn, beat: bool) -> Result<(), StoreError> {
    gateway.save_usage(turn).await?;
    gateway.save_health(turn).await?;
    if beat {
        gateway.beat().await?;
    }
    Ok(())
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

    #[test]
    fn of_many_a_part_is_written_at_a_time() {
        let widths = [0, 1_700, 1_701, 3_400, 5_100, 10_000, usize::MAX / 16].map(width);
        assert_eq!(widths, [6, 6, 5, 3, 2, 1, 1]);
    }

    fn parts_of(turn: &Turn) -> Vec<usize> {
        let has_turn = |part: &usize| turn.of_part(*part).is_some();
        (0..Turn::PARTS).filter(has_turn).collect()
    }

    #[test]
    fn a_part_that_cannot_be_written_keeps_no_other_from_its_turn() {
        let begun = Instant::now();
        let mut rota = Rota::new(begun);
        for part in 0..Turn::PARTS {
            let turn = rota.turn(10_000, begun);
            assert_eq!(parts_of(&turn), [part]);
            assert_eq!(turn.of_part(part), Some(Told::Numbers));
            rota.advance(10_000, begun, part != 2);
        }
        let due = |part| {
            let turn = rota.turn(0, begun + PERIOD);
            turn.of_part(part) == Some(Told::Numbers)
        };
        assert_eq!([1, 2, 3].map(due), [false, true, false], "still to be told");
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
        /// However many there are, and however that changes.
        #[test]
        fn everyone_has_a_turn_within_half_a_minute_and_numbers_within_five(
            saves in prop::collection::vec(0_usize..20_000, 200..400),
        ) {
            let begun = Instant::now();
            let mut rota = Rota::new(begun);
            let (mut told, mut numbers) = ([begun; Turn::PARTS], [begun; Turn::PARTS]);
            for (save, profiles) in (1_u32..).zip(saves) {
                let now = begun + PERIOD * save;
                let turn = rota.turn(profiles, now);
                let parts = parts_of(&turn);
                let rows = parts.len() * profiles.div_ceil(Turn::PARTS);
                prop_assert!(rows <= FEW + Turn::PARTS || parts.len() == 1);
                for part in 0..Turn::PARTS {
                    if parts.contains(&part) {
                        told[part] = now;
                    }
                    if turn.of_part(part) == Some(Told::Numbers) {
                        numbers[part] = now;
                    }
                    prop_assert!(now - told[part] < LONGEST);
                    prop_assert!(now - numbers[part] <= Duration::from_secs(300));
                }
                rota.advance(profiles, now, true);
            }
        }
    }
}
