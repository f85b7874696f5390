//! One call from this machine, as a client of the gateway would make it: the tenant's tools, limits
//! and credentials, and its record.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::watch;
use uuid::Uuid;

use super::{App, AppError, bookkeeper, recorder};
use crate::domain::call::Arguments;
use crate::domain::document::near;
use crate::domain::meter::Meters;
use crate::domain::organization::OrganizationSlug;
use crate::domain::origin::{Origin, RequestId};
use crate::domain::span::Span;
use crate::domain::tenant::Environment;
pub use crate::gateway::{CallOutcome, Rehearsed};
use crate::gateway::{Gateway, NotCalled, Refusal, Selection, Visit};

/// What is to be called, for whom, and by whom.
pub struct LocalCall<'a> {
    pub user: &'a str,
    pub organization: &'a OrganizationSlug,
    pub environment: &'a Environment,
    pub tool: &'a str,
    pub arguments: Arguments,
}

/// Why nothing was called.
#[derive(Debug, thiserror::Error)]
pub enum LocalCallError {
    #[error(transparent)]
    App(#[from] AppError),
    #[error("organization `{0}` has no environment `{1}`, or is not there")]
    Nowhere(OrganizationSlug, Environment),
    #[error("organization `{0}` is suspended; `locum org resume {0}` serves it again")]
    Suspended(OrganizationSlug),
    #[error(
        "{organization}/{environment} has no tool `{tool}`{hint}; `locum catalog show --org {organization} --env {environment}` shows what it has"
    )]
    NoTool {
        organization: OrganizationSlug,
        environment: Environment,
        tool: String,
        hint: String,
    },
    #[error("the call was not made, because it cannot be recorded; see the log")]
    Unrecorded,
    #[error(
        "the call was ended before its answer came; whether it was made upstream is in the audit log"
    )]
    Abandoned,
}

impl App {
    /// Makes a call and returns what a client would get. What is stopped is on record, too.
    pub async fn call(
        &self,
        call: LocalCall<'_>,
        span: Option<Arc<dyn Span>>,
        stop: impl Future<Output = ()>,
    ) -> Result<CallOutcome, LocalCallError> {
        let gateway = Arc::new(self.gateway(&Meters::default(), Handle::current()).await?);
        let visit = visit(&gateway, &call)?;
        let (over, signal) = watch::channel(false);
        let records = tokio::spawn(recorder::keep(gateway.clone(), signal));
        let origin = origin(span);
        let arguments = call.arguments.clone();
        let called = tokio::select! {
            called = gateway.call(&visit, call.tool, arguments, &origin) => called,
            () = stop => Err(NotCalled::Abandoned),
        };
        gateway.end_unattended(Duration::ZERO).await;
        let _ = over.send(true);
        let _ = records.await;
        bookkeeper::save_usage(&gateway).await;
        recorder::close(&gateway).await;
        called.map_err(|not_called| refused(not_called, &call, &visit))
    }

    /// What a call would do; `Err` within: the result that it would have without asking anybody.
    pub async fn rehearse(
        &self,
        call: LocalCall<'_>,
    ) -> Result<Result<Vec<Rehearsed>, CallOutcome>, LocalCallError> {
        let gateway = self.gateway(&Meters::default(), Handle::current()).await?;
        let visit = visit(&gateway, &call)?;
        let (arguments, origin) = (call.arguments.clone(), origin(None));
        let rehearsed = gateway.rehearse(&visit, call.tool, arguments, &origin);
        rehearsed
            .await
            .map_err(|not_called| refused(not_called, &call, &visit))
    }
}

fn origin(span: Option<Arc<dyn Span>>) -> Origin {
    let origin = Origin::new(RequestId::new(Uuid::new_v4()));
    match span {
        Some(span) => origin.traced(span),
        None => origin,
    }
}

fn visit(gateway: &Gateway, call: &LocalCall<'_>) -> Result<Visit, LocalCallError> {
    let selection = Selection {
        organization: Some(call.organization.clone()),
        environment: Some(call.environment.clone()),
    };
    let arrival = gateway.arrive_locally(call.user, call.organization);
    let visit = arrival.and_then(|arrival| gateway.visit(arrival, &selection));
    visit.map_err(|refusal| match refusal {
        Refusal::OrganizationSuspended => LocalCallError::Suspended(call.organization.clone()),
        _ => LocalCallError::Nowhere(call.organization.clone(), call.environment.clone()),
    })
}

fn refused(not_called: NotCalled, call: &LocalCall<'_>, visit: &Visit) -> LocalCallError {
    match not_called {
        NotCalled::Unrecorded => LocalCallError::Unrecorded,
        NotCalled::Abandoned => LocalCallError::Abandoned,
        NotCalled::UnknownTool => {
            let known: Vec<&str> = visit
                .tools()
                .map(|entry| entry.tool.name.as_str())
                .collect();
            LocalCallError::NoTool {
                organization: call.organization.clone(),
                environment: call.environment.clone(),
                tool: call.tool.to_owned(),
                hint: near(call.tool, &known),
            }
        }
    }
}
