//! Mistakes of profiles that types alone let pass.

use super::*;
use crate::domain::tool::Run;

const PROFILE: &str = r#"
format = 1
name = "acme"
title = "Acme"
environments.dev.base_url = "https://api.example"
credential.fields.id = { description = "Id" }
login.default = "only"

[login.flows.only]
request = { method = "POST", path = "/login", json = { id = "{id}" } }
response = { access_token = "/token" }

[result]
success = { data = "{data}", since = "SINCE" }

[[tools]]
name = "read"
description = "Reads."
annotations = { read_only = true }
input = { type = "object", properties = { day = { default = "DAY" } } }
request = { method = "GET", path = "/" }
response = { empty = ["NOTHING"] }
"#;

/// The profile with this instead of the request.
fn load(steps: &str) -> Result<Catalog, String> {
    let request =
        "request = { method = \"GET\", path = \"/\" }\nresponse = { empty = [\"NOTHING\"] }\n";
    let text = PROFILE.replace(request, steps);
    assert_ne!(text, PROFILE);
    let (mut catalog, anywhere) = (Catalog::default(), Destinations::default());
    match catalog.add(Path::new("acme.toml"), &text, &anywhere) {
        Ok(()) => Ok(catalog),
        Err(complaint) => Err(complaint.to_string()),
    }
}

const GET: &str = "request = { method = \"GET\", path = \"/\" }";

#[test]
fn an_output_that_only_chooses_of_one_answer_is_made_of_its_text() {
    let with = |output: &str| format!("output = '{output}'\n{GET}");
    let step = |what: &str| format!("output = '{{a, b}}'\n[[tools.steps]]\nname = \"a\"\n{what}\n");
    for (tool, at_once) in [
        (with("{a, b: map(.c)}"), true),
        (with("sort_by(.a)"), false),
        (step(GET), true),
        (step("value = '1'"), false),
        (step(&format!("when = '$args.day'\n{GET}")), false),
        (step(&format!("for_each = '[1]'\n{GET}")), false),
        (
            step(&format!("{GET}\n[[tools.steps]]\nname = \"b\"\n{GET}")),
            false,
        ),
    ] {
        let catalog = load(&tool).unwrap();
        let Run::Steps(plan) = &catalog.tool("read").unwrap().tool.run else {
            panic!("no steps: {tool}");
        };
        assert_eq!(plan.reshaped().is_some(), at_once, "{tool}");
    }
}

#[test]
fn steps_are_put_into_rounds() {
    let step = |name: &str, what: &str| format!("[[tools.steps]]\nname = \"{name}\"\n{what}\n");
    let steps = [
        step("a", GET),
        step("b", &format!("when = '$args.day'\n{GET}")),
        step("c", "value = '$steps.a'"),
        step("d", &format!("for_each = '$steps.c'\n{GET}")),
        step("e", "value = '1'"),
        step("end", "when = '$steps.b'\nreturn = \"error\"\nvalue = '2'"),
        step("f", GET),
        step("write", "request = { method = \"POST\", path = \"/\" }"),
        step("g", "value = '$steps.a'"),
    ];
    let catalog = load(&steps.concat()).unwrap();
    let Run::Steps(plan) = &catalog.tool("read").unwrap().tool.run else {
        panic!("steps")
    };
    let rounds: [&[usize]; 7] = [&[0, 1, 4], &[2], &[3], &[5], &[6], &[7], &[8]];
    assert_eq!(plan.rounds, rounds);
}

#[test]
fn two_round_trips_are_enough_for_a_patient_with_appointments() {
    let catalog = Catalog::load(Path::new("none"), false, &Overrides::default()).unwrap();
    let tool = &catalog
        .tool("get_comprehensive_patient_profile")
        .unwrap()
        .tool;
    let Run::Steps(plan) = &tool.run else {
        panic!("steps")
    };
    // Patient and appointments; which doctors and clinics; those; the answer.
    let rounds: [&[usize]; 4] = [&[0, 1], &[2], &[3, 4], &[5]];
    assert_eq!(plan.rounds, rounds);
}

