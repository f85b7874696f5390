//! What a call comes to whose steps fail, in the answer, in the log of calls and in the numbers.

use locum::admin::{AuditFilter, AuditOrder};
use serde_json::{Value, json};

use super::profile::{each, tool};
use super::{Answer, Place, code, message};
use crate::support::process::soon;

fn some(ids: &[&str]) -> Value {
    json!({"ids": ids})
}

fn things(path: &str) -> Answer {
    match path.rsplit_once('/').unwrap().1 {
        "none" => Answer::Status(404, None),
        "broken" => Answer::Status(500, None),
        "busy" => Answer::Status(503, Some(("retry-after", "7"))),
        "overloaded" => Answer::Status(503, None),
        "garbage" => Answer::Text("<html>".to_owned()),
        id => Answer::Json(json!({"id": id})),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_fail_leaves_a_gap_and_what_may_not_fails() {
    let path = "/things/{item}";
    let tools = [
        tool("skip", &each("GET", path, "on_error = \"skip\"")),
        tool("null", &each("GET", path, "on_error = \"null\"")),
        tool("fail", &each("GET", path, "")),
    ];
    let place = Place::with("", &tools.concat(), things).await;
    for id in ["none", "broken", "overloaded", "garbage", ".."] {
        let ids = some(&["a", id, "b"]);
        let (a, b) = (json!({"id": "a"}), json!({"id": "b"}));
        let reply = place.call("skip", ids.clone()).await;
        assert_eq!(reply.content(), &json!({"a": a, "b": b}), "{id}");
        let reply = place.call("null", ids.clone()).await;
        assert_eq!(reply.content(), &json!({"a": a, id: null, "b": b}), "{id}");
        let keys: Vec<&String> = reply.content().as_object().unwrap().keys().collect();
        assert_eq!(keys, ["a", id, "b"], "in the list's order");
        assert!(place.call("fail", ids).await.is_error(), "{id}");
    }
    let reply = place.call("fail", some(&["garbage"])).await;
    assert_eq!(code(&reply), "upstream_malformed", "{}", reply.body);
    assert_eq!(reply.failure()["status_code"], 200);
    let reply = place.call("fail", some(&[".."])).await;
    assert_eq!(code(&reply), "upstream_malformed", "{}", reply.body);
    let reply = place.call("skip", some(&["a", "busy"])).await;
    assert_eq!(code(&reply), "upstream_error", "{}", reply.body);
    assert_eq!(reply.failure()["retry_after"], 7);
    let reply = place.call("skip", some(&["a"])).await;
    assert_eq!(code(&reply), "upstream_rate_limited", "{}", reply.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hint_is_the_step_s_where_the_tool_s_would_be_about_something_else() {
    let one = "[[tools.steps]]\nname = \"one\"\nrequest = { method = \"GET\", path = \"/none\" }\n";
    let hints = "hints = { 404 = \"Find the tool\'s thing.\" }\n";
    let own = "hints = { 404 = \"Find the step\'s thing.\" }\n";
    let tools = [
        tool("tool", &[hints, one].concat()),
        tool("step", &[hints, one, own].concat()),
        tool("nothing", &[hints, one, "hints = {}\n"].concat()),
        tool(
            "items",
            &[hints, &each("GET", "/things/{item}", "")].concat(),
        ),
        tool(
            "items_own",
            &[hints, &each("GET", "/things/{item}", own)].concat(),
        ),
    ];
    let place = Place::with("", &tools.concat(), things).await;
    for (tool, hint) in [
        ("tool", "Find the tool's thing."),
        ("step", "Find the step's thing."),
        ("nothing", "The provider has none."),
        ("items", "The provider has none."),
        ("items_own", "Find the step's thing."),
    ] {
        let reply = place.call(tool, some(&["none"])).await;
        let said = format!("The provider answered 404. {hint}");
        assert_eq!(message(&reply), said, "{tool}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_fails_says_so_shortly_and_nothing_is_sent() {
    let value = |value: &str| format!("[[tools.steps]]\nname = \"made\"\nvalue = '{value}'\n");
    let check = |require: &str| {
        format!(
            "checks = [{{ require = '{require}', message = \"No.\" }}]\n{}",
            value("1")
        )
    };
    let tools = [
        tool("kinds", &value("$args.ids + 1")),
        tool(
            "says",
            &value("error(\"a\\u0007b\" + ($args.ids | join(\"\")))"),
        ),
        tool("much", &value("last(range(10000) | range(10000))")),
        tool("check", &check("$args.ids == []")),
        tool(
            "check_fails",
            &check("$args.ids > 0 and $args.ids + 1 == 2"),
        ),
        tool(
            "check_much",
            &check("last(range(10000) | range(100)) == 99"),
        ),
        tool(
            "no_list",
            &each("GET", "/things/{item}", "").replace("$args.ids", "$args.ids[0]"),
        ),
    ];
    let place = Place::with("", &tools.concat(), things).await;
    let long = "\u{8}".repeat(10) + &"x".repeat(10_000);
    for (tool, wanted, said) in [
        (
            "kinds",
            "profile_failed",
            "`made` cannot work with what the provider answered: cannot calculate a list + a number.",
        ),
        ("says", "profile_failed", "answered: abx"),
        ("much", "profile_failed", "too much work"),
        ("check", "invalid_arguments", "No."),
        (
            "check_fails",
            "invalid_arguments",
            "The arguments cannot be checked: cannot calculate a list + a number.",
        ),
        (
            "check_much",
            "invalid_arguments",
            "The arguments cannot be checked: it takes too much work",
        ),
        (
            "no_list",
            "profile_failed",
            "cannot use a text as a list for `for_each`",
        ),
    ] {
        let reply = place.call(tool, some(&[&long])).await;
        assert_eq!(code(&reply), wanted, "{tool}: {}", reply.body);
        let text = message(&reply);
        assert!(text.contains(said), "{tool}: {text}");
        assert!(
            text.len() < 450 && !text.contains(char::is_control),
            "{tool}: {text}"
        );
    }
    assert!(place.upstream.seen().is_empty());
    assert!(place.call("check", json!({})).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn all_programs_of_a_call_share_its_work() {
    let step = |name: usize| {
        let value = "last(range(10000) | range(50))";
        format!("[[tools.steps]]\nname = \"s{name}\"\nvalue = '{value}'\n")
    };
    let six: String = (0..6).map(step).collect();
    let tools = [tool("alone", &step(0)), tool("together", &six)];
    let place = Place::with("", &tools.concat(), things).await;
    let together = place.call("together", json!({})).await;
    assert_eq!(code(&together), "profile_failed", "{}", together.body);
    assert!(
        message(&together).contains("too much work"),
        "{}",
        together.body
    );
    let alone = place.call("alone", json!({})).await;
    assert!(alone.is_ok(), "{}", alone.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_end_of_a_call_of_steps_is_on_record() {
    let end =
        "[[tools.steps]]\nname = \"end\"\nreturn = \"error\"\nvalue = '{ mine: $args.ids }'\n";
    let tools = [
        tool("read", &each("GET", "/things/{item}", "")),
        tool("own", end),
        tool("failed", &end.replace("$args.ids", "($args.ids + 1)")),
    ];
    let place = Place::with("", &tools.concat(), things).await;
    assert!(place.call("read", some(&["a", "b"])).await.is_ok());
    place.call("read", some(&["broken"])).await;
    let own = place.call("own", some(&["a"])).await;
    assert!(own.is_error());
    assert_eq!(own.content(), &json!({"mine": ["a"]}));
    place.call("failed", json!({})).await;
    let (admin, filter) = (
        place.app.admin(),
        AuditFilter {
            action: Some("call *".to_owned()),
            ..AuditFilter::default()
        },
    );
    let calls = async || {
        let page = admin
            .audit_page(&filter, AuditOrder::OldestFirst(0), 100)
            .await;
        page.unwrap().items
    };
    soon("four calls on record", async || calls().await.len() == 4).await;
    let calls = calls().await;
    let said: Vec<_> = calls
        .iter()
        .map(|entry| {
            (
                entry.action.as_str(),
                entry.outcome.as_str(),
                entry.version.is_some(),
            )
        })
        .collect();
    assert_eq!(
        said,
        [
            ("call read", "ok", true),
            ("call read", "upstream_error", true),
            ("call own", "profile_error", false),
            ("call failed", "profile_failed", false),
        ]
    );
}
