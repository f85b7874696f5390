//! Keys: credentials that requests carry as they are. Nobody logs in with one, so the answers to
//! requests, and a probe where the flow has one, are all that tells whether it is good.

use http::StatusCode;

use super::error::Asked;
use super::{Account, Errand, LoginError, Tokens};
use crate::domain::call::AuthorizedCall;
use crate::domain::provider::Way;

impl Account {
    /// Whether its credential is a key.
    pub(super) fn is_key(&self) -> bool {
        let flow = self
            .site
            .provider
            .login
            .flow(self.credential.flow.as_deref());
        flow.is_some_and(|flow| matches!(flow.way, Way::Key { .. }))
    }
}

impl Tokens {
    /// What the answer to a request says about a key: 401 is the provider's no to it, and there is
    /// nothing to send once more. Other credentials have logins for that.
    pub fn judge(
        &self,
        call: &AuthorizedCall<'_>,
        account: &Account,
        status: StatusCode,
    ) -> Result<(), LoginError> {
        if !account.is_key() {
            return Ok(());
        }
        let now = self.work.clock.now();
        if status != StatusCode::UNAUTHORIZED {
            if status.is_success() {
                account.watch.key_accepted(now);
            }
            return Ok(());
        }
        let error = LoginError::Refused {
            by: Asked::Provider,
            status: status.as_u16(),
            message: String::new(),
        };
        if account.watch.key_refused(now, &error) {
            tracing::warn!(
                request_id = %call.origin().id(),
                tenant = %call.tenant(),
                provider = %account.credential.key.provider,
                %error,
                "key refused"
            );
        }
        Err(error)
    }

    /// Whether a former credential works where the present one was refused. A key's refusal may have
    /// been about one request only: its probe has to confirm it.
    pub async fn is_way_back(
        &self,
        call: &AuthorizedCall<'_>,
        former: &Account,
        present: &Account,
    ) -> bool {
        let refused = |error: LoginError| error.refusal().is_some();
        if present.is_key() && !self.probe(call, present).await.is_err_and(refused) {
            return false;
        }
        match former.is_key() {
            true => self.probe(call, former).await.is_ok(),
            false => self.bearer(call, former).await.is_ok(),
        }
    }

    async fn probe(&self, call: &AuthorizedCall<'_>, account: &Account) -> Result<(), LoginError> {
        let (work, errand) = (self.work.clone(), Errand::new(account, call));
        let probe = self.work.threads.spawn(async move {
            let Errand { account, origin } = errand;
            let opened = work.open(&account).await?;
            let login = &work.login;
            login.try_out(&account.site, &opened, Some(&origin)).await
        });
        probe.await.unwrap_or(Err(LoginError::Aborted))
    }
}
