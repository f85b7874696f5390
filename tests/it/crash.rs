//! `kill -9` during every kind of change: at every system call by which it writes (strace ends it
//! there), and at any time. What was acknowledged stays, the rest is there wholly or not at all.

mod serving;
mod unasked;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::commands::{PLACE, clinic, fed, free_address, words};
use crate::support::database;
use crate::support::load::spread;
use crate::support::process::{end, serve_logged, soon};
use crate::support::program::Program;
use crate::support::records::Records;
use crate::support::strace::{WRITES, killed_at};
use crate::support::{McpClient, app};

const DATABASE: &str = "data/locum.db";
/// Those, and the ones of plain files.
const ALL_WRITES: &str = "pwrite64,fsync,fdatasync,ftruncate,unlink,write,mkdir";

const FIELDS: &str = "client_id = \"north-dev\"\nclient_secret = \"synthetic\"\n";
const DOTENV: &str = "EKA_CLIENT_ID=north-dev\nEKA_CLIENT_SECRET=synthetic\n";

/// A message that could not be sent, of two reminders.
const DEAD_REMINDERS: &str = "
    INSERT OR REPLACE INTO reminders
        (id, subject, reason, threshold, channel, state, created_at, next_attempt_at)
    VALUES ('message.0', 'one', 'rotation', 7, 'log', 'dead', 0, 0),
           ('message.1', 'other', 'rotation', 7, 'log', 'dead', 0, 0)";

/// A kind of change: its name, the command of one round, its standard input, and whether it is
/// there.
struct Kind {
    name: &'static str,
    command: fn(usize, &Records) -> Vec<String>,
    input: &'static str,
    is_done: fn(usize, &Value, &Records, &Records) -> bool,
}

fn owned(command: &str, more: &[&str]) -> Vec<String> {
    words(command, more)
        .into_iter()
        .map(str::to_owned)
        .collect()
}

fn new_key<'a>(before: &Records, after: &'a Records) -> Option<&'a String> {
    after.keys.keys().find(|id| !before.keys.contains_key(*id))
}

fn entered(acknowledged: &Value, before: &Records, after: &Records) -> bool {
    let active = &after.active["north/dev"];
    let id = acknowledged["id"].as_str().map(|id| id.replace('-', ""));
    id.is_none_or(|id| id == *active) && before.active["north/dev"] != *active
}

/// How many versions of north's credential are as a label says.
fn standing(records: &Records, label: &str) -> usize {
    let versions = records.versions.iter();
    let of_north = versions.filter(|(place, _)| place.starts_with("north/dev/"));
    of_north.filter(|(_, found)| *found == label).count()
}

/// A step of a rotation: its command, and whether it has come to one more version as a label says.
macro_rules! step {
    ($name:literal, $more:literal, $input:expr, $label:literal) => {
        Kind {
            name: $name,
            command: |_, _| owned(concat!($name, $more), &PLACE),
            input: $input,
            is_done: |_, _, before, after| {
                let done = before.versions != after.versions;
                let one_more = standing(after, $label) == standing(before, $label) + 1;
                assert_eq!(done, one_more, "{before:?} {after:?}");
                done
            },
        }
    };
}

