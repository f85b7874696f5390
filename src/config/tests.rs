//! Defaults, the environment, and mistakes with their place.

use super::*;

fn parse(text: &str, variables: &[(&str, &str)]) -> Result<Loaded, String> {
    let variables = variables
        .iter()
        .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
    Loaded::parse(Path::new("dir/locum.toml"), text, variables).map_err(|e| e.to_string())
}

#[test]
fn an_empty_file_serves() {
    let loaded = parse("", &[]).unwrap();
    assert_eq!(loaded.config.server.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(loaded.database().unwrap(), Path::new("dir/data/locum.db"));
    assert_eq!(loaded.master_key_file(), Path::new("dir/data/master.key"));
    assert_eq!(loaded.public_url().as_str(), "http://127.0.0.1:8080/");
    assert_eq!(loaded.profiles(), (PathBuf::from("dir/profiles"), false));
}

#[test]
fn mistakes_name_line_key_and_remedy() {
    let error = |text: &str| parse(text, &[]).unwrap_err();
    assert_eq!(
        error("[server]\n\nlisten_on = \"x\""),
        "dir/locum.toml:3: unknown key `listen_on`; did you mean `listen`?"
    );
    assert!(
        error("[sever]").contains("did you mean `server`?"),
        "{}",
        error("[sever]")
    );
    assert!(error("[limits]\nbody = \"1MB\"").starts_with("dir/locum.toml:2: a size is"));
    assert_eq!(
        error("[tenancy]\nheader = \"a b\""),
        "dir/locum.toml:2: tenancy.header: not a header name (RFC 9110, section 5.1)"
    );
    assert!(error("[log]\nlevel = \"loud!\"").starts_with("dir/locum.toml:2: log.level"));
    assert!(error("[server\n").starts_with("dir/locum.toml:1:"));
}

#[test]
fn variables_override_the_file() {
    let variables = [
        ("LOCUM__SERVER__LISTEN", "127.0.0.1:9999"),
        ("LOCUM__SERVER__ALLOWED_HOSTS", "[\"a\", \"b\"]"),
        ("LOCUM__VAULT__MOUNTED_SECRET", "true"),
        ("LOCUM__LIMITS__BODY", "2MiB"),
        (
            "LOCUM__PROVIDERS__EKA_CARE__ENVIRONMENTS__DEV__BASE_URL",
            "http://127.0.0.1:9300",
        ),
        ("LOCUM_CONFIG", "not a key"),
        ("PATH", "not a key"),
    ];
    let config = parse("[server]\nlisten = \"127.0.0.1:1\"", &variables)
        .unwrap()
        .config;
    assert_eq!(config.server.listen.port(), 9999);
    assert_eq!(config.server.allowed_hosts, ["a", "b"]);
    assert!(config.vault.mounted_secret);
    assert_eq!(config.limits.body, 2 << 20);
    let provider =
        &config.providers[&crate::domain::provider::ProviderName::parse("eka-care").unwrap()];
    assert_eq!(provider.environments.len(), 1);
}

#[test]
fn a_bad_variable_is_named() {
    let error = |name: &str, value: &str| parse("", &[(name, value)]).unwrap_err();
    assert_eq!(
        error("LOCUM__SERVER__LISTE", "x"),
        "LOCUM__SERVER__LISTE: there is no key `liste`; did you mean `listen`?"
    );
    assert_eq!(
        error("LOCUM_SERVER__LISTEN", "127.0.0.1:1"),
        "LOCUM_SERVER__LISTEN: there is no such variable; did you mean LOCUM__SERVER__LISTEN?"
    );
    assert!(error("LOCUM__SERVER__LISTEN", "nowhere").starts_with("LOCUM__SERVER__LISTEN: "));
    assert!(error("LOCUM__VAULT__MOUNTED_SECRET", "maybe").contains("boolean"));
}
