//! Raw requests to templates.

use http::HeaderValue;

use super::compile::{Place, header_name, json, known_name, method, plain_json, text};
use super::raw;
use crate::domain::document::Complaint;
use crate::domain::template::TextTemplate;
use crate::domain::tool::{
    Exchange, PathSegment, QueryRule, RequestTemplate, ResponseKind, ResponseRule,
};

/// A request with what its answer is to be.
pub(super) fn exchange(
    place: &Place<'_>,
    (raw, response): (&raw::Request, raw::Response),
    known: &[&str],
) -> Result<Exchange, Complaint> {
    let empty = response.empty;
    let empty = empty.map(|value| plain_json(&place.at("response").at("empty"), value));
    let accept = match response.kind {
        ResponseKind::Json | ResponseKind::Text => "application/json",
        ResponseKind::Bytes => "*/*",
    };
    Ok(Exchange {
        request: request(&place.at("request"), raw, (known, accept))?,
        response: ResponseRule {
            kind: response.kind,
            empty: empty.transpose()?,
        },
    })
}

fn request(
    place: &Place<'_>,
    raw: &raw::Request,
    (known, accept): (&[&str], &'static str),
) -> Result<RequestTemplate, Complaint> {
    let headers = raw.headers.iter().map(|(name, value)| {
        let place = place.at("headers").at(name.as_str());
        Ok((header_name(&place, name)?, text(&place, value, known)?))
    });
    let query = raw.query.iter().enumerate().map(|(index, rule)| {
        let place = place.at("query").at(index);
        Ok(QueryRule {
            name: rule.name.clone(),
            value: text(&place.at("value"), &rule.value, known)?,
            always: rule.always,
            alone: rule.alone,
        })
    });
    let body = raw
        .body
        .as_ref()
        .map(|body| json(&place.at("body"), body, known));
    Ok(RequestTemplate {
        method: method(&place.at("method"), &raw.method)?,
        accept: HeaderValue::from_static(accept),
        headers: headers.collect::<Result<_, Complaint>>()?,
        prefix: raw.path.split('{').next().unwrap_or_default().to_owned(),
        path: path(&place.at("path"), &raw.path, known)?,
        query: query.collect::<Result<_, Complaint>>()?,
        body: body.transpose()?,
    })
}

fn path(place: &Place<'_>, raw: &str, known: &[&str]) -> Result<Vec<PathSegment>, Complaint> {
    let Some(relative) = raw.strip_prefix('/') else {
        return Err(place.complain("a path starts with /"));
    };
    if raw.contains(['?', '#']) {
        return Err(place.complain("a path has no ? and no #; query keys go into `query`"));
    }
    relative
        .split('/')
        .map(|segment| path_segment(place, segment, known))
        .collect()
}

fn path_segment(
    place: &Place<'_>,
    segment: &str,
    known: &[&str],
) -> Result<PathSegment, Complaint> {
    let template = TextTemplate::parse(segment).map_err(|e| place.complain(e))?;
    if let Some(name) = template.sole_name() {
        known_name(place, name, known)?;
        return Ok(PathSegment::Argument(name.to_owned()));
    }
    if template.names().next().is_some() {
        let message = format!("`{segment}`: an argument fills a whole segment of the path");
        return Err(place.complain(message));
    }
    // Characters that stand for themselves in a segment (RFC 3986, section 3.3).
    let literal = |c: char| c.is_ascii_alphanumeric() || "-._~!$&'()*+,;=:@".contains(c);
    if matches!(segment, "." | "..") || !segment.chars().all(literal) {
        let message = format!("`{segment}`: use letters, digits and -._~ in fixed segments");
        return Err(place.complain(message));
    }
    Ok(PathSegment::Literal(segment.to_owned()))
}
