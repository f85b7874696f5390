//! `Program`: the real binary in a temporary folder, driven by its command line as a user would.

use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// A folder with an installation in it, or one to be.
pub struct Program {
    pub folder: TempDir,
    /// What starts the program instead of the test itself: words before its own.
    pub starter: Vec<String>,
}

/// A process of the program that serves; ends with its owner.
pub struct Server {
    /// `http://ADDRESS` of the MCP listener, or of the sandbox.
    pub url: String,
    pub child: Child,
}

/// Writes a file that its owner alone can read.
pub fn write_secret(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

impl Server {
    /// The largest memory that the process has had so far, in KiB.
    pub fn peak(&self) -> u64 {
        let id = self.child.id().unwrap();
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let number = line.unwrap().trim().trim_end_matches(" kB");
        number.parse().unwrap()
    }
}

impl Program {
    /// An empty folder.
    pub fn empty() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            starter: Vec::new(),
        }
    }

    /// An installation whose listeners take free ports.
    pub async fn init() -> Self {
        let program = Self::empty();
        program.ok(&["init"]).await;
        program.configure("");
        program
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file that its owner alone can read.
    pub fn write(&self, name: &str, text: &str) {
        write_secret(&self.path(name), text);
    }

    /// Writes `locum.toml`: free ports, a log of JSON lines, and `more`.
    pub fn configure(&self, more: &str) {
        let text = format!(
            "[server]\nlisten = \"127.0.0.1:0\"\n[admin]\nlisten = \"127.0.0.1:0\"\n\
             [log]\nformat = \"json\"\n{more}"
        );
        std::fs::write(self.path("locum.toml"), text).unwrap();
    }

    /// Points both environments of the built-in provider at an upstream.
    pub fn configure_upstream(&self, base_url: &str) {
        let section = |name: &str| {
            format!("[providers.eka-care.environments.{name}]\nbase_url = \"{base_url}\"\n")
        };
        self.configure(&(section("dev") + &section("prod")));
    }

    pub fn command<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Command {
        let words = self.starter.iter().map(String::as_str);
        let mut words = words.chain([env!("CARGO_BIN_EXE_locum")]);
        let mut command = Command::new(words.next().unwrap());
        command
            .args(words)
            .args(arguments)
            .current_dir(self.folder.path())
            .kill_on_drop(true);
        command
            .env_remove("LOCUM_CONFIG")
            .env_remove("LOCUM_MASTER_KEY");
        command
    }

    /// Runs a command to its end.
    pub async fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments)
            .stdin(Stdio::null())
            .output()
            .await
            .unwrap()
    }

    /// Runs a command that has to succeed and returns its standard output.
    pub async fn ok(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments).await;
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "locum {arguments:?}: {stderr}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs a command with `--json` that has to succeed.
    pub async fn json(&self, arguments: &[&str]) -> Value {
        let text = self.ok(&[arguments, &["--json"]].concat()).await;
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// Runs a command that has to fail; its exit code and standard error.
    pub async fn fails(&self, arguments: &[&str]) -> (i32, String) {
        let output = self.run(arguments).await;
        assert!(!output.status.success(), "locum {arguments:?} was to fail");
        (
            output.status.code().unwrap(),
            String::from_utf8(output.stderr).unwrap(),
        )
    }

    /// An organization with a credential in each environment.
    pub async fn organization(&self, slug: &str, environments: &[&str]) {
        self.ok(&["org", "create", slug, "--name", slug]).await;
        for env in environments {
            let fields = self.path(&format!("{slug}-{env}.toml"));
            let text =
                format!("client_id = \"{slug}-{env}\"\nclient_secret = \"synthetic-{slug}\"\n");
            std::fs::write(&fields, text).unwrap();
            let file = fields.to_str().unwrap();
            self.ok(&[
                "credential",
                "set",
                "--org",
                slug,
                "--env",
                env,
                "--provider",
                "eka-care",
                "--from-file",
                file,
            ])
            .await;
        }
    }

    /// A key for these organizations in all environments.
    pub async fn key(&self, organizations: &[&str]) -> String {
        let mut arguments = vec!["key", "create", "--name", "test", "--all-envs"];
        for slug in organizations {
            arguments.extend(["--org", slug]);
        }
        self.json(&arguments).await["key"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    /// Starts `locum serve` and waits until it serves.
    pub async fn serve(&self) -> Server {
        let mut command = self.command(&["serve"]);
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut seen = Vec::new();
        while let Some(line) = next_line(&mut log).await {
            let event: Value = serde_json::from_str(&line).unwrap_or_default();
            if let Some(address) = event["mcp"].as_str() {
                let url = format!("http://{address}");
                tokio::spawn(async move { while let Ok(Some(_)) = log.next_line().await {} });
                return Server { url, child };
            }
            seen.push(line);
        }
        panic!("locum serve ended: {seen:?}");
    }
}

/// Starts `locum sandbox` on a free port.
pub async fn sandbox() -> Server {
    let mut command = Command::new(env!("CARGO_BIN_EXE_locum"));
    command
        .args(["sandbox", "--listen", "127.0.0.1:0", "--json"])
        .kill_on_drop(true);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    while let Some(line) = next_line(&mut lines).await {
        if let Some((_, rest)) = line.split_once("http://") {
            let url = format!("http://{}", rest.trim_end_matches(['"', ',']));
            tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
            return Server { url, child };
        }
    }
    panic!("locum sandbox ended before it served");
}

async fn next_line<R: tokio::io::AsyncBufRead + Unpin>(
    lines: &mut tokio::io::Lines<R>,
) -> Option<String> {
    let limit = Duration::from_secs(20);
    tokio::time::timeout(limit, lines.next_line())
        .await
        .expect("a line within 20 s")
        .unwrap()
}

/// A file with mode 0600.
pub fn write_private(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}