const KINDS: [Kind; 20] = [
    Kind {
        name: "org delete",
        command: |_, _| owned("org delete doomed --confirm doomed", &[]),
        input: "",
        is_done: |_, _, before, after| {
            let done = !after.organizations.contains_key("doomed");
            assert_eq!(done, !after.active.contains_key("doomed/dev"), "{after:?}");
            assert_eq!(done, revoked(after) > revoked(before), "{after:?}");
            done
        },
    },
    Kind {
        name: "org create",
        command: |n, _| owned(&format!("org create clinic-{n} --name n"), &[]),
        input: "",
        is_done: |n, _, _, after| after.organizations.contains_key(&format!("clinic-{n}")),
    },
    Kind {
        name: "org set",
        command: |n, _| owned(&format!("org set north --name name-{n}"), &[]),
        input: "",
        is_done: |n, _, _, after| after.organizations["north"].0 == format!("name-{n}"),
    },
    Kind {
        name: "org set limits and settings",
        command: |n, _| {
            let command = format!(
                "org set north --name limits-{n} --env dev --per-minute {n} --value hub=h{n}"
            );
            owned(&command, &[])
        },
        input: "",
        is_done: |n, _, _, after| {
            let limits = after.limits.get("north/dev");
            let done = limits.is_some_and(|limits| limits.starts_with(&format!("{n} ")));
            let named = after.organizations["north"].0 == format!("limits-{n}");
            let valued =
                limits.is_some_and(|limits| limits.ends_with(&format!("{{\"hub\":\"h{n}\"}}")));
            assert_eq!((done, done), (named, valued), "{after:?}");
            done
        },
    },
    Kind {
        name: "admin-token create",
        command: |_, _| owned("admin-token create --name t --role auditor", &[]),
        input: "",
        is_done: |_, acknowledged, before, after| {
            let id = acknowledged["id"].as_str();
            assert!(
                id.is_none_or(|id| after.tokens[id] == "active"),
                "{after:?}"
            );
            after.tokens.len() == before.tokens.len() + 1
        },
    },
    Kind {
        name: "admin-token revoke",
        command: |_, before| {
            let mut tokens = before.tokens.iter();
            let active = tokens.find(|(_, state)| *state == "active");
            owned("admin-token revoke", &[active.unwrap().0])
        },
        input: "",
        is_done: |_, _, before, after| before.tokens != after.tokens,
    },
    Kind {
        name: "org suspend",
        command: |_, _| owned("org suspend south", &[]),
        input: "",
        is_done: |_, _, _, after| after.organizations["south"].1 == "suspended",
    },
    Kind {
        name: "org resume",
        command: |_, _| owned("org resume south", &[]),
        input: "",
        is_done: |_, _, _, after| after.organizations["south"].1 == "active",
    },
    Kind {
        name: "credential set",
        command: |_, _| {
            owned(
                "credential set --org north --env dev --provider eka-care --from-file -",
                &[],
            )
        },
        input: FIELDS,
        is_done: |_, acknowledged, before, after| entered(acknowledged, before, after),
    },
    Kind {
        name: "credential import",
        command: |_, _| {
            owned(
                "credential import --org north --env dev --provider eka-care -",
                &[],
            )
        },
        input: DOTENV,
        is_done: |_, acknowledged, before, after| entered(acknowledged, before, after),
    },
    Kind {
        name: "key create",
        command: |_, _| {
            owned(
                "key create --name k --all-envs --org north --org south",
                &[],
            )
        },
        input: "",
        is_done: |_, acknowledged, before, after| {
            let id = new_key(before, after);
            assert!(
                id.is_none_or(|id| after.keys[id] == (false, 2)),
                "{after:?}"
            );
            acknowledged["id"]
                .as_str()
                .map_or(id.is_some(), |wanted| id.is_some_and(|id| id == wanted))
        },
    },
    Kind {
        name: "key revoke",
        command: |_, before| {
            let id = before.keys.iter().find(|(_, (revoked, _))| !revoked);
            owned("key revoke", &[id.unwrap().0])
        },
        input: "",
        is_done: |_, _, before, after| revoked(after) == revoked(before) + 1,
    },
    Kind {
        name: "key roll",
        command: |_, before| {
            let replaced: BTreeSet<_> = before.replaced.values().collect();
            let id = before.keys.keys().find(|id| !replaced.contains(id));
            owned("key roll --grace 7d", &[id.unwrap()])
        },
        input: "",
        is_done: |_, _, before, after| {
            let done = after.replaced.len() == before.replaced.len() + 1;
            assert_eq!(done, after.keys.len() == before.keys.len() + 1, "{after:?}");
            done
        },
    },
    Kind {
        name: "reminders retry",
        command: |_, _| owned("reminders retry message.0", &[]),
        input: "",
        is_done: |_, _, _, after| {
            // What went in one message is tried again together.
            let states: BTreeSet<_> = after.reminders.values().collect();
            assert!(after.reminders.len() == 2 && states.len() == 1, "{after:?}");
            after.reminders["message.0"] == "pending"
        },
    },
    step!("credential stage", " --from-file -", FIELDS, "staged"),
    step!("credential verify", "", "", "staged, verified"),
    // The third of them leaves.
    step!("credential promote", " --unverified", "", "revoked"),
    step!("credential rollback", "", "", "staged"),
    step!("credential cancel", "", "", "cancelled"),
    step!("credential revoke", "", "", "revoked"),
];

