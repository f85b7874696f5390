//! JSON bodies: small, complete, without unknown fields. What is wrong with one is said without a
//! word of what was in it.

use std::time::Duration;

use axum::extract::{FromRequest, Request};
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderMap};
use http::{HeaderName, Method};
use secrecy::SecretString;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use zeroize::Zeroize;

use super::refusal::Refusal;
use crate::admin::Admin;
use crate::http::bearer::is_json;

const LIMIT: usize = 256 * 1024;
const TIMEOUT: Duration = Duration::from_secs(30);
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const MAX_KEY: usize = 255;

/// A body, and the request that it came with.
pub(super) struct Body<T> {
    pub value: T,
    method: Method,
    path: String,
    bytes: Bytes,
    idempotency_key: Option<String>,
}

impl<S: Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, _: &S) -> Result<Self, Refusal> {
        let (parts, body) = request.into_parts();
        if !is_json(&parts.headers) {
            return Err(Refusal::ContentType);
        }
        let idempotency_key = idempotency_key(&parts.headers)?;
        let bytes = tokio::time::timeout(TIMEOUT, axum::body::to_bytes(body, LIMIT));
        let bytes = bytes.await.map_err(|_| Refusal::BodyTooSlow)?;
        let bytes = bytes.map_err(|error| {
            let source = std::error::Error::source(&error);
            match source.is_some_and(|cause| cause.is::<http_body_util::LengthLimitError>()) {
                true => Refusal::BodyTooLarge(LIMIT),
                false => Refusal::BodyBroken,
            }
        })?;
        Ok(Self {
            value: parse(&bytes)?,
            method: parts.method,
            path: parts.uri.path().to_owned(),
            bytes,
            idempotency_key,
        })
    }
}

/// A body that may be left out: then nothing is said.
pub(super) struct OptionalBody<T>(pub T);

impl<S: Sync, T: DeserializeOwned + Default> FromRequest<S> for OptionalBody<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        let is_empty = http_body::Body::is_end_stream(request.body());
        if is_empty && !request.headers().contains_key(CONTENT_TYPE) {
            return Ok(Self(T::default()));
        }
        let body = Body::from_request(request, state).await?;
        Ok(Self(body.value))
    }
}

impl<T> Body<T> {
    /// The use cases, for a request whose repetition has no further effect if it has a key.
    pub(super) fn once(&self, admin: Admin) -> Admin {
        let request = [
            self.method.as_str().as_bytes(),
            self.path.as_bytes(),
            &self.bytes,
        ];
        match &self.idempotency_key {
            Some(key) => admin.once(key, &request),
            None => admin,
        }
    }
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Refusal> {
    let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
    let (first, second) = (values.next(), values.next());
    if second.is_some() {
        return Err(Refusal::Duplicate(IDEMPOTENCY_KEY));
    }
    let Some(value) = first else {
        return Ok(None);
    };
    let key = value.to_str().ok().filter(|key| {
        (1..=MAX_KEY).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic())
    });
    key.map(|key| Some(key.to_owned())).ok_or(Refusal::Header {
        header: "Idempotency-Key",
        message: "is 1 to 255 printable ASCII characters without blanks",
    })
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Refusal> {
    // A list would do for a structure's fields in their order.
    let first = bytes.iter().find(|byte| !byte.is_ascii_whitespace());
    if first != Some(&b'{') {
        return Err(Refusal::Body("expected a JSON object".to_owned()));
    }
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = match error.path().to_string() {
            path if path == "." => String::new(),
            path => format!("`{path}`: "),
        };
        Refusal::Body(format!("{path}{}", words(error.inner())))
    })?;
    deserializer
        .end()
        .map_err(|error| Refusal::Body(words(&error)))?;
    Ok(value)
}

/// What a reader of JSON expected and where. Before that it may repeat what it found.
fn words(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let place = format!("line {}, column {}", error.line(), error.column());
    let harmless = ["missing field `", "unknown field `", "duplicate field `"];
    let text = text.split(" at line ").next().unwrap_or_default();
    if harmless.iter().any(|start| text.starts_with(start)) {
        return format!("{place}: {text}");
    }
    match text.split_once(", expected ") {
        Some((_, expected)) => format!("{place}: expected {expected}"),
        None if error.is_data() => format!("{place}: not a value that this field takes"),
        None => format!("{place}: not JSON"),
    }
}

/// A secret as it arrives in a body.
pub(super) struct SecretText(pub SecretString);

impl<'de> Deserialize<'de> for SecretText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut text = String::deserialize(deserializer)?;
        let secret = SecretString::from(text.as_str());
        text.zeroize();
        Ok(Self(secret))
    }
}

/// Reads a field through `FromStr`; what it holds is not repeated.
pub(super) fn parsed<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: std::str::FromStr<Err: std::fmt::Display>,
{
    let text = String::deserialize(deserializer)?;
    text.parse()
        .map_err(|error| serde::de::Error::custom(format!("unfit, expected {error}")))
}

/// A whole number, however it is written: for JSON Schema `219.0` and `2.19e2` are integers.
pub(super) fn integer<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    // As it was written: the largest integers have neighbours that are the same floating-point number.
    let number = Option::<Box<RawValue>>::deserialize(deserializer)?;
    number.map(|number| whole(number.get())).transpose()
}

pub(super) fn whole<E: serde::de::Error>(number: &str) -> Result<i64, E> {
    let float = || {
        let float = number.contains(['.', 'e', 'E']).then_some(number)?;
        let float = float.parse::<f64>().ok();
        let float = float.filter(|float| float.fract() == 0.0)?;
        format!("{float:.0}").parse().ok()
    };
    number
        .parse()
        .ok()
        .or_else(float)
        .ok_or_else(|| E::custom("unfit, expected an integer of 64 bits"))
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    #[derive(Deserialize)]
    struct Body {
        #[serde(default, deserialize_with = "super::integer")]
        number: Option<i64>,
    }

    #[test]
    fn a_whole_number_is_an_integer_however_it_is_written() {
        let read = |text: &str| serde_json::from_str::<Body>(text).map(|body| body.number);
        let written = [
            ("219", 219),
            ("219.0", 219),
            ("-38757.0", -38_757),
            ("2.19e2", 219),
            ("-0.0", 0),
            ("-9223372036854775808", i64::MIN),
            ("9223372036854775807", i64::MAX),
        ];
        for (text, number) in written {
            let body = format!(r#"{{"number": {text}}}"#);
            assert_eq!(read(&body).unwrap(), Some(number), "{text}");
        }
        for text in [
            "1.5",
            "1e30",
            "9223372036854775808",
            "-9223372036854775809",
            "\"1\"",
            "true",
        ] {
            let body = format!(r#"{{"number": {text}}}"#);
            assert!(read(&body).is_err(), "{text}");
        }
        for body in ["{}", r#"{"number": null}"#] {
            assert_eq!(read(body).unwrap(), None);
        }
    }
}
