//! The front door in both revisions: methods, lists, calls and every kind of bad request.

use serde_json::{Value, json};

use crate::support::wire::{self, Answer, Draft};
use crate::support::{McpClient, Reply, TestApp};

const LEGACY: &[(&str, &str)] = &[("mcp-protocol-version", "2025-11-25")];
const CLINIC: &str = "get_clinic_details_basic";
const READERS: &[&str] = &[
    "doctor_availability_elicitation",
    "get_appointment_details_basic",
    "get_appointment_details_enriched",
    "get_appointment_slots",
    "get_available_dates",
    "get_business_entities",
    CLINIC,
    "get_comprehensive_clinic_profile",
    "get_comprehensive_doctor_profile",
    "get_comprehensive_patient_profile",
    "get_comprehensive_prescription_details",
    "get_doctor_profile_basic",
    "get_doctor_services",
    "get_patient_appointments_basic",
    "get_patient_appointments_enriched",
    "get_patient_by_mobile",
    "get_prescription_details_basic",
    "list_patients",
    "search_patients",
    "show_appointments_basic",
    "show_appointments_enriched",
];

/// A name, the error's code (0: none), headers and body.
type Case<'a> = (&'a str, i32, Vec<(&'a str, &'a str)>, &'a Value);

async fn north() -> TestApp {
    TestApp::builder().org("north", &["dev"]).start().await
}

/// `params._meta` of the modern revision.
fn meta(version: &str) -> Value {
    json!({
        "io.modelcontextprotocol/protocolVersion": version,
        "io.modelcontextprotocol/clientCapabilities": {},
    })
}

fn call_of(tool: &str) -> Value {
    let params = json!({"name": tool, "arguments": {"clinic_id": "C2001"}});
    json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params})
}

/// A body as JSON with what varies from run to run left out.
fn stable(mut reply: Reply) -> Value {
    let id = reply.headers["x-request-id"].to_str().unwrap().to_owned();
    let text = reply.body.to_string().replace(&id, "<request id>");
    reply.body = serde_json::from_str(&text).unwrap();
    json!({"status": reply.status, "body": reply.body})
}

/// Posts bytes with a key by hand.
async fn raw(app: &TestApp, key: &str, body: &str) -> Answer {
    let draft = Draft::post("/mcp", body).with(format!("Authorization: Bearer {key}"));
    wire::exchange(&app.url(), &draft.bytes()).await
}

