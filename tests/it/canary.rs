//! Canary secrets and canary patients: nothing of them, in any of nine encodings, in a log at trace
//! level, a command's output, an MCP answer, the database's files, the metrics or the traces, after
//! failures too.
//!
//! The upstream here is the test's own: it repeats in its refusals whatever secret it was sent.

use std::fs;
use std::path::Path;

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::support::commands::feed;
use crate::support::otlp::Collector;
use crate::support::process::{end, serve_logged};
use crate::support::program::Program;
use crate::support::scrape::Scrape;
use crate::support::wire::{self, Draft};

/// All digits, so that an upstream may repeat it as a number.
const CLIENT_ID: &str = "8201736455";
const CLIENT_SECRET: &str = r#"Ca+na/ry~sëcret"one\%&=?1f3a"#;
const REFUSED_SECRET: &str = r#"Ca+na/ry~réfused"two\%&=?2e4b"#;
const API_KEY: &str = r#"Ca+na/ry~api-key"three\%&=?3d5c"#;
const ACCESS_TOKEN: &str = r#"Ca+na/ry~access"four\%&=?4c6d"#;
const REFRESH_TOKEN: &str = r#"Ca+na/ry~refresh"five\%&=?5b7e"#;
const COLLECTOR_TOKEN: &str = r#"Ca+na/ry~collector"seven\%&=?7b9a"#;
const BROKEN_SECRET: &str = r#"Ca+na/ry~broken"six\%&=?6a8f"#;

const PATIENT: &str = "Qanarya Zwitschern";
const MOBILE: &str = "+919876501234";
const ARGUMENT: &str = "qanaryarg";
/// A patient in an error's message: that goes to the client and nowhere else.
const PATIENT_IN_ERROR: &str = "Qanaryerror Piepmatz";

/// The forms in which a text could slip out. Base64 is looked for at each of the three places that
/// a text can have in a longer one.
fn encodings(text: &str) -> Vec<(&'static str, Vec<u8>)> {
    let bytes = text.as_bytes();
    let hex = |digits: fn(&u8) -> String| bytes.iter().map(digits).collect::<String>();
    let json = Value::from(text).to_string();
    let wide = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let listed: Vec<String> = bytes.iter().map(u8::to_string).collect();
    let percent = utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let mut all = vec![
        ("raw", bytes.to_vec()),
        ("JSON", json.trim_matches('"').as_bytes().to_vec()),
        (
            "hexadecimal",
            hex(|byte| format!("{byte:02x}")).into_bytes(),
        ),
        (
            "HEXADECIMAL",
            hex(|byte| format!("{byte:02X}")).into_bytes(),
        ),
        ("percent", percent.into_bytes()),
        ("UTF-16", wide),
        (
            "reversed",
            text.chars().rev().collect::<String>().into_bytes(),
        ),
        ("list of bytes", listed.join(", ").into_bytes()),
    ];
    for shift in 0..3 {
        let inner = &bytes[shift..];
        let whole = &inner[..inner.len() / 3 * 3];
        all.push(("Base64", STANDARD_NO_PAD.encode(whole).into_bytes()));
        all.push((
            "Base64 for URLs",
            URL_SAFE_NO_PAD.encode(whole).into_bytes(),
        ));
    }
    all
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack
        .windows(needle.len())
        .any(|window| window == needle)
}

/// The encodings in which a text is in these bytes.
fn hits(haystack: &[u8], text: &str) -> Vec<&'static str> {
    let found = encodings(text).into_iter();
    found
        .filter(|(_, needle)| contains(haystack, needle))
        .map(|(name, _)| name)
        .collect()
}

/// What came out of the program, by where it came out.
#[derive(Default)]
struct Catch(Vec<(String, Vec<u8>)>);

impl Catch {
    fn add(&mut self, place: impl Into<String>, bytes: impl Into<Vec<u8>>) {
        self.0.push((place.into(), bytes.into()));
    }

    /// Every file below a folder but the key file, which holds a secret by design.
    fn add_files(&mut self, moment: &str, folder: &Path) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if !path.ends_with("master.key") {
                self.add(
                    format!("{} {moment}", path.display()),
                    fs::read(&path).unwrap(),
                );
            }
        }
    }

    /// Runs a command at trace level with this on its standard input, and keeps what it prints.
    async fn run(&mut self, program: &Program, arguments: &str, input: &str) -> Option<i32> {
        let words: Vec<&str> = arguments.split(' ').collect();
        let mut command = program.command(&words);
        command
            .env("LOCUM__LOG__LEVEL", "trace")
            .env("RUST_BACKTRACE", "full");
        let output = feed(command, input).await;
        self.add(format!("output of {arguments}"), output.stdout);
        self.add(format!("errors of {arguments}"), output.stderr);
        output.status.code()
    }

    fn assert_free_of(&self, text: &str) {
        for (place, bytes) in &self.0 {
            let found = hits(bytes, text);
            assert!(
                found.is_empty(),
                "{text:?} as {found:?} in {place}: {}",
                String::from_utf8_lossy(bytes)
            );
        }
    }
}

