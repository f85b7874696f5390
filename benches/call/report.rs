//! The table, on standard output and in `docs/performance.md`.

use std::fmt::Write;
use std::path::Path;

use crate::Failure;

const BEGIN: &str = "<!-- cargo bench --bench call -- --write: begin -->\n";
const END: &str = "<!-- end -->";

/// One target at one number of connections.
pub struct Row {
    pub connections: usize,
    pub target: String,
    pub cpu_us: f64,
    /// Medians of the rounds' own ratios to the two bare handlers.
    pub to_bare: f64,
    pub to_raw: f64,
    pub calls_per_second: f64,
    pub idle_mb: f64,
    pub loaded_mb: f64,
    pub start_ms: f64,
}

pub fn table(rows: &[Row], tenants: usize) -> String {
    let mut out = String::from(
        "| connections | tenants | target | CPU per call, µs | × bare | × bare, raw JSON | calls/s | idle MB | MB after load | start ms |\n\
         |---|---|---|---|---|---|---|---|---|---|\n",
    );
    for row in rows {
        let _ = writeln!(
            out,
            "| {} | {tenants} | {} | {:.1} | {:.2} | {:.2} | {:.0} | {:.1} | {:.1} | {:.0} |",
            row.connections,
            row.target,
            row.cpu_us,
            row.to_bare,
            row.to_raw,
            row.calls_per_second,
            row.idle_mb,
            row.loaded_mb,
            row.start_ms,
        );
    }
    out
}

/// Replaces what stands between the markers.
pub fn write(table: &str) -> Result<(), Failure> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/performance.md");
    let text = std::fs::read_to_string(&path)?;
    let (before, rest) = text.split_once(BEGIN).ok_or("no beginning marker")?;
    let (_, after) = rest.split_once(END).ok_or("no end marker")?;
    Ok(std::fs::write(
        &path,
        format!("{before}{BEGIN}{table}{END}{after}"),
    )?)
}

/// The middle value; of an even number the upper one.
pub fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
