//! One more client beside those of `clients`: rmcp's own, in its automatic mode, which asks with
//! `server/discover` and would fall back to `initialize`.

use std::collections::HashMap;

use rmcp::model::{CallToolRequestParams, ProtocolVersion};
use rmcp::service::RunningService;
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use rmcp::{ClientLifecycleMode, ClientServiceExt, RoleClient};
use serde_json::{Value, json};

use crate::support::TestApp;
use crate::support::app::reqwest_client;

pub async fn connected(
    url: String,
    key: &str,
    tenant: &[(&str, &str)],
) -> RunningService<RoleClient, ()> {
    let headers: HashMap<_, _> = tenant
        .iter()
        .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
        .collect();
    let config = StreamableHttpClientTransportConfig::with_uri(url)
        .auth_header(key)
        .custom_headers(headers);
    let transport = StreamableHttpClientTransport::with_client(reqwest_client(), config);
    let automatic = ClientLifecycleMode::Auto {
        preferred_versions: vec![ProtocolVersion::V_2026_07_28],
        legacy_version: Some(ProtocolVersion::V_2025_11_25),
    };
    ().serve_with_lifecycle(transport, automatic).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rust_sdk_converses_in_its_automatic_mode() {
    let app = TestApp::builder()
        .org("north", &["dev"])
        .org("south", &["dev"])
        .start()
        .await;
    let key = app.key(&["north", "south"], &["dev"], &[], false).await;
    let url = app.url();
    let by_header = connected(format!("{url}/mcp"), &key, &[("x-tenant-id", "north")]).await;
    let by_path = connected(format!("{url}/t/south/dev/mcp"), &key, &[]).await;
    for (client, tenant) in [(by_header, "north-dev"), (by_path, "south-dev")] {
        let version = &client.peer_info().unwrap().protocol_version;
        assert_eq!(version, &ProtocolVersion::V_2026_07_28, "no fallback");
        assert_eq!(client.list_all_tools().await.unwrap().len(), 31);
        let Value::Object(arguments) = json!({"clinic_id": "C2001"}) else {
            panic!("an object")
        };
        let params =
            CallToolRequestParams::new("get_clinic_details_basic").with_arguments(arguments);
        let result = client.call_tool(params).await.unwrap();
        let content = result.structured_content.unwrap();
        let name = content["data"]["data"]["clinic"]["name"].as_str().unwrap();
        assert!(name.contains(tenant), "{name}");
        let unknown = client
            .call_tool(CallToolRequestParams::new("no_such_tool"))
            .await;
        let error = unknown.unwrap_err().to_string();
        assert!(error.contains("no_such_tool"), "{error}");
        client.cancel().await.unwrap();
    }
}
