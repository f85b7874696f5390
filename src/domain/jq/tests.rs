//! What programs can do, and what no program can.

mod limits;
mod reshape;
mod values;

use serde_json::{Value as Json, json};

use super::*;

fn variables() -> Variables {
    let args = json!({"id": "7", "days": 3, "none": null});
    Variables {
        args: Value::from(&args),
        steps: Value::from(&json!({"patient": {"name": "Asha"}})),
        org: Value::from(&json!({"slug": "north"})),
        now: Value::from(1_764_122_400_isize),
        today: Value::from("2025-11-26"),
    }
}

fn run(source: &str, input: &Json) -> Result<Json, RunError> {
    let value = within(&Work::of_call(), source, Value::from(input))?;
    value.to_json().map_err(|_| RunError::TooMuch)
}

fn within(work: &Work, source: &str, input: Value) -> Result<Value, RunError> {
    let zone = TimeZone::get("Asia/Kolkata").unwrap();
    let program = Program::parse(source).unwrap_or_else(|error| panic!("{source}: {error}"));
    program.run(input, &variables(), &zone, work)
}

/// Runs that with the least stack that a thread of ours may have.
fn on_a_small_stack(run: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new().stack_size(1 << 20).spawn(run);
    thread.unwrap().join().unwrap();
}

#[test]
fn programs_see_input_variables_and_functions() {
    let people = json!([{"n": "b", "age": 2}, {"n": "a", "age": 1.5}]);
    for (source, output) in [
        (".[0].n", json!("b")),
        ("map(.age) | add", json!(3.5)),
        ("sort_by(.n) | map(.n) | join(\", \")", json!("a, b")),
        ("map({(.n): .age}) | add", json!({"b": 2, "a": 1.5})),
        ("[.[] | select(.age < $args.days) | .n] | length", json!(2)),
        ("$steps.patient.name + \"-\" + $args.id", json!("Asha-7")),
        ("$org.slug, 2", json!("north")),
        ("empty", json!(null)),
        ("$args.none.x // \"default\"", json!("default")),
        ("[range(2; 5)]", json!([2, 3, 4])),
        ("map(.age |= . + 1) | .[1].age", json!(2.5)),
        ("to_entries | map(.key)", json!([0, 1])),
        ("map(has(\"n\")) | all", json!(true)),
        ("\"\\(.[0].n)=\\(.[0].age)\"", json!("b=2")),
        ("def twice(f): f | f; 3 | twice(. * 2)", json!(12)),
        ("reduce .[] as {n: $n} (\"\"; . + $n)", json!("ba")),
        ("[1, [2, [3]]] | flatten", json!([1, 2, 3])),
        ("[3, 1, 3] | unique", json!([1, 3])),
        ("(\"1.50\" | tonumber), 0", json!(1.5)),
        ("[\"a\", null, 2] | join(\"-\")", json!("a--2")),
        (
            "{a: 1, b: 2} | del(.a) | with_entries(.value += 1)",
            json!({"b": 3}),
        ),
        ("try error(\"x\") catch .", json!("x")),
        ("9007199254740993 | tostring", json!("9007199254740993")),
    ] {
        assert_eq!(run(source, &people), Ok(output), "{source}");
    }
}

#[test]
fn days_and_times_are_the_provider_s() {
    for (source, output) in [
        ("$today | add_days(7)", json!("2025-12-03")),
        ("$today | add_days(-26)", json!("2025-10-31")),
        ("\"2025-12-03\" | days_since($today)", json!(7)),
        (
            "[\"2025-02-29\", \"2024-02-29\", \"1-1-1\", 5] | map(is_date)",
            json!([false, true, false, false]),
        ),
        ("$now | to_local", json!("2025-11-26T07:30:00")),
        (
            "\"2025-11-26T02:00:00Z\" | to_local",
            json!("2025-11-26T07:30:00"),
        ),
        ("\"2025-11-26T07:30\" | to_epoch", json!(1_764_122_400)),
        (
            "\"2025-11-26T09:00:00+07:00\" | to_epoch",
            json!(1_764_122_400),
        ),
    ] {
        assert_eq!(run(source, &json!(null)), Ok(output), "{source}");
    }
    for source in [
        "\"soon\" | to_epoch",
        "\"2025-13-01\" | add_days(1)",
        "\"x\" | add_days(1e9)",
    ] {
        assert!(run(source, &json!(null)).is_err(), "{source}");
    }
}