fn revoked(records: &Records) -> usize {
    records
        .keys
        .values()
        .filter(|(revoked, _)| *revoked)
        .count()
}

/// The whole of a command's JSON, if it came to that.
fn acknowledged(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or(Value::Null)
}

/// A round: a command that is killed at its `n`th write, and what is there then. Whether the
/// command came to its end.
async fn round(program: &Program, kind: &Kind, n: usize) -> bool {
    let path = program.path(DATABASE);
    let before = Records::read(&path).await;
    let mut arguments = (kind.command)(n, &before);
    arguments.push("--json".to_owned());
    let output = killed_at(program, &arguments, kind.input, WRITES, n).await;
    let after = Records::read(&path).await;
    let what = format!("{} {n}: {output:?}", kind.name);
    let shown = acknowledged(&output);
    let done = (kind.is_done)(n, &shown, &before, &after);
    if output.status.success() || !shown.is_null() {
        assert!(done, "acknowledged and lost: {what}");
    }
    let written = after.revision - before.revision;
    assert_eq!(written, i64::from(done), "half of a change: {what}");
    let recorded = after.audit > before.audit;
    assert_eq!(
        recorded, done,
        "a change without its record, or the other way: {what}"
    );
    output.status.success()
}

/// What a kind has to find before its rounds.
async fn prepare(program: &Program, kind: &Kind) {
    match kind.name {
        "org resume" => drop(program.ok(&["org", "suspend", "south"]).await),
        "admin-token revoke" => {
            for _ in 0..40 {
                let create = "admin-token create --name t --role auditor";
                program.ok(&words(create, &[])).await;
            }
        }
        "key roll" => drop(program.key(&["north"]).await),
        "key revoke" => {
            for _ in 0..40 {
                program.key(&["north"]).await;
            }
        }
        _ => {}
    }
}

/// The commands that bring a credential to where a step of its rotation begins; those that have
/// nothing to do may fail.
async fn ready(program: &Program, kind: &Kind) {
    if kind.name == "org delete" {
        let create = ["org", "create", "doomed", "--name", "Doomed"];
        if program.run(&create).await.status.success() {
            let set = "credential set --org doomed --env dev --provider eka-care --from-file -";
            let output = fed(program, &words(set, &[]), FIELDS).await;
            assert!(output.status.success(), "{output:?}");
            program.key(&["doomed"]).await;
        }
    }
    if kind.name == "reminders retry" {
        database::alter(&program.path(DATABASE), DEAD_REMINDERS).await;
    }
    let commands: &[&str] = match kind.name {
        "credential stage" => &["cancel"],
        "credential verify" => &["cancel", "stage --from-file -"],
        "credential promote" => &["set --unverified --from-file -", "stage --from-file -"],
        "credential rollback" => &["stage --from-file -", "promote --unverified"],
        "credential cancel" => &["stage --from-file -"],
        "credential revoke" => &["set --unverified --from-file -"],
        _ => &[],
    };
    for command in commands {
        let line = format!("credential {command}");
        fed(program, &words(&line, &PLACE), FIELDS).await;
    }
}

