//! How much a tenant may ask of its upstreams.

use std::str::FromStr;

use serde::{Serialize, Serializer};

/// Limits in force for a tenant, counted in upstream requests; `None` is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TenantLimits {
    /// In any 60 seconds.
    pub per_minute: Option<u32>,
    /// From midnight to midnight UTC.
    pub per_day: Option<u32>,
    /// Calls under way at a time; others wait for their turn.
    pub concurrency: Option<u32>,
}

/// What was set for one limit of one tenant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LimitSetting {
    /// The configuration's default for all tenants.
    #[default]
    Default,
    /// No limit, whatever the default is.
    Off,
    At(u32),
}

/// What was set for a tenant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct LimitSettings {
    pub per_minute: LimitSetting,
    pub per_day: LimitSetting,
    pub concurrency: LimitSetting,
}

/// Why a text is no limit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a limit is a whole number from 1 to {MAX_LIMIT}, `off`, or `default`")]
pub struct InvalidLimit;

/// Larger limits limit nothing.
pub const MAX_LIMIT: u32 = 1_000_000;

impl LimitSettings {
    /// What is in force, given the configuration's defaults.
    pub fn over(self, defaults: TenantLimits) -> TenantLimits {
        TenantLimits {
            per_minute: self.per_minute.over(defaults.per_minute),
            per_day: self.per_day.over(defaults.per_day),
            concurrency: self.concurrency.over(defaults.concurrency),
        }
    }

    pub fn is_default(self) -> bool {
        self == Self::default()
    }
}

impl LimitSetting {
    fn over(self, default: Option<u32>) -> Option<u32> {
        match self {
            Self::Default => default,
            Self::Off => None,
            Self::At(limit) => Some(limit),
        }
    }
}

impl FromStr for LimitSetting {
    type Err = InvalidLimit;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "default" => Ok(Self::Default),
            "off" => Ok(Self::Off),
            number => number
                .parse()
                .ok()
                .filter(|limit| (1..=MAX_LIMIT).contains(limit))
                .map(Self::At)
                .ok_or(InvalidLimit),
        }
    }
}

impl std::fmt::Display for LimitSetting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Off => f.write_str("off"),
            Self::At(limit) => limit.fmt(f),
        }
    }
}

/// A number, `"off"` or `"default"`.
impl Serialize for LimitSetting {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::At(limit) => serializer.serialize_u32(*limit),
            word => serializer.collect_str(word),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_of_the_tenants_own_counts_more_than_the_default() {
        let defaults = TenantLimits {
            per_minute: Some(60),
            per_day: Some(1_000),
            concurrency: None,
        };
        let settings = LimitSettings {
            per_minute: "10".parse().unwrap(),
            per_day: "off".parse().unwrap(),
            concurrency: "default".parse().unwrap(),
        };
        let limits = TenantLimits {
            per_minute: Some(10),
            ..TenantLimits::default()
        };
        assert_eq!(settings.over(defaults), limits);
        for bad in ["0", "-1", "1000001", "", "none", "1.5", " 7"] {
            assert_eq!(bad.parse::<LimitSetting>(), Err(InvalidLimit), "{bad}");
        }
    }
}
