//! A server that is killed as it makes a change: one that the admin API was asked for, of every kind
//! that it has, and the return to a former credential, which a call brings about.
//!
//! strace attaches when everything else is written, and kills at the `n`th write from then on. What no
//! command does, and what is done once for an `Idempotency-Key`, is killed at every write or at every
//! second one. The rest are use cases of commands, which `crash` kills at every write: here, at every
//! fourth or so.

use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

use reqwest::Method;
use rustix::process::Signal;
use serde_json::{Value, json};

use super::DATABASE;
use crate::support::api::{ApiClient, ApiReply};
use crate::support::app::reqwest_client;
use crate::support::commands::{clinic, words};
use crate::support::load::spread;
use crate::support::process::{address, end, serve_logged};
use crate::support::program::{Program, Server};
use crate::support::records::Records;
use crate::support::strace::{self, WRITES};

const CREDENTIAL: &str = "/orgs/north/credentials/dev/eka-care";
const KEYS: &str = "/keys?limit=1000";
const TOKENS: &str = "/admin-tokens?limit=1000";
const CALL: [(&str, &str); 4] = [
    ("accept", "application/json, text/event-stream"),
    ("mcp-protocol-version", "2025-11-25"),
    ("x-tenant-id", "north"),
    ("x-tenant-env", "dev"),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    RemoveCredential,
    RevokePart,
    RollPart,
    RollPartAtOnce,
    TestCredential,
    /// Somebody may not do what they ask for: that is on record, and nothing else changes.
    Refusal,
    /// A call whose credential the provider refuses.
    Return,
    CreateKey,
    CreateOrganization,
    CreateToken,
    SetCredential,
    StageCredential,
    ChangeOrganization,
    DeleteOrganization,
    RevokeCredential,
    Verify,
    Promote,
    Rollback,
    Cancel,
    RevokeKey,
    RevokeToken,
}

/// Each with the distance of the writes at which it is killed.
const KINDS: [(Kind, usize); 21] = [
    (Kind::RemoveCredential, 1),
    (Kind::RevokePart, 1),
    (Kind::RollPart, 1),
    (Kind::RollPartAtOnce, 1),
    (Kind::TestCredential, 1),
    (Kind::Refusal, 1),
    (Kind::Return, 1),
    (Kind::CreateKey, 1),
    (Kind::CreateOrganization, 2),
    (Kind::CreateToken, 2),
    (Kind::SetCredential, 2),
    (Kind::StageCredential, 2),
    (Kind::ChangeOrganization, 4),
    (Kind::DeleteOrganization, 9),
    (Kind::RevokeCredential, 4),
    (Kind::Verify, 4),
    (Kind::Promote, 4),
    (Kind::Rollback, 4),
    (Kind::Cancel, 4),
    (Kind::RevokeKey, 4),
    (Kind::RevokeToken, 4),
];

/// Who sends a request.
#[derive(Debug, Clone, Copy)]
enum Who {
    Owner,
    /// Administers north alone.
    Operator,
    Auditor,
    /// Calls tools, and administers nothing.
    Caller,
}

/// A request for a change.
struct Change {
    by: Who,
    method: Method,
    path: String,
    headers: Vec<(&'static str, String)>,
    body: Option<Value>,
    /// Whether it may be repeated.
    once: bool,
    /// Where an owner sees what became of it.
    view: String,
}

impl Change {
    fn new(method: Method, path: impl Into<String>, view: impl Into<String>) -> Self {
        Self {
            by: Who::Owner,
            method,
            path: path.into(),
            headers: Vec::new(),
            body: None,
            once: false,
            view: view.into(),
        }
    }

    fn by(self, by: Who) -> Self {
        Self { by, ..self }
    }

    fn with(self, body: Value) -> Self {
        Self {
            body: Some(body),
            ..self
        }
    }

    fn once(mut self, n: usize) -> Self {
        self.headers
            .push(("idempotency-key", format!("change-{n}")));
        self.once = true;
        self
    }

