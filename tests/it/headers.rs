//! Whom a request is for, on raw sockets: every row of the tenant table, and every odd form of the
//! headers that decide it. What is refused is refused with a code, and nothing of it goes upstream.

use std::time::Duration;

use locum::admin::{GrantRequest, KeyRequest};
use locum::domain::bearer_secret::reveal;
use locum::domain::organization::OrganizationState;
use serde_json::json;

use crate::support::TestApp;
use crate::support::app::org;
use crate::support::wire::{self, Answer, Draft, Wire};

const BODY: &str = r#"{"jsonrpc":"2.0","id":"case-17","method":"tools/call","params":{"name":"get_clinic_details_basic","arguments":{"clinic_id":"C2001"}}}"#;

/// Three organizations; `closed` is suspended, `foreign` is granted to nobody.
struct Clinics {
    app: TestApp,
    /// north and south, dev and prod.
    several: String,
    /// north in dev alone.
    single: String,
    /// closed in dev alone.
    suspended: String,
}

async fn clinics() -> Clinics {
    let app = TestApp::builder()
        .org("north", &["dev", "prod"])
        .org("south", &["dev", "prod"])
        .org("closed", &["dev"])
        .org("foreign", &["dev"])
        .start()
        .await;
    app.set_state("closed", OrganizationState::Suspended).await;
    Clinics {
        several: app.key(&["north", "south"], &[], &[], false).await,
        single: app.key(&["north"], &["dev"], &[], false).await,
        suspended: app.key(&["closed"], &["dev"], &[], false).await,
        app,
    }
}

impl Clinics {
    async fn send(&self, draft: &Draft) -> Answer {
        wire::exchange(&self.app.url(), &draft.bytes()).await
    }

    /// Sends every case; each has to be refused with its code, and nothing may reach the upstream.
    async fn assert_refused(&self, cases: Vec<(&str, u16, &str, Draft)>) {
        for (name, status, code, draft) in cases {
            let answer = self.send(&draft).await;
            assert_eq!(answer.status, status, "{name}: {answer:?}");
            if code == BARE {
                assert_eq!(answer.body, b"", "{name}: {answer:?}");
                continue;
            }
            let body = answer.json();
            if code == "not_found" {
                assert_eq!(body["code"], code, "{name}: {answer:?}");
                continue;
            }
            assert_eq!(body["error"]["data"]["code"], code, "{name}: {answer:?}");
            assert_eq!(body["jsonrpc"], "2.0", "{name}");
            assert_eq!(body["id"], "case-17", "{name}: the request's own id");
            let id = body["error"]["data"]["request_id"].as_str();
            assert_eq!(id, answer.header("x-request-id"), "{name}");
            assert_eq!(
                answer.header("content-type"),
                Some("application/json"),
                "{name}"
            );
            let challenge = answer.header("www-authenticate").is_some();
            assert_eq!(challenge, status == 401, "{name}: {answer:?}");
        }
        let seen = self.app.sandbox.requests();
        assert!(
            seen.is_empty(),
            "refused requests reached the upstream: {seen:?}"
        );
    }
}

/// The HTTP parser refuses the bytes before there is a request.
const BARE: &str = "(no body)";

fn to(path: &str) -> Draft {
    Draft::post(path, BODY)
}

fn with_key(path: &str, key: &str) -> Draft {
    to(path).with(format!("Authorization: Bearer {key}"))
}

