//! What the API changes is served before its answer arrives, once, and only if it is as expected.

use locum::domain::actor::Role;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::app::reqwest_client;
use crate::support::wire::{self, Draft};
use crate::support::{McpClient, TestApp};

#[tokio::test]
async fn an_organization_comes_to_life_and_ends_through_the_api_alone() {
    let app = TestApp::builder().start().await;
    let owner = app.api(Role::Owner, None).await;
    let made = owner
        .post("/orgs", json!({"id": "north", "name": "North Clinic"}))
        .await;
    assert_eq!(
        (made.status, made.header("location")),
        (201, "/admin/v1/orgs/north")
    );
    let again = owner
        .post("/orgs", json!({"id": "north", "name": "x"}))
        .await;
    assert_eq!((again.status, again.code()), (409, "organization_exists"));

    let credential = "/orgs/north/credentials/dev/eka-care";
    let fields = json!({"fields": {"client_id": "north-dev", "client_secret": "synthetic"}});
    let stored = owner.put(credential, fields).await.ok();
    assert_eq!(stored["state"], "active");
    let tested = owner
        .post(&format!("{credential}/test"), json!({}))
        .await
        .ok();
    assert_eq!(tested["message"], "Authentication successful");

    let body = json!({"name": "desk", "grants": [
        {"organization": "north", "environments": ["dev"], "read_only": true},
    ]});
    let key = owner.post("/keys", body).await.ok();
    let client = McpClient::new(&app.url(), key["key"].as_str().unwrap());
    // No waiting: the answers above came after the gateway knew.
    let found = client.call("search_patients", json!({"prefix": "a"})).await;
    assert!(found.is_ok(), "{found:?}");

    let suspended = owner
        .patch("/orgs/north", json!({"state": "suspended"}))
        .await
        .ok();
    assert_eq!(suspended["state"], "suspended");
    let refused = client.call("search_patients", json!({"prefix": "a"})).await;
    assert_eq!(
        (refused.status, refused.code()),
        (403, "organization_suspended")
    );
    owner
        .patch("/orgs/north", json!({"state": "active"}))
        .await
        .ok();
    let id = key["id"].as_str().unwrap();
    let ended = owner.delete(&format!("/keys/{id}")).await.ok();
    assert_eq!(ended, json!({"id": id, "state": "revoked"}));
    let refused = client.call("search_patients", json!({"prefix": "a"})).await;
    assert_eq!((refused.status, refused.code()), (401, "unauthenticated"));
}

#[tokio::test]
async fn limits_are_set_with_the_rest_or_not_at_all() {
    let app = TestApp::builder().org("north", &["dev"]).start().await;
    let owner = app.api(Role::Owner, None).await;
    let change = json!({"name": "New", "limits": {"dev": {"per_minute": 2.0, "per_day": "off"}}});
    let changed = owner.patch("/orgs/north", change).await.ok();
    assert_eq!(changed["name"], "New");
    let limits = json!([
        {"environment": "dev", "per_minute": 2, "per_day": "off", "concurrency": "default"},
    ]);
    assert_eq!(changed["limits"], limits);
    let half = json!({"limits": {"dev": {"per_minute": 2.5}}});
    let refused = owner.patch("/orgs/north", half).await;
    assert_eq!((refused.status, refused.code()), (400, "body_invalid"));
    let half = json!({"name": "Newer", "limits": {"nowhere": {"per_minute": 1}}});
    let refused = owner.patch("/orgs/north", half).await;
    assert_eq!((refused.status, refused.code()), (409, "field_unfit"));
    assert_eq!(owner.get("/orgs/north").await.ok()["name"], "New");
    let client = app.client(&["north"], &["dev"]).await;
    for expected in [true, true, false] {
        let reply = client.call("search_patients", json!({"prefix": "a"})).await;
        assert_eq!(reply.is_ok(), expected, "{reply:?}");
    }
}

