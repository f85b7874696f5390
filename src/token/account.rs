//! Whose tokens they are: a credential, and where it logs in.

use std::hint::black_box;
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

    /// Looks at what a call is going to need of it, and at the token if there is one. Nothing of it is
    /// handed out: that takes an authorized call.
    pub fn fetch(&self, now: Timestamp) {
        black_box((self.credential.id, Arc::as_ptr(&self.site.base_url)));
        let Some(slot) = self.shortcut.slot(now) else {
            return;
        };
        if let Some(token) = &*slot.current.load() {
            black_box(token.expires_at);
            token.headers.fetch();
        }
    }
}
