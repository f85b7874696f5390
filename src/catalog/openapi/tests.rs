//! What operations become, what they cannot become, and documents that mean harm.

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
fn schemas_of_3_0_become_json_schema_2020_12() {
    for (schema, line) in [
        (
            "{type: integer, minimum: 0, exclusiveMinimum: true}",
            "{ type = \"integer\", exclusiveMinimum = 0 }",
        ),
        (
            "{type: number, maximum: 2.5, exclusiveMaximum: false}",
            "{ type = \"number\", maximum = 2.5 }",
        ),
        (
            "{type: string, nullable: true}",
            "{ type = [\"string\", \"null\"] }",
        ),
        (
            "{type: string, nullable: true, enum: [a, null]}",
            "{ anyOf = [{ type = \"string\", enum = [\"a\"] }, { type = \"null\" }] }",
        ),
        (
            "{type: string, example: 2026-01-02, xml: {name: x}}",
            "{ type = \"string\", description = \"Example: 2026-01-02\" }",
        ),
        (
            "{oneOf: [{type: string}, {type: integer}]}",
            "{ anyOf = [{ type = \"string\" }, { type = \"integer\" }] }",
        ),
        (
            "{type: string, description: \"a\\n  b\\u0007 c\", minLength: x}",
            "{ type = \"string\", description = \"a b c\" }",
        ),
    ] {
        let made = body_schema(&format!("{{A: {{properties: {{p: {schema}}}}}}}"));
        let (profile, line) = (&made.profile, format!("p = {line}"));
        assert!(profile.contains(&line), "{line}\n{profile}");
    }
}

#[test]
fn what_the_upstream_alone_sets_is_no_argument() {
    let made = body_schema(
        "{A: {required: [id, n], properties: {id: {readOnly: true}, n: {type: integer}}}}",
    );
    assert_has(
        &made,
        "body = { type = \"object\", required = [\"n\"], properties = { n = { type = \"integer\" } } }",
    );
}

#[test]
fn a_circle_ends_in_a_plain_value_with_a_note() {
    let made =
        body_schema("{A: {type: object, properties: {child: {$ref: '#/components/schemas/A'}}}}");
    assert_has(
        &made,
        "body = { type = \"object\", properties = { child = { type = \"object\" } } }",
    );
    assert_has(
        &made,
        "# Note: `A` refers to itself; in there it is a plain value.",
    );
    let made =
        body_schema("{A: {$ref: '#/components/schemas/B'}, B: {$ref: '#/components/schemas/A'}}");
    assert_eq!(made.left_out[0].reason, "its references lead in a circle");
}

#[test]
fn a_pattern_of_another_dialect_is_left_out_with_a_note() {
    let made = body_schema("{A: {type: string, pattern: '^[a'}}");
    assert_has(&made, "body = { type = \"string\" }");
    assert_has(
        &made,
        "# Note: without patterns: one is no regular expression here.",
    );
}

#[test]
fn methods_make_annotations_and_names_are_given_once() {
    let made = made(&document(
        "paths:\n  /pets/{petId}:\n    get: {operationId: showPet}\n    put: {operationId: show-pet}\n    delete: {}\n    head: {}\n",
    ));
    let names: Vec<&str> = made.tools.iter().map(|tool| tool.tool.as_str()).collect();
    assert_eq!(names, ["show_pet", "show_pet_2", "delete_pets_pet_id"]);
    assert_has(&made, "annotations = { read_only = true }");
    assert_has(
        &made,
        "annotations = { read_only = false, idempotent = true }",
    );
    assert_has(
        &made,
        "annotations = { read_only = false, destructive = true, idempotent = true }",
    );
    assert_eq!(
        made.left_out[0].reason,
        "a profile sends GET, POST, PUT, PATCH and DELETE"
    );
    assert_eq!(made.left_out[0].line, 9);
}

#[test]
fn parameters_find_their_places() {
    let made = made(&document(
        "paths:\n  /pets/{petId}.json?full=true:\n    get:\n      parameters:\n\
         \x20     - {name: petId, in: path, required: true, schema: {type: string}}\n\
         \x20     - {name: pageNo, in: query, schema: {type: integer}}\n\
         \x20     - {name: tags, in: query, explode: false, schema: {type: array, items: {type: string}}}\n\
         \x20     - {name: ids, in: query, schema: {type: array, items: {type: string}}}\n\
         \x20     - {name: X-Site, in: header, schema: {type: string}}\n\
         \x20     - {name: Authorization, in: header, required: true}\n\
         \x20     - {name: sid, in: cookie}\n",
    ));
    for line in [
        "path = \"/pets/{segment}\"",
        "segment = \"\\\"\\\\($args.pet_id).json\\\"\"",
        "  { name = \"pageNo\", value = \"{page_no}\", always = true },",
        "  { name = \"tags\", value = \"{tags_text}\" },",
        "  { name = \"ids\", value = \"{ids}\" },",
        "  { name = \"full\", value = \"true\" },",
        "X-Site = \"{x_site}\"",
        "# Note: `ids` takes one value: a query key that repeats cannot be sent.",
        "# Note: without the parameter `sid`: a profile sends no cookies.",
    ] {
        assert_has(&made, line);
    }
}

