//! Where requests may go: addresses behind names, literal addresses, the proxy, and whose
//! certificates are believed.

use std::collections::VecDeque;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::thread;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use locum::net::{Lookup, Resolver};
use rustix::process::Signal;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

use crate::support::TestApp;
use crate::support::client::{McpClient, Reply};
use crate::support::process::{end, serve_logged};
use crate::support::program::{Program, write_private};
use crate::support::raw::{Kind, Play, RawUpstream};
use crate::support::upstream_tls::{self as tls, Authority};

/// The name of the tests' upstream; no resolver of the world knows it.
const HOST: &str = "api.clinic.test";

/// Answers of a resolver in their order; the last one stays.
struct Names {
    answers: Mutex<VecDeque<Vec<IpAddr>>>,
    /// Which threads asked.
    asked: Mutex<Vec<Option<String>>>,
}

impl Names {
    fn new(answers: &[&[&str]]) -> Arc<Self> {
        let parse = |answer: &&[&str]| answer.iter().map(|text| text.parse().unwrap()).collect();
        Arc::new(Self {
            answers: Mutex::new(answers.iter().map(parse).collect()),
            asked: Mutex::default(),
        })
    }
}

impl Resolver for Names {
    fn lookup(&self, name: &str) -> Lookup {
        let known = name == HOST;
        let thread = thread::current().name().map(str::to_owned);
        self.asked.lock().unwrap().push(thread);
        let mut answers = self.answers.lock().unwrap();
        let answer = match answers.len() {
            0 | 1 => answers.front().cloned(),
            _ => answers.pop_front(),
        };
        Box::pin(async move {
            let unknown = || io::Error::from(io::ErrorKind::NotFound);
            answer.filter(|_| known).ok_or_else(unknown)
        })
    }
}

async fn read(client: &McpClient) -> Reply {
    client
        .call("get_clinic_details_basic", json!({"clinic_id": "C2001"}))
        .await
}

/// North, whose upstream has a name that resolves like this.
async fn named(upstream: &RawUpstream, keys: &str, answers: &[&[&str]]) -> (TestApp, McpClient) {
    named_by(Names::new(answers), upstream, keys).await
}

async fn named_by(names: Arc<Names>, upstream: &RawUpstream, keys: &str) -> (TestApp, McpClient) {
    let port = upstream.url.rsplit(':').next().unwrap();
    let app = TestApp::builder()
        .config(&format!(
            "[upstream]\nallow_http_hosts = [\"{HOST}\"]\n{keys}"
        ))
        .upstream(&format!("http://{HOST}:{port}"))
        .resolver(names)
        .org("north", &["dev"])
        .start()
        .await;
    let client = app.client(&["north"], &["dev"]).await;
    (app, client)
}

