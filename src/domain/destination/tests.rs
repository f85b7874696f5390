//! Which URLs and addresses pass, and what is said about the others.

use proptest::prelude::*;

use super::*;

fn hosts(names: &[&str]) -> Vec<HostName> {
    let parse = |name: &&str| HostName::parse(name).unwrap();
    names.iter().map(parse).collect()
}

fn check(destinations: &Destinations, url: &str) -> Result<(), String> {
    let url = Url::parse(url).unwrap();
    destinations
        .check_base(&url)
        .map_err(|error| error.to_string())
}

fn admits(destinations: &Destinations, host: &str, address: &str) -> bool {
    let host = HostName::parse(host).unwrap();
    destinations.admit(&host, address.parse().unwrap()).is_ok()
}

#[test]
fn a_host_is_a_name_or_an_address_and_nothing_else() {
    for good in [
        "api.example",
        "API.Example.",
        "10.0.0.5",
        "fd00::5",
        "[fd00::5]",
        "eka",
    ] {
        assert!(HostName::parse(good).is_ok(), "{good}");
    }
    for bad in [
        "",
        ".",
        "https://api.example",
        "api.example:443",
        "10.0.0.0/8",
        "*.example",
        "a b",
        "a@b",
        "[fd00::5",
        "fe80::1%eth0",
    ] {
        assert!(HostName::parse(bad).is_err(), "{bad}");
    }
}

#[test]
fn https_goes_anywhere_public_and_http_to_loopback() {
    let none = Destinations::default();
    for good in [
        "https://api.example",
        "https://8.8.8.8/v1",
        "https://[2600::1]",
        "http://localhost:9300",
        "http://127.9.9.9",
        "http://[::1]:80/base",
        "https://localhost",
    ] {
        assert_eq!(check(&none, good), Ok(()), "{good}");
    }
    for (bad, says) in [
        ("http://api.example", "upstream.allow_http_hosts"),
        ("http://localhost.example", "upstream.allow_http_hosts"),
        ("http://8.8.8.8", "upstream.allow_http_hosts"),
        ("ftp://api.example", "`ftp` is not supported; use https"),
        ("https://me@api.example", "no user"),
        ("https://api.example?x", "no user, query"),
        ("https://api.example#x", "fragment"),
    ] {
        let message = check(&none, bad).unwrap_err();
        assert!(message.contains(says), "{bad}: {message}");
    }
}

#[test]
fn literal_addresses_are_checked_however_they_are_written() {
    let none = Destinations::default();
    for (url, kind) in [
        ("https://10.0.0.5", "(private)"),
        ("https://0xa000005", "(private)"),
        ("https://012.0.0.5", "(private)"),
        ("https://192.168.1", "(private)"),
        ("https://100.64.0.1", "(private)"),
        ("https://[fd12::1]", "(private)"),
        ("https://[::ffff:10.0.0.5]", "(private)"),
        ("https://[64:ff9b::a00:5]", "(private)"),
        ("https://[2002:a00:5::]", "(private)"),
        ("https://[::ffff:127.0.0.1]", "(loopback)"),
        ("https://169.254.169.254", "(metadata)"),
        ("https://2852039166", "(metadata)"),
        ("https://[::ffff:169.254.169.254]", "(metadata)"),
        ("https://[fd00:ec2::254]", "(metadata)"),
        ("https://169.254.1.1", "(link-local)"),
        ("https://[fe80::1]", "(link-local)"),
        ("https://0.0.0.0", "(unspecified)"),
        ("https://[::]", "(unspecified)"),
        ("https://224.0.0.1", "(multicast)"),
        ("https://192.0.2.1", "(reserved)"),
        ("https://255.255.255.255", "(reserved)"),
    ] {
        let message = check(&none, url).unwrap_err();
        assert!(message.contains(kind), "{url}: {message}");
        let named = message.contains("add the host to upstream.allow_private_hosts");
        let nameable = kind.contains("private") || kind.contains("loopback");
        assert_eq!(named, nameable, "{url}: {message}");
    }
}

#[test]
fn an_operator_names_private_hosts_one_by_one_and_nobody_names_metadata() {
    let named = Destinations {
        allow_private: hosts(&[
            "emr.clinic.internal",
            "10.0.0.5",
            "fd12::1",
            "169.254.169.254",
        ]),
        ..Destinations::default()
    };
    assert_eq!(check(&named, "https://10.0.0.5:8443/v1"), Ok(()));
    assert_eq!(check(&named, "https://[fd12:0::1]"), Ok(()));
    assert!(check(&named, "https://10.0.0.6").is_err());
    assert!(
        check(&named, "http://10.0.0.5").is_err(),
        "http is another key"
    );
    assert!(check(&named, "https://169.254.169.254").is_err());
    assert!(admits(&named, "EMR.clinic.internal.", "10.9.9.9"));
    assert!(admits(&named, "emr.clinic.internal", "127.0.0.1"));
    assert!(!admits(&named, "emr.clinic.internal", "169.254.169.254"));
    assert!(!admits(&named, "emr.clinic.internal", "fe80::1"));
    // An address that is named is not named for the names that lead to it.
    assert!(!admits(&named, "api.example", "10.0.0.5"));
    assert!(!admits(&named, "x.emr.clinic.internal", "10.0.0.5"));
}

#[test]
fn loopback_is_for_hosts_that_say_so() {
    let none = Destinations::default();
    for (host, address, expected) in [
        ("localhost", "127.0.0.1", true),
        ("localhost", "::1", true),
        ("localhost", "8.8.8.8", false),
        ("localhost", "10.0.0.5", false),
        ("api.example", "127.0.0.1", false),
        ("api.example", "::1", false),
        ("localhost.example", "127.0.0.1", false),
        ("api.example", "8.8.8.8", true),
    ] {
        assert_eq!(admits(&none, host, address), expected, "{host} {address}");
    }
}

#[test]
fn with_a_proxy_nothing_in_the_clear_passes_it() {
    let proxied = Destinations {
        allow_http: hosts(&["emr.clinic.internal", "old.example"]),
        proxy: Some(HostName::parse("proxy.clinic.internal").unwrap()),
        direct: hosts(&["emr.clinic.internal"]),
        ..Destinations::default()
    };
    assert_eq!(check(&proxied, "http://emr.clinic.internal"), Ok(()));
    assert_eq!(check(&proxied, "http://127.0.0.1:9300"), Ok(()));
    let message = check(&proxied, "http://old.example").unwrap_err();
    assert!(message.contains("upstream.no_proxy"), "{message}");
    assert!(check(&proxied, "https://10.0.0.5").is_err());
    assert!(admits(&proxied, "proxy.clinic.internal", "10.0.0.1"));
    assert!(!admits(
        &proxied,
        "proxy.clinic.internal",
        "169.254.169.254"
    ));
}

proptest! {
    #[test]
    fn without_a_key_only_public_addresses_are_reached(bits: u128, four: u32, v4: bool) {
        let address: IpAddr = match v4 {
            true => std::net::Ipv4Addr::from_bits(four).into(),
            false => std::net::Ipv6Addr::from_bits(bits).into(),
        };
        let none = Destinations::default();
        let host = HostName::parse("api.example").unwrap();
        let public = AddressKind::of(address) == AddressKind::Public;
        prop_assert_eq!(none.admit(&host, address).is_ok(), public);
        // A literal is judged like the name that leads to it, loopback apart.
        let mut url = Url::parse("https://x").unwrap();
        url.set_ip_host(address).unwrap();
        prop_assert_eq!(none.check_base(&url).is_ok(), public || address.is_loopback());
    }
}
