//! The audit log as text, a piece at a time: CSV for spreadsheets, JSON lines for programs.

use super::{Admin, AdminError, AuditEntry, AuditFilter, AuditOrder, AuditSearch, MAX_AUDIT_PAGE};

const COLUMNS: &str = "seq,at,actor,action,outcome,organization,organization_uuid,environment,\
     provider,target,version,duration_us,request_id,mac\r\n";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExportFormat {
    /// RFC 4180. What a spreadsheet would take for a formula begins with an apostrophe.
    Csv,
    /// One JSON object a line.
    JsonLines,
}

/// An export that has begun. However long the log, one page of it is in memory.
pub struct AuditExport {
    search: AuditSearch,
    format: ExportFormat,
    /// The last record that was looked at; `None` at the end.
    place: Option<i64>,
    begun: bool,
}

impl Admin {
    /// The records that are asked for, oldest first.
    pub async fn audit_export(
        &self,
        filter: &AuditFilter,
        format: ExportFormat,
    ) -> Result<AuditExport, AdminError> {
        Ok(AuditExport {
            search: self.audit_search(filter).await?,
            format,
            place: Some(0),
            begun: false,
        })
    }
}

impl AuditExport {
    /// The next piece; `None` after the last.
    pub async fn next(&mut self) -> Result<Option<String>, AdminError> {
        let mut text = String::new();
        if !self.begun && self.format == ExportFormat::Csv {
            text.push_str(COLUMNS);
        }
        self.begun = true;
        while let Some(place) = self.place {
            let order = AuditOrder::OldestFirst(place);
            let page = self.search.page(order, MAX_AUDIT_PAGE).await?;
            self.place = page.next;
            for entry in &page.items {
                match self.format {
                    ExportFormat::Csv => push_csv(&mut text, entry),
                    ExportFormat::JsonLines => push_json(&mut text, entry),
                }
            }
            if !text.is_empty() {
                break;
            }
        }
        Ok((!text.is_empty()).then_some(text))
    }
}

fn push_json(text: &mut String, entry: &AuditEntry) {
    text.push_str(&serde_json::to_string(entry).unwrap_or_default());
    text.push('\n');
}

fn push_csv(text: &mut String, entry: &AuditEntry) {
    let AuditEntry {
        seq,
        at,
        actor,
        action,
        outcome,
        organization,
        organization_uuid,
        environment,
        provider,
        target,
        version,
        duration_us,
        request_id,
        mac,
    } = entry;
    let or_empty = |text: &Option<String>| text.clone().unwrap_or_default();
    let uuid = |uuid: &Option<uuid::Uuid>| uuid.map(|uuid| uuid.to_string()).unwrap_or_default();
    let cells = [
        seq.to_string(),
        at.to_string(),
        actor.clone(),
        action.clone(),
        outcome.clone(),
        or_empty(organization),
        uuid(organization_uuid),
        or_empty(environment),
        or_empty(provider),
        or_empty(target),
        uuid(version),
        duration_us.map(|took| took.to_string()).unwrap_or_default(),
        or_empty(request_id),
        mac.clone(),
    ];
    for (index, cell) in cells.iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        push_cell(text, cell);
    }
    text.push_str("\r\n");
}

/// A quoted cell, but for plain words. A spreadsheet takes what begins with one of these characters
/// for a formula and would run it (OWASP, "CSV Injection").
fn push_cell(text: &mut String, cell: &str) {
    let is_formula = cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']);
    let is_plain =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b':' | b'_');
    if !is_formula && cell.bytes().all(is_plain) {
        text.push_str(cell);
        return;
    }
    text.push('"');
    if is_formula {
        text.push('\'');
    }
    text.push_str(&cell.replace('"', "\"\""));
    text.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_no_formula_and_stays_one_cell() {
        let cell = |text: &str| {
            let mut out = String::new();
            push_cell(&mut out, text);
            out
        };
        assert_eq!(cell("call-x_1.2:3"), "call-x_1.2:3");
        assert_eq!(cell(""), "");
        assert_eq!(cell("call search"), "\"call search\"");
        assert_eq!(cell("a,\"b\"\r\nc"), "\"a,\"\"b\"\"\r\nc\"");
        for start in ["=", "+", "-", "@", "\t", "\r", "\n"] {
            let text = format!("{start}cmd");
            assert_eq!(cell(&text), format!("\"'{text}\""));
        }
    }
}
