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

/// Makes aws-lc-rs the cryptography of TLS. A second call changes nothing.
pub fn install_crypto_provider() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}
