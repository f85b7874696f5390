//! A login's request, and a probe's, out of a profile and an opened credential.

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderValue, Method};
use url::{Url, form_urlencoded};
use zeroize::Zeroizing;

use super::LoginValues;
use crate::domain::bearer::TokenHeaders;
use crate::domain::header::HeaderText;
use crate::domain::origin::Origin;
use crate::domain::provider::{LoginBody, LoginRequest, Probe};
use crate::token::LoginError;

/// The request for a token.
pub(in crate::token) fn login(
    base_url: &Url,
    template: &LoginRequest,
    values: &LoginValues<'_>,
    origin: Option<&Origin>,
) -> Result<reqwest::Request, LoginError> {
    let mut request = at(base_url, (&template.method, &template.path), origin);
    for (name, value) in &template.headers {
        if let Some(text) = rendered(value, values)? {
            let value = sensitive(Bytes::copy_from_slice(text.as_bytes()))?;
            request.headers_mut().insert(name.clone(), value);
        }
    }
    if let Some((kind, body)) = body(&template.body, values) {
        let kind = HeaderValue::from_static(kind);
        request.headers_mut().insert(CONTENT_TYPE, kind);
        // The buffer travels into the HTTP client, where nobody can wipe it; it lives for one request.
        *request.body_mut() = Some(body.into());
    }
    Ok(request)
}

/// The request that a good key is answered 2xx to, with the headers that all requests carry.
pub(in crate::token) fn probe(
    base_url: &Url,
    probe: &Probe,
    carried: &TokenHeaders<()>,
    origin: Option<&Origin>,
) -> reqwest::Request {
    let mut request = at(base_url, (&probe.method, &probe.path), origin);
    for header in carried.for_path(&probe.path) {
        let (name, value) = (header.place.name.clone(), header.value.clone());
        request.headers_mut().insert(name, value);
    }
    request
}

fn at(
    base_url: &Url,
    (method, path): (&Method, &str),
    origin: Option<&Origin>,
) -> reqwest::Request {
    let mut url = base_url.clone();
    url.set_path(&[base_url.path().trim_end_matches('/'), path].concat());
    let mut request = reqwest::Request::new(method.clone(), url);
    let json = HeaderValue::from_static("application/json");
    request.headers_mut().insert(ACCEPT, json);
    if let Some(origin) = origin {
        origin.id().sign(request.headers_mut());
    }
    request
}

/// The type of a body and the body.
fn body(template: &LoginBody, values: &LoginValues<'_>) -> Option<(&'static str, Vec<u8>)> {
    match template {
        LoginBody::Nothing => None,
        LoginBody::Json(json) => {
            let mut body = Vec::with_capacity(512);
            json.render(values, &mut body);
            Some(("application/json", body))
        }
        LoginBody::Form(pairs) => {
            let mut form = form_urlencoded::Serializer::new(String::with_capacity(512));
            for (name, value) in pairs {
                if let Some(value) = value.render(values).map(Zeroizing::new) {
                    form.append_pair(name, &value);
                }
            }
            let body = form.finish().into_bytes();
            Some(("application/x-www-form-urlencoded", body))
        }
    }
}

/// A header's value, or `None` when one that it names is missing.
pub(super) fn rendered(
    text: &HeaderText,
    values: &LoginValues<'_>,
) -> Result<Option<Zeroizing<String>>, LoginError> {
    let colon = "a user name with a colon does not fit into HTTP Basic";
    text.render(values)
        .map_err(|_| LoginError::Unsendable(colon))
}

pub(super) fn sensitive(text: Bytes) -> Result<HeaderValue, LoginError> {
    let mut value = HeaderValue::from_maybe_shared(text)
        .map_err(|_| LoginError::Malformed("a value that does not fit into a header"))?;
    value.set_sensitive(true);
    Ok(value)
}
