//! Files with the secrets of channels: one line each, in a file that its owner alone can read, or in
//! a secret mount.

use std::io::Read;
use std::path::{Path, PathBuf};

use secrecy::SecretString;
use zeroize::Zeroizing;

use super::WebhookSecret;
use crate::secret_file::{self, Unfit};

/// A shorter secret could be guessed.
const SHORTEST_SECRET: usize = 24;
/// A file is never larger.
const MAX_FILE: u64 = 1 << 16;

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
pub fn read_mail_login(path: &Path, mounted: bool) -> Result<MailLogin, NotifyFileError> {
    let key = "reminders.smtp.credentials_file";
    let line = read_line(key, path, mounted)?;
    match line.split_once(':') {
        Some((user, password)) if !user.is_empty() && !password.is_empty() => Ok(MailLogin {
            user: user.to_owned(),
            password: SecretString::from(password),
        }),
        _ => Err(failed(key, path, "it holds one line, user:password")),
    }
}

/// Reads one line: the secret that signs a webhook's requests.
pub fn read_webhook_secret(path: &Path, mounted: bool) -> Result<WebhookSecret, NotifyFileError> {
    let key = "reminders.webhook.secret_file";
    let line = read_line(key, path, mounted)?;
    if line.len() < SHORTEST_SECRET {
        let reason = "at least 24 random characters are needed: openssl rand -hex 32";
        return Err(failed(key, path, reason));
    }
    Ok(WebhookSecret::new(SecretString::from(line.as_str())))
}

fn read_line(
    key: &'static str,
    path: &Path,
    mounted: bool,
) -> Result<Zeroizing<String>, NotifyFileError> {
    let file = secret_file::open(path, mounted);
    let file = file.map_err(|unfit| failed(key, path, &words(path, &unfit)))?;
    let mut text = Zeroizing::new(String::new());
    file.take(MAX_FILE)
        .read_to_string(&mut text)
        .map_err(|error| failed(key, path, &error.to_string()))?;
    let line = text.trim_end_matches(['\n', '\r']);
    if line.is_empty() || line.contains(char::is_control) {
        return Err(failed(key, path, "it holds one line of text"));
    }
    Ok(Zeroizing::new(line.to_owned()))
}

fn words(path: &Path, unfit: &Unfit) -> String {
    let mount = "set reminders.mounted_secrets = true for secret mounts";
    match unfit {
        Unfit::Missing => "it does not exist".to_owned(),
        Unfit::Symlink => format!("it is a symbolic link; name the file itself, or {mount}"),
        Unfit::NotAFile => "it is not a regular file".to_owned(),
        Unfit::Owner => {
            format!("it belongs to another user; chown it to the user that runs locum, or {mount}")
        }
        Unfit::Mode(mode) => {
            format!("it has mode {mode:04o}; run: chmod 600 {}", path.display())
        }
        Unfit::Parent(folder) => {
            let folder = folder.display();
            format!(
                "its folder {folder} can be changed by others; give it to the user that runs locum \
                 and run: chmod go-w {folder}"
            )
        }
        Unfit::Io { source, .. } => source.to_string(),
    }
}

fn failed(key: &'static str, path: &Path, reason: &str) -> NotifyFileError {
    NotifyFileError {
        key,
        path: path.to_owned(),
        reason: reason.to_owned(),
    }
}
