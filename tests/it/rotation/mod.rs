//! Rotation: every step of a credential's life, what calls use meanwhile, and that none of them
//! fails. Each version has a client id of its own in the sandbox, which is in every answer: what a
//! call used is what it says.

mod calls;
mod commands;
mod load;
mod set;
mod table;
mod writers;

use locum::admin::{Admin, AdminError, CredentialInput, Rotation};
use locum::domain::credential::{CredentialState, CredentialVersionId, SecretFields};
use locum::domain::organization::OrganizationSlug;
use locum::domain::tenant::Environment;
use secrecy::SecretString;
use serde_json::json;

use crate::support::TestApp;
use crate::support::app::{PROVIDER, org};
use crate::support::client::{McpClient, Reply};

/// A step with a rotation, as an administrator takes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Verify,
    Promote { unverified: bool },
    Rollback,
    Cancel,
}

/// One organization's credential profile.
#[derive(Clone)]
struct Profile {
    admin: Admin,
    organization: OrganizationSlug,
    environment: Environment,
}

impl Profile {
    fn new(app: &TestApp, slug: &str) -> Self {
        Self {
            admin: app.admin(),
            organization: org(slug),
            environment: Environment::parse("dev").unwrap(),
        }
    }

    fn input(&self, verify: bool) -> CredentialInput {
        CredentialInput {
            organization: self.organization.clone(),
            environment: self.environment.clone(),
            provider: PROVIDER.to_owned(),
            flow: None,
            issued: None,
            verify,
        }
    }

    async fn set(&self, client_id: &str, secret: &str) {
        let stored = self
            .admin
            .set_credential(self.input(false), fields(client_id, secret));
        stored.await.unwrap();
    }

    async fn stage(&self, client_id: &str, secret: &str) -> CredentialVersionId {
        let staged = self
            .admin
            .stage_credential(self.input(true), fields(client_id, secret));
        staged.await.unwrap().credential.id
    }

    async fn take(&self, step: Step, id: CredentialVersionId) -> Result<Rotation, AdminError> {
        let (admin, org, env) = (&self.admin, &self.organization, &self.environment);
        match step {
            Step::Verify => admin.verify_rotation(org, env, PROVIDER, id).await,
            Step::Promote { unverified } => {
                let promoted = admin.promote_rotation(org, env, PROVIDER, id, unverified);
                promoted.await
            }
            Step::Rollback => admin.rollback_rotation(org, env, PROVIDER, id).await,
            Step::Cancel => admin.cancel_rotation(org, env, PROVIDER, id).await,
        }
    }

    async fn revoke(&self, version: Option<i64>) -> Result<Rotation, AdminError> {
        let (org, env) = (&self.organization, &self.environment);
        self.admin
            .revoke_credential(org, env, PROVIDER, version)
            .await
    }

    /// A staged version of this client id, promoted without a login.
    async fn promote_next(&self, client_id: &str) -> CredentialVersionId {
        let id = self.stage(client_id, "synthetic-secret").await;
        let promote = Step::Promote { unverified: true };
        self.take(promote, id).await.unwrap();
        id
    }

    /// The states of the versions, the first one first.
    async fn states(&self) -> Vec<CredentialState> {
        let versions = self
            .admin
            .credentials(Some(&self.organization))
            .await
            .unwrap();
        versions.iter().rev().map(|version| version.state).collect()
    }
}

fn fields(client_id: &str, secret: &str) -> SecretFields {
    let fields = [("client_id", client_id), ("client_secret", secret)];
    let fields = fields.map(|(name, value)| (name.to_owned(), SecretString::from(value)));
    SecretFields::from(fields)
}

/// North, whose first version has the client id `v-1`, and a client of it.
async fn north() -> (TestApp, Profile, McpClient) {
    let app = TestApp::builder().org("north", &[]).start().await;
    let profile = Profile::new(&app, "north");
    profile.set("v-1", "synthetic-secret").await;
    let client = app.client(&["north"], &["dev"]).await;
    (app, profile, client)
}

async fn read(client: &McpClient) -> Reply {
    let arguments = json!({"clinic_id": "C2001"});
    client.call("get_clinic_details_basic", arguments).await
}

/// The number of the version that a call used; what went wrong, else.
fn version_used(reply: &Reply) -> Result<usize, String> {
    let text = reply.content().to_string();
    let number = text.split_once("v-").map(|(_, rest)| {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        rest[..digits].parse().ok()
    });
    match number.flatten() {
        Some(number) if reply.is_ok() => Ok(number),
        _ => Err(reply.body.to_string()),
    }
}

/// What a call uses now, as soon as the gateway knows of every change.
async fn used_now(app: &TestApp, client: &McpClient) -> Result<usize, String> {
    app.running.refresh().await.unwrap();
    version_used(&read(client).await)
}
