//! How many requests steps make: no more than there is room for, and none after a failure.

use serde_json::{Value, json};

use super::profile::{each, tool};
use super::{Answer, Answers, Place, code, message};

const WAIT: Option<(&str, &str)> = Some(("retry-after", "60"));

fn ids(count: usize) -> Value {
    json!({"ids": (0..count).map(|id| format!("i{id}")).collect::<Vec<_>>()})
}

/// The second item fails; what comes after it would never be answered.
fn second_fails(path: &str) -> Answer {
    match path.rsplit_once('/').unwrap().1 {
        "i0" => Answer::Json(json!(0)),
        "i1" => Answer::Status(500, None),
        _ => Answer::Nothing,
    }
}

fn the_tenth(path: &str, answer: Answer) -> Answer {
    match path.ends_with("/i9") {
        true => answer,
        false => Answer::Nothing,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_go_one_by_one_and_end_with_the_first_that_fails() {
    for method in ["POST", "PUT", "PATCH", "DELETE"] {
        let tools = tool("write", &each(method, "/things/{item}", ""));
        let place = Place::with("", &tools, second_fails).await;
        let reply = place.call("write", ids(50)).await;
        assert_eq!(reply.failure()["status_code"], 500, "{}", reply.body);
        let sent = [0, 1].map(|id| format!("{method} /things/i{id}"));
        assert_eq!(place.upstream.seen(), sent);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_go_ten_at_a_time_and_end_with_the_first_that_fails() {
    let tools = tool(
        "read",
        &each("GET", "/things/{item}", "on_error = \"skip\""),
    );
    let refused: Answers = |path| the_tenth(path, Answer::Status(401, None));
    let limited: Answers = |path| the_tenth(path, Answer::Status(429, WAIT));
    let busy: Answers = |path| the_tenth(path, Answer::Status(503, WAIT));
    for answers in [refused, limited, busy] {
        let place = Place::with("", &tools, answers).await;
        let reply = place.call("read", ids(50)).await;
        assert!(reply.is_error(), "{}", reply.body);
        let seen = place.upstream.seen();
        // Those beside it may be ended before they are on their way.
        let tenth: Vec<String> = (0..10).map(|id| format!("GET /things/i{id}")).collect();
        assert!(seen.iter().all(|line| tenth.contains(line)), "{seen:?}");
        assert!(seen.len() <= 11, "one is tried again after a 401: {seen:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_fails_ends_the_steps_beside_it() {
    let steps = "[[tools.steps]]\nname = \"slow\"\nrequest = { method = \"GET\", path = \"/slow\" }\n\
                 [[tools.steps]]\nname = \"bad\"\nrequest = { method = \"GET\", path = \"/bad\" }\n\
                 [[tools.steps]]\nname = \"after\"\nrequest = { method = \"POST\", path = \"/after\" }\n";
    let answers: Answers = |path| match path {
        "/bad" => Answer::Status(500, None),
        _ => Answer::Nothing,
    };
    let place = Place::with("", &tool("both", steps), answers).await;
    let reply = place.call("both", json!({})).await;
    assert_eq!(reply.failure()["status_code"], 500, "{}", reply.body);
    let seen = place.upstream.seen();
    assert!(!seen.contains(&"POST /after".to_owned()), "{seen:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_a_hundred_things_are_asked_for_by_nobody() {
    let tools = tool("read", &each("GET", "/things/{item}", ""));
    let place = Place::with("", &tools, |_| Answer::Json(json!(1))).await;
    let reply = place.call("read", ids(101)).await;
    assert_eq!(code(&reply), "invalid_arguments", "{}", reply.body);
    assert!(
        message(&reply).contains("more than 100 things"),
        "{}",
        reply.body
    );
    assert!(place.upstream.seen().is_empty());
    let reply = place.call("read", ids(100)).await;
    assert_eq!(reply.content().as_object().map(|all| all.len()), Some(100));
    assert_eq!(place.upstream.seen().len(), 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_limits_have_no_room_for_is_not_begun() {
    let tools = tool("read", &each("GET", "/things/{item}", ""));
    let config = "[limits]\ntenant_per_minute = 10\n";
    let place = Place::with(config, &tools, |_| Answer::Json(json!(1))).await;
    let reply = place.call("read", ids(11)).await;
    assert_eq!(code(&reply), "invalid_arguments", "{}", reply.body);
    assert!(
        message(&reply).contains("more than 10 things"),
        "{}",
        reply.body
    );
    assert!(place.upstream.seen().is_empty());
    assert!(place.call("read", ids(6)).await.is_ok());
    let reply = place.call("read", ids(5)).await;
    assert_eq!(code(&reply), "limited_per_minute", "{}", reply.body);
    assert_eq!(reply.failure()["retry_after"], 60);
    assert_eq!(place.upstream.seen().len(), 6, "the other four are left");
    assert!(place.call("read", ids(4)).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_of_steps_count_for_the_day() {
    let tools = tool("read", &each("GET", "/things/{item}", ""));
    let config = "[limits]\ntenant_per_day = 10\n";
    let place = Place::with(config, &tools, |_| Answer::Json(json!(1))).await;
    assert!(place.call("read", ids(9)).await.is_ok());
    let reply = place.call("read", ids(2)).await;
    assert_eq!(code(&reply), "limited_per_day", "{}", reply.body);
    assert!(place.call("read", ids(1)).await.is_ok());
    assert_eq!(place.upstream.seen().len(), 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_refused_to_many_steps_is_renewed_once() {
    let tools = tool("read", &each("GET", "/renewed/{item}", ""));
    let place = Place::with("", &tools, |_| Answer::Json(json!(1))).await;
    let reply = place.call("read", ids(30)).await;
    assert!(reply.is_ok(), "{}", reply.body);
    assert_eq!(place.upstream.logins(), 2);
}
