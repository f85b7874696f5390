//! Files with the secrets of channels: one line each.

use std::path::{Path, PathBuf};

use secrecy::SecretString;
use zeroize::Zeroizing;

use super::WebhookSecret;

/// A shorter secret could be guessed.
const SHORTEST_SECRET: usize = 24;

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{key} {path}: {reason}")]
pub struct NotifyFileError {
    key: &'static str,
    path: PathBuf,
    reason: String,
}

/// User and password at a mail server. No `Debug`: they are secrets.
pub struct MailLogin {
    pub user: String,
    pub password: SecretString,
}

/// Reads one line, `user:password`.
pub fn read_mail_login(path: &Path) -> Result<MailLogin, NotifyFileError> {
    let key = "reminders.smtp.credentials_file";
    let line = read_line(key, path)?;
    match line.split_once(':') {
        Some((user, password)) if !user.is_empty() && !password.is_empty() => Ok(MailLogin {
            user: user.to_owned(),
            password: SecretString::from(password),
        }),
        _ => Err(failed(key, path, "it holds one line, user:password")),
    }
}

/// Reads one line: the secret that signs a webhook's requests.
pub fn read_webhook_secret(path: &Path) -> Result<WebhookSecret, NotifyFileError> {
    let key = "reminders.webhook.secret_file";
    let line = read_line(key, path)?;
    if line.len() < SHORTEST_SECRET {
        let reason = "at least 24 random characters are needed: openssl rand -hex 32";
        return Err(failed(key, path, reason));
    }
    Ok(WebhookSecret::new(SecretString::from(line.as_str())))
}

fn read_line(key: &'static str, path: &Path) -> Result<Zeroizing<String>, NotifyFileError> {
    let text = std::fs::read_to_string(path).map(Zeroizing::new);
    let text = text.map_err(|error| failed(key, path, &error.to_string()))?;
    let line = text.trim_end_matches(['\n', '\r']);
    if line.is_empty() || line.contains(char::is_control) {
        return Err(failed(key, path, "it holds one line of text"));
    }
    Ok(Zeroizing::new(line.to_owned()))
}

fn failed(key: &'static str, path: &Path, reason: &str) -> NotifyFileError {
    NotifyFileError {
        key,
        path: path.to_owned(),
        reason: reason.to_owned(),
    }
}
