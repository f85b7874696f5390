//! What a document says about the provider: its servers and its access.

mod documents;
mod operations;
mod schemas;

use super::*;

/// A document with these paths and components.
fn document(rest: &str) -> String {
    format!(
        "openapi: 3.0.3\ninfo: {{title: Clinic, version: '1'}}\n\
         servers: [{{url: https://api.clinic.example/v1}}]\n{rest}"
    )
}

fn made(text: &str) -> Import {
    import((Path::new("clinic.yaml"), text), &Choice::default(), None).unwrap()
}

fn refused(text: &str) -> String {
    let made = import((Path::new("clinic.yaml"), text), &Choice::default(), None);
    made.unwrap_err().to_string()
}

/// The lines of the one tool's schema of this property of the body.
fn body_schema(schemas: &str) -> Import {
    made(&document(&format!(
        "paths: {{/a: {{post: {{requestBody: {{content: {{application/json: {{schema: \
         {{$ref: '#/components/schemas/A'}}}}}}}}}}}}}}\ncomponents: {{schemas: {schemas}}}"
    )))
}

#[track_caller]
fn assert_has(import: &Import, line: &str) {
    let profile = &import.profile;
    assert!(profile.lines().any(|own| own == line), "{line}\n{profile}");
}

#[test]
fn security_schemes_become_fields_headers_and_what_is_to_be_completed() {
    let with = |scheme: &str| {
        made(&document(&format!(
            "paths: {{}}\ncomponents: {{securitySchemes: {{s: {scheme}}}}}"
        )))
    };
    let oauth = with("{type: oauth2, flows: {clientCredentials: {tokenUrl: /v1/oauth/token}}}");
    assert_has(&oauth, "path = \"/oauth/token\"");
    assert_has(&oauth, "form = { grant_type = \"client_credentials\" }");
    assert_has(
        &oauth,
        "basic = { user = \"{client_id}\", password = \"{client_secret}\", form_encoded = true }",
    );
    let key = with("{type: apiKey, in: header, name: X-Api-Key}");
    assert_has(&key, "[credential.fields.x_api_key]");
    assert_has(&key, "value = \"{x_api_key}\"");
    assert_has(&key, "[login.flows.main]");
    assert!(!key.profile.contains("[login.flows.main.request]"));
    let basic = with("{type: http, scheme: basic}");
    assert_has(
        &basic,
        "basic = { user = \"{user}\", password = \"{password}\" }",
    );
    let query = with("{type: apiKey, in: query, name: key}");
    assert!(
        query
            .profile
            .contains("# COMPLETE: the key `key` goes into the query of requests")
    );
}

#[test]
fn servers_become_environments_that_load() {
    let made = made(
        "openapi: 3.1.0\ninfo: {title: A}\npaths: {}\nservers:\n- {url: 'http://api.clinic.example'}\n\
         - {url: '/v2', description: Relative}\n- {url: 'https://{h}.example', description: the Dev one, variables: {h: {default: x}}}\n",
    );
    assert_has(&made, "base_url = \"https://api.clinic.example/\"");
    assert_has(&made, "[environments.prod-2]");
    assert_has(&made, "base_url = \"https://api.example/v2\"");
    assert_has(&made, "[environments.dev]");
    assert_has(&made, "base_url = \"https://x.example/\"");
}
