//! Sending a call with the credential version that is in use: the one that the call began with, or
//! the one that has taken its place since.

use http::StatusCode;

use super::admit::Permit;
use super::call::CallFailure;
use super::home::{Place, Route};
use super::recorder::Recording;
use super::{Gateway, Visit};
use crate::domain::ahead;
use crate::domain::bearer::Bearer;
use crate::domain::call::AuthorizedCall;
use crate::domain::credential::CredentialVersionId;
use crate::token::LoginError;
use crate::upstream::{Asked, UpstreamReply};

/// So many versions are tried: the first, and those that took its place while the call logged in.
const ATTEMPTS: usize = 5;

/// Rejected tokens that a request replaces: that of the version in use, and that of the version which
/// takes its place meanwhile.
const REJECTED_TOKENS: usize = 2;

/// What all requests of a call have in common.
#[derive(Clone, Copy)]
pub(super) struct Errand<'a> {
    pub call: &'a AuthorizedCall<'a>,
    pub visit: &'a Visit,
    pub permit: &'a Permit<'a>,
    pub recording: &'a Recording<'a>,
}

impl Gateway {
    /// Sends; once more with a new token where upstream rejects the one that there is. What is rare
    /// has a place of its own (`Box::pin`): a call's future is as large as the largest thing that it may
    /// await, and all of it is moved from each `async fn` into the one around it.
    pub(super) async fn exchange(
        &self,
        errand: Errand<'_>,
        asked: &Asked<'_>,
    ) -> Result<(Bearer, UpstreamReply), CallFailure> {
        let sent = self.send_current(errand, asked).await?;
        match sent.1.status {
            StatusCode::UNAUTHORIZED => Box::pin(self.exchange_again(errand, asked, sent)).await,
            _ => Ok(sent),
        }
    }

    /// Goes on after a rejection.
    async fn exchange_again(
        &self,
        errand: Errand<'_>,
        asked: &Asked<'_>,
        rejected: (Bearer, UpstreamReply),
    ) -> Result<(Bearer, UpstreamReply), CallFailure> {
        let (mut bearer, mut reply) = self.send_on(errand, asked, rejected).await?;
        for _ in 0..REJECTED_TOKENS {
            let rejected = reply.status == StatusCode::UNAUTHORIZED;
            if !rejected || !self.tokens.reject(&bearer).await {
                break;
            }
            let version = bearer.version();
            let sent = self.send_current(errand, asked).await?;
            (bearer, reply) = self.send_on(errand, asked, sent).await?;
            match reply.status {
                // After a return it is the first time for the version that is in use now.
                StatusCode::UNAUTHORIZED if bearer.version() != version => continue,
                StatusCode::UNAUTHORIZED => self.tokens.rejected_again(&bearer).await,
                _ => self.tokens.accepted(&bearer).await,
            }
            break;
        }
        Ok((bearer, reply))
    }

    /// Sends again where upstream rejected a version that ended while the request was on its way:
    /// that says nothing about the one in its place.
    async fn send_on(
        &self,
        errand: Errand<'_>,
        asked: &Asked<'_>,
        mut sent: (Bearer, UpstreamReply),
    ) -> Result<(Bearer, UpstreamReply), CallFailure> {
        for _ in 1..ATTEMPTS {
            let (bearer, reply) = &sent;
            let rejected = reply.status == StatusCode::UNAUTHORIZED;
            if !rejected || self.directory.load().uses(bearer.version()) {
                break;
            }
            sent = self.send_current(errand, asked).await?;
        }
        Ok(sent)
    }

    /// Sends with the visit's credential, or with what has taken its place.
    async fn send_current(
        &self,
        errand: Errand<'_>,
        asked: &Asked<'_>,
    ) -> Result<(Bearer, UpstreamReply), CallFailure> {
        let call = errand.call;
        let mut place = errand.visit.place.clone();
        let mut failure = LoginError::Revoked;
        for _ in 0..ATTEMPTS {
            let route = route(&place, call)?;
            let sent = self.send_once(errand, asked, &place, route);
            match sent.await {
                Err(CallFailure::Login(LoginError::Revoked)) => Box::pin(self.catch_up()).await,
                Err(CallFailure::Login(refused)) if refused.refusal().is_some() => {
                    if !Box::pin(self.turn_back(call, route, &refused)).await {
                        return Err(CallFailure::Login(refused));
                    }
                    failure = refused;
                }
                sent => return sent,
            }
            let directory = self.directory.load();
            let present = directory.place(call.tenant());
            place = present.ok_or(CallFailure::NoCredential)?;
        }
        Err(CallFailure::Login(failure))
    }

    /// The version is over, and the directory may not know it yet.
    pub(super) async fn catch_up(&self) {
        if let Err(error) = self.refresh().await {
            tracing::error!(%error, "the database cannot be read");
        }
    }

    async fn send_once(
        &self,
        errand: Errand<'_>,
        asked: &Asked<'_>,
        place: &Place,
        route: &Route,
    ) -> Result<(Bearer, UpstreamReply), CallFailure> {
        let Errand { call, permit, .. } = errand;
        let credential = route.account.credential.id;
        let now = self.clock.now();
        route.account.texts_ahead(now);
        permit.check_pause(credential, now)?;
        let request = self
            .rest
            .form(asked, &route.account.site.base_url)
            .map_err(CallFailure::Upstream)?;
        self.check_usable(place, credential)?;
        errand.recording.used(credential);
        let bearer = self
            .tokens
            .bearer(call, &route.account)
            .await
            .map_err(CallFailure::Login)?;
        // It may have ended while this call logged in, or waited for others that did.
        self.check_usable(place, credential)?;
        permit.request(self.clock.now())?;
        // Of whoever waits long, what the end of the call needs is in no cache any more.
        let sent = self
            .rest
            .send(call, (asked, request), &bearer, &route.requests);
        let traffic = &*route.traffic;
        let sent = ahead::before(sent, || {
            permit.ahead();
            traffic.spot(now).ahead();
            ahead::piece(&route.account);
        });
        let reply = sent.await.map_err(CallFailure::Upstream)?;
        let judged = self.tokens.judge(call, &route.account, reply.status);
        judged.map_err(CallFailure::Login)?;
        if let Some(wait) = reply.asks_to_wait() {
            permit.pause(credential, wait, self.clock.now());
        }
        Ok((bearer, reply))
    }

    /// Refuses a version that is neither active nor retiring any more.
    fn check_usable(&self, place: &Place, version: CredentialVersionId) -> Result<(), CallFailure> {
        let directory = self.directory.load();
        if directory.revision() == place.revision || directory.uses(version) {
            return Ok(());
        }
        Err(CallFailure::Login(LoginError::Revoked))
    }
}

pub(super) fn route<'a>(
    place: &'a Place,
    call: &AuthorizedCall<'_>,
) -> Result<&'a Route, CallFailure> {
    let route = place.route(&call.tool().provider);
    route.ok_or(CallFailure::NoCredential)
}