#[tokio::test]
async fn a_change_of_what_was_changed_since_is_refused() {
    let app = TestApp::builder().org("north", &["dev"]).start().await;
    let owner = app.api(Role::Owner, None).await;
    let seen = owner.get("/orgs/north").await;
    let tag = seen.header("etag").to_owned();
    let name = |name: &str| json!({"name": name});
    let patch = async |tag: &str, text: &str| {
        let headers = [("if-match", tag)];
        let body = name(text);
        owner
            .send(Method::PATCH, "/orgs/north", &headers, Some(&body))
            .await
    };
    let changed = patch(&tag, "One").await;
    assert_eq!(changed.status, 200);
    assert_ne!(changed.header("etag"), tag);
    for stale in [tag.as_str(), "\"nonsense\"", "7", "W/\"1\""] {
        let refused = patch(stale, "Two").await;
        assert_eq!(
            (refused.status, refused.code()),
            (412, "changed"),
            "{stale}"
        );
    }
    assert_eq!(patch("*", "Three").await.status, 200);
    // A credential is part of it.
    let tag = owner.get("/orgs/north").await.header("etag").to_owned();
    let path = "/orgs/north/credentials/dev/eka-care?unverified=true";
    let fields = json!({"fields": {"client_id": "north-dev", "client_secret": "another"}});
    let put = async |tag: &str| {
        let headers = [("if-match", tag)];
        owner.send(Method::PUT, path, &headers, Some(&fields)).await
    };
    assert_eq!(put(&tag).await.status, 200);
    assert_eq!(put(&tag).await.status, 412);
    // Sent again, it is done already.
    for replayed in ["", "true"] {
        let headers = [("idempotency-key", "one")];
        let answer = owner.send(Method::PUT, path, &headers, Some(&fields));
        let answer = answer.await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("idempotent-replayed"), replayed);
    }
}

#[tokio::test]
async fn an_organization_that_is_created_again_is_another_one() {
    let app = TestApp::builder().start().await;
    let owner = app.api(Role::Owner, None).await;
    let body = json!({"id": "west", "name": "West"});
    let first = owner.post("/orgs", body.clone()).await;
    assert_eq!(first.status, 201);
    owner.delete("/orgs/west").await.ok();
    let second = owner.post("/orgs", body).await;
    assert_eq!(second.status, 201);
    for (tag, status) in [(first.header("etag"), 412), (second.header("etag"), 200)] {
        let headers = [("if-match", tag)];
        let change = json!({"name": "Other"});
        let changed = owner.send(Method::PATCH, "/orgs/west", &headers, Some(&change));
        assert_eq!(changed.await.status, status, "{tag}");
    }
}

#[tokio::test]
async fn a_key_that_was_changed_since_is_not_rolled_and_not_revoked() {
    let app = TestApp::builder()
        .org("north", &["dev"])
        .org("south", &["dev"])
        .start()
        .await;
    let owner = app.api(Role::Owner, None).await;
    let new = json!({"name": "desk", "expires": "1d", "grants": [
        {"organization": "north"}, {"organization": "south"},
    ]});
    let created = owner.post("/keys", new).await;
    let path = format!("/keys/{}", created.body["id"].as_str().unwrap());
    let tag = async || owner.get(&path).await.header("etag").to_owned();
    let first = tag().await;
    assert_eq!(created.header("etag"), first);
    let change = async |method: Method, rest: &str, tag: &str| {
        let body = json!({"grace": "30d"});
        let body = (method == Method::POST).then_some(&body);
        let path = format!("{path}{rest}");
        owner.send(method, &path, &[("if-match", tag)], body).await
    };
    let roll = async |tag: &str| change(Method::POST, "/roll", tag).await;
    let revoke = async |tag: &str| change(Method::DELETE, "", tag).await;

    // What it opened was removed.
    owner.delete("/orgs/south").await.ok();
    let second = tag().await;
    for stale in [first.as_str(), "\"nonsense\"", "1"] {
        for refused in [roll(stale).await, revoke(stale).await] {
            let refused = (refused.status, refused.code().to_owned());
            assert_eq!(refused, (412, "changed".to_owned()), "{stale}");
        }
    }
    // It was rolled, although it ends when it was to end.
    let rolled = roll(&second).await;
    assert_eq!(rolled.status, 201, "{rolled:?}");
    let successor = format!("/keys/{}", rolled.body["id"].as_str().unwrap());
    let successor = owner.get(&successor).await;
    assert_eq!(rolled.header("etag"), successor.header("etag"));
    let third = tag().await;
    assert_eq!(roll(&second).await.status, 412);
    assert_eq!(revoke(&second).await.status, 412);
    assert_eq!(revoke(rolled.header("etag")).await.status, 412);
    assert_eq!(revoke(&third).await.status, 200);
    // It was revoked.
    let shown = owner.get(&path).await;
    assert_eq!(shown.body["state"], "revoked");
    assert_eq!(roll(&third).await.status, 412);
    assert_eq!(revoke(&third).await.status, 412);
    assert_eq!(revoke("*").await.status, 404, "it is over already");
    let tags = [first, second, third, shown.header("etag").to_owned()];
    let different: std::collections::BTreeSet<_> = tags.iter().collect();
    assert_eq!(different.len(), tags.len(), "{tags:?}");
}

