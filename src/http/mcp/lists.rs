//! Tool lists, serialized once for all visits that see the same.

use std::sync::Arc;

use moka::sync::Cache;
use rmcp::model::{Tool, ToolAnnotations};

use crate::catalog::Entry;
use crate::domain::meter::{Counter, Meters};
use crate::gateway::{ListKey, Visit};

/// Bytes of all lists; those beyond are made anew when they are asked for.
const MAX_BYTES: u64 = 64 << 20;

pub(super) struct Lists {
    /// The JSON of `tools`, by what it depends on.
    kept: Cache<ListKey, Arc<str>>,
    made: Counter,
}

impl Lists {
    pub(super) fn new(meters: &Meters) -> Self {
        let cache = Cache::builder()
            .max_capacity(MAX_BYTES)
            .weigher(|_: &ListKey, list: &Arc<str>| u32::try_from(list.len()).unwrap_or(u32::MAX));
        let help =
            "Tool lists that were serialized; any other answer of tools/list had one that was kept";
        Self {
            kept: cache.build(),
            made: meters.counter("locum_mcp_tool_lists_made_total", help, &[]),
        }
    }

    /// The JSON array of the tools that a visit may call.
    pub(super) fn tools(&self, visit: &Visit) -> Arc<str> {
        self.kept.get_with(visit.list_key(), || {
            self.made.count();
            let tools: Vec<Tool> = visit.tools().map(|entry| described(entry)).collect();
            serde_json::to_string(&tools)
                .unwrap_or_else(|_| "[]".to_owned())
                .into()
        })
    }
}

fn described(entry: &Entry) -> Tool {
    let tool = &entry.tool;
    let hints = tool.annotations;
    let annotations = ToolAnnotations::from_raw(
        tool.title.clone(),
        Some(hints.read_only),
        Some(hints.destructive),
        Some(hints.idempotent),
        Some(hints.open_world),
    );
    let mut described = Tool::new(
        tool.name.as_str().to_owned(),
        tool.description.clone(),
        Arc::new(tool.input_schema.clone()),
    );
    described.title.clone_from(&tool.title);
    described.annotations = Some(annotations);
    described
}
