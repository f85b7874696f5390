//! Every endpoint × every role × own and other organization, as one table; what may not be known
//! of an organization looks as if there were none.

use locum::domain::actor::Role;
use reqwest::Method;
use serde_json::{Value, json};

use super::contract::operations;
use crate::support::TestApp;
use crate::support::api::ApiClient;

/// What each of the actors gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    /// Done, or refused for what it is and not for who asks.
    Yes,
    Forbidden,
    /// As if it did not exist.
    Hidden,
}

use Access::{Forbidden, Hidden, Yes};

/// Owner; operator and auditor of all; operator and auditor of this organization; operator and
/// auditor of another one.
type Row = [Access; 7];

const READ: Row = [Yes, Yes, Yes, Yes, Yes, Hidden, Hidden];
const CHANGE: Row = [Yes, Yes, Forbidden, Yes, Forbidden, Hidden, Hidden];
/// For good.
const END: Row = [
    Yes, Forbidden, Forbidden, Forbidden, Forbidden, Hidden, Hidden,
];
/// Of the installation: a list holds what the actor knows of.
const READ_ALL: Row = [Yes; 7];
const CHANGE_ALL: Row = [
    Yes, Yes, Forbidden, Forbidden, Forbidden, Forbidden, Forbidden,
];
const OWN: Row = [
    Yes, Forbidden, Forbidden, Forbidden, Forbidden, Forbidden, Forbidden,
];

const CREDENTIAL: &str = "/orgs/{org}/credentials/{env}/{provider}";

fn table() -> Vec<(&'static str, String, Value, Row)> {
    let credential = |rest: &str| format!("{CREDENTIAL}{rest}");
    let rotation = |rest: &str| format!("{CREDENTIAL}/rotations/{{rotation}}{rest}");
    let org = |rest: &str| format!("/orgs/{{org}}{rest}");
    let fields = json!({"fields": {"client_id": "north-dev", "client_secret": "synthetic"}});
    let key = json!({"name": "k", "grants": [{"organization": "north"}]});
    let none = Value::Null;
    vec![
        ("GET", "/orgs".to_owned(), none.clone(), READ_ALL),
        (
            "POST",
            "/orgs".to_owned(),
            json!({"id": "new", "name": "New"}),
            CHANGE_ALL,
        ),
        ("GET", org(""), none.clone(), READ),
        ("PATCH", org(""), json!({"name": "North"}), CHANGE),
        ("DELETE", org(""), none.clone(), END),
        ("GET", org("/credentials"), none.clone(), READ),
        ("GET", credential(""), none.clone(), READ),
        ("PUT", credential(""), fields.clone(), CHANGE),
        ("DELETE", credential(""), none.clone(), CHANGE),
        ("POST", credential("/test"), none.clone(), CHANGE),
        ("POST", credential("/revoke"), json!({"version": 1}), CHANGE),
        ("POST", credential("/rotations"), fields, CHANGE),
        ("GET", rotation(""), none.clone(), READ),
        ("POST", rotation("/verify"), none.clone(), CHANGE),
        ("POST", rotation("/promote"), none.clone(), CHANGE),
        ("POST", rotation("/rollback"), none.clone(), CHANGE),
        ("POST", rotation("/cancel"), none.clone(), CHANGE),
        (
            "POST",
            "/keys/{key}/roll".to_owned(),
            json!({"grace": "1d"}),
            CHANGE,
        ),
        ("GET", org("/keys"), none.clone(), READ),
        ("GET", "/keys".to_owned(), none.clone(), READ_ALL),
        ("POST", "/keys".to_owned(), key, CHANGE),
        ("GET", "/keys/{key}".to_owned(), none.clone(), READ),
        ("DELETE", "/keys/{key}".to_owned(), none.clone(), CHANGE),
        ("GET", "/audit".to_owned(), none.clone(), READ_ALL),
        ("GET", "/rotation/due".to_owned(), none.clone(), READ_ALL),
        (
            "GET",
            "/rotation/calendar.ics".to_owned(),
            none.clone(),
            READ_ALL,
        ),
        ("GET", "/status".to_owned(), none.clone(), READ_ALL),
        ("GET", "/usage".to_owned(), none.clone(), READ_ALL),
        ("GET", "/admin-tokens".to_owned(), none.clone(), OWN),
        (
            "POST",
            "/admin-tokens".to_owned(),
            json!({"role": "auditor"}),
            OWN,
        ),
        ("GET", "/admin-tokens/{token}".to_owned(), none.clone(), OWN),
        ("DELETE", "/admin-tokens/{token}".to_owned(), none, OWN),
    ]
}

