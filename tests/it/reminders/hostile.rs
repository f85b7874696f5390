//! Mail servers that hang, send without end or repeat what they were told, and files with secrets
//! that others can read.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use locum::domain::reminder::ReminderState;
use rustix::process::Signal;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::outbox;
use super::program::overdue;
use crate::support::clinic::{Clinic, by, credential, organization};
use crate::support::load::eventually;
use crate::support::process::{end, serve_logged};
use crate::support::program::Program;
use crate::support::scrape::Scrape;
use crate::support::webhooks::{Receiver, SECRET};

const PASSWORD: &str = "synthetic-mail-password";

/// A mail server that does this with every connection; answers its port.
async fn server<W>(serve: impl Fn(TcpStream) -> W + Send + 'static) -> u16
where
    W: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (connection, _) = listener.accept().await.unwrap();
            tokio::spawn(serve(connection));
        }
    });
    port
}

/// Takes everything and says nothing.
async fn silent(mut connection: TcpStream) {
    let mut bytes = [0; 1024];
    while connection.read(&mut bytes).await.is_ok_and(|read| read > 0) {}
}

/// A greeting without an end.
async fn endless(mut connection: TcpStream) {
    let _ = connection.write_all(b"220 ").await;
    while connection.write_all(&[b'a'; 65_536]).await.is_ok() {}
}

/// Refuses every login, and says which one.
async fn telltale(connection: TcpStream) {
    let mut lines = BufReader::new(connection);
    let greeting = lines.write_all(b"220 mail.example\r\n").await;
    greeting.unwrap();
    let mut line = String::new();
    while lines.read_line(&mut line).await.is_ok_and(|read| read > 0) {
        let answer = match line.trim_end().split_once("AUTH PLAIN ") {
            Some((_, told)) => {
                let decoded = STANDARD.decode(told).unwrap();
                let decoded = String::from_utf8(decoded).unwrap().replace('\0', " ");
                let half = &told[..told.len() / 2];
                format!("535 no {told} or {half} that is{decoded}\r\n")
            }
            None if line.starts_with("EHLO") => "250-mail.example\r\n250 AUTH PLAIN\r\n".to_owned(),
            None => "250 ok\r\n".to_owned(),
        };
        lines.write_all(answer.as_bytes()).await.unwrap();
        line.clear();
    }
}

