//! A real mail server (`tests/clients/python/mail_server.py`), and what came to it.

use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout};
use tokio::time::timeout;

use super::clinic::Clinic;
use super::install::Project;
use super::tls::Authority;

/// Ends with its owner.
pub struct MailServer {
    pub port: u64,
    lines: Lines<BufReader<ChildStdout>>,
    _child: Child,
}

impl MailServer {
    /// `starttls`, `implicit` or `plain`; its certificate is by an authority whose certificate is
    /// put into the clinic's folder as `mail-ca.pem`, beside `mail-login`.
    pub async fn start(clinic: &Clinic, mode: &str) -> Self {
        let folder = clinic.folder.path();
        let authority = Authority::new();
        clinic.write("mail-ca.pem", &authority.pem);
        clinic.write("mail-login", "locum:synthetic-mail-password\n");
        let (certificate, key) = authority.issue().write(folder, "mail");
        let mut command = Project::Python.program("python").await;
        command.args(["-E", "-s", "mail_server.py", mode]);
        if mode != "plain" {
            command.args([certificate, key]);
        }
        command.stdout(Stdio::piped()).stdin(Stdio::null());
        let mut child = command.spawn().unwrap();
        let mut server = Self {
            port: 0,
            lines: BufReader::new(child.stdout.take().unwrap()).lines(),
            _child: child,
        };
        server.port = server.next().await.as_u64().unwrap();
        server
    }

    /// Lines of `locum.toml`.
    pub fn section(&self, tls: &str, more: &str) -> String {
        format!(
            "[reminders.smtp]\nhost = \"127.0.0.1\"\nport = {}\ntls = \"{tls}\"\n\
             from = \"Locum <locum@clinic.example>\"\nto = [\"it@clinic.example\"]\n{more}",
            self.port
        )
    }

    /// The next mail.
    pub async fn next(&mut self) -> Value {
        let line = timeout(Duration::from_secs(30), self.lines.next_line()).await;
        let line = line.expect("a line within 30 s").unwrap();
        serde_json::from_str(&line.expect("the mail server runs")).unwrap()
    }
}
