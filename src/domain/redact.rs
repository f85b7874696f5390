//! Foreign texts without the secrets that were sent: an upstream may repeat what it was told.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use url::form_urlencoded;
use zeroize::Zeroizing;

/// `text` with `***` in place of each secret; empty ones are passed over.
pub fn redact<'a>(text: &str, secrets: impl IntoIterator<Item = &'a str>) -> String {
    let mut secrets: Vec<&str> = secrets
        .into_iter()
        .filter(|secret| !secret.is_empty())
        .collect();
    // The longest first: one value may be the beginning of another.
    secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    secrets
        .into_iter()
        .fold(text.to_owned(), |text, secret| text.replace(secret, "***"))
}

/// A secret in the forms in which it may come back: as it is, in base64, form-encoded, and what it
/// is the form-encoded text of.
pub fn forms(secret: &str) -> Vec<Zeroizing<String>> {
    let bytes = secret.as_bytes();
    let decoded = form_urlencoded::parse(bytes).map(|(name, _)| name.into_owned());
    let decoded = decoded.filter(|_| !secret.contains(['&', '=']));
    let plain: Vec<_> = decoded
        .chain([secret.to_owned()])
        .map(Zeroizing::new)
        .collect();
    let encoded = plain.iter().flat_map(|text| {
        [
            STANDARD.encode(text.as_bytes()),
            STANDARD_NO_PAD.encode(text.as_bytes()),
        ]
    });
    let encoded = encoded.chain([form_urlencoded::byte_serialize(bytes).collect()]);
    let encoded: Vec<_> = encoded.map(Zeroizing::new).collect();
    plain.into_iter().chain(encoded).collect()
}

#[cfg(test)]
mod tests {
    use super::redact;

    #[test]
    fn a_secret_that_begins_with_another_is_gone_whole() {
        assert_eq!(
            redact("acme / acme-9f8e", ["acme", "", "acme-9f8e"]),
            "*** / ***"
        );
    }
}
