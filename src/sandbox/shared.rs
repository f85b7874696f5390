//! Everything that a simulator remembers, each part behind its own lock.

use crate::domain::clock::SharedClock;

use super::fault::Faults;
use super::journal::Journal;
use super::settings::{Clients, Settings};
use super::tokens::Tokens;
use super::workspace::Workspaces;

/// The state of one simulator.
pub struct Shared {
    pub settings: Settings,
    pub clock: SharedClock,
    pub clients: Clients,
    pub tokens: Tokens,
    pub workspaces: Workspaces,
    pub faults: Faults,
    pub journal: Journal,
}

impl Shared {
    pub fn new(settings: Settings, clock: SharedClock) -> Self {
        Self {
            clients: Clients::new(settings.max_clients),
            tokens: Tokens::new(settings.max_tokens),
            workspaces: Workspaces::new(settings.max_clients, settings.max_records),
            faults: Faults::default(),
            journal: Journal::new(settings.journal_length, settings.max_clients),
            clock,
            settings,
        }
    }

    /// Back to the state of the start; the settings of the simulator itself stay.
    pub fn reset(&self) {
        self.faults.clear();
        self.tokens.clear();
        self.clients.clear();
        self.workspaces.clear();
        self.journal.clear();
    }
}
