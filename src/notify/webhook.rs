//! Webhooks: one POST of JSON, signed with a secret that the receiver knows.
//!
//! ```text
//! Locum-Signature: t=SECONDS,v1=HEX    v1 = HMAC-SHA-256(secret, "SECONDS.BODY")
//! Locum-Event-Id: ID                   the same each time that an event is sent
//! ```
//!
//! The time in the signature is that of the attempt: a receiver refuses old ones, so that nobody
//! can play them back.

use std::fmt::Write;

use aws_lc_rs::hmac;
use http::header::{CONTENT_TYPE, HeaderMap};
use http::{HeaderName, HeaderValue, Method};
use jiff::Timestamp;
use reqwest::Request;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use url::Url;

use super::SendError;
use crate::domain::notice::{DueItem, Notice, NoticeOrganization};
use crate::net::{Net, retry_after};

pub const SIGNATURE_HEADER: HeaderName = HeaderName::from_static("locum-signature");
const EVENT_HEADER: HeaderName = HeaderName::from_static("locum-event-id");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// Nothing in an answer is needed but its status.
const MAX_ANSWER: usize = 1 << 20;

/// Signs. No `Debug`: it holds a secret.
pub struct WebhookSecret(SecretString);

impl WebhookSecret {
    pub(super) fn new(secret: SecretString) -> Self {
        Self(secret)
    }

    fn sign(&self, seconds: i64, body: &str) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.0.expose_secret().as_bytes());
        let tag = hmac::sign(&key, format!("{seconds}.{body}").as_bytes());
        let mut text = format!("t={seconds},v1=");
        for byte in tag.as_ref() {
            let _ = write!(text, "{byte:02x}");
        }
        text
    }
}

/// A receiver. No `Debug`: it holds a secret.
pub struct WebhookSettings {
    pub name: String,
    pub url: Url,
    pub secret: WebhookSecret,
}

/// The way to a receiver.
pub struct Webhook {
    channel: String,
    url: Url,
    secret: WebhookSecret,
    net: Net,
}

#[derive(Serialize)]
struct Event<'a> {
    id: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    created_at: Timestamp,
    organization: Option<&'a NoticeOrganization>,
    items: &'a [DueItem],
}

impl Webhook {
    /// `net` may reach the receiver's host.
    pub fn new(settings: WebhookSettings, net: Net) -> Self {
        Self {
            channel: format!("webhook:{}", settings.name),
            url: settings.url,
            secret: settings.secret,
            net,
        }
    }

    pub(super) fn channel(&self) -> &str {
        &self.channel
    }

    pub(super) async fn send(&self, notice: &Notice, now: Timestamp) -> Result<(), SendError> {
        let event = Event {
            id: &notice.id,
            kind: match notice.is_test() {
                true => "reminder.test",
                false => "reminder.due",
            },
            created_at: notice.at,
            organization: notice.organization.as_ref(),
            items: &notice.items,
        };
        let body = serde_json::to_string(&event).unwrap_or_default();
        let mut request = Request::new(Method::POST, self.url.clone());
        *request.headers_mut() = self.headers(&notice.id, now, &body);
        *request.body_mut() = Some(body.into());
        let answer = self.net.send(request, MAX_ANSWER).await?;
        if answer.status.is_success() {
            return Ok(());
        }
        Err(SendError::Status {
            status: answer.status.as_u16(),
            retry_after: retry_after(&answer.headers),
        })
    }

    fn headers(&self, id: &str, now: Timestamp, body: &str) -> HeaderMap {
        let signature = self.secret.sign(now.as_second(), body);
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, JSON);
        for (name, value) in [(SIGNATURE_HEADER, signature.as_str()), (EVENT_HEADER, id)] {
            // Digits, letters and dashes are always a header's value.
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(name, value);
            }
        }
        headers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4231 has no such message; the value is of Python's hmac module.
    #[test]
    fn a_signature_is_what_other_programs_compute() {
        let secret = WebhookSecret::new(SecretString::from("0123456789abcdef01234567"));
        assert_eq!(
            secret.sign(1_767_225_600, "{\"id\":\"x\"}"),
            "t=1767225600,v1=8a83251bba603aecac73fa8e67fcfde9cdeb27ce0b37b23704cd755eba159e24"
        );
    }
}
