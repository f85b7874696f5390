//! Where the key ring comes from, and the checks that its file must pass.
//!
//! Sources in order: systemd credential `locum.master-key`, the configured file, the environment
//! (development only).

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use super::key_ring::{KeyRing, KeyRingError};
use crate::secret_file::{self, Unfit};

/// The file name below `$CREDENTIALS_DIRECTORY` (systemd.exec(5), "Credentials").
const SYSTEMD_CREDENTIAL: &str = "locum.master-key";

/// Where to look for the key ring. No `Debug`: it may hold a secret.
#[derive(Clone)]
pub struct KeySource {
    /// `$CREDENTIALS_DIRECTORY`, set by systemd.
    pub credentials_directory: Option<PathBuf>,
    pub file: PathBuf,
    /// `LOCUM_MASTER_KEY`: the file's content in the environment.
    pub environment: Option<SecretString>,
    /// The file is a secret mount: a symlink or another owner is acceptable.
    pub mounted: bool,
}

/// Where the key ring is: the first source that has one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RingOrigin {
    SystemdCredential(PathBuf),
    Environment,
    Mount(PathBuf),
    File(PathBuf),
}

impl fmt::Display for RingOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SystemdCredential(path) => {
                write!(f, "the systemd credential {}", path.display())
            }
            Self::Environment => f.write_str("LOCUM_MASTER_KEY"),
            Self::Mount(path) => write!(f, "the secret mount {}", path.display()),
            Self::File(path) => write!(f, "the key file {}", path.display()),
        }
    }
}

impl KeySource {
    pub fn origin(&self) -> RingOrigin {
        if let Some(directory) = &self.credentials_directory {
            let path = directory.join(SYSTEMD_CREDENTIAL);
            if path.exists() {
                return RingOrigin::SystemdCredential(path);
            }
        }
        let there = self.file.symlink_metadata().is_ok();
        match (&self.environment, self.mounted) {
            (Some(_), _) if !there => RingOrigin::Environment,
            (_, true) => RingOrigin::Mount(self.file.clone()),
            (_, false) => RingOrigin::File(self.file.clone()),
        }
    }
}

/// Why there is no key ring.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    #[error(
        "the key file {0} does not exist; `locum init` makes one for a new installation, and only a copy of the old one opens an existing database"
    )]
    Missing(PathBuf),
    #[error(
        "the key file {0} is a symbolic link; name the file itself, or set vault.mounted_secret = true for a secret mount"
    )]
    Symlink(PathBuf),
    #[error("the key file {0} is not a regular file")]
    NotAFile(PathBuf),
    #[error(
        "the key file {0} belongs to another user; chown it to the user that runs locum, or set vault.mounted_secret = true for a secret mount"
    )]
    Owner(PathBuf),
    #[error("the key file {path} has mode {mode:04o}; run: chmod 600 {path}")]
    Mode { path: PathBuf, mode: u32 },
    #[error(
        "the folder {0} of the key file can be changed by others; give it to the user that runs locum and run: chmod go-w {0}"
    )]
    Parent(PathBuf),
    #[error("the key ring in {origin} is not readable: {source}")]
    Content {
        origin: String,
        source: KeyRingError,
    },
    #[error("the key file {0} already exists and is never overwritten")]
    Exists(PathBuf),
    #[error(
        "the key ring is in {0}, which locum cannot change. Add the new key there yourself: a line `kek-NAME active DIGITS` with 64 hexadecimal digits (`openssl rand -hex 32`), and `retired` instead of `active` in the line of the present one. Restart the server, so that it has both, and run `locum master-key rotate` again"
    )]
    NotOurs(RingOrigin),
    #[error("the key file {path}: {source}")]
    Io {
        path: PathBuf,
        source: std::io::Error,
    },
}

/// Reads the key ring from the first source that has one.
pub fn read_key_ring(source: &KeySource) -> Result<(KeyRing, RingOrigin), KeyFileError> {
    let origin = source.origin();
    let ring = match (&origin, &source.environment) {
        (RingOrigin::SystemdCredential(path) | RingOrigin::Mount(path), _) => read_file(path, true),
        (RingOrigin::Environment, Some(text)) => {
            KeyRing::parse(text.expose_secret()).map_err(|source| KeyFileError::Content {
                origin: origin.to_string(),
                source,
            })
        }
        _ => read_file(&source.file, false),
    };
    Ok((ring?, origin))
}

fn read_file(path: &Path, mounted: bool) -> Result<KeyRing, KeyFileError> {
    let mut text = Zeroizing::new(String::new());
    open_checked(path, mounted)?
        .take(1 << 20)
        .read_to_string(&mut text)
        .map_err(|source| KeyFileError::Io {
            path: path.to_owned(),
            source,
        })?;
    KeyRing::parse(&text).map_err(|source| KeyFileError::Content {
        origin: path.display().to_string(),
        source,
    })
}

pub(super) fn open_checked(path: &Path, mounted: bool) -> Result<File, KeyFileError> {
    secret_file::open(path, mounted).map_err(|unfit| KeyFileError::unfit(path, unfit))
}

pub(super) fn check_parent(path: &Path) -> Result<(), KeyFileError> {
    secret_file::check_parent(path).map_err(|unfit| KeyFileError::unfit(path, unfit))
}

impl KeyFileError {
    fn unfit(path: &Path, unfit: Unfit) -> Self {
        let path = path.to_owned();
        match unfit {
            Unfit::Missing => Self::Missing(path),
            Unfit::Symlink => Self::Symlink(path),
            Unfit::NotAFile => Self::NotAFile(path),
            Unfit::Owner => Self::Owner(path),
            Unfit::Mode(mode) => Self::Mode { path, mode },
            Unfit::Parent(folder) => Self::Parent(folder),
            Unfit::Io { path, source } => Self::Io { path, source },
        }
    }
}
