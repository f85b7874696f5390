//! Raw logins to domain types: flows with their requests, probes, and the headers that carry what
//! comes of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::Method;
use http::header::AUTHORIZATION;

use super::compile::{Fields, Place, header_name, json, known_name, method, pointer, text};
use super::raw;
use crate::domain::document::{Complaint, suggestion};
use crate::domain::header::{Basic, HeaderText};
use crate::domain::provider::{
    HeaderPlace, HeaderRule, Login, LoginBody, LoginExchange, LoginFlow, LoginRequest,
    LoginResponse, Probe, TokenLogin, Way,
};

const ACCESS_TOKEN: &str = "access_token";

pub(super) fn login(
    place: &Place<'_>,
    raw: raw::Login,
    fields: &Fields,
) -> Result<Login, Complaint> {
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
    let requires = raw.requires.clone();
    let way = way(place, raw, &known)?;
    Ok(LoginFlow {
        name,
        requires,
        way,
    })
}

fn way(place: &Place<'_>, raw: raw::Flow, known: &[&str]) -> Result<Way, Complaint> {
    let Some(request) = raw.request else {
        for (key, given) in [
            ("response", raw.response.is_some()),
            ("refresh", raw.refresh.is_some()),
        ] {
            if given {
                let message = "only with a `request`; a flow without one is a key that requests \
                               carry as it is";
                return Err(place.at(key).complain(message));
            }
        }
        let probe = raw.probe.map(|raw| probe(&place.at("probe"), raw));
        return Ok(Way::Key {
            probe: probe.transpose()?,
        });
    };
    if raw.probe.is_some() {
        let message = "only in a flow without a `request`: a login shows that a credential is good";
        return Err(place.at("probe").complain(message));
    }
    let response = raw.response.ok_or_else(|| {
        place.complain("a `request` needs a `response`: where its answer holds the token")
    })?;
    let refresh = raw.refresh.map(|raw| {
        let mut known = known.to_vec();
        known.extend([ACCESS_TOKEN, "refresh_token"]);
        exchange(&place.at("refresh"), (raw.request, raw.response), &known)
    });
    Ok(Way::Login(Box::new(TokenLogin {
        first: exchange(place, (request, response), known)?,
        refresh: refresh.transpose()?,
    })))
}

fn probe(place: &Place<'_>, raw: raw::Probe) -> Result<Probe, Complaint> {
    Ok(Probe {
        method: method(&place.at("method"), &raw.method)?,
        path: fixed_path(&place.at("path"), raw.path, "probe")?,
    })
}

fn exchange(
    place: &Place<'_>,
    (request, response): (raw::LoginRequest, raw::LoginResponse),
    known: &[&str],
) -> Result<LoginExchange, Complaint> {
    Ok(LoginExchange {
        request: login_request(&place.at("request"), request, known)?,
        response: login_response(&place.at("response"), response)?,
    })
}

fn login_request(
    place: &Place<'_>,
    raw: raw::LoginRequest,
    known: &[&str],
) -> Result<LoginRequest, Complaint> {
    let headers = raw.headers.iter().map(|(name, value)| {
        let place = place.at("headers").at(name.as_str());
        let value = HeaderText::Text(text(&place, value, known)?);
        Ok((header_name(&place, name)?, value))
    });
    let mut headers: Vec<_> = headers.collect::<Result<_, Complaint>>()?;
    if let Some(raw) = &raw.basic {
        let place = place.at("basic");
        if headers.iter().any(|(name, _)| *name == AUTHORIZATION) {
            return Err(place.complain("`headers` have an Authorization already"));
        }
        headers.push((AUTHORIZATION, basic(&place, raw, known)?));
    }
    let method = method(&place.at("method"), &raw.method)?;
    Ok(LoginRequest {
        path: fixed_path(&place.at("path"), raw.path, "login")?,
        headers,
        body: body(place, &method, (raw.json, raw.form), known)?,
        method,
    })
}

