//! `locum catalog import-openapi`

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::super::CliError;
use super::super::output::Output;
use crate::catalog::openapi::{Choice, Import, MAX_FILE, import};
use crate::domain::provider::ProviderName;

#[derive(clap::Args)]
pub(in crate::cli) struct Args {
    /// An OpenAPI 3.0 or 3.1 document, JSON or YAML
    spec: PathBuf,
    /// The provider's name; default: from the document's title
    #[arg(long)]
    name: Option<ProviderName>,
    /// Only operations with this tag; repeats
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<String>,
    /// Only this path and those below it; repeats
    #[arg(long = "path", value_name = "PATH")]
    paths: Vec<String>,
    /// Only the operation with this id; repeats. What any of the three names is taken
    #[arg(long = "operation", value_name = "ID")]
    operations: Vec<String>,
    /// Write the profile into a new file instead of standard output
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(in crate::cli) fn run(args: Args, output: &Output) -> Result<(), CliError> {
    let text = read(&args.spec)?;
    let choice = Choice {
        tags: args.tags,
        paths: args.paths,
        operations: args.operations,
    };
    let import = import((&args.spec, &text), &choice, args.name)
        .map_err(|error| CliError::Failed(error.to_string()))?;
    if import.tools.is_empty() {
        summary(&import, &args.spec, output);
        let message = match import.left_out.is_empty() {
            true => "the file has no operations under `paths`, so nothing was written",
            false => "no operation became a tool, so nothing was written",
        };
        return Err(CliError::Failed(message.to_owned()));
    }
    match &args.output {
        Some(file) => write_new(file, &import.profile)?,
        None if !output.json => output.raw(&import.profile),
        None => {}
    }
    output.data(&shown(&import, args.output.as_deref()));
    summary(&import, &args.spec, output);
    Ok(())
}

fn read(file: &Path) -> Result<String, CliError> {
    let failed = |error: std::io::Error| CliError::Failed(format!("{}: {error}", file.display()));
    let mut text = String::new();
    let opened = File::open(file).map_err(failed)?;
    let read = opened.take(MAX_FILE + 1).read_to_string(&mut text);
    match read {
        Ok(length) if length as u64 <= MAX_FILE => Ok(text),
        Err(error) if error.kind() != ErrorKind::InvalidData => Err(failed(error)),
        Err(_) if text.is_empty() && !is_large(file) => {
            let message = format!("{}: expected UTF-8", file.display());
            Err(CliError::Failed(message))
        }
        _ => {
            let message = format!("{}: larger than {} MiB", file.display(), MAX_FILE >> 20);
            Err(CliError::Failed(message))
        }
    }
}

/// Whether the end of what is read may be within a character.
fn is_large(file: &Path) -> bool {
    std::fs::metadata(file).is_ok_and(|file| file.len() > MAX_FILE)
}

fn write_new(file: &Path, text: &str) -> Result<(), CliError> {
    let opened = OpenOptions::new().write(true).create_new(true).open(file);
    let written = opened.and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => CliError::Failed(format!(
            "{} already exists; name another file",
            file.display()
        )),
        ErrorKind::NotFound => CliError::Failed(format!(
            "{}: there is no such folder; make it first",
            file.display()
        )),
        _ => CliError::Failed(format!("{}: {error}", file.display())),
    })
}

fn shown(import: &Import, file: Option<&Path>) -> Value {
    let tools = import
        .tools
        .iter()
        .map(|made| json!({"name": made.tool, "operation": made.operation, "line": made.line}));
    let left_out = import
        .left_out
        .iter()
        .map(|left| json!({"operation": left.operation, "line": left.line, "reason": left.reason}));
    let mut shown = json!({
        "provider": import.provider,
        "tools": tools.collect::<Value>(),
        "left_out": left_out.collect::<Value>(),
        "not_chosen": import.not_chosen,
    });
    match file {
        Some(file) => shown["output"] = file.display().to_string().into(),
        None => shown["profile"] = import.profile.as_str().into(),
    }
    shown
}

/// How many operations became tools, and why others did not.
fn summary(import: &Import, spec: &Path, output: &Output) {
    let (made, left) = (import.tools.len(), import.left_out.len());
    let all = made + left;
    let mut text = format!(
        "{made} of {all} operations became tools of `{}`.",
        import.provider
    );
    if import.not_chosen > 0 {
        text.push_str(&format!(" {} were not chosen.", import.not_chosen));
    }
    output.notice(&text);
    for left in &import.left_out {
        let (place, line) = (spec.display(), left.line);
        output.notice(&format!(
            "left out: {place}:{line}: {}: {}",
            left.operation, left.reason
        ));
    }
    if made > 0 {
        output.notice(
            "Complete the lines that begin with `# COMPLETE`; then: locum catalog check FILE",
        );
    }
}
