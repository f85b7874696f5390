//! A profile in the built-in one's place.

const HEAD: &str = r#"
format = 1
name = "eka-care"
title = "Steps"

[environments.dev]
base_url = "https://api.dev.example"

[environments.prod]
base_url = "https://api.example"

[credential.fields]
client_id = { required = true, description = "Id" }
client_secret = { required = true, description = "Secret" }

[login]
default = "only"

[login.flows.only]
request = { method = "POST", path = "/login", json = { id = "{client_id}" } }
response = { access_token = "/access_token" }

[[headers]]
name = "Authorization"
value = "Bearer {access_token}"

[errors.hints]
404 = "The provider has none."
"#;

/// A profile with these tools.
pub fn with(tools: &str) -> String {
    format!("{HEAD}\n{tools}")
}

/// A tool with `ids` as its argument.
pub fn tool(name: &str, rest: &str) -> String {
    format!(
        "[[tools]]\nname = \"{name}\"\ndescription = \"Does it.\"\n\
         annotations = {{ read_only = false }}\nresult = {{ success = \"{{data}}\" }}\n\
         input = {{ type = \"object\", properties = {{ ids = {{ default = [] }} }} }}\n{rest}\n"
    )
}

/// A step that asks for each of `ids`.
pub fn each(method: &str, path: &str, rest: &str) -> String {
    format!(
        "[[tools.steps]]\nname = \"each\"\nfor_each = '$args.ids'\n\
         request = {{ method = \"{method}\", path = \"{path}\" }}\n{rest}\n"
    )
}