#[tokio::test]
async fn an_admin_token_that_was_changed_since_is_not_revoked() {
    let app = TestApp::builder().start().await;
    let owner = app.api(Role::Owner, None).await;
    let create = async || {
        owner
            .post("/admin-tokens", json!({"role": "auditor"}))
            .await
    };
    let (created, other) = (create().await, create().await);
    let path = format!("/admin-tokens/{}", created.body["id"].as_str().unwrap());
    let shown = owner.get(&path).await;
    assert_eq!(created.header("etag"), shown.header("etag"));
    let shown = shown.ok();
    assert_eq!(
        (&shown["state"], &shown["token"]),
        (&json!("active"), &json!(null))
    );
    let revoke = async |tag: &str| {
        let headers = [("if-match", tag)];
        owner.send(Method::DELETE, &path, &headers, None).await
    };
    let refused = revoke(other.header("etag")).await;
    assert_eq!((refused.status, refused.code()), (412, "changed"));
    assert_eq!(revoke(created.header("etag")).await.status, 200);
    assert_eq!(owner.get(&path).await.ok()["state"], "revoked");
    assert_eq!(revoke(created.header("etag")).await.status, 412);
    let missing = owner.get("/admin-tokens/aaaaaaaaaa").await;
    assert_eq!(
        (missing.status, missing.code()),
        (404, "admin_token_not_found")
    );
}

#[tokio::test]
async fn a_creation_that_is_sent_again_happens_once() {
    let app = TestApp::builder().org("north", &["dev"]).start().await;
    let owner = app.api(Role::Owner, None).await;
    let key = json!({"name": "desk", "grants": [{"organization": "north"}]});
    let send = async |client: &crate::support::api::ApiClient, idempotency: &str| {
        let headers = [("idempotency-key", idempotency)];
        client
            .send(Method::POST, "/keys", &headers, Some(&key))
            .await
    };
    let first = send(&owner, "one").await;
    assert_eq!(
        (first.status, first.header("idempotent-replayed")),
        (201, "")
    );
    let again = send(&owner, "one").await;
    assert_eq!(
        (again.status, again.header("idempotent-replayed")),
        (201, "true")
    );
    assert_eq!(first.body["id"], again.body["id"]);
    assert!(first.body["key"].is_string() && again.body["key"].is_null());
    assert_ne!(send(&owner, "two").await.body["id"], first.body["id"]);
    // Keys are the actor's own.
    let other = app.api(Role::Operator, None).await;
    assert_ne!(send(&other, "one").await.body["id"], first.body["id"]);
    let changed = json!({"name": "other", "grants": [{"organization": "north"}]});
    let headers = [("idempotency-key", "one")];
    let reused = owner
        .send(Method::POST, "/keys", &headers, Some(&changed))
        .await;
    assert_eq!(
        (reused.status, reused.code()),
        (409, "idempotency_key_reused")
    );
    // Twenty at once are one, whoever of them gets an answer.
    let calls = (0..20).map(|_| send(&owner, "at-once"));
    let replies = futures_util::future::join_all(calls).await;
    let done: Vec<_> = replies.iter().filter(|reply| reply.status == 201).collect();
    assert!(!done.is_empty());
    assert!(
        done.iter()
            .all(|reply| reply.body["id"] == done[0].body["id"])
    );
    let others = replies.iter().filter(|reply| reply.status != 201);
    assert!(
        others
            .into_iter()
            .all(|reply| reply.code() == "idempotency_key_in_use")
    );
    let secrets = done.iter().filter(|reply| reply.body["key"].is_string());
    assert!(secrets.count() <= 1);
}

#[tokio::test]
async fn lists_come_in_pages_that_miss_nothing() {
    let app = TestApp::builder().start().await;
    let owner = app.api(Role::Owner, None).await;
    for number in 0..7 {
        let body = json!({"id": format!("clinic-{number}"), "name": "A clinic"});
        owner.post("/orgs", body).await.ok();
    }
    let mut seen = Vec::new();
    let mut path = "/orgs?limit=3".to_owned();
    loop {
        let page = owner.get(&path).await.ok();
        let items = page["items"].as_array().unwrap();
        seen.extend(
            items
                .iter()
                .map(|item| item["id"].as_str().unwrap().to_owned()),
        );
        let Some(next) = page["next"].as_str() else {
            break;
        };
        // What comes before the cursor meanwhile moves nothing.
        let early = json!({"id": format!("a{}", seen.len()), "name": "Early"});
        owner.post("/orgs", early).await.ok();
        path = format!("/orgs?limit=3&cursor={next}");
    }
    let wanted: Vec<_> = (0..7).map(|number| format!("clinic-{number}")).collect();
    assert_eq!(seen, wanted);
    for bad in ["limit=0", "limit=1001", "limit=x", "page=2"] {
        let refused = owner.get(&format!("/orgs?{bad}")).await;
        assert_eq!(
            (refused.status, refused.code()),
            (400, "query_invalid"),
            "{bad}"
        );
    }
}

