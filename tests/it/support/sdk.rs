//! Runs the official MCP SDKs (`tests/clients/`) against the gateway and returns what they saw.
//!
//! The SDKs are installed once per version of their requirement files, below Cargo's folder for
//! temporary files of tests: no test changes what the machine has installed.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test without its SDK has nothing to say"
)]

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::sync::OnceCell;
use tokio::time::timeout;

const INSTALL_LIMIT: Duration = Duration::from_secs(300);
const RUN_LIMIT: Duration = Duration::from_secs(120);

/// An official SDK, in the version that its requirement files pin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sdk {
    Python,
    TypeScript,
}

/// Holds one conversation as `input` describes it, and returns the client's report.
///
/// `input` is `{"url", "headers", "revision", "calls": [{"tool", "arguments"}]}`. A report that says
/// `{"failure": …}` is returned too: whether the client had to get through is the test's to judge.
pub async fn run(sdk: Sdk, input: &Value) -> Value {
    let home = installed(sdk).await.unwrap_or_else(|why| panic!("{why}"));
    let mut client = sdk.client(home);
    client
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let mut child = client
        .spawn()
        .unwrap_or_else(|error| panic!("cannot start the {sdk:?} client: {error}"));
    let mut stdin = child.stdin.take().expect("stdin is piped");
    let conversation = async {
        // A client that died early closes the pipe; its standard error says more than that.
        let _ = stdin.write_all(input.to_string().as_bytes()).await;
        drop(stdin);
        child.wait_with_output().await
    };
    let output = timeout(RUN_LIMIT, conversation)
        .await
        .unwrap_or_else(|_| panic!("the {sdk:?} client took more than {RUN_LIMIT:?}: {input}"))
        .unwrap_or_else(|error| panic!("cannot read the {sdk:?} client's report: {error}"));
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        panic!(
            "the {sdk:?} client ({}) printed no report ({error}): {}\n{}",
            output.status,
            tail(&String::from_utf8_lossy(&output.stdout)),
            tail(&String::from_utf8_lossy(&output.stderr)),
        )
    })
}

impl Sdk {
    /// The folder below `tests/clients`, and the files there that decide what is installed.
    fn requirements(self) -> (&'static str, &'static [&'static str]) {
        match self {
            Self::Python => ("python", &["requirements.txt"]),
            Self::TypeScript => ("typescript", &["package.json", "package-lock.json"]),
        }
    }

    fn sources(self) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/clients")
            .join(self.requirements().0)
    }

    fn needs(self) -> &'static str {
        match self {
            Self::Python => "python3 (3.11 or newer) with the module venv, and a package index",
            Self::TypeScript => "node (20 or newer) with npm, and a package registry",
        }
    }

    /// What installs the requirements, which lie in `home`.
    fn installers(self, home: &Path) -> Vec<Command> {
        let mut commands = match self {
            Self::Python => vec![
                command("python3", "-m venv venv"),
                command(
                    home.join("venv/bin/python"),
                    "-m pip install --no-input --disable-pip-version-check -r requirements.txt",
                ),
            ],
            Self::TypeScript => {
                vec![command("npm", "ci --ignore-scripts --no-audit --no-fund")]
            }
        };
        for installer in &mut commands {
            installer.current_dir(home);
        }
        commands
    }

    fn client(self, home: &Path) -> Command {
        // -I: neither the developer's PYTHONPATH nor their own packages.
        let (mut client, script) = match self {
            Self::Python => (
                command(home.join("venv/bin/python"), "-I"),
                self.sources().join("client.py"),
            ),
            Self::TypeScript => (command("node", ""), home.join("client.mjs")),
        };
        client.arg(script);
        client
    }
}

fn command(program: impl AsRef<OsStr>, arguments: &str) -> Command {
    let mut command = Command::new(program);
    command.args(arguments.split_whitespace());
    command
}

