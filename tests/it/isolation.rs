//! No answer and no write ever crosses tenants. A million interleaved calls are a benchmark:
//! `cargo bench --bench numbers -- --only isolation`.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::support::TestApp;
use crate::support::client::{McpClient, Reply};
use crate::support::interleaved::{self, slugs, tenants};
use crate::support::load::spread;

const CALLS: usize = 100_000;

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_thousand_interleaved_calls_are_each_answered_for_their_own_tenant() {
    let made = interleaved::run(CALLS, |_| {}).await;
    assert!(
        made.wrong.is_empty(),
        "{} of {CALLS}: {:?}",
        made.wrong.len(),
        &made.wrong[..made.wrong.len().min(5)]
    );
    // There was unrest: every tenant logged in, and many had to do so again.
    let tenants = tenants().len();
    assert!(
        made.disturbances > 1 && made.logins > tenants as u64 && made.unauthorized > 0,
        "{}",
        made.disturbances
    );
    assert_eq!(made.heard_of, tenants);
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
