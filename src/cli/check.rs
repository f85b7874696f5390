//! `locum check`: everything that can be wrong with an installation, before it is.

use serde::Serialize;

use super::CliError;
use super::context::Context;
use super::output::Output;
use crate::admin::Admin;
use crate::app::App;
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
    let admin = app.admin(context.actor());
    let catalog = app.catalog.now();
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
    findings.push(audit_log(&admin).await?);
    findings.extend(listeners(&app));
    for version in admin.credentials(None).await? {
        if !version.state.is_over() {
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

/// Whether every record follows the one before it.
async fn audit_log(admin: &Admin) -> Result<Finding, CliError> {
    let found = admin.audit_verify(None).await?;
    let well = format!("as it was written: {} records", found.records);
    Ok(Finding::of("audit log".to_owned(), found.message, &well))
}

/// What the gateway would show to a network.
fn listeners(app: &App) -> Vec<Finding> {
    let mut findings = Vec::new();
    match app.loaded.check_exposure() {
        Err(error) => {
            findings.push(Finding::of(
                "listeners".to_owned(),
                Some(error.to_string()),
                "",
            ));
        }
        Ok(plain) => findings.extend(plain.into_iter().map(|(section, address)| {
            let message = format!("plain HTTP on {address}, as {section}.allow_plaintext says");
            Finding::ok(format!("listener {section}"), message)
        })),
    }
    findings.extend(app.certificates().into_iter().map(|certificate| {
        let check = format!("certificate {}", certificate.key);
        match certificate.ends {
            Ok(ends) => Finding::ok(check, format!("ends at {ends}")),
            Err(problem) => Finding::of(check, Some(problem), ""),
        }
    }));
    findings
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
    let mut check = format!("credential {organization}/{environment}/{provider}");
    let is_active = version.state == CredentialState::Active;
    if !is_active {
        check += &format!(" version {}, {}", version.version, version.state);
    }
    let catalog = admin.catalog();
    let known = catalog.provider(provider.as_str());
    if !known.is_some_and(|provider| provider.environments.contains_key(environment)) {
        let problem = "no profile describes this provider and environment".to_owned();
        return Finding::of(check, Some(problem), "");
    }
    if let Err(error) = admin.open_credential(version).await {
        return Finding::of(check, Some(error.to_string()), "");
    }
    if !is_active {
        return Finding::ok(check, "opens");
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
        // Nothing is wrong with a key that cannot be tried.
        Ok(report) if !report.tried => Finding::ok(check, format!("opens; {}", report.message)),
        Ok(report) => Finding {
            check,
            ok: report.ok,
            message: report.message,
        },
        Err(error) => Finding::of(check, Some(error.to_string()), ""),
    }
}