#[test]
fn a_mistake_in_a_step_has_its_place() {
    for (steps, complaint) in [
        (
            "",
            "acme.toml:16: tools[0]: a tool has a `request` or `steps`",
        ),
        (
            "[[tools.steps]]\nname = 'a'",
            "acme.toml:21: tools[0].steps[0]: a step has a `request` or a `value`",
        ),
        (
            "[[tools.steps]]\nname = 'a'\nvalue = '.x | mpa(.)'",
            "acme.toml:23:15: tools[0].steps[0].value: jq: there is no function `mpa` here; did you mean `map`?",
        ),
        (
            "[[tools.steps]]\nname = 'ab'\nvalue = '1'\n[[tools.steps]]\nname = 'c'\nwhen = '''\n$steps.ac'''\nvalue = '1'",
            "acme.toml:27:8: tools[0].steps[1].when: there is no step `ac` before this; did you mean `ab`?",
        ),
        (
            "[[tools.steps]]\nname = 'A'\nvalue = '1'",
            "acme.toml:22: tools[0].steps[0].name: `{A}` is not a name: a-z, 0-9 and _ are, starting with a letter",
        ),
        (
            "[[tools.steps]]\nname = 'a'\nvalue = '1'\non_error = 'null'",
            "acme.toml:24: tools[0].steps[0].on_error: only for requests; a value uses try … catch …",
        ),
        (
            "response = { kind = 'text' }\n[[tools.steps]]\nname = 'a'\nvalue = '1'",
            "acme.toml:21: tools[0].response: only for the tool's `request`; a step has its own",
        ),
        (
            "[[tools.steps]]\nname = 'a'\nvalue = '1'\nresponse = { kind = 'text' }",
            "acme.toml:24: tools[0].steps[0].response: only for requests",
        ),
        (
            "[[tools.steps]]\nname = 'a'\nvalue = '1'\nhints = { 404 = 'm' }",
            "acme.toml:24: tools[0].steps[0].hints: only for requests",
        ),
        (
            "[[tools.steps]]\nname = 'a'\nvalue = '1'\nfor_each = '[1]'",
            "acme.toml:24: tools[0].steps[0].for_each: only for requests; a value uses map(…)",
        ),
        (
            "[[tools.steps]]\nname = 'a'\nreturn = 'success'\nrequest = { method = \"GET\", path = \"/\" }",
            "acme.toml:23: tools[0].steps[0].return: only for steps with a `value`",
        ),
        (
            "[[tools.steps]]\nname = 'a'\nfor_each = '[1]'\nrequest = { method = \"GET\", path = \"/{item}\", with = { item = '1' } }",
            "acme.toml:24: tools[0].steps[0].request.with.item: `item` is the item of `for_each`; take another name",
        ),
        (
            "[[tools.steps]]\nname = 'a'\nhints = { 200 = 'm' }\nrequest = { method = \"GET\", path = \"/\" }",
            "acme.toml:23: tools[0].steps[0].hints.200: a hint belongs to a status 400 to 599",
        ),
        (
            "output = '.a'\nrequest = { method = \"GET\", path = \"/{item}\" }",
            "acme.toml:22: tools[0].request.path: `{item}` names nothing here; known here: day",
        ),
        (
            "request = { method = \"GET\", path = \"/\", with = { x = '$args.' } }",
            "acme.toml:21:61: tools[0].request.with.x: jq: expected key, found the end",
        ),
        (
            "checks = [{ require = 'true and', message = 'm' }]\nrequest = { method = \"GET\", path = \"/\" }",
            "acme.toml:21:32: tools[0].checks[0].require: jq: expected term, found the end",
        ),
    ] {
        let error = load(steps).err().unwrap_or_default();
        assert_eq!(error, complaint, "{steps}");
    }
}

