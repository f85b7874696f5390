//! Whose tokens they are: a credential, and where it logs in.

use std::sync::Arc;

use jiff::Timestamp;

use super::shortcut::Shortcut;
use super::{LoginMeters, LoginSite, LoginWatch};
use crate::domain::ahead;
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

/// What a call needs of a token, in the order in which it can be asked for: where the next part is, is in the one
/// before it.
#[derive(Clone, Copy)]
pub enum Ahead {
    Slot,
    Token,
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
        let way = self.shortcut.way(now);
        let Some(slot) = way.as_ref().and_then(|way| way.as_ref()) else {
            return;
        };
        let token = || slot.current.load();
        match part {
            Ahead::Slot => ahead::piece(&**slot),
            Ahead::Token => token().iter().for_each(|token| token.ahead()),
            Ahead::Texts => token().iter().for_each(|token| token.texts_ahead()),
        }
    }
}
