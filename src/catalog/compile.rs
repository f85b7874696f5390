//! Raw profiles to domain types: everything about a provider but its logins and its tools.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::{HeaderName, Method};
use jiff::tz::TimeZone;
use serde_json::Value;
use url::Url;

use super::definitions::Definitions;
use super::{Entry, login, raw, tools};
use crate::domain::destination::Destinations;
use crate::domain::document::{Complaint, Document, Step, suggestion};
use crate::domain::jq::{Program, ProgramError, Reshape};
use crate::domain::origin::REQUEST_ID;
use crate::domain::provider::{
    CredentialShape, ErrorShape, FieldShape, ImportShape, Provider, ProviderName, ResultShape,
    Upstream,
};
use crate::domain::template::{JsonTemplate, TextTemplate};
use crate::domain::tenant::Environment;

/// The version of the profile format that this build reads.
const FORMAT: i64 = 1;

/// What replaces `{data}` while the frame of a result is rendered.
const DATA_MARK: &str = "{data}";

/// Where in the document a check is, to complain with file, line and field.
pub(super) struct Place<'a> {
    document: &'a Document<'a>,
    definitions: &'a Definitions,
    path: Vec<Step>,
}

impl<'a> Place<'a> {
    pub(super) fn root(document: &'a Document<'a>, definitions: &'a Definitions) -> Self {
        Self {
            document,
            definitions,
            path: Vec::new(),
        }
    }

    pub(super) fn at(&self, step: impl Into<Step>) -> Self {
        let mut path = self.path.clone();
        path.push(step.into());
        Self { path, ..*self }
    }

    pub(super) fn complain(&self, message: impl ToString) -> Complaint {
        self.document.complain(&self.path, message.to_string())
    }

    /// The text at this place as a program; a mistake in it has line and column.
    pub(super) fn program(&self, source: &str) -> Result<Program, Complaint> {
        Program::parse(&self.definitions.with(source)).map_err(|error| self.jq(source, &error))
    }

    /// Such a program, and what it is on a document's text if it only chooses and arranges.
    pub(super) fn reshape(&self, source: &str) -> Result<(Program, Option<Reshape>), Complaint> {
        Program::parse_reshape(&self.definitions.with(source))
            .map_err(|error| self.jq(source, &error))
    }

    fn jq(&self, source: &str, error: &ProgramError) -> Complaint {
        self.complain_in(source, error.at, &format!("jq: {error}"))
    }

    /// A complaint about a byte of the program at this place; the definitions before it are sound.
    pub(super) fn complain_in(&self, source: &str, at: usize, message: &str) -> Complaint {
        let at = at.saturating_sub(self.definitions.with(source).len() - source.len());
        let place = (source, at);
        self.document.complain_within(&self.path, place, message)
    }
}

pub(super) fn profile(
    document: &Document<'_>,
    raw: raw::Profile,
    destinations: &Destinations,
) -> Result<(Provider, Vec<Entry>), Complaint> {
    let definitions = Definitions::parse(document, raw.definitions)?;
    let root = Place::root(document, &definitions);
    if raw.format != FORMAT {
        let message = format!("this build reads format {FORMAT}");
        return Err(root.at("format").complain(message));
    }
    let name = ProviderName::parse(&raw.name).map_err(|e| root.at("name").complain(e))?;
    let tools = tools::compile(&root.at("tools"), &name, raw.tools)?;
    let fields = fields(&root.at("credential").at("fields"), raw.credential.fields)?;
    let flows = login::login(&root.at("login"), raw.login, &fields)?;
    let provider = Provider {
        environments: environments(&root.at("environments"), raw.environments, destinations)?,
        headers: login::headers(&root, raw.headers, (&fields, &flows))?,
        login: flows,
        credential: CredentialShape {
            import: ImportShape {
                base_url: raw.credential.import.base_url,
                ignored: raw.credential.import.ignored,
            },
            fields,
        },
        result: result(&root.at("result").at("success"), raw.result.success)?.unwrap_or_default(),
        errors: ErrorShape {
            hints: hints(&root.at("errors").at("hints"), raw.errors.hints)?,
            message: pointers(&root.at("errors").at("message"), raw.errors.message)?,
            code: pointers(&root.at("errors").at("code"), raw.errors.code)?,
        },
        time_zone: time_zone(&root.at("time_zone"), raw.time_zone)?,
        title: raw.title,
        name,
    };
    Ok((provider, tools))
}

fn time_zone(place: &Place<'_>, name: Option<String>) -> Result<TimeZone, Complaint> {
    let Some(name) = name else {
        return Ok(TimeZone::UTC);
    };
    // No zone of this machine's own: a profile means the same everywhere.
    jiff::tz::TimeZoneDatabase::bundled()
        .get(&name)
        .map_err(|_| place.complain("not a time zone; write its IANA name, such as Asia/Kolkata"))
}

/// Names that templates have another meaning for.
const RESERVED: [&str; 2] = ["access_token", "refresh_token"];

fn fields(place: &Place<'_>, raw: BTreeMap<String, raw::Field>) -> Result<Fields, Complaint> {
    raw.into_iter()
        .map(|(name, field)| {
            let place = place.at(name.as_str());
            let template = TextTemplate::parse(&format!("{{{name}}}"));
            template.map_err(|e| place.complain(e))?;
            if RESERVED.contains(&name.as_str()) {
                return Err(place.complain("this name stands for what a login answers"));
            }
            let raw::Field {
                required,
                description,
                env,
            } = field;
            Ok((
                name,
                FieldShape {
                    required,
                    description,
                    env,
                },
            ))
        })
        .collect()
}