/// The SDK's home, installed by whichever test asks first. A failure is kept as well: one message
/// for all tests instead of one attempt each.
async fn installed(sdk: Sdk) -> Result<&'static Path, &'static str> {
    static PYTHON: OnceCell<Result<PathBuf, String>> = OnceCell::const_new();
    static TYPESCRIPT: OnceCell<Result<PathBuf, String>> = OnceCell::const_new();
    let cell = match sdk {
        Sdk::Python => &PYTHON,
        Sdk::TypeScript => &TYPESCRIPT,
    };
    let outcome = cell.get_or_init(|| async move {
        install(sdk).await.map_err(|why| {
            format!(
                "cannot install the {sdk:?} SDK, which needs {}: {why}",
                sdk.needs()
            )
        })
    });
    outcome.await.as_deref().map_err(String::as_str)
}

/// Installs below a lock on a file, because some runners give every test a process of its own.
async fn install(sdk: Sdk) -> Result<PathBuf, String> {
    let (name, files) = sdk.requirements();
    let clients = Path::new(env!("CARGO_TARGET_TMPDIR")).join("clients");
    let home = clients.join(name);
    fs::create_dir_all(&clients).map_err(|error| format!("{}: {error}", clients.display()))?;
    let _lock = lock(clients.join(format!("{name}.lock"))).await?;

    let wanted = files
        .iter()
        .map(|file| read(&sdk.sources().join(file)))
        .collect::<Result<String, _>>()?;
    // Written last, and all of it is compared: half an installation never counts.
    let marker = home.join("installed");
    if !fs::read_to_string(&marker).is_ok_and(|found| found == wanted) {
        let log = home.join("install.log");
        prepare(sdk, &home, files).map_err(|error| format!("{}: {error}", home.display()))?;
        timeout(INSTALL_LIMIT, run_installers(sdk, &home, &log))
            .await
            .unwrap_or_else(|_| Err(format!("it took more than {INSTALL_LIMIT:?}")))
            .map_err(|why| format!("{why}\n{}", tail(&read(&log).unwrap_or_default())))?;
        fs::write(&marker, wanted).map_err(|error| format!("{}: {error}", marker.display()))?;
    }
    if sdk == Sdk::TypeScript {
        // Node resolves imports from where the script lies.
        place(&sdk.sources().join("client.mjs"), &home)
            .map_err(|error| format!("client.mjs: {error}"))?;
    }
    Ok(home)
}

async fn lock(path: PathBuf) -> Result<File, String> {
    let locked = tokio::task::spawn_blocking(move || {
        let file = File::create(path)?;
        file.lock()?;
        Ok::<_, std::io::Error>(file)
    });
    locked
        .await
        .map_err(|error| error.to_string())?
        .map_err(|error| format!("cannot lock: {error}"))
}

/// An empty home with the requirement files in it.
fn prepare(sdk: Sdk, home: &Path, files: &[&str]) -> std::io::Result<()> {
    if home.exists() {
        fs::remove_dir_all(home)?;
    }
    fs::create_dir_all(home)?;
    for file in files {
        fs::copy(sdk.sources().join(file), home.join(file))?;
    }
    Ok(())
}

async fn run_installers(sdk: Sdk, home: &Path, log: &Path) -> Result<(), String> {
    for mut installer in sdk.installers(home) {
        let program = installer.as_std().get_program().display().to_string();
        let status = run_logged(&mut installer, log)
            .await
            .map_err(|error| format!("{program}: {error}"))?;
        if !status.success() {
            return Err(format!("{program}: {status}"));
        }
    }
    Ok(())
}

/// The output goes to a file: what was said before the time was up can then be shown too.
async fn run_logged(installer: &mut Command, log: &Path) -> std::io::Result<ExitStatus> {
    let out = File::options().create(true).append(true).open(log)?;
    let err = out.try_clone()?;
    installer
        .stdin(Stdio::null())
        .stdout(out)
        .stderr(err)
        .kill_on_drop(true)
        .status()
        .await
}

/// Puts `source` into `home` in one step, so that a client that starts now reads all of it.
fn place(source: &Path, home: &Path) -> std::io::Result<()> {
    let name = source.file_name().expect("a file has a name");
    let wanted = fs::read(source)?;
    let target = home.join(name);
    if fs::read(&target).is_ok_and(|found| found == wanted) {
        return Ok(());
    }
    let draft = target.with_extension("draft");
    fs::write(&draft, wanted)?;
    fs::rename(draft, target)
}

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

/// The last lines of a program's output, which say why it gave up.
fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}
