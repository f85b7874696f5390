//! What tells a file that was changed or exchanged from the one that was read.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Device, inode, length and both times of change of a file. `None`: there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileStamp(Option<(u64, u64, u64, [i64; 4])>);

impl FileStamp {
    /// Links are followed: Kubernetes and certbot exchange links, not files.
    pub fn of(path: &Path) -> Self {
        let stamp = path.metadata().ok().map(|file| {
            let times = [
                file.mtime(),
                file.mtime_nsec(),
                file.ctime(),
                file.ctime_nsec(),
            ];
            (file.dev(), file.ino(), file.len(), times)
        });
        Self(stamp)
    }
}
