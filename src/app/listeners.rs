//! The sockets that are listened on, each with its certificate.

use std::net::SocketAddr;
use std::sync::Arc;

use jiff::Timestamp;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::{App, AppError};
use crate::config::{Loaded, TlsSection};
use crate::http::router::Routes;
use crate::http::server::{self, ServerSettings};
use crate::http::tls::{self, Reload, Tls, TlsFiles};

/// Both listeners, open but not served.
pub(super) struct Listeners {
    pub mcp: Listener,
    pub admin: Listener,
}

pub(super) struct Listener {
    pub address: SocketAddr,
    socket: TcpListener,
    tls: Option<Arc<Tls>>,
    reload: Option<Reload>,
}

/// A certificate that a listener is to have.
pub struct Certificate {
    /// `server.tls` or `admin.tls`.
    pub key: String,
    /// When it ends, or what is wrong.
    pub ends: Result<Timestamp, String>,
}

impl App {
    /// Opens the listeners. What would show secrets to a network is refused first.
    pub(super) async fn listeners(&self) -> Result<Listeners, AppError> {
        for (section, address) in self.loaded.check_exposure()? {
            tracing::warn!(
                section, %address,
                "plain HTTP on an address that others reach (allow_plaintext): keys and data can \
                 be read on the way"
            );
        }
        let open = |files| Tls::open(files, self.clock.clone());
        let server_tls = server_files(&self.loaded).map(open).transpose()?;
        let admin_tls = admin_files(&self.loaded).map(open).transpose()?;
        let config = &self.loaded.config;
        Ok(Listeners {
            mcp: Listener::open("server.listen", config.server.listen, server_tls).await?,
            admin: Listener::open("admin.listen", config.admin.listen, admin_tls).await?,
        })
    }

    /// The certificates of the configuration, with what there is to say about them.
    pub fn certificates(&self) -> Vec<Certificate> {
        let now = self.clock.now();
        let files = [server_files(&self.loaded), admin_files(&self.loaded)];
        let inspect = |files: TlsFiles| Certificate {
            key: format!("{}.tls", files.section),
            ends: match tls::inspect(&files) {
                Err(error) => Err(error.to_string()),
                Ok(ends) => tls::complaint(ends, now).map_or(Ok(ends), Err),
            },
        };
        files.into_iter().flatten().map(inspect).collect()
    }
}

impl Listener {
    async fn open(
        key: &'static str,
        address: SocketAddr,
        tls: Option<(Arc<Tls>, Reload)>,
    ) -> Result<Self, AppError> {
        let failed = |source| AppError::Listen {
            key,
            address,
            source,
        };
        let socket = TcpListener::bind(address).await.map_err(failed)?;
        let address = socket.local_addr().map_err(failed)?;
        let (tls, reload) = tls.unzip();
        Ok(Self {
            address,
            socket,
            tls,
            reload,
        })
    }

    /// Serves until the signal: the tasks that do.
    pub(super) fn serve(
        self,
        routes: Routes,
        settings: ServerSettings,
        signal: &watch::Receiver<bool>,
    ) -> Vec<JoinHandle<()>> {
        let serve = server::serve(self.socket, routes, self.tls, settings, signal.clone());
        let reload = self.reload.map(|reload| reload.watch(signal.clone()));
        let tasks = reload.map(tokio::spawn).into_iter();
        tasks.chain([tokio::spawn(serve)]).collect()
    }
}

fn server_files(loaded: &Loaded) -> Option<TlsFiles> {
    loaded.server_tls().map(|tls| files("server", tls))
}

pub(super) fn admin_files(loaded: &Loaded) -> Option<TlsFiles> {
    loaded.admin_tls().map(|tls| files("admin", tls))
}

fn files(section: &'static str, tls: TlsSection) -> TlsFiles {
    TlsFiles {
        section,
        certificate: tls.certificate,
        key: tls.key,
        mounted_secret: tls.mounted_secret,
    }
}
