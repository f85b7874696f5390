//! Nothing is served in clear text to a network by accident.

use std::fs;

use rustix::process::Signal;

use crate::support::TestApp;
use crate::support::process::{end, serve_logged};
use crate::support::program::Program;
use crate::support::wire::{Draft, Wire};

const BODY: &str = r#"{"jsonrpc":"2.0","id":7,"method":"ping"}"#;

#[tokio::test(flavor = "multi_thread")]
async fn clear_text_beyond_loopback_refuses_to_start() {
    let program = Program::init().await;
    for (section, address, remedy) in [
        ("server", "0.0.0.0:0", "server.trusted_proxies"),
        ("server", "[::]:0", "set server.tls"),
        ("server", "192.0.2.1:8080", "listen on 127.0.0.1"),
        ("admin", "0.0.0.0:0", "set admin.tls"),
        ("admin", "192.0.2.1:8081", "listen on 127.0.0.1"),
    ] {
        let listen = format!("LOCUM__{}__LISTEN", section.to_uppercase());
        for (command, code) in [("serve", 78), ("check", 1)] {
            let output = program.command(&[command]).env(&listen, address).output();
            let output = output.await.unwrap();
            let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
            assert_eq!(
                output.status.code(),
                Some(code),
                "{command} {address}: {text}"
            );
            let named = [
                &format!("{section}.listen: {address} is not loopback"),
                remedy,
            ];
            assert!(named.iter().all(|part| text.contains(*part)), "{text}");
            assert!(
                text.contains(&format!("{section}.allow_plaintext = true")),
                "{text}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_is_no_proxy() {
    let program = Program::init().await;
    for network in ["0.0.0.0/0", "::/0"] {
        let proxies = format!("[\"10.0.0.2\", \"{network}\"]");
        let mut serve = program.command(&["serve"]);
        let serve = serve.env("LOCUM__SERVER__LISTEN", "0.0.0.0:0");
        let output = serve
            .env("LOCUM__SERVER__TRUSTED_PROXIES", proxies)
            .output();
        let output = output.await.unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(78), "{text}");
        assert!(text.contains("everybody is no proxy"), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_starts_where_it_is_meant() {
    let program = Program::init().await;
    let serve = async |variables: &[(&str, &str)]| {
        let (mut server, log) = serve_logged(&program, variables).await;
        assert!(end(&mut server.child, Signal::TERM).await.success());
        fs::read_to_string(log).unwrap()
    };
    let allowed = [
        ("LOCUM__SERVER__LISTEN", "0.0.0.0:0"),
        ("LOCUM__SERVER__ALLOW_PLAINTEXT", "true"),
        ("LOCUM__ADMIN__LISTEN", "0.0.0.0:0"),
        ("LOCUM__ADMIN__ALLOW_PLAINTEXT", "true"),
    ];
    let log = serve(&allowed).await;
    assert_eq!(log.matches("plain HTTP on an address").count(), 2, "{log}");
    let behind_proxy = [
        ("LOCUM__SERVER__LISTEN", "0.0.0.0:0"),
        ("LOCUM__SERVER__TRUSTED_PROXIES", "[\"192.0.2.0/24\"]"),
    ];
    let log = serve(&behind_proxy).await;
    assert_eq!(log.matches("plain HTTP").count(), 0, "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_came_to_the_proxy_in_clear_is_refused_on_a_public_site() {
    let app = TestApp::builder()
        .org("north", &["dev"])
        .variable("LOCUM__SERVER__TRUSTED_PROXIES", "[\"127.0.0.2\"]")
        .variable("LOCUM__SERVER__PUBLIC_URL", "https://mcp.example")
        .start()
        .await;
    let key = app.key(&["north"], &["dev"], &[], false).await;
    let ask = async |source: &str, line: &str| {
        let draft = Draft::post("/mcp", BODY)
            .with(format!("Authorization: Bearer {key}"))
            .with(line);
        let mut wire = Wire::connect_from(source, &app.url()).await;
        let answer = wire.exchange(&draft.bytes()).await;
        let code = answer.json()["error"]["data"]["code"]
            .as_str()
            .map(str::to_owned);
        (answer.status, code.unwrap_or_default())
    };
    let refused = (403, "https_required".to_owned());
    assert_eq!(ask("127.0.0.2", "X-Forwarded-Proto: http").await, refused);
    assert_eq!(
        ask("127.0.0.2", "Forwarded: for=192.0.2.1;proto=http").await,
        refused
    );
    assert_eq!(ask("127.0.0.2", "X-Forwarded-Proto: https").await.0, 200);
    assert_eq!(ask("127.0.0.1", "X-Forwarded-Proto: http").await.0, 200);
}