#[tokio::test]
async fn the_last_owner_token_cannot_be_revoked_through_the_api() {
    let app = TestApp::builder().start().await;
    let owner = app.api(Role::Owner, None).await;
    let tokens = owner.get("/admin-tokens").await.ok();
    let mut statuses = Vec::new();
    let ids = tokens["items"].as_array().unwrap().iter().rev();
    for id in ids.map(|token| token["id"].as_str().unwrap()) {
        let own = owner.token.contains(id);
        if !own {
            statuses.push(owner.delete(&format!("/admin-tokens/{id}")).await.status);
        }
    }
    assert!(statuses.iter().all(|status| *status == 200));
    let own = owner.token.split('_').nth(1).unwrap();
    let refused = owner.delete(&format!("/admin-tokens/{own}")).await;
    assert_eq!((refused.status, refused.code()), (409, "last_owner"));
    assert_eq!(owner.get("/orgs").await.status, 200);
}

/// Who pastes a whole token where its id belongs, and may not do that anyway, leaves it nowhere.
#[tokio::test]
async fn a_refusal_is_on_record_without_what_was_sent() {
    let app = TestApp::builder().org("north", &["dev"]).start().await;
    let auditor = app.api(Role::Auditor, None).await;
    let revision = async || {
        let url = format!("http://{}/readyz", app.running.admin);
        let answer = reqwest_client().get(url).send().await.unwrap();
        answer.json::<Value>().await.unwrap()["revision"].clone()
    };
    let before = revision().await;
    let token = &auditor.token;
    for path in [
        format!("/admin-tokens/{token}"),
        "/orgs/north".to_owned(),
        format!("/admin-tokens/{}", "x".repeat(20_000)),
    ] {
        let refused = auditor.delete(&path).await;
        assert_eq!((refused.status, refused.code()), (403, "forbidden"));
    }
    let mut records = app.audit().await;
    records.retain(|record| record.action == "admin.refused");
    let shown = records
        .iter()
        .map(|record| (record.target.as_deref(), record.organization.as_deref()));
    let token = (Some("DELETE /admin/v1/admin-tokens/{id}"), None);
    let organization = (Some("DELETE /admin/v1/orgs/{org}"), Some("north"));
    assert_eq!(shown.collect::<Vec<_>>(), [token, organization, token]);
    assert_eq!(revision().await, before, "nobody has to read anything");
}

/// A page in the operator's browser may know the token and still be no page of ours.
#[tokio::test]
async fn a_foreign_host_or_origin_changes_nothing_with_a_valid_token() {
    let app = TestApp::builder().start().await;
    let owner = app.api(Role::Owner, None).await;
    let admin = format!("http://{}", app.running.admin);
    let body = json!({"id": "north", "name": "North Clinic"}).to_string();
    let create =
        Draft::post("/admin/v1/orgs", &body).with(format!("Authorization: Bearer {}", owner.token));
    let host = |name: &str| {
        let nameless = create.clone().without("Host");
        nameless.with(format!("Host: {name}"))
    };
    let origin = |origin: &str| create.clone().with(format!("Origin: {origin}"));
    for (case, draft) in [
        ("foreign Host", host("evil.example")),
        ("Host that begins well", host("127.0.0.1.evil.example")),
        ("Host in a private range", host("10.0.0.1")),
        ("foreign Origin", origin("https://evil.example")),
        ("opaque Origin", origin("null")),
    ] {
        let answer = wire::exchange(&admin, &draft.bytes()).await;
        assert_eq!(answer.status, 403, "{case}: {answer:?}");
        assert_eq!(answer.json()["code"], "host_forbidden", "{case}");
    }
    assert_eq!(owner.get("/orgs").await.ok()["items"], json!([]));
    let own = origin("http://localhost:8081");
    let answer = wire::exchange(&admin, &own.bytes()).await;
    assert_eq!(answer.status, 201, "{answer:?}");
}