async fn killed_at_every_write(program: &Program, kind: &Kind) {
    prepare(program, kind).await;
    for n in 1..200 {
        ready(program, kind).await;
        if round(program, kind, n).await {
            assert!(
                n > 2,
                "{}: nothing was killed: is strace allowed to?",
                kind.name
            );
            return;
        }
        match kind.name {
            "org suspend" => drop(program.ok(&["org", "resume", "south"]).await),
            "org resume" => drop(program.ok(&["org", "suspend", "south"]).await),
            _ => {}
        }
    }
    panic!("{}: more than 200 writes", kind.name);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_is_killed_at_any_write_is_there_wholly_or_not_at_all() {
    spread(KINDS.len(), 3, |number| async move {
        let (program, _sandbox) = clinic().await;
        program.organization("south", &["dev"]).await;
        killed_at_every_write(&program, &KINDS[number]).await;
        // Every credential opens, and the file is whole.
        program.ok(&["check"]).await;
    })
    .await;
}

/// Calls all the time; counts those that fail.
struct Traffic {
    stop: Arc<AtomicBool>,
    task: tokio::task::JoinHandle<(usize, usize)>,
}

impl Traffic {
    fn start(client: McpClient) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let task = tokio::spawn(async move {
            let (mut calls, mut failures) = (0, 0);
            while !stopped.load(Ordering::Relaxed) {
                let arguments = json!({"clinic_id": "C2001"});
                let reply = client.call("get_clinic_details_basic", arguments).await;
                calls += 1;
                failures += usize::from(!reply.is_ok());
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            (calls, failures)
        });
        Self { stop, task }
    }

    async fn end(self) {
        self.stop.store(true, Ordering::Relaxed);
        let (calls, failures) = self.task.await.unwrap();
        assert!(calls > 20, "{calls}");
        assert_eq!(failures, 0, "of {calls} calls");
    }
}

/// Waits until the server has noticed everything.
async fn caught_up(program: &Program, admin: &str) {
    let revision = Records::read(&program.path(DATABASE)).await.revision;
    let url = format!("http://{admin}/readyz");
    soon("the last change", async || {
        let answer = app::reqwest_client().get(&url).send().await.unwrap();
        let body: Value = answer.json().await.unwrap();
        body["revision"] == revision
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_that_are_killed_at_any_time_do_not_touch_a_running_server() {
    const ROUNDS: usize = 120;
    let (program, _sandbox) = clinic().await;
    program.organization("south", &["dev"]).await;
    let key = program.key(&["north"]).await;
    let admin = free_address();
    let (mut server, _) = serve_logged(&program, &[("LOCUM__ADMIN__LISTEN", &admin)]).await;
    let client = McpClient::new(&server.url, &key).at("north", "dev");
    let traffic = Traffic::start(client);
    let program = Arc::new(program);
    // However long a command takes here, four of them at a time.
    let begun = tokio::time::Instant::now();
    program
        .ok(&["org", "set", "south", "--name", "renamed"])
        .await;
    let longest = begun.elapsed() * 8;
    let killed = Arc::new(AtomicUsize::new(0));
    let (rounds, deaths) = (program.clone(), killed.clone());
    let results = spread(ROUNDS, 4, move |number| {
        let (program, deaths) = (rounds.clone(), deaths.clone());
        async move {
            let slug = format!("clinic-{number}");
            let command = match number % 4 {
                0 | 1 => owned(&format!("org create {slug} --name n --json"), &[]),
                2 => owned(
                    "key create --name k --all-envs --org north --org south --json",
                    &[],
                ),
                _ => owned("org set south --name renamed --json", &[]),
            };
            let mut child = program
                .command(&command)
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
            // From before it begins until after it has ended, on any machine: no two are alike.
            let share = number as f64 / ROUNDS as f64;
            tokio::time::sleep(longest.mul_f64(share * share)).await;
            let _ = child.start_kill();
            let output = child.wait_with_output().await.unwrap();
            deaths.fetch_add(usize::from(!output.status.success()), Ordering::Relaxed);
            (number, slug, acknowledged(&output))
        }
    });
    let results = results.await;
    assert!(
        (10..ROUNDS).contains(&killed.load(Ordering::Relaxed)),
        "{killed:?}"
    );
    let after = Records::read(&program.path(DATABASE)).await;
    for (number, slug, shown) in results.iter().filter(|(.., shown)| !shown.is_null()) {
        match number % 4 {
            0 | 1 => assert!(after.organizations.contains_key(slug), "{slug}"),
            2 => assert_eq!(after.keys[shown["id"].as_str().unwrap()], (false, 2)),
            _ => assert_eq!(after.organizations["south"].0, "renamed"),
        }
    }
    assert!(
        after.keys.values().all(|(_, grants)| *grants > 0),
        "{after:?}"
    );
    caught_up(&program, &admin).await;
    traffic.end().await;
    assert!(end(&mut server.child, Signal::TERM).await.success());
    program.ok(&["check"]).await;
}

/// Creates organizations through the admin API until it goes away; those that were acknowledged.
async fn creations(admin: String, owner: String, round: usize) -> Vec<String> {
    let client = app::reqwest_client();
    let url = format!("http://{admin}/admin/v1/orgs");
    let mut acknowledged = Vec::new();
    for number in 0.. {
        let slug = format!("made-{round}-{number}");
        let body = json!({"id": slug, "name": "n"});
        let request = client.post(&url).bearer_auth(&owner).json(&body);
        match request.send().await {
            Ok(answer) => assert_eq!(answer.status(), 201),
            Err(_) => break,
        }
        acknowledged.push(slug);
    }
    acknowledged
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_starts_again_with_everything() {
    let (program, _sandbox) = clinic().await;
    let create = "admin-token create --name t --role owner";
    let owner = program.json(&words(create, &[])).await;
    let owner = owner["token"].as_str().unwrap().to_owned();
    for number in 0..5 {
        let admin = free_address();
        let (mut server, _) = serve_logged(&program, &[("LOCUM__ADMIN__LISTEN", &admin)]).await;
        let name = format!("name-{number}");
        program.ok(&["org", "set", "north", "--name", &name]).await;
        let key = program.key(&["north"]).await;
        let created = tokio::spawn(creations(admin, owner.clone(), number));
        soon("a dozen changes through the API", async || {
            Records::read(&program.path(DATABASE))
                .await
                .organizations
                .len()
                > 12 * (number + 1)
        })
        .await;
        assert!(!end(&mut server.child, Signal::KILL).await.success());
        let records = Records::read(&program.path(DATABASE)).await;
        assert_eq!(records.organizations["north"].0, name);
        for slug in created.await.unwrap() {
            assert!(records.organizations.contains_key(&slug), "{slug}");
        }
        let (server, _) = serve_logged(&program, &[]).await;
        let client = McpClient::new(&server.url, &key);
        assert_eq!(client.legacy("ping", json!({})).await.status, 200);
    }
}

/// The files of an installation that are there.
fn leftovers(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder.join("data")) else {
        return Vec::new();
    };
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.map(|name| format!("data/{name}")).collect()
}

/// An `init` that is killed at its `n`th write, and what the next one makes of it. Whether the
/// first came to its end.
async fn init_round(n: usize) -> bool {
    let program = Program::empty();
    let output = killed_at(&program, &owned("init", &[]), "", ALL_WRITES, n).await;
    let output_again = program.run(&["init"]).await;
    let message = String::from_utf8_lossy(&output_again.stderr).into_owned();
    if program.path("locum.toml").exists() && !output_again.status.success() {
        // The first one was complete but for its last words.
        assert!(message.contains("already exists"), "{n}: {message}");
        if fs::read(program.path("locum.toml")).unwrap().is_empty() {
            assert!(!output.status.success(), "{n}: an empty file serves");
        }
    } else if !output_again.status.success() {
        assert!(
            message.contains("was interrupted") && message.contains("remove them"),
            "{n}: {message}"
        );
        for name in leftovers(program.folder.path()) {
            assert!(
                message.contains(&name),
                "{n}: {name} is not named: {message}"
            );
            fs::remove_file(program.path(&name)).unwrap();
        }
        program.ok(&["init"]).await;
    }
    program.ok(&["org", "create", "north", "--name", "n"]).await;
    program.ok(&["check"]).await;
    output.status.success()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_init_that_is_killed_says_what_to_do_or_can_be_repeated() {
    const AT_ONCE: usize = 16;
    for first in (1..400).step_by(AT_ONCE) {
        let ends = spread(AT_ONCE, 3, move |number| init_round(first + number)).await;
        assert!(
            first > 1 || !ends[0],
            "nothing was killed: is strace allowed to?"
        );
        if ends[AT_ONCE - 1] {
            return;
        }
    }
    panic!("init writes more than 400 times");
}
