//! A key that opens several organizations is, to who administers one of them, a key of their own.

use std::time::Duration;

use locum::domain::actor::Role;
use serde_json::{Value, json};

use crate::support::api::{ApiClient, ApiReply};
use crate::support::{McpClient, TestApp};

const EIGHT_DAYS: Duration = Duration::from_secs(8 * 24 * 3600);

/// Two organizations, and who administers them.
struct Keys {
    app: TestApp,
    owner: ApiClient,
    north: ApiClient,
    south: ApiClient,
}

impl Keys {
    async fn start() -> Self {
        let app = TestApp::builder();
        let app = app.org("north", &["dev"]).org("south", &["dev"]);
        let app = app.start().await;
        Self {
            owner: app.api(Role::Owner, None).await,
            north: app.api(Role::Operator, Some("north")).await,
            south: app.api(Role::Operator, Some("south")).await,
            app,
        }
    }

    /// The id and the text of a new key.
    async fn make(&self, name: &str, organizations: &[&str]) -> (String, String) {
        let grants = organizations
            .iter()
            .map(|slug| json!({"organization": slug}));
        let body = json!({"name": name, "grants": grants.collect::<Vec<_>>()});
        let key = self.owner.post("/keys", body).await.ok();
        let text = |name: &str| key[name].as_str().unwrap().to_owned();
        (text("id"), text("key"))
    }

    /// How a call with the key is answered.
    async fn opens(&self, key: &str, slug: &str) -> u16 {
        self.app.running.refresh().await.unwrap();
        let client = McpClient::new(&self.app.url(), key).at(slug, "dev");
        client.legacy("ping", json!({})).await.status
    }

    /// What is on record concerns whom it is shown to.
    async fn check_records(&self) {
        let records = self.north.get("/audit").await.ok().to_string();
        assert!(!records.contains("south"), "{records}");
    }
}

async fn roll(client: &ApiClient, id: &str, grace: &str) -> ApiReply {
    let body = json!({"grace": grace});
    client.post(&format!("/keys/{id}/roll"), body).await
}

/// What an operator of `north` sees of a key, but its id and times.
async fn seen(north: &ApiClient, id: &str) -> Value {
    let mut key = north.get(&format!("/keys/{id}")).await.ok();
    let listed = north.get("/orgs/north/keys").await.ok();
    let listed = listed["items"].as_array().unwrap();
    assert!(listed.contains(&key), "{listed:?}");
    for name in ["id", "name", "created_at", "created_by"] {
        assert!(key.as_object_mut().unwrap().remove(name).is_some());
    }
    key
}

#[tokio::test]
async fn who_ends_their_part_ends_a_key_of_their_own() {
    let keys = Keys::start().await;
    let (owner, north, south) = (&keys.owner, &keys.north, &keys.south);

    // Ended by one of them: over for them, and for nobody else.
    let (own, _) = keys.make("own", &["north"]).await;
    let (shared, text) = keys.make("both", &["north", "south"]).await;
    assert_eq!(seen(north, &own).await, seen(north, &shared).await);
    let [one, two] = [&own, &shared].map(|id| format!("/keys/{id}"));
    let (one, two) = (north.delete(&one).await.ok(), north.delete(&two).await.ok());
    assert_eq!(one["state"], two["state"]);
    assert_eq!(seen(north, &own).await, seen(north, &shared).await);
    assert_eq!(seen(north, &shared).await["state"], "revoked");
    assert_eq!(keys.opens(&text, "north").await, 403);
    assert_eq!(keys.opens(&text, "south").await, 200);
    assert_eq!(north.delete(&format!("/keys/{shared}")).await.status, 404);
    let theirs = south.get(&format!("/keys/{shared}")).await.ok();
    assert_eq!(theirs["state"], "active");
    let whole = owner.get(&format!("/keys/{shared}")).await.ok();
    assert_eq!(whole["state"], "active");
    assert_eq!(whole["grants"][0]["revoked"], true, "{whole}");
    assert_eq!(whole["grants"][1].get("revoked"), None, "{whole}");

    // The rest of it is rolled without what was ended.
    let again = roll(north, &shared, "7d").await;
    assert_eq!(again.status, 404, "{}", again.body);
    let next = roll(owner, &shared, "0s").await.ok();
    assert_eq!(next["grants"].as_array().unwrap().len(), 1, "{next}");
    assert_eq!(next["grants"][0]["organization"], "south");
    assert_eq!(keys.opens(&text, "south").await, 401);
    keys.check_records().await;
}

#[tokio::test]
async fn who_rolls_their_part_rolls_a_key_of_their_own() {
    let keys = Keys::start().await;
    let (north, south) = (&keys.north, &keys.south);

    // Rolled by one of them: both work there until the grace is over, and the former one goes on
    // elsewhere.
    let (own, _) = keys.make("own", &["north"]).await;
    let (shared, text) = keys.make("both", &["north", "south"]).await;
    let alone = roll(north, &own, "7d").await.ok();
    let next = roll(north, &shared, "7d").await.ok();
    assert_eq!(next["grants"], alone["grants"]);
    assert_eq!(seen(north, &own).await, seen(north, &shared).await);
    let next = next["key"].as_str().unwrap().to_owned();
    assert_eq!(keys.opens(&text, "north").await, 200);
    assert_eq!(keys.opens(&next, "north").await, 200);
    assert_eq!(keys.opens(&next, "south").await, 403);
    for id in [&own, &shared] {
        let twice = roll(north, id, "7d").await;
        assert_eq!((twice.status, twice.code()), (409, "key_rolled"));
    }
    keys.app.clock.advance(EIGHT_DAYS);
    assert_eq!(keys.opens(&text, "north").await, 403);
    assert_eq!(keys.opens(&text, "south").await, 200);
    assert_eq!(seen(north, &own).await, seen(north, &shared).await);
    assert_eq!(seen(north, &shared).await["state"], "expired");
    // Of the other's part there is no successor.
    let theirs = roll(south, &shared, "0s").await.ok();
    assert_eq!(theirs["grants"][0]["organization"], "south");
    assert_eq!(keys.opens(&text, "south").await, 401);
    keys.check_records().await;
}

