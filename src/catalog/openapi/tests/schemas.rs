//! Schemas: what each keyword becomes, and where they end.

use super::*;

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
        (
            "{type: array, prefixItems: [{type: string}], items: false}",
            "{ type = \"array\" }",
        ),
        (
            "{type: object, patternProperties: {a: {}}, additionalProperties: false}",
            "{ type = \"object\" }",
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
fn where_properties_are_cut_others_are_not_forbidden() {
    let schema = |count: usize| {
        let properties: Vec<String> = (0..count).map(|at| format!("p{at}: {{}}")).collect();
        let properties = properties.join(", ");
        body_schema(&format!(
            "{{A: {{additionalProperties: false, properties: {{{properties}}}}}}}"
        ))
    };
    let forbidden = |made: &Import| made.profile.matches("additionalProperties = false").count();
    assert_eq!(forbidden(&schema(1000)), 2, "the tool's own and the body's");
    assert_eq!(forbidden(&schema(1001)), 1);
}
