//! Programs of profiles (jq), and after a line `---` the document that one works on. Every document
//! that is sound is a value of the same JSON; every program that loads ends, and what it comes to is
//! JSON for everybody, whether the interpreter makes it or a program that only chooses and arranges.

#![no_main]

use std::sync::LazyLock;

use jiff::tz::TimeZone;
use libfuzzer_sys::fuzz_target;
use locum::domain::jq::{Program, RunError, TapeRecorder, Value, Variables, Work};
use locum::domain::json::{read, sound};
use locum_fuzz::parts;
use serde_json::json;

static VARIABLES: LazyLock<Variables> = LazyLock::new(|| Variables {
    args: Value::from(&json!({"id": "7", "days": 3, "none": null})),
    steps: Value::from(&json!({"patient": {"name": "Asha"}})),
    org: Value::from(&json!({"slug": "clinic", "environment": "dev"})),
    now: Value::from(1_764_122_400_isize),
    today: Value::from("2025-11-26"),
});

fuzz_target!(|data: &[u8]| {
    let (source, document) = parts(data, b"\n---\n");
    let mut recorder = TapeRecorder::new(document.len());
    let document = read(document, usize::MAX, &mut recorder).ok();
    let value = match document {
        Some((text, _)) => Value::parse(text).expect("a value of what is sound"),
        None => Value::null(),
    };
    check_text(&value);
    let Ok(source) = str::from_utf8(source) else {
        return;
    };
    let (program, reshape) = match Program::parse_reshape(source) {
        Ok(read) => read,
        Err(error) => {
            assert!(error.at <= source.len(), "{error:?}");
            return assert!(!error.message.is_empty(), "words");
        }
    };
    // Little work, so that a run is short without optimization, too.
    let work = Work::of_checks();
    let tape = document.and_then(|_| recorder.tape());
    let made = tape
        .zip(reshape)
        .and_then(|(tape, reshape)| reshape.run(&tape, || &VARIABLES, &Work::of_checks()));
    match program.run(value, &VARIABLES, &TimeZone::UTC, &work) {
        Ok(value) => {
            check_text(&value);
            let text = value.to_text().ok();
            assert!(made.is_none() || made == text, "{made:?} is not {text:?}");
        }
        Err(RunError::Broken) => panic!("the interpreter failed"),
        Err(RunError::TooMuch) => assert_eq!(work.left(), 0),
        Err(RunError::Failed(_)) => assert_eq!(made, None),
    }
});

fn check_text(value: &Value) {
    if let Ok(text) = value.to_text() {
        assert!(sound(text.as_bytes()).is_some(), "{text}");
    }
}
