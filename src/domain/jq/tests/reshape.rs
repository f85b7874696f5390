//! What programs that only choose and arrange make of a document's text: what the interpreter
//! makes of its values.

use proptest::prelude::*;

use super::*;
use crate::domain::json::{read, sound};

const PEOPLE: &str = r#"{"data": [
    {"oid": "1", "fln": "Asha \"A\" Rao", "gen": "F", "age": 41, "tags": ["a", null, 7], "at": {"lat": 1.50, "lon": -0}},
    {"oid": "2", "fln": "Ravi", "gen": "M", "age": null, "tags": [], "at": {}},
    {"oid": "3", "fln": "\u0905\/", "gen": null, "tags": "none", "at": null, "n": 1e5, "big": 123456789012345678901}
], "count": 3, "more": false, "": "nameless", "नाम": "name"}"#;

/// What a program makes of a document while it is read.
fn run(reshape: &Reshape, document: &str, work: &Work) -> Option<String> {
    let mut recorder = TapeRecorder::new(document.len());
    read(document.as_bytes(), usize::MAX, &mut recorder).unwrap();
    let given = variables();
    reshape.run(&recorder.tape()?, || &given, work)
}

/// What a program is that only chooses and arranges.
fn reshape(source: &str) -> Reshape {
    Program::parse_reshape(source).unwrap().1.unwrap()
}

/// What a program makes at once, and what the interpreter makes.
fn both(source: &str, document: &str) -> (Option<String>, Result<String, RunError>) {
    let read = Program::parse_reshape(source);
    let (program, reshape) = read.unwrap_or_else(|error| panic!("{source}: {error}"));
    let sound = sound(document.as_bytes()).unwrap();
    let made = reshape.and_then(|reshape| run(&reshape, document, &Work::of_call()));
    let input = Value::parse(sound).unwrap();
    let value = program.run(input, &variables(), &TimeZone::UTC, &Work::of_call());
    let text = value.and_then(|value| value.to_text().map_err(|_| RunError::TooMuch));
    (made, text)
}

#[test]
fn what_only_chooses_and_arranges_is_made_at_once() {
    for source in [
        ".",
        ".data",
        ".data[0].fln",
        ".data[-1].big",
        ".data[7].oid.x",
        ".data[2]",
        ".none.none",
        ".[\"count\"]",
        "{count: .data | length, patients: .data | map({id: .oid, name: .fln, female: (.gen == \"F\")})}",
        "{count, \"more\", \"a b\": 1, none: null, yes: true, no: false, minus: -7, \"q\\\"\": \"\\n\"}",
        "[.data[] | select(.age != null) | .oid]",
        "[.data[] | .tags?[]?]",
        "[.data[] | {oid, tags: [.tags | arrays[]]}]",
        "[.data[] | .at // {lat: 0}]",
        "[.data[] | .at.lat // empty]",
        "[.data[] | .oid, .age]",
        ".data as $all | {first: $all[0].oid, all: [$all[] | .oid as $id | {other: $id, $id}]}",
        "def name: .fln // \"?\"; def of($x; f): f | {x: $x, v: .}; [.data[] | of(.oid; name)]",
        "def f: 1; def g: f + 1; def f: 5; [f, g]",
        "def each(f): [.[] | f]; .data | each(.oid as $x | each(.) | length)",
        "if .count > 2 then .data | first | .oid elif .more then 1 else 2 end",
        "if .more then 1 end | .count",
        "[.data[] | if .gen == \"F\" then \"f\", 1 else empty end]",
        "\"\\(.count) of \\(.data | length), \\(.more), \\(.none): \\(.data[0].fln)\"",
        "[.data[0].tags[] | tostring]",
        ".data[0].tags | join(\"-\")",
        "[.data[] | .at | type]",
        "[.data[].tags | strings, length]",
        "[.data[] | .gen < \"G\", .age >= 41, (.tags == []), (.at != {})]",
        "[.data[] | (.gen == \"F\" and .age == 41), (.more or .gen), (.gen | not)]",
        ".count + 4",
        ".data[0].fln + \" \" + .data[1].fln + null",
        "{id: $args.id, days: $args.days, none: $args.none, org: $org.slug, at: $now, on: $today, all: $args}",
        "[$args.none[]?, $args.id]",
        ".data | map(.at) | last",
        "[.[\"\"], .\"नाम\" | length]",
        "\"नाम\" | length",
        ".data[2].n",
        "[.data[2].fln, (.data[2].fln | length), .data[2].fln == \"अ/\"]",
    ] {
        let (made, text) = both(source, PEOPLE);
        assert!(made.is_some(), "{source}");
        assert_eq!(made.ok_or(RunError::Broken), text, "{source}");
    }
}

