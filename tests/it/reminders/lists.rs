//! What is due, for people, programs and calendars; each sees what is theirs.

use std::process::Stdio;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use locum::admin::{OrganizationChange, TokenRequest};
use locum::domain::actor::{Actor, Role};
use locum::domain::clock::Clock;
use locum::domain::credential::CredentialVersionId;
use locum::domain::health::{LastFailure, ProfileHealth, Standing, TokenState, VersionLogin};
use locum::domain::notice::{DueItem, Urgency};
use locum::domain::organization::OrganizationState;
use locum::domain::provider::ProviderName;
use locum::domain::reminder::ReminderReason;
use locum::domain::tenant::Environment;
use locum::store::Store;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use super::outbox;
use crate::support::app::{PROVIDER, org};
use crate::support::clinic::{Clinic, DAY, by, credential, key, organization};
use crate::support::install::Project;
use crate::support::webhooks::{Receiver, SECRET};

fn shown(items: &[DueItem]) -> Vec<(String, &'static str, Option<i64>)> {
    let place = |item: &DueItem| match (&item.environment, &item.name) {
        (Some(environment), _) => format!("{}/{environment}", item.organizations.join("+")),
        (None, _) => format!("{} key", item.organizations.join("+")),
    };
    let row = |item: &DueItem| (place(item), item.urgency.as_str(), item.days_left);
    items.iter().map(row).collect()
}

