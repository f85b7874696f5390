//! Operations: names, parameters, bodies, and what is left out.

use super::*;

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
            "get: {$ref: other.yaml}",
            "`other.yaml` is in another document; only local references (#/…) are followed, so bundle the files first",
        ),
        (
            "get: {parameters: [{name: m, in: path, style: matrix}]}",
            "its parameter `m`: a value in this style cannot be sent",
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
fn json_under_a_name_of_its_own_is_sent_and_accepted_under_it() {
    let with = |body: &str, answer: &str| {
        made(&document(&format!(
            "paths: {{/a: {{post: {{requestBody: {{content: {{{body}: {{}}}}}}, \
             responses: {{'200': {{content: {{{answer}: {{}}}}}}}}}}}}}}"
        )))
    };
    let fhir = with(
        "application/fhir+json; version=4",
        "application/vnd.api+json",
    );
    assert_has(&fhir, "Content-Type = \"application/fhir+json\"");
    assert_has(&fhir, "Accept = \"application/vnd.api+json\"");
    assert!(!fhir.profile.contains("kind ="), "{}", fhir.profile);
    let usual = with("application/json", "application/json; charset=utf-8");
    assert!(!usual.profile.contains("[tools.request.headers]"));
    let lines = with("'*/*'", "application/x-ndjson");
    assert_has(&lines, "Accept = \"application/x-ndjson\"");
    assert_has(&lines, "kind = \"text\"");
    assert_has(&with("application/json", "image/png"), "kind = \"bytes\"");
}

#[test]
fn what_is_sent_without_an_argument_is_none() {
    let made = made(&document(
        "paths:\n  /a#one:\n    get:\n      parameters:\n\
         \x20     - {name: X-Request-ID, in: header, required: true}\n\
         \x20     requestBody: {content: {application/x-www-form-urlencoded: {}}}\n",
    ));
    assert_has(&made, "path = \"/a\"");
    assert_has(
        &made,
        "# Note: without a body: its body is application/x-www-form-urlencoded; a profile sends JSON.",
    );
    assert!(!made.profile.contains("[tools.input"), "{}", made.profile);
}

#[test]
fn a_word_that_names_nothing_is_told_what_could_not_be_read() {
    let text = document("paths: {/a: {$ref: other.yaml}}");
    let choice = Choice {
        tags: vec!["a".to_owned()],
        ..Choice::default()
    };
    let unmatched = import((Path::new("clinic.yaml"), &text), &choice, None).unwrap_err();
    assert_eq!(
        unmatched.to_string(),
        "no operation has the tag `a`; 1 cannot be read: line 4: `other.yaml` is in another \
         document; only local references (#/…) are followed, so bundle the files first"
    );
}
