//! `locum.toml`, and after a line `---` variables of the environment. What is accepted can be worked
//! with; what is not is named by file and line, or by its variable.

#![no_main]

use std::path::Path;

use http::HeaderName;
use libfuzzer_sys::fuzz_target;
use locum::config::{Config, ConfigError, Loaded};
use locum_fuzz::{check_complaint, parts, variables};

fuzz_target!(|data: &[u8]| {
    let (file, environment) = parts(data, b"\n---\n");
    let (Ok(text), Ok(environment)) = (str::from_utf8(file), str::from_utf8(environment)) else {
        return;
    };
    let variables = variables(environment);
    match Loaded::parse(Path::new("folder/locum.toml"), text, variables.clone()) {
        Ok(loaded) => check(&loaded),
        Err(ConfigError::Document(complaint)) => check_complaint(&complaint, text),
        Err(ConfigError::Variable { variable, message }) => {
            assert!(
                variables.contains_key(&variable) && !message.is_empty(),
                "{variable}"
            );
        }
        Err(ConfigError::IncompleteTls(section)) => assert!(["server", "admin"].contains(&section)),
        Err(other) => panic!("not a mistake of a text: {other}"),
    }
});

fn check(loaded: &Loaded) {
    let config = &loaded.config;
    check_limits(config);
    let header = |name: &str| HeaderName::from_bytes(name.as_bytes()).expect("a header name");
    let organization = header(&config.tenancy.header);
    assert_ne!(organization, header(&config.tenancy.environment_header));
    assert_ne!(organization, http::header::AUTHORIZATION);
    let public = loaded.public_url();
    assert!(
        ["http", "https"].contains(&public.scheme()) && public.has_host(),
        "{public}"
    );
    assert!(
        public.username().is_empty() && public.password().is_none(),
        "{public}"
    );
    if let Some(proxy) = &config.upstream.proxy {
        assert!(
            proxy.username().is_empty() && proxy.password().is_none(),
            "{proxy}"
        );
    }
    for tls in [loaded.server_tls(), loaded.admin_tls()].iter().flatten() {
        let folder = Path::new("folder");
        assert!(
            tls.certificate != folder && tls.key != folder,
            "half a pair"
        );
    }
    let server_is_safe = config.server.tls.is_some() || !config.server.trusted_proxies.is_empty();
    let server_is_meant = server_is_safe || config.server.allow_plaintext;
    if loaded.check_exposure().is_ok() && !server_is_meant {
        assert!(
            config.server.listen.ip().to_canonical().is_loopback(),
            "in clear text"
        );
    }
    let _ = (loaded.database(), loaded.profiles(), loaded.overrides());
}

fn check_limits(config: &Config) {
    let limits = &config.limits;
    assert!(
        (1 << 10..=64 << 20).contains(&limits.body),
        "{}",
        limits.body
    );
    assert!(limits.answer >= 1 << 10, "{}", limits.answer);
    assert!(limits.upstream_concurrency > 0);
    let counts = [
        limits.tenant_per_minute,
        limits.tenant_per_day,
        limits.tenant_concurrency,
    ];
    assert!(
        counts.iter().flatten().all(|count| *count > 0),
        "{counts:?}"
    );
    let times = [
        limits.head_timeout,
        limits.body_timeout,
        limits.write_timeout,
        limits.idle_timeout,
        limits.call_timeout,
        limits.queue_timeout,
        config.upstream.connect_timeout,
        config.upstream.request_timeout,
    ];
    assert!(times.iter().all(|time| !time.is_zero()), "{times:?}");
    assert!((0.0..=1.0).contains(&config.traces.sample_ratio));
}