    /// The answer, if there was one.
    async fn send(&self, house: &House) -> Option<ApiReply> {
        let headers = self.headers.iter();
        let headers: Vec<_> = headers
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let (method, body) = (self.method.clone(), self.body.as_ref());
        let client = house.client(self.by);
        let sent = client.try_send(method, &self.path, &headers, body).await;
        sent.ok()
    }
}

/// An installation with organizations north and south, and who asks it for changes.
struct Installation {
    program: Program,
    sandbox: Server,
    owner: String,
    operator: String,
    auditor: String,
    key: String,
}

impl Installation {
    async fn new() -> Self {
        let (mut program, sandbox) = clinic().await;
        program.organization("south", &["dev"]).await;
        let owner = token(&program, "owner").await;
        let operator = token(&program, "operator --org north").await;
        let auditor = token(&program, "auditor").await;
        let key = program.key(&["north"]).await;
        strace::let_attach(&mut program);
        Self {
            program,
            sandbox,
            owner,
            operator,
            auditor,
            key,
        }
    }

    async fn start(&self) -> House {
        // A call's own record comes up to a second later, and is no part of what it changes.
        let variables = [("LOCUM__AUDIT__CALLS", "off")];
        let (server, log) = serve_logged(&self.program, &variables).await;
        let log = std::fs::read_to_string(log).unwrap();
        let api = format!("http://{}/admin/v1", address(&log, "admin").unwrap());
        let clients = [
            ApiClient::at(&api, &self.owner),
            ApiClient::at(&api, &self.operator),
            ApiClient::at(&api, &self.auditor),
            ApiClient::at(&server.url, &self.key),
        ];
        House { server, clients }
    }

    async fn records(&self) -> Records {
        Records::read(&self.program.path(DATABASE)).await
    }

    /// The provider has nothing more to do with a client id.
    async fn refuse(&self, client_id: &str) {
        let url = format!("{}/_sandbox/clients/{client_id}", self.sandbox.url);
        let body = json!({"secrets": []});
        let sent = reqwest_client().put(url).json(&body).send().await;
        assert_eq!(sent.unwrap().status(), 200);
    }
}

async fn token(program: &Program, role: &str) -> String {
    let create = format!("admin-token create --name t --role {role}");
    let created = program.json(&words(&create, &[])).await;
    created["token"].as_str().unwrap().to_owned()
}

/// A running server of an installation.
struct House {
    server: Server,
    clients: [ApiClient; 4],
}

impl House {
    fn client(&self, who: Who) -> &ApiClient {
        &self.clients[who as usize]
    }

    async fn view(&self, change: &Change) -> Value {
        self.client(Who::Owner).get(&change.view).await.body
    }

    /// Creates something; its id.
    async fn create(&self, path: &str, body: Value) -> String {
        let created = self.client(Who::Owner).post(path, body).await.ok();
        created["id"].as_str().unwrap().to_owned()
    }

    /// A key for north and south.
    async fn shared_key(&self) -> String {
        self.create("/keys", key_for(&["north", "south"])).await
    }

    /// Ends every credential, and enters one.
    async fn enter(&self) {
        let owner = self.client(Who::Owner);
        owner.delete(CREDENTIAL).await.ok();
        let path = format!("{CREDENTIAL}?unverified=true");
        owner.put(&path, fields("v-1")).await.ok();
    }

    /// The path of a new rotation.
    async fn stage(&self, client_id: &str) -> String {
        let path = format!("{CREDENTIAL}/rotations");
        let id = self.create(&path, fields(client_id)).await;
        format!("{path}/{id}")
    }

    /// The path of a new rotation that has been promoted.
    async fn promote(&self) -> String {
        self.enter().await;
        let path = self.stage("v-2").await;
        let promote = format!("{path}/promote?unverified=true");
        self.client(Who::Owner).post(&promote, json!({})).await.ok();
        path
    }

