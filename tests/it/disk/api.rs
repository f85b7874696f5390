//! Changes that the admin API is asked for while nothing can be written: each is refused with a problem
//! that says so, and the same request works later, without a restart.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use sqlx::Connection;

use super::{DATABASE, lock, read, served, small_clinic};
use crate::support::api::{ApiClient, ApiReply};
use crate::support::commands::{clinic, words};
use crate::support::load::spread;
use crate::support::program::Program;
use crate::support::records::Records;

/// Changes that are asked for at once. They wait for each other: those that come last, for too long.
const AT_ONCE: usize = 9;

/// A request for a change.
#[derive(Debug, Clone)]
struct Change {
    method: Method,
    path: String,
    body: Option<Value>,
}

impl Change {
    /// With an `Idempotency-Key` of its own, which a change that was not made leaves free.
    async fn ask(&self, owner: &ApiClient, number: usize) -> ApiReply {
        let (method, body) = (self.method.clone(), self.body.as_ref());
        let key = format!("change-{number}");
        let headers = [("idempotency-key", key.as_str())];
        owner.send(method, &self.path, &headers, body).await
    }
}

fn change(method: &Method, path: impl Into<String>, body: Option<Value>) -> Change {
    Change {
        method: method.clone(),
        path: path.into(),
        body,
    }
}

fn create(slug: &str) -> Change {
    let body = json!({"id": slug, "name": "x"});
    change(&Method::POST, "/orgs", Some(body))
}

/// Changes of many kinds that can be made one after the other.
fn changes(key: &str, token: &str) -> Vec<Change> {
    let credential = |org: &str, end: &str| format!("/orgs/{org}/credentials/dev/eka-care{end}");
    let fields = json!({"fields": {"client_id": "north-dev", "client_secret": "synthetic"}});
    let rename = json!({"name": "n", "limits": {"dev": {"per_minute": 5_000}}});
    let first = json!({"version": 1});
    let new_key = json!({"name": "k", "grants": [{"organization": "north"}]});
    let grace = json!({"grace": "7d"});
    let new_token = json!({"name": "t", "role": "auditor"});
    let (post, put, delete) = (&Method::POST, &Method::PUT, &Method::DELETE);
    vec![
        create("west"),
        change(&Method::PATCH, "/orgs/north", Some(rename)),
        change(put, credential("north", ""), Some(fields.clone())),
        change(post, credential("north", "/test"), None),
        change(post, credential("north", "/rotations"), Some(fields)),
        change(post, credential("north", "/revoke"), Some(first)),
        change(post, "/keys", Some(new_key)),
        change(post, format!("/keys/{key}/roll"), Some(grace)),
        change(delete, format!("/keys/{key}"), None),
        change(post, "/admin-tokens", Some(new_token)),
        change(delete, format!("/admin-tokens/{token}"), None),
        change(delete, credential("south", ""), None),
        change(delete, "/orgs/south", None),
    ]
}

#[track_caller]
fn assert_refused(change: &Change, reply: &ApiReply, why: &str) {
    let refusal = (reply.status, reply.code());
    assert_eq!(refusal, (503, "store_unavailable"), "{change:?}: {reply:?}");
    assert_eq!(reply.header("content-type"), "application/problem+json");
    assert_eq!(reply.header("retry-after"), "5");
    let detail = reply.body["detail"].as_str().unwrap();
    let clear = detail.contains(why) && detail.contains("nothing was changed");
    assert!(clear, "{change:?}: {detail}");
}

/// A new owner's token, and its id.
async fn owner(program: &Program) -> (String, String) {
    let create = words("admin-token create --name t --role owner", &[]);
    let created = program.json(&create).await;
    let text = |name: &str| created[name].as_str().unwrap().to_owned();
    (text("token"), text("id"))
}

