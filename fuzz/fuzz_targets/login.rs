//! Answers of login endpoints. A token lives between a second and a day, its headers show nothing in
//! a log; and no error repeats what was sent.

#![no_main]

use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use http::StatusCode;
use libfuzzer_sys::fuzz_target;
use locum::domain::credential::{CredentialVersionId, OpenedCredential, ProfileKey};
use locum::net::Answer;
use locum::token::{Login, LoginError, LoginOutcome, LoginSite, fuzzing as token};
use locum_fuzz::{Message, acme, clock, net, now, tenant};
use secrecy::SecretString;
use uuid::Uuid;

/// What was sent. The inputs have them too, so that answers repeat them.
const SENT: [(&str, &str); 2] = [
    ("client_id", "clinic-a"),
    ("client_secret", "clinic-a-synthetic"),
];
const DAY: i64 = 86_400;

static LOGIN: LazyLock<Login> = LazyLock::new(|| Login::new(net(), clock()));

static SITE: LazyLock<LoginSite> = LazyLock::new(|| {
    let provider = acme().provider("acme").expect("the provider").clone();
    let base_url = provider.environments["dev"].base_url.clone();
    LoginSite { provider, base_url }
});

static CREDENTIAL: LazyLock<OpenedCredential> = LazyLock::new(|| OpenedCredential {
    id: CredentialVersionId(Uuid::from_u128(2)),
    key: Arc::new(ProfileKey {
        tenant: tenant(),
        provider: SITE.provider.name.clone(),
    }),
    flow: None,
    fields: SENT
        .iter()
        .map(|(name, value)| ((*name).to_owned(), SecretString::from(*value)))
        .collect(),
});

fuzz_target!(|data: &[u8]| {
    let Message {
        first,
        headers,
        body,
    } = Message::read(data);
    let Ok(status) = first.parse::<StatusCode>() else {
        return;
    };
    let body = Bytes::copy_from_slice(body);
    let answer = Answer {
        status,
        headers,
        body,
    };
    match token::read(&LOGIN, &SITE, &CREDENTIAL, &answer) {
        Ok(outcome) => check_token(&outcome, &answer),
        Err(error) => check_error(&error, status),
    }
});

fn check_token(outcome: &LoginOutcome, answer: &Answer) {
    assert!(answer.status.is_success(), "{}", answer.status);
    assert_eq!(outcome.tenant, CREDENTIAL.key.tenant);
    assert_eq!(outcome.version, CREDENTIAL.id);
    let life = outcome.more.expires_at.as_second() - now().as_second();
    assert!((1..=DAY).contains(&life), "{life}");
    let use_for = token::renew_at(outcome).as_second() - now().as_second();
    assert!(
        (life - life / 2..=life).contains(&use_for),
        "{use_for} of {life}"
    );
    let body: serde_json::Value = serde_json::from_slice(&answer.body).expect("JSON");
    let expected = format!("Bearer {}", body["token"].as_str().expect("a token"));
    let carries = |header: &locum::domain::bearer::AppliedHeader| header.value == *expected;
    assert!(
        outcome.headers.iter().any(carries),
        "the token goes upstream"
    );
    let headers = &outcome.headers;
    assert!(
        headers.iter().all(|header| header.value.is_sensitive()),
        "a secret in a log"
    );
}

fn check_error(error: &LoginError, status: StatusCode) {
    let text = error.to_string();
    for (name, secret) in SENT {
        assert!(!text.contains(secret), "{name} in: {text}");
    }
    assert!(!text.contains(char::is_control), "{text:?}");
    assert!(text.chars().count() < 300, "{text}");
    let wait = error.retry_after().unwrap_or_default();
    assert!(wait.as_secs() <= DAY as u64, "{wait:?}");
    let fits = match error {
        LoginError::Malformed(_) => status.is_success(),
        LoginError::RateLimited { .. } => status == StatusCode::TOO_MANY_REQUESTS,
        LoginError::Refused { status: said, .. } => status.is_client_error() && *said == status,
        LoginError::Unavailable { status: said, .. } => {
            !status.is_success() && !status.is_client_error() && *said == status
        }
        _ => false,
    };
    assert!(fits, "{status}: {error}");
}
