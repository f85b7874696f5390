//! What no program can do: take long, much memory, or much stack.

use std::time::Duration;

use super::*;

/// What a program takes of an allowance that is large enough.
fn used(source: &str, input: Value) -> u64 {
    const MUCH: u64 = 1 << 40;
    let work = Work::of(MUCH);
    let result = within(&work, source, input);
    assert!(!matches!(result, Err(RunError::TooMuch)), "{source}");
    MUCH - work.left()
}

/// The longest of such programs that loads.
fn grown(make: &dyn Fn(usize) -> String) -> String {
    let fits = |size: usize| Program::parse(&make(size)).is_ok();
    let (mut fitting, mut too_long) = (1, 2000);
    assert!(fits(fitting) && !fits(too_long), "{}", make(1));
    while too_long - fitting > 1 {
        let between = (fitting + too_long) / 2;
        match fits(between) {
            true => fitting = between,
            false => too_long = between,
        }
    }
    make(fitting)
}

#[test]
fn no_program_takes_long_or_much() {
    let list = Json::from_iter(0..2000);
    for source in [
        // Doubled with every round.
        "reduce range(100) as $i ([1]; . + .)",
        "reduce range(100) as $i (\"xy\"; . + .)",
        "[1,1]|[.[],.[]]|[.[],.[]]|[.[],.[]]|[.[],.[]]|[.[],.[]]|[.[],.[]]|[.[],.[]]|[.[],.[]]|\
         [.[],.[]]|[.[],.[]]|[.[],.[]]|[.[],.[]]|[.[],.[]]|[.[],.[]]|[.[],.[]]|[.[],.[]]|[.[],.[]]|\
         [.[],.[]]|[.[],.[]]|[.[],.[]]|[.[],.[]]|[.[],.[]]|[.[],.[]]|[.[],.[]]|[.[],.[]]|[.[],.[]]",
        "[(1,1)|(.,.)|(.,.)|(.,.)|(.,.)|(.,.)|(.,.)|(.,.)|(.,.)|(.,.)|(.,.)|(.,.)|(.,.)|(.,.)|(.,.)\
         |(.,.)|(.,.)|(.,.)|(.,.)|(.,.)|(.,.)|(.,.)|(.,.)|(.,.)|(.,.)|(.,.)|(.,.)|(.,.)|(.,.)|(.,.)]",
        // Errors that are caught do not go on for ever.
        "[range(10000) | range(10000) | range(10000) | try error(\"x\") catch empty]",
        "first(range(10000) | range(10000) | range(10000) | select(. < 0))",
        "[.[] as $a | .[] as $b | .[] as $c | select($a + $b == $c)] | length",
        // Deeper with every round.
        "reduce range(10000) as $i (null; [.])",
        "reduce range(10000) as $i (null; {a: .})",
        "reduce range(10000) as $i (null; .a.b |= {c: $i} | {a: {b: .}})",
        // Compared as a whole, again and again.
        ". as $all | map(select($all == $all)) | length",
        "[.[] | . as $x | [$x, $x]] | . - . | . - .",
        "[range(3000)] as $l | [range(3000) | $l - $l]",
        "[range(9999)|range(9999)] | sort | group_by(.) | unique",
        "\"x\" as $x | [range(10000)] | map(map($x)?) | join($x) | [range(10000) as $i | .]|join(\"\")|[range(9999) as $i|.]|join(\"\")",
        "[limit(1000000000; range(10000) | range(10000))]",
        // Nothing is copied.
        "last(range(10000) | range(10000) | range(10000))",
        "last(range(10000) as $i | range(10000) | 1)",
        "[range(10000)] as $l | last(range(10000) as $i | range(10000) | $l | .[] |= .[]?)",
        "last(range(10000) | range(10000) | .[]?)",
        "isempty(range(10000) | range(10000) | range(10000) | empty)",
        "reduce (range(10000) | range(10000)) as $x ((0, 1); .)",
        "[foreach (range(10000) | range(10000)) as $x (0; .; empty)]",
        "last(range(10000) | range(10000) | 1.5)",
        "def f0: . | .; def f1: f0 | f0; def f2: f1 | f1; def f3: f2 | f2; def f4: f3 | f3; \
         def f5: f4 | f4; def f6: f5 | f5; def f7: f6 | f6; def f8: f7 | f7; def f9: f8 | f8; \
         def g1: f9 | f9; def g2: g1 | g1; def g3: g2 | g2; def g4: g3 | g3; def g5: g4 | g4; \
         def g6: g5 | g5; def g7: g6 | g6; def g8: g7 | g7; def g9: g8 | g8; g9 | g9 | g9 | g9",
        // Longer with every round.
        "reduce (range(10000) | range(10000)) as $i ([]; . + [\"x\"])",
        "reduce (range(10000) | range(10000)) as $i (\"\"; . + \"x\")",
    ] {
        let (source, list) = (source.to_owned(), list.clone());
        let (done, waiting) = std::sync::mpsc::channel();
        // The stack of a thread of the runtime.
        let thread = std::thread::Builder::new()
            .stack_size(2 << 20)
            .spawn(move || {
                let result = run(&source, &list);
                done.send((source, result.map(|json| json.to_string().len())))
                    .unwrap();
            });
        thread.unwrap();
        let (source, result) = waiting.recv_timeout(Duration::from_secs(60)).unwrap();
        assert!(
            matches!(result, Err(_) | Ok(0..=20_000)),
            "{source}: {result:?}"
        );
    }
}

