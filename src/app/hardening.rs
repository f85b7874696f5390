//! What the process does before it reads the first secret.

use rustix::process::{DumpableBehavior, Resource, Rlimit};

/// No core dumps, and no other process of the same user reads this one's memory
/// (prctl(2), `PR_SET_DUMPABLE`).
pub fn harden() -> std::io::Result<()> {
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    rustix::process::setrlimit(Resource::Core, none)?;
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    Ok(())
}

/// Lets the process open as many files as the system allows it, and answers how many that are.
pub(super) fn raise_open_files() -> usize {
    let limit = rustix::process::getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    let files = match rustix::process::setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    };
    files
        .and_then(|files| usize::try_from(files).ok())
        .unwrap_or(1 << 20)
}

/// Makes aws-lc-rs the cryptography of TLS. A second call changes nothing.
pub fn install_crypto_provider() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}