#[test]
fn programs_may_call_what_the_profile_defines_however_that_is_written() {
    let load = |definitions: &str, program: &str| {
        let definitions = format!("definitions = '''\n{definitions}'''\nenvironments.");
        let text = PROFILE.replacen("environments.", &definitions, 1);
        let tool = format!("output = '{program}'\nresponse = {{ empty");
        let text = text.replace("response = { empty", &tool);
        let (mut catalog, anywhere) = (Catalog::default(), Destinations::default());
        let added = catalog.add(Path::new("acme.toml"), &text, &anywhere);
        added.map_err(|complaint| complaint.to_string())
    };
    let definitions =
        "def\nfirst_of: .[0];\n# def none: 1;\ndef named($x; f): def inner: f; inner + $x;";
    for program in ["first_of", "named(1; .a)"] {
        assert_eq!(load(definitions, program), Ok(()), "{program}");
    }
    for program in ["inner", "none"] {
        let error = load(definitions, program).unwrap_err();
        assert!(error.contains("there is no function"), "{error}");
    }
    // Those that a definition calls come with it, whatever stands between them.
    let chain = "# def a: 0;\ndef a: 1; # def x\ndef # of b\nb: a; def c: b; def d: 2;";
    for program in ["c", "b + d", "[a, d]"] {
        assert_eq!(load(chain, program), Ok(()), "{program}");
    }
    let error = load("def a: b;", ".").unwrap_err();
    assert_eq!(
        error,
        "acme.toml:6:8: definitions: jq: there is no function `b` here"
    );
}

#[test]
fn a_date_is_no_json() {
    let load = |text: &str| {
        let (path, anywhere) = (Path::new("acme.toml"), Destinations::default());
        Catalog::default().add(path, text, &anywhere)
    };
    load(PROFILE).unwrap();
    for (word, place) in [
        ("SINCE", "acme.toml:14: result.success"),
        ("DAY", "acme.toml:20: tools[0].input"),
        ("NOTHING", "acme.toml:22: tools[0].response.empty"),
    ] {
        let dated = PROFILE.replace(&format!("\"{word}\""), "1979-05-27");
        let expected = format!("{place}: JSON has no dates and times; write it as a string");
        assert_eq!(load(&dated).unwrap_err().to_string(), expected);
    }
}

#[test]
fn what_is_kept_and_forgotten_goes_with_the_tool() {
    let tool = |keys: &str| {
        let text = PROFILE.replace("annotations = { read_only = true }\n", keys);
        let (mut catalog, anywhere) = (Catalog::default(), Destinations::default());
        let added = catalog.add(Path::new("acme.toml"), &text, &anywhere);
        added.map_err(|complaint| complaint.to_string())
    };
    let (read, write) = (
        "annotations = { read_only = true }\n",
        "annotations = { read_only = false }\n",
    );
    for keys in ["cache = \"10m\"", "cache = \"1m\"\nforgets = [\"read\"]"] {
        tool(&[read, keys, "\n"].concat()).unwrap();
    }
    for keys in [
        "window = \"1h\"",
        "key = [\"/day\", \"/day/of/0\"], window = \"1s\"",
    ] {
        tool(&format!("{write}idempotency = {{ {keys} }}\n")).unwrap();
    }
    for (kind, keys, complaint) in [
        (read, "cache = \"11m\"", "cache: at most 10m"),
        (read, "cache = \"0s\"", "cache: at least 1ms"),
        (
            read,
            "cache = \"soon\"",
            "cache: a duration is a whole number",
        ),
        (write, "cache = \"1m\"", "cache: only for tools that read"),
        (
            read,
            "idempotency = { window = \"1m\" }",
            "idempotency: only for tools that write",
        ),
        (
            write,
            "idempotency = { window = \"2h\" }",
            "idempotency.window: at most 60m",
        ),
        (
            write,
            "idempotency = { key = [\"/days\"], window = \"1m\" }",
            "idempotency.key[0]: `days` is no argument of this tool; did you mean `day`?",
        ),
        (
            write,
            "idempotency = { key = [\"day\"], window = \"1m\" }",
            "idempotency.key[0]: a JSON pointer to an argument",
        ),
        (
            write,
            "forgets = [\"read\"]",
            "forgets[0]: no tool `read` here has `idempotency` or `cache`",
        ),
    ] {
        let said = tool(&format!("{kind}{keys}\n")).unwrap_err();
        assert!(said.contains(&format!("tools[0].{complaint}")), "{said}");
    }
}