#[test]
fn what_a_profile_cannot_say_is_left_out_with_its_line() {
    for (operation, reason) in [
        (
            "post: {requestBody: {content: {multipart/form-data: {}}}}",
            "its body is multipart/form-data; a profile sends JSON",
        ),
        (
            "get: {parameters: [{name: c, in: cookie, required: true}]}",
            "its parameter `c`: a profile sends no cookies",
        ),
        (
            "get: {parameters: [{$ref: 'other.yaml#/a'}]}",
            "`other.yaml#/a` is in another document; only local references (#/…) are followed, so bundle the files first",
        ),
        (
            "get: {parameters: [{$ref: '#/a/b'}]}",
            "`#/a/b` leads nowhere",
        ),
        (
            "get: {servers: [{url: https://other.example}]}",
            "it has a server of its own, `https://other.example`; a profile has one",
        ),
        (
            "get: {parameters: [{name: f, in: query, required: true, schema: {type: object}}]}",
            "its parameter `f`: an object has no text in a request",
        ),
    ] {
        let made = made(&document(&format!("paths:\n  /a:\n    {operation}\n")));
        let left = &made.left_out[0];
        assert_eq!(
            (left.reason.as_str(), left.line),
            (reason, 6),
            "{operation}"
        );
    }
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
    assert_has(
        &oauth,
        "json = { grant_type = \"client_credentials\", client_id = \"{client_id}\", client_secret = \"{client_secret}\" }",
    );
    let key = with("{type: apiKey, in: header, name: X-Api-Key}");
    assert_has(&key, "[credential.fields.x_api_key]");
    assert_has(&key, "value = \"{x_api_key}\"");
    assert!(key.profile.contains("# COMPLETE: a profile logs in before"));
    let basic = with("{type: http, scheme: basic}");
    assert_has(&basic, "value = \"Basic {basic}\"");
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

#[test]
fn json_says_the_same_as_yaml() {
    let yaml = document("paths: {/a: {get: {summary: \"\u{1f600} \\\"b\\\"\"}}}");
    let json = r#"{"openapi": "3.0.3", "info": {"title": "Clinic", "version": "1"},
        "servers": [{"url": "https://api.clinic.example/v1"}],
        "paths": {"/a": {"get": {"summary": "\ud83d\ude00 \"b\""}}}}"#;
    let tools = |text: &str| {
        let made = made(text);
        let lines = made
            .profile
            .lines()
            .filter(|line| !line.starts_with("# GET"));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(tools(&yaml), tools(json));
    assert_eq!(made(json).tools[0].line, 3);
}

#[test]
fn what_is_no_document_is_told_its_line_and_what_was_expected() {
    for (text, complaint) in [
        (
            "",
            "clinic.yaml:1: expected an OpenAPI document; the file is empty",
        ),
        (
            "a: 1\nswagger: '2.0'",
            "clinic.yaml:2: expected `openapi: 3.0.x` or `3.1.x`; this is Swagger 2.0; convert it to OpenAPI 3 first",
        ),
        (
            "openapi: 3.2.0",
            "clinic.yaml:1: expected `openapi: 3.0.x` or `3.1.x`; found `3.2.0`",
        ),
        (
            "openapi: 3.0.0\npaths: []",
            "clinic.yaml:2: `paths`: expected a table of paths",
        ),
        (
            "openapi: 3.0.0\n---\na: 1",
            "clinic.yaml:2: expected one document; a second one begins here",
        ),
        (
            "{\"openapi\": \"3.0.0\",\n}",
            "clinic.yaml:2: expected JSON: key must be a string at line 2 column 1",
        ),
        (
            "openapi: 3.0.0\ninfo: {title: 診療所}",
            "`info.title` makes no name for the provider; say --name",
        ),
    ] {
        assert_eq!(refused(text), complaint);
    }
    let complaint = refused("openapi: 3.0.0\na: [b\nc: d");
    assert!(
        complaint.starts_with("clinic.yaml:") && complaint.contains("expected YAML"),
        "{complaint}"
    );
}

#[test]
fn a_document_that_means_harm_is_refused_or_cut() {
    for deep in ["[".repeat(5000), format!("{{\"a\": {}", "[".repeat(5000))] {
        refused(&deep);
    }
    let nested = format!("{{\"a\": {}{}}}", "[".repeat(5000), "]".repeat(5000));
    assert_eq!(refused(&nested), "clinic.yaml:1: nested more than 100 deep");
    // Aliases double what they name: 2^40 values, were they copied.
    let mut doubling = "s0: &s0 {type: object}\n".to_owned();
    for at in 1..40 {
        let one = at - 1;
        doubling.push_str(&format!(
            "s{at}: &s{at} {{properties: {{l: *s{one}, r: *s{one}}}}}\n"
        ));
    }
    let operation =
        "paths: {/a: {post: {requestBody: {content: {application/json: {schema: *s39}}}}}}\n";
    let bomb = made(&document(&format!("{doubling}{operation}")));
    assert!(bomb.profile.len() < 1_000_000, "{}", bomb.profile.len());
    assert_has(
        &bomb,
        "# Note: schemas that are too large or too deep are cut to plain values.",
    );
    // A chain of aliases is as deep as what it leads to.
    let mut chain = "s0: &s0 [1]\n".to_owned();
    for at in 1..200 {
        chain.push_str(&format!("s{at}: &s{at} [*s{}]\n", at - 1));
    }
    assert!(refused(&chain).ends_with("nested more than 100 deep"));
}