#[test]
fn what_is_no_easy_case_is_the_interpreter_s() {
    for (source, document) in [
        // Programs that do more, or come to no value or several.
        (".[]", "[1, 2]"),
        ("empty", "1"),
        (".a?", "{\"a\": 1}"),
        ("map(. * 2)", "[1]"),
        ("sort_by(.a)", "[]"),
        ("{(.a): 1}", "{\"a\": \"b\"}"),
        ("{a: 1, a: 2}", "null"),
        ("{a: .[]}", "[1, 2]"),
        ("$steps.patient.name", "null"),
        ("(.a | .b)? // 1", "[]"),
        ("try error(\"x\") catch 1", "1"),
        ("reduce .[] as $x (0; . + $x)", "[1]"),
        (". as [$a] | $a", "[1]"),
        ("-.a", "{\"a\": 1}"),
        ("1.5", "1"),
        (".[0:1]", "[1]"),
        (".[0]?", "[1]"),
        // Mistakes of kinds.
        (".a", "[1]"),
        (".a.b", "{\"a\": 7}"),
        ("map(.)", "null"),
        ("length", "7"),
        (".[0]", "{\"0\": 1}"),
        (". + 1", "\"a\""),
        ("join(\",\")", "[[1]]"),
        // Values that are compared or written in ways of their own.
        (". == 1", "1.0"),
        (". == [1]", "[1]"),
        (". + 1", "9223372036854775807"),
        (". + null", "9223372036854775808"),
        ("null + .", "12345678901234567890"),
        (".", "{\"a\": 1, \"a\": 2}"),
        (".", "{\"\\u0061\": 1}"),
        (".", "0.12345678901234567890123456789012345678901234567890"),
    ] {
        let (made, _) = both(source, document);
        assert_eq!(made, None, "{source} of {document}");
    }
    let levels = format!("{}{}", "[".repeat(100), "]".repeat(100));
    assert!(both(".", &levels).0.is_some());
    let (made, text) = both("[.]", &levels);
    assert_eq!((made, text), (None, Err(RunError::TooMuch)));
}

#[test]
fn more_members_than_are_compared_each_with_each() {
    let members = |last: &str| {
        let mut members: Vec<_> = (0..40)
            .map(|number| format!("\"m{number}\":{number}"))
            .collect();
        members.push(last.to_owned());
        format!("{{{}}}", members.join(","))
    };
    let (made, text) = both("[.m39, .m7, .x]", &members("\"x\":1"));
    assert_eq!(
        (made.clone(), Ok(made.unwrap())),
        (Some("[39,7,1]".to_owned()), text)
    );
    assert_eq!(both(".m7", &members("\"m7\":1")).0, None);
}

#[test]
fn members_are_found_wherever_they_stand() {
    let list = r#"[{"a":1,"b":2},{"b":3,"a":4},{"b":5},{"c":[{"b":0}],"b":6},{},{"a":"b","c":"b"},{"a":0,"b":7}]"#;
    let (made, text) = both("map(.b)", list);
    assert_eq!(made.as_deref(), Some("[2,3,5,6,null,null,7]"));
    assert_eq!(made.ok_or(RunError::Broken), text);
}

