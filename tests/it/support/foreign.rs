//! MCP clients of other people's making: holds one conversation with one of them, and returns what
//! it saw. The scripts that drive them are in `tests/clients/`.

use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::time::timeout;

use super::install::{Project, tail};

const RUN_LIMIT: Duration = Duration::from_secs(120);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Foreign {
    PythonSdk,
    FastMcp,
    /// `@modelcontextprotocol/client`.
    TypeScriptSdk,
    /// `@modelcontextprotocol/sdk`. Talks to a program on standard input and output instead, where
    /// `input` has `command` and `env`.
    TypeScriptSdk1,
    /// The Inspector's command line.
    Inspector,
    /// A script of a clinic that used the single-tenant server, with FastMCP's client. `input` is a
    /// configuration `{"mcpServers": …}`, and the report what its day came to.
    FrontDesk,
}

impl Foreign {
    /// Holds one conversation as `input` describes it, and returns the client's report.
    ///
    /// `input` is `{"url", "headers", "revision", "calls": [{"tool", "arguments"}]}`. A report that
    /// says `{"failure": …}` is returned too: whether the client had to get through is the test's
    /// to judge.
    pub async fn converse(self, input: &Value) -> Value {
        // Some keep what they learn below HOME.
        let home = tempfile::tempdir().unwrap();
        let mut client = self.command().await;
        client
            .env("HOME", home.path())
            .env("NO_PROXY", "127.0.0.1")
            // For npx, in the snippets: what it needs is installed.
            .env("npm_config_offline", "true")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = client.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let conversation = async {
            // A client that died early closes the pipe; its standard error says more than that.
            let _ = stdin.write_all(input.to_string().as_bytes()).await;
            drop(stdin);
            child.wait_with_output().await.unwrap()
        };
        let output = timeout(RUN_LIMIT, conversation)
            .await
            .unwrap_or_else(|_| panic!("{self:?} took more than {RUN_LIMIT:?}: {input}"));
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
            panic!(
                "{self:?} ({}) printed no report ({error}): {}\n{}",
                output.status,
                tail(&String::from_utf8_lossy(&output.stdout)),
                tail(&String::from_utf8_lossy(&output.stderr)),
            )
        })
    }

    async fn command(self) -> Command {
        let (project, script) = match self {
            Self::PythonSdk => (Project::Python, "sdk_client.py"),
            Self::FastMcp => (Project::Python, "fastmcp_client.py"),
            Self::FrontDesk => (Project::Python, "front_desk.py"),
            Self::TypeScriptSdk => (Project::Node, "sdk2.mjs"),
            Self::TypeScriptSdk1 => (Project::Node, "sdk1.mjs"),
            Self::Inspector => (Project::Node, "inspector.mjs"),
        };
        let (interpreter, options): (_, &[&str]) = match project {
            // Neither the developer's PYTHONPATH nor their own packages.
            Project::Python => ("python", &["-E", "-s"]),
            Project::Node => ("node", &[]),
        };
        let mut command = project.program(interpreter).await;
        command.args(options).arg(script);
        command
    }
}
