//! What a measurement came to: tables and goals, on standard output and in `docs/performance.md`.

use std::fmt::Write;
use std::path::Path;

use crate::Failure;

/// A figure that is to be no larger than a bound.
pub struct Goal {
    pub what: String,
    pub bound: f64,
    pub measured: f64,
    pub unit: &'static str,
}

/// What one dimension came to.
pub struct Section {
    /// Names its place in the document.
    pub name: &'static str,
    /// Markdown, the goals included.
    pub text: String,
    goals: Vec<Goal>,
}

impl Section {
    /// A section of tables, followed by its goals.
    pub fn new(name: &'static str, mut text: String, goals: Vec<Goal>) -> Self {
        text.push_str("\n| goal | at most | measured | |\n|---|---|---|---|\n");
        for goal in &goals {
            let Goal { what, unit, .. } = goal;
            let (bound, measured) = (figure(goal.bound), figure(goal.measured));
            let verdict = goal.verdict();
            let _ = writeln!(
                text,
                "| {what} | {bound}{unit} | {measured}{unit} | {verdict} |"
            );
        }
        Self { name, text, goals }
    }

    /// A line for each goal.
    pub fn verdicts(&self) -> String {
        let line = |goal: &Goal| {
            let Goal { what, unit, .. } = goal;
            let (bound, measured) = (figure(goal.bound), figure(goal.measured));
            let verdict = goal.verdict().to_uppercase();
            format!("{verdict}: {what}: {measured}{unit}, at most {bound}{unit}")
        };
        let lines: Vec<_> = self.goals.iter().map(line).collect();
        lines.join("\n")
    }
}

impl Goal {
    fn verdict(&self) -> &'static str {
        match self.measured <= self.bound {
            true => "met",
            false => "not met",
        }
    }
}

/// Whole numbers as such, others with two digits.
fn figure(number: f64) -> String {
    match number.fract() == 0.0 {
        true => format!("{number:.0}"),
        false => format!("{number:.2}"),
    }
}

/// Replaces what stands between the section's markers.
pub fn write(section: &Section) -> Result<(), Failure> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/performance.md");
    let text = std::fs::read_to_string(&path)?;
    let begin = format!("<!-- numbers: {} -->\n", section.name);
    let (before, rest) = text.split_once(&begin).ok_or("no beginning marker")?;
    let end = "<!-- end -->";
    let (_, after) = rest.split_once(end).ok_or("no end marker")?;
    let text = &section.text;
    Ok(std::fs::write(
        &path,
        format!("{before}{begin}{text}{end}{after}"),
    )?)
}

/// The middle value; of an even number what is between the two in the middle.
pub fn median(values: impl Iterator<Item = f64>) -> f64 {
    let values: Vec<f64> = values.collect();
    let upper = percentile(values.iter().copied(), 0.5);
    match values.len() % 2 {
        0 => (upper - percentile(values.iter().map(|value| -value), 0.5)) / 2.0,
        _ => upper,
    }
}

/// What the median of all values there could be lies between, with 95 %: the order statistics around the
/// middle, as far away as the binomial distribution has it. Fewer than six say nothing of the kind.
pub fn interval(values: impl Iterator<Item = f64>, digits: usize) -> String {
    let values: Vec<f64> = values.collect();
    if values.len() < 6 {
        return "–".to_owned();
    }
    let count = values.len() as f64;
    let away = 0.98 / count.sqrt() + 1.0 / count;
    let at = |share| percentile(values.iter().copied(), share);
    let (low, high) = (at(0.5 - away), at(0.5 + away));
    format!("{low:.digits$} and {high:.digits$}")
}

/// The smallest value that this share of all does not exceed.
pub fn percentile(values: impl Iterator<Item = f64>, share: f64) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let at = (values.len() as f64 * share) as usize;
    values
        .get(at.min(values.len().saturating_sub(1)))
        .copied()
        .unwrap_or(f64::NAN)
}