#[test]
fn a_mistake_has_its_place_and_says_what_was_expected() {
    for (source, at, message) in [
        ("", 0, "expected term, found the end"),
        (".a |", 4, "expected term, found the end"),
        (
            ".a | mpa(.b)",
            5,
            "there is no function `mpa` here; did you mean `map`?",
        ),
        ("map(.a; .b)", 0, "`map` takes 1 arguments, not 2"),
        (". as $x | $y", 10, "there is no variable `$y` here"),
        ("if .a then 1", 12, "expected else or end, found the end"),
        ("[.a", 3, "expected closing bracket"),
        (
            "env.HOME",
            0,
            "there is no function `env` here; did you mean `any`?",
        ),
        ("$ENV", 0, "there is no variable `$ENV` here"),
        ("$steps | keys", 0, "name a step, as in $steps.patient"),
        ("{a: $steps[.x]}", 0, "name a step, as in $steps.patient"),
        (
            "1 | def f: f; f",
            11,
            "`f` calls itself; recursion is not allowed",
        ),
        (
            "def f: def g: f; g; f",
            14,
            "`f` calls itself; recursion is not allowed",
        ),
        ("import \"a\" as a; .", 7, "expected the end, found `\"a\"`"),
        ("@base64", 0, "there is no function `@base64` here"),
        ("&", 0, "expected token"),
    ] {
        let error = Program::parse(source).unwrap_err();
        assert_eq!(
            (error.at, error.message.as_str()),
            (at, message),
            "{source}"
        );
    }
}

#[test]
fn what_reaches_out_or_never_ends_cannot_be_called() {
    for call in [
        "env",
        "now",
        "input",
        "inputs",
        "debug",
        "stderr",
        "halt",
        "halt_error",
        "localtime",
        "input_filename",
        "$__prog_args",
        "repeat(1)",
        "recurse(.)",
        "while(true; .)",
        "until(false; .)",
        "fromjson",
        "test(\"a\")",
        "limit(1; repeat(1))",
        "combinations",
        "getpath([])",
        "path(.)",
        "tojson",
        "splits(\"a\")",
        "walk(.)",
        "error_empty",
        "implode",
    ] {
        assert!(Program::parse(call).is_err(), "{call}");
    }
}

/// A program becomes a definition of that name.
#[test]
fn a_program_cannot_call_itself_by_the_name_that_it_gets() {
    let lists = [functions::FUNCTIONS, functions::DEFINITIONS];
    let mut names = lists.into_iter().flatten().map(|(name, _)| *name);
    assert!(names.all(|name| name != "program") && !functions::LIBRARY.contains(&"program"));
    for source in [
        "program",
        "1 | program",
        "def f: def program: 1; program; program",
        "def program: program; .",
        "def f($program): program; f(1)",
        "def program(f): f; program",
    ] {
        assert!(Program::parse(source).is_err(), "{source}");
    }
    for (source, output) in [
        ("def program: 1; program", 1),
        ("def f(program): program; f(2)", 2),
        ("def program(program): program; program(3)", 3),
    ] {
        assert_eq!(
            run(source, &json!(null)).unwrap(),
            json!(output),
            "{source}"
        );
    }
}

#[test]
fn the_steps_that_a_program_names_are_known() {
    let program = Program::parse("$steps.a.b + ($steps[\"c\"] | map($steps.a))").unwrap();
    let steps: Vec<_> = program.steps().collect();
    assert_eq!(steps, [("a", 7), ("c", 22)]);
}

#[test]
fn every_function_of_the_list_is_there_and_in_the_documentation() {
    for (name, arguments) in functions::FUNCTIONS {
        let call = match arguments {
            0 => (*name).to_owned(),
            _ => format!("{name}({})", vec!["."; *arguments].join("; ")),
        };
        assert!(Program::parse(&call).is_ok(), "{call}");
    }
    let page = include_str!("../../../docs/profiles.md");
    let rows = ["| jq's own | ", "| days | ", "| times | "].map(|row| {
        let row = page.lines().find_map(|line| line.strip_prefix(row));
        row.unwrap()
    });
    let quoted = rows
        .iter()
        .flat_map(|row| row.split('`').skip(1).step_by(2));
    let words = quoted.flat_map(|names| names.split(' '));
    let names = words.filter_map(|word| word.split(['/', '(']).next());
    let documented: std::collections::BTreeSet<&str> = names.collect();
    for (name, _) in functions::FUNCTIONS {
        assert!(documented.contains(name), "`{name}` is not documented");
    }
}

#[test]
fn numbers_stay_small() {
    let squared = run("reduce range(64) as $i (3; . * .)", &json!(null));
    assert_eq!(
        squared,
        Ok(json!(null)),
        "infinite, which JSON has no word for"
    );
    assert!(run("\"x\" * 1000000000", &json!(null)).is_err());
}
