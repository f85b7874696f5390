//! The official SDKs list and call tools through the real program, by header and by path, in both
//! revisions.

use serde_json::{Value, json};

use crate::support::program::{self, Program, Server};
use crate::support::sdk::{self, Sdk};

const TOOLS: usize = 13;

struct Clinic {
    _program: Program,
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
        _program: program,
        _sandbox: sandbox,
        server,
        key,
    }
}

impl Clinic {
    /// One conversation: by path, or by headers where `path` is `/mcp`.
    async fn talk(&self, sdk: Sdk, revision: &str, path: &str, org: Option<&str>) -> Value {
        let mut headers = json!({"Authorization": format!("Bearer {}", self.key)});
        if let Some(org) = org {
            headers["X-Tenant-Id"] = org.into();
            headers["X-Tenant-Env"] = "dev".into();
        }
        let input = json!({
            "url": format!("{}{path}", self.server.url),
            "headers": headers,
            "revision": revision,
            "calls": [
                {"tool": "get_clinic_details_basic", "arguments": {"clinic_id": "C2001"}},
                {"tool": "search_patients", "arguments": {"prefix": "a", "limit": "ten"}},
                {"tool": "no_such_tool", "arguments": {}},
            ],
        });
        sdk::run(sdk, &input).await
    }
}

fn assert_report(report: &Value, revision: &str, org: &str) {
    assert_eq!(report["negotiated"], revision, "{report}");
    assert_eq!(report["server"]["name"], "locum", "{report}");
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
    assert_eq!(results[2]["error"]["code"], -32602, "{report}");
}

async fn converses(sdk: Sdk) {
    let clinic = clinic().await;
    for revision in ["2025-11-25", "2026-07-28"] {
        let by_header = clinic.talk(sdk, revision, "/mcp", Some("north")).await;
        assert_report(&by_header, revision, "north");
        let by_path = clinic.talk(sdk, revision, "/t/south/dev/mcp", None).await;
        assert_report(&by_path, revision, "south");
        let unnamed = clinic.talk(sdk, revision, "/mcp", None).await;
        let failure = unnamed["failure"].as_str().unwrap_or_default();
        assert!(failure.contains("tenant_required"), "{unnamed}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_python_sdk_converses() {
    converses(Sdk::Python).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_typescript_sdk_converses() {
    converses(Sdk::TypeScript).await;
}