#[test]
fn no_more_work_is_done_than_is_left() {
    let list = format!("[{}0]", "0,".repeat(999));
    let long = format!("\"{}\"", "x".repeat(100_000));
    for (source, document) in [
        ("[.[] as $a | .[] as $b | .[] as $c | 1] | length", &list),
        (
            "[.[] as $a | .[] as $b | {a: $a, b: $b}] | map(.a) | length",
            &list,
        ),
        (
            ". + . | . + . | . + . | . + . | . + . | . + . | . + . | . + . | . + . | . + .",
            &long,
        ),
        ("[.[] as $a | .[] as $b | .[-1] == .[500]]", &list),
    ] {
        let reshape = reshape(source);
        let work = Work::of_call();
        assert_eq!(run(&reshape, document, &work), None, "{source}");
        let left = Work::of_call().left() - work.left();
        assert!((150_000..=200_000).contains(&left), "{left}: {source}");
        let work = Work::of(1_000);
        assert_eq!(run(&reshape, document, &work), None, "{source}");
    }
    let work = Work::of(5_000);
    let reshape = reshape("map(.)");
    assert!(run(&reshape, &list, &work).is_some());
    assert!(work.left() < 4_000, "what was done is counted");
}

#[test]
fn no_answer_is_longer_than_it_may_be() {
    let zeros = "0,".repeat(399);
    let text = "x".repeat(100_000);
    let control = "\\u0001".repeat(40_000);
    for (source, text) in [
        ("[.l[] as $x | .t]", &text),
        (".t as $t | [.l[] | $t]", &control),
        (". as $all | [.l[] | $all] | length | [.]", &text),
        ("[.l[] as $x | .]", &text),
        ("[.t as $t | .l[] | $t] | join(\"\")", &control),
    ] {
        let document = format!("{{\"t\":\"{text}\",\"l\":[{zeros}0]}}");
        let reshape = reshape(source);
        let made = run(&reshape, &document, &Work::of(1 << 40));
        let is_short = source.contains("length");
        assert_eq!(made.is_some(), is_short, "{source}");
    }
}

#[test]
fn a_name_that_stands_twice_far_inside_leaves_no_tape() {
    let many: String = (0..26_000).map(|at| format!("\"n{at}\":0,")).collect();
    let twice = format!("{{{many}\"n7\":0}}");
    let small = r#"{"":0,"":0}"#;
    let deep = (0..98).fold(twice, |inner, _| format!("[{inner},{small}]"));
    let mut recorder = TapeRecorder::new(deep.len());
    read(deep.as_bytes(), usize::MAX, &mut recorder).unwrap();
    assert!(recorder.tape().is_none());
    for (part, has_tape) in [("[1", false), ("[1]", true)] {
        let mut recorder = TapeRecorder::new(part.len());
        let is_whole = read(part.as_bytes(), usize::MAX, &mut recorder).is_ok();
        assert_eq!((is_whole, recorder.tape().is_some()), (has_tape, has_tape));
    }
}

#[test]
fn a_deep_program_needs_little_stack() {
    on_a_small_stack(|| {
        let deep = (0..35).fold(".".to_owned(), |inner, _| format!("[{inner} | [.]]"));
        let definitions: String = (1..20)
            .map(|number| format!("def f{number}(f): {{a: f{}(f)}};", number - 1))
            .collect();
        let definitions = format!("def f0(f): f; {definitions} f19(map(.))");
        let maps = "map(".repeat(8) + "." + &")".repeat(8);
        let lists = format!("{}1{}", "[".repeat(9), "]".repeat(9));
        // What follows a term is run while that is.
        let path = ".a".repeat(80);
        let parts = format!("def p: {path}; def q: p|p|p; def r: q|q|q; [r|r]",);
        let pipes = "def p: .|.|.|.|.|.|.|.; def q: p|p|p|p|p|p; [.[]|q|q|q|q|q|q]".to_owned();
        for (source, document) in [(parts, "{}"), (pipes, "[1]")] {
            let reshape = reshape(&source);
            let made = run(&reshape, document, &Work::of_call());
            assert_eq!(made, None, "{source}");
        }
        for (source, document) in [(deep, "1"), (definitions, "[1]"), (maps, &lists)] {
            let reshape = reshape(&source);
            let made = run(&reshape, document, &Work::of_call());
            assert!(made.is_some(), "{source}");
        }
    });
}

