//! What a header of a request to a provider says: a text, or a user and a password in the form of
//! HTTP Basic (RFC 7617).

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use url::form_urlencoded::byte_serialize;
use zeroize::Zeroizing;

use super::redact::forms;
use super::template::{TextTemplate, Values};

/// The value of a header, with names for what a credential holds.
#[derive(Debug)]
pub enum HeaderText {
    Text(TextTemplate),
    Basic(Basic),
}

/// `Basic` and the base64 of `user:password`.
#[derive(Debug)]
pub struct Basic {
    pub user: TextTemplate,
    pub password: TextTemplate,
    /// Each is form-encoded first, as OAuth 2.0 has it (RFC 6749, section 2.3.1).
    pub form_encoded: bool,
}

/// The first colon ends the user's name (RFC 7617, section 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a colon in the user's name, which HTTP Basic cannot carry")]
pub struct ColonInUser;

impl HeaderText {
    /// The names that it takes values for.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let (first, second) = match self {
            Self::Text(text) => (text, None),
            Self::Basic(basic) => (&basic.user, Some(&basic.password)),
        };
        first
            .names()
            .chain(second.into_iter().flat_map(TextTemplate::names))
    }

    /// The value, or `None` when one that it names is missing.
    pub fn render(&self, values: &dyn Values) -> Result<Option<Zeroizing<String>>, ColonInUser> {
        match self {
            Self::Text(text) => Ok(text.render(values).map(Zeroizing::new)),
            Self::Basic(basic) => basic.render(values),
        }
    }
}

/// As the profile has it.
impl fmt::Display for HeaderText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => text.fmt(f),
            Self::Basic(basic) => write!(f, "Basic ({}:{})", basic.user, basic.password),
        }
    }
}

impl Basic {
    fn render(&self, values: &dyn Values) -> Result<Option<Zeroizing<String>>, ColonInUser> {
        let part = |template: &TextTemplate| {
            let plain = Zeroizing::new(template.render(values)?);
            Some(match self.form_encoded {
                true => Zeroizing::new(byte_serialize(plain.as_bytes()).collect()),
                false => plain,
            })
        };
        let (Some(user), Some(password)) = (part(&self.user), part(&self.password)) else {
            return Ok(None);
        };
        if user.contains(':') {
            return Err(ColonInUser);
        }
        let pair = Zeroizing::new([user.as_str(), ":", &password].concat());
        let encoded = Zeroizing::new(STANDARD.encode(pair.as_bytes()));
        Ok(Some(Zeroizing::new(["Basic ", &encoded].concat())))
    }
}

/// The secrets in a header's value as it was sent: its words of at least `shortest` characters and,
/// where it is HTTP Basic, user and password in every form.
pub fn secrets_in(value: &str, shortest: usize) -> Vec<Zeroizing<String>> {
    let words = value.split_ascii_whitespace();
    let words = words.filter(|word| word.len() >= shortest);
    let bare = words
        .clone()
        .map(|word| word.trim_end_matches('='))
        .chain(words)
        .map(|word| Zeroizing::new(word.to_owned()));
    let parts = pair(value).into_iter().flat_map(|pair| {
        let (user, password) = pair.split_once(':').unwrap_or_default();
        [user, password].map(forms).concat()
    });
    bare.chain(parts).collect()
}

fn pair(value: &str) -> Option<Zeroizing<String>> {
    let bytes = STANDARD.decode(value.strip_prefix("Basic ")?).ok()?;
    String::from_utf8(bytes).ok().map(Zeroizing::new)
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;
    use crate::domain::redact::redact;

    struct Given<'a>(&'a str, &'a str);

    impl Values for Given<'_> {
        fn text(&self, name: &str) -> Option<Cow<'_, str>> {
            match name {
                "id" => Some(self.0.into()),
                "secret" => Some(self.1.into()),
                _ => None,
            }
        }

        fn write_json(&self, _: &str, _: &mut Vec<u8>) -> bool {
            false
        }
    }

    fn basic(user: &str, password: &str, form_encoded: bool) -> HeaderText {
        HeaderText::Basic(Basic {
            user: TextTemplate::parse(user).unwrap(),
            password: TextTemplate::parse(password).unwrap(),
            form_encoded,
        })
    }

    fn rendered(text: &HeaderText, given: &Given<'_>) -> Result<Option<String>, ColonInUser> {
        Ok(text.render(given)?.map(|text| text.to_string()))
    }

    #[test]
    fn basic_is_what_the_rfcs_say() {
        // RFC 7617, section 2, and section 2.1 with its UTF-8.
        let plain = basic("{id}", "{secret}", false);
        for (user, password, value) in [
            ("Aladdin", "open sesame", "QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),
            ("test", "123\u{a3}", "dGVzdDoxMjPCow=="),
            ("a", "b:c", "YTpiOmM="),
        ] {
            let expected = Some(format!("Basic {value}"));
            assert_eq!(rendered(&plain, &Given(user, password)), Ok(expected));
        }
        assert_eq!(rendered(&plain, &Given("a:b", "c")), Err(ColonInUser));
        // RFC 6749, section 2.3.1: `a:b` and `c d+%` are `a%3Ab` and `c+d%2B%25` there.
        let encoded = basic("{id}", "{secret}", true);
        let expected = Some("Basic YSUzQWI6YytkJTJCJTI1".to_owned());
        assert_eq!(rendered(&encoded, &Given("a:b", "c d+%")), Ok(expected));
        let alone = basic("{id}", "", false);
        let expected = Some("Basic azo=".to_owned());
        assert_eq!(rendered(&alone, &Given("k", "")), Ok(expected));
        let missing = basic("{id}", "{other}", false);
        assert_eq!(rendered(&missing, &Given("a", "b")), Ok(None));
    }

    #[test]
    fn every_form_of_a_basic_header_is_concealed() {
        let given = Given("clinic-a", "syn+thetic");
        let sent = basic("{id}", "{secret}", true);
        let sent = sent.render(&given).unwrap().unwrap();
        let secrets = secrets_in(&sent, 8);
        let encoded = sent.strip_prefix("Basic ").unwrap();
        for told in [
            encoded,
            encoded.trim_end_matches('='),
            "clinic-a",
            "syn+thetic",
            "syn%2Bthetic",
            "Y2xpbmljLWE=",
            "c3luK3RoZXRpYw==",
            "c3luK3RoZXRpYw",
        ] {
            let text = format!("no {told} here");
            let concealed = redact(&text, secrets.iter().map(|secret| secret.as_str()));
            assert!(concealed.starts_with("no ***"), "{told}: {concealed}");
            assert!(concealed.ends_with(" here") && concealed.len() < 16);
        }
    }
}