struct Actors {
    app: TestApp,
    clients: Vec<ApiClient>,
}

impl Actors {
    async fn start() -> Self {
        let app = TestApp::builder()
            .org("north", &["dev"])
            .org("south", &["dev"])
            .start()
            .await;
        let mut clients = vec![app.api(Role::Owner, None).await];
        for organization in [None, Some("north"), Some("south")] {
            clients.push(app.api(Role::Operator, organization).await);
            clients.push(app.api(Role::Auditor, organization).await);
        }
        Self { app, clients }
    }

    /// A path for the organization `north`, with something new of its kind to act on. Who deletes
    /// an organization gets one to delete, if they know of others than their own.
    async fn concrete(&self, (method, path): (&str, &str), actor: usize) -> String {
        if (method, path) == ("DELETE", "/orgs/{org}") && actor < 3 {
            let body = json!({"id": "doomed", "name": "Doomed"});
            self.clients[0].post("/orgs", body).await;
            return "/orgs/doomed".to_owned();
        }
        let mut path = path
            .replace("{org}", "north")
            .replace("{env}", "dev")
            .replace("{provider}", "eka-care");
        let owner = &self.clients[0];
        if path.contains("{key}") {
            let body = json!({"name": "k", "grants": [{"organization": "north"}]});
            let key = owner.post("/keys", body).await.ok();
            path = path.replace("{key}", key["id"].as_str().unwrap());
        }
        if path.contains("{token}") {
            let body = json!({"role": "auditor"});
            let token = owner.post("/admin-tokens", body).await.ok();
            path = path.replace("{token}", token["id"].as_str().unwrap());
        }
        if path.contains("eka-care") {
            let id = self.active_version().await;
            path = path.replace("{rotation}", &id);
        }
        path
    }

    /// Nothing is staged, and a version is active: its id, a rotation that was promoted.
    async fn active_version(&self) -> String {
        let (owner, path) = (&self.clients[0], "/orgs/north/credentials/dev/eka-care");
        let profile = owner.get(path).await.ok();
        let versions = profile["versions"].as_array().unwrap();
        let staged = versions.iter().find(|version| version["state"] == "staged");
        if let Some(id) = staged.map(|version| version["id"].as_str().unwrap()) {
            let cancel = format!("{path}/rotations/{id}/cancel");
            owner.post(&cancel, json!({})).await.ok();
        }
        if profile["state"] != "active" {
            let body = json!({"fields": {"client_id": "north-dev", "client_secret": "synthetic"}});
            owner.put(path, body).await.ok();
        }
        let active = owner.get(path).await.ok();
        active["id"].as_str().unwrap().to_owned()
    }
}

#[tokio::test]
async fn every_endpoint_knows_every_role() {
    let actors = Actors::start().await;
    let document = actors.clients[0].get("/openapi.json").await.ok();
    let table = table();
    let generic = |path: &str| {
        let kinds = ["{key}", "{token}", "{rotation}"];
        kinds
            .iter()
            .fold(path.to_owned(), |path, kind| path.replace(kind, "{id}"))
    };
    for (method, path) in operations(&document) {
        let mut rows = table.iter();
        let row = rows.find(|(m, p, ..)| *m == method && generic(p) == path);
        assert!(row.is_some(), "{method} {path} has no row in the table");
    }
    for (method, path, body, row) in &table {
        for (number, (client, wanted)) in actors.clients.iter().zip(row).enumerate() {
            let concrete = actors.concrete((method, path), number).await;
            let body = (!body.is_null()).then_some(body);
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            let reply = client.send(method.clone(), &concrete, &[], body).await;
            let found = match reply.status {
                403 => Forbidden,
                404 => Hidden,
                _ => Yes,
            };
            assert_eq!(found, *wanted, "{method} {path}, actor {number}: {reply:?}");
        }
    }
}

