//! `locum check`: everything that can be wrong with an installation, before it is.

use serde::Serialize;

use super::CliError;
use super::context::Context;
use super::output::Output;
use crate::admin::Admin;
use crate::domain::credential::{CredentialMetadata, CredentialState};
use crate::domain::organization::OrganizationSlug;

#[derive(clap::Args)]
pub(super) struct Args {
    /// Log in with every active credential
    #[arg(long)]
    live: bool,
}

#[derive(Serialize)]
struct Finding {
    check: String,
    ok: bool,
    message: String,
}

impl Finding {
    fn ok(check: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            check: check.into(),
            ok: true,
            message: message.into(),
        }
    }

    fn of(check: String, problem: Option<String>, well: &str) -> Self {
        match problem {
            None => Self::ok(check, well),
            Some(message) => Self {
                check,
                ok: false,
                message,
            },
        }
    }
}

pub(super) async fn run(args: Args, context: &Context, output: &Output) -> Result<(), CliError> {
    let app = context.open().await?;
    let admin = app.admin();
    let catalog = &app.catalog;
    let mut findings = vec![
        Finding::ok("configuration", context.config.display().to_string()),
        Finding::ok(
            "profiles",
            format!(
                "providers: {}, tools: {}",
                catalog.providers().count(),
                catalog.tools().count()
            ),
        ),
        Finding::ok("master key", "fits the database"),
    ];
    let problems = admin.integrity_problems().await?.join("; ");
    let problem = (!problems.is_empty()).then_some(problems);
    findings.push(Finding::of(
        "database".to_owned(),
        problem,
        "integrity check passed",
    ));
    for version in admin.credentials(None).await? {
        if version.state == CredentialState::Active {
            findings.push(credential(&admin, &version, args.live, output).await);
        }
    }
    app.close().await;
    let failed = findings.iter().any(|finding| !finding.ok);
    output.list(&findings, ["CHECK", "RESULT", "DETAIL"], |finding| {
        let result = if finding.ok { "ok" } else { "FAILED" };
        [
            finding.check.clone(),
            result.to_owned(),
            finding.message.clone(),
        ]
    });
    if failed {
        Err(CliError::Reported)
    } else {
        Ok(())
    }
}

async fn credential(
    admin: &Admin,
    version: &CredentialMetadata,
    live: bool,
    output: &Output,
) -> Finding {
    let CredentialMetadata {
        organization,
        environment,
        provider,
        ..
    } = version;
    let check = format!("credential {organization}/{environment}/{provider}");
    let known = admin.catalog().provider(provider.as_str());
    if !known.is_some_and(|provider| provider.environments.contains_key(environment)) {
        let problem = "no profile describes this provider and environment".to_owned();
        return Finding::of(check, Some(problem), "");
    }
    if let Err(error) = admin.open_credential(version).await {
        return Finding::of(check, Some(error.to_string()), "");
    }
    if !live {
        return Finding::ok(check, "opens; not tried (use --live)");
    }
    if !output.json {
        output.notice(&format!(
            "logging in: {organization}/{environment}/{provider} …"
        ));
    }
    let Ok(slug) = OrganizationSlug::parse(organization) else {
        return Finding::of(check, Some("malformed organization id".to_owned()), "");
    };
    match admin
        .test_credential(&slug, environment, provider.as_str())
        .await
    {
        Ok(report) => Finding {
            check,
            ok: report.ok,
            message: report.message,
        },
        Err(error) => Finding::of(check, Some(error.to_string()), ""),
    }
}