#[tokio::test]
async fn a_part_is_rolled_again_once_its_successor_is_over() {
    let keys = Keys::start().await;
    let (owner, north) = (&keys.owner, &keys.north);

    // Again, once the successor is over or was revoked, whoever did it: as with one's own.
    let (own, _) = keys.make("own", &["north"]).await;
    let (shared, text) = keys.make("both", &["north", "south"]).await;
    for id in [&own, &shared] {
        let next = roll(north, id, "7d").await.ok();
        let next = format!("/keys/{}", next["id"].as_str().unwrap());
        assert_eq!(north.delete(&next).await.status, 200);
    }
    let due = north.get("/rotation/due").await.ok().to_string();
    assert!(due.contains(&*own) && due.contains(&*shared), "{due}");
    assert_eq!(keys.opens(&text, "north").await, 200);
    let alone = roll(north, &own, "30d").await.ok();
    let next = roll(north, &shared, "30d").await.ok();
    assert_eq!(next["expires"], alone["expires"], "{next}");
    assert!(next["expires"].is_string(), "as long as was left: {next}");
    assert_eq!(seen(north, &own).await, seen(north, &shared).await);
    // Who knows of all of it cuts nobody's grace short: the rest alone moves.
    let rest = roll(owner, &shared, "0s").await.ok();
    assert_eq!(rest["grants"].as_array().unwrap().len(), 1, "{rest}");
    assert_eq!(rest["grants"][0]["organization"], "south");
    assert_eq!(keys.opens(&text, "south").await, 403);
    assert_eq!(keys.opens(&text, "north").await, 200);
    assert_eq!(seen(north, &own).await, seen(north, &shared).await);
    for id in [&own, &shared] {
        assert_eq!(north.delete(&format!("/keys/{id}")).await.status, 200);
        assert_eq!(north.delete(&format!("/keys/{id}")).await.status, 404);
    }
    assert_eq!(seen(north, &own).await, seen(north, &shared).await);
    keys.check_records().await;
}

#[tokio::test]
async fn a_successor_lives_as_long_as_the_part_was_to() {
    let keys = Keys::start().await;
    let (owner, north, south) = (&keys.owner, &keys.north, &keys.south);

    // Of a part that was to end, the successor has no end: it is the key's.
    let (shared, _) = keys.make("both", &["north", "south"]).await;
    let next = roll(north, &shared, "7d").await.ok();
    let next = format!("/keys/{}", next["id"].as_str().unwrap());
    assert_eq!(north.delete(&next).await.status, 200);
    let whole = roll(owner, &shared, "1d").await.ok();
    let ends = |grant: &Value| grant.get("ends").cloned();
    let grants = whole["grants"].as_array().unwrap();
    assert_eq!(grants.iter().map(ends).collect::<Vec<_>>(), [None, None]);
    assert_eq!(whole["expires"], Value::Null, "{whole}");

    // A part lives as long as it was to, whatever others' parts were to.
    let (own, _) = keys.make("own", &["south"]).await;
    let (shared, _) = keys.make("both", &["north", "south"]).await;
    roll(north, &shared, "30d").await.ok();
    for id in [&own, &shared] {
        let next = roll(south, id, "1d").await.ok();
        let next = format!("/keys/{}", next["id"].as_str().unwrap());
        assert_eq!(south.delete(&next).await.status, 200);
    }
    let alone = roll(south, &own, "1d").await.ok();
    let rest = roll(owner, &shared, "1d").await.ok();
    assert_eq!(rest["grants"][0]["organization"], "south", "{rest}");
    assert_eq!(rest["expires"], alone["expires"], "{rest}");

    // All of it is over when one part was revoked and the other has ended.
    let (shared, _) = keys.make("both", &["north", "south"]).await;
    assert_eq!(north.delete(&format!("/keys/{shared}")).await.status, 200);
    roll(owner, &shared, "7d").await.ok();
    keys.app.clock.advance(EIGHT_DAYS);
    let whole = owner.get(&format!("/keys/{shared}")).await.ok();
    assert_eq!(whole["state"], "expired", "{whole}");
    keys.check_records().await;
}

#[tokio::test]
async fn the_rest_of_a_key_is_nothing_to_whoever_ended_their_part() {
    let keys = Keys::start().await;
    let (owner, north) = (&keys.owner, &keys.north);

    // What happens to the rest of a key is nothing to whoever ended their part of it.
    let (shared, _) = keys.make("both", &["north", "south"]).await;
    north.delete(&format!("/keys/{shared}")).await.ok();
    let before = north.get("/audit?limit=1").await.ok();
    let next = roll(owner, &shared, "1d").await.ok();
    owner.delete(&format!("/keys/{shared}")).await.ok();
    assert_eq!(north.get("/audit?limit=1").await.ok(), before, "{next}");
    keys.check_records().await;
}
