//! Installs the programs of others that tests run (`tests/clients/`): an environment of Python and
//! an npm project.
//!
//! Each is installed once per version of its requirement files, below Cargo's folder for temporary
//! files of tests: no test changes what the machine has installed.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test without its program has nothing to say"
)]

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::process::Command;
use tokio::sync::OnceCell;
use tokio::time::timeout;

const INSTALL_LIMIT: Duration = Duration::from_secs(300);

/// What is installed together, in the versions that its requirement files pin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Project {
    Python,
    Node,
}

impl Project {
    /// A command for one of the project's programs, to be run in its folder, where its scripts are.
    pub async fn program(self, name: impl AsRef<OsStr>) -> Command {
        let home = installed(self).await.unwrap_or_else(|why| panic!("{why}"));
        let mut command = Command::new(name);
        command
            .current_dir(home)
            .env("PATH", path(&home.join(self.programs())))
            .kill_on_drop(true);
        command
    }

    /// The folder below `tests/clients`, and the files there that decide what is installed.
    fn requirements(self) -> (&'static str, &'static [&'static str]) {
        match self {
            Self::Python => ("python", &["requirements.txt"]),
            Self::Node => ("node", &["package.json", "package-lock.json"]),
        }
    }

    /// Where programs lie. Node 22 is among those of npm, where its authors build it.
    fn programs(self) -> &'static str {
        match self {
            Self::Python => "venv/bin",
            Self::Node => "node_modules/.bin",
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
            Self::Node => {
                "node (20 or newer on Linux, 22 or newer elsewhere) with npm, and a package registry"
            }
        }
    }

    /// What installs the requirements, which lie in `home`.
    fn installers(self, home: &Path) -> Vec<Command> {
        let mut commands = match self {
            Self::Python => vec![
                command("python3", "-m venv venv"),
                command(
                    home.join("venv/bin/python"),
                    // The file names all of it: nothing is resolved, so that no release of tomorrow
                    // changes what is installed.
                    "-m pip install --no-input --disable-pip-version-check --no-deps -r requirements.txt",
                ),
            ],
            Self::Node => vec![command("npm", "ci --ignore-scripts --no-audit --no-fund")],
        };
        for installer in &mut commands {
            installer.current_dir(home);
        }
        commands
    }
}

fn command(program: impl AsRef<OsStr>, arguments: &str) -> Command {
    let mut command = Command::new(program);
    command.args(arguments.split_whitespace());
    command
}

/// The machine's `PATH` with a folder before it.
fn path(first: &Path) -> OsString {
    #[allow(clippy::disallowed_methods, reason = "a child's environment")]
    let machine = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(first.to_owned()).chain(std::env::split_paths(&machine));
    std::env::join_paths(folders).expect("folders without a colon")
}

/// The project's home, installed by whichever test asks first. A failure is kept as well: one
/// message for all tests instead of one attempt each.
async fn installed(project: Project) -> Result<&'static Path, &'static str> {
    static PYTHON: OnceCell<Result<PathBuf, String>> = OnceCell::const_new();
    static NODE: OnceCell<Result<PathBuf, String>> = OnceCell::const_new();
    let cell = match project {
        Project::Python => &PYTHON,
        Project::Node => &NODE,
    };
    let outcome = cell.get_or_init(|| async move {
        install(project).await.map_err(|why| {
            format!(
                "cannot install the {project:?} clients, which need {}: {why}",
                project.needs()
            )
        })
    });
    outcome.await.as_deref().map_err(String::as_str)
}

/// Installs below a lock on a file, because some runners give every test a process of its own.
async fn install(project: Project) -> Result<PathBuf, String> {
    let (name, files) = project.requirements();
    let clients = Path::new(env!("CARGO_TARGET_TMPDIR")).join("clients");
    let home = clients.join(name);
    fs::create_dir_all(&clients).map_err(|error| format!("{}: {error}", clients.display()))?;
    let _lock = lock(clients.join(format!("{name}.lock"))).await?;

    let wanted = files
        .iter()
        .map(|file| read(&project.sources().join(file)))
        .collect::<Result<String, _>>()?;
    // Written last, and all of it is compared: half an installation never counts.
    let marker = home.join("installed");
    if !fs::read_to_string(&marker).is_ok_and(|found| found == wanted) {
        let log = home.join("install.log");
        prepare(project, &home, files).map_err(|error| format!("{}: {error}", home.display()))?;
        timeout(INSTALL_LIMIT, run_installers(project, &home, &log))
            .await
            .unwrap_or_else(|_| Err(format!("it took more than {INSTALL_LIMIT:?}")))
            .map_err(|why| format!("{why}\n{}", tail(&read(&log).unwrap_or_default())))?;
        fs::write(&marker, wanted).map_err(|error| format!("{}: {error}", marker.display()))?;
    }
    // Node resolves imports from where a script lies.
    place_scripts(&project.sources(), &home).map_err(|error| format!("scripts: {error}"))?;
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
fn prepare(project: Project, home: &Path, files: &[&str]) -> std::io::Result<()> {
    if home.exists() {
        fs::remove_dir_all(home)?;
    }
    fs::create_dir_all(home)?;
    for file in files {
        fs::copy(project.sources().join(file), home.join(file))?;
    }
    Ok(())
}

async fn run_installers(project: Project, home: &Path, log: &Path) -> Result<(), String> {
    for mut installer in project.installers(home) {
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

/// Puts the scripts into `home`, each in one step: a client that starts now reads all of it.
fn place_scripts(sources: &Path, home: &Path) -> std::io::Result<()> {
    for source in fs::read_dir(sources)? {
        let source = source?.path();
        let is_script = source
            .extension()
            .is_some_and(|kind| kind == "mjs" || kind == "py");
        if is_script {
            place(&source, home)?;
        }
    }
    Ok(())
}

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
pub fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}
