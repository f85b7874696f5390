//! What values are made of documents and arguments, and what becomes of them.

use proptest::prelude::*;

use super::*;
use crate::domain::json::sound;

#[test]
fn a_number_is_a_name_as_it_is_written() {
    let labs = json!({"7": "seven", "2.5": "some"});
    assert_eq!(run(".[7], 0", &labs), Ok(json!("seven")));
    assert_eq!(run("(5 / 2) as $n | .[$n]", &labs), Ok(json!("some")));
    assert_eq!(
        run("[has(7), has(8), .[8]]", &labs),
        Ok(json!([true, false, null]))
    );
    let parsed = Value::parse(r#"[{"7.0": 1}, 7.0]"#).unwrap();
    let found = within(&Work::of_call(), ".[1] as $n | .[0][$n]", parsed).unwrap();
    assert_eq!(found.to_json(), Ok(json!(1)));
}

#[test]
fn a_whole_number_is_one_however_it_is_written() {
    let given = json!([2.0, -3.0, 1e300, 0.5, 9_007_199_254_740_993_i64, u64::MAX]);
    assert_eq!(run(".[0] as $n | [range($n)]", &given), Ok(json!([0, 1])));
    assert_eq!(run("[.[0], .[1], .[3]]", &given), Ok(json!([2, -3, 0.5])));
    assert_eq!(
        run(".[4:]", &given),
        Ok(json!([9_007_199_254_740_993_i64, u64::MAX]))
    );
    assert_eq!(
        run("$today | add_days($args.days)", &given),
        Ok(json!("2025-11-29"))
    );
}

#[test]
fn numbers_of_programs_are_numbers_of_json() {
    for (source, text) in [
        ("00.5", "0.5"),
        ("01e5", "100000"),
        ("1.50", "1.5"),
        ("1e-2", "0.01"),
        (
            "123456789012345678901234567890",
            "123456789012345678901234567890",
        ),
        ("1e17 | floor", "100000000000000000"),
        ("-0.0", "-0"),
    ] {
        let value = within(&Work::of_call(), source, Value::null()).unwrap();
        assert_eq!(value.to_text().as_deref(), Ok(text), "{source}");
        assert!(sound(text.as_bytes()).is_some(), "{text}");
    }
    for source in ["1e999", "[.a, 1e309]", &"9".repeat(400)] {
        let error = Program::parse(source).unwrap_err();
        assert_eq!(error.message, "a number beyond all range", "{source}");
    }
    for text in [
        "\"1e999\"",
        "\"x\"",
        "\"\"",
        &format!("\"{}1\"", "0".repeat(40)),
    ] {
        assert!(
            run(&format!("{text} | tonumber"), &json!(null)).is_err(),
            "{text}"
        );
    }
}

#[test]
fn long_fractions_of_documents_are_as_short_as_they_are_exact() {
    let long = format!("[1.{}, 0.10, 12345678901234567890.5]", "3".repeat(1 << 20));
    let value = Value::parse(&long).unwrap();
    let text = value.to_text().unwrap();
    assert_eq!(text, "[1.3333333333333333,0.10,12345678901234567890.5]");
}

#[test]
fn what_cannot_be_written_ends_the_program() {
    let deep = "reduce range(101) as $i (1; [.])";
    assert_eq!(run(deep, &json!(null)), Err(RunError::TooMuch));
    for to_text in ["tostring", "\"\\(.)\"", "[.] | join(\"\")"] {
        let source = format!("{deep} | {to_text} | \"cut\"");
        assert_eq!(
            run(&source, &json!(null)),
            Err(RunError::TooMuch),
            "{source}"
        );
    }
    let whole = within(
        &Work::of_call(),
        "reduce range(100) as $i (1; {a: .})",
        Value::null(),
    );
    let text = whole.unwrap().to_text().unwrap();
    assert!(sound(text.as_bytes()).is_some(), "every client can read it");
}

#[test]
fn what_is_too_long_is_not_written() {
    let repeated = |times: usize| {
        let text = "x".repeat(1 << 18);
        let source = format!("[range({times}) as $i | .]");
        within(&Work::of_call(), &source, Value::from(text.as_str())).unwrap()
    };
    assert!(repeated(3).to_json().is_ok());
    assert!(repeated(4).to_json().is_err(), "over 1 MiB, in a request");
    assert!(repeated(60).to_text().is_ok());
    assert!(repeated(64).to_text().is_err(), "over 16 MiB, in an answer");
}

proptest! {
    #[test]
    fn what_is_sound_is_a_value_of_the_same_json(
        text in "[\\[\\]{}:,\"\\\\udDe0-9.+ \\-]{0,24}|(\\[|\\{\"[ab]\":|-?[0-9]{1,30}(\\.[0-9]{1,30})?(e-?[0-9]{1,2})?|\"\\PC*\"|[,\\]}]|null|true){1,12}"
    ) {
        let Some(text) = sound(text.as_bytes()) else { return Ok(()) };
        let value = Value::parse(text);
        prop_assert!(value.is_some(), "{}", text);
        let written = value.unwrap().to_text().unwrap();
        let (before, after) = (numbers(text), numbers(&written));
        prop_assert_eq!(before, after, "{} became {}", text, written);
    }
}

/// As a strict parser reads it; each number is one of the machine's.
fn numbers(json: &str) -> Json {
    fn plain(json: Json) -> Json {
        match json {
            // Zero has no sign.
            Json::Number(number) => json!(number.as_f64().map(|number| number + 0.0)),
            Json::Array(items) => items.into_iter().map(plain).collect(),
            Json::Object(members) => {
                let members = members
                    .into_iter()
                    .map(|(name, value)| (name, plain(value)));
                Json::Object(members.collect())
            }
            other => other,
        }
    }
    plain(serde_json::from_str(json).unwrap())
}