    /// Sends a request that strace kills at its `n`th write. The answer, if there was one; the server
    /// has ended in any case.
    async fn killed_at(&mut self, change: &Change, n: usize) -> Option<ApiReply> {
        let id = self.server.child.id().unwrap();
        let _tracer = strace::attach(id, WRITES, n).await;
        let answer = change.send(self).await;
        let child = &mut self.server.child;
        let ended = match &answer {
            Some(_) => end(child, Signal::KILL).await,
            None => {
                let ended = tokio::time::timeout(Duration::from_secs(10), child.wait());
                ended.await.expect("no answer, and no end").unwrap()
            }
        };
        assert_eq!(ended.signal(), Some(Signal::KILL.as_raw()));
        answer
    }
}

fn fields(client_id: &str) -> Value {
    json!({"fields": {"client_id": client_id, "client_secret": "synthetic"}})
}

fn key_for(organizations: &[&str]) -> Value {
    let grants = organizations
        .iter()
        .map(|slug| json!({"organization": slug}));
    json!({"name": "desk", "grants": grants.collect::<Vec<_>>()})
}

/// The states of a profile's versions, the newest first.
fn states(profile: &Value) -> Vec<&str> {
    let versions = profile["versions"].as_array().unwrap();
    let states = versions.iter().map(|version| version["state"].as_str());
    states.map(|state| state.unwrap()).collect()
}

fn items(list: &Value) -> &[Value] {
    list["items"].as_array().unwrap()
}

impl Kind {
    /// Brings things to where the change begins, and answers the request for it.
    async fn prepare(self, n: usize, installation: &Installation, house: &House) -> Change {
        match self {
            Self::RemoveCredential => {
                house.promote().await;
                house.stage("v-3").await;
                Change::new(Method::DELETE, CREDENTIAL, CREDENTIAL)
            }
            Self::RevokePart => {
                let id = house.shared_key().await;
                let path = format!("/keys/{id}");
                Change::new(Method::DELETE, path, KEYS).by(Who::Operator)
            }
            Self::RollPart | Self::RollPartAtOnce => {
                let grace = if self == Self::RollPart { "7d" } else { "0s" };
                let id = house.shared_key().await;
                let path = format!("/keys/{id}/roll");
                let roll = Change::new(Method::POST, path, KEYS).by(Who::Operator);
                roll.with(json!({"grace": grace})).once(n)
            }
            Self::TestCredential => {
                house.enter().await;
                Change::new(Method::POST, format!("{CREDENTIAL}/test"), CREDENTIAL)
            }
            Self::Refusal => {
                Change::new(Method::DELETE, "/orgs/north", "/orgs/north").by(Who::Auditor)
            }
            Self::Return => {
                installation.refuse("v-2").await;
                house.promote().await;
                let mut call = Change::new(Method::POST, "/mcp", CREDENTIAL).by(Who::Caller);
                let headers = CALL.map(|(name, value)| (name, value.to_owned()));
                call.headers = headers.into();
                let arguments = json!({"clinic_id": "C2001"});
                let params = json!({"name": "get_clinic_details_basic", "arguments": arguments});
                call.with(json!({
                    "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params,
                }))
            }
            Self::CreateKey => {
                let create = Change::new(Method::POST, "/keys", KEYS);
                create.with(key_for(&["north", "south"])).once(n)
            }
            Self::CreateOrganization => {
                let slug = format!("made-{n}");
                let view = format!("/orgs/{slug}");
                let create = Change::new(Method::POST, "/orgs", view);
                create.with(json!({"id": slug, "name": "n"})).once(n)
            }
            Self::CreateToken => {
                let create = Change::new(Method::POST, "/admin-tokens", TOKENS);
                create.with(json!({"name": "t", "role": "auditor"})).once(n)
            }
            Self::SetCredential => {
                house.enter().await;
                let path = format!("{CREDENTIAL}?unverified=true");
                let set = Change::new(Method::PUT, path, CREDENTIAL);
                set.with(fields("v-2")).once(n)
            }
            Self::StageCredential => {
                house.enter().await;
                let path = format!("{CREDENTIAL}/rotations");
                let stage = Change::new(Method::POST, path, CREDENTIAL);
                stage.with(fields("v-2")).once(n)
            }
            Self::ChangeOrganization => {
                let limits = json!({"dev": {"per_minute": n}});
                let change = Change::new(Method::PATCH, "/orgs/north", "/orgs/north");
                change.with(json!({"name": format!("name-{n}"), "limits": limits}))
            }
            Self::DeleteOrganization => {
                let owner = house.client(Who::Owner);
                // It is there still, where it was not deleted.
                let doomed = json!({"id": "doomed", "name": "Doomed"});
                owner.post("/orgs", doomed).await;
                let path = "/orgs/doomed/credentials/dev/eka-care?unverified=true";
                owner.put(path, fields("doomed-dev")).await.ok();
                house.create("/keys", key_for(&["doomed"])).await;
                Change::new(Method::DELETE, "/orgs/doomed", "/orgs/doomed")
            }
            Self::RevokeCredential => {
                house.promote().await;
                Change::new(Method::POST, format!("{CREDENTIAL}/revoke"), CREDENTIAL)
            }
            Self::Verify | Self::Cancel => {
                house.enter().await;
                let is_verify = self == Self::Verify;
                let step = if is_verify { "verify" } else { "cancel" };
                let rotation = house.stage("v-2").await;
                let path = format!("{rotation}/{step}");
                Change::new(Method::POST, path, CREDENTIAL)
            }
            Self::Promote => {
                house.enter().await;
                let rotation = house.stage("v-2").await;
                let path = format!("{rotation}/promote?unverified=true");
                Change::new(Method::POST, path, CREDENTIAL)
            }
            Self::Rollback => {
                let rotation = house.promote().await;
                let path = format!("{rotation}/rollback");
                Change::new(Method::POST, path, CREDENTIAL)
            }
            Self::RevokeKey => {
                let id = house.shared_key().await;
                let path = format!("/keys/{id}");
                Change::new(Method::DELETE, path, KEYS)
            }
            Self::RevokeToken => {
                let body = json!({"name": "t", "role": "auditor"});
                let id = house.create("/admin-tokens", body).await;
                let path = format!("/admin-tokens/{id}");
                Change::new(Method::DELETE, path.as_str(), path.as_str())
            }
        }
    }

