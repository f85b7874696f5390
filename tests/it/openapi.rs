//! `locum catalog import-openapi` on the real program: what it writes, says and refuses.

mod called;

use crate::support::program::Program;

const CLINIC: &str = r##"openapi: 3.0.3
info: {title: Clinic APIs, version: "1"}
servers: [{url: https://api.clinic.example/v1}]
components:
  securitySchemes: {login: {type: http, scheme: bearer}}
  schemas:
    Visit:
      type: object
      required: [date]
      properties:
        date: {type: string, format: date, description: The day of the visit}
        note: {type: string, nullable: true}
paths:
  /visits:
    get:
      tags: [visits]
      operationId: listVisits
      summary: List visits
      parameters:
      - {name: patientId, in: query, required: true, schema: {type: string}}
    post:
      tags: [visits]
      operationId: createVisit
      requestBody:
        required: true
        content: {application/json: {schema: {$ref: "#/components/schemas/Visit"}}}
  /visits/{id}:
    delete: {operationId: deleteVisit, summary: Delete a visit}
  /scans:
    post:
      tags: [scans]
      operationId: uploadScan
      requestBody: {content: {multipart/form-data: {}}}
"##;

fn program() -> Program {
    let program = Program::empty();
    std::fs::write(program.path("clinic.yaml"), CLINIC).unwrap();
    program
}

const IMPORT: [&str; 3] = ["catalog", "import-openapi", "clinic.yaml"];

#[tokio::test(flavor = "multi_thread")]
async fn a_document_becomes_a_profile_that_check_accepts() {
    let program = program();
    let run = program
        .run(&[&IMPORT[..], &["--output", "clinic.toml"]].concat())
        .await;
    let said = String::from_utf8(run.stderr).unwrap();
    assert!(run.status.success() && run.stdout.is_empty(), "{said}");
    assert_eq!(
        said,
        "3 of 4 operations became tools of `clinic-apis`.\n\
         left out: clinic.yaml:33: POST /scans (uploadScan): its body is multipart/form-data; a profile sends JSON\n\
         Complete the lines that begin with `# COMPLETE`; then: locum catalog check FILE\n"
    );
    let checked = program.json(&["catalog", "check", "clinic.toml"]).await;
    assert_eq!(checked["items"][0]["provider"], "clinic-apis");
    assert_eq!(checked["items"][0]["tools"], 3);
    let text = std::fs::read_to_string(program.path("clinic.toml")).unwrap();
    let tools = text.split_once("\n# GET").unwrap().1;
    assert_eq!(tools, TOOLS);
    assert_eq!(
        program.ok(&IMPORT).await,
        text,
        "standard output has the same"
    );
    let (code, message) = program
        .fails(&[&IMPORT[..], &["--output", "clinic.toml"]].concat())
        .await;
    assert_eq!(
        (code, message.as_str()),
        (1, "locum: clinic.toml already exists; name another file\n")
    );
}

const TOOLS: &str = r##" /visits (listVisits), clinic.yaml:16
[[tools]]
name = "list_visits"
title = "List visits"
description = "List visits"
annotations = { read_only = true }

[tools.input]
type = "object"
required = ["patient_id"]
additionalProperties = false

[tools.input.properties]
patient_id = { type = "string" }

[tools.request]
method = "GET"
path = "/visits"
query = [{ name = "patientId", value = "{patient_id}" }]

# POST /visits (createVisit), clinic.yaml:22
[[tools]]
name = "create_visit"
title = "Create visit"
description = "Create visit"
annotations = { read_only = false }

[tools.input]
type = "object"
required = ["body"]
additionalProperties = false

[tools.input.properties.body]
type = "object"
required = ["date"]

[tools.input.properties.body.properties]
date = { type = "string", description = "The day of the visit", format = "date" }
note = { type = ["string", "null"] }

[tools.request]
method = "POST"
path = "/visits"
body = "{body}"

# DELETE /visits/{id} (deleteVisit), clinic.yaml:28
# Note: the file does not describe `id`, which is in the path.
[[tools]]
name = "delete_visit"
title = "Delete a visit"
description = "Delete a visit"
annotations = { read_only = false, destructive = true, idempotent = true }

[tools.input]
type = "object"
required = ["id"]
additionalProperties = false

[tools.input.properties]
id = { type = "string", minLength = 1 }

[tools.request]
method = "DELETE"
path = "/visits/{id}"
"##;

#[tokio::test(flavor = "multi_thread")]
async fn operations_are_chosen_by_tag_path_and_id() {
    let program = program();
    for (choice, names) in [
        (
            &["--tag", "visits"][..],
            &["list_visits", "create_visit"][..],
        ),
        (
            &["--path", "/visits"],
            &["list_visits", "create_visit", "delete_visit"],
        ),
        (&["--path", "/visits/{id}"], &["delete_visit"]),
        (
            &["--operation", "deleteVisit", "--operation", "listVisits"],
            &["list_visits", "delete_visit"],
        ),
    ] {
        let made = program
            .json(&[&IMPORT[..], choice, &["--name", "north"]].concat())
            .await;
        let tools = made["tools"].as_array().unwrap();
        let made_names: Vec<&str> = tools
            .iter()
            .map(|tool| tool["name"].as_str().unwrap())
            .collect();
        assert_eq!(made_names, names, "{choice:?}");
        assert_eq!(made["provider"], "north");
        assert_eq!(made["not_chosen"], 4 - names.len());
        assert!(
            made["profile"]
                .as_str()
                .unwrap()
                .contains("name = \"north\"")
        );
    }
    let (code, message) = program
        .fails(&[&IMPORT[..], &["--tag", "visit"]].concat())
        .await;
    assert_eq!(
        (code, message.as_str()),
        (
            1,
            "locum: no operation has the tag `visit`; did you mean `visits`?\n"
        )
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_makes_no_profile_writes_nothing() {
    let program = program();
    let nothing = [&IMPORT[..], &["--tag", "scans", "--output", "scans.toml"]].concat();
    let (code, message) = program.fails(&nothing).await;
    assert_eq!(code, 1);
    assert!(
        message.ends_with("locum: no operation became a tool, so nothing was written\n"),
        "{message}"
    );
    assert!(!program.path("scans.toml").exists());
    let program = &program;
    let import = async |file| program.fails(&[&IMPORT[..2], &[file]].concat()).await;
    std::fs::write(program.path("bad.yaml"), "openapi: 3.0.0\npaths: [\n").unwrap();
    let (code, message) = import("bad.yaml").await;
    assert!(
        code == 1 && message.starts_with("locum: bad.yaml:"),
        "{message}"
    );
    assert!(message.contains("expected YAML"), "{message}");
    std::fs::write(program.path("bad.json"), b"{\"openapi\": \"\xff\"}").unwrap();
    assert_eq!(
        import("bad.json").await,
        (1, "locum: bad.json: expected UTF-8\n".to_owned())
    );
    let webhooks = "openapi: 3.1.0\ninfo: {title: Hooks}\nwebhooks: {a: {post: {}}}\n";
    std::fs::write(program.path("hooks.yaml"), webhooks).unwrap();
    let (code, message) = import("hooks.yaml").await;
    let none = "locum: the file has no operations under `paths`, so nothing was written\n";
    assert!(code == 1 && message.ends_with(none), "{message}");
    let folder = [&IMPORT[..], &["--output", "none/clinic.toml"]].concat();
    assert_eq!(
        program.fails(&folder).await,
        (
            1,
            "locum: none/clinic.toml: there is no such folder; make it first\n".to_owned()
        )
    );
    let large = std::fs::File::create(program.path("large.json")).unwrap();
    large.set_len((32 << 20) + 1).unwrap();
    assert_eq!(
        import("large.json").await,
        (1, "locum: large.json: larger than 32 MiB\n".to_owned())
    );
    assert_eq!(import("none.yaml").await.0, 1);
}