fn environments(
    place: &Place<'_>,
    raw: BTreeMap<String, raw::Environment>,
    destinations: &Destinations,
) -> Result<BTreeMap<Environment, Upstream>, Complaint> {
    if raw.is_empty() {
        return Err(place.complain("a provider has at least one environment"));
    }
    raw.into_iter()
        .map(|(name, environment)| {
            let place = place.at(name.as_str());
            let name = Environment::parse(&name).map_err(|e| place.complain(e))?;
            let url = |place: &Place<'_>, text: &str| {
                let url = Url::parse(text).map_err(|e| place.complain(e))?;
                destinations
                    .check_base(&url)
                    .map_err(|e| place.complain(e))?;
                Ok(url)
            };
            let base_url = Arc::new(url(&place.at("base_url"), &environment.base_url)?);
            let aliases = environment
                .aliases
                .iter()
                .enumerate()
                .map(|(index, text)| url(&place.at("aliases").at(index), text))
                .collect::<Result<_, _>>()?;
            Ok((name, Upstream { base_url, aliases }))
        })
        .collect()
}

pub(super) type Fields = BTreeMap<String, FieldShape>;

pub(super) fn header_name(place: &Place<'_>, name: &str) -> Result<HeaderName, Complaint> {
    usable_header(name).map_err(|reason| place.complain(reason))
}

/// The name of a header that a profile may send.
pub(super) fn usable_header(name: &str) -> Result<HeaderName, &'static str> {
    let name = HeaderName::from_bytes(name.as_bytes())
        .map_err(|_| "not a header name (RFC 9110, section 5.1)")?;
    let framing = [
        "host",
        "content-length",
        "transfer-encoding",
        "connection",
        "te",
        "upgrade",
    ];
    if framing.contains(&name.as_str()) {
        return Err("this header belongs to the connection, not to a profile");
    }
    if name == REQUEST_ID {
        return Err("this header carries Locum's own id of the request");
    }
    Ok(name)
}

/// Splits `{ success = true, data = "{data}" }` into the JSON before and after the data.
pub(super) fn result(
    place: &Place<'_>,
    raw: Option<toml::Value>,
) -> Result<Option<ResultShape>, Complaint> {
    let Some(raw) = raw else {
        return Ok(None);
    };
    let frame = plain_json(place, raw)?.to_string();
    let mark = format!("\"{DATA_MARK}\"");
    match frame.split(&mark).collect::<Vec<_>>().as_slice() {
        [before, after] if !after.starts_with(':') => Ok(Some(ResultShape {
            before: (*before).to_owned(),
            after: (*after).to_owned(),
        })),
        _ => Err(place.complain("exactly one value is to be \"{data}\"")),
    }
}

pub(super) fn method(place: &Place<'_>, text: &str) -> Result<Method, Complaint> {
    let known = [
        Method::GET,
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
    ];
    known
        .into_iter()
        .find(|method| method.as_str() == text)
        .ok_or_else(|| place.complain("use GET, POST, PUT, PATCH or DELETE"))
}

pub(super) fn known_name(place: &Place<'_>, name: &str, known: &[&str]) -> Result<(), Complaint> {
    if known.contains(&name) {
        return Ok(());
    }
    Err(place.complain(format!(
        "`{{{name}}}` names nothing here{}",
        suggestion(name, known)
    )))
}

pub(super) fn text(
    place: &Place<'_>,
    source: &str,
    known: &[&str],
) -> Result<TextTemplate, Complaint> {
    let template = TextTemplate::parse(source).map_err(|e| place.complain(e))?;
    template
        .names()
        .try_for_each(|name| known_name(place, name, known))?;
    Ok(template)
}

pub(super) fn json(
    place: &Place<'_>,
    source: &toml::Value,
    known: &[&str],
) -> Result<JsonTemplate, Complaint> {
    let template = JsonTemplate::compile(source).map_err(|e| place.complain(e))?;
    template
        .names()
        .into_iter()
        .try_for_each(|name| known_name(place, name, known))?;
    Ok(template)
}

/// A value without templates. TOML knows dates and JSON does not.
pub(super) fn plain_json(place: &Place<'_>, source: toml::Value) -> Result<Value, Complaint> {
    if has_date(&source) {
        return Err(place.complain("JSON has no dates and times; write it as a string"));
    }
    serde_json::to_value(source).map_err(|e| place.complain(e))
}

fn has_date(source: &toml::Value) -> bool {
    match source {
        toml::Value::Datetime(_) => true,
        toml::Value::Array(items) => items.iter().any(has_date),
        toml::Value::Table(entries) => entries.values().any(has_date),
        _ => false,
    }
}

fn pointers(place: &Place<'_>, raw: Vec<String>) -> Result<Vec<String>, Complaint> {
    raw.into_iter()
        .enumerate()
        .map(|(index, text)| pointer(&place.at(index), text))
        .collect()
}

pub(super) fn pointer(place: &Place<'_>, text: String) -> Result<String, Complaint> {
    if text.is_empty() || text.starts_with('/') {
        Ok(text)
    } else {
        Err(place.complain("a JSON Pointer (RFC 6901) starts with /"))
    }
}

pub(super) fn hints(
    place: &Place<'_>,
    raw: BTreeMap<String, String>,
) -> Result<BTreeMap<u16, String>, Complaint> {
    raw.into_iter()
        .map(|(status, text)| match status.parse() {
            Ok(number @ 400..=599) => Ok((number, text)),
            _ => Err(place
                .at(status.as_str())
                .complain("a hint belongs to a status 400 to 599")),
        })
        .collect()
}