fn body(
    place: &Place<'_>,
    method: &Method,
    raw: (Option<toml::Value>, Option<BTreeMap<String, String>>),
    known: &[&str],
) -> Result<LoginBody, Complaint> {
    match raw {
        (Some(_), Some(_)) => Err(place.at("form").complain("either `json` or `form`")),
        (Some(source), None) => Ok(LoginBody::Json(json(&place.at("json"), &source, known)?)),
        (None, Some(pairs)) => {
            let place = place.at("form");
            let pairs = pairs.into_iter().map(|(name, value)| {
                let value = text(&place.at(name.as_str()), &value, known)?;
                Ok((name, value))
            });
            Ok(LoginBody::Form(pairs.collect::<Result<_, Complaint>>()?))
        }
        (None, None) if method == Method::GET => Ok(LoginBody::Nothing),
        (None, None) => {
            Err(place.complain("`json` or `form` says what is sent; only a GET has none"))
        }
    }
}

fn basic(place: &Place<'_>, raw: &raw::Basic, known: &[&str]) -> Result<HeaderText, Complaint> {
    Ok(HeaderText::Basic(Basic {
        user: text(&place.at("user"), &raw.user, known)?,
        password: text(&place.at("password"), &raw.password, known)?,
        form_encoded: raw.form_encoded,
    }))
}

fn fixed_path(place: &Place<'_>, path: String, whose: &str) -> Result<String, Complaint> {
    if !path.starts_with('/') || path.contains(['?', '#', '{']) {
        return Err(place.complain(format!("a {whose} path starts with / and is fixed")));
    }
    Ok(path)
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

/// What requests carry. `{access_token}` means something where a flow yields one, and a flow
/// without a login is nothing unless a header carries a field.
pub(super) fn headers(
    root: &Place<'_>,
    raw: Vec<raw::Header>,
    (fields, login): (&Fields, &Login),
) -> Result<Vec<HeaderRule>, Complaint> {
    let flows = || login.flows.values();
    let mut known: Vec<&str> = fields.keys().map(String::as_str).collect();
    known.extend(
        flows()
            .any(|flow| matches!(flow.way, Way::Login(_)))
            .then_some(ACCESS_TOKEN),
    );
    let place = root.at("headers");
    let rules = raw.into_iter().enumerate();
    let rules = rules.map(|(index, raw)| header(&place.at(index), raw, &known));
    let rules: Vec<_> = rules.collect::<Result<_, Complaint>>()?;
    let carries = |rule: &HeaderRule| {
        let mut names = rule.value.names().peekable();
        names.peek().is_some() && names.all(|name| name != ACCESS_TOKEN)
    };
    let mut keys = flows().filter(|flow| matches!(flow.way, Way::Key { .. }));
    if let Some(key) = keys.next()
        && !rules.iter().any(carries)
    {
        // There may be no headers, so the place is that of the flow.
        let place = root.at("login").at("flows").at(key.name.as_str());
        let message = "a flow without a `request` is a key that requests carry, so one of \
                       `headers` has to have a credential field in it, and no {access_token}";
        return Err(place.complain(message));
    }
    Ok(rules)
}

fn header(place: &Place<'_>, raw: raw::Header, known: &[&str]) -> Result<HeaderRule, Complaint> {
    let path = raw.path;
    if path.as_deref().is_some_and(|path| !path.starts_with('/')) {
        let message = "the beginning of a path starts with /";
        return Err(place.at("path").complain(message));
    }
    let value = match (raw.value, raw.basic) {
        (Some(value), None) => HeaderText::Text(text(&place.at("value"), &value, known)?),
        (None, Some(raw)) => basic(&place.at("basic"), &raw, known)?,
        (Some(_), Some(_)) => return Err(place.at("basic").complain("either `value` or `basic`")),
        (None, None) => return Err(place.complain("a header has a `value` or a `basic`")),
    };
    let name = header_name(&place.at("name"), &raw.name)?;
    Ok(HeaderRule {
        place: Arc::new(HeaderPlace { path, name }),
        value,
    })
}
