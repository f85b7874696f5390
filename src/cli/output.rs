//! What commands print: tables and sentences for people, JSON for programs.

use std::io::Write;

use serde::Serialize;

/// Standard output and standard error.
pub(super) struct Output {
    pub json: bool,
}

/// Prints a line. A reader that went away (`| head`) is no reason to fail.
fn line(mut to: impl Write, text: &str) {
    let _ = writeln!(to, "{text}");
}

impl Output {
    pub(super) fn new(json: bool) -> Self {
        Self { json }
    }

    /// A line for people; nothing with `--json`.
    pub(super) fn say(&self, text: &str) {
        if !self.json {
            line(std::io::stdout(), text);
        }
    }

    /// A line beside the result: on standard error, with `--json` too.
    pub(super) fn notice(&self, text: &str) {
        line(std::io::stderr(), text);
    }

    pub(super) fn error(&self, text: &str) {
        if self.json {
            line(
                std::io::stderr(),
                &serde_json::json!({"error": text}).to_string(),
            );
        } else {
            line(std::io::stderr(), &format!("locum: {text}"));
        }
    }

    /// The JSON of what was shown or created; nothing without `--json`.
    pub(super) fn data(&self, data: &impl Serialize) {
        if self.json {
            let text = serde_json::to_string_pretty(data).unwrap_or_default();
            line(std::io::stdout(), &text);
        }
    }

    /// Text as it is, for people and programs alike.
    pub(super) fn raw(&self, text: &str) {
        let _ = std::io::stdout().write_all(text.as_bytes());
    }

    /// A list: `{"items": […]}`, or a table with these columns.
    pub(super) fn list<T: Serialize, const N: usize>(
        &self,
        items: &[T],
        columns: [&str; N],
        row: impl Fn(&T) -> [String; N],
    ) {
        match self.json {
            true => self.data(&serde_json::json!({"items": items})),
            false => self.table(items, columns, row),
        }
    }

    /// A table beside the JSON that `data` printed; nothing with `--json`.
    pub(super) fn table<T, const N: usize>(
        &self,
        items: &[T],
        columns: [&str; N],
        row: impl Fn(&T) -> [String; N],
    ) {
        if self.json {
            return;
        }
        let rows: Vec<[String; N]> = items.iter().map(row).collect();
        let widths: Vec<usize> = (0..N)
            .map(|column| {
                let cells = rows.iter().map(|row| row[column].chars().count());
                cells.chain([columns[column].len()]).max().unwrap_or(0)
            })
            .collect();
        let print = |cells: Vec<&str>| {
            let padded: Vec<String> = cells
                .iter()
                .zip(&widths)
                .map(|(cell, width)| format!("{cell:<width$}"))
                .collect();
            line(std::io::stdout(), padded.join("  ").trim_end());
        };
        print(columns.to_vec());
        for row in &rows {
            print(row.iter().map(String::as_str).collect());
        }
    }
}