/// An upstream that hands out canaries and repeats secrets in its errors.
async fn upstream() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let routes = axum::Router::new().fallback(answer);
    tokio::spawn(async move { axum::serve(listener, routes).await });
    url
}

async fn answer(request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, 1 << 20).await.unwrap();
    let sent: Value = serde_json::from_slice(&body).unwrap_or_default();
    let patients = json!([{"fn": PATIENT, "mobile": MOBILE}]);
    let query = parts.uri.query().unwrap_or_default();
    let secret = sent["client_secret"].as_str().unwrap_or_default();
    let (status, body) = match parts.uri.path() {
        path if path.contains("auth") && secret.contains("fused") => {
            let key = parts
                .headers
                .get("x-api-key")
                .and_then(|key| key.to_str().ok());
            let message = format!("no such secret: {secret} {}", key.unwrap_or_default());
            (401, json!({"message": message, "sent": sent}))
        }
        path if path.contains("auth") => (
            200,
            json!({"access_token": ACCESS_TOKEN, "expires_in": 1800,
                         "refresh_token": REFRESH_TOKEN, "refresh_expires_in": 604_800}),
        ),
        _ if query.contains("prefix=fail") => {
            let message = format!("cannot read {PATIENT_IN_ERROR}");
            (500, json!({"message": message, "patients": patients}))
        }
        _ if query.contains("prefix=echo") => {
            let token = parts
                .headers
                .get("authorization")
                .and_then(|t| t.to_str().ok());
            let (begin, end) = ACCESS_TOKEN.split_at(3);
            let hidden = format!("{begin}\u{7}{end}");
            let message = format!("not with {} or {hidden}", token.unwrap_or_default());
            (400, json!({"message": message, "code": ACCESS_TOKEN}))
        }
        _ if query.contains("prefix=number") => {
            let id = parts.headers["client-id"].to_str().unwrap();
            let number: u64 = id.parse().unwrap();
            (400, json!({"message": "no such client", "code": number}))
        }
        _ if query.contains("prefix=expired") => {
            (401, json!({"message": "expired", "patients": patients}))
        }
        _ => (200, patients),
    };
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = axum::http::StatusCode::from_u16(status).unwrap();
    response
}

/// Credentials that work in both flows, one that is refused, and files that are broken.
async fn enter_secrets(program: &Program, catch: &mut Catch) {
    for slug in ["north", "refused"] {
        let create = format!("org create {slug} --name x");
        assert_eq!(catch.run(program, &create, "").await, Some(0));
    }
    let fields =
        |secret: &str| format!("client_id = \"{CLIENT_ID}\"\nclient_secret = '{secret}'\n");
    let set = "credential set --provider eka-care --from-file - --org";
    let stage = "credential stage --provider eka-care --from-file - --org";
    let verify = "credential verify --provider eka-care --org";
    let import = "credential import --provider eka-care - --org";
    let dotenv = |secret: &str| {
        format!("EKA_CLIENT_ID=n\nEKA_CLIENT_SECRET='{secret}'\nEKA_API_KEY='{API_KEY}'\n")
    };
    let odd = format!("client_secret = '{BROKEN_SECRET}\nclient_id = \"x\"\n");
    let unknown = format!("client_id = \"x\"\nclient_sekret = '{BROKEN_SECRET}'\n");
    let listed = format!("client_id = \"x\"\nclient_secret = ['{BROKEN_SECRET}']\n");
    let blank = format!("client_id = \"x\"\nclient_secret = ' {BROKEN_SECRET}'\n");
    let open = format!("EKA_CLIENT_ID=n\nEKA_CLIENT_SECRET='{BROKEN_SECRET}\n");
    let bare = format!("EKA_CLIENT_ID=n\n{BROKEN_SECRET}\n");
    let url = format!("EKA_CLIENT_ID=n\nEKA_API_BASE_URL='https://x.example/{BROKEN_SECRET}'\n");
    for (arguments, input, code) in [
        (format!("{set} north --env dev"), fields(CLIENT_SECRET), 0),
        (
            format!("{set} refused --env dev --json"),
            fields(REFUSED_SECRET),
            0,
        ),
        (
            format!("{import} north --env prod --flow token"),
            dotenv(CLIENT_SECRET),
            0,
        ),
        (
            format!("{import} refused --env prod --flow token"),
            dotenv(REFUSED_SECRET),
            0,
        ),
        (
            format!("{set} north --env dev --json"),
            fields(REFUSED_SECRET),
            1,
        ),
        (
            format!("{stage} north --env dev --json"),
            fields(REFUSED_SECRET),
            0,
        ),
        (format!("{verify} north --env dev"), String::new(), 1),
        (format!("{verify} north --env dev --json"), String::new(), 1),
        (format!("{set} north --env dev"), odd, 1),
        (format!("{set} north --env dev"), unknown, 1),
        (format!("{set} north --env dev --json"), listed, 1),
        (format!("{set} north --env dev"), blank, 1),
        (format!("{import} north --env dev"), open, 1),
        (format!("{import} north --env dev"), bare, 1),
        (format!("{import} north --env dev --json"), url, 1),
    ] {
        let found = catch.run(program, &arguments, &input).await;
        assert_eq!(found, Some(code), "{arguments}");
    }
}

