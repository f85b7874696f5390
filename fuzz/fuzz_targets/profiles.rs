//! Provider profiles, and after a line `---` the arguments of a call. What a profile says that loads
//! holds for every credential and every argument: hosts, paths, query keys, sound JSON.

#![no_main]

use std::path::Path;
use std::sync::{Arc, LazyLock};

use http::HeaderValue;
use libfuzzer_sys::fuzz_target;
use locum::catalog::{Catalog, Entry};
use locum::domain::call::{Arguments, AuthorizedCall};
use locum::domain::credential::{CredentialVersionId, OpenedCredential, ProfileKey};
use locum::domain::destination::Destinations;
use locum::domain::origin::{Origin, RequestId};
use locum::domain::provider::{LoginBody, Provider, Upstream, Way};
use locum::domain::steps::{Action, ITEM, StepRequest};
use locum::domain::tool::{PathSegment, RequestTemplate, Run};
use locum::token::{Login, LoginError, LoginSite, fuzzing as token};
use locum::upstream::{Asked, Rest, UpstreamError};
use locum_fuzz::{check_complaint, clock, is_json, net, parts, principal, tenant};
use percent_encoding::percent_decode_str;
use secrecy::SecretString;
use serde_json::Value;
use url::{Url, form_urlencoded};
use uuid::Uuid;

/// What every field of a credential holds: characters that mean something elsewhere.
const FIELD: &str = r#"../a"b\c?d#e&f={g}%00"#;

static LOGIN: LazyLock<Login> = LazyLock::new(|| Login::new(net(), clock()));

static REST: LazyLock<Rest> = LazyLock::new(|| Rest::new(net(), 1 << 20, clock()));

fuzz_target!(|data: &[u8]| {
    let (profile, arguments) = parts(data, b"\n---\n");
    let Ok(text) = str::from_utf8(profile) else {
        return;
    };
    let mut catalog = Catalog::default();
    if let Err(complaint) = catalog.add(Path::new("p.toml"), text, &Destinations::default()) {
        return check_complaint(&complaint, text);
    }
    let provider = catalog.providers().next().expect("the one that was added");
    check_provider(provider);
    let arguments = serde_json::from_slice::<Arguments>(arguments).unwrap_or_default();
    for entry in catalog.tools() {
        check_tool(entry);
        check_call(entry, provider, arguments.clone());
    }
});

fn check_provider(provider: &std::sync::Arc<Provider>) {
    assert!(provider.login.flow(None).is_some(), "a default flow");
    assert!(
        provider
            .errors
            .hints
            .keys()
            .all(|status| (400..600).contains(status))
    );
    let frame = &provider.result;
    assert!(
        is_json(format!("{}null{}", frame.before, frame.after).as_bytes()),
        "a frame"
    );
    for (environment, upstream) in &provider.environments {
        let base = &upstream.base_url;
        assert_eq!(
            Destinations::default().check_base(base),
            Ok(()),
            "{environment}"
        );
        for flow in provider.login.flows.values() {
            let site = LoginSite {
                provider: provider.clone(),
                base_url: base.clone(),
            };
            let Ok((url, kind, body)) = log_in(&site, &flow.name) else {
                continue;
            };
            assert_eq!(url.origin(), base.origin(), "secrets go to the provider");
            assert!(url.query().is_none() && url.fragment().is_none(), "{url}");
            check_login_body(kind.as_ref(), &body, &flow.way);
        }
    }
}

/// The body is what its type says, and no value of a credential adds to it.
fn check_login_body(kind: Option<&HeaderValue>, body: &[u8], way: &Way) {
    let shown = || String::from_utf8_lossy(body);
    let sent = match way {
        Way::Login(login) => &login.first.request.body,
        Way::Key { .. } => &LoginBody::Nothing,
    };
    match sent {
        LoginBody::Nothing => assert!(kind.is_none() && body.is_empty(), "{}", shown()),
        LoginBody::Json(_) => assert!(is_json(body), "{}", shown()),
        LoginBody::Form(pairs) => {
            let known = |name: &str| pairs.iter().any(|(known, _)| known == name);
            let sent: Vec<_> = form_urlencoded::parse(body).collect();
            assert!(sent.len() <= pairs.len(), "{}", shown());
            assert!(sent.iter().all(|(name, _)| known(name)), "{}", shown());
        }
    }
}

