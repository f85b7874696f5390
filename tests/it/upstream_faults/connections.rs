//! Faults of connections and of TLS: each has an upstream, and so a gateway, of its own.

use std::net::SocketAddr;
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use super::{CONFIG, DEADLINE, PAUSE, read};
use crate::support::TestApp;
use crate::support::app::org;
use crate::support::raw::{Kind, Play, RawUpstream, ok};
use crate::support::upstream_tls::{self as tls, Authority};
use locum::domain::tenant::Environment;

const NO_CONNECTION: &str = "no connection could be made";
const LATE: &str = "no complete answer came in time";
const BROKE: &str = "the connection broke before the answer was complete";
const DAMAGED: &str = "the answer is damaged or not HTTP";
const CERTIFICATE: &str = "its certificate was not accepted";
const NO_TLS: &str = "no secure connection (TLS) could be made";

/// A listener that does this with every connection, one after the other.
async fn listener<F>(with: impl Fn(TcpStream) -> F + Send + 'static) -> String
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            tokio::spawn(with(socket));
        }
    });
    address
}

/// A port that refuses, because it is bound and nobody listens.
async fn refused() -> (TcpSocket, String) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let address = socket.local_addr().unwrap().to_string();
    (socket, address)
}

async fn hold(mut socket: TcpStream) {
    while socket.read(&mut [0; 1024]).await.is_ok_and(|read| read > 0) {}
}

/// A gateway before that upstream, believing this authority; and the folder with its certificate.
async fn trusting(authority: &Authority, base_url: &str) -> (TestApp, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let bundle = folder.path().join("roots.pem");
    std::fs::write(&bundle, authority.pem()).unwrap();
    let config = CONFIG.replace("[limits]", &format!("ca_file = {bundle:?}\n[limits]"));
    let app = TestApp::builder()
        .config(&config)
        .upstream(base_url)
        .org("north", &["dev"])
        .start()
        .await;
    (app, folder)
}

