//! Interleaved calls of many tenants with the same ids and arguments everywhere, while credentials
//! change, tokens are revoked and the upstream answers 401: is each answered for its own tenant?

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use locum::sandbox::{Fault, FaultRule};
use serde_json::{Value, json};

use super::app::{TestApp, set_credential};
use super::client::{McpClient, Reply};
use super::load::spread;

const ORGANIZATIONS: usize = 50;
const WORKERS: usize = 64;
/// Keys that open all organizations; the headers select.
const SHARED_KEYS: usize = 5;
/// Tenants that are disturbed in each way, in each round.
const DISTURBED: usize = 5;

/// Every answer holds its own client id, and every client id starts so.
const MARK: &str = "tenant-";

/// One way to reach a tenant.
struct Caller {
    client: McpClient,
    client_id: String,
}

pub fn slugs() -> Vec<String> {
    (0..ORGANIZATIONS)
        .map(|number| format!("{MARK}{number:02}"))
        .collect()
}

/// All organizations in all environments.
pub fn tenants() -> Vec<(String, &'static str)> {
    slugs()
        .into_iter()
        .flat_map(|slug| ["dev", "prod"].map(|environment| (slug.clone(), environment)))
        .collect()
}

/// The same for every tenant.
fn reads() -> Vec<(&'static str, Value)> {
    vec![
        ("get_clinic_details_basic", json!({"clinic_id": "C2001"})),
        ("get_doctor_services", json!({"doctor_id": "D1001"})),
        ("search_patients", json!({"prefix": "UH000", "limit": 3})),
        ("get_patient_by_mobile", json!({"mobile": "+919000000001"})),
        ("list_patients", json!({"page_no": 1, "page_size": 2})),
        (
            "show_appointments_basic",
            json!({"patient_id": "1700000000001"}),
        ),
        (
            "get_appointment_details_basic",
            json!({"appointment_id": "A3001"}),
        ),
        (
            "get_prescription_details_basic",
            json!({"prescription_id": "P4001"}),
        ),
    ]
}

/// Every tenant by a key of its own and by a shared key with headers.
async fn callers(app: &TestApp) -> Vec<Caller> {
    let slugs = slugs();
    let all: Vec<&str> = slugs.iter().map(String::as_str).collect();
    let mut shared = Vec::new();
    for _ in 0..SHARED_KEYS {
        shared.push(app.issue_key(&all, &[], &[], false).await);
    }
    let base = McpClient::new(&app.url(), "");
    let mut callers = Vec::new();
    for (number, (slug, environment)) in tenants().into_iter().enumerate() {
        let own = app.issue_key(&[&slug], &[environment], &[], false).await;
        let shared = base.with_key(&shared[number % SHARED_KEYS]);
        for client in [base.with_key(&own), shared.at(&slug, environment)] {
            let client_id = format!("{slug}-{environment}");
            callers.push(Caller { client, client_id });
        }
    }
    app.settle().await;
    callers
}

/// An answer of its own tenant and of no other; otherwise what was wrong.
fn judge(reply: &Reply, client_id: &str) -> Result<(), String> {
    let text = reply.body["result"]["content"][0]["text"]
        .as_str()
        .unwrap_or_default();
    let named: Vec<&str> = text
        .match_indices(MARK)
        .map(|(at, _)| &text[at..])
        .collect();
    let is_own = |named: &&str| named.starts_with(client_id);
    if reply.is_ok() && !named.is_empty() && named.iter().all(is_own) {
        return Ok(());
    }
    Err(format!("{client_id}: {text}"))
}

/// New credentials for some tenants, 401s and ended tokens for others, and time for all.
async fn disturb(app: &TestApp, round: usize) {
    let tenants = tenants();
    let some = |offset: usize| {
        let first = round * DISTURBED + offset;
        (first..first + DISTURBED).map(|at| &tenants[at % tenants.len()])
    };
    let id = |(slug, environment): &(String, &str)| format!("{slug}-{environment}");
    for (slug, environment) in some(0) {
        set_credential(&app.admin(), slug, environment, &format!("secret-{round}")).await;
    }
    for tenant in some(25) {
        app.sandbox.add_fault(FaultRule {
            client_id: Some(id(tenant)),
            count: Some(1),
            ..FaultRule::every(Fault::Unauthorized {})
        });
    }
    for tenant in some(50) {
        app.sandbox.revoke_tokens(Some(&id(tenant)));
    }
    for tenant in some(75) {
        app.sandbox.expire_access_tokens(Some(&id(tenant)));
    }
    app.clock.advance(Duration::from_secs(120));
    app.settle().await;
}

/// What the calls came to.
pub struct Interleaved {
    /// What was wrong with each answer that was not its own tenant's.
    pub wrong: Vec<String>,
    /// How often some tenants were disturbed in each way.
    pub disturbances: usize,
    /// Attempts to log in, and calls that the upstream answered with 401.
    pub logins: u64,
    pub unauthorized: u64,
    /// Tenants that the upstream has heard of.
    pub heard_of: usize,
}

/// Makes `calls` of them; `progress` hears from time to time how many are answered.
pub async fn run(calls: usize, progress: impl Fn(usize)) -> Interleaved {
    let mut builder = TestApp::builder();
    for slug in slugs() {
        builder = builder.org(&slug, &["dev", "prod"]);
    }
    let app = builder.start().await;
    let callers = Arc::new(callers(&app).await);
    let reads = Arc::new(reads());
    let answered = Arc::new(AtomicUsize::new(0));
    let count = answered.clone();
    let load = tokio::spawn(spread(calls, WORKERS, move |number| {
        let (callers, reads, count) = (callers.clone(), reads.clone(), count.clone());
        async move {
            // 7919 is prime: neighbours in time are strangers, and all are served alike.
            let caller = &callers[number * 7919 % callers.len()];
            let (tool, arguments) = &reads[number / callers.len() % reads.len()];
            let reply = caller.client.call(tool, arguments.clone()).await;
            count.fetch_add(1, Ordering::Relaxed);
            judge(&reply, &caller.client_id)
        }
    }));
    let mut disturbances = 0;
    while !load.is_finished() {
        disturb(&app, disturbances).await;
        disturbances += 1;
        progress(answered.load(Ordering::Relaxed));
    }
    let answers = load.await.unwrap();
    assert_eq!(answers.len(), calls);
    let stats = app.sandbox.stats();
    Interleaved {
        wrong: answers.into_iter().filter_map(Result::err).collect(),
        disturbances,
        logins: stats.logins,
        unauthorized: stats.unauthorized,
        heard_of: stats.clients.len(),
    }
}
