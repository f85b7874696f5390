//! Documents: both notations, what is no OpenAPI, and what means harm.

use super::*;

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
            "openapi: 3.0.0\npaths:\n  /a: {}\n  /a: {}",
            "clinic.yaml:4: the key `/a` is here twice",
        ),
        (
            "{\"openapi\": \"3.0.0\", \"paths\": {\n\"/a\": {},\n\"/a\": {}}}",
            "clinic.yaml:3: the key `/a` is here twice",
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
