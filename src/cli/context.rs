//! What a command gets from the process: environment, configuration file, clock. The environment
//! is read here and nowhere else.

use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use secrecy::SecretString;
use zeroize::Zeroizing;

use super::notify::Manager;
use super::output::Output;
use super::{CliError, telemetry};
use crate::admin::OnStep;
use crate::app::{self, App, KeyRingStatus, Restored, Surroundings};
use crate::config::{Loaded, LogSection};
use crate::domain::actor::Actor;
use crate::domain::clock::{SharedClock, SystemClock};

/// A file of secrets is never larger.
const MAX_SECRET_FILE: u64 = 1 << 20;

/// A terminal's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Screen {
    pub columns: usize,
    pub lines: usize,
}

pub(super) struct Context {
    pub config: PathBuf,
    /// What standard output is shown on; `None` when it goes to a file or a program.
    pub screen: Option<Screen>,
    pub clock: SharedClock,
    /// Who enters things, for the record: the operating system's user.
    user: String,
    /// Who wants to know when the gateway serves.
    pub manager: Manager,
    variables: Vec<(String, String)>,
    surroundings: Surroundings,
}

impl Context {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where the environment is read"
    )]
    pub(super) fn from_process(config: PathBuf) -> Self {
        let text = |name: &str| std::env::var(name).ok().filter(|text| !text.is_empty());
        Self {
            config,
            screen: screen(|name| text(name)?.parse().ok()),
            clock: Arc::new(SystemClock),
            user: text("LOCUM_USER")
                .or_else(|| text("USER"))
                .or_else(|| text("LOGNAME"))
                .unwrap_or_else(user_of_process),
            manager: Manager::new(std::env::var_os("NOTIFY_SOCKET")),
            variables: std::env::vars_os()
                .filter_map(|(name, value)| {
                    Some((name.into_string().ok()?, value.into_string().ok()?))
                })
                // LOCUM_MASTER_KEY is a secret and none of these.
                .filter(|(name, _)| name.starts_with("LOCUM_") && name.contains("__"))
                .collect(),
            surroundings: Surroundings {
                credentials_directory: text("CREDENTIALS_DIRECTORY").map(PathBuf::from),
                master_key: text("LOCUM_MASTER_KEY").map(SecretString::from),
                ..Surroundings::default()
            },
        }
    }

    /// Whoever works at the command line.
    pub(super) fn actor(&self) -> Actor {
        Actor::Local {
            user: self.user.clone(),
        }
    }

    /// The variables that override keys, misspelt ones too: `LOCUM_…__…`.
    pub(super) fn variables(&self) -> Vec<(String, String)> {
        self.variables.clone()
    }

    pub(super) fn load(&self) -> Result<Loaded, CliError> {
        Ok(Loaded::read(&self.config, self.variables.iter().cloned())?)
    }

    /// Opens the installation for a command that ends.
    pub(super) async fn open(&self) -> Result<App, CliError> {
        self.open_loaded(self.load_quietly()?).await
    }

    /// The same for a command that shows how things stand: refused profiles are a notice.
    pub(super) async fn open_to_look(&self, output: &Output) -> Result<App, CliError> {
        let loaded = self.load_quietly()?;
        let opened = App::open_to_look(loaded, &self.surroundings, self.clock.clone());
        let (app, wrong) = opened.await?;
        if let Some(wrong) = wrong {
            output.error(&wrong.to_string());
        }
        Ok(app)
    }

    /// The configuration, for a command that ends: it logs warnings only.
    fn load_quietly(&self) -> Result<Loaded, CliError> {
        let level = "warn".to_owned();
        telemetry::start(&LogSection {
            level,
            ..LogSection::default()
        });
        self.load()
    }

    /// Looks at the key ring and the database without opening the installation.
    pub(super) async fn key_ring_status(&self) -> Result<KeyRingStatus, CliError> {
        Ok(app::key_ring_status(&self.load_quietly()?, &self.surroundings).await?)
    }

    /// Puts a backup in the place of the installation's database.
    pub(super) async fn restore(
        &self,
        backup: &Path,
        on_step: OnStep<'_>,
    ) -> Result<Restored, CliError> {
        let (loaded, actor) = (self.load_quietly()?, self.actor());
        let installation = (&loaded, &self.surroundings);
        let restored = app::restore(backup, installation, (&actor, &self.clock), on_step);
        Ok(restored.await?)
    }

    pub(super) async fn open_loaded(&self, loaded: Loaded) -> Result<App, CliError> {
        Ok(App::open(loaded, &self.surroundings, self.clock.clone()).await?)
    }
}

/// The size that the terminal says; where it says none, that of the variables, or the usual one.
fn screen(variable: impl Fn(&str) -> Option<usize>) -> Option<Screen> {
    let output = std::io::stdout();
    if !output.is_terminal() {
        return None;
    }
    let size = rustix::termios::tcgetwinsize(&output);
    let size = size.map(|size| (usize::from(size.ws_col), usize::from(size.ws_row)));
    let (columns, lines) = size.unwrap_or_default();
    let known = |said: usize, name, usual| match said {
        0 => variable(name).unwrap_or(usual),
        said => said,
    };
    Some(Screen {
        columns: known(columns, "COLUMNS", 80),
        lines: known(lines, "LINES", 24),
    })
}

/// The name of the process's user where no variable has it, as in containers and under systemd.
fn user_of_process() -> String {
    let id = rustix::process::geteuid().as_raw();
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    user_named(&users, id).unwrap_or_else(|| format!("uid {id}"))
}

/// The name of a user in the format of passwd(5).
fn user_named(users: &str, id: u32) -> Option<String> {
    let named = users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, number) = (fields.next()?, fields.nth(1)?);
        (number.parse() == Ok(id) && !name.is_empty()).then_some(name)
    });
    named.map(str::to_owned)
}

/// The text of a file, or of standard input for `-`.
pub(super) fn read_secret_file(path: &Path) -> Result<Zeroizing<String>, CliError> {
    let failed = |error: std::io::Error| CliError::Failed(format!("{}: {error}", path.display()));
    let mut text = Zeroizing::new(String::new());
    if path == Path::new("-") {
        std::io::stdin()
            .lock()
            .take(MAX_SECRET_FILE)
            .read_to_string(&mut text)
            .map_err(failed)?;
    } else {
        let file = std::fs::File::open(path).map_err(failed)?;
        file.take(MAX_SECRET_FILE)
            .read_to_string(&mut text)
            .map_err(failed)?;
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::user_named;

    #[test]
    fn a_user_is_known_by_the_number() {
        let users =
            "root:x:0:0:root:/root:/bin/sh\nbroken\n:x:7:7::/:\nlocum:x:990:10::/:/bin/false\n";
        let names = [0, 990, 10, 7].map(|id| user_named(users, id));
        let known = |name: &str| Some(name.to_owned());
        assert_eq!(names, [known("root"), known("locum"), None, None]);
    }
}
