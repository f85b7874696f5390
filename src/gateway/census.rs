//! What a directory holds, counted when somebody asks: organizations, keys, and how old the
//! credentials in use are.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::Directory;
use crate::catalog::Catalog;
use crate::domain::meter::{Gauge, Meters};
use crate::domain::organization::OrganizationState;
use crate::domain::provider::ProviderName;
use crate::domain::tenant::Environment;

const DAY: i64 = 86_400;

/// Bands of age, each up to so many days.
const BANDS: [(&str, i64); 4] = [
    ("under_30d", 30),
    ("30d_to_60d", 60),
    ("60d_to_90d", 90),
    ("over_90d", i64::MAX),
];

/// The issue dates of the credentials in use.
pub(super) type Issued = BTreeMap<ProviderName, BTreeMap<Environment, Vec<Timestamp>>>;

/// The ages of the credentials at one provider in one environment.
struct AgeMeters {
    oldest: Gauge,
    bands: [Gauge; BANDS.len()],
}

pub(super) struct CensusMeters {
    ages: BTreeMap<ProviderName, BTreeMap<Environment, AgeMeters>>,
    active: Gauge,
    suspended: Gauge,
    keys: Gauge,
    revision: Gauge,
    stale: Gauge,
    unwritable: Gauge,
    unconfigured: Gauge,
}

impl CensusMeters {
    pub(super) fn new(meters: &Meters, catalog: &Catalog) -> Self {
        let organizations = |state| {
            let help = "Organizations, by state";
            meters.gauge("locum_organizations", help, &[("state", state)])
        };
        let plain = |name, help| meters.gauge(name, help, &[]);
        let ages = catalog.providers().map(|provider| {
            let of = |name: &Environment| {
                let labels = [
                    ("provider", provider.name.as_str()),
                    ("environment", name.as_str()),
                ];
                (name.clone(), AgeMeters::new(meters, labels))
            };
            let environments = provider.environments.keys().map(of);
            (provider.name.clone(), environments.collect())
        });
        Self {
            ages: ages.collect(),
            active: organizations("active"),
            suspended: organizations("suspended"),
            keys: plain(
                "locum_gateway_keys",
                "Gateway keys that are neither revoked nor expired",
            ),
            revision: plain(
                "locum_directory_revision",
                "The revision of the database that requests are served from",
            ),
            stale: plain(
                "locum_directory_stale",
                "1 while the database cannot be read and its last state is served",
            ),
            unwritable: plain(
                "locum_database_unwritable",
                "1 while the database takes no change: usage and health are kept in memory",
            ),
            unconfigured: plain(
                "locum_configuration_refused",
                "1 while changed profiles or configuration are refused and the former ones served",
            ),
        }
    }

    pub(super) fn take(&self, directory: &Directory, now: Timestamp) {
        let in_state = |state| {
            let homes = directory.homes();
            count(homes.filter(|home| home.state == state))
        };
        self.active.set(in_state(OrganizationState::Active));
        self.suspended.set(in_state(OrganizationState::Suspended));
        self.keys.set(count(directory.usable_keys(now)));
        self.revision.set(directory.revision());
        for (provider, environments) in &self.ages {
            let issued = directory.issued().get(provider);
            for (environment, meters) in environments {
                let issued = issued.and_then(|issued| issued.get(environment));
                meters.take(issued.map_or(&[], Vec::as_slice), now);
            }
        }
    }

    /// Says nothing any more of the ages at sites that may be gone.
    pub(super) fn leave_ages(&self) {
        for meters in self.ages.values().flat_map(BTreeMap::values) {
            meters.take(&[], Timestamp::UNIX_EPOCH);
        }
    }

    pub(super) fn take_state(&self, stale: bool, unwritable: bool, unconfigured: bool) {
        self.stale.set(stale.into());
        self.unwritable.set(unwritable.into());
        self.unconfigured.set(unconfigured.into());
    }
}

impl AgeMeters {
    fn new(meters: &Meters, labels: [(&'static str, &str); 2]) -> Self {
        let [provider, environment] = labels;
        let band = |(band, _)| {
            let help = "Active credentials, by age since their issue date";
            let labels = [provider, environment, ("age", band)];
            meters.gauge("locum_credentials", help, &labels)
        };
        Self {
            oldest: meters.gauge(
                "locum_credential_oldest_age_seconds",
                "Age of the oldest active credential since its issue date; 0 where there is none",
                &labels,
            ),
            bands: BANDS.map(band),
        }
    }

    fn take(&self, issued: &[Timestamp], now: Timestamp) {
        let age = |issued: &Timestamp| now.duration_since(*issued).max(SignedDuration::ZERO);
        let ages = || issued.iter().map(age).map(|age| age.as_secs());
        self.oldest.set(ages().max().unwrap_or(0));
        let mut from = 0;
        for ((_, days), gauge) in BANDS.iter().zip(&self.bands) {
            let to = days.saturating_mul(DAY);
            gauge.set(count(ages().filter(|age| (from..to).contains(age))));
            from = to;
        }
    }
}

fn count(items: impl Iterator) -> i64 {
    i64::try_from(items.count()).unwrap_or(i64::MAX)
}