#[tokio::test]
async fn nobody_without_a_token_gets_anywhere() {
    let actors = Actors::start().await;
    let (app, owner) = (&actors.app, &actors.clients[0]);
    let key = app.key(&["north"], &["dev"], &[], false).await;
    let expired = {
        let body = json!({"role": "owner", "expires": "1h"});
        let issued = owner.post("/admin-tokens", body).await.ok();
        issued["token"].as_str().unwrap().to_owned()
    };
    let revoked = {
        let issued = owner
            .post("/admin-tokens", json!({"role": "owner"}))
            .await
            .ok();
        let id = issued["id"].as_str().unwrap();
        owner.delete(&format!("/admin-tokens/{id}")).await.ok();
        issued["token"].as_str().unwrap().to_owned()
    };
    app.clock.advance(std::time::Duration::from_secs(3_601));
    for token in [
        "",
        "nonsense",
        key.as_str(),
        expired.as_str(),
        revoked.as_str(),
    ] {
        let client = app.api_with(token);
        for (method, path, ..) in table() {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            let path = path.replace(['{', '}'], "");
            let reply = client.send(method, &path, &[], None).await;
            assert_eq!((reply.status, reply.code()), (401, "unauthenticated"));
            assert!(reply.header("www-authenticate").starts_with("Bearer"));
        }
    }
    // A gateway key is none of the admin API's, and an admin token opens no tenant.
    let token = crate::support::McpClient::new(&app.url(), &owner.token);
    let reply = token.legacy("tools/list", json!({})).await;
    assert_eq!((reply.status, reply.code()), (401, "unauthenticated"));
}

#[tokio::test]
async fn an_operator_of_one_organization_cannot_tell_that_another_exists() {
    let actors = Actors::start().await;
    let owner = &actors.clients[0];
    let north = &actors.clients[3];
    let shared = json!({"name": "both", "grants": [
        {"organization": "north"}, {"organization": "south"},
    ]});
    let shared = owner.post("/keys", shared).await.ok();
    let shared = shared["id"].as_str().unwrap();
    let own = json!({"name": "south's", "grants": [{"organization": "south"}]});
    let foreign = owner.post("/keys", own).await.ok();
    let foreign = foreign["id"].as_str().unwrap();

    // What there is and what there is not look alike, but for the name that was asked for.
    for (there, missing) in [
        ("/orgs/south", "/orgs/sooth"),
        ("/orgs/south/credentials", "/orgs/sooth/credentials"),
        ("/orgs/south/keys", "/orgs/sooth/keys"),
        (
            "/orgs/south/credentials/dev/eka-care",
            "/orgs/sooth/credentials/dev/eka-care",
        ),
    ] {
        let (there, missing) = (north.get(there).await, north.get(missing).await);
        assert_eq!(there.status, 404);
        let text = there.body.to_string().replace("south", "sooth");
        assert_eq!(text, missing.body.to_string());
    }
    for method in [Method::GET, Method::DELETE] {
        let send = async |id: &str| {
            let path = format!("/keys/{id}");
            north.send(method.clone(), &path, &[], None).await
        };
        let (there, missing) = (send(foreign).await, send("aaaaaaaaaa").await);
        let text = there.body.to_string().replace(foreign, "aaaaaaaaaa");
        assert_eq!((there.status, text), (404, missing.body.to_string()));
    }
    // Creating one of that name is refused before anybody looks whether it is there.
    for id in ["south", "sooth"] {
        let reply = north.post("/orgs", json!({"id": id, "name": "x"})).await;
        assert_eq!((reply.status, reply.code()), (403, "forbidden"));
    }
    // A key for both is seen as one for the own organization.
    for path in [
        format!("/keys/{shared}").as_str(),
        "/orgs",
        "/keys",
        "/orgs/north/keys",
        "/orgs/north",
        "/audit",
    ] {
        let text = north.get(path).await.ok().to_string();
        assert!(
            text.contains("north") && !text.contains("south"),
            "{path}: {text}"
        );
    }
}
