//! The bare handler: one tool of one tenant with one fixed token, written as one would write it
//! with axum, serde_json and reqwest. No tenants, no limits, no checks of a schema, no log.
//!
//! In two forms: the upstream's data as a `serde_json::Value`, as most would have it; and as a
//! `RawValue`, checked to be JSON and copied. The second is the harder comparison: it makes no
//! tree, whose maps are dearer here than they need be, because Locum's dependencies keep their
//! order.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::routing::post;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use reqwest::Url;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use tokio::net::TcpListener;

use crate::Failure;
use crate::upstream::token;

/// What the handler takes as `Authorization`.
pub const KEY: &str = "Bearer lgk_k7m2q9x4pa_0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef01234567";

struct Bare {
    client: reqwest::Client,
    search: Url,
    token: HeaderValue,
}

#[derive(Deserialize)]
struct Call<'a> {
    #[serde(borrow)]
    id: &'a RawValue,
    method: &'a str,
    #[serde(borrow)]
    params: Params<'a>,
}

#[derive(Deserialize)]
struct Params<'a> {
    name: &'a str,
    #[serde(borrow)]
    arguments: Arguments<'a>,
}

#[derive(Deserialize)]
struct Arguments<'a> {
    #[serde(borrow)]
    prefix: Cow<'a, str>,
}

#[derive(Serialize)]
struct Answer<'a, D> {
    jsonrpc: &'static str,
    id: &'a RawValue,
    result: CallResult<'a, D>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CallResult<'a, D> {
    content: [Text; 1],
    structured_content: &'a Success<D>,
    is_error: bool,
}

#[derive(Serialize)]
struct Text {
    r#type: &'static str,
    text: String,
}

#[derive(Serialize)]
struct Success<D> {
    success: bool,
    data: D,
}

pub async fn serve(listen: SocketAddr, upstream: SocketAddr, raw: bool) -> Result<(), Failure> {
    let bare = Bare {
        client: reqwest::Client::builder().no_proxy().build()?,
        search: format!("http://{upstream}/profiles/v1/patient/search").parse()?,
        token: format!("Bearer {}", token("access")).parse()?,
    };
    let handler = match raw {
        true => post(call::<Box<RawValue>>),
        false => post(call::<Value>),
    };
    let router = Router::new()
        .route("/mcp", handler)
        .with_state(Arc::new(bare));
    let listener = TcpListener::bind(listen).await?;
    let listener = axum::serve::ListenerExt::tap_io(listener, |stream| {
        let _ = stream.set_nodelay(true);
    });
    axum::serve(listener, router).await?;
    Ok(())
}

async fn call<D: DeserializeOwned + Serialize>(
    State(bare): State<Arc<Bare>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response<Body>, StatusCode> {
    if headers.get(AUTHORIZATION).is_none_or(|key| key != KEY) {
        return Err(StatusCode::UNAUTHORIZED);
    }
    let call: Call<'_> = serde_json::from_slice(&body).map_err(|_| StatusCode::BAD_REQUEST)?;
    if call.method != "tools/call" || call.params.name != "search_patients" {
        return Err(StatusCode::NOT_FOUND);
    }
    let data: D = bare
        .search(&call.params.arguments.prefix)
        .await
        .map_err(|_| StatusCode::BAD_GATEWAY)?;
    let answer = answer(call.id, data).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    let mut response = Response::new(Body::from(answer));
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    Ok(response)
}

impl Bare {
    async fn search<D: DeserializeOwned>(&self, prefix: &str) -> reqwest::Result<D> {
        let mut url = self.search.clone();
        url.query_pairs_mut().append_pair("prefix", prefix);
        self.client
            .get(url)
            .header(AUTHORIZATION, self.token.clone())
            .header(ACCEPT, HeaderValue::from_static("application/json"))
            .send()
            .await?
            .error_for_status()?
            .json()
            .await
    }
}

fn answer<D: Serialize>(id: &RawValue, data: D) -> serde_json::Result<Vec<u8>> {
    let success = Success {
        success: true,
        data,
    };
    let content = [Text {
        r#type: "text",
        text: serde_json::to_string(&success)?,
    }];
    let result = CallResult {
        content,
        structured_content: &success,
        is_error: false,
    };
    serde_json::to_vec(&Answer {
        jsonrpc: "2.0",
        id,
        result,
    })
}
