//! Foreign texts without the secrets that were sent: an upstream may repeat what it was told.

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