type Sent = (Url, Option<HeaderValue>, Vec<u8>);

fn log_in(site: &LoginSite, flow: &str) -> Result<Sent, LoginError> {
    let field = |name: &String| (name.clone(), SecretString::from(FIELD));
    let credential = OpenedCredential {
        id: CredentialVersionId(Uuid::from_u128(2)),
        key: Arc::new(ProfileKey {
            tenant: tenant(),
            provider: site.provider.name.clone(),
        }),
        flow: Some(flow.to_owned()),
        fields: site.provider.credential.fields.keys().map(field).collect(),
    };
    token::request(&LOGIN, site, &credential)
}

fn check_tool(entry: &Entry) {
    let tool = &entry.tool;
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    let name = tool.name.as_str();
    assert!(
        (1..=128).contains(&name.len()) && name.chars().all(allowed),
        "{name}"
    );
    assert!(!tool.description.is_empty());
    assert!(!(tool.annotations.read_only && tool.annotations.destructive));
    assert_eq!(tool.input_schema["type"], "object");
}

fn check_call(entry: &Entry, provider: &Provider, arguments: Arguments) {
    let arguments = match entry.schema.check(arguments) {
        Ok(arguments) => arguments,
        Err(mistakes) => return assert!((1..=5).contains(&mistakes.0.len()), "{mistakes:?}"),
    };
    let (tenant, origin) = (tenant(), Origin::new(RequestId::default()));
    let principal = principal(&tenant);
    let call =
        AuthorizedCall::authorize(&principal, (&tenant, None), &entry.tool, arguments, &origin);
    let call = call.unwrap_or_else(|denied| panic!("{denied}"));
    for upstream in provider.environments.values() {
        match &entry.tool.run {
            Run::Request(only) => check_request(&only.request, call.arguments(), upstream),
            Run::Steps(plan) => {
                for step in &plan.steps {
                    if let Action::Request(request) = &step.action {
                        let arguments = with_own(request, call.arguments());
                        check_request(&request.exchange.request, &arguments, upstream);
                    }
                }
            }
        }
    }
}

/// The values that a step's request has, whatever its programs come to.
fn with_own(request: &StepRequest, arguments: &Arguments) -> Arguments {
    let own = request.with.iter().map(|(name, _)| name.as_str());
    let own = own
        .chain([ITEM])
        .map(|name| (name.to_owned(), FIELD.into()));
    let mut all = arguments.clone();
    all.extend(own);
    all
}

fn check_request(template: &RequestTemplate, arguments: &Arguments, upstream: &Upstream) {
    let asked = Asked::new(template, arguments);
    let request = match REST.form(&asked, &upstream.base_url) {
        Ok(request) => request,
        Err(UpstreamError::TooLong | UpstreamError::PathArgument(_) | UpstreamError::Header(_)) => {
            return;
        }
        Err(other) => panic!("nothing was sent: {other}"),
    };
    check_url(request.url(), &upstream.base_url, template, arguments);
    assert!(request.body().is_none_or(is_json), "a body");
}

/// No argument changes the shape of a request.
fn check_url(url: &Url, base: &Url, template: &RequestTemplate, arguments: &Arguments) {
    assert_eq!(url.origin(), base.origin());
    assert!(
        url.fragment().is_none() && url.username().is_empty(),
        "{url}"
    );
    assert!(url.as_str().len() <= 8000, "{}", url.as_str().len());
    let keys: Vec<&str> = template
        .query
        .iter()
        .map(|rule| rule.name.as_str())
        .collect();
    assert!(
        url.query_pairs().all(|(key, _)| keys.contains(&&*key)),
        "{url}"
    );
    assert!(url.query_pairs().count() <= keys.len(), "{url}");
    let prefix = base.path().trim_end_matches('/');
    let path = url.path().strip_prefix(prefix).expect("the base's path");
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    assert_eq!(segments.len(), template.path.len(), "{url}");
    for (segment, rule) in segments.iter().zip(&template.path) {
        match rule {
            PathSegment::Literal(text) => assert_eq!(segment, text),
            PathSegment::Argument(name) => {
                let text = percent_decode_str(segment).decode_utf8().expect("a text");
                match &arguments[name.as_str()] {
                    Value::String(given) => assert_eq!(text, *given),
                    other => assert_eq!(text, other.to_string()),
                }
            }
        }
    }
}