/// Everything that shows something, in text and JSON.
async fn look_around(program: &Program, catch: &mut Catch) {
    for (command, code) in [
        ("org list", 0),
        ("org show north", 0),
        ("credential list --all", 0),
        (
            "credential show --org refused --env dev --provider eka-care",
            0,
        ),
        (
            "credential test --org north --env prod --provider eka-care",
            0,
        ),
        (
            "credential test --org refused --env dev --provider eka-care",
            1,
        ),
        (
            "credential test --org refused --env prod --provider eka-care",
            1,
        ),
        ("check", 0),
        ("check --live", 1),
        ("key list", 0),
        ("catalog show --org north", 0),
    ] {
        for more in ["", " --json"] {
            let found = catch.run(program, &format!("{command}{more}"), "").await;
            assert_eq!(found, Some(code), "{command}{more}");
        }
    }
}

/// Calls that succeed and that fail in every layer; answers what the clients were told.
async fn converse(url: &str, key: &str) -> Vec<(String, Vec<u8>)> {
    let mut answers = Vec::new();
    let cut = &key[..key.len() - 1];
    for (tenant, presented, tool, prefix) in [
        ("north/dev", key, "search_patients", ARGUMENT),
        ("north/prod", key, "search_patients", ARGUMENT),
        ("north/dev", key, "search_patients", "fail"),
        ("north/dev", key, "search_patients", "expired"),
        ("north/dev", key, "search_patients", "echo"),
        ("north/dev", key, "search_patients", "number"),
        ("refused/dev", key, "search_patients", ARGUMENT),
        ("refused/prod", key, "search_patients", ARGUMENT),
        ("refused/dev", key, "search_patients", ARGUMENT),
        ("north/dev", key, ARGUMENT, ARGUMENT),
        ("north/dev", key, "archive_patient", ARGUMENT),
        ("north/dev", cut, "search_patients", ARGUMENT),
        (key, key, "search_patients", ARGUMENT),
        ("nowhere/dev", key, "search_patients", ARGUMENT),
    ] {
        let arguments = json!({"prefix": prefix});
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call",
                          "params": {"name": tool, "arguments": arguments,
                                     "_meta": {"traceparent": ARGUMENT, "baggage": ARGUMENT}}});
        let draft = Draft::post(&format!("/t/{tenant}/mcp"), &body.to_string())
            .with(format!("Authorization: Bearer {presented}"));
        let answer = wire::exchange(url, &draft.bytes()).await;
        let bytes = [answer.head.join("\n").into_bytes(), answer.body].concat();
        answers.push((format!("answer to {tool} {prefix} for {tenant}"), bytes));
    }
    let broken = Draft::post("/t/north/dev/mcp", &format!("{{\"{ARGUMENT}"))
        .with(format!("Authorization: Bearer {key}"));
    let answer = wire::exchange(url, &broken.bytes()).await;
    answers.push(("answer to broken JSON".to_owned(), answer.body));
    answers
}

/// `http://ADDRESS` of the admin listener, from the line that says what is served.
fn admin_url(log: &Path) -> String {
    let log = fs::read_to_string(log).unwrap();
    let mut lines = log.lines().flat_map(serde_json::from_str::<Value>);
    let serving = lines.find(|line| line["message"] == "serving").unwrap();
    format!("http://{}", serving["admin"].as_str().unwrap())
}