fn api(admin: &str, token: &str) -> ApiClient {
    ApiClient::at(&format!("http://{admin}/admin/v1"), token)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_changes_of_the_api_and_the_same_requests_work_later() {
    // There is room for the log of all that is changed here.
    let (program, room, _sandbox) = small_clinic("4m").await;
    let (_server, admin, client) = served(&program).await;
    let (north, south) = (client.at("north", "dev"), client.at("south", "dev"));
    let (token, _) = owner(&program).await;
    let (_, spare_token) = owner(&program).await;
    let spare_key = words("key create --name spare --all-envs --org north", &[]);
    let spare_key = program.json(&spare_key).await;
    let changes = changes(spare_key["id"].as_str().unwrap(), &spare_token);
    let owner = api(&admin, &token);
    assert!(read(&north).await && read(&south).await);
    let before = Records::read(&room.copy_database(&program)).await;

    room.fill();
    for (number, change) in changes.iter().enumerate() {
        let reply = change.ask(&owner, number).await;
        assert_refused(change, &reply, "disk of the database is full");
        assert!(read(&north).await && read(&south).await, "{change:?}");
    }
    let west = owner.get("/orgs/west").await;
    assert_eq!((west.status, west.code()), (404, "organization_not_found"));
    let after = Records::read(&room.copy_database(&program)).await;
    assert_eq!(before, after);

    room.empty();
    for (number, change) in changes.iter().enumerate() {
        let reply = change.ask(&owner, number).await;
        let made = (200..300).contains(&reply.status);
        let replayed = reply.headers.contains_key("idempotent-replayed");
        assert!(made && !replayed, "{change:?}: {reply:?}");
    }
    let after = Records::read(&room.copy_database(&program)).await;
    let organizations: Vec<&str> = after.organizations.keys().map(String::as_str).collect();
    assert_eq!(organizations, ["north", "west"]);
    assert!(after.active["north/dev"] != before.active["north/dev"]);
    assert!(read(&north).await);
    program.ok(&["audit", "verify"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_locked_database_refuses_changes_of_the_api_and_the_same_requests_work_later() {
    let (program, _sandbox) = clinic().await;
    let (_server, admin, client) = served(&program).await;
    let (north, south) = (client.at("north", "dev"), client.at("south", "dev"));
    let (token, _) = owner(&program).await;
    let owner = api(&admin, &token);
    assert!(read(&north).await);
    let before = Records::read(&program.path(DATABASE)).await;
    let holder = lock(&program).await;
    let changes = (0..AT_ONCE).map(|number| create(&format!("new-{number}")));
    let changes: Vec<Change> = changes.collect();
    let asked = tokio::spawn(spread(AT_ONCE, AT_ONCE, {
        let (owner, changes) = (owner.clone(), changes.clone());
        move |number| {
            let (owner, change) = (owner.clone(), changes[number].clone());
            async move { change.ask(&owner, number).await }
        }
    }));
    // Meanwhile: a first login, a question, and one token all the time.
    assert!(read(&south).await);
    assert_eq!(owner.get("/orgs/north").await.status, 200);
    while !asked.is_finished() {
        assert!(read(&north).await);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let mut busy = 0;
    for (change, reply) in changes.iter().zip(asked.await.unwrap()) {
        let is_busy = reply.body.to_string().contains("ahead of this one");
        busy += usize::from(is_busy);
        let why = match is_busy {
            true => "have taken 30 s",
            false => "kept the database locked for 5 s",
        };
        assert_refused(change, &reply, why);
    }
    assert!((1..AT_ONCE).contains(&busy), "{busy}");
    assert_eq!(before, Records::read(&program.path(DATABASE)).await);

    holder.close().await.unwrap();
    for (number, change) in changes.iter().enumerate() {
        change.ask(&owner, number).await.ok();
    }
    let after = Records::read(&program.path(DATABASE)).await;
    assert_eq!(after.organizations.len(), 2 + AT_ONCE);
    assert!(read(&north).await);
}
