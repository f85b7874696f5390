//! Whose tokens they are: a credential, and where it logs in.

use std::sync::Arc;

use jiff::Timestamp;

use super::shortcut::Shortcut;
use super::{LoginMeters, LoginSite, LoginWatch};
use crate::domain::credential::CredentialRef;

/// A tenant's credential at a provider, and where it logs in. A login has one of its own.
#[derive(Clone)]
pub struct Account {
    pub credential: CredentialRef,
    pub site: LoginSite,
    pub meters: Arc<LoginMeters>,
    pub(super) shortcut: Shortcut,
    pub watch: Arc<LoginWatch>,
}

/// Parts of a token in the order in which they can be asked for: where the next one is, is in the one before it.
#[derive(Clone, Copy)]
pub enum Ahead {
    Token,
    Headers,
    Texts,
}

impl Account {
    pub fn new(
        credential: CredentialRef,
        site: LoginSite,
        meters: Arc<LoginMeters>,
        watch: Arc<LoginWatch>,
    ) -> Self {
        Self {
            credential,
            site,
            meters,
            shortcut: Shortcut::default(),
            watch,
        }
    }

    /// Asks for a part of the token, if there is one. Nothing of it is handed out: that takes an authorized
    /// call.
    pub fn ahead(&self, now: Timestamp, part: Ahead) {
        let Some(slot) = self.shortcut.slot(now) else {
            return;
        };
        if let Some(token) = &*slot.current.load() {
            match part {
                Ahead::Token => token.ahead(),
                Ahead::Headers => token.headers.ahead(),
                Ahead::Texts => token.headers.texts_ahead(),
            }
        }
    }
}
