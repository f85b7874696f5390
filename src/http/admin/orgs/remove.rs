//! `DELETE /orgs/{org}`: the organization and everything that is its own, for good; a receipt.

use std::time::Duration;

use crate::admin::Patience;
use crate::http::admin::answer::{Answer, ok};
use crate::http::admin::authenticate::Acting;
use crate::http::admin::path::OrgPath;
use crate::http::admin::precondition::Precondition;

/// Attempts to empty the database's log, and the pause between two of them.
const ATTEMPTS: u32 = 10;
const PAUSE: Duration = Duration::from_millis(100);

pub(in crate::http::admin) async fn remove(
    Acting(admin): Acting,
    OrgPath(org): OrgPath,
    precondition: Precondition,
) -> Answer {
    let admin = precondition.on(admin);
    let patience = Patience {
        attempts: ATTEMPTS,
        pause: || tokio::time::sleep(PAUSE),
    };
    Ok(ok(&admin.delete_organization(&org, patience).await?))
}
