//! `status` and `usage`: what a running server knows of every credential, written down and shown.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use locum::admin::{ProfileStatus, StatusReport};
use locum::domain::clock::{Clock, SystemClock};
use locum::domain::credential::CredentialVersionId;
use locum::domain::health::{Heartbeat, Standing, TokenState};
use locum::domain::usage::Month;
use locum::sandbox::{Fault, FaultRule};
use locum::store::Store;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::app::{TestApp, org, set_credential};
use crate::support::clinic::{Clinic, DAY, by, credential, organization};
use crate::support::commands::clinic;
use crate::support::process::{end, serve_logged, within};
use crate::support::program::Program;
use crate::support::{McpClient, Reply};

async fn call(client: &McpClient) -> Reply {
    let arguments = json!({"clinic_id": "C2001"});
    client.call("get_clinic_details_basic", arguments).await
}

/// Asks until the status is as it should be; the server writes it every five seconds.
async fn status(
    app: &TestApp,
    what: &str,
    holds: impl Fn(&ProfileStatus) -> bool,
) -> ProfileStatus {
    let mut last = None;
    for _ in 0..400 {
        let mut report = app.admin().status(Some(&org("north"))).await.unwrap();
        assert_eq!(report.items.len(), 1);
        let item = report.items.remove(0);
        if holds(&item) {
            return item;
        }
        last = Some(item);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("not within 20 s: {what}: {last:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_logins_failures_and_tokens_are_told() {
    let app = TestApp::builder()
        .org("north", &["dev"])
        .org("south", &["dev"])
        .start()
        .await;
    let client = app.client(&["north"], &["dev"]).await;
    let start = app.clock.now();
    assert!(app.admin().status(None).await.unwrap().server.running);
    let new = status(&app, "nothing yet", |_| true).await;
    assert_eq!(
        (new.last_login, new.written, new.token),
        (None, None, TokenState::None)
    );
    assert_eq!((new.age_days, new.days_left), (0, 90));

    for _ in 0..3 {
        assert!(call(&client).await.is_ok());
    }
    // A client's own mistake is no error of the credential or its upstream.
    let wrong = client.call("get_clinic_details_basic", json!({})).await;
    assert!(!wrong.is_ok());
    let ok = status(&app, "four calls", |item| item.calls_hour == 4).await;
    assert_eq!((ok.errors_hour, ok.last_login), (0, Some(start)));
    assert_eq!(ok.token, TokenState::Cached);
    assert!(
        ok.token_until.unwrap() > start && ok.last_failure.is_none(),
        "{ok:?}"
    );

    app.clock.advance(Duration::from_secs(20 * 60));
    let down = Fault::ServerError {
        status: 503,
        retry_after_s: None,
    };
    app.sandbox.add_fault(FaultRule::every(down.clone()));
    assert!(!call(&client).await.is_ok());
    let failed = status(&app, "an error", |item| item.errors_hour == 1).await;
    assert_eq!(failed.calls_hour, 5);
    let failure = failed.last_failure.unwrap();
    assert_eq!(failure.cause, "upstream_error: HTTP 503");
    assert_eq!(failure.at, start + SignedDuration::from_mins(20));

    // The token has ended, and the login is down too.
    app.clock.advance(Duration::from_secs(2 * 3_600));
    app.sandbox.clear_faults();
    app.sandbox.add_fault(FaultRule {
        login: true,
        ..FaultRule::every(down)
    });
    assert!(!call(&client).await.is_ok());
    let waits = status(&app, "a back-off", |item| {
        item.token == TokenState::BackingOff
    })
    .await;
    let cause = waits.last_failure.unwrap().cause;
    assert_eq!(
        cause,
        "login_unavailable: the login endpoint answered HTTP 503"
    );
    assert_eq!(waits.last_login, Some(start), "the last one that succeeded");
    assert_eq!(
        (waits.calls_hour, waits.errors_hour),
        (1, 1),
        "an hour has passed"
    );

    // Nobody calls any more: the hour passes all the same.
    app.clock.advance(Duration::from_secs(2 * 3_600));
    let idle = status(&app, "an hour without a call", |item| item.calls_hour == 0).await;
    assert_eq!((idle.errors_hour, idle.token), (0, TokenState::None));

    // The next version begins anew.
    app.sandbox.clear_faults();
    set_credential(&app.admin(), "north", "dev", "another").await;
    app.settle().await;
    let new = status(&app, "the new version", |item| item.version == 2).await;
    assert_eq!((new.last_login, new.last_failure), (None, None));
    assert!(call(&client).await.is_ok());
    status(&app, "its login", |item| item.last_login.is_some()).await;
    app.running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_was_rejected_is_told_no_longer() {
    let app = TestApp::builder().org("north", &["dev"]).start().await;
    let client = app.client(&["north"], &["dev"]).await;
    assert!(call(&client).await.is_ok());
    let cached = status(&app, "a token", |item| item.token == TokenState::Cached).await;
    assert_eq!(cached.standing, Standing::Ok);
    app.clock.advance(Duration::from_secs(60));
    // The provider has ended token and credential.
    assert!(app.sandbox.pin_secrets("north-dev", Vec::new()));
    app.sandbox.revoke_tokens(Some("north-dev"));
    assert!(!call(&client).await.is_ok());
    let refused = status(&app, "the refusal", |item| item.last_failure.is_some()).await;
    assert_eq!(refused.token, TokenState::BackingOff, "{refused:?}");
    assert!(refused.token_until < cached.token_until);
    assert_eq!(refused.standing, Standing::Refused);
    app.clock.advance(Duration::from_secs(600));
    let over = status(&app, "the back-off's end", |item| {
        item.token == TokenState::None
    })
    .await;
    assert_eq!(over.token_until, None);
    app.running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_now_is_told_before_what_is_all_right() {
    let app = TestApp::builder().org("north", &["dev"]).start().await;
    let client = app.client(&["north"], &["dev"]).await;
    assert!(call(&client).await.is_ok());
    let fine = status(&app, "a call", |item| item.calls_hour == 1).await;
    assert_eq!((fine.standing, fine.days_left), (Standing::Ok, 90));
    app.sandbox.add_fault(FaultRule::every(Fault::ServerError {
        status: 503,
        retry_after_s: None,
    }));
    assert!(!call(&client).await.is_ok());
    let failing = status(&app, "a failure", |item| item.errors_hour == 1).await;
    assert_eq!(failing.standing, Standing::Failing);
    app.clock.advance(DAY * 80);
    let due = status(&app, "its day", |item| item.days_left == 10).await;
    assert_eq!(due.standing, Standing::Due);
    app.running.stop().await.unwrap();
}

/// What a terminal of this size is shown by the program.
fn on_terminal(program: &Program, arguments: &[&str], columns: u16, lines: u16) -> String {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&terminal).unwrap();
    unlockpt(&terminal).unwrap();
    let name = ptsname(&terminal, Vec::new()).unwrap();
    let name = name.to_str().unwrap();
    let file = std::fs::OpenOptions::new().write(true).open(name).unwrap();
    let size = rustix::termios::Winsize {
        ws_row: lines,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    rustix::termios::tcsetwinsize(&file, size).unwrap();
    let mut command = program.command(arguments).into_std();
    let mut child = command.stdout(file).spawn().unwrap();
    // What the command still holds of the terminal would keep it open.
    drop(command);
    let (mut shown, mut bytes) = (Vec::new(), [0; 4_096]);
    // A terminal that nobody writes to any more fails to be read.
    while let Ok(read) = rustix::io::read(&terminal, &mut bytes) {
        shown.extend_from_slice(&bytes[..read]);
        if read == 0 {
            break;
        }
    }
    assert!(child.wait().unwrap().success());
    String::from_utf8(shown).unwrap().replace('\r', "")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_is_shown_what_it_holds_and_a_file_everything() {
    let clinic = Clinic::new("").await;
    let app = clinic.open().await;
    let admin = by(&app, "priya");
    clinic.clock.set(SystemClock.now());
    let (now, long) = (
        clinic.clock.now(),
        "a-clinic-with-a-rather-long-name-in-the-north",
    );
    for number in 0..33 {
        let slug = format!("{long}-{number}");
        organization(&admin, &slug).await;
        let issued = now - SignedDuration::from_hours(24 * (60 + number));
        credential(&admin, &slug, "prod", issued).await;
    }
    app.close().await;
    let program = Program {
        folder: clinic.folder,
        starter: Vec::new(),
    };
    let widest = |text: &str| text.lines().map(|line| line.chars().count()).max();
    let shown = on_terminal(&program, &["status"], 80, 24);
    assert!(widest(&shown) <= Some(80), "{shown}");
    assert!(shown.lines().count() < 24, "{shown}");
    let mut lines = shown.lines().skip(2);
    assert!(
        lines.next().unwrap().contains("-32/prod"),
        "the oldest first: {shown}"
    );
    assert!(
        shown.contains("and 13 more that are ok; `locum status --all`"),
        "{shown}"
    );
    let all = on_terminal(&program, &["status", "--all"], 80, 24);
    assert!(widest(&all) <= Some(80), "{all}");
    assert_eq!(all.lines().count(), 35, "{all}");
    let file = program.ok(&["status"]).await;
    assert_eq!(file.lines().count(), 35);
    let first = file.lines().nth(2).unwrap();
    assert!(first.starts_with(&format!("{long}-32/prod ")), "{first}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_server_left_behind_is_shown_as_stale() {
    let clinic = Clinic::new("").await;
    let app = clinic.open().await;
    let admin = by(&app, "priya");
    organization(&admin, "north").await;
    credential(&admin, "north", "dev", clinic.clock.now()).await;
    let shown = async || admin.status(None).await.unwrap();
    let StatusReport { server, items } = shown().await;
    assert!(!server.running && server.seen.is_none() && !items[0].stale);

    // A server that was killed: its last rows are there, and its last sign.
    let versions = admin.credentials(None).await.unwrap();
    let mut health = locum::domain::health::ProfileHealth {
        organization: admin.organization(&org("north")).await.unwrap().id,
        environment: "dev".parse().unwrap(),
        provider: "eka-care".parse().unwrap(),
        version: versions[0].id,
        last_login_at: Some(clinic.clock.now()),
        last_failure: None,
        token: TokenState::Cached,
        token_until: Some(clinic.days_from_now(1)),
        calls_hour: 7,
        errors_hour: 1,
        written_at: clinic.clock.now(),
    };
    let store = Store::open(&app.loaded.database().unwrap(), false)
        .await
        .unwrap();
    let mut write = store.write().await.unwrap();
    write
        .put_profile_health(std::slice::from_ref(&health))
        .await
        .unwrap();
    let sign = Heartbeat {
        at: clinic.clock.now(),
        configuration_problem: None,
    };
    write.set_heartbeat(Some(&sign)).await.unwrap();
    write.commit_unnoticed().await.unwrap();
    let report = shown().await;
    assert!(report.server.running && !report.items[0].stale);
    clinic.clock.advance(Duration::from_secs(91));
    let report = shown().await;
    assert!(!report.server.running && report.items[0].stale);
    assert_eq!(report.items[0].calls_hour, 7);

    // What the next process does not know of the same version stays; of another it goes.
    let other = CredentialVersionId(uuid::Uuid::nil());
    for (version, login) in [(health.version, true), (other, false)] {
        health.version = version;
        health.last_login_at = None;
        let mut write = store.write().await.unwrap();
        write
            .put_profile_health(std::slice::from_ref(&health))
            .await
            .unwrap();
        write.commit_unnoticed().await.unwrap();
        let rows = store.profile_health().await.unwrap();
        assert_eq!(rows[0].last_login_at.is_some(), login);
    }
    store.close().await;
    app.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn usage_is_counted_by_organization_and_month() {
    let app = TestApp::builder()
        .org("north", &["dev", "prod"])
        .org("south", &["dev"])
        .start()
        .await;
    let client = app.client(&["north"], &[]).await;
    for environment in ["dev", "dev", "prod"] {
        assert!(call(&client.clone().at("north", environment)).await.is_ok());
    }
    // The last of November is another month than the first of December.
    let december: Timestamp = "2026-12-01T00:00:00Z".parse().unwrap();
    app.clock.set(december);
    assert!(call(&client.clone().at("north", "prod")).await.is_ok());
    let november: Month = "2026-11".parse().unwrap();
    let usage = async |month| {
        let lines = app.admin().usage(None, Some(month)).await.unwrap();
        serde_json::to_value(lines).unwrap()
    };
    for _ in 0..400 {
        if usage(Month::of(december)).await != json!([]) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(
        usage(november).await,
        json!([{
            "organization": "north", "month": "2026-11", "calls": 3, "requests": 3,
            "environments": {"dev": {"calls": 2, "requests": 2}, "prod": {"calls": 1, "requests": 1}},
        }])
    );
    let of_december = usage(Month::of(december)).await;
    assert_eq!(of_december[0]["calls"], 1);
    let south = app.admin().usage(Some(&org("south")), None).await.unwrap();
    assert_eq!((south[0].calls, south[0].month), (0, Month::of(december)));
    app.running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_used_however_it_ends_and_also_without_a_credential() {
    let app = TestApp::builder().org("north", &["dev"]).start().await;
    let client = app.client(&["north"], &[]).await;
    let (dev, prod) = (client.at("north", "dev"), client.at("north", "prod"));
    assert!(call(&dev).await.is_ok());
    let wrong = dev.call("get_clinic_details_basic", json!({"clinic_id": 7}));
    let wrong = wrong.await;
    assert_eq!(wrong.failure()["error_code"], "invalid_arguments");
    for _ in 0..3 {
        let failed = call(&prod).await;
        assert_eq!(failed.failure()["error_code"], "no_credential");
    }
    assert!(!prod.call("no-such-tool", json!({})).await.is_ok());
    let environments = async |dev: [u64; 2], prod: [u64; 2]| {
        let [dev, prod] =
            [dev, prod].map(|[calls, requests]| json!({"calls": calls, "requests": requests}));
        let wanted = json!({"dev": dev, "prod": prod});
        // They are written down every few seconds, later where the machine has much to do.
        let period = Duration::from_secs(60);
        within(period, "the calls are counted", async || {
            let lines = app.admin().usage(None, None).await.unwrap();
            let lines = serde_json::to_value(lines).unwrap();
            lines[0]["environments"] == wanted
        })
        .await;
    };
    environments([2, 1], [3, 0]).await;
    // They go on where a credential is added.
    assert_eq!(call(&prod).await.failure()["error_code"], "no_credential");
    set_credential(&app.admin(), "north", "prod", "synthetic-secret").await;
    app.settle().await;
    assert!(call(&prod).await.is_ok());
    environments([2, 1], [5, 1]).await;
    app.running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_program_shows_both_on_a_screen() {
    let (program, _sandbox) = clinic().await;
    let text = program.ok(&["status"]).await;
    assert!(text.starts_with("Server: not running\n"), "{text}");
    let key = program.key(&["north"]).await;
    let (mut server, _) = serve_logged(&program, &[]).await;
    let client = McpClient::new(&server.url, &key).at("north", "dev");
    assert!(call(&client).await.is_ok());
    let mut item = Value::Null;
    for _ in 0..100 {
        let report = program.json(&["status", "--org", "north"]).await;
        assert_eq!(report["server"]["running"], true);
        item = report["items"][0].clone();
        if item["calls_hour"] == 1 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(item["calls_hour"], 1, "{item}");
    assert_eq!(item["token"], "cached");
    let text = program.ok(&["status"]).await;
    assert!(
        text.lines().all(|line| line.chars().count() <= 120),
        "{text}"
    );
    let columns = "TENANT     PROVIDER  AGE  DUE";
    assert!(
        text.contains(columns) && text.contains("north/dev"),
        "{text}"
    );
    assert!(end(&mut server.child, Signal::TERM).await.success());

    let report = program.json(&["status"]).await;
    assert_eq!(
        report["server"],
        json!({"running": false, "seen": null, "configuration_problem": null})
    );
    let item = &report["items"][0];
    assert_eq!(
        (&item["token"], &item["calls_hour"]),
        (&json!("none"), &json!(0))
    );
    assert_eq!(
        (&item["stale"], item["last_login"].is_string()),
        (&json!(true), true)
    );
    let usage = program.json(&["usage"]).await;
    assert_eq!(usage["items"][0]["calls"], 1);
    assert_eq!(
        program.json(&["usage", "--month", "2020-01"]).await["items"],
        json!([])
    );
    let (code, error) = program.fails(&["usage", "--month", "november"]).await;
    assert_eq!(code, 2, "{error}");
}