#[test]
fn the_deepest_program_that_loads_runs_on_a_small_stack() {
    let programs = [
        grown(&|n| ["."].repeat(n).join(" | ")),
        grown(&|n| ["map(.)"].repeat(n).join(" | ")),
        grown(&|n| format!("{}.{}", "[".repeat(n), "]".repeat(n))),
        grown(&|n| format!("{}.", "-".repeat(n))),
        grown(&|n| format!("{}.", "try ".repeat(n))),
        grown(&|n| format!("{}.{}", "map(".repeat(n), ")".repeat(n))),
        grown(&|n| format!(".{}", " + .".repeat(n))),
        grown(&|n| format!(". as [{}] | $x", ["$x"].repeat(n).join(","))),
        grown(&|n| {
            format!(
                "{{{}}}",
                (0..n)
                    .map(|i| format!("a{i}: ."))
                    .collect::<Vec<_>>()
                    .join(",")
            )
        }),
        grown(&|n| {
            format!(
                "{} f{}",
                (0..n)
                    .map(|i| match i {
                        0 => "def f0: map(.);".to_owned(),
                        i => format!("def f{i}: f{} | map(.);", i - 1),
                    })
                    .collect::<String>(),
                n - 1
            )
        }),
        grown(&|n| format!("if . then . {} end", "elif . then . ".repeat(n))),
        grown(&|n| format!(".{}", "[0]?".repeat(n))),
        grown(&|n| format!(". |= {}", ["."].repeat(n).join(" |= "))),
        grown(&|n| format!("\"{}\"", "\\(.)".repeat(n))),
    ];
    on_a_small_stack(move || {
        for source in programs {
            let _ = run(&source, &json!([[[1]]]));
        }
    });
}

#[test]
fn the_deepest_calls_that_load_run_on_a_small_stack() {
    let calls = functions::FUNCTIONS
        .iter()
        .map(|(name, arguments)| match arguments {
            0 => grown(&|n| vec![*name; n].join(" | ")),
            _ => grown(&|n| {
                let open = format!("{name}({}", ".; ".repeat(arguments - 1));
                format!("{}.{}", open.repeat(n), ")".repeat(n))
            }),
        });
    let calls: Vec<String> = calls.collect();
    on_a_small_stack(move || {
        for source in calls {
            let _ = run(&source, &json!([[[1]]]));
        }
    });
}

#[test]
fn the_deepest_data_is_worked_on_with_a_small_stack() {
    let deep = |levels: usize| "[".repeat(levels) + "1" + &"]".repeat(levels);
    let programs = [
        "flatten",
        "tostring",
        ". == [[.]]",
        "[.] | unique",
        "[., .] | group_by(.) | del(.[0])",
        "reduce range(90) as $i (.; [.]) | flatten",
        ".[] |= [.]",
        "reduce range(10000) as $i (.; .[0] |= .)",
        "[foreach range(10000) as $i (.; .; $i)]",
        "last(range(10000) as $i | .)",
        "reduce range(10000) as $i (.; ., .)",
    ];
    on_a_small_stack(move || {
        for source in programs {
            let value = Value::parse(&deep(100)).unwrap();
            let _ = within(&Work::of_call(), source, value);
        }
    });
}

