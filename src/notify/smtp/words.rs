//! What a failed delivery says, without the login: a server may repeat what it was told.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use secrecy::{ExposeSecret, SecretString};

use crate::domain::redact::redact;
use crate::notify::MailLogin;

/// A longer answer of a server is cut.
const MAX_ANSWER: usize = 300;
/// A piece of a secret of this length is one, too: a server may cut what it repeats.
const PIECE: usize = 8;

/// The login in every form in which it goes to a server. No `Debug`: they are secrets.
#[derive(Default)]
pub(super) struct Secrets(Vec<SecretString>);

impl Secrets {
    pub(super) fn of(login: &MailLogin) -> Self {
        let password = login.password.expose_secret();
        // AUTH PLAIN (RFC 4616) sends both in one, AUTH LOGIN each by itself.
        let plain = format!("\0{}\0{password}", login.user);
        let told = [plain.as_str(), &login.user, password];
        let encoded = told.map(|text| STANDARD.encode(text));
        let bare = told.map(|text| STANDARD_NO_PAD.encode(text));
        let plain_texts = [login.user.clone(), password.to_owned()];
        let all = encoded.into_iter().chain(bare).chain(plain_texts);
        Self(all.map(SecretString::from).collect())
    }

    /// An error with its causes, on one line.
    pub(super) fn words(&self, error: &(dyn std::error::Error + 'static)) -> String {
        let causes = std::iter::successors(Some(error), |error| error.source());
        let mut words: Vec<String> = Vec::new();
        for cause in causes {
            let text = cause.to_string();
            if words.last().is_none_or(|last| !last.contains(&text)) {
                words.push(text);
            }
        }
        let line = words.join(": ");
        // Before the rest goes: what stands between control characters is found as it is.
        let line = self.without(&line);
        let plain = line.chars().filter(|letter| !letter.is_control());
        plain.take(MAX_ANSWER).collect()
    }

    fn without(&self, line: &str) -> String {
        let secrets = || self.0.iter().map(ExposeSecret::expose_secret);
        let line = redact(line, secrets());
        let is_piece =
            |word: &&str| word.len() >= PIECE && secrets().any(|one| one.contains(*word));
        let words =
            line.split(|letter: char| letter.is_whitespace() || "<>\"'(),;".contains(letter));
        redact(&line, words.filter(is_piece))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_form_of_a_login_is_told_again() {
        let login = MailLogin {
            user: "locum-mailer".to_owned(),
            password: SecretString::from("synthetic mail password"),
        };
        let secrets = Secrets::of(&login);
        let encoded = STANDARD.encode("\0locum-mailer\0synthetic mail password");
        let user = STANDARD.encode("locum-mailer");
        let password = STANDARD.encode("synthetic mail password");
        let answer = format!(
            "535 no {encoded} <{user}> {password} {} {} \0locum-mailer\0synthetic mail password",
            encoded.trim_end_matches('='),
            &encoded[..20],
        );
        let told = secrets.words(&std::io::Error::other(answer));
        assert_eq!(told, "535 no *** <***> *** *** *** ******");
    }
}
