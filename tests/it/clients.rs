//! Clients of other people's making list and call tools through the real program, by header and by
//! path, in both revisions, and show a refusal instead of hiding it.

use serde_json::{Value, json};

use crate::support::foreign::Foreign;
use crate::support::program::{self, Program, Server};

const TOOLS: usize = 31;

struct Clinic {
    program: Program,
    _sandbox: Server,
    server: Server,
    key: String,
}

async fn clinic() -> Clinic {
    let sandbox = program::sandbox().await;
    let program = Program::init().await;
    program.configure_upstream(&sandbox.url);
    for slug in ["north", "south"] {
        program.organization(slug, &["dev"]).await;
    }
    let key = program.key(&["north", "south"]).await;
    let server = program.serve().await;
    Clinic {
        program,
        _sandbox: sandbox,
        server,
        key,
    }
}

impl Clinic {
    /// One conversation: by path, or by headers where `path` is `/mcp`.
    async fn talk(&self, client: Foreign, revision: &str, path: &str, org: Option<&str>) -> Value {
        let mut headers = json!({"Authorization": format!("Bearer {}", self.key)});
        if let Some(org) = org {
            headers["X-Tenant-Id"] = org.into();
            headers["X-Tenant-Env"] = "dev".into();
        }
        let input = json!({
            "url": format!("{}{path}", self.server.url),
            "headers": headers,
            "revision": revision,
            "calls": calls(),
        });
        client.converse(&input).await
    }

    /// A conversation through a program that serves MCP on its standard input and output.
    async fn talk_through(&self, command: &[&str], env: Value) -> Value {
        let input = json!({"command": command, "env": env, "calls": calls()});
        Foreign::TypeScriptSdk1.converse(&input).await
    }

    /// What `locum client-config` prints for a client, told where the server listens.
    async fn snippet(&self, client: &str) -> Value {
        let arguments = [
            "client-config",
            client,
            "--org",
            "south",
            "--env",
            "dev",
            "--json",
        ];
        let mut command = self.program.command(&arguments);
        command.env("LOCUM__SERVER__PUBLIC_URL", &self.server.url);
        let output = command.output().await.unwrap();
        serde_json::from_slice::<Value>(&output.stdout).unwrap()["config"].take()
    }
}

/// A good call, one that does not fit the tool's schema, and one that names no tool.
fn calls() -> Value {
    json!([
        {"tool": "get_clinic_details_basic", "arguments": {"clinic_id": "C2001"}},
        {"tool": "search_patients", "arguments": {"prefix": "a", "limit": -1}},
        {"tool": "no_such_tool", "arguments": {}},
    ])
}

fn assert_report(report: &Value, org: &str) {
    assert_eq!(
        report["tools"].as_array().map(Vec::len),
        Some(TOOLS),
        "{report}"
    );
    let results = report["results"].as_array().unwrap();
    let clinic = &results[0]["structuredContent"]["data"]["data"]["clinic"];
    let name = clinic["name"].as_str().unwrap_or_default();
    assert!(name.contains(&format!("{org}-dev")), "{report}");
    let text: Value =
        serde_json::from_str(results[0]["text"][0].as_str().unwrap_or_default()).unwrap();
    assert_eq!(
        text, results[0]["structuredContent"],
        "text and structure say the same"
    );
    assert_eq!(results[1]["isError"], true, "{report}");
    let mistake = results[1]["structuredContent"]["error"]["message"]
        .as_str()
        .unwrap_or_default();
    assert!(mistake.contains("`limit`"), "{mistake}");
}

/// The gateway's refusal of an unknown tool, as the client got it.
fn assert_unknown_tool(report: &Value) {
    let error = &report["results"][2]["error"];
    assert_eq!(error["code"], -32602, "{report}");
    let message = error["message"].as_str().unwrap_or_default();
    assert!(message.contains("Unknown tool: no_such_tool"), "{report}");
}

fn assert_refused(report: &Value, code: &str) {
    let failure = report["failure"].as_str().unwrap_or_default();
    assert!(failure.contains(code), "{report}");
}