    /// Whether all of the change shows, once.
    fn is_whole(self, before: &Value, after: &Value) -> bool {
        let one_more = || items(after).len() == items(before).len() + 1;
        let newest = |wanted: &[&str]| states(after).starts_with(wanted);
        let one_more_version = || states(after).len() == states(before).len() + 1;
        let is_verified = || after["versions"][0]["verified_at"].is_string();
        match self {
            Self::RemoveCredential => states(after).iter().all(|state| *state == "revoked"),
            Self::RevokePart => {
                let key = items(after).last().unwrap();
                let [north, south] = parts(key);
                let others = key["state"] == "active" && south["revoked"].is_null();
                north["revoked"] == true && others
            }
            Self::RollPart | Self::RollPartAtOnce => {
                let [.., former, key] = items(after) else {
                    return false;
                };
                let [north, south] = parts(former);
                let ended = match self {
                    Self::RollPart => north["ends"].is_string(),
                    _ => north["revoked"] == true,
                };
                let others = south["ends"].is_null() && south["revoked"].is_null();
                let grants = key["grants"].as_array().unwrap();
                let is_north = grants.len() == 1 && grants[0]["organization"] == "north";
                let replaces = key["replaces"] == former["id"] && key["state"] == "active";
                one_more() && ended && others && is_north && replaces
            }
            Self::TestCredential => newest(&["active"]) && is_verified(),
            Self::Refusal => before == after,
            Self::Return => newest(&["refused", "active"]),
            Self::CreateKey => {
                let key = items(after).last().unwrap();
                let [north, south] = parts(key);
                let opens = north["organization"] == "north" && south["organization"] == "south";
                one_more() && opens && key["state"] == "active"
            }
            Self::CreateOrganization => is_unknown(before) && after["state"] == "active",
            Self::CreateToken => one_more(),
            Self::SetCredential => newest(&["active", "retiring"]) && one_more_version(),
            Self::StageCredential => newest(&["staged", "active"]) && one_more_version(),
            Self::ChangeOrganization => {
                before["name"] != after["name"] && before["limits"] != after["limits"]
            }
            Self::DeleteOrganization => is_unknown(after),
            Self::RevokeCredential => newest(&["revoked", "retiring"]),
            Self::Verify => newest(&["staged", "active"]) && is_verified(),
            Self::Promote => newest(&["active", "retiring"]),
            Self::Rollback => newest(&["staged", "active"]),
            Self::Cancel => newest(&["cancelled", "active"]),
            Self::RevokeKey => items(after).last().unwrap()["state"] == "revoked",
            Self::RevokeToken => after["state"] == "revoked",
        }
    }
}

/// What a key opens in north and in south.
fn parts(key: &Value) -> [&Value; 2] {
    let [north, south] = key["grants"].as_array().unwrap().as_slice() else {
        panic!("not of two organizations: {key}");
    };
    [north, south]
}

fn is_unknown(view: &Value) -> bool {
    view["code"] == "organization_not_found"
}

/// What a server found after another was killed: the change, wholly, or nothing of it.
async fn look(kind: Kind, change: &Change, house: &House, shown: &Value, done: bool) {
    let view = house.view(change).await;
    match done {
        true => assert!(kind.is_whole(shown, &view), "{kind:?}: {shown} {view}"),
        false => assert_eq!(&view, shown, "{kind:?}"),
    }
    if change.once {
        let again = change.send(house).await.expect("an answer");
        let replayed = again.header("idempotent-replayed") == "true";
        assert_eq!(replayed, done, "{kind:?}: {again:?}");
        again.ok();
        let view = house.view(change).await;
        assert!(kind.is_whole(shown, &view), "{kind:?}: {shown} {view}");
    }
}

/// Whether the change is in the database.
fn is_done(kind: Kind, before: &Records, after: Records) -> bool {
    let done = after.audit > before.audit;
    let written = after.revision - before.revision;
    let noticed = done && kind != Kind::Refusal;
    assert_eq!(written, i64::from(noticed), "half of a change: {kind:?}");
    if !done {
        // What is due is noted when a server starts.
        let after = Records {
            reminders: before.reminders.clone(),
            ..after
        };
        assert_eq!(&after, before, "a change without its record: {kind:?}");
    }
    done
}

async fn killed_at_writes(kind: Kind, distance: usize) {
    let installation = Box::pin(Installation::new()).await;
    let mut house = installation.start().await;
    for n in (1..200).step_by(distance) {
        let change = Box::pin(kind.prepare(n, &installation, &house)).await;
        let shown = house.view(&change).await;
        let before = installation.records().await;
        let answer = house.killed_at(&change, n).await;
        let done = is_done(kind, &before, installation.records().await);
        house = installation.start().await;
        look(kind, &change, &house, &shown, done).await;
        if let Some(answer) = answer {
            let class = if kind == Kind::Refusal { 4 } else { 2 };
            assert_eq!(answer.status / 100, class, "{kind:?}: {answer:?}");
            assert!(done, "acknowledged and lost: {kind:?}: {answer:?}");
            assert!(n > 2, "{kind:?}: nothing was killed: may strace attach?");
            assert!(end(&mut house.server.child, Signal::TERM).await.success());
            // Every record follows the one before it, and the file is whole.
            installation.program.ok(&["check"]).await;
            return;
        }
    }
    panic!("{kind:?}: more than 200 writes");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_a_server_that_is_killed_at_a_write_is_there_wholly_or_not_at_all() {
    spread(KINDS.len(), 3, |number| {
        let (kind, distance) = KINDS[number];
        killed_at_writes(kind, distance)
    })
    .await;
}
