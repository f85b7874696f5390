//! Where the key ring comes from, and the checks that its file must pass.
//!
//! Sources in order: systemd credential `locum.master-key`, the configured file, the environment
//! (development only). The file is checked through the descriptor that is then read, so what was
//! checked is what is used.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags};
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use super::key_ring::{KeyRing, KeyRingError};

/// The file name below `$CREDENTIALS_DIRECTORY` (systemd.exec(5), "Credentials").
const SYSTEMD_CREDENTIAL: &str = "locum.master-key";

/// Where to look for the key ring.
pub struct KeySource {
    /// `$CREDENTIALS_DIRECTORY`, set by systemd.
    pub credentials_directory: Option<PathBuf>,
    pub file: PathBuf,
    /// `LOCUM_MASTER_KEY`: the file's content in the environment.
    pub environment: Option<SecretString>,
    /// The file is a secret mount: a symlink or another owner is acceptable.
    pub mounted: bool,
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
    #[error("the key file {path}: {source}")]
    Io {
        path: PathBuf,
        source: std::io::Error,
    },
}

/// Reads the key ring from the first source that has one; the flag says that it came from the
/// environment.
pub fn read_key_ring(source: &KeySource) -> Result<(KeyRing, bool), KeyFileError> {
    if let Some(directory) = &source.credentials_directory {
        let path = directory.join(SYSTEMD_CREDENTIAL);
        if path.exists() {
            return Ok((read_file(&path, true)?, false));
        }
    }
    match (&source.environment, source.file.symlink_metadata().is_ok()) {
        (Some(text), false) => {
            let ring =
                KeyRing::parse(text.expose_secret()).map_err(|source| KeyFileError::Content {
                    origin: "LOCUM_MASTER_KEY".to_owned(),
                    source,
                })?;
            Ok((ring, true))
        }
        _ => Ok((read_file(&source.file, source.mounted)?, false)),
    }
}

fn read_file(path: &Path, mounted: bool) -> Result<KeyRing, KeyFileError> {
    let descriptor = open_checked(path, mounted)?;
    let mut text = Zeroizing::new(String::new());
    File::from(descriptor)
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

fn open_checked(path: &Path, mounted: bool) -> Result<OwnedFd, KeyFileError> {
    let io = |error: rustix::io::Errno| KeyFileError::Io {
        path: path.to_owned(),
        source: error.into(),
    };
    let follow = if mounted {
        OFlags::empty()
    } else {
        OFlags::NOFOLLOW
    };
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | follow;
    let descriptor = rustix::fs::open(path, flags, Mode::empty()).map_err(|error| match error {
        rustix::io::Errno::NOENT => KeyFileError::Missing(path.to_owned()),
        rustix::io::Errno::LOOP => KeyFileError::Symlink(path.to_owned()),
        other => io(other),
    })?;
    let status = rustix::fs::fstat(&descriptor).map_err(io)?;
    if FileType::from_raw_mode(status.st_mode) != FileType::RegularFile {
        return Err(KeyFileError::NotAFile(path.to_owned()));
    }
    let mode = status.st_mode & 0o7777;
    if mounted {
        // A secret mount has its own owner and often mode 0444; nobody else may write it, though.
        return if mode & 0o022 == 0 {
            Ok(descriptor)
        } else {
            Err(KeyFileError::Mode {
                path: path.to_owned(),
                mode,
            })
        };
    }
    if status.st_uid != rustix::process::geteuid().as_raw() {
        return Err(KeyFileError::Owner(path.to_owned()));
    }
    if mode & 0o177 != 0 {
        return Err(KeyFileError::Mode {
            path: path.to_owned(),
            mode,
        });
    }
    check_parent(path)?;
    Ok(descriptor)
}

fn check_parent(path: &Path) -> Result<(), KeyFileError> {
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let status = rustix::fs::stat(parent).map_err(|error| KeyFileError::Io {
        path: parent.to_owned(),
        source: error.into(),
    })?;
    let owner = status.st_uid;
    let trusted = owner == 0 || owner == rustix::process::geteuid().as_raw();
    if trusted && status.st_mode & 0o022 == 0 {
        Ok(())
    } else {
        Err(KeyFileError::Parent(parent.to_owned()))
    }
}

/// Writes a ring to a file that must not exist yet, readable by its owner alone.
pub fn write_new_key_file(path: &Path, ring: &KeyRing) -> Result<(), KeyFileError> {
    check_parent(path)?;
    let io = |source: std::io::Error| KeyFileError::Io {
        path: path.to_owned(),
        source,
    };
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let descriptor = rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR).map_err(|error| {
        if error == rustix::io::Errno::EXIST {
            KeyFileError::Exists(path.to_owned())
        } else {
            io(error.into())
        }
    })?;
    let mut file = File::from(descriptor);
    file.write_all(ring.to_text().as_bytes()).map_err(io)?;
    file.sync_all().map_err(io)
}
