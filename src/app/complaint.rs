//! A failure that lasts is logged at its beginning and then no more often than once a minute.

use std::time::Duration;

use tokio::time::Instant;

const REPEAT: Duration = Duration::from_secs(60);

/// When a failure was last logged, while it lasts.
#[derive(Default)]
pub(super) struct Complaint(Option<Instant>);

impl Complaint {
    /// Whether the failure is to be logged now.
    pub(super) fn is_due(&mut self, now: Instant) -> bool {
        let is_due = self.0.is_none_or(|last| now - last >= REPEAT);
        if is_due {
            self.0 = Some(now);
        }
        is_due
    }

    /// What failed works again.
    pub(super) fn end(&mut self) {
        self.0 = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_told_at_its_beginning_and_then_once_a_minute() {
        let (mut complaint, start) = (Complaint::default(), Instant::now());
        let mut is_due = |seconds| complaint.is_due(start + Duration::from_secs(seconds));
        let due = [0, 1, 59, 60, 61, 119, 120].map(&mut is_due);
        assert_eq!(due, [true, false, false, true, false, false, true]);
        complaint.end();
        let another = start + Duration::from_secs(121);
        assert!(complaint.is_due(another));
        assert!(!complaint.is_due(another));
    }
}
