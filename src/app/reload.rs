//! Profiles and `[providers]` and `[limits]` of `locum.toml`, taken over while serving: when a file
//! was saved, or on request. What cannot be taken over leaves everything as it is.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, watch};

use super::limits::{self, EdgeLimits};
use super::{App, load_profiles};
use crate::catalog::{Catalog, profile_files};
use crate::config::Loaded;
use crate::domain::health::ConfigurationProblem;
use crate::domain::live::Live;
use crate::file_stamp::FileStamp;
use crate::gateway::Gateway;
use crate::store::StoreError;

/// Files are looked at this often, and read once they stood still in between.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Puts what files say now in the place of what they said before.
pub(super) struct Reloader {
    gateway: Arc<Gateway>,
    catalog: Live<Catalog>,
    limits: EdgeLimits,
    /// What is served by; one reload at a time.
    served: Mutex<Loaded>,
    /// As they were just before they were read.
    stamps: Mutex<Stamps>,
}

type Stamps = Vec<(PathBuf, FileStamp)>;

/// What files say now, apart from what takes a restart.
struct News {
    loaded: Loaded,
    catalog: Catalog,
    /// Sections that were changed and are not taken over.
    waiting: Vec<&'static str>,
}

impl Reloader {
    pub(super) fn new(app: &App, gateway: Arc<Gateway>, limits: EdgeLimits) -> Self {
        Self {
            gateway,
            catalog: app.catalog.clone(),
            limits,
            served: Mutex::new(app.loaded.clone()),
            stamps: Mutex::new(app.stamps.clone()),
        }
    }

    /// What calls have at the stop.
    pub(super) fn grace(&self) -> Duration {
        self.limits.times.now().grace
    }

    /// Looks until `stop` turns true.
    pub(super) async fn keep(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        let mut seen = None;
        loop {
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
            let now = self.look().await;
            let still = seen.replace(now.clone()).as_ref() == Some(&now);
            if still && *self.stamps.lock().await != now {
                self.reload().await;
            }
        }
    }

    async fn look(&self) -> Stamps {
        let served = self.served.lock().await.clone();
        let stamps = tokio::task::spawn_blocking(move || stamps(&served));
        stamps.await.unwrap_or_default()
    }

    /// Reads the files again and serves by what they say.
    pub(super) async fn reload(&self) {
        let mut served = self.served.lock().await;
        let (former, catalog) = (served.clone(), self.catalog.now());
        let known = self.stamps.lock().await.clone();
        let read = tokio::task::spawn_blocking(move || {
            let stamps = stamps(&former);
            (stamps, news(&former, &known, &catalog))
        });
        let Ok((stamps, news)) = read.await else {
            tracing::error!("profiles and configuration could not be read again");
            return;
        };
        let news = match news {
            Ok(news) => news,
            Err(problem) => {
                tracing::error!(
                    problem = problem.text,
                    "profiles or configuration are refused; the former ones are served"
                );
                *self.stamps.lock().await = stamps;
                self.tell(Some(problem)).await;
                return;
            }
        };
        if !news.waiting.is_empty() {
            let sections = news.waiting.join(", ");
            tracing::warn!(sections, "changed in the configuration: takes a restart");
        }
        match self.take_over(&served, &news).await {
            Ok(()) => {
                *served = news.loaded;
                *self.stamps.lock().await = stamps;
                self.tell(None).await;
            }
            // It is tried again with the next look.
            Err(error) => {
                let text = format!("they could not be taken over: {error}");
                let problem = ConfigurationProblem { place: None, text };
                if self.tell(Some(problem)).await {
                    tracing::error!(%error, "profiles and configuration are not taken over");
                }
            }
        }
    }

    async fn take_over(&self, served: &Loaded, news: &News) -> Result<(), StoreError> {
        let section = &news.loaded.config.limits;
        let catalog = Arc::new(news.catalog.clone());
        let same_limits = served.config.limits == *section;
        if same_limits && catalog.is(&self.catalog.now()) {
            tracing::info!("profiles and limits are what they were");
            return Ok(());
        }
        let admission = limits::admission(section);
        let adopted = self
            .gateway
            .adopt(catalog.clone(), admission, section.answer);
        adopted.await?;
        self.limits.put(section);
        let (providers, tools) = (catalog.providers().count(), catalog.tools().count());
        self.catalog.put(catalog);
        tracing::info!(providers, tools, "profiles and limits are taken over");
        Ok(())
    }

    /// Says it where people look: `/readyz`, `/metrics`, and `locum status` by the database. Whether it
    /// is news.
    async fn tell(&self, problem: Option<ConfigurationProblem>) -> bool {
        let is_news = self.gateway.note_configuration(problem);
        if is_news && let Err(error) = self.gateway.beat().await {
            tracing::warn!(%error, "`locum status` could not be told");
        }
        is_news
    }
}

fn news(
    former: &Loaded,
    known: &[(PathBuf, FileStamp)],
    catalog: &Catalog,
) -> Result<News, ConfigurationProblem> {
    let read = former.again().map_err(|error| ConfigurationProblem {
        place: error.place(),
        text: error.to_string(),
    })?;
    let loaded = former.taking_over(&read);
    let waiting = loaded.config.differences(&read.config);
    // A folder that profiles came from does not go unnoticed.
    let (folder, _) = loaded.profiles();
    let had_profiles = known.iter().any(|(file, _)| file.starts_with(&folder));
    let new = load_profiles(&loaded, had_profiles).map_err(|error| {
        let mut text = error.to_string();
        if !waiting.is_empty() {
            let sections = waiting.join(", ");
            text += &format!(" (changed, too, and takes a restart: {sections})");
        }
        ConfigurationProblem {
            place: error.place(),
            text,
        }
    })?;
    Ok(News {
        waiting,
        catalog: new.after(catalog),
        loaded,
    })
}

/// Of the configuration and of every profile.
pub(super) fn stamps(loaded: &Loaded) -> Stamps {
    let (folder, _) = loaded.profiles();
    let profiles = profile_files(&folder).unwrap_or_default();
    let files = loaded.file().map(PathBuf::from).into_iter().chain(profiles);
    files
        .map(|file| (file.clone(), FileStamp::of(&file)))
        .collect()
}