fn tool_names(list: &Reply) -> Vec<String> {
    let tools = list.body["result"]["tools"].as_array().unwrap();
    let name = |tool: &Value| tool["name"].as_str().unwrap().to_owned();
    tools.iter().map(name).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_reaches_the_upstream_as_the_tenant() {
    let app = TestApp::builder()
        .org("north", &["dev"])
        .org("south", &["dev"])
        .start()
        .await;
    let client = app.client(&["north", "south"], &[]).await;
    for org in ["north", "south"] {
        let arguments = json!({"clinic_id": "C2001"});
        let reply = client.at(org, "dev").call(CLINIC, arguments).await;
        assert_eq!(reply.status, 200);
        let name = reply.content()["data"]["data"]["clinic"]["name"]
            .as_str()
            .unwrap();
        assert!(name.contains(&format!("{org}-dev")), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn modern_lists_are_private_and_equal_from_call_to_call() {
    let app = north().await;
    let client = app.client(&["north"], &["dev"]).await;
    let one = client.modern("tools/list", json!({})).await;
    let two = client.modern("tools/list", json!({})).await;
    assert_eq!(one.body, two.body);
    assert_eq!(one.body["result"]["cacheScope"], "private");
    assert_eq!(one.body["result"]["resultType"], "complete");
    assert!(one.body["result"]["ttlMs"].is_u64());
    let legacy = client.legacy("tools/list", json!({})).await;
    assert_eq!(legacy.body["result"]["tools"], one.body["result"]["tools"]);
    assert!(legacy.body["result"].get("resultType").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn initialize_settles_on_a_revision_that_is_served() {
    let app = north().await;
    let client = app.client(&["north"], &["dev"]).await;
    for (asked, settled) in [
        (json!("2025-03-26"), "2025-03-26"),
        (json!("2025-06-18"), "2025-06-18"),
        (json!("2025-11-25"), "2025-11-25"),
        (json!("2024-11-05"), "2025-11-25"),
        (json!("2026-07-28"), "2025-11-25"),
        (json!("2099-01-01"), "2025-11-25"),
        (json!("latest"), "2025-11-25"),
        (json!(null), "2025-11-25"),
    ] {
        let params = json!({
            "protocolVersion": asked,
            "capabilities": {},
            "clientInfo": {"name": "test", "version": "1"},
        });
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params});
        let reply = client.post("/mcp", &[], &body).await;
        let version = &reply.body["result"]["protocolVersion"];
        assert_eq!(version, settled, "{asked}: {}", reply.body);
        assert!(reply.headers.get("mcp-session-id").is_none());
    }
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {}});
    // A client that falls back may still send the header of the revision that it tried first.
    let tried = [("mcp-protocol-version", "2026-07-28")];
    let reply = client.post("/mcp", &tried, &body).await;
    assert_eq!(reply.body["result"]["protocolVersion"], "2025-11-25");
    // 2026-07-28 has no handshake.
    let reply = client.modern("initialize", json!({})).await;
    assert_eq!(
        (reply.status, &reply.body["error"]["code"]),
        (404, &json!(-32601))
    );
    let reply = client.post("/mcp", &[], &body).await;
    insta::assert_json_snapshot!(stable(reply), @r#"
{
  "status": 200,
  "body": {
    "jsonrpc": "2.0",
    "id": 1,
    "result": {
      "protocolVersion": "2025-11-25",
      "capabilities": {
        "tools": {
          "listChanged": true
        }
      },
      "serverInfo": {
        "name": "locum",
        "title": "Locum",
        "version": "0.1.0"
      },
      "instructions": "Tools of one organization at its providers. Every answer concerns that organization only. Confirm with the user before calling a tool that changes data."
    }
  }
}
"#);
}

#[tokio::test(flavor = "multi_thread")]
async fn notifications_are_accepted_without_an_answer() {
    let app = north().await;
    let key = app.key(&["north"], &["dev"], &[], false).await;
    let legacy = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#.to_owned();
    let params = json!({"_meta": meta("2026-07-28"), "requestId": 7});
    let modern = json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params});
    for (version, body) in [("2025-11-25", legacy), ("2026-07-28", modern.to_string())] {
        let draft = Draft::post("/mcp", &body)
            .with(format!("Authorization: Bearer {key}"))
            .with(format!("MCP-Protocol-Version: {version}"));
        let answer = wire::exchange(&app.url(), &draft.bytes()).await;
        assert_eq!(answer.status, 202, "{version}: {answer:?}");
        assert_eq!(answer.body, b"", "{version}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_revision_has_its_own_methods() {
    let app = north().await;
    let client = app.client(&["north"], &["dev"]).await;
    let ping = client.legacy("ping", json!({})).await;
    assert_eq!((ping.status, &ping.body["result"]), (200, &json!({})));
    for method in ["resources/list", "server/unknown", "", "tools/List"] {
        let reply = client.legacy(method, json!({})).await;
        assert_eq!(reply.status, 200, "{method}");
        assert_eq!(reply.body["error"]["code"], -32601, "{method}");
    }
    for method in ["ping", "logging/setLevel", "prompts/list"] {
        let reply = client.modern(method, json!({})).await;
        assert_eq!(reply.status, 404, "{method}: {}", reply.body);
        assert_eq!(reply.body["error"]["code"], -32601, "{method}");
        assert_eq!(reply.body["id"], 1, "{method}");
    }
    let discovered = client.modern("server/discover", json!({})).await;
    insta::assert_json_snapshot!(stable(discovered), @r#"
{
  "status": 200,
  "body": {
    "jsonrpc": "2.0",
    "id": 1,
    "result": {
      "resultType": "complete",
      "_meta": {
        "io.modelcontextprotocol/serverInfo": {
          "name": "locum",
          "title": "Locum",
          "version": "0.1.0"
        }
      },
      "supportedVersions": [
        "2025-03-26",
        "2025-06-18",
        "2025-11-25",
        "2026-07-28"
      ],
      "capabilities": {
        "tools": {
          "listChanged": true
        }
      },
      "instructions": "Tools of one organization at its providers. Every answer concerns that organization only. Confirm with the user before calling a tool that changes data.",
      "ttlMs": 60000,
      "cacheScope": "private"
    }
  }
}
"#);
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_answer_in_the_form_of_their_revision() {
    let app = north().await;
    let client = app.client(&["north"], &["dev"]).await;
    let wrong = json!({"name": "search_patients", "arguments": {"prefix": "a", "limit": "ten"}});
    let missing = json!({"name": CLINIC, "arguments": {"clinic_id": "nowhere"}});
    insta::assert_json_snapshot!(stable(client.legacy("tools/call", wrong.clone()).await), @r#"
{
  "status": 200,
  "body": {
    "jsonrpc": "2.0",
    "id": 1,
    "result": {
      "content": [
        {
          "type": "text",
          "text": "{\"success\":false,\"error\":{\"message\":\"The arguments do not fit: argument `limit`: \\\"ten\\\" is not of types \\\"null\\\", \\\"integer\\\".\",\"status_code\":null,\"error_code\":\"invalid_arguments\",\"request_id\":\"<request id>\"}}"
        }
      ],
      "structuredContent": {
        "success": false,
        "error": {
          "message": "The arguments do not fit: argument `limit`: \"ten\" is not of types \"null\", \"integer\".",
          "status_code": null,
          "error_code": "invalid_arguments",
          "request_id": "<request id>"
        }
      },
      "isError": true
    }
  }
}
"#);
    insta::assert_json_snapshot!(stable(client.modern("tools/call", wrong).await), @r#"
{
  "status": 200,
  "body": {
    "jsonrpc": "2.0",
    "id": 1,
    "result": {
      "resultType": "complete",
      "content": [
        {
          "type": "text",
          "text": "{\"success\":false,\"error\":{\"message\":\"The arguments do not fit: argument `limit`: \\\"ten\\\" is not of types \\\"null\\\", \\\"integer\\\".\",\"status_code\":null,\"error_code\":\"invalid_arguments\",\"request_id\":\"<request id>\"}}"
        }
      ],
      "structuredContent": {
        "success": false,
        "error": {
          "message": "The arguments do not fit: argument `limit`: \"ten\" is not of types \"null\", \"integer\".",
          "status_code": null,
          "error_code": "invalid_arguments",
          "request_id": "<request id>"
        }
      },
      "isError": true
    }
  }
}
"#);
    insta::assert_json_snapshot!(stable(client.modern("tools/call", missing).await), @r#"
{
  "status": 200,
  "body": {
    "jsonrpc": "2.0",
    "id": 1,
    "result": {
      "resultType": "complete",
      "content": [
        {
          "type": "text",
          "text": "{\"success\":false,\"error\":{\"message\":\"The provider answered 404: The specified clinic_id does not exist. No clinic of this organization has this id.\",\"status_code\":404,\"error_code\":\"CLINIC_NOT_FOUND\",\"request_id\":\"<request id>\"}}"
        }
      ],
      "structuredContent": {
        "success": false,
        "error": {
          "message": "The provider answered 404: The specified clinic_id does not exist. No clinic of this organization has this id.",
          "status_code": 404,
          "error_code": "CLINIC_NOT_FOUND",
          "request_id": "<request id>"
        }
      },
      "isError": true
    }
  }
}
"#);
    for params in [
        json!({"name": "no_such_tool"}),
        json!({"name": ""}),
        json!({"name": "search_patients "}),
    ] {
        for reply in [
            client.legacy("tools/call", params.clone()).await,
            client
                .post(
                    "/mcp",
                    &[],
                    &json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}),
                )
                .await,
        ] {
            assert_eq!(reply.status, 200, "{params}");
            assert_eq!(
                reply.body["error"]["code"], -32602,
                "{params}: {}",
                reply.body
            );
        }
    }
    let reply = client
        .modern("tools/call", json!({"name": "no_such_tool"}))
        .await;
    insta::assert_json_snapshot!(stable(reply), @r#"
{
  "status": 200,
  "body": {
    "jsonrpc": "2.0",
    "id": 1,
    "error": {
      "code": -32602,
      "message": "Unknown tool: no_such_tool",
      "data": {
        "request_id": "<request id>"
      }
    }
  }
}
"#);
}

#[tokio::test(flavor = "multi_thread")]
async fn text_and_structure_of_an_answer_say_the_same() {
    let app = north().await;
    let client = app.client(&["north"], &["dev"]).await;
    let params = json!({"name": CLINIC, "arguments": {"clinic_id": "C2001"}});
    let legacy = client.legacy("tools/call", params.clone()).await;
    let modern = client.modern("tools/call", params).await;
    for reply in [&legacy, &modern] {
        let text = reply.body["result"]["content"][0]["text"].as_str().unwrap();
        let text: Value = serde_json::from_str(text).unwrap();
        assert_eq!(&text, reply.content());
        assert_eq!(reply.body["result"]["isError"], false);
    }
    assert_eq!(legacy.content(), modern.content());
    assert!(legacy.body["result"].get("resultType").is_none());
    assert_eq!(modern.body["result"]["resultType"], "complete");
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_that_disagree_with_the_body_are_refused() {
    let app = north().await;
    let client = app.client(&["north"], &["dev"]).await;
    let mut modern = call_of(CLINIC);
    modern["params"]["_meta"] = meta("2026-07-28");
    let mut without_meta = modern.clone();
    without_meta["params"]
        .as_object_mut()
        .unwrap()
        .remove("_meta");
    let mut without_capabilities = modern.clone();
    without_capabilities["params"]["_meta"]
        .as_object_mut()
        .unwrap()
        .remove("io.modelcontextprotocol/clientCapabilities");
    let mut list_as_meta = modern.clone();
    list_as_meta["params"]["_meta"] = json!(["2026-07-28", {}]);
    let mut number = modern.clone();
    number["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"] = json!(20260728);
    let mut future = modern.clone();
    future["params"]["_meta"] = meta("2027-01-01");
    let version = ("mcp-protocol-version", "2026-07-28");
    let method = ("mcp-method", "tools/call");
    let name = ("mcp-name", CLINIC);
    let all = [version, method, name];
    let encoded = "=?base64?Z2V0X2NsaW5pY19kZXRhaWxzX2Jhc2lj?=";
    let cases: Vec<Case<'_>> = vec![
        ("all as it should be", 0, all.to_vec(), &modern),
        (
            "name in Base64",
            0,
            vec![version, method, ("mcp-name", encoded)],
            &modern,
        ),
        ("legacy without mirrors", 0, LEGACY.to_vec(), &without_meta),
        ("legacy without a version", 0, vec![], &without_meta),
        ("no version header", -32020, vec![method, name], &modern),
        (
            "older version header",
            -32020,
            vec![LEGACY[0], method, name],
            &modern,
        ),
        ("no method header", -32020, vec![version, name], &modern),
        (
            "another method",
            -32020,
            vec![version, ("mcp-method", "tools/list"), name],
            &modern,
        ),
        (
            "method in capitals",
            -32020,
            vec![version, ("mcp-method", "Tools/Call"), name],
            &modern,
        ),
        ("no name header", -32020, vec![version, method], &modern),
        (
            "another name",
            -32020,
            vec![version, method, ("mcp-name", "list_patients")],
            &modern,
        ),
        (
            "name not Base64",
            -32020,
            vec![version, method, ("mcp-name", "=?base64?%%?=")],
            &modern,
        ),
        (
            "legacy, another method",
            -32020,
            vec![LEGACY[0], ("mcp-method", "ping")],
            &without_meta,
        ),
        (
            "legacy, another name",
            -32020,
            vec![LEGACY[0], ("mcp-name", "x")],
            &without_meta,
        ),
        ("no _meta", -32602, all.to_vec(), &without_meta),
        (
            "no capabilities",
            -32602,
            all.to_vec(),
            &without_capabilities,
        ),
        ("_meta as a list", -32602, all.to_vec(), &list_as_meta),
        ("version as a number", -32602, all.to_vec(), &number),
        (
            "unknown version",
            -32022,
            vec![("mcp-protocol-version", "2027-01-01"), method, name],
            &future,
        ),
        (
            "outdated version",
            -32022,
            vec![("mcp-protocol-version", "2024-11-05")],
            &without_meta,
        ),
        (
            "version that is none",
            -32022,
            vec![("mcp-protocol-version", "1")],
            &without_meta,
        ),
    ];
    for (case, code, headers, body) in cases {
        let reply = client.post("/mcp", &headers, body).await;
        if code == 0 {
            assert!(!reply.content().is_null(), "{case}: {}", reply.body);
            continue;
        }
        assert_eq!(reply.status, 400, "{case}: {}", reply.body);
        assert_eq!(reply.body["error"]["code"], code, "{case}: {}", reply.body);
        assert_eq!(reply.body["id"], 1, "{case}");
        if code == -32022 {
            let supported = ["2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28"];
            let data = &reply.body["error"]["data"];
            assert_eq!(data["supported"], json!(supported), "{case}");
            assert_eq!(data["requested"], headers[0].1, "{case}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_are_no_request_get_json_rpc_errors() {
    let app = north().await;
    let key = app.key(&["north"], &["dev"], &[], false).await;
    let null = Value::Null;
    for (body, code, id) in [
        ("", -32700, null.clone()),
        ("{", -32700, null.clone()),
        ("nonsense", -32700, null.clone()),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"ping"} x"#,
            -32700,
            null.clone(),
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"ping"#,
            -32700,
            null.clone(),
        ),
        ("[]", -32600, null.clone()),
        (
            r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#,
            -32600,
            null.clone(),
        ),
        (r#"["2.0",1,"ping"]"#, -32600, null.clone()),
        ("1", -32600, null.clone()),
        ("null", -32600, null.clone()),
        ("\"ping\"", -32600, null.clone()),
        ("{}", -32600, null.clone()),
        (
            r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#,
            -32600,
            null.clone(),
        ),
        (
            r#"{"jsonrpc":"2.0","id":1.5,"method":"ping"}"#,
            -32600,
            null.clone(),
        ),
        (
            r#"{"jsonrpc":"2.0","id":{},"method":"ping"}"#,
            -32600,
            null.clone(),
        ),
        (
            r#"{"jsonrpc":"2.0","id":true,"method":"ping"}"#,
            -32600,
            null.clone(),
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"id":1,"method":"ping"}"#,
            -32600,
            null.clone(),
        ),
        (
            r#"{"jsonrpc":"2.0","id":5,"method":"ping","method":"ping"}"#,
            -32600,
            json!(5),
        ),
        (
            r#"{"jsonrpc":"1.0","id":5,"method":"ping"}"#,
            -32600,
            json!(5),
        ),
        (r#"{"id":"a","method":"ping"}"#, -32600, json!("a")),
        (r#"{"jsonrpc":"2.0","id":5}"#, -32600, json!(5)),
        (r#"{"jsonrpc":"2.0","id":5,"method":7}"#, -32600, json!(5)),
        (r#"{"jsonrpc":"2.0","id":5,"result":{}}"#, -32600, json!(5)),
        (
            r#"{"jsonrpc":"2.0","id":5,"method":"ping","params":[]}"#,
            -32602,
            json!(5),
        ),
        (
            r#"{"jsonrpc":"2.0","id":5,"method":"ping","params":"x"}"#,
            -32602,
            json!(5),
        ),
        (
            r#"{"jsonrpc":"2.0","id":5,"method":"tools/call","params":["get_clinic_details_basic",{}]}"#,
            -32602,
            json!(5),
        ),
        (
            r#"{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"name":7}}"#,
            -32602,
            json!(5),
        ),
        (
            r#"{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"name":"a","name":"b"}}"#,
            -32602,
            json!(5),
        ),
    ] {
        let answer = raw(&app, &key, body).await;
        let found = answer.json();
        assert_eq!(answer.status, 400, "{body}: {found}");
        assert_eq!(found["error"]["code"], code, "{body}: {found}");
        assert_eq!(found["id"], id, "{body}: {found}");
    }
    assert!(app.sandbox.requests().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn parameters_that_do_not_fit_a_call_are_an_error_of_the_request() {
    let app = north().await;
    let client = app.client(&["north"], &["dev"]).await;
    for params in [
        json!({}),
        json!({"name": CLINIC, "arguments": []}),
        json!({"name": CLINIC, "arguments": "C2001"}),
    ] {
        let reply = client.legacy("tools/call", params.clone()).await;
        assert_eq!(
            reply.body["error"]["code"], -32602,
            "{params}: {}",
            reply.body
        );
    }
    let cursor = client.legacy("tools/list", json!({"cursor": "x"})).await;
    assert_eq!(cursor.body["error"]["code"], -32602, "{}", cursor.body);
    assert!(app.sandbox.requests().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_post_of_json_is_refused() {
    let app = TestApp::builder()
        .org("north", &["dev"])
        .config("[limits]\nbody = \"4KiB\"\n")
        .start()
        .await;
    let key = app.key(&["north"], &["dev"], &[], false).await;
    let ping = r#"{"jsonrpc":"2.0","id":"p","method":"ping"}"#;
    let with_key = |draft: Draft| draft.with(format!("Authorization: Bearer {key}"));
    let send = async |draft: Draft| wire::exchange(&app.url(), &draft.bytes()).await;
    for method in ["GET", "DELETE", "PUT", "PATCH", "OPTIONS"] {
        for path in ["/mcp", "/t/north/mcp", "/t/north/dev/mcp"] {
            let answer = send(with_key(Draft::request(method, path, ""))).await;
            assert_eq!(answer.status, 405, "{method} {path}: {answer:?}");
            assert_eq!(answer.header("allow"), Some("POST, GET"), "{method} {path}");
            let code = answer.json()["error"]["data"]["code"].clone();
            assert_eq!(code, "method_not_allowed", "{method} {path}");
            let stranger = send(Draft::request(method, path, "")).await;
            assert_eq!(stranger.status, 401, "{method} {path}: {stranger:?}");
        }
    }
    for content_type in [
        "",
        "text/plain",
        "application/jsonp",
        "application/x-www-form-urlencoded",
    ] {
        let draft = with_key(Draft::post("/mcp", ping)).without("Content-Type");
        let answer = send(draft.with(format!("Content-Type: {content_type}"))).await;
        assert_eq!(answer.status, 415, "{content_type}: {answer:?}");
        assert_eq!(answer.json()["error"]["data"]["code"], "content_type");
        assert_eq!(answer.json()["id"], "p");
    }
    for content_type in ["application/json; charset=utf-8", "APPLICATION/JSON"] {
        let draft = with_key(Draft::post("/mcp", ping)).without("Content-Type");
        let answer = send(draft.with(format!("Content-Type: {content_type}"))).await;
        assert_eq!(answer.status, 200, "{content_type}: {answer:?}");
    }
    let padded = |length: usize| format!("{ping}{}", " ".repeat(length - ping.len()));
    let largest = send(with_key(Draft::post("/mcp", &padded(4096)))).await;
    assert_eq!(largest.status, 200, "{largest:?}");
    let answer = send(with_key(Draft::post("/mcp", &padded(4097)))).await;
    assert_eq!(answer.status, 413, "{answer:?}");
    assert_eq!(answer.json()["error"]["data"]["code"], "body_too_large");
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_come_back_byte_for_byte() {
    let app = north().await;
    let key = app.key(&["north"], &["dev"], &[], false).await;
    let long = format!("\"{}\"", "x".repeat(5_000));
    for id in [
        "0",
        "-1",
        "18446744073709551616",
        "123456789012345678901234567890",
        "\"\"",
        r#""a\u0000\u00e9\/\"""#,
        "\"ü 🦀\"",
        &long,
    ] {
        for method in ["ping", "tools/list", "no/such"] {
            let body = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}"}}"#);
            let answer = raw(&app, &key, &body).await;
            let text = String::from_utf8(answer.body).unwrap();
            let start = format!(r#"{{"jsonrpc":"2.0","id":{id},"#);
            assert!(text.starts_with(&start), "{method}: {text}");
        }
    }
}

/// The tools that a key lists, and those that it can call, are the same.
async fn assert_lists_what_it_calls(client: &McpClient, everything: &[String]) -> Vec<String> {
    let listed = tool_names(&client.legacy("tools/list", json!({})).await);
    let modern = tool_names(&client.modern("tools/list", json!({})).await);
    assert_eq!(listed, modern);
    let stranger = client.call("no_such_tool", json!({})).await;
    for name in everything {
        let reply = client.call(name, json!({"no": "such argument"})).await;
        let forbidden = reply.body["error"]["code"] == -32602;
        assert_eq!(forbidden, !listed.contains(name), "{name}: {}", reply.body);
        if forbidden {
            let unknown = stranger.body["error"]["message"].as_str().unwrap();
            let expected = unknown.replace("no_such_tool", name);
            assert_eq!(reply.body["error"]["message"], expected);
        }
    }
    listed
}

#[tokio::test(flavor = "multi_thread")]
async fn limited_keys_list_what_they_may_call_and_nothing_else_exists_for_them() {
    let app = north().await;
    let url = app.url();
    let full = McpClient::new(&url, &app.key(&["north"], &["dev"], &[], false).await);
    let everything = tool_names(&full.legacy("tools/list", json!({})).await);
    assert_eq!(
        assert_lists_what_it_calls(&full, &everything).await,
        everything
    );
    let cases: [(&[&str], bool, &[&str]); 4] = [
        (&[], true, READERS),
        (
            &["archive_patient", CLINIC],
            false,
            &["archive_patient", CLINIC],
        ),
        (&["archive_patient", CLINIC], true, &[CLINIC]),
        (&["archive_patient"], true, &[]),
    ];
    for (tools, read_only, expected) in cases {
        let key = app.key(&["north"], &["dev"], tools, read_only).await;
        let client = McpClient::new(&url, &key);
        assert_eq!(
            assert_lists_what_it_calls(&client, &everything).await,
            expected
        );
    }
    assert!(app.sandbox.requests().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_without_a_credential_lists_nothing_and_says_so_when_called() {
    let app = TestApp::builder().org("north", &["dev"]).start().await;
    let client = app.client(&["north"], &[]).await.at("north", "prod");
    for reply in [
        client.legacy("tools/list", json!({})).await,
        client.modern("tools/list", json!({})).await,
    ] {
        assert_eq!(reply.body["result"]["tools"], json!([]));
    }
    let reply = client.call(CLINIC, json!({"clinic_id": "C2001"})).await;
    insta::assert_json_snapshot!(stable(reply), @r#"
{
  "status": 200,
  "body": {
    "jsonrpc": "2.0",
    "id": 1,
    "result": {
      "content": [
        {
          "type": "text",
          "text": "{\"success\":false,\"error\":{\"message\":\"Organization `north` has no active credential for `eka-care` in environment `prod`; an administrator can add one.\",\"status_code\":null,\"error_code\":\"no_credential\",\"request_id\":\"<request id>\"}}"
        }
      ],
      "structuredContent": {
        "success": false,
        "error": {
          "message": "Organization `north` has no active credential for `eka-care` in environment `prod`; an administrator can add one.",
          "status_code": null,
          "error_code": "no_credential",
          "request_id": "<request id>"
        }
      },
      "isError": true
    }
  }
}
"#);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_names_a_session_works_without_one() {
    let app = north().await;
    let client = app.client(&["north"], &["dev"]).await;
    let session = [LEGACY[0], ("mcp-session-id", "one-that-never-was")];
    let reply = client.post("/mcp", &session, &call_of(CLINIC)).await;
    assert_eq!(reply.status, 200);
    assert!(!reply.content().is_null(), "{}", reply.body);
    assert!(reply.headers.get("mcp-session-id").is_none());
}
