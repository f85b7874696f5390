//! Which cores do what: targets have one to themselves, load and upstream another. So nothing of
//! them is in the caches of a target, and the cost of being moved between cores in no figure.

use rustix::process::Pid;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use tokio::process::{Child, Command};

use crate::Failure;

/// Two cores, if this process may use two; without them the scheduler decides.
#[derive(Default)]
pub struct Cores {
    apart: Option<Apart>,
}

struct Apart {
    before: CpuSet,
    target: CpuSet,
    rest: CpuSet,
}

impl Cores {
    /// From now on: this thread and the upstream on one core, what is started on another.
    pub fn set_apart(&mut self, upstream: Option<u32>) -> Result<(), Failure> {
        let before = sched_getaffinity(None)?;
        let usable: Vec<usize> = (0..CpuSet::MAX_CPU)
            .filter(|core| before.is_set(*core))
            .collect();
        let [target, .., rest] = usable[..] else {
            return Ok(());
        };
        let (target, rest) = (only(target), only(rest));
        sched_setaffinity(pid(upstream), &rest)?;
        sched_setaffinity(None, &rest)?;
        self.apart = Some(Apart {
            before,
            target,
            rest,
        });
        Ok(())
    }

    /// The scheduler decides again.
    pub fn set_free(&mut self, upstream: Option<u32>) -> Result<(), Failure> {
        if let Some(apart) = self.apart.take() {
            sched_setaffinity(pid(upstream), &apart.before)?;
            sched_setaffinity(None, &apart.before)?;
        }
        Ok(())
    }

    /// Starts a target: a process has the cores of the thread that starts it.
    pub fn spawn(&self, command: &mut Command) -> Result<Child, Failure> {
        let Some(apart) = &self.apart else {
            return Ok(command.spawn()?);
        };
        sched_setaffinity(None, &apart.target)?;
        let child = command.spawn();
        sched_setaffinity(None, &apart.rest)?;
        Ok(child?)
    }
}

fn only(core: usize) -> CpuSet {
    let mut set = CpuSet::new();
    set.set(core);
    set
}

pub fn pid(id: Option<u32>) -> Option<Pid> {
    id.and_then(|id| Pid::from_raw(i32::try_from(id).ok()?))
}
