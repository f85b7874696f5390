//! The master key changes while everything goes on, and comes to its end however often it is killed
//! on the way; no key is lost and no second one is made.

mod full;
mod killed;
mod load;

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use crate::support::database::{alter, open};
use crate::support::process::serve_logged;
use crate::support::program::{Program, write_private};

const KEY: &str = "data/master.key";
const DATABASE: &str = "data/locum.db";

async fn installation() -> Program {
    let program = Program::init().await;
    program.organization("north", &["dev", "prod"]).await;
    program.organization("south", &["dev"]).await;
    program
}

async fn status(program: &Program) -> Value {
    program.json(&["master-key", "status"]).await
}

/// Ids of the keys that are in a state.
fn ids(status: &Value, state: &str) -> Vec<String> {
    let keys = status["keys"].as_array().unwrap().iter();
    let found = keys.filter(|key| key["state"] == state);
    found
        .map(|key| key["id"].as_str().unwrap().to_owned())
        .collect()
}

/// Everything opens, nothing is left under another key, and the log is whole.
async fn assert_whole(program: &Program) -> Value {
    let status = status(program).await;
    assert_eq!(
        (&status["complete"], &status["fits"]),
        (&true.into(), &true.into())
    );
    program.ok(&["check"]).await;
    program.ok(&["audit", "verify"]).await;
    status
}

fn key_text(program: &Program) -> String {
    fs::read_to_string(program.path(KEY)).unwrap()
}

