//! What arguments can and cannot do to a request.

use http::Method;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::domain::template::{JsonTemplate, TextTemplate};

fn rule(name: &str, always: bool, alone: bool) -> QueryRule {
    let value = TextTemplate::parse(&format!("{{{name}}}")).unwrap();
    QueryRule {
        name: name.to_owned(),
        value,
        always,
        alone,
    }
}

fn template(query: Vec<QueryRule>) -> RequestTemplate {
    RequestTemplate {
        method: Method::PATCH,
        accept: HeaderValue::from_static("application/json"),
        headers: Vec::new(),
        prefix: "/v1/".to_owned(),
        path: vec![
            PathSegment::Literal("v1".to_owned()),
            PathSegment::Argument("id".to_owned()),
            PathSegment::Literal("end".to_owned()),
        ],
        query,
        body: Some(JsonTemplate::Text(TextTemplate::parse("{data}").unwrap())),
    }
}

fn build(template: &RequestTemplate, arguments: &Value) -> Result<Url, UpstreamError> {
    let arguments = arguments.as_object().unwrap();
    let base = Url::parse("https://api.example:8443/base/").unwrap();
    let asked = Asked::new(template, arguments);
    let path = path(&asked)?;
    Ok(request(&asked, &path, &base)?.url().clone())
}

#[test]
fn optional_arguments_that_say_nothing_are_left_out() {
    let template = template(vec![rule("a", false, false), rule("b", true, false)]);
    let url = |a: Value| build(&template, &json!({"id": "1", "a": a, "b": 0})).unwrap();
    for empty in [json!(null), json!(false), json!(0), json!("")] {
        assert_eq!(url(empty).query(), Some("b=0"));
    }
    assert_eq!(url(json!(true)).query(), Some("a=true&b=0"));
    assert_eq!(url(json!("+91 1")).query(), Some("a=%2B91%201&b=0"));
}

#[test]
fn a_key_that_goes_alone_goes_alone() {
    let template = template(vec![rule("a", true, false), rule("p", false, true)]);
    let both = build(&template, &json!({"id": "1", "a": "x", "p": "y"})).unwrap();
    assert_eq!(both.query(), Some("p=y"));
    let one = build(&template, &json!({"id": "1", "a": "x", "p": null})).unwrap();
    assert_eq!(one.query(), Some("a=x"));
}

#[test]
fn steps_out_of_the_path_are_refused() {
    let template = template(Vec::new());
    for bad in [json!(""), json!("."), json!(".."), json!(null), json!([1])] {
        let refused = build(&template, &json!({"id": bad}));
        assert_eq!(
            refused.unwrap_err(),
            UpstreamError::PathArgument("id".to_owned())
        );
    }
    let url = build(&template, &json!({"id": "../../x?y#z"})).unwrap();
    assert_eq!(url.path(), "/base/v1/..%2F..%2Fx%3Fy%23z/end");
    let url = build(&template, &json!({"id": "%2e%2e"})).unwrap();
    assert_eq!(url.path(), "/base/v1/%252e%252e/end");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]
    #[test]
    fn no_argument_changes_the_shape_of_a_request(id in "\\PC{1,20}|[./%\\\\?#&=;@:]{1,6}", q in "\\PC{0,20}|[&=?#%+;]{0,6}") {
        let template = template(vec![rule("q", true, false)]);
        let arguments = json!({"id": id, "q": q});
        let nothing = json!({"id": "7", "q": "7"});
        // A value that a step made is as harmless as an argument.
        let (own, nothing) = (arguments.as_object().unwrap(), nothing.as_object().unwrap());
        let base = Url::parse("https://api.example:8443/base/").unwrap();
        let asked = Asked::new(&template, nothing).with(own);
        let made = path(&asked).and_then(|path| request(&asked, &path, &base));
        let made = made.map(|request| request.url().clone());
        prop_assert_eq!(&made, &build(&template, &arguments));
        let Ok(url) = made else {
            prop_assert!(matches!(id.as_str(), "." | ".."));
            return Ok(());
        };
        prop_assert_eq!(url.origin().ascii_serialization(), "https://api.example:8443");
        prop_assert_eq!(url.path_segments().unwrap().count(), 4);
        prop_assert!(url.path().starts_with("/base/v1/") && url.path().ends_with("/end"));
        prop_assert_eq!(url.fragment(), None);
        let pairs: Vec<_> = url.query_pairs().collect();
        prop_assert_eq!(pairs.len(), 1);
        prop_assert_eq!(&pairs[0].1, &q);
    }
}
