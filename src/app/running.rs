//! A running gateway: its listeners, its watcher, and how they stop.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::{JoinError, JoinHandle};
use tokio::time::Instant;

use super::housekeeping::Housekeeping;
use super::limits::{self, EdgeLimits};
use super::reload::Reloader;
use super::reminders::{self, ReminderMeters};
use super::{App, AppError, bookkeeper, edge, graces, recorder, retention, watcher};
use crate::domain::actor::Actor;
use crate::domain::destination::Destinations;
use crate::domain::meter::Meters;
use crate::domain::span::Tracer;
use crate::gateway::{Gateway, GatewayParts, RecorderSettings};
use crate::net::{Net, NetSettings, SystemResolver};
use crate::store::{DatabaseLock, StoreError};
use crate::token::{Login, Tokens};
use crate::traces::{TraceSettings, Traces, read_headers};
use crate::upstream::Rest;

/// A trace collector has to take a batch within this.
const COLLECTOR_TIMEOUT: Duration = Duration::from_secs(10);

/// A server that was killed holds its lock until the system has tidied up.
const FORMER_SERVER_CHECKS: u32 = 20;
const FORMER_SERVER_PAUSE: Duration = Duration::from_millis(100);

/// A gateway that serves until it is stopped.
pub struct Running {
    pub mcp: SocketAddr,
    pub admin: SocketAddr,
    app: App,
    gateway: Arc<Gateway>,
    reloader: Arc<Reloader>,
    stop: watch::Sender<bool>,
    traces: Option<Arc<Traces>>,
    tasks: Vec<JoinHandle<()>>,
    /// Calls are recorded until the last one has ended.
    records: (watch::Sender<bool>, JoinHandle<()>),
    _housekeeping: Housekeeping,
    _serving: DatabaseLock,
}

impl App {
    /// Opens the listeners and serves. No upstream is contacted before the first call.
    pub async fn start(self) -> Result<Running, AppError> {
        let serving = self.serving_lock().await?;
        let listeners = self.listeners().await?;
        let (mcp, admin) = (listeners.mcp.address, listeners.admin.address);
        let meters = Meters::default();
        let housekeeping = Housekeeping::start().map_err(AppError::Housekeeping)?;
        let logins = housekeeping.handle();
        let gateway = Arc::new(self.gateway(&meters, logins).await?);
        let traces = self.traces(&meters)?.map(Arc::new);
        let tracer = traces.clone().map(|traces| traces as Arc<dyn Tracer>);
        let limits = EdgeLimits::new(&self.loaded.config.limits);
        let (stop, signal) = watch::channel(false);
        let (mcp_routes, admin_routes) =
            edge::routes(&self, (&gateway, &limits), &meters, (tracer, &signal));
        let (mcp_settings, admin_settings) = edge::settings(&self.loaded, &limits, &meters);
        let reloader = Arc::new(Reloader::new(&self, gateway.clone(), limits));
        let mut tasks = listeners.mcp.serve(mcp_routes, mcp_settings, &signal);
        let (records, recorded) = watch::channel(false);
        let recorder = {
            let _beside_calls = housekeeping.enter();
            tasks.extend(listeners.admin.serve(admin_routes, admin_settings, &signal));
            tasks.extend(self.background(&gateway, &meters, &signal));
            tasks.push(tokio::spawn(reloader.clone().keep(signal)));
            tokio::spawn(recorder::keep(gateway.clone(), recorded))
        };
        tracing::info!(%mcp, %admin, "serving");
        Ok(Running {
            mcp,
            admin,
            app: self,
            gateway,
            reloader,
            stop,
            traces,
            tasks,
            records: (records, recorder),
            _housekeeping: housekeeping,
            _serving: serving,
        })
    }

    /// Keeps other servers from the database; waits a little for one that is ending.
    async fn serving_lock(&self) -> Result<DatabaseLock, AppError> {
        let database = self.loaded.database()?;
        for _ in 0..FORMER_SERVER_CHECKS {
            match DatabaseLock::serving(&database) {
                Err(StoreError::Served(_)) => tokio::time::sleep(FORMER_SERVER_PAUSE).await,
                other => return Ok(other?),
            }
        }
        Ok(DatabaseLock::serving(&database)?)
    }

    /// What goes on beside the serving, in the runtime that is entered.
    fn background(
        &self,
        gateway: &Arc<Gateway>,
        meters: &Meters,
        signal: &watch::Receiver<bool>,
    ) -> [JoinHandle<()>; 5] {
        let gateway = || gateway.clone();
        let retention = self.loaded.config.audit.retention;
        let admin = self.admin(Actor::Locum);
        let gauges = ReminderMeters::new(meters, self);
        let reminders = reminders::keep(self.sender.clone(), gauges, signal.clone());
        [
            tokio::spawn(reminders),
            tokio::spawn(watcher::watch(gateway(), signal.clone())),
            tokio::spawn(bookkeeper::keep(gateway(), signal.clone())),
            tokio::spawn(graces::end(admin.clone(), signal.clone())),
            tokio::spawn(retention::keep(
                (admin, retention::gauge(meters)),
                retention,
                signal.clone(),
            )),
        ]
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

    fn recorder_settings(&self) -> RecorderSettings {
        let audit = &self.loaded.config.audit;
        RecorderSettings {
            audit: self.audit.clone(),
            calls: audit.calls,
            strict: audit.strict,
        }
    }

    /// The request path; its logins are made on the threads of `logins`.
    pub(super) async fn gateway(
        &self,
        meters: &Meters,
        logins: Handle,
    ) -> Result<Gateway, AppError> {
        let login = Login::new(self.login_net.clone(), self.clock.clone());
        let tokens = Tokens::new(
            login,
            Arc::new(self.credentials.clone()),
            self.clock.clone(),
            logins,
        );
        let max_answer = self.loaded.config.limits.answer;
        let rest = Rest::new(self.net.clone(), max_answer, self.clock.clone());
        let parts = GatewayParts {
            store: self.store.clone(),
            audit: self.audit.clone(),
            catalog: self.catalog.now(),
            admission: limits::admission(&self.loaded.config.limits),
            recorder: self.recorder_settings(),
            tokens,
            rest,
            clock: self.clock.clone(),
        };
        Ok(Gateway::open(parts, meters).await?)
    }
}

impl Running {
    pub fn app(&self) -> &App {
        &self.app
    }

    /// Takes over what was changed in the database, as after a change by the admin API.
    pub async fn refresh(&self) -> Result<(), StoreError> {
        self.gateway.refresh().await
    }

    /// Takes over what profiles and configuration say now, as after one was saved.
    pub async fn reload(&self) {
        self.reloader.reload().await;
    }

    /// Lets requests in flight finish, writes down what was used and called, sends the last spans,
    /// then closes
    /// the database.
    pub async fn stop(self) -> Result<(), JoinError> {
        let begun = Instant::now();
        let _ = self.stop.send(true);
        let mut result = Ok(());
        for task in self.tasks {
            result = result.and(task.await);
        }
        let left = self.reloader.grace().saturating_sub(begun.elapsed());
        self.gateway.end_unattended(left).await;
        let (records, recorder) = self.records;
        let _ = records.send(true);
        result = result.and(recorder.await);
        bookkeeper::close(&self.gateway).await;
        recorder::close(&self.gateway).await;
        if let Some(traces) = &self.traces {
            traces.stop().await;
        }
        self.app.close().await;
        result
    }
}
