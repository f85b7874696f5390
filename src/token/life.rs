//! How long a token lives, from whatever the login endpoint says about it.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

/// A life that nobody states.
const UNSTATED: i64 = 300;
/// A life that is stated as nothing or less: the calls that wait for it use it once.
const SHORTEST: i64 = 1;
/// No life is believed beyond a day: a token is renewed that often at least.
const LONGEST: i64 = 86_400;
const MARGIN: i64 = 30;

/// When a token expires, and from when on it is renewed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Life {
    pub expires_at: Timestamp,
    pub renew_at: Timestamp,
}

/// `stated` is `expires_in` as it came; the token's own `exp` (RFC 7519, section 4.1.4) counts
/// only when there is none.
pub(super) fn of(stated: Option<&Value>, token: &str, now: Timestamp) -> Life {
    let seconds = stated
        .and_then(seconds)
        .or_else(|| jwt_life(token, now.as_second()))
        .unwrap_or(UNSTATED)
        .clamp(SHORTEST, LONGEST);
    // A tenth of the life, at least 30 s where the life allows: never more than half of it.
    let margin = (seconds / 10).max(MARGIN).min(seconds / 2);
    let after = |seconds: i64| {
        now.checked_add(SignedDuration::from_secs(seconds))
            .unwrap_or(Timestamp::MAX)
    };
    Life {
        expires_at: after(seconds),
        renew_at: after(seconds - margin),
    }
}

/// Seconds from a number or a text; fractions are dropped. `null` and other things say nothing.
pub(super) fn seconds(value: &Value) -> Option<i64> {
    let number = match value {
        Value::Number(number) => number.as_f64()?,
        Value::String(text) => text.trim().parse::<f64>().ok()?,
        _ => return None,
    };
    // The cast saturates, so a huge number becomes the longest life and not a small one.
    number.is_finite().then_some(number as i64)
}

/// A token that a login just yielded has not expired: where it seems so, our clock is wrong, and
/// only the token's own two times tell its life.
fn jwt_life(token: &str, now: i64) -> Option<i64> {
    let claims = jwt_claims(token)?;
    let expiry = seconds(claims.get("exp")?)?;
    let left = expiry.saturating_sub(now);
    match claims.get("iat").and_then(seconds) {
        Some(issued) if left <= 0 => Some(expiry.saturating_sub(issued)),
        _ => Some(left),
    }
}

fn jwt_claims(token: &str) -> Option<Value> {
    let mut parts = token.split('.');
    let (_, payload, _) = (parts.next()?, parts.next()?, parts.next()?);
    let bytes = URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?;
    serde_json::from_slice(&bytes).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn lives(stated: Option<Value>, token: &str) -> (i64, i64) {
        let now = Timestamp::from_second(1_000_000).unwrap();
        let life = of(stated.as_ref(), token, now);
        (
            life.expires_at.as_second() - 1_000_000,
            life.renew_at.as_second() - 1_000_000,
        )
    }

    fn jwt(payload: &Value) -> String {
        format!("e30.{}.x", URL_SAFE_NO_PAD.encode(payload.to_string()))
    }

    #[test]
    fn odd_lives_become_sensible_ones() {
        let opaque = "opaque";
        assert_eq!(lives(Some(json!(1800)), opaque), (1800, 1620));
        assert_eq!(lives(Some(json!(100)), opaque), (100, 70));
        assert_eq!(lives(Some(json!(10)), opaque), (10, 5));
        assert_eq!(lives(Some(json!(1799.9)), opaque), (1799, 1620));
        assert_eq!(lives(Some(json!(" 1800 ")), opaque), (1800, 1620));
        assert_eq!(lives(Some(json!(0)), opaque).0, 1);
        assert_eq!(lives(Some(json!(-5)), opaque).0, 1);
        assert_eq!(lives(Some(json!(1e300)), opaque).0, LONGEST);
        assert_eq!(lives(Some(json!(u64::MAX)), opaque).0, LONGEST);
        for nothing in [
            json!(null),
            json!("soon"),
            json!("NaN"),
            json!({}),
            json!(true),
        ] {
            assert_eq!(lives(Some(nothing), opaque).0, UNSTATED);
        }
        assert_eq!(lives(None, opaque).0, UNSTATED);
    }

    #[test]
    fn the_tokens_own_expiry_counts_only_when_no_life_is_stated() {
        let token = jwt(&json!({"exp": 1_000_900}));
        assert_eq!(lives(None, &token).0, 900);
        assert_eq!(lives(Some(json!(60)), &token).0, 60);
        assert_eq!(lives(None, &jwt(&json!({"exp": 5}))).0, SHORTEST);
        assert_eq!(lives(None, &jwt(&json!({"exp": 605, "iat": 5}))).0, 600);
        assert_eq!(
            lives(None, &jwt(&json!({"exp": 5, "iat": 605}))).0,
            SHORTEST
        );
        assert_eq!(lives(None, &jwt(&json!({"sub": 5}))).0, UNSTATED);
        assert_eq!(lives(None, "a.b.c").0, UNSTATED);
    }
}
