//! The tools of one request: which one each sends upstream, byte by byte, and what comes back.

use locum::sandbox::{Endpoint, SeenRequest};
use serde_json::{Value, json};

use crate::support::TestApp;
use crate::support::client::{McpClient, Reply};

const OID: &str = "1700000000001";
/// What a client might send that is meant for, or dangerous to, an upstream.
const FOREIGN: [(&str, &str); 16] = [
    ("x-request-id", "stolen"),
    ("mcp-protocol-version", "2025-11-25"),
    ("x-tenant-id", "north"),
    ("x-tenant-env", "dev"),
    ("x-eka-client-id", "south-dev"),
    ("x-eka-client-secret", "stolen"),
    ("x-eka-authorization", "Bearer stolen"),
    ("client-id", "south-dev"),
    ("auth", "stolen"),
    ("x-api-key", "stolen"),
    ("cookie", "session=stolen"),
    ("x-forwarded-for", "10.0.0.1"),
    ("forwarded", "for=10.0.0.1"),
    (
        "traceparent",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    ),
    ("accept-language", "de"),
    ("user-agent", "somebody"),
];
const OWN_HEADERS: [&str; 5] = [
    "accept",
    "accept-encoding",
    "host",
    "user-agent",
    "x-request-id",
];
const BODY_HEADERS: [&str; 2] = ["content-length", "content-type"];

async fn north() -> (TestApp, McpClient) {
    let app = TestApp::builder().org("north", &["dev"]).start().await;
    let client = app.client(&["north"], &["dev"]).await;
    (app, client)
}

