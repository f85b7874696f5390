//! The real program: it reminds while it serves, and its commands say what is due.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use crate::support::load::eventually;
use crate::support::process::{end, serve_logged};
use crate::support::program::Program;
use crate::support::scrape::Scrape;
use crate::support::webhooks::{Receiver, SECRET};

pub(super) async fn overdue(receiver: &Receiver) -> Program {
    let program = Program::init().await;
    program.write("webhook.secret", SECRET);
    program.configure(&receiver.section());
    program
        .ok(&["org", "create", "north", "--name", "North"])
        .await;
    std::fs::write(
        program.path("fields.toml"),
        "client_id = \"synthetic\"\nclient_secret = \"synthetic\"\n",
    )
    .unwrap();
    let place = ["--org", "north", "--env", "prod", "--provider", "eka-care"];
    let more = ["--from-file", "fields.toml", "--issued", "2020-01-01"];
    let set = [&["credential", "set"][..], &place, &more].concat();
    program.ok(&set).await;
    program
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_reminds_as_soon_as_it_serves_and_counts_it() {
    let receiver = Receiver::start().await;
    let program = overdue(&receiver).await;
    let (mut server, log) = serve_logged(&program, &[]).await;
    eventually("the reminder", || !receiver.received().is_empty()).await;
    let event = receiver.received().remove(0).event;
    assert_eq!(event["type"], "reminder.due");
    assert_eq!(
        event["organization"],
        serde_json::json!({"id": "north", "name": "North"})
    );
    assert_eq!(event["items"][0]["urgency"], "overdue");
    assert_eq!(event["items"][0]["environment"], "prod");

    let text = std::fs::read_to_string(&log).unwrap();
    let lines = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let lines: Vec<Value> = lines.collect();
    let admin = lines
        .iter()
        .find_map(|line| line["admin"].as_str())
        .unwrap();
    let warned = |line: &&Value| line["target"] == "locum::reminder" && line["level"] == "WARN";
    let warning = lines.iter().find(warned).unwrap();
    assert_eq!(warning["reason"], "rotation");
    let site = [("provider", "eka-care"), ("environment", "prod")];
    let sent = [("channel", "webhook"), ("result", "sent")];
    let counted = async || {
        let scrape = Scrape::of(&format!("http://{admin}")).await;
        let due = scrape.value(
            "locum_credentials_due",
            &[&site[..], &[("standing", "overdue")]].concat(),
        );
        let days = scrape.value("locum_credential_next_due_days", &site);
        (
            scrape.value("locum_reminders_total", &sent),
            due,
            days < -2_000.0,
        )
    };
    let mut seen = counted().await;
    for _ in 0..200 {
        if seen == (1.0, 1.0, true) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
        seen = counted().await;
    }
    assert_eq!(seen, (1.0, 1.0, true));
    assert!(end(&mut server.child, Signal::TERM).await.success());

    // A server that starts again says nothing twice.
    let (mut server, _) = serve_logged(&program, &[]).await;
    assert!(end(&mut server.child, Signal::TERM).await.success());
    assert_eq!(receiver.received().len(), 1);
    let list = program.json(&["reminders", "list"]).await;
    let states: Vec<(&str, &str)> = list["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            (
                row["channel"].as_str().unwrap(),
                row["state"].as_str().unwrap(),
            )
        })
        .collect();
    assert!(
        states.contains(&("log", "sent")) && states.contains(&("webhook:ops", "sent")),
        "{states:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_list_test_and_retry() {
    let receiver = Receiver::start().await;
    let program = overdue(&receiver).await;
    let due = program.ok(&["rotation", "due"]).await;
    assert!(
        due.contains("2020-03-31") && due.contains("overdue ("),
        "{due}"
    );
    assert!(
        program
            .ok(&["rotation", "due", "--set-by", "nobody"])
            .await
            .contains("Nothing is due.")
    );
    let items = program.json(&["rotation", "due"]).await;
    assert_eq!(items["items"][0]["urgency"], "overdue");
    program
        .ok(&["rotation", "calendar", "--output", "calendar.ics"])
        .await;
    let calendar = std::fs::read_to_string(program.path("calendar.ics")).unwrap();
    assert!(
        calendar.starts_with("BEGIN:VCALENDAR\r\n")
            && calendar.contains("DTSTART;VALUE=DATE:20200331\r\n")
    );

    let test = program.ok(&["reminders", "test"]).await;
    assert!(test.contains("webhook:ops  ok"), "{test}");
    assert_eq!(receiver.received()[0].event["type"], "reminder.test");
    receiver.answer(1, 500, None);
    let output = program.run(&["reminders", "test"]).await;
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.contains("FAILED  webhook: it answered HTTP 500"),
        "{text}"
    );
    assert_eq!(
        program.json(&["reminders", "list", "--dead"]).await["items"],
        serde_json::json!([])
    );
    let (code, error) = program.fails(&["reminders", "retry", "nothing"]).await;
    assert_eq!(code, 1);
    assert!(
        error.contains("there is no dead reminder `nothing`"),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn channels_that_cannot_work_are_refused_before_anything_starts() {
    let program = Program::init().await;
    program.write("short.secret", "short");
    let hook = |url: &str, secret: &str| {
        format!(
            "[[reminders.webhook]]\nname = \"ops\"\nurl = \"{url}\"\nsecret_file = \"{secret}\"\n"
        )
    };
    let smtp = |more: &str| format!("[reminders.smtp]\nhost = \"mail.example\"\n{more}");
    let whole = "from = \"locum@clinic.example\"\nto = [\"it@clinic.example\"]\n";
    for (config, words) in [
        (
            hook("http://hooks.example/x", "short.secret"),
            "plain http to `hooks.example`",
        ),
        (
            hook("https://hooks.example/x", "short.secret"),
            "at least 24 random characters",
        ),
        (
            hook("https://hooks.example/x", "missing"),
            "reminders.webhook.secret_file",
        ),
        (
            hook("https://a.example/", "x") + &hook("https://b.example/", "x"),
            "two webhooks `ops`",
        ),
        (
            smtp("to = [\"it@clinic.example\"]\n"),
            "reminders.smtp needs a from",
        ),
        (
            smtp(&format!("tls = \"none\"\n{whole}")),
            "only a server on this machine",
        ),
        (
            smtp(&whole.replace("it@clinic.example", "it at clinic")),
            "`it at clinic` is no mail address",
        ),
        (
            smtp(&format!("ca_file = \"short.secret\"\n{whole}")),
            "there is no certificate in it",
        ),
        (
            "[rotation]\nremind_before_days = [90]\n".to_owned(),
            "each less than remind_after_days",
        ),
        (
            "[rotation]\nremind_overdue_every = \"36h\"\n".to_owned(),
            "whole days",
        ),
    ] {
        program.configure(&config);
        let (code, error) = program.fails(&["check"]).await;
        assert_eq!(code, 78, "{error}");
        assert!(error.contains(words), "{words}: {error}");
    }
}
