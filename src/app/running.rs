//! A running gateway: its listeners, its watcher, and how they stop.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{JoinError, JoinHandle};

use super::reminders::{self, ReminderMeters};
use super::{App, AppError, bookkeeper, edge, watcher};
use crate::config::Loaded;
use crate::domain::destination::Destinations;
use crate::domain::limits::TenantLimits;
use crate::domain::meter::Meters;
use crate::domain::span::Tracer;
use crate::gateway::{AdmissionSettings, Gateway};
use crate::net::{Net, NetSettings, SystemResolver};
use crate::token::{Login, Tokens};
use crate::traces::{TraceSettings, Traces, read_headers};
use crate::upstream::Rest;

/// A trace collector has to take a batch within this.
const COLLECTOR_TIMEOUT: Duration = Duration::from_secs(10);

/// A gateway that serves until it is stopped.
pub struct Running {
    pub mcp: SocketAddr,
    pub admin: SocketAddr,
    app: App,
    gateway: Arc<Gateway>,
    stop: watch::Sender<bool>,
    traces: Option<Arc<Traces>>,
    tasks: Vec<JoinHandle<()>>,
}

impl App {
    /// Opens the listeners and serves. No upstream is contacted before the first call.
    pub async fn start(self) -> Result<Running, AppError> {
        let listeners = self.listeners().await?;
        let (mcp, admin) = (listeners.mcp.address, listeners.admin.address);
        let meters = Meters::default();
        let gateway = Arc::new(self.gateway(&meters).await?);
        let traces = self.traces(&meters)?.map(Arc::new);
        let tracer = traces.clone().map(|traces| traces as Arc<dyn Tracer>);
        let (mcp_routes, admin_routes) = edge::routes(&self, &gateway, &meters, tracer);
        let (mcp_settings, admin_settings) = edge::settings(&self.loaded, &meters);
        let (stop, signal) = watch::channel(false);
        let mut tasks = listeners.mcp.serve(mcp_routes, mcp_settings, &signal);
        tasks.extend(listeners.admin.serve(admin_routes, admin_settings, &signal));
        tasks.push(tokio::spawn(watcher::watch(
            gateway.clone(),
            signal.clone(),
        )));
        let books = bookkeeper::keep(gateway.clone(), signal.clone());
        tasks.push(tokio::spawn(books));
        let gauges = ReminderMeters::new(&meters, &self);
        let reminders = reminders::keep(self.sender.clone(), gauges, signal);
        tasks.push(tokio::spawn(reminders));
        tracing::info!(%mcp, %admin, "serving");
        Ok(Running {
            mcp,
            admin,
            app: self,
            gateway,
            stop,
            traces,
            tasks,
        })
    }

    /// Traces, where a collector is configured.
    fn traces(&self, meters: &Meters) -> Result<Option<Traces>, AppError> {
        let section = &self.loaded.config.traces;
        let Some(endpoint) = section.endpoint.clone() else {
            return Ok(None);
        };
        let file = self.loaded.trace_headers_file();
        let headers = file.as_deref().map(read_headers).transpose()?;
        let settings = TraceSettings {
            endpoint,
            headers: headers.unwrap_or_default(),
            sample_ratio: section.sample_ratio,
            service_name: section.service_name.clone(),
        };
        let net = Net::new(
            NetSettings {
                connect_timeout: COLLECTOR_TIMEOUT,
                request_timeout: COLLECTOR_TIMEOUT,
                destinations: Destinations::own(&settings.endpoint),
                proxy: None,
                extra_roots: Vec::new(),
            },
            Arc::new(SystemResolver),
        )?;
        let clock = self.clock.clone();
        Ok(Some(Traces::start(settings, net, clock, meters)))
    }

    async fn gateway(&self, meters: &Meters) -> Result<Gateway, AppError> {
        let login = Login::new(self.net.clone(), self.clock.clone());
        let tokens = Tokens::new(
            login,
            Arc::new(self.credentials.clone()),
            self.clock.clone(),
        );
        let max_answer = self.loaded.config.limits.answer;
        let rest = Rest::new(self.net.clone(), max_answer, self.clock.clone());
        Ok(Gateway::open(
            self.store.clone(),
            self.catalog.clone(),
            admission_settings(&self.loaded),
            tokens,
            rest,
            self.clock.clone(),
            meters,
        )
        .await?)
    }
}

impl Running {
    pub fn app(&self) -> &App {
        &self.app
    }

    /// Lets requests in flight finish, writes down what was used, sends the last spans, then closes
    /// the database.
    pub async fn stop(self) -> Result<(), JoinError> {
        let _ = self.stop.send(true);
        let mut result = Ok(());
        for task in self.tasks {
            result = result.and(task.await);
        }
        bookkeeper::close(&self.gateway).await;
        if let Some(traces) = &self.traces {
            traces.stop().await;
        }
        self.app.close().await;
        result
    }
}

fn admission_settings(loaded: &Loaded) -> AdmissionSettings {
    let limits = &loaded.config.limits;
    AdmissionSettings {
        defaults: TenantLimits {
            per_minute: limits.tenant_per_minute,
            per_day: limits.tenant_per_day,
            concurrency: limits.tenant_concurrency,
        },
        upstream_concurrency: limits.upstream_concurrency,
        queue_timeout: limits.queue_timeout,
    }
}