fn section(port: u16, more: &str) -> String {
    format!(
        "[reminders.smtp]\nhost = \"127.0.0.1\"\nport = {port}\nfrom = \"locum@clinic.example\"\n\
         to = [\"it@clinic.example\"]\n{more}"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_server_that_says_nothing_holds_up_no_webhook_and_its_reminders_fail_in_time() {
    let receiver = Receiver::start().await;
    let port = server(silent).await;
    let config = section(port, "timeout = \"3s\"\n") + &receiver.section();
    let clinic = Clinic::new(&config).await;
    clinic.write("webhook.secret", SECRET);
    let app = clinic.open().await;
    let admin = by(&app, "priya");
    organization(&admin, "north").await;
    credential(&admin, "north", "prod", clinic.days_from_now(-100)).await;
    let by_mail = async || {
        let mut rows = outbox(&app).await.into_iter();
        let row = rows.find(|row| row.channel == "smtp" && row.state == ReminderState::Pending);
        row.unwrap()
    };
    let hooked = async {
        eventually("the webhook", || !receiver.received().is_empty()).await;
        by_mail().await.attempts
    };
    let (sendings, attempts) = tokio::join!(app.remind(), hooked);
    assert_eq!(attempts, 0, "the mail server was still waited for");
    let by_channel = sendings.unwrap().by_channel;
    let failed = ["log", "smtp", "webhook:ops"].map(|channel| by_channel[channel].failed);
    assert_eq!(failed, [0, 1, 0]);
    let row = by_mail().await;
    let error = "mail server: nothing came within 3 s; port 465 takes tls = \"implicit\"";
    assert_eq!((row.attempts, row.last_error.as_deref()), (1, Some(error)));
    let tests = admin.test_reminders().await.unwrap();
    assert_eq!(tests.iter().find(|test| !test.ok).unwrap().message, error);
    app.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_server_that_sends_without_end_is_left() {
    let clinic = Clinic::new("").await;
    let port = server(endless).await;
    clinic.configure(&section(port, "tls = \"none\"\n"));
    let app = clinic.open().await;
    let tests = by(&app, "priya").test_reminders().await.unwrap();
    let error = &tests.iter().find(|test| !test.ok).unwrap().message;
    assert!(error.contains("it sends more than 256 KiB"), "{error}");
    app.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_server_that_repeats_the_login_tells_it_nobody() {
    let clinic = Clinic::new("").await;
    clinic.write("mail-login", &format!("locum-mailer:{PASSWORD}\n"));
    let port = server(telltale).await;
    let more = "tls = \"none\"\ncredentials_file = \"mail-login\"\n";
    clinic.configure(&section(port, more));
    let app = clinic.open().await;
    let admin = by(&app, "priya");
    organization(&admin, "north").await;
    credential(&admin, "north", "prod", clinic.days_from_now(-100)).await;
    app.remind().await.unwrap();
    let rows = outbox(&app).await;
    let error = rows.iter().find_map(|row| row.last_error.as_deref());
    let error = error.unwrap();
    assert!(error.contains("535"), "{error}");
    assert!(error.ends_with("no *** or *** that is *** ***"), "{error}");
    app.close().await;
    let plain = STANDARD.encode(format!("\0locum-mailer\0{PASSWORD}"));
    for name in ["locum.db", "locum.db-wal"] {
        let bytes = std::fs::read(clinic.folder.path().join("data").join(name));
        let text = String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned();
        assert!(!text.contains(PASSWORD) && !text.contains(&plain[..plain.len() / 2]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_repeats_its_request_tells_nobody_the_signature() {
    let receiver = Receiver::start().await;
    let clinic = Clinic::new(&receiver.section()).await;
    clinic.write("webhook.secret", SECRET);
    let app = clinic.open().await;
    let admin = by(&app, "priya");
    for status in [302, 400, 500] {
        receiver.answer(1, status, None);
        let tests = admin.test_reminders().await.unwrap();
        let message = &tests.iter().find(|test| !test.ok).unwrap().message;
        assert_eq!(*message, format!("webhook: it answered HTTP {status}"));
    }
    app.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_a_mail_server_hangs_the_others_go_on_and_are_counted() {
    let receiver = Receiver::start().await;
    let program = overdue(&receiver).await;
    let key = [
        "key",
        "create",
        "--name",
        "desk",
        "--org",
        "north",
        "--all-envs",
    ];
    program
        .ok(&[&key[..], &["--expires", "10d"]].concat())
        .await;
    let token = [
        "admin-token",
        "create",
        "--role",
        "auditor",
        "--expires",
        "60d",
    ];
    program.ok(&token).await;
    let port = server(silent).await;
    program.configure(&(section(port, "timeout = \"5m\"\n") + &receiver.section()));
    let (mut server, log) = serve_logged(&program, &[]).await;
    eventually("the webhook", || !receiver.received().is_empty()).await;
    let text = std::fs::read_to_string(&log).unwrap();
    let line = text.lines().next().unwrap();
    let line: Value = serde_json::from_str(line).unwrap();
    let admin = line["admin"].as_str().unwrap();
    let overdue = [
        ("provider", "eka-care"),
        ("environment", "prod"),
        ("standing", "overdue"),
    ];
    let sent = [("channel", "webhook"), ("result", "sent")];
    let ends = |kind| [("kind", kind), ("standing", "ends")];
    let (mut seen, expected) = ([0.0; 5], [1.0, 1.0, 2.0, 1.0, 0.0]);
    for _ in 0..400 {
        let scrape = Scrape::of(&format!("http://{admin}")).await;
        let pending = [("state", "pending")];
        seen = [
            scrape.value("locum_reminders_total", &sent),
            scrape.value("locum_credentials_due", &overdue),
            scrape.value("locum_reminders_outbox", &pending),
            scrape.value("locum_keys_ending", &ends("gateway_key")),
            scrape.value("locum_keys_ending", &ends("admin_token")),
        ];
        if seen == expected {
            break;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    assert_eq!(seen, expected);
    assert!(end(&mut server.child, Signal::TERM).await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_that_others_can_read_are_refused_but_in_a_secret_mount() {
    let program = Program::init().await;
    let mail = section(2525, "tls = \"none\"\ncredentials_file = \"word\"\n");
    let hook = "[[reminders.webhook]]\nname = \"ops\"\nurl = \"https://hooks.example/\"\n\
                secret_file = \"word\"\n";
    std::fs::write(program.path("word"), format!("locum:{SECRET}\n")).unwrap();
    symlink("word", program.path("link")).unwrap();
    let set = |mode| {
        let mode = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(program.path("word"), mode).unwrap();
    };
    for (config, key) in [
        (mail.as_str(), "reminders.smtp.credentials_file"),
        (hook, "reminders.webhook.secret_file"),
    ] {
        let refused = async |config: &str, words: &str| {
            program.configure(config);
            let (code, error) = program.fails(&["check"]).await;
            assert_eq!(code, 78, "{error}");
            assert!(error.contains(key) && error.contains(words), "{error}");
        };
        let mounted = format!("[reminders]\nmounted_secrets = true\n{config}");
        let linked = config.replace("word", "link");
        set(0o644);
        refused(config, "it has mode 0644; run: chmod 600 ").await;
        program.configure(&mounted.replace("word", "link"));
        program.ok(&["check"]).await;
        set(0o666);
        refused(&mounted, "it has mode 0666").await;
        set(0o600);
        refused(&linked, "it is a symbolic link").await;
        program.configure(config);
        program.ok(&["check"]).await;
    }
}
