//! A profile that was imported, as it is, in front of an upstream of that description: what clients
//! are shown, and what their calls ask.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::Request;
use axum::http::HeaderMap;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::support::client::McpClient;
use crate::support::commands::words;
use crate::support::program::Program;

/// Only the address of the server is still missing.
const LAB: &str = r##"openapi: 3.1.0
info: {title: Lab, version: "1"}
servers: [{url: "URL/v1", description: Development}]
security: [{login: []}]
components:
  securitySchemes:
    login: {type: oauth2, flows: {clientCredentials: {tokenUrl: /v1/oauth/token, scopes: {}}}}
  schemas:
    Order:
      type: object
      required: [id, code]
      properties:
        id: {type: string, readOnly: true}
        code: {type: string}
        note: {type: [string, "null"]}
paths:
  /patients/{patientId}/orders:
    parameters:
    - {name: patientId, in: path, required: true, schema: {type: string}}
    - {name: X-Site, in: header, schema: {type: integer}}
    post:
      operationId: createOrder
      parameters:
      - {name: dryRun, in: query, schema: {type: boolean}}
      - {name: labels, in: query, explode: false, schema: {type: array, items: {type: string}}}
      - {name: tags, in: query, schema: {type: array, items: {type: string}}}
      requestBody:
        required: true
        content: {application/fhir+json: {schema: {$ref: "#/components/schemas/Order"}}}
  /reports/{name}.txt?full=true:
    get:
      operationId: getReport
      responses: {"200": {description: ok, content: {text/plain: {}}}}
"##;

/// Requests as HTTP would write them, with the headers that a profile decides.
type Asked = Arc<Mutex<Vec<String>>>;

async fn lab() -> (String, Asked) {
    let asked = Asked::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let of_server = asked.clone();
    let routes = Router::new().fallback(async move |request: Request| {
        let (parts, body) = request.into_parts();
        let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
        let head = format!("{} {}\n{}", parts.method, parts.uri, shown(&parts.headers));
        let text = String::from_utf8(body.to_vec()).unwrap();
        of_server.lock().unwrap().push(head + &text);
        json!({"access_token": "of-the-lab", "expires_in": 600}).to_string()
    });
    tokio::spawn(async move { axum::serve(listener, routes).await });
    (url, asked)
}

fn shown(headers: &HeaderMap) -> String {
    let names = ["authorization", "accept", "content-type", "x-site"];
    let sent = names
        .iter()
        .filter_map(|name| Some((name, headers.get(*name)?)));
    sent.map(|(name, value)| format!("{name}: {}\n", value.to_str().unwrap()))
        .collect()
}

/// Organization north with a credential for the laboratory; a key for it.
async fn credential(program: &Program) -> String {
    program
        .ok(&["org", "create", "north", "--name", "North"])
        .await;
    program.write(
        "fields.toml",
        "client_id = \"n\"\nclient_secret = \"synthetic\"\n",
    );
    let place = "--org north --env dev --provider lab --from-file fields.toml";
    program
        .ok(&words("credential set", &words(place, &[])))
        .await;
    program.key(&["north"]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tool_that_was_imported_asks_what_the_document_says() {
    let (url, asked) = lab().await;
    let program = Program::init().await;
    std::fs::write(program.path("lab.yaml"), LAB.replace("URL", &url)).unwrap();
    std::fs::create_dir(program.path("profiles")).unwrap();
    let import = ["catalog", "import-openapi", "lab.yaml"];
    let output = ["--output", "profiles/lab.toml"];
    program.ok(&[&import[..], &output].concat()).await;
    let key = credential(&program).await;
    let server = program.serve().await;
    let client = McpClient::new(&server.url, &key);

    let listed = client.legacy("tools/list", json!({})).await;
    let tools = listed.body["result"]["tools"].as_array().unwrap();
    let names: Vec<&Value> = tools.iter().map(|tool| &tool["name"]).collect();
    assert_eq!(names, ["create_order", "get_report"]);
    insta::assert_json_snapshot!(tools[0]["inputSchema"], @r#"
    {
      "type": "object",
      "required": [
        "patient_id",
        "body"
      ],
      "additionalProperties": false,
      "properties": {
        "patient_id": {
          "type": "string",
          "minLength": 1
        },
        "x_site": {
          "type": "integer"
        },
        "dry_run": {
          "type": "boolean"
        },
        "labels": {
          "type": "array",
          "items": {
            "type": "string"
          }
        },
        "tags": {
          "type": "string"
        },
        "body": {
          "type": "object",
          "required": [
            "code"
          ],
          "properties": {
            "code": {
              "type": "string"
            },
            "note": {
              "type": [
                "string",
                "null"
              ]
            }
          }
        }
      }
    }
    "#);

    let order = json!({
        "patient_id": "P 7/x", "x_site": 0, "dry_run": false, "labels": ["a", "b c"], "tags": "t",
        "body": {"code": "CBC", "note": null},
    });
    let called = client.call("create_order", order).await;
    assert!(called.is_ok(), "{}", called.body);
    let report = client.call("get_report", json!({"name": "r 1"})).await;
    assert!(report.is_ok(), "{}", report.body);
    insta::assert_snapshot!(asked.lock().unwrap().join("\n\n"), @r#"
    POST /v1/oauth/token
    authorization: Basic bjpzeW50aGV0aWM=
    accept: application/json
    content-type: application/x-www-form-urlencoded
    grant_type=client_credentials

    POST /v1/patients/P%207%2Fx/orders?dryRun=false&labels=a%2Cb%20c&tags=t
    authorization: Bearer of-the-lab
    accept: application/json
    content-type: application/fhir+json
    x-site: 0
    {"code":"CBC","note":null}

    GET /v1/reports/r%201.txt?full=true
    authorization: Bearer of-the-lab
    accept: text/plain
    "#);

    let unlike = json!({"patient_id": "7", "body": {"code": 1}});
    let refused = client.call("create_order", unlike).await;
    assert_eq!(refused.failure()["error_code"], "invalid_arguments");
    assert_eq!(asked.lock().unwrap().len(), 3, "nothing was sent");
}
