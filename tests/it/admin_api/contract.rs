//! `openapi.json` and the router say the same, and other tools than ours find it so.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use locum::domain::actor::Role;
use serde_json::Value;

use crate::support::TestApp;
use crate::support::install::Project;

/// Method and path of every operation of the document.
pub fn operations(document: &Value) -> BTreeSet<(String, String)> {
    let paths = document["paths"].as_object().unwrap();
    let of_path = |(path, methods): (&String, &Value)| {
        let methods = methods.as_object().unwrap().keys();
        let operations = methods.map(|method| (method.to_uppercase(), path.clone()));
        operations.collect::<Vec<_>>()
    };
    paths.iter().flat_map(of_path).collect()
}

#[tokio::test]
async fn the_document_and_the_router_have_the_same_paths() {
    let app = TestApp::builder().org("north", &["dev"]).start().await;
    let document = app.api_with("").get("/openapi.json").await.ok();
    let documented: BTreeSet<String> = operations(&document)
        .into_iter()
        .map(|(_, path)| path)
        .collect();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/http/admin/mod.rs");
    let source = std::fs::read_to_string(source).unwrap();
    let named = |call: &str| {
        let calls = source.split(call).skip(1);
        let paths = calls.filter_map(|rest| rest.trim_start().strip_prefix('"')?.split('"').next());
        paths.map(str::to_owned).collect::<Vec<_>>()
    };
    let credential = "/orgs/{org}/credentials/{env}/{provider}";
    let below = named("below(").into_iter();
    let below = below.map(|rest| format!("{credential}{rest}"));
    let routed: BTreeSet<String> = named(".route(").into_iter().chain(below).collect();
    assert_eq!(routed, documented);

    // And the methods: what is documented is there, what is not is refused with what is.
    let owner = app.api(Role::Owner, None).await;
    for path in &documented {
        let concrete = path
            .replace("{org}", "north")
            .replace("{env}", "dev")
            .replace("{provider}", "eka-care")
            .replace("{id}", "none");
        let method = reqwest::Method::OPTIONS;
        let refused = owner.send(method, &concrete, &[], None).await;
        assert_eq!(
            (refused.status, refused.code()),
            (405, "method_not_allowed")
        );
        let allowed: BTreeSet<String> = refused
            .header("allow")
            .split(',')
            .filter(|method| *method != "HEAD")
            .map(str::to_owned)
            .collect();
        let wanted: BTreeSet<String> = operations(&document)
            .into_iter()
            .filter(|(_, of)| of == path)
            .map(|(method, _)| method)
            .collect();
        assert_eq!(allowed, wanted, "{path}");
    }
}

#[tokio::test]
async fn the_document_is_a_page_too() {
    let app = TestApp::builder().start().await;
    let page = app.api_with("").get("").await;
    assert_eq!(page.status, 200);
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    let text = page.body.as_str().unwrap();
    let document = app.api_with("").get("/openapi.json").await.ok();
    for (method, path) in operations(&document) {
        let heading = format!("<span class=m>{method}</span> <code>{path}</code>");
        assert!(text.contains(&heading), "{heading}");
    }
}

/// Schemathesis makes requests of the document's schemas, valid ones and others, and judges the
/// answers by it. What it makes depends on the answers, so no two runs are alike.
#[tokio::test]
async fn schemathesis_finds_nothing() {
    let app = TestApp::builder()
        .org("north", &["dev", "prod"])
        .org("south", &["dev"])
        // What `schemathesis.toml` has for the one endpoint that would take the others away.
        .org("doomed", &["dev"])
        .start()
        .await;
    let owner = app.api(Role::Owner, None).await;
    let mut command = Project::Python.program("schemathesis").await;
    let config =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/python/schemathesis.toml");
    command
        .arg("--config-file")
        .arg(config)
        .args(["run", "--url"])
        .arg(format!("http://{}/admin/v1", app.running.admin))
        .args([
            "--header",
            &format!("Authorization: Bearer {}", owner.token),
        ])
        .args(["--checks", "all", "--max-examples", "40", "--workers", "1"])
        .args(["--seed", "20261125", "--generation-database", "none"])
        .arg(format!(
            "http://{}/admin/v1/openapi.json",
            app.running.admin
        ));
    let limit = Duration::from_secs(300);
    let output = tokio::time::timeout(limit, command.output()).await;
    let output = output.expect("schemathesis took too long").unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}", findings(&said));
    let operations = operations(&owner.get("/openapi.json").await.ok()).len();
    assert!(said.contains(&format!("Tested: {operations}")), "{said}");
}

/// What was found, out of a report.
fn findings(report: &str) -> &str {
    let start = report.find("= FAILURES =").or(report.find("= ERRORS ="));
    &report[start.unwrap_or(0)..]
}
