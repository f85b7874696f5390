//! Raw profiles to domain types: everything about a provider but its tools.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::{HeaderName, Method};
use jiff::tz::TimeZone;
use serde_json::Value;
use url::Url;

use super::definitions::Definitions;
use super::{Entry, raw, tools};
use crate::domain::destination::Destinations;
use crate::domain::document::{Complaint, Document, Step, suggestion};
use crate::domain::jq::Program;
use crate::domain::origin::REQUEST_ID;
use crate::domain::provider::{
    CredentialShape, ErrorShape, FieldShape, HeaderPlace, HeaderRule, ImportShape, Login,
    LoginFlow, LoginRequest, LoginResponse, Provider, ProviderName, ResultShape, Upstream,
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
        let definitions = self.definitions.before(source);
        let whole = [definitions.as_str(), "\n", source].concat();
        Program::parse(&whole)
            .map_err(|error| self.complain_in(source, error.at, &format!("jq: {error}")))
    }

    /// A complaint about a byte of the program at this place; the definitions before it are sound.
    pub(super) fn complain_in(&self, source: &str, at: usize, message: &str) -> Complaint {
        let at = at.saturating_sub(self.definitions.before(source).len() + 1);
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
    let provider = Provider {
        environments: environments(&root.at("environments"), raw.environments, destinations)?,
        login: login(&root.at("login"), raw.login, &fields)?,
        headers: headers(&root.at("headers"), &raw.headers, &fields)?,
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

type Fields = BTreeMap<String, FieldShape>;

fn login(place: &Place<'_>, raw: raw::Login, fields: &Fields) -> Result<Login, Complaint> {
    if !raw.flows.contains_key(&raw.default) {
        let known: Vec<&str> = raw.flows.keys().map(String::as_str).collect();
        let message = format!("no such flow{}", suggestion(&raw.default, &known));
        return Err(place.at("default").complain(message));
    }
    let flows = raw
        .flows
        .into_iter()
        .map(|(name, raw)| {
            let place = place.at("flows").at(name.as_str());
            Ok((name.clone(), Arc::new(flow(&place, name, raw, fields)?)))
        })
        .collect::<Result<_, Complaint>>()?;
    Ok(Login {
        default: raw.default,
        flows,
    })
}

fn flow(
    place: &Place<'_>,
    name: String,
    raw: raw::Flow,
    fields: &Fields,
) -> Result<LoginFlow, Complaint> {
    let known: Vec<&str> = fields.keys().map(String::as_str).collect();
    for (index, required) in raw.requires.iter().enumerate() {
        known_name(&place.at("requires").at(index), required, &known)?;
    }
    let refresh = raw.refresh.map(|raw| {
        let place = place.at("refresh");
        let mut known = known.clone();
        known.extend(["access_token", "refresh_token"]);
        let request = login_request(&place.at("request"), raw.request, &known)?;
        Ok((
            request,
            login_response(&place.at("response"), raw.response)?,
        ))
    });
    Ok(LoginFlow {
        name,
        requires: raw.requires,
        request: login_request(&place.at("request"), raw.request, &known)?,
        response: login_response(&place.at("response"), raw.response)?,
        refresh: refresh.transpose()?,
    })
}

fn login_request(
    place: &Place<'_>,
    raw: raw::LoginRequest,
    known: &[&str],
) -> Result<LoginRequest, Complaint> {
    let path = place.at("path");
    if !raw.path.starts_with('/') || raw.path.contains(['?', '#', '{']) {
        return Err(path.complain("a login path starts with / and is fixed"));
    }
    let headers = raw
        .headers
        .iter()
        .map(|(name, value)| {
            let place = place.at("headers").at(name.as_str());
            Ok((header_name(&place, name)?, text(&place, value, known)?))
        })
        .collect::<Result<_, Complaint>>()?;
    Ok(LoginRequest {
        method: method(&place.at("method"), &raw.method)?,
        path: raw.path,
        headers,
        json: json(&place.at("json"), &raw.json, known)?,
    })
}

fn login_response(place: &Place<'_>, raw: raw::LoginResponse) -> Result<LoginResponse, Complaint> {
    let check = |key: &str, value: String| pointer(&place.at(key), value);
    let optional = |key: &str, value: Option<String>| value.map(|v| check(key, v)).transpose();
    Ok(LoginResponse {
        access_token: check("access_token", raw.access_token)?,
        expires_in: optional("expires_in", raw.expires_in)?,
        refresh_token: optional("refresh_token", raw.refresh_token)?,
        refresh_expires_in: optional("refresh_expires_in", raw.refresh_expires_in)?,
    })
}

fn headers(
    place: &Place<'_>,
    raw: &[raw::Header],
    fields: &Fields,
) -> Result<Vec<HeaderRule>, Complaint> {
    let mut known: Vec<&str> = fields.keys().map(String::as_str).collect();
    known.push("access_token");
    raw.iter()
        .enumerate()
        .map(|(index, header)| {
            let place = place.at(index);
            if header
                .path
                .as_deref()
                .is_some_and(|path| !path.starts_with('/'))
            {
                return Err(place
                    .at("path")
                    .complain("the beginning of a path starts with /"));
            }
            Ok(HeaderRule {
                place: Arc::new(HeaderPlace {
                    path: header.path.clone(),
                    name: header_name(&place.at("name"), &header.name)?,
                }),
                value: text(&place.at("value"), &header.value, &known)?,
            })
        })
        .collect()
}

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

fn pointer(place: &Place<'_>, text: String) -> Result<String, Complaint> {
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
