//! What templates of a login take their values from: secrets.

use std::borrow::Cow;

use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use crate::domain::credential::SecretFields;
use crate::domain::redact::forms;
use crate::domain::template::Values;

/// What templates of a login may name.
pub(in crate::token) struct LoginValues<'a> {
    pub fields: &'a SecretFields,
    pub access_token: Option<&'a SecretString>,
    pub refresh_token: Option<&'a SecretString>,
}

impl<'a> LoginValues<'a> {
    /// Of a login that has no token yet.
    pub(in crate::token) fn of(fields: &'a SecretFields) -> Self {
        Self {
            fields,
            access_token: None,
            refresh_token: None,
        }
    }

    /// All of them, in every form in which an answer may repeat them.
    pub(super) fn forms(&self) -> Vec<Zeroizing<String>> {
        let fields = self.fields.values();
        let secrets = fields.chain(self.access_token).chain(self.refresh_token);
        secrets
            .flat_map(|secret| forms(secret.expose_secret()))
            .collect()
    }

    fn secret(&self, name: &str) -> Option<&str> {
        let secret = match name {
            "access_token" => self.access_token,
            "refresh_token" => self.refresh_token,
            field => self.fields.get(field),
        };
        secret.map(ExposeSecret::expose_secret)
    }
}

impl Values for LoginValues<'_> {
    fn text(&self, name: &str) -> Option<Cow<'_, str>> {
        self.secret(name).map(Cow::Borrowed)
    }

    fn write_json(&self, name: &str, out: &mut Vec<u8>) -> bool {
        self.secret(name)
            .is_some_and(|text| serde_json::to_writer(out, text).is_ok())
    }
}
