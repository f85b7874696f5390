//! Whose tokens they are: a credential, and where it logs in.

use std::sync::Arc;

use jiff::Timestamp;

use super::shortcut::Shortcut;
use super::{LoginMeters, LoginOutcome, LoginSite, LoginWatch};
use crate::domain::ahead::Spot;
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

    /// Where its token and the texts of the token's headers are or were. Nothing of them is handed out: that takes an
    /// authorized call.
    pub fn spots(&self) -> [Spot; 2] {
        self.shortcut.spots()
    }

    /// Asks for all of the token, wherever it is.
    pub fn token_ahead(&self) {
        let [token, _] = self.spots();
        token.shared_ahead(size_of::<LoginOutcome>());
    }

    /// Asks for the texts of the token's headers; the token is needed for it.
    pub fn texts_ahead(&self, now: Timestamp) {
        let token = self.shortcut.token(now);
        token.iter().for_each(|token| token.texts_ahead());
    }
}
