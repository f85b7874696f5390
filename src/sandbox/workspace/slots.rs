//! The grid of appointment slots: half hours, every day alike, in the clinics' time zone.

use super::practice::Service;
use crate::sandbox::ist;

const STEP: i64 = 30;

/// Never free, in no workspace, so that tests know a taken slot: 10:30 and 15:00.
const ALWAYS_TAKEN: [i64; 2] = [630, 900];

/// A half hour of a doctor's day.
#[derive(Debug, Clone, Copy)]
pub struct Slot {
    /// Epoch seconds.
    pub start: i64,
    pub service: Service,
    /// Not one of the slots that are never free; it may still be booked.
    pub open: bool,
}

impl Slot {
    pub fn end(self) -> i64 {
        self.start + STEP * 60
    }
}

/// The slots that start from `first` to `last`, both in epoch seconds and included.
pub fn slots_from(first: i64, last: i64) -> impl Iterator<Item = Slot> {
    let midnights = (0..).map(move |day| ist::midnight_before(first) + day * ist::DAY);
    midnights
        .take_while(move |midnight| *midnight <= last)
        .flat_map(|midnight| (0..24 * 60 / STEP).map(move |step| midnight + step * STEP * 60))
        .filter(move |start| (first..=last).contains(start))
        .filter_map(starts_slot)
}

/// The slot that starts at exactly this second, if there is one.
pub fn starts_slot(start: i64) -> Option<Slot> {
    let minute = ist::minute_of_day(start);
    let on_grid = (start - ist::midnight_before(start)) % (STEP * 60) == 0;
    let service = match minute {
        540..1020 => Service::Consultation,
        1080..1200 => Service::Teleconsultation,
        _ => return None,
    };
    on_grid.then(|| Slot {
        start,
        service,
        open: !ALWAYS_TAKEN.contains(&minute),
    })
}