#[test]
fn a_program_that_grows_when_it_is_written_out_is_left_alone() {
    let definitions: String = (1..30)
        .map(|number| format!("def f{number}: [f{0}, f{0}];", number - 1))
        .collect();
    let path = ".a".repeat(80);
    let text = "x".repeat(10_000);
    for source in [
        format!("def f0: 1; {definitions} f10"),
        format!("def p: {path}; def q: p|p|p|p|p|p; [q|q|q|q|q|q]"),
        format!("def p: \"{text}\"; def q: [p, p, p]; [q, q, q]"),
        // Deeper than the interpreter goes.
        vec!["[.]"; 71].join("|"),
        format!("$args | {} | length", vec!["[.]"; 73].join("|")),
    ] {
        let (_, reshape) = Program::parse_reshape(&source).unwrap();
        assert!(reshape.is_none(), "{source}");
    }
}

fn document() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        Just("false".to_owned()),
        Just("\"\"".to_owned()),
        "-?(0|[1-9][0-9]{0,3})",
        "-?[1-9][0-9]{17,24}",
        "-?[1-9]\\.[0-9]{1,3}(e[1-9])?",
        "\"[a-c]{0,2}(\\\\n|\\\\u0041|\\\\/|é)?[a-c]{0,2}\"",
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let members = proptest::collection::vec(("[a-c]", inner.clone()), 0..4);
        let object = members.prop_map(|members| {
            let members = members
                .iter()
                .map(|(name, value)| format!("\"{name}\" : {value}"));
            format!("{{{}}}", members.collect::<Vec<_>>().join(", "))
        });
        let items = proptest::collection::vec(inner, 0..4);
        let list = items.prop_map(|items| format!("[ {} ]", items.join(" ,")));
        prop_oneof![object, list]
    })
}

fn program() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("."),
        Just(".a"),
        Just(".b?"),
        Just(".a.b"),
        Just(".[]"),
        Just(".[]?"),
        Just(".[0]"),
        Just(".[-1]"),
        Just("1"),
        Just("\"a\""),
        Just("null"),
        Just("false"),
        Just("[]"),
        Just("{}"),
        Just("{a, b}"),
        Just("empty"),
        Just("length"),
        Just("type"),
        Just("tostring"),
        Just("not"),
        Just("first"),
        Just("objects"),
        Just("arrays"),
        Just("strings"),
        Just("numbers"),
        Just("$args.days"),
        Just("$org"),
        Just("$v"),
        Just(". + null"),
    ];
    let leaf = leaf.prop_map(str::to_owned);
    leaf.prop_recursive(5, 24, 3, |inner| {
        let two = (inner.clone(), inner.clone());
        let three = (inner.clone(), inner.clone(), inner.clone());
        let between = prop_oneof![
            Just("|"),
            Just(","),
            Just("//"),
            Just("and"),
            Just("or"),
            Just("=="),
            Just("!="),
            Just("<"),
            Just("<="),
            Just(">"),
            Just(">="),
            Just("+"),
        ];
        prop_oneof![
            (two.clone(), between).prop_map(|((a, b), by)| format!("({a} {by} {b})")),
            two.clone()
                .prop_map(|(a, b)| format!("{{a: ({a}), b: ({b})}}")),
            two.clone()
                .prop_map(|(a, b)| format!("({a}) as $v | ({b})")),
            two.prop_map(|(a, b)| format!("def f(g; $v): ({a} | g); f({b}; .a)")),
            three.prop_map(|(a, b, c)| format!("if {a} then {b} else {c} end")),
            inner.clone().prop_map(|a| format!("[{a}]")),
            inner.clone().prop_map(|a| format!("map({a})")),
            inner.clone().prop_map(|a| format!("select({a})")),
            inner.clone().prop_map(|a| format!("\"<\\({a})>\"")),
            inner.clone().prop_map(|a| format!("join({a})")),
            inner.prop_map(|a| format!("({a} | .a?.b)")),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn what_is_made_is_what_the_interpreter_makes(program in program(), document in document()) {
        let (made, text) = both(&format!("1 as $v | ({program})"), &document);
        if let Some(made) = made {
            prop_assert_eq!(Ok(made), text);
        }
        // The same of all of a list's items, which is one value however many they come to.
        let (made, text) = both(&format!("1 as $v | [.[]? | ({program})]"), &document);
        if let Some(made) = made {
            prop_assert_eq!(Ok(made), text);
        }
    }
}
