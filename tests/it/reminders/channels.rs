//! Mail by a real mail server, and webhooks by a receiver in the process.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::SignedDuration;
use locum::app::App;
use locum::domain::clock::Clock;
use locum::domain::reminder::{ReminderReason, ReminderState};

use super::outbox;
use crate::support::clinic::{Clinic, DAY, by, credential, key, organization};
use crate::support::mail::MailServer;
use crate::support::webhooks::{Received, Receiver, SECRET};

const LOGIN: &str = "credentials_file = \"mail-login\"\nca_file = \"mail-ca.pem\"\n";

/// An organization with two credentials to look after, and a key of two organizations.
async fn with_something_due(clinic: &Clinic) -> App {
    let app = clinic.open().await;
    let admin = by(&app, "priya");
    organization(&admin, "north").await;
    organization(&admin, "south").await;
    credential(&admin, "north", "prod", clinic.days_from_now(-83)).await;
    credential(&admin, "north", "dev", clinic.days_from_now(-100)).await;
    key(&admin, &["north", "south"], Some(clinic.days_from_now(6))).await;
    app
}

/// Reopens with another configuration.
async fn reopen(clinic: &Clinic, app: App, config: &str) -> App {
    app.close().await;
    clinic.configure(config);
    clinic.open().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_says_what_is_due_to_whom_it_belongs_and_what_settles_it() {
    let clinic = Clinic::new("").await;
    let app = with_something_due(&clinic).await;
    let mut server = MailServer::start(&clinic, "starttls").await;
    let app = reopen(&clinic, app, &server.section("starttls", LOGIN)).await;
    app.remind().await.unwrap();
    let (first, second) = (server.next().await, server.next().await);
    let of_north = |mail: &serde_json::Value| mail["text"].as_str().unwrap().starts_with("Clinic");
    let (mail, keys) = match of_north(&first) {
        true => (first, second),
        false => (second, first),
    };
    assert_eq!(mail["tls"], true);
    assert_eq!(mail["authenticated"], true);
    assert_eq!(mail["defects"], serde_json::json!([]));
    assert_eq!(mail["sender"], "locum@clinic.example");
    assert_eq!(mail["recipients"], serde_json::json!(["it@clinic.example"]));
    let headers = &mail["headers"];
    assert_eq!(
        headers["Subject"],
        "north: eka-care (dev) overdue for 10 days (2025-12-22), and 1 more"
    );
    assert_eq!(headers["From"], "Locum <locum@clinic.example>");
    assert_eq!(headers["Auto-Submitted"], "auto-generated");
    assert_eq!(headers["Date"], "Thu, 01 Jan 2026 06:00:00 +0000");
    insta::assert_snapshot!("mail_text", mail["text"].as_str().unwrap());
    insta::assert_snapshot!("mail_html", mail["html"].as_str().unwrap());
    let text = keys["text"].as_str().unwrap();
    assert!(
        text.contains("north, south") && text.contains("locum key roll"),
        "{text}"
    );
    let rows = outbox(&app).await;
    let ids: BTreeSet<&str> = rows
        .iter()
        .filter(|row| row.channel == "smtp")
        .map(|row| row.id.split('.').next().unwrap())
        .collect();
    for mail in [&mail, &keys] {
        let id = mail["headers"]["Message-ID"].as_str().unwrap();
        let id = id.trim_matches(['<', '>']).strip_suffix("@clinic.example");
        assert!(ids.contains(id.unwrap()), "{id:?} is none of {ids:?}");
    }
    app.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_goes_by_implicit_tls_and_in_clear_text_to_this_machine() {
    for (mode, tls, more) in [("implicit", "implicit", LOGIN), ("plain", "none", "")] {
        let clinic = Clinic::new("").await;
        let mut server = MailServer::start(&clinic, mode).await;
        clinic.configure(&server.section(tls, more));
        let app = clinic.open().await;
        let tests = by(&app, "priya").test_reminders().await.unwrap();
        assert!(tests.iter().all(|test| test.ok), "{tests:?}");
        let mail = server.next().await;
        assert_eq!(mail["tls"], mode == "implicit");
        assert_eq!(mail["authenticated"], mode == "implicit");
        assert_eq!(mail["headers"]["Subject"], "Locum: a test of the reminders");
        app.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_server_that_is_not_the_right_one_gets_nothing_and_the_reminder_waits() {
    let clinic = Clinic::new("").await;
    let app = with_something_due(&clinic).await;
    let plain = MailServer::start(&clinic, "plain").await;
    // The authority of the last one is in the file: that of the others is not believed.
    let mut server = MailServer::start(&clinic, "starttls").await;
    clinic.write("wrong-login", "locum:not-the-password\n");
    let wrong = LOGIN.replace("mail-login", "wrong-login");
    let no_authority = LOGIN.replace("ca_file = \"mail-ca.pem\"\n", "");
    let mut app = app;
    for config in [
        plain.section("starttls", ""),
        server.section("starttls", &wrong),
        server.section("starttls", &no_authority),
        server.section("implicit", LOGIN),
    ] {
        app = reopen(&clinic, app, &config).await;
        let sendings = app.remind().await.unwrap();
        assert_eq!(sendings.by_channel["smtp"].sent, 0, "{config}");
        assert_eq!(sendings.by_channel["smtp"].failed, 1, "{config}");
        let rows = outbox(&app).await;
        let failed = |row: &&_| {
            let row: &locum::admin::ReminderSummary = row;
            row.channel == "smtp" && row.last_error.is_some()
        };
        let row = rows.iter().find(failed).unwrap();
        assert_eq!(row.state, ReminderState::Pending);
        let error = row.last_error.as_ref().unwrap();
        assert!(error.starts_with("mail server: "), "{error}");
        assert!(!error.contains("not-the-password"), "{error}");
        clinic.clock.advance(DAY);
    }
    let app = reopen(&clinic, app, &server.section("starttls", LOGIN)).await;
    let sendings = app.remind().await.unwrap();
    let smtp = sendings.by_channel["smtp"];
    assert!(smtp.sent >= 2 && smtp.failed == 0, "{smtp:?}");
    let pending = outbox(&app).await.into_iter();
    let pending = pending.filter(|row| row.state == ReminderState::Pending);
    assert_eq!(pending.count(), 0);
    server.next().await;
    app.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_is_tried_again_with_the_same_event_until_it_is_given_up() {
    let receiver = Receiver::start().await;
    let clinic = Clinic::new(&receiver.section()).await;
    clinic.write("webhook.secret", SECRET);
    let app = clinic.open().await;
    let admin = by(&app, "priya");
    organization(&admin, "north").await;
    credential(&admin, "north", "dev", clinic.days_from_now(-90)).await;

    // Nobody logs in here, so something else is told a day later: that is not looked at.
    let attempts = || -> Vec<Received> {
        let mut all = receiver.received();
        let first = all[0].event_id.clone();
        all.retain(|received| received.event_id == first);
        all
    };
    receiver.answer(1, 429, Some("7200"));
    receiver.answer(100, 500, None);
    app.remind().await.unwrap();
    let start = clinic.clock.now();
    let mine = |rows: Vec<locum::admin::ReminderSummary>| {
        let mut rows = rows.into_iter();
        let today = |row: &locum::admin::ReminderSummary| {
            (row.reason, row.threshold) == (ReminderReason::Rotation, 0)
        };
        rows.find(|row| row.channel == "webhook:ops" && today(row))
            .unwrap()
    };
    let row = mine(outbox(&app).await);
    let after = |seconds| Some(start + SignedDuration::from_secs(seconds));
    assert_eq!(row.next_attempt, after(7_200), "as it was asked to");
    // Nothing happens before that.
    clinic.clock.advance(Duration::from_secs(7_199));
    app.remind().await.unwrap();
    assert_eq!(attempts().len(), 1);
    // A message of something else that fails first lets this one wait for the next round,
    // which comes at the same time of this clock: the attempts say what the pauses are.
    for _ in 0..100 {
        let row = mine(outbox(&app).await);
        let Some(next) = row.next_attempt else { break };
        clinic.clock.set(next);
        app.remind().await.unwrap();
    }
    let received = attempts();
    assert_eq!(received.len(), 20);
    let pauses = received.windows(2);
    let pauses: Vec<i64> = pauses.map(|two| two[1].seconds - two[0].seconds).collect();
    assert_eq!(pauses[..5], [7_200, 120, 240, 480, 960]);
    assert_eq!(pauses.last(), Some(&21_600), "never longer than six hours");
    let id = &received[0].event["id"];
    assert!(received.iter().all(|one| one.event["id"] == *id));
    let times: BTreeSet<i64> = received.iter().map(|one| one.seconds).collect();
    assert_eq!(times.len(), 20, "each attempt is signed anew");

    let dead = admin.reminders(Some(ReminderState::Dead), 10).await;
    let mut dead = dead.unwrap();
    dead.retain(|row| row.id.starts_with(&received[0].event_id));
    let [dead] = dead.as_slice() else {
        panic!("{dead:?}");
    };
    assert_eq!(dead.attempts, 20);
    let error = dead.last_error.as_deref();
    assert_eq!(error, Some("webhook: it answered HTTP 500"));
    app.remind().await.unwrap();
    assert_eq!(attempts().len(), 20, "it stays dead");

    receiver.recover();
    assert_eq!(admin.retry_reminder(&dead.id).await.unwrap(), 1);
    assert!(admin.retry_reminder(&dead.id).await.is_err(), "once");
    app.remind().await.unwrap();
    assert_eq!(attempts().len(), 21, "the same event");
    let sent = admin
        .reminders(Some(ReminderState::Sent), 100)
        .await
        .unwrap();
    assert!(sent.iter().any(|row| row.id == dead.id));
    app.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_settled_is_not_sent_when_the_channel_comes_back() {
    let receiver = Receiver::start().await;
    let clinic = Clinic::new(&receiver.section()).await;
    clinic.write("webhook.secret", SECRET);
    let app = clinic.open().await;
    let admin = by(&app, "priya");
    organization(&admin, "north").await;
    credential(&admin, "north", "dev", clinic.days_from_now(-90)).await;
    receiver.answer(1, 503, None);
    app.remind().await.unwrap();
    credential(&admin, "north", "dev", clinic.clock.now()).await;
    clinic.clock.advance(Duration::from_secs(3_600));
    app.remind().await.unwrap();
    assert_eq!(receiver.received().len(), 1);
    let pending = admin.reminders(Some(ReminderState::Pending), 100).await;
    assert!(pending.unwrap().is_empty());
    app.close().await;
}
