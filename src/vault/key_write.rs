//! Writes key files: a new one, or one in the place of another, in one step. Of the sources of a key
//! ring, Locum rewrites the configured file alone.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

use super::key_file::{KeyFileError, KeySource, RingOrigin, check_parent, open_checked};
use super::key_ring::KeyRing;
use crate::secret_file::parent_of;

/// Writes a ring to a file that must not exist yet, readable by its owner alone.
pub fn write_new_key_file(path: &Path, ring: &KeyRing) -> Result<(), KeyFileError> {
    check_parent(path)?;
    write_new(path, ring, Mode::RUSR | Mode::WUSR)
}

/// Writes a ring in the place of the one that is there, which has to be a file of ours: whoever
/// reads it meanwhile, or after a crash, finds the one or the other.
pub fn replace_key_file(source: &KeySource, ring: &KeyRing) -> Result<(), KeyFileError> {
    let path = match source.origin() {
        RingOrigin::File(path) => path,
        other => return Err(KeyFileError::NotOurs(other)),
    };
    let io = |source: std::io::Error| KeyFileError::Io {
        path: path.clone(),
        source,
    };
    let present = open_checked(&path, false)?;
    let mode = rustix::fs::fstat(&present).map_err(|error| io(error.into()))?;
    let draft = draft_of(&path);
    match std::fs::remove_file(&draft) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(io(error)),
        _ => {}
    }
    let replaced = write_new(&draft, ring, Mode::from_raw_mode(mode.st_mode & 0o600))
        .and_then(|()| std::fs::rename(&draft, &path).map_err(io));
    if replaced.is_err() {
        let _ = std::fs::remove_file(&draft);
    }
    replaced?;
    let folder = File::open(parent_of(&path)).map_err(io)?;
    folder.sync_all().map_err(io)
}

/// Where a new key file is written before it takes the other's place.
pub fn draft_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    PathBuf::from(name)
}

fn write_new(path: &Path, ring: &KeyRing, mode: Mode) -> Result<(), KeyFileError> {
    let io = |source: std::io::Error| KeyFileError::Io {
        path: path.to_owned(),
        source,
    };
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let descriptor = rustix::fs::open(path, flags, mode).map_err(|error| {
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