const NAMED: &str = "allow_private_hosts = [\"api.clinic.test\"]\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_leads_into_a_private_network_is_refused_before_anything_is_sent() {
    for address in [
        "127.0.0.1",
        "::1",
        "::ffff:127.0.0.1",
        "10.0.0.5",
        "100.64.0.1",
        "fd12::1",
    ] {
        let upstream = RawUpstream::start().await;
        let (_app, client) = named(&upstream, "", &[&[address]]).await;
        let reply = read(&client).await;
        assert_eq!(
            reply.failure()["error_code"],
            "login_unavailable",
            "{address}"
        );
        let text = reply.body.to_string();
        assert!(!text.contains(address) && !text.contains(HOST), "{text}");
        assert_eq!(upstream.connections(), 0, "{address}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_can_name_the_host_and_metadata_stays_out_of_reach() {
    let upstream = RawUpstream::start().await;
    let mixed: &[&str] = &["169.254.169.254", "fe80::1", "0.0.0.0", "127.0.0.1"];
    let (_app, client) = named(&upstream, NAMED, &[mixed]).await;
    assert!(read(&client).await.is_ok());
    let (_app, client) = named(&upstream, NAMED, &[&["169.254.169.254", "fd00:ec2::254"]]).await;
    let reply = read(&client).await;
    assert_eq!(reply.failure()["error_code"], "login_unavailable");
    assert_eq!(upstream.connections(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_has_a_connection_of_its_own_and_is_not_made_on_the_threads_of_calls() {
    let upstream = RawUpstream::start().await;
    let names = Names::new(&[&["127.0.0.1"]]);
    let (_app, client) = named_by(names.clone(), &upstream, NAMED).await;
    for _ in 0..2 {
        assert!(read(&client).await.is_ok());
    }
    let asked = names.asked.lock().unwrap().clone();
    let by_housekeeping = asked
        .iter()
        .map(|name| name.as_deref() == Some("housekeeping"));
    assert_eq!(
        by_housekeeping.collect::<Vec<_>>(),
        [true, false],
        "{asked:?}"
    );
    assert_eq!(upstream.connections(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_changes_its_meaning_is_checked_for_every_connection() {
    let upstream = RawUpstream::start().await;
    let (app, client) = named(
        &upstream,
        NAMED,
        // The login, the call, and what comes after.
        &[&["127.0.0.1"], &["127.0.0.1"], &["169.254.169.254"]],
    )
    .await;
    assert!(read(&client).await.is_ok());
    // The kept connection goes on; when it is gone, the name is looked up again.
    upstream.play("north-dev", Kind::Api, Play::SayAndReset(Vec::new()));
    assert!(read(&client).await.is_error());
    upstream.recover();
    let reply = read(&client).await;
    let failure = reply.failure();
    assert_eq!(failure["error_code"], "upstream_unavailable");
    let message = failure["message"].as_str().unwrap();
    assert!(
        message.contains("its address is not allowed here"),
        "{message}"
    );
    assert_eq!(upstream.connections(), 2);
    drop(app);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_nobody_knows_is_an_error_that_says_so() {
    let upstream = RawUpstream::start().await;
    let (app, client) = named(&upstream, NAMED, &[]).await;
    let reply = read(&client).await;
    assert_eq!(reply.failure()["error_code"], "login_unavailable");
    assert!(!reply.body.to_string().contains(HOST));
    drop(app);
}

#[tokio::test]
async fn literal_addresses_are_refused_when_the_configuration_is_read() {
    let program = Program::init().await;
    for (url, says) in [
        (
            "https://10.0.0.5",
            "add the host to upstream.allow_private_hosts",
        ),
        (
            "https://0xa9fea9fe/latest",
            "(metadata); no key allows this one",
        ),
        ("https://[::ffff:192.168.1.1]", "(private)"),
        ("https://[fe80::1]", "(link-local)"),
        ("https://100.100.100.200", "(metadata)"),
        ("http://10.0.0.5", "upstream.allow_http_hosts"),
    ] {
        program.configure_upstream(url);
        let (code, error) = program.fails(&["serve"]).await;
        assert_eq!(code, 78, "{error}");
        assert!(
            error.contains("providers.eka-care.environments.dev.base_url"),
            "{error}"
        );
        assert!(error.contains(says), "{error}");
    }
    let named = "[upstream]\nallow_private_hosts = [\"10.0.0.5\"]\n\
                 [providers.eka-care.environments.dev]\nbase_url = \"https://10.0.0.5:8443\"\n";
    program.configure(named);
    program.ok(&["check"]).await;
}

#[tokio::test]
async fn mistakes_in_the_upstream_section_name_key_and_remedy() {
    let program = Program::init().await;
    write_private(&program.path("empty.pem"), "nothing here\n");
    write_private(
        &program.path("broken.pem"),
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    );
    write_private(&program.path("word"), "only-a-user\n");
    let proxy = "proxy = \"http://127.0.0.1:3128\"\n";
    let credentials = format!("{proxy}proxy_credentials_file = \"word\"\n");
    for (keys, key, says) in [
        (
            "ca_file = \"none.pem\"\n",
            "upstream.ca_file ./none.pem: ",
            "No such file",
        ),
        (
            "ca_file = \"empty.pem\"\n",
            "upstream.ca_file ./empty.pem: ",
            "there is no certificate in it",
        ),
        (
            "ca_file = \"broken.pem\"\n",
            "upstream.ca_file ./broken.pem: ",
            "certificate 1: ",
        ),
        (
            "allow_private_hosts = [\"10.0.0.0/8\"]\n",
            "locum.toml:",
            "without scheme, port, range and wildcard",
        ),
        (
            "allow_private_hosts = [\"169.254.169.254\"]\n",
            "upstream.allow_private_hosts",
            "is a metadata address",
        ),
        (
            "allow_http_hosts = [\"http://x\"]\n",
            "locum.toml:",
            "is not a host",
        ),
        (
            "proxy = \"socks5://127.0.0.1\"\n",
            "upstream.proxy: ",
            "the URL of an HTTP proxy",
        ),
        (
            "proxy = \"http://me:secret-word@127.0.0.1\"\n",
            "upstream.proxy: ",
            "upstream.proxy_credentials_file",
        ),
        (
            "proxy = \"http://169.254.169.254\"\n",
            "upstream.proxy: ",
            "where no proxy may be",
        ),
        (
            "proxy_credentials_file = \"word\"\n",
            "upstream.proxy_credentials_file: ",
            "there is no upstream.proxy",
        ),
        (
            "no_proxy = [\"x\"]\n",
            "upstream.no_proxy: ",
            "there is no upstream.proxy",
        ),
        (
            &credentials,
            "upstream.proxy_credentials_file ./word: ",
            "user:password",
        ),
    ] {
        program.configure(&format!("[upstream]\n{keys}"));
        let (code, error) = program.fails(&["serve"]).await;
        assert_eq!(code, 78, "{keys}: {error}");
        assert!(
            error.contains(key) && error.contains(says),
            "{keys}: {error}"
        );
        assert!(
            !error.contains("secret-word") && !error.contains("only-a-user"),
            "{error}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_tells_operators_which_host_and_why() {
    let authority = Authority::new();
    let upstream = RawUpstream::start().await;
    let address = tls::serve(authority.server(&["127.0.0.1"]), &upstream.url).await;
    let program = Program::init().await;
    program.configure_upstream(&format!("https://{address}"));
    program.organization("north", &["dev"]).await;
    let key = program.key(&["north"]).await;
    let (mut server, log) = serve_logged(&program, &[]).await;
    let reply = read(&McpClient::new(&server.url, &key)).await;
    assert_eq!(reply.failure()["error_code"], "login_unavailable");
    // The log has a thread of its own, which may be behind until the end.
    assert!(end(&mut server.child, Signal::TERM).await.success());
    let log = std::fs::read_to_string(log).unwrap();
    let line = log.lines().find(|line| line.contains("cannot be reached"));
    let line: serde_json::Value = serde_json::from_str(line.unwrap()).unwrap();
    assert_eq!(line["host"], "127.0.0.1", "{line}");
    assert!(
        line["cause"].as_str().unwrap().contains("UnknownIssuer"),
        "{line}"
    );
}

/// A proxy that lets those pass who know the word, and sends them all to one place.
async fn proxy(word: Option<&str>, to: String) -> (String, Arc<Mutex<Vec<String>>>) {
    let expected = word.map(|word| format!("Basic {}", STANDARD.encode(word)));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let heads = seen.clone();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let (expected, to, heads) = (expected.clone(), to.clone(), heads.clone());
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(socket.read_u8().await?);
                }
                let head = String::from_utf8(head).unwrap();
                let pass = expected.is_none_or(|word| head.contains(&word));
                heads.lock().unwrap().push(head);
                if !pass {
                    return socket
                        .write_all(b"HTTP/1.1 407 No\r\ncontent-length: 0\r\n\r\n")
                        .await;
                }
                let mut upstream = TcpStream::connect(to).await?;
                socket.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
                copy_bidirectional(&mut socket, &mut upstream)
                    .await
                    .map(drop)
            });
        }
    });
    (address, seen)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_is_told_the_name_and_sees_nothing_else() {
    let authority = Authority::new();
    let upstream = RawUpstream::start().await;
    let inside = tls::serve(authority.server(&[HOST]), &upstream.url).await;
    let (address, heads) = proxy(Some("locum:synthetic:word"), inside).await;
    let folder = tempfile::tempdir().unwrap();
    let (bundle, word) = (folder.path().join("ca.pem"), folder.path().join("word"));
    std::fs::write(&bundle, authority.pem()).unwrap();
    let start = async |secret: &str| {
        write_private(&word, secret);
        let app = TestApp::builder()
            .config(&format!(
                "[upstream]\nproxy = \"http://{address}\"\nproxy_credentials_file = {word:?}\n\
                 ca_file = {bundle:?}\n"
            ))
            .upstream(&format!("https://{HOST}"))
            // The gateway itself does not look the name up.
            .resolver(Names::new(&[]))
            .org("north", &["dev"])
            .start()
            .await;
        let client = app.client(&["north"], &["dev"]).await;
        (app, client)
    };
    let (_app, client) = start("locum:synthetic:word\n").await;
    for _ in 0..3 {
        let reply = read(&client).await;
        assert!(reply.is_ok(), "{}", reply.body);
    }
    assert_eq!(upstream.requests("north-dev", Kind::Api), 3);
    let seen = heads.lock().unwrap().join("");
    assert!(
        seen.starts_with(&format!("CONNECT {HOST}:443 HTTP/1.1\r\n")),
        "{seen}"
    );
    assert!(
        !seen.contains("connect-auth") && !seen.contains("north"),
        "{seen}"
    );

    let (_app, client) = start("locum:another").await;
    let reply = read(&client).await;
    assert_eq!(reply.failure()["error_code"], "login_unavailable");
    assert!(!reply.body.to_string().contains("another"));
}

#[tokio::test(flavor = "multi_thread")]
async fn loopback_and_named_hosts_go_past_the_proxy_and_plain_http_never_through_it() {
    let upstream = RawUpstream::start().await;
    let (address, heads) = proxy(None, String::new()).await;
    let app = TestApp::builder()
        .config(&format!("[upstream]\nproxy = \"http://{address}\"\n"))
        .upstream(&upstream.url)
        .org("north", &["dev"])
        .start()
        .await;
    assert!(read(&app.client(&["north"], &["dev"]).await).await.is_ok());

    let keys = format!("{NAMED}proxy = \"http://{address}\"\nno_proxy = [\"{HOST}\"]\n");
    let (_app, client) = named(&upstream, &keys, &[&["127.0.0.1"]]).await;
    assert!(read(&client).await.is_ok());
    assert!(heads.lock().unwrap().is_empty());

    let program = Program::init().await;
    program.configure(&format!(
        "[upstream]\nproxy = \"http://{address}\"\nallow_http_hosts = [\"{HOST}\"]\n\
         [providers.eka-care.environments.dev]\nbase_url = \"http://{HOST}\"\n"
    ));
    let (code, error) = program.fails(&["serve"]).await;
    assert_eq!(code, 78);
    assert!(
        error.contains("would show credentials to the proxy"),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn without_authorities_of_the_system_those_of_the_build_are_used() {
    let program = Program::init().await;
    let nowhere = program.path("nowhere");
    let variables = [
        ("SSL_CERT_FILE", nowhere.to_str().unwrap()),
        ("SSL_CERT_DIR", nowhere.to_str().unwrap()),
        ("LOCUM__LOG__LEVEL", "debug"),
    ];
    let (_server, log) = serve_logged(&program, &variables).await;
    let log = std::fs::read_to_string(log).unwrap();
    assert!(log.contains("those of the build are used"), "{log}");
}