#[test]
fn the_search_finds_what_was_planted() {
    for text in [CLIENT_SECRET, ACCESS_TOKEN, PATIENT] {
        let names: std::collections::BTreeSet<_> = encodings(text).iter().map(|e| e.0).collect();
        assert!(names.len() >= 9, "{names:?}");
        for (name, needle) in encodings(text) {
            let planted = [b"before \xff ", needle.as_slice(), b" after"].concat();
            assert!(hits(&planted, text).contains(&name), "{name}");
        }
        for shift in 0..3 {
            let longer = format!("{}{text}, and more", "x".repeat(shift));
            let encoded = STANDARD_NO_PAD.encode(longer);
            assert!(
                hits(encoded.as_bytes(), text).contains(&"Base64"),
                "{shift}"
            );
        }
        assert!(hits(b"nothing of the kind", text).is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_and_no_patient_comes_out_where_they_have_no_place() {
    let program = Program::empty();
    let made = program.json(&["init"]).await;
    let admin_token = made["admin_token"]["token"].as_str().unwrap().to_owned();
    program.configure_upstream(&upstream().await);
    let mut catch = Catch::default();
    enter_secrets(&program, &mut catch).await;
    // What a key's creation prints is the one exception, so it is not kept.
    let create = "key create --name x --org north --org refused --all-envs";
    let created = program.json(&create.split(' ').collect::<Vec<_>>()).await;
    let key = created["key"].as_str().unwrap();

    let collector = Collector::start().await;
    let headers = program.path("headers");
    fs::write(&headers, format!("X-Token: {COLLECTOR_TOKEN}\n")).unwrap();
    let variables = [
        ("LOCUM__LOG__LEVEL", "trace"),
        ("LOCUM__TRACES__ENDPOINT", &collector.url),
        ("LOCUM__TRACES__HEADERS_FILE", headers.to_str().unwrap()),
    ];
    let (mut server, log) = serve_logged(&program, &variables).await;
    look_around(&program, &mut catch).await;
    let answers = converse(&server.url, key).await;
    let (_, served) = &answers[0];
    assert!(
        contains(served, PATIENT.as_bytes()),
        "the canary was in the cage"
    );
    let (_, failed) = &answers[2];
    assert!(
        contains(failed, PATIENT_IN_ERROR.as_bytes()),
        "the message is for the client"
    );
    let metrics = Scrape::of(&admin_url(&log)).await.text;
    let counted = "environment=\"dev\",outcome=\"ok\"} 1";
    assert!(metrics.contains(counted), "{metrics}");
    catch.add("the metrics", metrics);
    let backup = "backup data/backup.db";
    assert_eq!(catch.run(&program, backup, "").await, Some(0));
    assert!(program.path("data/backup.db").exists());
    catch.add_files("while it serves", &program.path("data"));
    assert!(end(&mut server.child, Signal::TERM).await.success());
    catch.add_files("afterwards", &program.path("data"));
    for command in [
        "audit tail -n 1000",
        "audit export --format csv",
        "audit export --format jsonl",
    ] {
        assert_eq!(catch.run(&program, command, "").await, Some(0));
        let (_, text) = &catch.0[catch.0.len() - 2];
        assert!(
            contains(text, b"call search_patients"),
            "calls are on record"
        );
    }
    for command in ["audit verify", "audit verify --json", "audit checkpoint"] {
        assert_eq!(catch.run(&program, command, "").await, Some(0));
    }
    assert!(collector.spans().len() > 20, "spans of what was done");
    for delivery in collector.deliveries() {
        catch.add("the traces", delivery.body.to_vec());
        // Only the collector itself gets its token.
        assert_eq!(
            delivery.headers["x-token"].as_bytes(),
            COLLECTOR_TOKEN.as_bytes()
        );
    }
    let log = fs::read(log).unwrap();
    assert!(
        contains(&log, b"\"TRACE\"") || contains(&log, b"\"DEBUG\""),
        "a log at trace level"
    );
    catch.add("the log", log);

    for patient in [PATIENT, MOBILE, ARGUMENT, PATIENT_IN_ERROR] {
        catch.assert_free_of(patient);
    }
    catch.0.extend(answers);
    let master_key = fs::read_to_string(program.path("data/master.key")).unwrap();
    let digits = master_key.trim_end().rsplit(' ').next().unwrap();
    for secret in [
        CLIENT_ID,
        CLIENT_SECRET,
        REFUSED_SECRET,
        API_KEY,
        ACCESS_TOKEN,
        REFRESH_TOKEN,
        BROKEN_SECRET,
        COLLECTOR_TOKEN,
        key,
        &admin_token,
        digits,
    ] {
        catch.assert_free_of(secret);
    }
}
