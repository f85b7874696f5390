//! A plain MCP client over HTTP, for tests that look at every byte of an answer.

use serde_json::{Value, json};

use super::app::reqwest_client;

/// Posts JSON-RPC as one key holder.
#[derive(Clone)]
pub struct McpClient {
    http: reqwest::Client,
    base: String,
    pub key: String,
    org: Option<String>,
    env: Option<String>,
}

/// An HTTP answer with its JSON body.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub body: Value,
}

impl Reply {
    /// `error.data.code` of a refusal.
    pub fn code(&self) -> &str {
        self.body["error"]["data"]["code"].as_str().unwrap_or("")
    }

    /// The structured content of a call's result.
    pub fn content(&self) -> &Value {
        &self.body["result"]["structuredContent"]
    }

    pub fn is_error(&self) -> bool {
        self.body["result"]["isError"] == json!(true)
    }

    /// A call's result without an error.
    pub fn is_ok(&self) -> bool {
        self.status == 200 && self.body["result"]["isError"] == json!(false)
    }

    /// The error object of a call's result: `message`, `status_code`, `error_code`, `request_id`.
    pub fn failure(&self) -> &Value {
        &self.content()["error"]
    }
}

impl McpClient {
    pub fn new(base: &str, key: &str) -> Self {
        Self {
            http: reqwest_client(),
            base: base.to_owned(),
            key: key.to_owned(),
            org: None,
            env: None,
        }
    }

    /// The same connections, presenting another key.
    pub fn with_key(&self, key: &str) -> Self {
        Self {
            key: key.to_owned(),
            ..self.clone()
        }
    }

    /// The same client, naming a tenant in headers.
    pub fn at(&self, org: &str, env: &str) -> Self {
        Self {
            org: Some(org.to_owned()),
            env: Some(env.to_owned()),
            ..self.clone()
        }
    }

    /// A request in the legacy revision (2025-11-25).
    pub async fn legacy(&self, method: &str, params: Value) -> Reply {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        self.post("/mcp", &[("mcp-protocol-version", "2025-11-25")], &body)
            .await
    }

    /// A request in the modern revision (2026-07-28), with all that it demands of `_meta` added.
    pub async fn modern(&self, method: &str, params: Value) -> Reply {
        let mut params = params;
        let demanded = [
            ("protocolVersion", json!("2026-07-28")),
            ("clientInfo", json!({"name": "test", "version": "1"})),
            ("clientCapabilities", json!({})),
        ];
        for (name, value) in demanded {
            params["_meta"][format!("io.modelcontextprotocol/{name}")] = value;
        }
        let name = params["name"].as_str().unwrap_or("").to_owned();
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let mut headers = vec![
            ("mcp-protocol-version", "2026-07-28"),
            ("mcp-method", method),
        ];
        if !name.is_empty() {
            headers.push(("mcp-name", &name));
        }
        self.post("/mcp", &headers, &body).await
    }

    /// Calls a tool in the legacy revision.
    pub async fn call(&self, tool: &str, arguments: Value) -> Reply {
        self.legacy("tools/call", json!({"name": tool, "arguments": arguments}))
            .await
    }

    /// Posts a body to a path with more headers.
    pub async fn post(&self, path: &str, headers: &[(&str, &str)], body: &Value) -> Reply {
        self.post_bytes(path, headers, body.to_string().into_bytes())
            .await
    }

    pub async fn post_bytes(&self, path: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Reply {
        let mut request = self
            .http
            .post(format!("{}{path}", self.base))
            .header("authorization", format!("Bearer {}", self.key))
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream");
        if let Some(org) = &self.org {
            request = request.header("x-tenant-id", org);
        }
        if let Some(env) = &self.env {
            request = request.header("x-tenant-env", env);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.body(body).send().await.unwrap();
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let bytes = response.bytes().await.unwrap();
        let body = if bytes.is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(&bytes).unwrap()
        };
        Reply {
            status,
            headers,
            body,
        }
    }
}