/// What the client is told of a login there, and what an administrator is.
async fn login_at(base_url: &str, authority: &Authority) -> (serde_json::Value, String) {
    let (app, _folder) = trusting(authority, base_url).await;
    let reply = read(&app.client(&["north"], &["dev"]).await).await;
    let (admin, north) = (app.admin(), org("north"));
    let environment = Environment::parse("dev").unwrap();
    let test = admin.test_credential(&north, &environment, "eka-care");
    let report = tokio::time::timeout(DEADLINE, test).await.unwrap().unwrap();
    (reply.body, report.message)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_fault_of_a_connection_is_an_error_by_the_deadline() {
    let authority = Authority::new();
    let stranger = Authority::new();
    let upstream = RawUpstream::start().await;
    let tls = async |config| tls::serve(config, &upstream.url).await;
    let (_bound, nobody) = refused().await;
    let name = &["127.0.0.1"];
    let silent = listener(hold).await;
    let rows = [
        ("refused", "http", nobody, NO_CONNECTION),
        (
            "accept-and-close",
            "http",
            listener(async |_| ()).await,
            BROKE,
        ),
        (
            "accept-and-reset",
            "http",
            listener(async |socket: TcpStream| socket.set_zero_linger().unwrap()).await,
            BROKE,
        ),
        ("never-answers", "http", silent.clone(), LATE),
        ("tls-hangs", "https", silent, LATE),
        (
            "tls-closes",
            "https",
            listener(async |_| ()).await,
            NO_CONNECTION,
        ),
        (
            "tls-garbage",
            "https",
            listener(async |mut socket: TcpStream| {
                let _ = socket.write_all(&[0xff; 512]).await;
                hold(socket).await
            })
            .await,
            NO_TLS,
        ),
        (
            "plain-on-tls-port",
            "https",
            upstream.url.trim_start_matches("http://").to_owned(),
            LATE,
        ),
        (
            "plain-answer-to-tls",
            "https",
            listener(async |mut socket: TcpStream| {
                let _ = socket.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
                hold(socket).await
            })
            .await,
            NO_TLS,
        ),
        (
            "tls-on-plain-port",
            "http",
            tls(authority.server(name)).await,
            DAMAGED,
        ),
        (
            "self-signed",
            "https",
            tls(tls::self_signed_server(name)).await,
            CERTIFICATE,
        ),
        (
            "unknown-authority",
            "https",
            tls(stranger.server(name)).await,
            CERTIFICATE,
        ),
        (
            "expired",
            "https",
            tls(authority.expired_server(name)).await,
            CERTIFICATE,
        ),
        (
            "wrong-host",
            "https",
            tls(authority.server(&["localhost", "127.0.0.2"])).await,
            CERTIFICATE,
        ),
    ];
    for (row, scheme, address, expected) in rows {
        let (told, report) = login_at(&format!("{scheme}://{address}"), &authority).await;
        let failure = &told["result"]["structuredContent"]["error"];
        assert_eq!(failure["error_code"], "login_unavailable", "{row}: {told}");
        assert!(!told.to_string().contains("127.0.0.1"), "{row}: {told}");
        // A reset may be there before the connection counts as made.
        let early = row == "accept-and-reset" && report.contains(NO_CONNECTION);
        assert!(early || report.contains(expected), "{row}: {report}");
        assert!(!report.contains("127.0.0.1"), "{row}: {report}");
    }
    let good = tls(authority.server(name)).await;
    let (told, report) = login_at(&format!("https://{good}"), &authority).await;
    assert_eq!(told["result"]["isError"], false, "{told}");
    assert_eq!(report, "Authentication successful");
}

/// An answer may be as long as its connection. Where TLS does not say that this was the end, anybody
/// on the way may have cut it off.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_over_tls_is_whole_or_an_error() {
    let authority = Authority::new();
    let upstream = RawUpstream::start().await;
    let config = || authority.server(&["127.0.0.1"]);
    let play =
        |bytes: &[u8]| upstream.play("north-dev", Kind::Api, Play::SayAndClose(bytes.into()));
    let cut = tls::serve_cut(config(), &upstream.url).await;
    let (app, _folder) = trusting(&authority, &format!("https://{cut}")).await;
    let client = app.client(&["north"], &["dev"]).await;
    assert!(read(&client).await.is_ok());
    let unlimited = b"HTTP/1.1 200 OK\r\n\r\n{\"a\": 1}".as_slice();
    let rows = [
        b"".as_slice(),
        b"HTTP/1.1 200 OK\r\ncont",
        b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n[",
        unlimited,
    ];
    for (number, bytes) in (1..).zip(rows) {
        play(bytes);
        let reply = read(&client).await;
        let failure = reply.failure();
        assert_eq!(failure["error_code"], "upstream_unavailable", "{number}");
        let message = failure["message"].as_str().unwrap();
        assert!(message.contains(BROKE), "{number}: {message}");
        assert_eq!(upstream.requests("north-dev", Kind::Api), 1 + number);
    }
    play(&ok(b"{}"));
    assert!(
        read(&client).await.is_ok(),
        "its length says that it is whole"
    );

    let told = tls::serve(config(), &upstream.url).await;
    let (app, _folder) = trusting(&authority, &format!("https://{told}")).await;
    play(unlimited);
    let reply = read(&app.client(&["north"], &["dev"]).await).await;
    assert!(reply.is_ok(), "{}", reply.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kept_connection_that_the_upstream_closes_costs_nothing() {
    let upstream = RawUpstream::start().await;
    let app = TestApp::builder()
        .config(CONFIG)
        .upstream(&upstream.url)
        .org("north", &["dev"])
        .start()
        .await;
    let client = app.client(&["north"], &["dev"]).await;
    // Each answer promises to keep the connection, and each connection is closed after it.
    upstream.play("north-dev", Kind::Api, Play::SayAndClose(ok(b"{}")));
    for _ in 0..20 {
        assert!(read(&client).await.is_ok());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(upstream.requests("north-dev", Kind::Api), 20);
    assert_eq!(upstream.connections(), 21, "the login's and one a call");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_was_sent_on_a_closing_connection_is_not_sent_twice() {
    let upstream = RawUpstream::start().await;
    let app = TestApp::builder()
        .config(CONFIG)
        .upstream(&upstream.url)
        .org("north", &["dev"])
        .start()
        .await;
    let client = app.client(&["north"], &["dev"]).await;
    assert!(read(&client).await.is_ok());
    upstream.play("north-dev", Kind::Api, Play::SayAndReset(Vec::new()));
    let reply = read(&client).await;
    let message = reply.failure()["message"].as_str().unwrap();
    assert!(message.contains(BROKE), "{message}");
    assert_eq!(upstream.requests("north-dev", Kind::Api), 2);
    upstream.recover();
    app.clock.advance(PAUSE);
    assert!(read(&client).await.is_ok());
}
