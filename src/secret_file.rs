//! Files with secrets, and the checks that one must pass. It is checked through the descriptor that
//! is then read, so what was checked is what is used.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags};

/// Why a file is not fit to hold a secret.
#[derive(Debug)]
pub enum Unfit {
    Missing,
    /// Of a file that is no secret mount.
    Symlink,
    NotAFile,
    /// It belongs to another user, and is no secret mount.
    Owner,
    /// Others may read it (or write it, where it is a secret mount).
    Mode(u32),
    /// Others may put another file in its place.
    Parent(PathBuf),
    Io {
        path: PathBuf,
        source: io::Error,
    },
}

/// Opens a file that passes. A secret mount, such as those of containers, may be a symbolic link and
/// has its own owner and often mode 0444; nobody else may write it, though.
pub fn open(path: &Path, mounted: bool) -> Result<File, Unfit> {
    let io = |error: rustix::io::Errno| Unfit::Io {
        path: path.to_owned(),
        source: error.into(),
    };
    let follow = match mounted {
        true => OFlags::empty(),
        false => OFlags::NOFOLLOW,
    };
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | follow;
    let descriptor = rustix::fs::open(path, flags, Mode::empty()).map_err(|error| match error {
        rustix::io::Errno::NOENT => Unfit::Missing,
        rustix::io::Errno::LOOP => Unfit::Symlink,
        other => io(other),
    })?;
    let status = rustix::fs::fstat(&descriptor).map_err(io)?;
    if FileType::from_raw_mode(status.st_mode) != FileType::RegularFile {
        return Err(Unfit::NotAFile);
    }
    if !mounted && status.st_uid != rustix::process::geteuid().as_raw() {
        return Err(Unfit::Owner);
    }
    let mode = status.st_mode & 0o7777;
    let forbidden = if mounted { 0o022 } else { 0o177 };
    if mode & forbidden != 0 {
        return Err(Unfit::Mode(mode));
    }
    if !mounted {
        check_parent(path)?;
    }
    Ok(File::from(descriptor))
}

/// The folder that a file is in.
pub fn parent_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Refuses a folder in which others may put another file in this one's place.
pub fn check_parent(path: &Path) -> Result<(), Unfit> {
    let parent = parent_of(path);
    let status = rustix::fs::stat(parent).map_err(|error| Unfit::Io {
        path: parent.to_owned(),
        source: error.into(),
    })?;
    let owner = status.st_uid;
    let trusted = owner == 0 || owner == rustix::process::geteuid().as_raw();
    match trusted && status.st_mode & 0o022 == 0 {
        true => Ok(()),
        false => Err(Unfit::Parent(parent.to_owned())),
    }
}
