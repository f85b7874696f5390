//! Mistakes of profiles that types alone let pass.

use super::*;

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
