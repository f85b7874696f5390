//! The access token of a login, for the refresh that follows: it is in memory once, in the header
//! that carries it upstream.

use secrecy::{ExposeSecret, SecretString};

use crate::domain::bearer::AppliedHeader;

/// Where the token is.
pub(super) enum KeptToken {
    /// A part of one of its headers.
    InHeader {
        header: usize,
        start: usize,
        length: usize,
    },
    /// No header has it as it is.
    Apart(SecretString),
}

impl KeptToken {
    pub(super) fn new(token: SecretString, headers: &[AppliedHeader]) -> Self {
        let length = token.expose_secret().len();
        let place = headers.iter().enumerate().find_map(|(header, applied)| {
            let mut parts = applied.value.as_bytes().windows(length);
            let start = parts.position(|part| part == token.expose_secret().as_bytes())?;
            Some(Self::InHeader {
                header,
                start,
                length,
            })
        });
        place.unwrap_or(Self::Apart(token))
    }

    /// The token, given the headers that it was kept with.
    pub(super) fn token(&self, headers: &[AppliedHeader]) -> Option<SecretString> {
        match self {
            Self::Apart(token) => Some(token.clone()),
            Self::InHeader {
                header,
                start,
                length,
            } => {
                let value = headers.get(*header)?.value.as_bytes();
                let token = value.get(*start..)?.get(..*length)?;
                str::from_utf8(token).ok().map(SecretString::from)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use http::{HeaderName, HeaderValue};

    use super::*;
    use crate::domain::provider::HeaderPlace;

    #[test]
    fn a_token_comes_back_from_wherever_it_is() {
        let header = |value: &'static str| AppliedHeader {
            place: Arc::new(HeaderPlace {
                path: None,
                name: HeaderName::from_static("auth"),
            }),
            value: HeaderValue::from_static(value),
        };
        for (headers, kept) in [
            (vec![header("clinic-a"), header("Bearer synthetic")], true),
            (vec![header("synthetic")], true),
            (vec![header("Basic c3ludGhldGlj"), header("synth")], false),
            (vec![], false),
        ] {
            let token = KeptToken::new("synthetic".into(), &headers);
            assert_eq!(matches!(token, KeptToken::InHeader { .. }), kept);
            let token = token.token(&headers).unwrap();
            assert_eq!(token.expose_secret(), "synthetic");
        }
    }
}