/// There each item would be a level of the stack.
#[test]
fn what_says_what_is_changed_has_no_fold_in_it() {
    for (source, word) in [
        ("(reduce range(9) as $i (.; .)) |= 1", "reduce"),
        ("(foreach range(9) as $i (.; .)) += 1", "foreach"),
        (
            "(.a | if . then reduce .[] as $i (.; .) else . end) = 1",
            "reduce",
        ),
        ("(.a // reduce .[] as $i (.; .)) //= 1", "reduce"),
        ("del(.b, reduce .list[] as $i (.; .))", "reduce"),
        ("def f: reduce .[] as $i (.; .); f |= 1", "f |="),
        (
            "def f: reduce .[] as $i (.; .); def g: f; .a | del(g)",
            "g)",
        ),
        ("def set(f): f |= 1; set(reduce .[] as $i (.; .))", "reduce"),
        (
            "def set(g): del(g); def by($x; f): set(f); by(1; reduce .[] as $i (.; .))",
            "reduce",
        ),
        ("def id(f): f; id(reduce .[] as $i (.; .)) |= 1", "reduce"),
    ] {
        let error = Program::parse(source).unwrap_err();
        let message = &error.message;
        assert!(
            message.contains("cannot say what is changed"),
            "{source}: {message}"
        );
        assert_eq!(Some(error.at), source.rfind(word), "{source}");
    }
    for (source, output) in [
        (".a |= reduce .[] as $i (0; . + $i)", json!({"a": 3})),
        (
            ".[(reduce \"a\" as $k (\"\"; . + $k))] |= 1",
            json!({"a": 1}),
        ),
        (
            "(.a[] | select(reduce (1, 2) as $i (0; . + $i) > 2)) += 1",
            json!({"a": [2, 3]}),
        ),
        ("def set(f): f |= 1; set(.a)", json!({"a": 1})),
        (
            "def sum(f): reduce f as $x (0; . + $x); .a |= sum(.[])",
            json!({"a": 3}),
        ),
    ] {
        assert_eq!(run(source, &json!({"a": [1, 2]})), Ok(output), "{source}");
    }
}

#[test]
fn there_is_no_recursion_by_another_name() {
    for (source, at) in [
        ("..", 0),
        (".a | [.. | .b]", 6),
        ("\"\\(..)\"", 3),
        (".a |= (.. |= 1)", 7),
    ] {
        let error = Program::parse(source).unwrap_err();
        assert_eq!(
            (error.at, error.message.contains("recursion")),
            (at, true),
            "{source}"
        );
    }
}

#[test]
fn what_is_run_is_counted_whether_or_not_it_copies_anything() {
    let items = Value::from(&Json::from_iter(0..1000));
    for (source, least) in [
        ("last(range(1000))", 1000),
        ("last(range(1000) | .)", 2000),
        ("last(.[])", 1000),
        ("last(.[] | . | . | .)", 4000),
        (".[] |= .", 2000),
        ("last(range(1000) | 1.5)", 2000),
        ("reduce range(1000) as $i (0; .)", 2000),
        ("def f: . | .; def g: f | f; def h: g | g; h | h", 16),
        ("\"x\" | startswith(\"y\")", 2),
        ("[range(1000) | null] | join(\"0123456789012345\")", 3000),
    ] {
        let used = used(source, items.clone());
        assert!((least..20 * least).contains(&used), "{source}: {used}");
    }
}

#[test]
fn long_texts_and_names_are_counted_by_their_length() {
    let long = "x".repeat(1 << 20);
    let text = json!({"text": long, "list": [long]});
    for source in [
        ".text | length",
        ".[.text]",
        "has(.text)",
        ".[.text] |= 1",
        "{(.text): 1}",
        ".text | startswith($args.id)",
        ".text + \"\"",
        ".text == .list[0]",
        ".list | join(\"\")",
        ".text | tostring | . / \"y\"",
    ] {
        let used = used(source, Value::from(&text));
        assert!(used >= 1 << 16, "{source}: {used}");
    }
    for source in [
        ".text | is_date",
        ".text | try tonumber catch 0",
        ".text | try to_epoch catch 0",
    ] {
        let used = used(source, Value::from(&text));
        assert!(used < 100, "its length is seen first: {source}: {used}");
    }
}

#[test]
fn what_is_small_is_cheap_beside_what_is_large() {
    let many = Json::from_iter((0..5000).map(|n| json!({"key": format!("k{n}"), "value": [n]})));
    for source in [
        "from_entries | length",
        "map({(.key): .value}) | add | length",
        "map(any(.value[]; . == []) or . == {}) | length",
        "[., .] | map(type, isempty(arrays)) | length",
        "[.] | flatten | length",
        "with_entries(.value |= .key) | length",
    ] {
        let used = used(source, Value::from(&many));
        assert!(used < 100 * 5000, "{source}: {used}");
    }
}

#[test]
fn all_programs_of_a_call_share_its_work() {
    let work = Work::of(100_000);
    let loops = "last(range(10000))";
    let ended = (0..20).map(|_| within(&work, loops, Value::null()));
    let results: Vec<bool> = ended.map(|result| result.is_ok()).collect();
    let good = results.iter().take_while(|good| **good).count();
    assert!((2..10).contains(&good), "{results:?}");
    assert!(!results[good..].contains(&true), "what is used up stays so");
    assert_eq!(work.left(), 0);
    assert!(within(&Work::of_call(), loops, Value::null()).is_ok());
    let checks = Work::of_checks();
    assert!(within(&checks, "last(range(10000)|range(100))", Value::null()).is_err());
}
