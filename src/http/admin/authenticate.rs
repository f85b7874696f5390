//! Who asks: an admin token becomes an actor. What they changed is served before they hear of it.

use std::net::{IpAddr, Ipv4Addr};

use axum::extract::{FromRequestParts, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::header::AUTHORIZATION;
use http::request::Parts;
use http::{HeaderMap, Method, StatusCode};

use super::AdminApi;
use super::refusal::Refusal;
use crate::admin::Admin;
use crate::domain::actor::Actor;
use crate::domain::bearer_secret::SecretKind;
use crate::domain::origin::RequestId;
use crate::http::bearer;
use crate::http::server::Peer;

/// The use cases, acting for whoever sent the request.
pub(super) struct Acting(pub Admin);

impl<S: Sync> FromRequestParts<S> for Acting {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        let admin = parts.extensions.get::<Admin>().cloned();
        admin.map(Self).ok_or(Refusal::Unauthenticated)
    }
}

/// Around every endpoint.
pub(super) async fn enter(
    State(api): State<AdminApi>,
    mut request: Request,
    next: Next,
) -> Result<Response, Refusal> {
    let actor = api.actor(request.headers(), peer(&request)).await?;
    let request_id = request.extensions().get::<RequestId>();
    let request_id = request_id.map(|id| id.as_str().to_owned());
    let admin = api.admin.acting_as(actor, request_id);
    request.extensions_mut().insert(admin.clone());
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    let what = format!("{} {}", request.method(), request.uri().path());
    let response = next.run(request).await;
    if !reads {
        api.after_change(&admin, &what, response.status()).await?;
    }
    Ok(response)
}

impl AdminApi {
    /// Who fails to authenticate is counted by address.
    async fn actor(&self, headers: &HeaderMap, peer: IpAddr) -> Result<Actor, Refusal> {
        if headers.get_all(AUTHORIZATION).iter().nth(1).is_some() {
            return Err(Refusal::Duplicate(AUTHORIZATION));
        }
        let actor = match bearer::presented(headers, SecretKind::AdminToken) {
            Some(presented) => self.admin.authenticate(&presented).await?,
            None => None,
        };
        match actor {
            Some(actor) => Ok(actor),
            None => Err(match self.floods.failed(peer) {
                Ok(()) => Refusal::Unauthenticated,
                Err(wait) => Refusal::RateLimited(wait),
            }),
        }
    }

    async fn after_change(
        &self,
        admin: &Admin,
        what: &str,
        status: StatusCode,
    ) -> Result<(), Refusal> {
        if status == StatusCode::FORBIDDEN {
            admin.record_refusal(what).await?;
        }
        // A server that cannot read its database says so itself, and goes on with what it knows.
        if let Err(error) = self.gateway.refresh().await {
            tracing::error!(%error, "the database cannot be read; the last state is served");
        }
        Ok(())
    }
}

fn peer(request: &Request) -> IpAddr {
    let nowhere = IpAddr::from(Ipv4Addr::UNSPECIFIED);
    let peer = request.extensions().get::<Peer>();
    peer.map_or(nowhere, |Peer(peer)| *peer)
}
