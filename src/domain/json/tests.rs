//! Documents that are sound, and such as are not.

use proptest::prelude::*;
use serde_json::Value;

use super::*;

fn nested(depth: usize) -> String {
    "[".repeat(depth) + &"]".repeat(depth)
}

#[test]
fn what_every_client_can_read_passes_unchanged() {
    for text in [
        "null",
        "\"\\ud83d\\ude00\"",
        "{\"a\":1,\"a\":2}",
        "18446744073709551616",
        "-0.1e-300",
        &nested(MAX_DEPTH),
    ] {
        assert_eq!(sound(text.as_bytes()), Some(text));
    }
    assert_eq!(sound(b"\xef\xbb\xbf [1] \r\n"), Some("[1]"));
}

#[test]
fn what_some_client_could_not_read_does_not() {
    let deep = nested(MAX_DEPTH + 1);
    let deepest = "[".repeat(1 << 20);
    for bytes in [
        b"".as_slice(),
        b"{\"a\":1} x",
        b"{\"a\": \xff\xfe}",
        b"\"\\ud800\"",
        b"\"\\ud800\\u0041\"",
        b"\"\\udc00\"",
        b"\"a\x00b\"",
        b"1e999",
        b"NaN",
        b"[1",
        b"\x0c1\x0c",
        b"\xef\xbb\xbf\xef\xbb\xbf[1]",
        b"\xff\xfe[\0",
        deep.as_bytes(),
        deepest.as_bytes(),
    ] {
        assert_eq!(sound(bytes), None, "{:?}", &bytes[..bytes.len().min(20)]);
    }
}

#[test]
fn values_and_names_are_counted() {
    let text = r#" {"a": [1, "b", {}], "c": {"d": null}} "#;
    assert_eq!(read(text.as_bytes(), 10, &mut ()), Ok((text.trim(), 10)));
    assert_eq!(read(text.as_bytes(), 9, &mut ()), Err(Unsound::TooMany));
    assert_eq!(read(b"[1,", 9, &mut ()), Err(Unsound::Malformed));
    assert_eq!(read(b"[1,2,]", 3, &mut ()), Err(Unsound::Malformed));
    assert_eq!(read(b"<html>", 0, &mut ()), Err(Unsound::Malformed));
}

#[test]
fn numbers_have_their_grammar_and_their_range() {
    let long = "9".repeat(308);
    let longer = "9".repeat(310);
    for (text, is) in [
        ("0", true),
        ("-0", true),
        ("01", false),
        ("-", false),
        ("+1", false),
        (".5", false),
        ("1.", false),
        ("1.5e", false),
        ("1e+05", true),
        ("1E-999", true),
        ("1.7976931348623157e308", true),
        ("1.8e308", false),
        ("-1e400", false),
        (&long, true),
        (&longer, false),
        ("0x1", false),
        ("1 2", false),
    ] {
        assert_eq!(sound(text.as_bytes()).is_some(), is, "{text}");
        assert_eq!(serde_json::from_str::<Value>(text).is_ok(), is, "{text}");
    }
}

/// Documents, some of them with a byte changed.
fn documents() -> impl Strategy<Value = Vec<u8>> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    let value = leaf.prop_recursive(6, 64, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((any::<String>(), inner), 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    });
    let change = prop::option::of((any::<prop::sample::Index>(), any::<u8>()));
    (value, any::<bool>(), change).prop_map(|(value, pretty, change)| {
        let text = match pretty {
            true => serde_json::to_vec_pretty(&value),
            false => serde_json::to_vec(&value),
        };
        let mut text = text.unwrap();
        if let Some((at, byte)) = change {
            let at = at.index(text.len());
            text[at] = byte;
        }
        text
    })
}

proptest! {
    #[test]
    fn documents_are_sound_as_a_strict_parser_finds_them(bytes in documents()) {
        let strict = serde_json::from_slice::<Value>(&bytes);
        prop_assert_eq!(sound(&bytes).is_some(), strict.is_ok(), "{:?}", strict);
    }

    #[test]
    fn what_is_sound_is_json_for_a_strict_parser(bytes in "[\\[\\]{}:,\"\\\\udDe0-9.+ \\-]{0,24}") {
        let strict = serde_json::from_str::<Value>(&bytes);
        prop_assert_eq!(sound(bytes.as_bytes()).is_some(), strict.is_ok());
    }
}
