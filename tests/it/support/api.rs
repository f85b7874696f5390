//! A client of the admin API that holds one token.

use locum::admin::TokenRequest;
use locum::domain::actor::Role;
use locum::domain::bearer_secret::reveal;
use reqwest::Method;
use serde_json::Value;

use super::TestApp;
use super::app::{org, reqwest_client};

/// Asks as the holder of one admin token.
#[derive(Clone)]
pub struct ApiClient {
    http: reqwest::Client,
    base: String,
    pub token: String,
}

/// An answer with its JSON body; other bodies are in it as a text.
#[derive(Debug)]
pub struct ApiReply {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub body: Value,
}

impl ApiReply {
    /// `code` of a problem document.
    pub fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }

    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.map_or("", |value| value.to_str().unwrap())
    }

    /// The body of an answer that is no refusal.
    #[track_caller]
    pub fn ok(self) -> Value {
        assert!((200..300).contains(&self.status), "{self:?}");
        self.body
    }
}

impl TestApp {
    /// A client with a new token of a role, for one organization or all.
    pub async fn api(&self, role: Role, organization: Option<&str>) -> ApiClient {
        let request = TokenRequest {
            name: "test".to_owned(),
            role,
            organization: organization.map(org),
            expires: None,
        };
        let issued = self.admin().create_token(&request).await.unwrap();
        self.api_with(reveal(&issued.token))
    }

    pub fn api_with(&self, token: &str) -> ApiClient {
        let base = format!("http://{}/admin/v1", self.running.admin);
        ApiClient::at(&base, token)
    }
}

impl ApiClient {
    /// Asks below this URL.
    pub fn at(base: &str, token: &str) -> Self {
        Self {
            http: reqwest_client(),
            base: base.to_owned(),
            token: token.to_owned(),
        }
    }

    pub async fn get(&self, path: &str) -> ApiReply {
        self.send(Method::GET, path, &[], None).await
    }

    pub async fn post(&self, path: &str, body: Value) -> ApiReply {
        self.send(Method::POST, path, &[], Some(&body)).await
    }

    pub async fn put(&self, path: &str, body: Value) -> ApiReply {
        self.send(Method::PUT, path, &[], Some(&body)).await
    }

    pub async fn patch(&self, path: &str, body: Value) -> ApiReply {
        self.send(Method::PATCH, path, &[], Some(&body)).await
    }

    pub async fn delete(&self, path: &str) -> ApiReply {
        self.send(Method::DELETE, path, &[], None).await
    }

    pub async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> ApiReply {
        let reply = self.try_send(method, path, headers, body).await;
        reply.unwrap()
    }

    /// The same, of a server that may go away before it has answered.
    pub async fn try_send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> reqwest::Result<ApiReply> {
        let mut request = self.http.request(method, format!("{}{path}", self.base));
        request = request.header("authorization", format!("Bearer {}", self.token));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.header("content-type", "application/json");
            request = request.body(body.to_string());
        }
        let response = request.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await?;
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Ok(ApiReply {
            status,
            headers,
            body,
        })
    }
}