fn rows<const N: usize>(
    rows: [(&str, &'static str, Option<i64>); N],
) -> Vec<(String, &'static str, Option<i64>)> {
    rows.map(|(place, urgency, days)| (place.to_owned(), urgency, days))
        .into()
}

#[tokio::test(flavor = "multi_thread")]
async fn due_overdue_unverified_refused_and_ending_things_are_listed_to_those_who_may_see_them() {
    let clinic = Clinic::new("").await;
    let app = clinic.open().await;
    let (priya, arjun) = (by(&app, "priya"), by(&app, "arjun"));
    for slug in ["north", "south"] {
        organization(&priya, slug).await;
    }
    credential(&priya, "north", "prod", clinic.days_from_now(-80)).await;
    credential(&arjun, "north", "dev", clinic.days_from_now(-5)).await;
    let south = credential(&arjun, "south", "dev", clinic.days_from_now(-98)).await;
    key(&arjun, &["north", "south"], Some(clinic.days_from_now(9))).await;
    key(&arjun, &["south"], None).await;
    // The upstream says no to one of them, as the gateway would note.
    let path = app.loaded.database().unwrap();
    refuse(&path, &south, clinic.days_from_now(1).as_millisecond()).await;
    clinic.clock.advance(DAY * 2);

    let due = priya.rotation_due(None, None).await.unwrap();
    let unverified = "never verified";
    let expected = rows([
        ("south/dev", "refused", None),
        ("south/dev", "overdue", Some(-10)),
        ("north/dev", unverified, Some(-1)),
        ("north/prod", unverified, Some(-1)),
        ("north+south key", "ends", Some(7)),
        ("north/prod", "due", Some(8)),
    ]);
    assert_eq!(shown(&due), expected);
    assert_eq!(
        due[0].command,
        "locum credential set --org south --env dev --provider eka-care --from-file FIELDS.toml"
    );
    let week = Duration::from_secs(7 * 86_400);
    let within = priya.rotation_due(Some(week), None).await.unwrap();
    assert!(
        !within.iter().any(|item| item.urgency == Urgency::Due),
        "{within:?}"
    );

    // The day when someone leaves: everything of theirs, whenever it is due.
    let of_arjun = priya.rotation_due(None, Some("arjun")).await.unwrap();
    let expected = rows([
        ("south/dev", "refused", None),
        ("south/dev", "overdue", Some(-10)),
        ("north/dev", unverified, Some(-1)),
        ("north+south key", "ends", Some(7)),
        ("north/dev", "due", Some(83)),
        ("south key", "never ends", None),
    ]);
    assert_eq!(shown(&of_arjun), expected);

    // An operator of one organization cannot see that another exists.
    let organizations = priya.organizations().await.unwrap();
    let north = organizations.iter().find(|one| one.slug == org("north"));
    let operator = app.admin(Actor::Token {
        id: "t".to_owned(),
        name: "operator".to_owned(),
        role: Role::Operator,
        organization: Some(north.unwrap().id),
    });
    app.remind().await.unwrap();
    let seen = serde_json::to_string(&operator.rotation_due(None, None).await.unwrap()).unwrap()
        + &operator.calendar().await.unwrap()
        + &serde_json::to_string(&operator.reminders(None, 1_000).await.unwrap()).unwrap()
        + &serde_json::to_string(&operator.status(None).await.unwrap()).unwrap();
    assert!(seen.contains("north") && !seen.contains("south"), "{seen}");
    assert!(
        operator.test_reminders().await.is_err(),
        "channels are everybody's"
    );

    // What is suspended reminds nobody, and is listed.
    let suspended = OrganizationChange {
        state: Some(OrganizationState::Suspended),
        ..OrganizationChange::default()
    };
    let before = priya.reminders(None, 1_000).await.unwrap().len();
    priya
        .change_organization(&org("south"), &suspended)
        .await
        .unwrap();
    clinic.clock.advance(DAY * 20);
    app.remind().await.unwrap();
    let new = priya.reminders(None, 1_000).await.unwrap();
    let new = &new[..new.len() - before];
    assert!(!new.is_empty());
    assert!(
        new.iter()
            .all(|row| row.organization.as_deref() != Some("south")),
        "{new:?}"
    );
    let due = priya.rotation_due(None, None).await.unwrap();
    assert!(shown(&due).iter().any(|(place, ..)| place == "south/dev"));
    app.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn admin_tokens_are_listed_and_reminded_of_to_those_who_may_know_them() {
    let receiver = Receiver::start().await;
    let clinic = Clinic::new(&receiver.section()).await;
    clinic.write("webhook.secret", SECRET);
    let app = clinic.open().await;
    let (priya, arjun) = (by(&app, "priya"), by(&app, "arjun"));
    organization(&priya, "north").await;
    let request = |name: &str, place: Option<&str>, days: Option<i64>| TokenRequest {
        name: name.to_owned(),
        role: Role::Auditor,
        organization: place.map(org),
        expires: days.map(|days| clinic.days_from_now(days)),
    };
    // One that Arjun has, one that he made, and one that has nothing to do with him.
    let of_arjun = request("arjun", None, Some(20));
    let of_arjun = priya.create_token(&of_arjun).await.unwrap().summary.id;
    let by_arjun = request("it's a robot", Some("north"), None);
    let by_arjun = arjun.create_token(&by_arjun).await.unwrap().summary.id;
    let other = request("", Some("north"), Some(7));
    let other = priya.create_token(&other).await.unwrap().summary.id;

    let listed = priya.rotation_due(None, Some("arjun")).await.unwrap();
    let ids: Vec<(&str, &str)> = listed
        .iter()
        .map(|item| (item.id.as_str(), item.urgency.as_str()))
        .collect();
    let expected = [
        (of_arjun.as_str(), "ends"),
        (by_arjun.as_str(), "never ends"),
    ];
    assert_eq!(ids, expected);
    assert_eq!(
        listed[1].command,
        format!(
            "locum admin-token create --role auditor --org north --name 'it'\\''s a robot' \
             --expires 90d && locum admin-token revoke {by_arjun}"
        )
    );
    app.remind().await.unwrap();
    let items = receiver.received();
    let items = items
        .iter()
        .flat_map(|one| one.event["items"].as_array().unwrap());
    let told: Vec<_> = items.map(|item| (&item["id"], &item["reason"])).collect();
    let expected = (&json!(other), &json!("token_expiry"));
    assert_eq!(format!("{told:?}"), format!("{:?}", [expected]));
    // Who administers is for owners to know.
    let operator = app.admin(Actor::Token {
        id: "t".to_owned(),
        name: "operator".to_owned(),
        role: Role::Operator,
        organization: None,
    });
    assert_eq!(operator.rotation_due(None, None).await.unwrap(), []);
    priya.revoke_token(&other).await.unwrap();
    assert_eq!(priya.rotation_due(None, None).await.unwrap(), []);
    app.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn days_are_counted_the_same_everywhere() {
    let clinic = Clinic::new("").await;
    let app = clinic.open().await;
    let admin = by(&app, "priya");
    organization(&admin, "north").await;
    // Due 27 days and 18 hours ago, and in 6 days and 18 hours.
    let at = |days| clinic.days_from_now(days) + SignedDuration::from_hours(-18);
    credential(&admin, "north", "prod", at(-117)).await;
    credential(&admin, "north", "dev", at(-83)).await;
    let key = key(&admin, &["north"], Some(at(10))).await;
    let status = admin.status(None).await.unwrap();
    let due = admin.rotation_due(None, None).await.unwrap();
    for (environment, left, standing) in
        [("prod", -28, Standing::Overdue), ("dev", 6, Standing::Due)]
    {
        let item = status
            .items
            .iter()
            .find(|item| item.environment.as_str() == environment);
        let item = item.unwrap();
        assert_eq!((item.days_left, item.standing), (left, standing));
        assert_eq!(item.age_days + item.days_left, 90);
        let mut listed = due
            .iter()
            .filter(|item| item.reason == ReminderReason::Rotation);
        let listed = listed.find(|item| item.environment.as_deref() == Some(environment));
        let listed = listed.unwrap();
        assert_eq!(
            (listed.days_left, listed.age_days),
            (Some(left), item.age_days)
        );
    }
    let key = due.iter().find(|item| item.id == key).unwrap();
    assert_eq!(key.days_left, Some(9));
    assert_eq!(key.standing(), "ends in 9 days (2026-01-10)");
    app.close().await;
}

/// What a login that the endpoint refused leaves.
async fn refuse(path: &std::path::Path, version: &str, at: i64) {
    use sqlx::Connection;
    use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
    let options = SqliteConnectOptions::new().filename(path);
    let mut database = SqliteConnection::connect_with(&options).await.unwrap();
    let id = uuid::Uuid::parse_str(version).unwrap();
    let done =
        sqlx::query("UPDATE credential_versions SET refused_at = ?, refusal = 'no' WHERE id = ?")
            .bind(at)
            .bind(id)
            .execute(&mut database)
            .await
            .unwrap();
    assert_eq!(done.rows_affected(), 1);
    database.close().await.unwrap();
    // The server would have raised the revision.
    let store = Store::open(path, false).await.unwrap();
    store.write().await.unwrap().commit().await.unwrap();
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_that_a_call_met_is_noticed_though_nobody_changed_anything() {
    let clinic = Clinic::new("").await;
    let app = clinic.open().await;
    let priya = by(&app, "priya");
    organization(&priya, "north").await;
    let version = credential(&priya, "north", "dev", clinic.days_from_now(-5)).await;
    let north = priya.organizations().await.unwrap()[0].id;
    let store = Store::open(&app.loaded.database().unwrap(), false).await;
    let store = store.unwrap();
    let revision = store.revision().await.unwrap();
    // What a server writes down of the logins that calls made it try.
    let note = async |last_login_at: Option<Timestamp>, refused_at: Timestamp| {
        let health = ProfileHealth {
            organization: north,
            environment: Environment::parse("dev").unwrap(),
            provider: ProviderName::parse(PROVIDER).unwrap(),
            version: CredentialVersionId(version.parse().unwrap()),
            last_login_at,
            last_failure: Some(LastFailure {
                at: refused_at,
                cause: "credential_refused: the login endpoint said no".to_owned(),
            }),
            token: TokenState::None,
            token_until: None,
            calls_hour: 0,
            errors_hour: 0,
            written_at: clinic.clock.now(),
        };
        let mut write = store.write().await.unwrap();
        write.put_profile_health(&[health]).await.unwrap();
        write.commit_unnoticed().await.unwrap();
    };
    let refusals = async || {
        app.remind().await.unwrap();
        let rows = outbox(&app).await.into_iter();
        let of_refusals = rows.filter(|row| row.reason == ReminderReason::Refused);
        of_refusals.filter(|row| row.sent_at.is_some()).count()
    };
    let minute = Duration::from_secs(60);

    assert_eq!(refusals().await, 0);
    clinic.clock.advance(minute);
    let refused_at = clinic.clock.now();
    note(None, refused_at).await;
    clinic.clock.advance(minute);
    assert_eq!(refusals().await, 1);
    clinic.clock.advance(minute);
    assert_eq!(refusals().await, 1, "it is told once");
    // It was good again, and is refused anew.
    note(Some(clinic.clock.now()), refused_at).await;
    clinic.clock.advance(minute);
    assert_eq!(refusals().await, 1);
    clinic.clock.advance(DAY);
    note(None, clinic.clock.now()).await;
    clinic.clock.advance(minute);
    assert_eq!(refusals().await, 2);
    // The same, but nobody looked in between.
    clinic.clock.advance(DAY);
    note(Some(clinic.clock.now()), clinic.clock.now() + minute).await;
    clinic.clock.advance(minute * 2);
    assert_eq!(refusals().await, 3);
    assert_eq!(store.revision().await.unwrap(), revision);
    // A command found it to be good.
    clinic.clock.advance(DAY);
    let login = VersionLogin {
        organization: north,
        version: CredentialVersionId(version.parse().unwrap()),
        at: clinic.clock.now(),
    };
    let mut write = store.write().await.unwrap();
    write.put_logins(&[login]).await.unwrap();
    write.commit().await.unwrap();
    clinic.clock.advance(minute);
    assert_eq!(refusals().await, 3);
    note(None, clinic.clock.now()).await;
    clinic.clock.advance(minute);
    assert_eq!(refusals().await, 4);
    store.close().await;
    app.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_calendar_is_read_by_a_program_of_others_and_keeps_its_ids() {
    let clinic = Clinic::new("").await;
    let app = clinic.open().await;
    let admin = by(&app, "priya; a, b \\ \"c\"");
    organization(&admin, "north").await;
    let version = credential(&admin, "north", "prod", clinic.clock.now()).await;
    let key = key(&admin, &["north"], Some(clinic.days_from_now(30))).await;
    let text = admin.calendar().await.unwrap();
    clinic.clock.advance(DAY * 100);
    assert_eq!(text.matches("BEGIN:VEVENT").count(), 2);
    let read = read(&text).await;
    assert_eq!(
        (&read["version"], &read["errors"]),
        (&json!("2.0"), &json!([]))
    );
    let events = read["events"].as_array().unwrap();
    let event = |id: String| events.iter().find(|event| event["uid"] == id).unwrap();
    assert_eq!(
        event(format!("{version}-rotation@locum")),
        &json!({
            "uid": format!("{version}-rotation@locum"),
            "day": "2026-04-01",
            "end": "2026-04-02",
            "stamp": "2026-01-01T06:00:00+00:00",
            "summary": "Rotate the eka-care credential of north (prod)",
            "description": "Entered by priya; a, b \\ \"c\".\nlocum credential set --org north \
                --env prod --provider eka-care --from-file FIELDS.toml",
        })
    );
    assert_eq!(
        event(format!("{key}-key_expiry@locum"))["day"],
        "2026-01-31"
    );
    let later = admin.calendar().await.unwrap();
    assert!(
        later.contains(&format!("UID:{version}-rotation@locum")),
        "{later}"
    );
    app.close().await;
}

async fn read(text: &str) -> Value {
    let mut command = Project::Python.program("python").await;
    command.args(["-E", "-s", "read_calendar.py"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(text.as_bytes()).await.unwrap();
    drop(stdin);
    let output = child.wait_with_output().await.unwrap();
    serde_json::from_slice(&output.stdout).unwrap()
}