/// Puts a new active key into a ring's text, as an administrator does by hand.
fn with_key_by_hand(text: &str) -> String {
    let retired = text.replace(" active ", " retired ");
    format!("{retired}kek-by-hand active {}\n", "c7".repeat(32))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_key_takes_the_place_of_the_old_one_which_stays_until_it_is_removed() {
    let program = installation().await;
    fs::set_permissions(program.path(KEY), fs::Permissions::from_mode(0o400)).unwrap();
    let before = assert_whole(&program).await;
    let old = ids(&before, "active").remove(0);
    assert_eq!(before["keys"][0]["organization_keys"], 3, "{before}");
    let ring_before = key_text(&program);

    let report = program.json(&["master-key", "rotate"]).await;
    assert_eq!(report["organization_keys"], 3, "{report}");
    assert_eq!(report["retired"], serde_json::json!([old]));
    let after = assert_whole(&program).await;
    let new = ids(&after, "active").remove(0);
    assert_eq!(
        (new.as_str(), ids(&after, "retired")),
        (report["kek"].as_str().unwrap(), vec![old.clone()])
    );
    let mode = fs::metadata(program.path(KEY))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o7777, 0o400);
    assert!(!program.path("data/master.key.new").exists());
    let log = program.ok(&["audit", "tail", "--json"]).await;
    for action in ["master_key.add", "master_key.rewrap"] {
        assert!(log.contains(action), "{log}");
    }

    // The ring from before opens nothing any more, and says which key it lacks.
    let ring_after = key_text(&program);
    let rewrite = |text: &str| {
        fs::set_permissions(program.path(KEY), fs::Permissions::from_mode(0o600)).unwrap();
        write_private(&program.path(KEY), text);
    };
    rewrite(&ring_before);
    let (code, text) = program.fails(&["org", "list"]).await;
    assert!(code == 78 && text.contains(&new), "{code} {text}");
    let (code, text) = program.fails(&["master-key", "status"]).await;
    assert!(
        code == 1 && text.contains(&format!("lacks `{new}`")),
        "{code} {text}"
    );
    rewrite(&ring_after);

    // The key in use stays; the other one goes when it is named.
    for (kek, said) in [
        (new.as_str(), "is in use"),
        ("kek-none", "has no key"),
        ("no id", "has no key"),
    ] {
        let (code, text) = program.fails(&["master-key", "prune", kek]).await;
        assert!(code == 1 && text.contains(said), "{kek}: {text}");
    }
    program.ok(&["master-key", "prune", &old]).await;
    let pruned = assert_whole(&program).await;
    assert_eq!(
        (ids(&pruned, "active"), ids(&pruned, "retired")),
        (vec![new], Vec::new())
    );
    let log = program.ok(&["audit", "tail", "--json"]).await;
    assert!(log.contains("master_key.remove"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_rotations_at_once_lose_no_key() {
    let program = installation().await;
    for _ in 0..4 {
        let rotate = || async { program.run(&["master-key", "rotate"]).await };
        let (one, other) = tokio::join!(rotate(), rotate());
        assert!(
            one.status.success() && other.status.success(),
            "{one:?} {other:?}"
        );
        assert_whole(&program).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ring_that_cannot_be_rewritten_is_changed_by_hand_and_the_rest_by_command() {
    let program = installation().await;
    let text = key_text(&program);
    let credentials = program.path("credentials");
    fs::create_dir(&credentials).unwrap();
    let handed_over = credentials.join("locum.master-key");
    fs::rename(program.path(KEY), program.path("elsewhere")).unwrap();
    let mount = "[vault]\nmounted_secret = true\n";
    type Put = fn(&Program, &str);
    let cases: [(&str, &str, Put); 3] = [
        ("the systemd credential", "", |p, text| {
            write_private(&p.path("credentials/locum.master-key"), text);
        }),
        ("the secret mount", mount, |p, text| {
            write_private(&p.path(KEY), text)
        }),
        ("LOCUM_MASTER_KEY", "", |p, text| {
            write_private(&p.path("variable"), text)
        }),
    ];
    let mut ring = text;
    for (number, (case, config, put)) in cases.into_iter().enumerate() {
        program.configure(config);
        let run = async |arguments: &[&str]| {
            let mut command = program.command(arguments);
            match case {
                "the systemd credential" => command.env("CREDENTIALS_DIRECTORY", &credentials),
                "LOCUM_MASTER_KEY" => {
                    let text = fs::read_to_string(program.path("variable")).unwrap();
                    command.env("LOCUM_MASTER_KEY", text)
                }
                _ => &mut command,
            };
            command.output().await.unwrap()
        };
        put(&program, &ring);
        let refused = run(&["master-key", "rotate"]).await;
        let said = String::from_utf8(refused.stderr).unwrap();
        assert_eq!(refused.status.code(), Some(1), "{case}: {said}");
        assert!(
            said.contains(case) && said.contains("openssl rand -hex 32"),
            "{said}"
        );

        ring = with_key_by_hand(&ring).replace("kek-by-hand", &format!("kek-{number}"));
        put(&program, &ring);
        let open = run(&["master-key", "status"]).await;
        let said = String::from_utf8(open.stderr).unwrap();
        assert!(
            open.status.success() && said.contains("`locum master-key rotate` finishes it"),
            "{said}"
        );
        let done = run(&["master-key", "rotate", "--json"]).await;
        let report: Value = serde_json::from_slice(&done.stdout).unwrap();
        assert_eq!(report["kek"], format!("kek-{number}"), "{case}: {report}");
        assert_eq!(
            (&report["added"], &report["organization_keys"]),
            (&false.into(), &3.into())
        );
        assert!(run(&["check"]).await.status.success(), "{case}");
        let _ = fs::remove_file(&handed_over);
        let _ = fs::remove_file(program.path(KEY));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_does_not_open_is_named_and_stops_no_other() {
    let program = installation().await;
    let path = program.path(DATABASE);
    let damage = "UPDATE organization_keys SET sealed = zeroblob(61) WHERE organization_id =
                  (SELECT id FROM organizations WHERE slug = 'south')";
    alter(&path, damage).await;
    let output = program.run(&["master-key", "rotate", "--json"]).await;
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("organization `south` in dev stays under"),
        "{said}"
    );
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["organization_keys"], 2, "{report}");
    assert_eq!(report["unopened"][0]["organization"], "south", "{report}");
    assert_eq!(
        report["retired"],
        serde_json::json!([]),
        "it is under the old one still"
    );
    // Another attempt makes no other key.
    assert_eq!(
        program.run(&["master-key", "rotate"]).await.status.code(),
        Some(1)
    );
    assert_eq!(status(&program).await["keys"].as_array().unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_seals_what_is_entered_under_the_key_in_use() {
    let program = installation().await;
    let (server, log) = serve_logged(&program, &[]).await;
    program.ok(&["master-key", "rotate"]).await;
    // By a command now: what the server itself enters is in `load`.
    program.organization("west", &["dev"]).await;
    assert_whole(&program).await;
    drop(server);
    let log = fs::read_to_string(log).unwrap();
    assert!(!log.contains("\"ERROR\""), "{log}");
    let mut database = open(&program.path(DATABASE)).await;
    let keys: i64 = sqlx::query_scalar(
        "SELECT COUNT(*) FROM organization_keys WHERE kek_id = (SELECT kek_id FROM installation)",
    )
    .fetch_one(&mut database)
    .await
    .unwrap();
    assert_eq!(keys, 4);
}