/// The profile with this instead of its login.
fn with_login(login: &str) -> String {
    let (head, rest) = PROFILE.split_once("[login.flows.only]\n").unwrap();
    let (_, tail) = rest.split_once("[result]").unwrap();
    let text = format!("{head}[login.flows.only]\n{login}\n[result]{tail}");
    let (mut catalog, anywhere) = (Catalog::default(), Destinations::default());
    match catalog.add(Path::new("acme.toml"), &text, &anywhere) {
        Ok(()) => "loads".to_owned(),
        Err(complaint) => complaint.to_string(),
    }
}

#[test]
fn a_mistake_in_a_login_has_its_place() {
    let answer = "response = { access_token = \"/t\" }";
    let post = |more: &str| {
        format!("request = {{ method = \"POST\", path = \"/login\", {more} }}\n{answer}")
    };
    let header = |more: &str| format!("[[headers]]\nname = \"Authorization\"\n{more}");
    let field = header("value = \"Key {id}\"");
    for (login, complaint) in [
        (post("form = { a = \"{id}\", b = \"1\" }"), "loads"),
        (post("basic = { user = \"{id}\" }, form = {}"), "loads"),
        (
            format!("request = {{ method = \"GET\", path = \"/login\" }}\n{answer}"),
            "loads",
        ),
        (field.clone(), "loads"),
        (
            format!("probe = {{ method = \"GET\", path = \"/me\" }}\n{field}"),
            "loads",
        ),
        (
            header("basic = { user = \"{id}\", password = \"x\", form_encoded = true }"),
            "loads",
        ),
        (
            post("form = {}, json = {}"),
            "acme.toml:10: login.flows.only.request.form: either `json` or `form`",
        ),
        (
            post(""),
            "acme.toml:10: login.flows.only.request: `json` or `form` says what is sent; only a GET \
             has none",
        ),
        (
            post("form = { a = \"{ib}\" }"),
            "acme.toml:10: login.flows.only.request.form.a: `{ib}` names nothing here; did you mean \
             `id`?",
        ),
        (
            post("form = {}, basic = { user = \"{ib}\" }"),
            "acme.toml:10: login.flows.only.request.basic.user: `{ib}` names nothing here; did you \
             mean `id`?",
        ),
        (
            post("form = {}, headers = { authorization = \"{id}\" }, basic = { user = \"\" }"),
            "acme.toml:10: login.flows.only.request.basic: `headers` have an Authorization already",
        ),
        (
            post("form = { a = 1 }"),
            "acme.toml:10: invalid type: integer `1`, expected a string",
        ),
        (
            "request = { method = \"GET\", path = \"/login\" }".to_owned(),
            "acme.toml:9: login.flows.only: a `request` needs a `response`: where its answer holds \
             the token",
        ),
        (
            answer.to_owned(),
            "acme.toml:10: login.flows.only.response: only with a `request`; a flow without one is \
             a key that requests carry as it is",
        ),
        (
            format!(
                "{}\nprobe = {{ method = \"GET\", path = \"/me\" }}",
                post("form = {}")
            ),
            "acme.toml:12: login.flows.only.probe: only in a flow without a `request`: a login \
             shows that a credential is good",
        ),
        (
            format!("probe = {{ method = \"GET\", path = \"/me?x\" }}\n{field}"),
            "acme.toml:10: login.flows.only.probe.path: a probe path starts with / and is fixed",
        ),
        (
            String::new(),
            "acme.toml:9: login.flows.only: a flow without a `request` is a key that requests carry, \
             so one of `headers` has to have a credential field in it, and no {access_token}",
        ),
        (
            header("value = \"Bearer {access_token}\""),
            "acme.toml:12: headers[0].value: `{access_token}` names nothing here; known here: id",
        ),
        (
            header("basic = { user = \"{id}\" }\nvalue = \"{id}\""),
            "acme.toml:12: headers[0].basic: either `value` or `basic`",
        ),
        (
            header(""),
            "acme.toml:10: headers[0]: a header has a `value` or a `basic`",
        ),
    ] {
        assert_eq!(with_login(&login), complaint, "{login}");
    }
}
