//! A process under measurement: its start, its memory, and the CPU that its threads used.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::process::{Resource, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use crate::Failure;
use crate::cores::Cores;

const START_LIMIT: Duration = Duration::from_secs(20);

/// A running process; ends with its owner.
pub struct Process {
    child: Child,
    folder: PathBuf,
}

/// Nanoseconds on CPU, by thread.
pub struct Cpu(HashMap<String, u64>);

impl Process {
    /// Starts a command and waits until `address` answers a GET of `path`; says how long that took.
    pub async fn start(
        cores: &Cores,
        mut command: Command,
        address: SocketAddr,
        path: &str,
    ) -> Result<(Self, Duration), Failure> {
        let started = Instant::now();
        let child = cores.spawn(command.kill_on_drop(true))?;
        let id = child.id().ok_or("the process ended at once")?;
        let folder = PathBuf::from(format!("/proc/{id}"));
        let process = Self { child, folder };
        while !answers(address, path).await {
            if started.elapsed() > START_LIMIT {
                return Err("a process did not become ready".into());
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Ok((process, started.elapsed()))
    }

    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Waits until it has ended by itself.
    pub async fn ended(mut self) -> Result<(), Failure> {
        let status = self.child.wait().await?;
        match status.success() {
            true => Ok(()),
            false => Err(format!("the gateway ended with {status}").into()),
        }
    }

    pub async fn stop(mut self) -> Result<(), Failure> {
        Ok(self.child.kill().await?)
    }

    /// Resident memory in KiB.
    pub fn resident_kib(&self) -> Result<f64, Failure> {
        let status = std::fs::read_to_string(self.folder.join("status"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kilobytes = line.and_then(|line| line.split_whitespace().next());
        Ok(kilobytes.ok_or("no VmRSS")?.parse()?)
    }

    /// What the scheduler has counted so far (`/proc/PID/task/TID/schedstat`, first field).
    pub fn cpu(&self) -> Result<Cpu, Failure> {
        let mut threads = HashMap::new();
        for thread in std::fs::read_dir(self.folder.join("task"))? {
            let thread = thread?;
            // A thread may end between being listed and being read.
            let Ok(counts) = std::fs::read_to_string(thread.path().join("schedstat")) else {
                continue;
            };
            let ran = counts.split_whitespace().next().ok_or("no schedstat")?;
            threads.insert(thread.file_name().to_string_lossy().into(), ran.parse()?);
        }
        Ok(Cpu(threads))
    }
}

impl Cpu {
    /// Nanoseconds since an earlier count; those of threads that ended meanwhile are lost.
    pub fn since(&self, earlier: &Self) -> u64 {
        let ran = |(thread, now): (&String, &u64)| now - earlier.0.get(thread).unwrap_or(&0);
        self.0.iter().map(ran).sum()
    }
}

async fn answers(address: SocketAddr, path: &str) -> bool {
    let ask = async {
        let mut stream = TcpStream::connect(address).await?;
        let request =
            format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        stream.read_u8().await
    };
    ask.await.is_ok()
}

/// An address that nobody listens on at the moment.
pub fn free_address() -> std::io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

/// A load of thousands of connections holds as many files, and so does the gateway, which inherits
/// the limit.
pub fn allow_many_files() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // Where it cannot be raised, the measurement says what it could not open.
    let _ = setrlimit(Resource::Nofile, limit);
}
