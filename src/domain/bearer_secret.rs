//! The secrets that Locum issues itself: gateway keys and admin tokens.
//!
//! ```text
//! lgk_k7m2q9x4pa_<64 hexadecimal digits><8 hexadecimal digits>
//! │   │          │ 256 random bits       └ checksum: a mistyped or cut key is told apart
//! │   └ public id: names the key in lists and logs
//! └ kind: lgk is a gateway key, lat an admin token; secret scanners find it by this
//! ```
//!
//! Only the SHA-256 of the whole text is stored: with 256 random bits there is nothing to guess,
//! so a slow hash would protect nothing and cost every request.

use std::fmt::Write;

use aws_lc_rs::digest::{SHA256, digest};
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;

/// What a secret is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretKind {
    GatewayKey,
    AdminToken,
}

impl SecretKind {
    fn prefix(self) -> &'static str {
        match self {
            Self::GatewayKey => "lgk_",
            Self::AdminToken => "lat_",
        }
    }
}

const ID_LENGTH: usize = 10;
const SECRET_LENGTH: usize = 64;
const CHECKSUM_LENGTH: usize = 8;
const ID_ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// SHA-256 of an issued secret.
pub type SecretHash = [u8; 32];

/// A secret at the moment it is issued: shown once, stored as a hash.
pub struct IssuedSecret {
    pub id: String,
    pub secret: SecretString,
    pub hash: SecretHash,
}

impl IssuedSecret {
    /// Forms a secret out of 32 random bytes; the id takes 10 others.
    pub fn from_random(kind: SecretKind, secret: &[u8; 32], id: &[u8; 32]) -> Self {
        let id: String = id
            .iter()
            .take(ID_LENGTH)
            .map(|byte| char::from(ID_ALPHABET[usize::from(byte % 32)]))
            .collect();
        let mut text = format!("{}{id}_", kind.prefix());
        for byte in secret {
            let _ = write!(text, "{byte:02x}");
        }
        let checksum = checksum(&text);
        text.push_str(&checksum);
        let hash = hash(&text);
        Self {
            id,
            secret: SecretString::from(text),
            hash,
        }
    }
}

/// A text that has a secret's form.
pub struct FormedKey<'a> {
    id: &'a str,
    text: &'a str,
}

/// A secret as a client presents it: well-formed, not yet known to be anyone's.
pub struct PresentedKey<'a>(FormedKey<'a>);

impl<'a> FormedKey<'a> {
    /// Checks the form of a text of that kind.
    pub fn parse(kind: SecretKind, text: &'a str) -> Option<Self> {
        let rest = text.strip_prefix(kind.prefix())?;
        let (id, secret) = rest.split_once('_')?;
        let hexadecimal = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f');
        let formed = id.len() == ID_LENGTH
            && id.bytes().all(|byte| ID_ALPHABET.contains(&byte))
            && secret.len() == SECRET_LENGTH + CHECKSUM_LENGTH
            && secret.bytes().all(hexadecimal);
        formed.then_some(Self { id, text })
    }

    /// What is the public id, if the checksum is right.
    pub fn id(&self) -> &'a str {
        self.id
    }

    /// Checks the checksum.
    pub fn checked(self) -> Option<PresentedKey<'a>> {
        let place = self.text.len() - CHECKSUM_LENGTH;
        let (signed, sum) = self.text.split_at_checked(place)?;
        (checksum(signed) == sum).then_some(PresentedKey(self))
    }
}

impl<'a> PresentedKey<'a> {
    /// Checks form and checksum of a text of that kind.
    pub fn parse(kind: SecretKind, text: &'a str) -> Option<Self> {
        FormedKey::parse(kind, text)?.checked()
    }

    /// The public id, under which to look the stored hash up.
    pub fn id(&self) -> &'a str {
        self.0.id
    }

    /// What to compare with the stored hash.
    pub fn hash(&self) -> PresentedHash {
        PresentedHash(hash(self.0.text))
    }
}

/// SHA-256 of a presented secret.
pub struct PresentedHash(SecretHash);

impl PresentedHash {
    /// Whether this is the secret with that hash; takes the same time whatever the answer.
    pub fn matches(&self, stored: &SecretHash) -> bool {
        self.0.ct_eq(stored).into()
    }
}

/// The secret's text, for the one moment in which it is shown.
pub fn reveal(secret: &SecretString) -> &str {
    secret.expose_secret()
}

fn hash(text: &str) -> SecretHash {
    let mut out = [0; 32];
    out.copy_from_slice(digest(&SHA256, text.as_bytes()).as_ref());
    out
}

fn checksum(text: &str) -> String {
    hash(text)
        .iter()
        .take(CHECKSUM_LENGTH / 2)
        .fold(String::new(), |mut sum, byte| {
            let _ = write!(sum, "{byte:02x}");
            sum
        })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_issued_key_is_recognized_and_no_other() {
        let issued = IssuedSecret::from_random(SecretKind::GatewayKey, &[7; 32], &[3; 32]);
        let text = reveal(&issued.secret);
        let presented = PresentedKey::parse(SecretKind::GatewayKey, text).unwrap();
        assert_eq!(presented.id(), issued.id);
        assert!(presented.hash().matches(&issued.hash));
        assert!(!presented.hash().matches(&[0; 32]));
        assert!(PresentedKey::parse(SecretKind::AdminToken, text).is_none());
    }

    proptest! {
        #[test]
        fn one_changed_character_is_noticed(at in 0usize..87, replacement in "[ -~]") {
            let issued = IssuedSecret::from_random(SecretKind::GatewayKey, &[7; 32], &[3; 32]);
            let text = reveal(&issued.secret);
            let mut changed = text.to_owned();
            changed.replace_range(at..=at, &replacement);
            let accepted = PresentedKey::parse(SecretKind::GatewayKey, &changed).is_some();
            prop_assert_eq!(accepted, changed == text);
        }

        #[test]
        fn foreign_text_never_panics(text in "\\PC*") {
            let _ = PresentedKey::parse(SecretKind::GatewayKey, &text);
        }
    }
}