/// Calls a tool and returns its answer with the one API request that it made.
async fn call(
    app: &TestApp,
    client: &McpClient,
    tool: &str,
    arguments: Value,
) -> (Reply, SeenRequest) {
    app.sandbox.clear_requests();
    let reply = client.call(tool, arguments).await;
    let mut seen = app.sandbox.requests();
    seen.retain(|request| !request.endpoint.is_login());
    assert_eq!(seen.len(), 1, "{tool}: {seen:?} {}", reply.body);
    (reply, seen.remove(0))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_tool_sends_exactly_its_request() {
    let (app, client) = north().await;
    let late = json!({
        "clinic_id": "C2002", "doctor_id": "D1001", "patient_id": OID,
        "appointment_details": {"mode": "VIDEO", "custom_attributes": {"a": [1, null]}},
    });
    let reason = json!({"reason": "flu & \"fever\""});
    let name = json!({"fln": "Ásha Example", "extras": {"x": 1.50}});
    for (tool, arguments, line, body) in [
        (
            "search_patients",
            json!({"prefix": "a&b=c d+é", "limit": 5, "select": "dob,gen"}),
            "GET /profiles/v1/patient/search?prefix=a%26b%3Dc%20d%2B%C3%A9&limit=5&select=dob%2Cgen",
            None,
        ),
        (
            "list_patients",
            json!({"page_no": 2, "page_size": 3, "select": "abha", "from_timestamp": 7, "include_archived": true}),
            "GET /profiles/v1/patient/minified/?pageNo=2&pageSize=3&select=abha&from=7&arc=true",
            None,
        ),
        (
            "get_patient_by_mobile",
            json!({"mobile": "+919000000001", "full_profile": true}),
            "GET /profiles/v1/patient/by-mobile/?mob=%2B919000000001&full_profile=true",
            None,
        ),
        (
            "update_patient",
            json!({"patient_id": OID, "update_data": name}),
            "PATCH /profiles/v1/patient/1700000000001",
            Some(name),
        ),
        (
            "get_clinic_details_basic",
            json!({"clinic_id": "C2001"}),
            "GET /dr/v1/business/clinic/C2001",
            None,
        ),
        (
            "get_doctor_services",
            json!({"doctor_id": "D1001"}),
            "GET /dr/v1/doctor/service/D1001",
            None,
        ),
        (
            "show_appointments_basic",
            json!({"doctor_id": "D1001", "clinic_id": "C2001", "start_date": "2026-11-20", "end_date": "2026-11-25", "page_no": 1}),
            "GET /dr/v1/appointment?page_no=1&doctor_id=D1001&clinic_id=C2001&start_date=2026-11-20&end_date=2026-11-25",
            None,
        ),
        (
            "get_appointment_details_basic",
            json!({"appointment_id": "PA3006", "partner_id": "1"}),
            "GET /dr/v1/appointment/PA3006?partner_id=1",
            None,
        ),
        (
            "update_appointment",
            json!({"appointment_id": "PA3007", "partner_id": "1", "update_data": late}),
            "PATCH /dr/v2/appointment/PA3007?partner_id=1",
            Some(late),
        ),
        (
            "complete_appointment",
            json!({"appointment_id": "A3006", "completion_data": {}}),
            "POST /dr/v1/appointment/A3006/complete",
            Some(json!({})),
        ),
        (
            "cancel_appointment",
            json!({"appointment_id": "A3007", "cancel_data": reason}),
            "PUT /dr/v1/appointment/A3007/cancel",
            Some(reason),
        ),
        (
            "get_prescription_details_basic",
            json!({"prescription_id": "P4001"}),
            "GET /dr/v1/prescription/P4001",
            None,
        ),
        (
            "archive_patient",
            json!({"patient_id": OID}),
            "DELETE /profiles/v1/patient/1700000000001",
            None,
        ),
    ] {
        let (reply, seen) = call(&app, &client, tool, arguments).await;
        assert!(reply.is_ok(), "{tool}: {}", reply.body);
        assert_eq!(format!("{} {}", seen.method, seen.path), line);
        assert_eq!(seen.body, body, "{tool}");
        assert_eq!(seen.client_id.as_deref(), Some("north-dev"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_given_is_not_sent() {
    let (app, client) = north().await;
    for (tool, arguments, path) in [
        (
            "search_patients",
            json!({"prefix": "a"}),
            "/profiles/v1/patient/search?prefix=a",
        ),
        (
            "search_patients",
            json!({"prefix": "a", "limit": null, "select": null}),
            "/profiles/v1/patient/search?prefix=a",
        ),
        (
            "search_patients",
            json!({"prefix": "a", "select": ""}),
            "/profiles/v1/patient/search?prefix=a",
        ),
        (
            "list_patients",
            json!({"page_no": 1}),
            "/profiles/v1/patient/minified/?pageNo=1&select=dob%2Cgen",
        ),
        (
            "list_patients",
            json!({"page_no": 0, "page_size": null, "select": null, "from_timestamp": 0, "include_archived": false}),
            "/profiles/v1/patient/minified/?pageNo=0",
        ),
        (
            "get_patient_by_mobile",
            json!({"mobile": "+919000000001", "full_profile": false}),
            "/profiles/v1/patient/by-mobile/?mob=%2B919000000001",
        ),
        (
            "show_appointments_basic",
            json!({"start_date": "2026-11-20", "end_date": "2026-11-25"}),
            "/dr/v1/appointment?page_no=0&start_date=2026-11-20&end_date=2026-11-25",
        ),
        (
            "get_appointment_details_basic",
            json!({"appointment_id": "A3001", "partner_id": ""}),
            "/dr/v1/appointment/A3001",
        ),
        (
            "update_appointment",
            json!({"appointment_id": "A3001", "partner_id": null, "update_data": {"token": 1}}),
            "/dr/v2/appointment/A3001",
        ),
    ] {
        let (_, seen) = call(&app, &client, tool, arguments).await;
        assert_eq!(seen.path, path, "{tool}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_patient_id_goes_alone() {
    let (app, client) = north().await;
    let arguments = json!({
        "patient_id": OID, "doctor_id": "D1001", "clinic_id": "C2001",
        "start_date": "2026-11-20", "end_date": "2026-11-25", "page_no": 0,
    });
    let (reply, seen) = call(&app, &client, "show_appointments_basic", arguments).await;
    assert_eq!(seen.path, "/dr/v1/appointment?patient_id=1700000000001");
    assert!(reply.is_ok(), "{}", reply.body);
    let empty = json!({"patient_id": "", "start_date": "2026-11-20", "end_date": "2026-11-25"});
    let (reply, _) = call(&app, &client, "show_appointments_basic", empty).await;
    assert!(reply.is_ok(), "{}", reply.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_are_wrapped_and_otherwise_left_as_they_are() {
    let (app, client) = north().await;
    for (tool, arguments, pointer, value) in [
        (
            "search_patients",
            json!({"prefix": "UH0002"}),
            "/0/oid",
            json!("1700000000002"),
        ),
        (
            "search_patients",
            json!({"prefix": "nobody"}),
            "",
            json!([]),
        ),
        (
            "list_patients",
            json!({"page_no": 1, "page_size": 5}),
            "/currPageMeta/nextPage",
            json!(2),
        ),
        (
            "get_patient_by_mobile",
            json!({"mobile": "+919000000001"}),
            "/oid",
            json!(OID),
        ),
        (
            "get_patient_by_mobile",
            json!({"mobile": "+919000000011"}),
            "/1/oid",
            json!("1700000000012"),
        ),
        (
            "update_patient",
            json!({"patient_id": OID, "update_data": {"email": "a@b.invalid"}}),
            "",
            json!({"message": "Profile updated successfully"}),
        ),
        (
            "get_clinic_details_basic",
            json!({"clinic_id": "C2001"}),
            "/data/clinic/clinic_id",
            json!("C2001"),
        ),
        (
            "get_doctor_services",
            json!({"doctor_id": "D1001"}),
            "/data/services/1/service_name",
            json!("teleconsultation"),
        ),
        (
            "show_appointments_basic",
            json!({"patient_id": OID}),
            "/appointments/2/appointment_id",
            json!("A3006"),
        ),
        (
            "get_appointment_details_basic",
            json!({"appointment_id": "A3001"}),
            "/status",
            json!("CM"),
        ),
        (
            "update_appointment",
            json!({"appointment_id": "A3007", "update_data": {
                "clinic_id": "C2002", "doctor_id": "D1001", "patient_id": OID, "token": 3,
            }}),
            "",
            json!({"success": true, "status_code": 204}),
        ),
        (
            "complete_appointment",
            json!({"appointment_id": "A3006", "completion_data": {}}),
            "",
            json!({"success": true, "status_code": 204}),
        ),
        (
            "cancel_appointment",
            json!({"appointment_id": "A3007", "cancel_data": {}}),
            "",
            json!({"success": true, "status_code": 204}),
        ),
        (
            "get_prescription_details_basic",
            json!({"prescription_id": "P4001"}),
            "/prescription_details/2/dose/value",
            json!(1.0),
        ),
        (
            "archive_patient",
            json!({"patient_id": OID}),
            "",
            json!({"message": "Profile archived successfully"}),
        ),
    ] {
        let (reply, _) = call(&app, &client, tool, arguments).await;
        assert!(reply.is_ok(), "{tool}: {}", reply.body);
        let content = reply.content();
        let keys: Vec<&String> = content.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["success", "data"], "{tool}");
        assert_eq!(content["success"], true);
        assert_eq!(
            content["data"].pointer(pointer),
            Some(&value),
            "{tool}: {content}"
        );
        // Clients that read no structured content get the same as text.
        let text = &reply.body["result"]["content"];
        assert_eq!(text.as_array().unwrap().len(), 1);
        let text: Value = serde_json::from_str(text[0]["text"].as_str().unwrap()).unwrap();
        assert_eq!(&text, content, "{tool}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn arguments_that_do_not_fit_are_named_and_nothing_is_sent() {
    let (app, client) = north().await;
    for (tool, arguments, argument) in [
        ("search_patients", json!({}), "prefix"),
        ("search_patients", json!({"prefix": ""}), "prefix"),
        (
            "search_patients",
            json!({"prefix": "a", "limit": -1}),
            "limit",
        ),
        (
            "search_patients",
            json!({"prefix": "a", "limti": 5}),
            "limti",
        ),
        ("list_patients", json!({"page_no": "1"}), "page_no"),
        (
            "list_patients",
            json!({"page_no": 1, "page_size": -1}),
            "page_size",
        ),
        (
            "get_patient_by_mobile",
            json!({"mobile": 919000000001_u64}),
            "mobile",
        ),
        ("update_patient", json!({"patient_id": OID}), "update_data"),
        (
            "update_patient",
            json!({"patient_id": OID, "update_data": {}}),
            "update_data",
        ),
        (
            "update_patient",
            json!({"patient_id": "", "update_data": {"fn": "a"}}),
            "patient_id",
        ),
        ("archive_patient", json!({"patient_id": null}), "patient_id"),
        (
            "get_clinic_details_basic",
            json!({"clinic_id": ["C2001"]}),
            "clinic_id",
        ),
        (
            "get_clinic_details_basic",
            json!({"clinic_id": ".."}),
            "clinic_id",
        ),
        (
            "get_doctor_services",
            json!({"doctor_id": true}),
            "doctor_id",
        ),
        (
            "get_doctor_services",
            json!({"doctor_id": "."}),
            "doctor_id",
        ),
        ("show_appointments_basic", json!({"page_no": -1}), "page_no"),
        (
            "get_appointment_details_basic",
            json!({"partner_id": "1"}),
            "appointment_id",
        ),
        (
            "update_appointment",
            json!({"appointment_id": "A3001", "update_data": "now"}),
            "update_data",
        ),
        (
            "complete_appointment",
            json!({"appointment_id": "A3001"}),
            "completion_data",
        ),
        (
            "cancel_appointment",
            json!({"appointment_id": "A3001", "cancel_data": null}),
            "cancel_data",
        ),
        (
            "get_prescription_details_basic",
            json!({"prescription_id": 4001}),
            "prescription_id",
        ),
    ] {
        let reply = client.call(tool, arguments.clone()).await;
        assert!(reply.is_error(), "{tool} {arguments}: {}", reply.body);
        assert_eq!(
            reply.failure()["error_code"],
            "invalid_arguments",
            "{tool} {arguments}"
        );
        let message = reply.failure()["message"].as_str().unwrap();
        assert!(message.contains(argument), "{tool} {arguments}: {message}");
    }
    assert_eq!(app.sandbox.stats().requests, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_stays_one_segment_whatever_it_holds() {
    let (app, client) = north().await;
    let patient = |id: &str| json!({"patient_id": id});
    let clinic = |id: &str| json!({"clinic_id": id});
    for (tool, arguments, path) in [
        (
            "get_clinic_details_basic",
            clinic("../../x?y#"),
            "/dr/v1/business/clinic/..%2F..%2Fx%3Fy%23",
        ),
        (
            "get_clinic_details_basic",
            clinic("C2001/"),
            "/dr/v1/business/clinic/C2001%2F",
        ),
        (
            "get_clinic_details_basic",
            clinic("%2e%2e"),
            "/dr/v1/business/clinic/%252e%252e",
        ),
        (
            "get_clinic_details_basic",
            clinic("..."),
            "/dr/v1/business/clinic/...",
        ),
        (
            "get_clinic_details_basic",
            clinic("a b\\c;d"),
            "/dr/v1/business/clinic/a%20b%5Cc%3Bd",
        ),
        (
            "get_clinic_details_basic",
            clinic("é\r\nHost: x"),
            "/dr/v1/business/clinic/%C3%A9%0D%0AHost%3A%20x",
        ),
        (
            "get_clinic_details_basic",
            clinic("{clinic_id}"),
            "/dr/v1/business/clinic/%7Bclinic_id%7D",
        ),
        (
            "archive_patient",
            patient("search?prefix=a"),
            "/profiles/v1/patient/search%3Fprefix%3Da",
        ),
    ] {
        let (reply, seen) = call(&app, &client, tool, arguments).await;
        assert_eq!(seen.path, path);
        assert_eq!(reply.failure()["status_code"], 404, "{}", reply.body);
        assert_ne!(seen.endpoint, Endpoint::Unknown, "{path}");
    }
    let (_, seen) = call(
        &app,
        &client,
        "complete_appointment",
        json!({"appointment_id": "A3006/cancel?x", "completion_data": {}}),
    )
    .await;
    assert_eq!(seen.path, "/dr/v1/appointment/A3006%2Fcancel%3Fx/complete");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_header_of_the_client_goes_upstream() {
    let (app, client) = north().await;
    let calls = [
        (
            "get_clinic_details_basic",
            json!({"clinic_id": "C2001"}),
            true,
            false,
        ),
        (
            "get_patient_by_mobile",
            json!({"mobile": "+919000000001"}),
            false,
            false,
        ),
        (
            "update_patient",
            json!({"patient_id": OID, "update_data": {"fn": "a"}}),
            false,
            true,
        ),
    ];
    for (tool, arguments, auth, body) in calls {
        let params = json!({"name": tool, "arguments": arguments});
        let message = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params});
        app.sandbox.clear_requests();
        let reply = client.post("/mcp", &FOREIGN, &message).await;
        // The sandbox refuses a foreign client id and a token that is not its own.
        assert!(reply.is_ok(), "{tool}: {}", reply.body);
        assert!(!reply.body.to_string().contains("south"), "{tool}");
        let mut expected = [&OWN_HEADERS[..], &["authorization", "client-id"]].concat();
        expected.extend(auth.then_some("auth"));
        expected.extend(body.then_some(BODY_HEADERS).into_iter().flatten());
        expected.sort_unstable();
        let mut seen = app.sandbox.requests().pop().unwrap();
        seen.headers.sort_unstable();
        assert_eq!(seen.headers, expected, "{tool}");
        assert_eq!(seen.request_id.unwrap(), reply.headers["x-request-id"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_header_of_the_client_goes_into_the_login() {
    let (app, client) = north().await;
    let params = json!({"name": "get_clinic_details_basic", "arguments": {"clinic_id": "C2001"}});
    let message = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params});
    let reply = client.post("/mcp", &FOREIGN, &message).await;
    assert!(reply.is_ok(), "{}", reply.body);
    let mut login = app.sandbox.requests().remove(0);
    login.headers.sort_unstable();
    assert_eq!(login.endpoint, Endpoint::Login);
    assert_eq!(login.client_id.as_deref(), Some("north-dev"));
    let own = [&OWN_HEADERS[..], &BODY_HEADERS].concat();
    assert!(
        login
            .headers
            .iter()
            .all(|name| own.contains(&name.as_str())),
        "{login:?}"
    );
}
