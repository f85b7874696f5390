//! Calls that go on when their clients go away: writes whose answers are kept. The client comes again,
//! and is to find what was done.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use super::kept::Attendance;
use super::{CallOutcome, Gateway, NotCalled, Visit};
use crate::domain::call::Arguments;
use crate::domain::origin::Origin;
use crate::domain::seats::{Seat, Seats};
use crate::domain::tool::KeptFor;

/// More calls than these, in all and of one key, end with their clients.
const UNATTENDED: usize = 512;
const UNATTENDED_OF_KEY: usize = 64;
/// A call without its client ends after this.
const LONGEST_WRITE: Duration = Duration::from_secs(120);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Places for them.
pub(super) fn seats() -> Arc<Seats> {
    Seats::new(UNATTENDED, UNATTENDED_OF_KEY)
}

impl Gateway {
    /// Runs a tool. Everything that can go wrong once a call is made is an outcome. A call that goes on
    /// without its client does so only once it is its turn.
    pub async fn call(
        self: &Arc<Self>,
        visit: &Visit,
        tool: &str,
        arguments: Arguments,
        origin: &Origin,
    ) -> Result<CallOutcome, NotCalled> {
        let Some(seat) = self.unattended(visit, tool) else {
            let attended = Attendance::Always;
            return self
                .make_call(visit, tool, arguments, (origin, attended))
                .await;
        };
        let (gateway, visit, origin) = (self.clone(), visit.clone(), origin.clone());
        let tool = tool.to_owned();
        let (_client, gone) = oneshot::channel();
        let mut over = self.over.subscribe();
        let call = tokio::spawn(async move {
            let _seat = seat;
            let attended = Attendance::Until(gone);
            let call = gateway.make_call(&visit, &tool, arguments, (&origin, attended));
            tokio::select! {
                outcome = call => outcome,
                () = tokio::time::sleep(LONGEST_WRITE) => Err(NotCalled::Abandoned),
                _ = over.wait_for(|over| *over) => Err(NotCalled::Abandoned),
            }
        });
        match call.await {
            Ok(outcome) => outcome,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => Err(NotCalled::Abandoned),
            },
        }
    }

    /// Whether a call of this tool goes on when its client goes away: the client comes again, and is
    /// to find what was done.
    pub fn goes_on(&self, visit: &Visit, tool: &str) -> bool {
        let entry = visit.edition.catalog.tool(tool);
        let keep = entry.and_then(|entry| entry.tool.keep.as_ref());
        keep.is_some_and(|keep| keep.kept_for == KeptFor::Principal)
    }

    /// A place for a call that is to go on without its client. Where the key has too many of them, it
    /// ends with its client.
    fn unattended(&self, visit: &Visit, tool: &str) -> Option<Seat> {
        if !self.goes_on(visit, tool) {
            return None;
        }
        let seat = self.unattended.take(&visit.principal.id);
        if seat.is_none() {
            tracing::warn!(
                key = &*visit.principal.id,
                "so many writes are under way that this one ends with its client"
            );
        }
        seat
    }

    /// Waits until calls that go on without their clients have ended, for so long; then ends them.
    pub async fn end_unattended(&self, patience: Duration) {
        if tokio::time::timeout(patience, self.unattended_end())
            .await
            .is_err()
        {
            tracing::warn!("writes whose clients had gone were cut off at the stop");
            self.over.send_replace(true);
            let _ = tokio::time::timeout(LOOK_EVERY * 20, self.unattended_end()).await;
        }
    }

    async fn unattended_end(&self) {
        while self.unattended.count() > 0 {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}
