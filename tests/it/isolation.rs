//! No answer and no write ever crosses tenants: 100,000 interleaved calls with the same ids and
//! arguments everywhere, while credentials change, tokens are revoked and the upstream answers 401.

use std::sync::Arc;
use std::time::Duration;

use locum::sandbox::{Fault, FaultRule};
use serde_json::{Value, json};

use crate::support::TestApp;
use crate::support::app::set_credential;
use crate::support::client::{McpClient, Reply};
use crate::support::load::spread;

const ORGANIZATIONS: usize = 50;
const CALLS: usize = 100_000;
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

fn slugs() -> Vec<String> {
    (0..ORGANIZATIONS)
        .map(|number| format!("{MARK}{number:02}"))
        .collect()
}

fn tenants() -> Vec<(String, &'static str)> {
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

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_thousand_interleaved_calls_are_each_answered_for_their_own_tenant() {
    let mut builder = TestApp::builder();
    for slug in slugs() {
        builder = builder.org(&slug, &["dev", "prod"]);
    }
    let app = builder.start().await;
    let callers = Arc::new(callers(&app).await);
    let reads = Arc::new(reads());
    let load = tokio::spawn(spread(CALLS, WORKERS, move |number| {
        let (callers, reads) = (callers.clone(), reads.clone());
        async move {
            // 7919 is prime: neighbours in time are strangers, and all are served alike.
            let caller = &callers[number * 7919 % callers.len()];
            let (tool, arguments) = &reads[number / callers.len() % reads.len()];
            let reply = caller.client.call(tool, arguments.clone()).await;
            judge(&reply, &caller.client_id)
        }
    }));
    let mut rounds = 0;
    while !load.is_finished() {
        disturb(&app, rounds).await;
        rounds += 1;
    }
    let answers = load.await.unwrap();
    assert_eq!(answers.len(), CALLS);
    let wrong: Vec<String> = answers.into_iter().filter_map(Result::err).collect();
    assert!(
        wrong.is_empty(),
        "{} of {CALLS}: {:?}",
        wrong.len(),
        &wrong[..wrong.len().min(5)]
    );
    // There was unrest: every tenant logged in, and many had to do so again.
    let stats = app.sandbox.stats();
    let tenants = tenants().len() as u64;
    assert!(
        rounds > 1 && stats.logins > tenants && stats.unauthorized > 0,
        "{rounds}"
    );
    assert_eq!(stats.clients.len() as u64, tenants);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_write_from_many_organizations_at_once_stays_each_its_own() {
    const WRITERS: usize = 20;
    let slugs = slugs();
    let mut builder = TestApp::builder();
    for slug in &slugs[..=WRITERS] {
        builder = builder.org(slug, &["dev"]);
    }
    let app = builder.start().await;
    let all: Vec<&str> = slugs[..=WRITERS].iter().map(String::as_str).collect();
    let client = app.client(&all, &["dev"]).await;
    let clients: Vec<McpClient> = all.iter().map(|slug| client.at(slug, "dev")).collect();
    let (bystander, writers) = clients.split_last().unwrap();
    let untouched = state(bystander).await;
    let writers = Arc::new(writers.to_vec());
    let replies = spread(2 * WRITERS, 2 * WRITERS, {
        let writers = writers.clone();
        move |number| {
            let client = writers[number / 2].clone();
            async move {
                let (tool, arguments) = match number % 2 {
                    0 => ("update_patient", marked_update(number / 2)),
                    _ => (
                        "cancel_appointment",
                        json!({"appointment_id": "A3006", "cancel_data": {}}),
                    ),
                };
                client.call(tool, arguments).await
            }
        }
    })
    .await;
    assert!(replies.iter().all(Reply::is_ok), "{replies:?}");
    for (number, client) in writers.iter().enumerate() {
        let (patient, appointment) = state(client).await;
        assert_eq!(patient["extras"]["writer"], json!(number));
        assert_eq!(
            patient["extras"]["workspace"],
            format!("{}-dev", all[number])
        );
        assert_eq!(appointment["status"], "CN");
    }
    assert_eq!(state(bystander).await, untouched);
    assert_eq!(untouched.1["status"], "BK");
}

/// The same patient everywhere, marked with who wrote.
fn marked_update(writer: usize) -> Value {
    json!({"patient_id": "1700000000001", "update_data": {"extras": {"writer": writer}}})
}

/// What the writes are about: a patient and an appointment.
async fn state(client: &McpClient) -> (Value, Value) {
    let patient = json!({"mobile": "+919000000001", "full_profile": true});
    let patient = client.call("get_patient_by_mobile", patient).await;
    let appointment = json!({"appointment_id": "A3006"});
    let appointment = client
        .call("get_appointment_details_basic", appointment)
        .await;
    (
        patient.content()["data"].clone(),
        appointment.content()["data"].clone(),
    )
}
