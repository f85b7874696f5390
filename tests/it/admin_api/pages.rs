//! Lists in pages: whatever their size, pages are the list, for each actor its own; and what happens
//! between two pages moves nothing.

use std::time::Duration;

use locum::domain::actor::Role;
use serde_json::{Value, json};

use crate::support::api::ApiClient;
use crate::support::app::{TestApp, set_credential};

const LISTS: [&str; 7] = [
    "/orgs",
    "/keys",
    "/orgs/north/keys",
    "/orgs/north/credentials?all=true",
    "/admin-tokens",
    "/status",
    "/usage",
];

/// Organizations with versions, keys, tokens and usage, enough of each for some pages.
async fn clinics() -> TestApp {
    let mut builder = TestApp::builder();
    for slug in ["bee", "east", "north", "south", "west"] {
        builder = builder.org(slug, &["dev", "prod"]);
    }
    let app = builder.start().await;
    for secret in ["one", "two", "three"] {
        set_credential(&app.admin(), "north", "dev", secret).await;
    }
    for other in ["bee", "east", "south"] {
        app.issue_key(&["north"], &[], &[], false).await;
        app.issue_key(&[other, "west"], &[], &[], false).await;
        app.api(Role::Auditor, Some(other)).await;
    }
    for slug in ["bee", "east", "north", "south", "west"] {
        let client = app.client(&[slug], &["dev"]).await;
        let arguments = json!({"clinic_id": "C2001"});
        let reply = client.call("get_clinic_details_basic", arguments).await;
        assert!(reply.is_ok(), "{reply:?}");
    }
    app
}

fn and(path: &str, query: &str) -> String {
    let sign = if path.contains('?') { '&' } else { '?' };
    format!("{path}{sign}{query}")
}

fn items(page: &Value) -> Vec<Value> {
    page["items"].as_array().unwrap().clone()
}

/// All items of a list, by pages of `limit`; `between` happens after each page that has a next one.
async fn walk(api: &ApiClient, path: &str, limit: usize, between: impl AsyncFn()) -> Vec<Value> {
    let (mut all, mut query) = (Vec::new(), format!("limit={limit}"));
    loop {
        let page = api.get(&and(path, &query)).await.ok();
        let some = items(&page);
        all.extend(some.iter().cloned());
        let Some(next) = page["next"].as_str() else {
            assert!(some.len() <= limit);
            return all;
        };
        assert_eq!(some.len(), limit, "a page that is not the last is full");
        between().await;
        query = format!("limit={limit}&cursor={next}");
    }
}

async fn nothing() {}

#[tokio::test(flavor = "multi_thread")]
async fn pages_are_the_list() {
    let app = clinics().await;
    let owner = app.api(Role::Owner, None).await;
    // The server writes down every five seconds what was used, and then how credentials do.
    let written = async || {
        let status = items(&owner.get("/status").await.ok());
        let written = status.iter().filter(|item| item["written"].is_string());
        written.count() == 5 && items(&owner.get("/usage").await.ok()).len() == 5
    };
    for _ in 0..400 {
        if written().await {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    for path in LISTS {
        let whole = owner.get(&and(path, "limit=1000")).await.ok();
        assert_eq!(whole.get("next"), None, "{path}");
        let whole = items(&whole);
        assert!(whole.len() >= 4, "{path}: {}", whole.len());
        for limit in [1, 2, whole.len() - 1, whole.len()] {
            let walked = walk(&owner, path, limit, nothing).await;
            assert_eq!(walked, whole, "{path} by {limit}");
        }
    }
    // And it is the list that the commands show.
    let keys = serde_json::to_value(app.admin().keys().await.unwrap()).unwrap();
    assert_eq!(json!(walk(&owner, "/keys", 3, nothing).await), keys);
    let report = serde_json::to_value(app.admin().status(None).await.unwrap()).unwrap();
    let walked = walk(&owner, "/status", 3, nothing).await;
    assert_eq!(json!(walked), report["items"]);
    let living = walk(&owner, "/orgs/north/credentials", 1, nothing).await;
    assert!(living.iter().all(|version| version["state"] != "revoked"));
    app.running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_actor_of_one_organization_pages_through_its_own() {
    let app = clinics().await;
    let auditor = app.api(Role::Auditor, Some("north")).await;
    let keys = walk(&auditor, "/keys", 1, nothing).await;
    assert_eq!(keys.len(), 4);
    assert!(
        keys.iter()
            .all(|key| key["grants"].as_array().unwrap().len() == 1)
    );
    assert_eq!(keys, walk(&auditor, "/orgs/north/keys", 1, nothing).await);
    let west = app.api(Role::Auditor, Some("west")).await;
    let shared = walk(&west, "/keys", 2, nothing).await;
    assert_eq!(shared.len(), 4);
    assert!(
        shared
            .iter()
            .all(|key| key["grants"][0]["organization"] == "west")
    );
    assert!(
        shared
            .iter()
            .all(|key| key["grants"].as_array().unwrap().len() == 1)
    );
    let status = walk(&auditor, "/status", 1, nothing).await;
    assert_eq!(status.len(), 2);
    assert!(
        status
            .iter()
            .all(|profile| profile["organization"] == "north")
    );
    assert_eq!(walk(&auditor, "/orgs", 1, nothing).await.len(), 1);
    app.running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_between_two_pages_moves_nothing() {
    let app = clinics().await;
    let owner = app.api(Role::Owner, None).await;
    let grow = async || {
        let number = items(&owner.get("/orgs?limit=1000").await.ok()).len();
        // Each before the one before it.
        let slug = format!("a{}", 99 - number);
        let body = json!({"id": slug, "name": "Early"});
        owner.post("/orgs", body).await.ok();
        set_credential(&app.admin(), &slug, "dev", "early").await;
        set_credential(&app.admin(), "north", "dev", &slug).await;
    };
    // What comes first in these lists is what is added.
    let told_apart_by = |path: &str, item: &Value| match path {
        "/status" => json!([item["organization"], item["environment"]]),
        _ => item["id"].clone(),
    };
    for path in ["/orgs", "/status", "/orgs/north/credentials?all=true"] {
        let before = items(&owner.get(&and(path, "limit=1000")).await.ok());
        let walked = walk(&owner, path, 2, grow).await;
        let ids = |items: &[Value]| {
            let ids = items.iter().map(|item| told_apart_by(path, item));
            ids.collect::<Vec<_>>()
        };
        assert_eq!(ids(&walked), ids(&before), "{path}");
    }
    // And these end with what is added.
    let grow = async || {
        if owner.get("/keys?limit=1000").await.ok()["items"]
            .as_array()
            .unwrap()
            .len()
            < 14
        {
            app.clock.advance(Duration::from_secs(1));
            app.issue_key(&["north"], &[], &[], false).await;
        }
    };
    let walked = walk(&owner, "/keys", 3, grow).await;
    let after = items(&owner.get("/keys?limit=1000").await.ok());
    assert_eq!(walked, after);
    app.running.stop().await.unwrap();
}

#[tokio::test]
async fn a_cursor_that_is_none_is_refused() {
    let app = TestApp::builder().org("north", &["dev"]).start().await;
    let owner = app.api(Role::Owner, None).await;
    for path in LISTS {
        // No base64url; no JSON; the place of another list.
        for bad in ["%20", "north", "bm9ydGg", "WzEsMl0"] {
            let refused = owner.get(&and(path, &format!("cursor={bad}"))).await;
            let answer = (refused.status, refused.code());
            assert_eq!(answer, (404, "page_not_found"), "{path} {bad}");
        }
    }
}
