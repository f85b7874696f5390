//! TLS of a listener: its certificate, and the one that takes its place while it serves.
//!
//! The files are looked at every second: by content's address, not by name, so that the symbolic
//! links of Kubernetes and certbot count. What has stood still for a look is read; a pair that
//! does not fit leaves the former one in place. New handshakes get the new pair, connections keep
//! theirs.

mod expiry;
mod files;

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use jiff::{SignedDuration, Timestamp};
use rustls::ServerConfig;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use files::Stamp;
pub use files::{TlsError, TlsFiles, leaf};

use crate::domain::clock::SharedClock;

const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A certificate that ends within this is warned about, at once and then every day.
const SOON: SignedDuration = SignedDuration::from_hours(14 * 24);
const WARN_EVERY: SignedDuration = SignedDuration::from_hours(24);

/// The certificate of a listener, and where it comes from.
pub struct Tls {
    files: TlsFiles,
    current: ArcSwap<ServerConfig>,
    clock: SharedClock,
}

/// Reads a pair and answers when its certificate ends.
pub fn inspect(files: &TlsFiles) -> Result<Timestamp, TlsError> {
    files.load().map(|(_, ends)| ends)
}

/// What is to be said about a certificate's end, if anything.
pub fn complaint(ends: Timestamp, now: Timestamp) -> Option<String> {
    let left = ends.duration_since(now);
    if left.is_negative() {
        return Some(format!(
            "the certificate ended at {ends}; clients refuse it: renew it"
        ));
    }
    (left < SOON).then(|| {
        let days = left.as_hours() / 24;
        format!("the certificate ends in {days} days, at {ends}; renew it")
    })
}

impl Tls {
    /// Reads the files; the second part keeps them up to date.
    pub fn open(files: TlsFiles, clock: SharedClock) -> Result<(Arc<Self>, Reload), TlsError> {
        let stamp = files.stamp();
        let (config, ends) = files.load()?;
        let tls = Arc::new(Self {
            files,
            current: ArcSwap::new(config),
            clock,
        });
        let reload = Reload {
            tls: tls.clone(),
            ends,
            loaded: stamp,
            seen: stamp,
            failed: None,
            warned: None,
        };
        Ok((tls, reload))
    }

    /// For the next handshake.
    pub fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.current.load_full())
    }
}

/// Watches the files of a listener.
pub struct Reload {
    tls: Arc<Tls>,
    ends: Timestamp,
    loaded: Stamp,
    seen: Stamp,
    /// The last failure that was logged.
    failed: Option<String>,
    warned: Option<Timestamp>,
}

impl Reload {
    /// Looks until `stop` turns true.
    pub async fn watch(mut self, mut stop: watch::Receiver<bool>) {
        loop {
            self.warn();
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
            // A few system calls; slow ones only where the files are on a slow file system.
            let Ok(looked) = tokio::task::spawn_blocking(move || self.look()).await else {
                tracing::error!("the certificate files are not watched any more");
                return;
            };
            self = looked;
        }
    }

    /// One look; loads what has changed and then stood still since the last look.
    fn look(mut self) -> Self {
        let stamp = self.tls.files.stamp();
        let still = std::mem::replace(&mut self.seen, stamp) == stamp;
        if stamp == self.loaded || !still {
            return self;
        }
        match self.tls.files.load() {
            Ok((config, ends)) => {
                self.tls.current.store(config);
                (self.loaded, self.ends, self.failed, self.warned) = (stamp, ends, None, None);
                let file = self.tls.files.certificate.display();
                tracing::info!(%file, %ends, "new certificate");
            }
            Err(error) => self.complain(error.to_string()),
        }
        self
    }

    /// Once for each failure; it is tried again.
    fn complain(&mut self, error: String) {
        if self.failed.as_ref() != Some(&error) {
            tracing::error!(error, "the new certificate is not used; the former one is");
            self.failed = Some(error);
        }
    }

    fn warn(&mut self) {
        let now = self.tls.clock.now();
        let Some(text) = complaint(self.ends, now) else {
            return;
        };
        let due = |warned: Timestamp| now.duration_since(warned) >= WARN_EVERY;
        if self.warned.is_none_or(due) {
            let file = self.tls.files.certificate.display();
            tracing::warn!(%file, "{text}");
            self.warned = Some(now);
        }
    }
}
