//! What an administrator settles for one tenant: which tools it has, and values that they work with.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::tool::{Tool, ToolName};

/// Names of values are those of a profile's templates.
pub const MAX_VALUE_NAME: usize = 40;
pub const MAX_VALUE: usize = 1_000;
pub const MAX_VALUES: usize = 50;

/// The settings of a tenant; the default is that of one without any.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize)]
pub struct TenantSettings {
    /// The tools that it has; `None`: all.
    pub allow_tools: Option<BTreeSet<ToolName>>,
    /// Tools that it does not have, whatever else is said.
    pub deny_tools: BTreeSet<ToolName>,
    /// It has only tools that read.
    pub read_only: bool,
    /// What programs of profiles see as `$org.settings`. No secrets.
    pub values: BTreeMap<String, String>,
}

impl TenantSettings {
    /// One rule for listing and for calling.
    pub fn admits(&self, tool: &Tool) -> bool {
        let allowed = self.allow_tools.as_ref();
        allowed.is_none_or(|allowed| allowed.contains(&tool.name))
            && !self.deny_tools.contains(&tool.name)
            && (tool.annotations.read_only || !self.read_only)
    }

    /// What decides about lists; `None` where nothing does.
    pub fn lists(&self) -> Option<Self> {
        let lists = Self {
            values: BTreeMap::new(),
            ..self.clone()
        };
        (!lists.is_default()).then_some(lists)
    }

    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// Whether a value can be called so: a-z, 0-9 and `_`, starting with a letter.
pub fn is_value_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    name.len() <= MAX_VALUE_NAME
        && name
            .bytes()
            .next()
            .is_some_and(|first| first.is_ascii_lowercase())
        && name.bytes().all(allowed)
}
