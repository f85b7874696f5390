//! What the measurements share: the upstream, and installations by their number of organizations,
//! each made once.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::cores::Cores;
use crate::gateway::{Installation, Kind};
use crate::load::Load;
use crate::process::{Process, free_address};
use crate::rounds::Target;
use crate::{Failure, bare, upstream};

/// The build that is measured.
pub const LOCUM: &str = env!("CARGO_BIN_EXE_locum");

pub struct Stage {
    pub upstream: SocketAddr,
    pub cores: Cores,
    upstream_process: Child,
    installations: BTreeMap<(PathBuf, usize, Kind), Installation>,
}

impl Stage {
    pub async fn set() -> Result<Self, Failure> {
        let mut command = myself()?;
        command.arg("upstream").stdout(Stdio::piped());
        let mut child = command.kill_on_drop(true).spawn()?;
        let output = child.stdout.take().ok_or("no standard output")?;
        let line = BufReader::new(output).lines().next_line().await?;
        Ok(Self {
            upstream: line.ok_or("the upstream ended")?.parse()?,
            cores: Cores::default(),
            upstream_process: child,
            installations: BTreeMap::new(),
        })
    }

    /// The installation of that build with so many organizations.
    pub async fn installation(
        &mut self,
        binary: &Path,
        tenants: usize,
        kind: Kind,
    ) -> Result<&Installation, Failure> {
        let id = (binary.to_owned(), tenants, kind);
        if !self.installations.contains_key(&id) {
            let made = Installation::make(binary, self.upstream, tenants, kind).await?;
            self.installations.insert(id.clone(), made);
        }
        Ok(&self.installations[&id])
    }

    /// A gateway with so many organizations, started.
    pub async fn locum(
        &mut self,
        binary: &Path,
        tenants: usize,
        kind: Kind,
    ) -> Result<Target, Failure> {
        self.installation(binary, tenants, kind).await?;
        let id = (binary.to_owned(), tenants, kind);
        self.installations[&id].start(&self.cores).await
    }

    /// A bare handler, started.
    pub async fn bare(&self, raw: bool) -> Result<Target, Failure> {
        let address = free_address()?;
        let mut command = myself()?;
        command.args(["bare", "--listen", &address.to_string()]);
        command.args(["--upstream", &self.upstream.to_string()]);
        command.args(raw.then_some("--raw"));
        let (process, _) = Process::start(&self.cores, command, address, "/").await?;
        Ok(Target {
            name: match raw {
                true => "bare handler, raw JSON".to_owned(),
                false => "bare handler".to_owned(),
            },
            process,
            load: Load::new(address, [bare::KEY.to_owned()]),
        })
    }

    /// Targets that are started from now on have a core to themselves.
    pub fn set_apart(&mut self) -> Result<(), Failure> {
        self.cores.set_apart(self.upstream_process.id())
    }

    /// The scheduler decides again.
    pub fn set_free(&mut self) -> Result<(), Failure> {
        self.cores.set_free(self.upstream_process.id())
    }

    /// How many logins the upstream has seen.
    pub async fn logins(&self) -> Result<u64, Failure> {
        upstream::logins(self.upstream).await
    }
}

fn myself() -> Result<Command, Failure> {
    Ok(Command::new(std::env::current_exe()?))
}