/// An SDK: it tells which revision it speaks, and asks for whatever tool it is told to.
async fn converses(sdk: Foreign, revisions: &[&str]) {
    let clinic = clinic().await;
    for revision in revisions {
        let (by_header, by_path, unnamed) = tokio::join!(
            clinic.talk(sdk, revision, "/mcp", Some("north")),
            clinic.talk(sdk, revision, "/t/south/dev/mcp", None),
            clinic.talk(sdk, revision, "/mcp", None),
        );
        for (report, org) in [(by_header, "north"), (by_path, "south")] {
            assert_eq!(report["negotiated"], *revision, "{report}");
            assert_eq!(report["server"]["name"], "locum", "{report}");
            assert_report(&report, org);
            assert_unknown_tool(&report);
        }
        assert_refused(&unnamed, "tenant_required");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_python_sdk_converses() {
    converses(Foreign::PythonSdk, &["2025-11-25", "2026-07-28"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fastmcp_converses() {
    converses(Foreign::FastMcp, &["2025-11-25", "2026-07-28"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_typescript_sdk_converses() {
    converses(Foreign::TypeScriptSdk, &["2025-11-25", "2026-07-28"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_typescript_sdk_converses() {
    converses(Foreign::TypeScriptSdk1, &["2025-11-25"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_inspector_converses() {
    let clinic = clinic().await;
    let inspector = Foreign::Inspector;
    let (by_header, by_path, unnamed) = tokio::join!(
        clinic.talk(inspector, "2025-11-25", "/mcp", Some("north")),
        clinic.talk(inspector, "2026-07-28", "/t/south/dev/mcp", None),
        clinic.talk(inspector, "2025-11-25", "/mcp", None),
    );
    for (report, org) in [(by_header, "north"), (by_path, "south")] {
        assert_report(&report, org);
        // It looks a tool up in the list and does not ask for what is not there.
        let unknown = &report["results"][2]["error"]["code"];
        assert_eq!(unknown, "tool_not_found", "{report}");
    }
    assert_refused(&unnamed, "tenant_required");
}

#[tokio::test(flavor = "multi_thread")]
async fn mcp_remote_converses() {
    let clinic = clinic().await;
    let url = format!("{}/mcp", clinic.server.url);
    let bare = [
        "npx",
        "-y",
        "mcp-remote",
        &url,
        "--header",
        "Authorization:${KEY}",
    ];
    let named = [
        "--header",
        "X-Tenant-Id:north",
        "--header",
        "X-Tenant-Env:dev",
    ];
    let legacy = [&bare[..], &named].concat();
    let modern = [&legacy[..], &["--protocol", "auto"]].concat();
    let key = json!({"KEY": format!("Bearer {}", clinic.key)});
    let (legacy, modern, unnamed, stranger) = tokio::join!(
        clinic.talk_through(&legacy, key.clone()),
        clinic.talk_through(&modern, key.clone()),
        clinic.talk_through(&bare, key),
        clinic.talk_through(&bare, json!({"KEY": "Bearer YOUR_KEY"})),
    );
    let said = modern["said"].as_str().unwrap_or_default();
    assert!(said.contains("speaks MCP 2026-07-28"), "{said}");
    for report in [legacy, modern] {
        assert_report(&report, "north");
        assert_unknown_tool(&report);
    }
    assert_refused(&unnamed, "tenant_required");
    // It takes a 401 for a wish for OAuth, and shows the last answer of its search for that.
    assert_refused(&stranger, "gateway key");
}

/// Two clinics change the URL and the headers of the script that they have, and nothing in it.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_written_for_the_existing_server_runs_unchanged() {
    let clinic = clinic().await;
    let bearer = format!("Bearer {}", clinic.key);
    let server = |path: &str, headers: Value| {
        let url = format!("{}{path}", clinic.server.url);
        json!({"mcpServers": {"eka-care": {"transport": "http", "url": url, "headers": headers}}})
    };
    // The third is a header of the existing server's own.
    let north = json!({
        "Authorization": bearer, "X-Tenant-Id": "north", "X-Tenant-Env": "dev",
        "x-eka-supports-elicitation": "true",
    });
    let (north, south) = (
        server("/mcp", north),
        server("/t/south/dev/mcp", json!({"Authorization": bearer})),
    );
    let (north, south) = tokio::join!(
        Foreign::FrontDesk.converse(&north),
        Foreign::FrontDesk.converse(&south),
    );
    for (report, org) in [(north, "north"), (south, "south")] {
        assert_eq!(report.get("failure"), None, "{report}");
        let used = report["used"].as_array().unwrap();
        assert_eq!(used.len(), TOOLS, "{report}");
        assert_eq!(report["used"], report["listed"]);
        let facts = &report["facts"];
        let business = format!("Synthetic Health {org}-dev");
        assert_eq!(facts["business"], business, "{report}");
        assert_eq!(facts["visit"]["patient"], "Front Desk Sample", "{report}");
        assert_eq!(facts["health_id"]["step"], "complete", "{report}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_printed_snippets_work() {
    let clinic = clinic().await;
    let shell = clinic.snippet("mcp-remote").await;
    let desktop = clinic.snippet("claude-desktop").await["mcpServers"]["locum-south"].take();
    let mut command = vec![desktop["command"].as_str().unwrap()];
    command.extend(
        desktop["args"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(Value::as_str),
    );
    let header = desktop["env"]["AUTH_HEADER"].as_str().unwrap();
    let header = header.replace("YOUR_KEY", &clinic.key);
    let shell = ["sh", "-c", shell.as_str().unwrap()];
    let (shell, desktop) = tokio::join!(
        clinic.talk_through(&shell, json!({"LOCUM_KEY": clinic.key})),
        clinic.talk_through(&command, json!({"AUTH_HEADER": header})),
    );
    for report in [shell, desktop] {
        assert_report(&report, "south");
        assert_unknown_tool(&report);
    }
}
