//! Who asks: an admin token becomes an actor. What they changed is served before they hear of it.

use std::net::{IpAddr, Ipv4Addr};

use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{FromRequestParts, MatchedPath, RawPathParams, Request, State};
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
use crate::domain::organization::OrganizationSlug;
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
    route: Option<MatchedPath>,
    names: Result<RawPathParams, RawPathParamsRejection>,
    mut request: Request,
    next: Next,
) -> Result<Response, Refusal> {
    let actor = api.actor(request.headers(), peer(&request)).await?;
    let request_id = request.extensions().get::<RequestId>();
    let request_id = request_id.map(|id| id.as_str().to_owned());
    let admin = api.admin.acting_as(actor, request_id);
    request.extensions_mut().insert(admin.clone());
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    let method = request.method().clone();
    let response = next.run(request).await;
    if response.status() == StatusCode::FORBIDDEN && !reads {
        let route = route.as_ref().map_or("", MatchedPath::as_str);
        let organization = names.ok().and_then(|names| organization(&names));
        let what = format!("{method} {route}");
        admin.record_refusal(&what, organization.as_ref()).await?;
    } else if !reads {
        api.after_change().await;
    }
    Ok(response)
}

/// The one that a path names.
fn organization(names: &RawPathParams) -> Option<OrganizationSlug> {
    let mut names = names.iter();
    let (_, slug) = names.find(|(name, _)| *name == "org")?;
    OrganizationSlug::parse(slug).ok()
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

    async fn after_change(&self) {
        // A server that cannot read its database says so itself, and goes on with what it knows.
        if let Err(error) = self.gateway.refresh().await {
            tracing::error!(%error, "the database cannot be read; the last state is served");
        }
    }
}

fn peer(request: &Request) -> IpAddr {
    let nowhere = IpAddr::from(Ipv4Addr::UNSPECIFIED);
    let peer = request.extensions().get::<Peer>();
    peer.map_or(nowhere, |Peer(peer)| *peer)
}