fn assert_served(answer: &Answer, tenant: &str) {
    let body = answer.json();
    let clinic = &body["result"]["structuredContent"]["data"]["data"]["clinic"]["name"];
    let name = clinic.as_str().unwrap_or_default();
    assert_eq!(answer.status, 200, "{tenant}: {answer:?}");
    assert!(name.contains(tenant), "{tenant}: {body}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_named_tenant_or_the_only_one_is_served() {
    let clinics = clinics().await;
    let several = |path: &str| with_key(path, &clinics.several);
    let cases = [
        (
            "north-dev",
            several("/mcp")
                .with("X-Tenant-Id: north")
                .with("X-Tenant-Env: dev"),
        ),
        (
            "south-prod",
            several("/mcp")
                .with("X-Tenant-Id: south")
                .with("X-Tenant-Env: prod"),
        ),
        (
            "south-dev",
            several("/mcp")
                .with("x-TENANT-id: south")
                .with("X-TENANT-ENV: dev"),
        ),
        ("north-prod", several("/t/north/prod/mcp")),
        (
            "north-prod",
            several("/t/north/mcp").with("X-Tenant-Env: prod"),
        ),
        (
            "south-dev",
            several("/t/south/dev/mcp").with("X-Tenant-Id: south"),
        ),
        // Blanks around a value are not part of it (RFC 9110, section 5.5).
        (
            "north-dev",
            several("/t/north/dev/mcp").with("X-Tenant-Id: \t north \t"),
        ),
        ("north-dev", with_key("/mcp", &clinics.single)),
        (
            "north-dev",
            with_key("/mcp", &clinics.single).with("X-Tenant-Env: dev"),
        ),
        ("north-dev", with_key("/t/north/mcp", &clinics.single)),
        (
            "north-dev",
            to("/mcp").with(format!("AUTHORIZATION: bearer  {}", clinics.single)),
        ),
        // An absolute target whose authority is the Host.
        (
            "north-dev",
            with_key("http://127.0.0.1/t/north/dev/mcp", &clinics.several),
        ),
    ];
    for (tenant, draft) in cases {
        assert_served(&clinics.send(&draft).await, tenant);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_that_is_not_clear_is_refused_without_a_trace_upstream() {
    let clinics = clinics().await;
    let key = &clinics.several;
    let mcp = || with_key("/mcp", key).with("X-Tenant-Env: dev");
    let id = |value: &[u8]| mcp().with([b"X-Tenant-Id: ", value].concat());
    let env = |value: &str| {
        with_key("/mcp", key)
            .with("X-Tenant-Id: north")
            .with(format!("X-Tenant-Env: {value}"))
    };
    let invalid = |name, draft| (name, 400, "tenant_invalid", draft);
    let bare = |name, status, draft| (name, status, BARE, draft);
    let long = "n".repeat(64);
    let very_long = "n".repeat(20_000);
    let mut cases = vec![
        (
            "nothing named",
            400,
            "tenant_required",
            with_key("/mcp", key),
        ),
        ("environment alone", 400, "tenant_required", mcp()),
        (
            "organization alone",
            400,
            "tenant_required",
            with_key("/mcp", key).with("X-Tenant-Id: north"),
        ),
        (
            "organization alone, in the path",
            400,
            "tenant_required",
            with_key("/t/north/mcp", key),
        ),
        invalid(
            "twice, equal",
            mcp().with("X-Tenant-Id: north").with("X-Tenant-Id: north"),
        ),
        invalid(
            "twice, different",
            mcp().with("X-Tenant-Id: north").with("x-tenant-id: south"),
        ),
        invalid(
            "environment twice",
            mcp().with("X-Tenant-Id: north").with("X-Tenant-Env: dev"),
        ),
        invalid("environment in capitals", env("DEV")),
        invalid("environment empty", env("")),
        invalid("environments joined", env("dev,prod")),
        invalid(
            "path against header",
            with_key("/t/north/dev/mcp", key).with("X-Tenant-Id: south"),
        ),
        invalid(
            "environment of path against header",
            with_key("/t/north/dev/mcp", key).with("X-Tenant-Env: prod"),
        ),
        invalid(
            "path and two equal headers",
            with_key("/t/north/dev/mcp", key)
                .with("X-Tenant-Id: north")
                .with("X-Tenant-Id: north"),
        ),
        invalid("percent-encoded path", with_key("/t/n%6Frth/dev/mcp", key)),
        invalid(
            "encoded slash in path",
            with_key("/t/north%2Fdev/dev/mcp", key),
        ),
        invalid("capitals in path", with_key("/t/North/dev/mcp", key)),
        invalid("dots as organization", with_key("/t/../mcp", key)),
        invalid("dots as environment", with_key("/t/north/../mcp", key)),
        invalid("semicolon in path", with_key("/t/north;v=1/dev/mcp", key)),
        invalid("plus in path", with_key("/t/north+south/dev/mcp", key)),
        (
            "trailing slash",
            400,
            "tenant_invalid",
            with_key("/t/north/dev/mcp/", key),
        ),
        (
            "empty organization in path",
            400,
            "tenant_invalid",
            with_key("/t//dev/mcp", key),
        ),
        (
            "dots that climb",
            400,
            "tenant_invalid",
            with_key("/t/north/../south/dev/mcp", key),
        ),
        (
            "trailing slash without a tenant",
            404,
            "not_found",
            with_key("/mcp/", key),
        ),
        (
            "doubled slash",
            404,
            "not_found",
            with_key("//t/north/dev/mcp", key),
        ),
        bare(
            "folded value",
            400,
            mcp().with("X-Tenant-Id: north\r\n south"),
        ),
        bare("NUL in value", 400, id(b"north\0")),
        bare("control byte in value", 400, id(b"north\x01")),
        bare("delete in value", 400, id(b"north\x7f")),
        bare(
            "bare carriage return",
            400,
            id(b"north\rX-Tenant-Id: south"),
        ),
        bare(
            "blank before the colon",
            400,
            mcp().with("X-Tenant-Id : north"),
        ),
        bare(
            "more headers than anyone needs",
            431,
            (0..200).fold(id(b"north"), |draft, n| {
                draft.with(format!("X-Fill-{n}: x"))
            }),
        ),
    ];
    for (name, value) in [
        ("joined by a comma", "north,south"),
        ("the same joined by a comma", "north, north"),
        ("empty", ""),
        ("blanks", "   \t "),
        ("blank inside", "nor th"),
        ("tab inside", "nor\tth"),
        ("capitals", "North"),
        ("all capitals", "NORTH"),
        ("umlaut", "nörth"),
        ("fullwidth letters", "ｎｏｒｔｈ"),
        ("zero-width joiner", "nor\u{200d}th"),
        ("quotes", "\"north\""),
        ("star", "*"),
        ("slash", "north/dev"),
        ("dots", "../north"),
        ("percent", "n%6Frth"),
        ("hyphen before", "-north"),
        ("64 bytes", long.as_str()),
        ("20,000 bytes", very_long.as_str()),
        ("SQL", "north' OR '1'='1"),
    ] {
        cases.push(invalid(name, id(value.as_bytes())));
    }
    cases.push(invalid("bytes that are no UTF-8", id(b"north\xff\xfe")));
    clinics.assert_refused(cases).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_and_forbidden_tenants_look_alike() {
    let clinics = clinics().await;
    let at = |key: &str, org: &str, env: &str| {
        with_key("/mcp", key)
            .with(format!("X-Tenant-Id: {org}"))
            .with(format!("X-Tenant-Env: {env}"))
    };
    let pairs = [
        (
            "unknown organization",
            at(&clinics.several, "nowhere", "dev"),
        ),
        (
            "foreign organization",
            at(&clinics.several, "foreign", "dev"),
        ),
        (
            "suspended foreign one",
            at(&clinics.several, "closed", "dev"),
        ),
        ("unknown environment", at(&clinics.several, "north", "moon")),
        (
            "environment not granted",
            at(&clinics.single, "north", "prod"),
        ),
        (
            "unknown, by path",
            with_key("/t/nowhere/dev/mcp", &clinics.several),
        ),
        (
            "foreign, by path",
            with_key("/t/foreign/dev/mcp", &clinics.several),
        ),
        (
            "foreign in no environment",
            with_key("/mcp", &clinics.single).with("X-Tenant-Id: foreign"),
        ),
    ];
    let first = clinics.send(&pairs[0].1).await.comparable();
    for (name, draft) in &pairs {
        assert_eq!(clinics.send(draft).await.comparable(), first, "{name}");
    }
    let forbidden = |(name, draft)| (name, 403, "tenant_forbidden", draft);
    let mut cases: Vec<_> = pairs.into_iter().map(forbidden).collect();
    for (name, draft) in [
        ("suspended, named", at(&clinics.suspended, "closed", "dev")),
        (
            "suspended, by path",
            with_key("/t/closed/dev/mcp", &clinics.suspended),
        ),
        (
            "suspended, the only one",
            with_key("/mcp", &clinics.suspended),
        ),
    ] {
        cases.push((name, 403, "organization_suspended", draft));
    }
    clinics.assert_refused(cases).await;
}

/// Keys that once worked: expired, and revoked.
async fn former_keys(clinics: &Clinics) -> [String; 2] {
    let admin = clinics.app.admin();
    let now = clinics.app.running.app().clock.now();
    let request = KeyRequest {
        name: "short".to_owned(),
        grants: vec![GrantRequest::everything(org("north"))],
        expires: Some(now.checked_add(Duration::from_secs(60)).unwrap()),
    };
    let expired = admin.create_key(&request).await.unwrap();
    let revoked = admin.create_key(&request).await.unwrap();
    admin.revoke_key(&revoked.summary.id).await.unwrap();
    clinics.app.settle().await;
    clinics.app.clock.advance(Duration::from_secs(60));
    [expired.key, revoked.key].map(|key| reveal(&key).to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_do_not_work_look_alike_whatever_is_wrong_with_them() {
    let clinics = clinics().await;
    let [expired, revoked] = former_keys(&clinics).await;
    let key = &clinics.several;
    let at = |line: String| to("/t/north/dev/mcp").with(line);
    let bearer = |key: &str| at(format!("Authorization: Bearer {key}"));
    let (rest, last) = key.split_at(key.len() - 1);
    let wrong_sum = format!("{rest}{}", if last == "0" { "1" } else { "0" });
    let other_secret = key.replace(&key[4..14], "abcdefghij");
    let cases = [
        ("no key", to("/t/north/dev/mcp")),
        ("empty", at("Authorization:".to_owned())),
        ("scheme alone", at("Authorization: Bearer".to_owned())),
        ("wrong scheme", at(format!("Authorization: Basic {key}"))),
        ("no scheme", at(format!("Authorization: {key}"))),
        (
            "tab after the scheme",
            at(format!("Authorization: Bearer\t{key}")),
        ),
        ("cut", bearer(rest)),
        ("longer", bearer(&format!("{key}0"))),
        ("wrong checksum", bearer(&wrong_sum)),
        ("another id", bearer(&other_secret)),
        ("capitals", bearer(&key.to_ascii_uppercase())),
        ("two keys in one line", bearer(&format!("{key}, {key}"))),
        (
            "an admin token's prefix",
            bearer(&key.replace("lgk_", "lat_")),
        ),
        ("umlaut", bearer("schlüssel")),
        ("expired", bearer(&expired)),
        ("revoked", bearer(&revoked)),
        (
            "expired and a malformed tenant",
            bearer(&expired).with("X-Tenant-Id: NOT"),
        ),
        (
            "no key and two tenants",
            to("/mcp").with("X-Tenant-Id: a").with("X-Tenant-Id: b"),
        ),
        (
            "in the query",
            to(&format!("/t/north/dev/mcp?access_token={key}")),
        ),
    ];
    let first = clinics.send(&cases[0].1).await.comparable();
    for (name, draft) in &cases {
        assert_eq!(clinics.send(draft).await.comparable(), first, "{name}");
    }
    let refused = |(name, draft)| (name, 401, "unauthenticated", draft);
    clinics
        .assert_refused(cases.into_iter().map(refused).collect())
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_that_may_occur_once_and_foreign_hosts_are_refused() {
    let clinics = clinics().await;
    let key = &clinics.several;
    let good = || with_key("/t/north/dev/mcp", key);
    let host = |value: &str| good().without("Host").with(format!("Host: {value}"));
    let twice = |name, line: &str| (name, 400, "header_duplicate", good().with(line).with(line));
    let cases = vec![
        twice("MCP-Protocol-Version", "MCP-Protocol-Version: 2025-11-25"),
        twice("Mcp-Method", "Mcp-Method: tools/call"),
        twice("Mcp-Name", "Mcp-Name: get_clinic_details_basic"),
        twice("Mcp-Session-Id", "Mcp-Session-Id: s"),
        (
            "Authorization",
            400,
            "header_duplicate",
            good().with(format!("authorization: Bearer {key}")),
        ),
        (
            "a second Authorization that is another key",
            400,
            "header_duplicate",
            good().with(format!("Authorization: Bearer {}", clinics.single)),
        ),
        (
            "Content-Type",
            400,
            "header_duplicate",
            good().with("Content-Type: application/json"),
        ),
        (
            "Host twice",
            400,
            "host_invalid",
            good().with("Host: 127.0.0.1"),
        ),
        ("no Host", 400, "host_invalid", good().without("Host")),
        ("Host that is none", 400, "host_invalid", host("local host")),
        ("Host against target", 400, "host_invalid", {
            let target = "http://localhost:1/t/north/dev/mcp";
            with_key(target, key)
        }),
        ("foreign Host", 403, "host_forbidden", host("evil.example")),
        (
            "Host that begins well",
            403,
            "host_forbidden",
            host("127.0.0.1.evil.example"),
        ),
        (
            "Host in a private range",
            403,
            "host_forbidden",
            host("10.0.0.1"),
        ),
        (
            "foreign Origin",
            403,
            "origin_forbidden",
            good().with("Origin: https://evil.example"),
        ),
        (
            "opaque Origin",
            403,
            "origin_forbidden",
            good().with("Origin: null"),
        ),
        (
            "two Origins",
            403,
            "origin_forbidden",
            good()
                .with("Origin: http://localhost")
                .with("Origin: http://localhost"),
        ),
        ("two lengths", 400, BARE, good().with("Content-Length: 1")),
    ];
    clinics.assert_refused(cases).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_connection_serves_many_tenants_without_mixing_them() {
    let clinics = clinics().await;
    let mut wire = Wire::connect(&clinics.app.url()).await;
    for round in 0..20 {
        for tenant in ["north-dev", "south-prod", "north-prod", "south-dev"] {
            let (org, env) = tenant.split_once('-').unwrap();
            let draft = with_key("/mcp", &clinics.several)
                .with(format!("X-Tenant-Id: {org}"))
                .with(format!("X-Tenant-Env: {env}"));
            assert_served(&wire.exchange(&draft.bytes()).await, tenant);
        }
        let unnamed = with_key("/mcp", &clinics.several);
        let refused = wire.exchange(&unnamed.bytes()).await;
        assert_eq!(refused.status, 400, "round {round}: {refused:?}");
    }
    let stats = clinics.app.sandbox.stats();
    let requests = |id: &str| stats.clients[id].requests;
    let seen = ["north-dev", "north-prod", "south-dev", "south-prod"].map(requests);
    assert_eq!(json!(seen), json!([20, 20, 20, 20]));
    assert_eq!(stats.logins, 4);
}
