//! TLS on both listeners: what is negotiated, files that change while it serves, files that are
//! refused.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::time::Duration;

use rustix::process::Signal;
use rustls::ProtocolVersion;
use serde_json::Value;

use crate::support::TestApp;
use crate::support::commands::{free_address, stderr};
use crate::support::process::{end, serve_logged, soon};
use crate::support::program::{Program, write_private};
use crate::support::tls::{Authority, presented, section};
use crate::support::wire::{Draft, Wire};

const BODY: &str = r#"{"jsonrpc":"2.0","id":7,"method":"ping"}"#;
const TLS: &str = "LOCUM__SERVER__TLS";

async fn app(tls: &str) -> (TestApp, Draft) {
    let app = TestApp::builder()
        .org("north", &["dev"])
        .variable(TLS, tls)
        .start()
        .await;
    let key = app.key(&["north"], &["dev"], &[], false).await;
    (
        app,
        Draft::post("/mcp", BODY).with(format!("Authorization: Bearer {key}")),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn both_protocols_are_offered_and_plain_http_is_not_answered() {
    let (authority, folder) = (Authority::new(), tempfile::tempdir().unwrap());
    let files = authority.issue().write(folder.path(), "server");
    let (app, request) = app(&section(&files)).await;
    for (offered, chosen) in [
        (&["h2", "http/1.1"][..], Some(&b"h2"[..])),
        (&["http/1.1"], Some(b"http/1.1")),
        (&[], None),
    ] {
        let stream = authority.connect(&app.url(), offered).await;
        let session = stream.get_ref().1;
        assert_eq!(session.alpn_protocol(), chosen);
        assert_eq!(session.protocol_version(), Some(ProtocolVersion::TLSv1_3));
        if chosen != Some(b"h2") {
            let answer = Wire::over(stream).exchange(&request.bytes()).await;
            assert_eq!(answer.status, 200, "{answer:?}");
        }
    }
    let mut plain = Wire::connect(&app.url()).await;
    plain.send(&request.bytes()).await;
    assert!(plain.closes_within(Duration::from_secs(5)).await);
}

/// Puts a pair behind `data`, as Kubernetes does: files are links to links that are exchanged.
fn swap(folder: &Path, version: &str) {
    let link = folder.join("data.new");
    symlink(folder.join(version), &link).unwrap();
    fs::rename(link, folder.join("data")).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_pair_is_taken_over_while_connections_go_on() {
    let (authority, folder) = (Authority::new(), tempfile::tempdir().unwrap());
    for version in ["one", "two"] {
        fs::create_dir(folder.path().join(version)).unwrap();
        authority.issue().write(&folder.path().join(version), "tls");
    }
    swap(folder.path(), "one");
    let data = folder.path().join("data");
    let (app, request) = app(&section(&(data.join("tls.pem"), data.join("tls.key")))).await;
    let old = authority.connect(&app.url(), &[]).await;
    let former = presented(&old);
    let mut old = Wire::over(old);
    assert_eq!(old.exchange(&request.bytes()).await.status, 200);

    swap(folder.path(), "two");
    soon("links that were exchanged", async || {
        presented(&authority.connect(&app.url(), &[]).await) != former
    })
    .await;
    let second = presented(&authority.connect(&app.url(), &[]).await);
    assert_eq!(old.exchange(&request.bytes()).await.status, 200);

    // A certificate without its key, and half a file: the former pair stays.
    let third = authority.issue();
    let certificate = data.join("tls.pem");
    for half in [&third.certificate[..], &third.certificate[..300], ""] {
        fs::write(&certificate, half).unwrap();
        tokio::time::sleep(Duration::from_millis(2_500)).await;
        assert_eq!(presented(&authority.connect(&app.url(), &[]).await), second);
    }
    fs::write(&certificate, &third.certificate).unwrap();
    write_private(&data.join("tls.key"), &third.key);
    soon("a pair that is whole again", async || {
        presented(&authority.connect(&app.url(), &[]).await) != second
    })
    .await;
    assert_eq!(old.exchange(&request.bytes()).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_admin_listener_takes_a_new_pair_over_too() {
    let (authority, folder) = (Authority::new(), tempfile::tempdir().unwrap());
    let files = authority.issue().write(folder.path(), "admin");
    let app = TestApp::builder().variable("LOCUM__ADMIN__TLS", &section(&files));
    let app = app.start().await;
    let admin = format!("https://{}", app.running.admin);
    let old = authority.connect(&admin, &[]).await;
    let former = presented(&old);
    let mut old = Wire::over(old);
    let health = Draft::request("GET", "/healthz", "").bytes();
    assert_eq!(old.exchange(&health).await.status, 200);

    authority.issue().write(folder.path(), "admin");
    soon("the new pair", async || {
        presented(&authority.connect(&admin, &[]).await) != former
    })
    .await;
    let new = authority.connect(&admin, &[]).await;
    assert_eq!(Wire::over(new).exchange(&health).await.status, 200);
    assert_eq!(old.exchange(&health).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_to_take_over_is_logged_once() {
    let (authority, program) = (Authority::new(), Program::init().await);
    let files = authority.issue().write(program.folder.path(), "server");
    let (mut server, log) = serve_logged(&program, &[(TLS, &section(&files))]).await;
    fs::write(&files.0, "no certificate").unwrap();
    tokio::time::sleep(Duration::from_secs(4)).await;
    fs::write(&files.0, authority.issue().certificate).unwrap();
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(end(&mut server.child, Signal::TERM).await.success());
    let log = fs::read_to_string(log).unwrap();
    assert_eq!(log.matches("holds no certificate").count(), 1, "{log}");
    assert_eq!(log.matches("do not make a pair").count(), 1, "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_files_refuse_to_start_and_say_why() {
    let (authority, program) = (Authority::new(), Program::init().await);
    let folder = program.folder.path();
    let good = authority.issue().write(folder, "good");
    let other = authority.issue().write(folder, "other");
    let named = |name: &str, text: &str, mode: u32| {
        let path = folder.join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    };
    let key = fs::read_to_string(&good.1).unwrap();
    let open = named("open.key", &key, 0o644);
    let empty = named("empty.pem", "", 0o600);
    let cases = [
        (
            "server",
            (folder.join("none.pem"), good.1.clone()),
            "none.pem: No such file",
        ),
        (
            "admin",
            (good.0.clone(), folder.join("none.key")),
            "none.key: No such file",
        ),
        (
            "server",
            (good.0.clone(), open.clone()),
            "run: chmod o=,g-w",
        ),
        (
            "server",
            (good.0.clone(), other.1.clone()),
            "do not make a pair",
        ),
        (
            "admin",
            (empty.clone(), good.1.clone()),
            "holds no certificate",
        ),
        ("server", (good.0.clone(), empty), "holds no key"),
        ("server", (good.0.clone(), good.0.clone()), "has mode 0644"),
        (
            "server",
            (folder.to_owned(), good.1.clone()),
            "is not a regular file",
        ),
    ];
    for (listener, files, expected) in cases {
        let variable = format!("LOCUM__{}__TLS", listener.to_uppercase());
        for (command, code) in [("serve", 78), ("check", 1)] {
            let output = program
                .command(&[command])
                .env(&variable, section(&files))
                .output();
            let output = output.await.unwrap();
            let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
            assert_eq!(output.status.code(), Some(code), "{command}: {text}");
            let named = text.contains(&format!("{listener}.tls: ")) && text.contains(expected);
            assert!(named, "{expected}: {text}");
        }
    }
    let half = program
        .command(&["serve"])
        .env("LOCUM__SERVER__TLS__KEY", &good.1)
        .output();
    let half = half.await.unwrap();
    assert_eq!(half.status.code(), Some(78));
    assert!(
        stderr(&half).contains("needs both a certificate and a key"),
        "{half:?}"
    );
    // A secret mount shows its files to everybody in the container.
    let mounted = [
        ("LOCUM__SERVER__TLS__CERTIFICATE", good.0.to_str().unwrap()),
        ("LOCUM__SERVER__TLS__KEY", open.to_str().unwrap()),
        ("LOCUM__SERVER__TLS__MOUNTED_SECRET", "true"),
    ];
    let (mut server, _) = serve_logged(&program, &mounted).await;
    assert!(end(&mut server.child, Signal::TERM).await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_ends_soon_is_told() {
    let (authority, program) = (Authority::new(), Program::init().await);
    let folder = program.folder.path();
    let ended = authority.issue_until((2024, 1, 1)).write(folder, "ended");
    let good = authority.issue().write(folder, "good");
    let check = async |files| {
        let output = program
            .command(&["check", "--json"])
            .env(TLS, section(files))
            .output();
        let output = output.await.unwrap();
        let list: Value = serde_json::from_slice(&output.stdout).unwrap();
        let items = list["items"].as_array().unwrap().clone();
        let found = items
            .into_iter()
            .find(|item| item["check"] == "certificate server.tls");
        (output.status.code().unwrap(), found.unwrap())
    };
    let (code, finding) = check(&good).await;
    assert_eq!((code, &finding["ok"]), (0, &Value::Bool(true)), "{finding}");
    assert_eq!(finding["message"], "ends at 2120-01-01T00:00:00Z");
    let (code, finding) = check(&ended).await;
    assert_eq!(
        (code, &finding["ok"]),
        (1, &Value::Bool(false)),
        "{finding}"
    );
    let message = finding["message"].as_str().unwrap();
    assert!(
        message.contains("ended at 2024-01-01T00:00:00Z"),
        "{message}"
    );

    let (mut server, log) = serve_logged(&program, &[(TLS, &section(&ended))]).await;
    assert!(end(&mut server.child, Signal::TERM).await.success());
    let log = fs::read_to_string(log).unwrap();
    assert_eq!(log.matches("the certificate ended at").count(), 1, "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn health_knows_its_own_listener_and_no_other() {
    let (authority, program) = (Authority::new(), Program::init().await);
    let folder = program.folder.path();
    let own = section(&authority.issue().write(folder, "own"));
    let other = section(&authority.issue().write(folder, "other"));
    let admin = free_address();
    let health = async |tls: Option<&str>| {
        let mut command = program.command(&["health"]);
        command.env("LOCUM__ADMIN__LISTEN", &admin);
        if let Some(tls) = tls {
            command.env("LOCUM__ADMIN__TLS", tls);
        }
        command.output().await.unwrap()
    };
    let variables = [
        ("LOCUM__ADMIN__LISTEN", admin.as_str()),
        ("LOCUM__ADMIN__TLS", &own),
    ];
    let (mut server, _) = serve_logged(&program, &variables).await;
    let output = health(Some(&own)).await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    for tls in [Some(other.as_str()), None] {
        let output = health(tls).await;
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert!(stderr(&output).contains("not ready"), "{output:?}");
    }
    assert!(end(&mut server.child, Signal::TERM).await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn printed_urls_are_https() {
    let (authority, program) = (Authority::new(), Program::init().await);
    let files = authority.issue().write(program.folder.path(), "server");
    let mut command = program.command(&["client-config", "curl", "--org", "north", "--json"]);
    command
        .env(TLS, section(&files))
        .env("LOCUM__SERVER__LISTEN", "127.0.0.1:8443");
    let output = command.output().await.unwrap();
    let printed: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(printed["url"], "https://127.0.0.1:8443/t/north/mcp");
}
