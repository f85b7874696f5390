//! A running gateway: its listeners, its watcher, and how they stop.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::{JoinError, JoinHandle};

use super::{App, AppError, edge, watcher};
use crate::gateway::Gateway;
use crate::token::{Login, Tokens};
use crate::upstream::Rest;

/// A gateway that serves until it is stopped.
pub struct Running {
    pub mcp: SocketAddr,
    pub admin: SocketAddr,
    app: App,
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

impl App {
    /// Opens the listeners and serves. No upstream is contacted before the first call.
    pub async fn start(self) -> Result<Running, AppError> {
        let listeners = self.listeners().await?;
        let (mcp, admin) = (listeners.mcp.address, listeners.admin.address);
        let gateway = Arc::new(self.gateway().await?);
        let (mcp_routes, admin_routes) = edge::routes(&self, &gateway);
        let (mcp_settings, admin_settings) = edge::settings(&self.loaded);
        let (stop, signal) = watch::channel(false);
        let mut tasks = listeners.mcp.serve(mcp_routes, mcp_settings, &signal);
        tasks.extend(listeners.admin.serve(admin_routes, admin_settings, &signal));
        tasks.push(tokio::spawn(watcher::watch(gateway, signal)));
        tracing::info!(%mcp, %admin, "serving");
        Ok(Running {
            mcp,
            admin,
            app: self,
            stop,
            tasks,
        })
    }

    async fn gateway(&self) -> Result<Gateway, AppError> {
        let login = Login::new(self.net.clone(), self.clock.clone());
        let tokens = Tokens::new(
            login,
            Arc::new(self.credentials.clone()),
            self.clock.clone(),
        );
        let rest = Rest::new(self.net.clone(), self.loaded.config.limits.answer);
        Ok(Gateway::open(
            self.store.clone(),
            self.catalog.clone(),
            tokens,
            rest,
            self.clock.clone(),
        )
        .await?)
    }
}

impl Running {
    pub fn app(&self) -> &App {
        &self.app
    }

    /// Lets requests in flight finish, then closes the database.
    pub async fn stop(self) -> Result<(), JoinError> {
        let _ = self.stop.send(true);
        let mut result = Ok(());
        for task in self.tasks {
            result = result.and(task.await);
        }
        self.app.close().await;
        result
    }
}
