//! `Room`: a small file system over a program's `data` folder, seen only by the commands that are
//! started in it. It is a tmpfs in a mount namespace of its own and goes with its holder.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use super::program::Program;

/// The file system, as long as this lives.
pub struct Room {
    holder: Child,
    data: PathBuf,
}

impl Room {
    /// Makes it for a program without an installation, whose commands run in it from then on.
    pub async fn around(program: &mut Program, size: &str) -> Self {
        fs::create_dir_all(program.path("data")).unwrap();
        // Root needs no user namespace; others do, and have to be allowed one.
        let root = rustix::process::geteuid().is_root();
        let (unshare, enter) = match root {
            true => (&["-m"][..], &["-m"][..]),
            false => (&["-Urm"][..], &["-U", "-m", "--preserve-credentials"][..]),
        };
        let script = format!(
            "mount -t tmpfs -o size={size},mode=700 none data && echo mounted && exec sleep 3600"
        );
        let mut holder = Command::new("unshare")
            .args(unshare)
            .args(["sh", "-c", &script])
            .current_dir(program.folder.path())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("unshare (util-linux) is needed");
        let mut lines = BufReader::new(holder.stdout.take().unwrap()).lines();
        let line = lines.next_line().await.unwrap();
        assert_eq!(
            line.as_deref(),
            Some("mounted"),
            "a tmpfs is needed: run as root, or where user namespaces may mount"
        );
        let id = holder.id().unwrap().to_string();
        program.starter = ["nsenter", "-t", &id]
            .iter()
            .chain(enter)
            .chain(&["-w", "--"])
            .map(|word| (*word).to_owned())
            .collect();
        let folder = program.folder.path().display();
        let data = PathBuf::from(format!("/proc/{id}/root{folder}/data"));
        Self { holder, data }
    }

    /// The path of a file in it, for this process.
    pub fn path(&self, name: &str) -> PathBuf {
        self.data.join(name)
    }

    /// Takes all the space that is left.
    pub fn fill(&self) {
        let mut ballast = fs::File::create(self.path("ballast")).unwrap();
        for size in [65_536, 4_096, 1] {
            let block = vec![0; size];
            while ballast.write_all(&block).is_ok() {}
        }
    }

    /// Gives so many bytes of it back.
    pub fn spare(&self, bytes: u64) {
        let ballast = fs::File::options().write(true).open(self.path("ballast"));
        let ballast = ballast.unwrap();
        let length = ballast.metadata().unwrap().len();
        ballast.set_len(length - bytes).unwrap();
    }

    /// Gives it back.
    pub fn empty(&self) {
        fs::remove_file(self.path("ballast")).unwrap();
    }

    /// Copies the database out of it, for a look inside.
    pub fn copy_database(&self, program: &Program) -> PathBuf {
        let copy = program.path("copy.db");
        for end in ["", "-wal"] {
            let to = program.path(&format!("copy.db{end}"));
            let from = self.path(&format!("locum.db{end}"));
            match from.exists() {
                true => drop(fs::copy(from, to).unwrap()),
                false => drop(fs::remove_file(to)),
            }
        }
        let _ = fs::remove_file(program.path("copy.db-shm"));
        copy
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let _ = self.holder.start_kill();
    }
}
