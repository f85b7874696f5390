//! A disk that is full, a database that another process has locked, and one that cannot be read:
//! changes end with an error that says so, and calls go on.

mod api;

use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};
use sqlx::Connection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};

use crate::support::commands::{PLACE, clinic, fed, free_address, stderr, words};
use crate::support::process::{end, serve_logged, soon, within};
use crate::support::program::{self, Program, Server};
use crate::support::records::Records;
use crate::support::room::Room;
use crate::support::{McpClient, app};

const DATABASE: &str = "data/locum.db";
/// The server writes its own books every five seconds, and waits five for the database.
const BOOKS: Duration = Duration::from_secs(30);
const FIELDS: &str = "client_id = \"north-dev\"\nclient_secret = \"synthetic\"\n";

async fn read(client: &McpClient) -> bool {
    let arguments = json!({"clinic_id": "C2001"});
    let reply = client.call("get_clinic_details_basic", arguments).await;
    reply.is_ok()
}

async fn readyz(admin: &str) -> (u16, Value) {
    let url = format!("http://{admin}/readyz");
    let answer = app::reqwest_client().get(url).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

/// Organizations north and south behind a server with a known admin address, and a key for both.
async fn served(program: &Program) -> (Server, String, McpClient) {
    program.organization("south", &["dev"]).await;
    let key = program.key(&["north", "south"]).await;
    let admin = free_address();
    let (server, _) = serve_logged(program, &[("LOCUM__ADMIN__LISTEN", &admin)]).await;
    let client = McpClient::new(&server.url, &key);
    (server, admin, client)
}

/// An installation whose data is in a small room.
async fn small_clinic(size: &str) -> (Program, Room, Server) {
    let sandbox = program::sandbox().await;
    let mut program = Program::empty();
    let room = Room::around(&mut program, size).await;
    program.ok(&["init"]).await;
    program.configure_upstream(&sandbox.url);
    program.organization("north", &["dev"]).await;
    (program, room, sandbox)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_stops_changes_alone_and_only_while_it_is_full() {
    let (program, room, _sandbox) = small_clinic("2m").await;
    let (mut server, admin, client) = served(&program).await;
    let (north, south) = (client.at("north", "dev"), client.at("south", "dev"));
    assert!(read(&north).await);
    let before = Records::read(&room.copy_database(&program)).await;
    room.fill();
    let set = words("credential set --from-file -", &PLACE);
    let import = words("credential import -", &PLACE);
    let dotenv = "EKA_CLIENT_ID=a\nEKA_CLIENT_SECRET=b\n";
    let id = before.keys.keys().next().unwrap();
    for (command, input) in [
        (words("org create west --name w", &[]), ""),
        (words("org set north --name n", &[]), ""),
        (words("org suspend north", &[]), ""),
        (words("org resume north", &[]), ""),
        (set.clone(), FIELDS),
        (import, dotenv),
        (words("credential stage --from-file -", &PLACE), FIELDS),
        (words("credential revoke", &PLACE), ""),
        (words("key roll --grace 7d", &[id]), ""),
        (words("key create --name k --all-envs --org north", &[]), ""),
        (words("key revoke", &[id]), ""),
        (words("org set north --env dev --per-minute 5", &[]), ""),
        (words("org delete south --confirm south", &[]), ""),
        (words("admin-token create --name t --role auditor", &[]), ""),
    ] {
        let output = fed(&program, &command, input).await;
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{command:?}: {text}");
        let clear =
            text.contains("disk of the database is full") && text.contains("nothing was changed");
        assert!(clear, "{command:?}: {text}");
        assert!(read(&north).await, "{command:?}");
    }
    // Questions are answered, a first login is made, and the server is well, but for its own books.
    program.ok(&["org", "list"]).await;
    assert!(read(&south).await);
    let writes = async || {
        let (status, body) = readyz(&admin).await;
        assert_eq!(status, 200);
        body["writes"].as_str().unwrap().to_owned()
    };
    within(BOOKS, "word of writes that fail", async || {
        writes().await.starts_with("failing")
    })
    .await;
    let after = Records::read(&room.copy_database(&program)).await;
    assert_eq!(before, after);

    room.empty();
    program.ok(&["org", "create", "west", "--name", "w"]).await;
    assert!(fed(&program, &set, FIELDS).await.status.success());
    let after = Records::read(&room.copy_database(&program)).await;
    assert!(after.organizations.contains_key("west") && after.active != before.active);
    soon("the changes", async || {
        readyz(&admin).await.1["revision"] == after.revision
    })
    .await;
    within(BOOKS, "writes that succeed", async || {
        writes().await == "ok"
    })
    .await;
    assert!(read(&north).await);
    assert!(end(&mut server.child, Signal::TERM).await.success());
}

/// In strict mode a call is on record before it is made: so it says whether the server can write.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_writes_again_when_there_is_room_again() {
    let (program, room, _sandbox) = small_clinic("2m").await;
    let key = program.key(&["north"]).await;
    let (mut server, _) = serve_logged(&program, &[("LOCUM__AUDIT__STRICT", "true")]).await;
    let north = McpClient::new(&server.url, &key).at("north", "dev");
    assert!(read(&north).await);
    for _ in 0..2 {
        room.fill();
        soon("a call that cannot be recorded", async || {
            !read(&north).await
        })
        .await;
        room.empty();
        soon("a call that can be", async || read(&north).await).await;
    }
    let end = end(&mut server.child, Signal::TERM).await;
    assert!(end.success());
    program.ok(&["audit", "verify"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_stops_and_starts_again_around_a_full_disk() {
    let (program, room, _sandbox) = small_clinic("2m").await;
    let (mut server, _, client) = served(&program).await;
    let north = client.at("north", "dev");
    room.fill();
    assert!(read(&north).await);
    assert!(end(&mut server.child, Signal::TERM).await.success());
    // Its end gave the log's space back.
    room.fill();
    let output = program.run(&["serve"]).await;
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("disk of the database is full"), "{text}");
    room.empty();
    let (server, _) = serve_logged(&program, &[]).await;
    let north = McpClient::new(&server.url, &north.key).at("north", "dev");
    assert!(read(&north).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_init_on_a_full_disk_says_so_and_can_be_repeated() {
    let mut program = Program::empty();
    let room = Room::around(&mut program, "1m").await;
    room.fill();
    let (code, text) = program.fails(&["init"]).await;
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("No space left on device"), "{text}");
    room.empty();
    let output = program.run(&["init"]).await;
    if !output.status.success() {
        let text = stderr(&output);
        assert!(
            text.contains("data/master.key") && text.contains("remove them"),
            "{text}"
        );
        std::fs::remove_file(room.path("master.key")).unwrap();
        program.ok(&["init"]).await;
    }
    program.ok(&["org", "create", "north", "--name", "n"]).await;
}

/// A connection of another program's, which keeps everybody else from writing.
async fn lock(program: &Program) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(program.path(DATABASE));
    let mut holder = SqliteConnection::connect_with(&options).await.unwrap();
    sqlx::query("BEGIN EXCLUSIVE")
        .execute(&mut holder)
        .await
        .unwrap();
    holder
}

#[tokio::test(flavor = "multi_thread")]
async fn a_locked_database_stops_changes_after_five_seconds_and_nothing_else() {
    let (program, _sandbox) = clinic().await;
    let (_server, admin, client) = served(&program).await;
    let (north, south) = (client.at("north", "dev"), client.at("south", "dev"));
    assert!(read(&north).await);
    let before = Records::read(&program.path(DATABASE)).await;
    let holder = lock(&program).await;
    let changes = ["a", "b", "c"].map(|slug| {
        let mut command = program.command(&["org", "create", slug, "--name", "x"]);
        tokio::spawn(async move {
            let mut output = std::pin::pin!(command.output());
            let early = tokio::time::timeout(Duration::from_secs(2), &mut output).await;
            assert!(early.is_err(), "it waits first: {early:?}");
            output.await.unwrap()
        })
    });
    // Meanwhile: a cached token, a first login, a question, the server's own reading.
    assert!(read(&north).await && read(&south).await);
    program.ok(&["org", "list"]).await;
    assert_eq!(readyz(&admin).await.0, 200);
    for change in changes {
        let output = change.await.unwrap();
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.contains("kept the database locked for 5 s"), "{text}");
    }
    // As long as it is locked: the server writes what it has kept as soon as it may.
    assert_eq!(before, Records::read(&program.path(DATABASE)).await);
    holder.close().await.unwrap();
    program.ok(&["org", "create", "a", "--name", "x"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_waits_for_one_that_takes_a_while() {
    let (program, _sandbox) = clinic().await;
    let holder = lock(&program).await;
    let mut command = program.command(&["org", "create", "south", "--name", "x"]);
    let change = tokio::spawn(async move { command.output().await.unwrap() });
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(!change.is_finished());
    holder.close().await.unwrap();
    assert!(change.await.unwrap().status.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_whose_database_cannot_be_read_serves_what_it_knows_and_says_so() {
    let (program, _sandbox) = clinic().await;
    let (_server, admin, client) = served(&program).await;
    let north = client.at("north", "dev");
    assert!(read(&north).await);
    let options = SqliteConnectOptions::new().filename(program.path(DATABASE));
    let mut other = SqliteConnection::connect_with(&options).await.unwrap();
    for (change, status, text) in [
        (
            "ALTER TABLE gateway_keys RENAME TO lost",
            503,
            "stale: the database cannot be read",
        ),
        ("ALTER TABLE lost RENAME TO gateway_keys", 200, "ok"),
    ] {
        sqlx::query(change).execute(&mut other).await.unwrap();
        let raise = "UPDATE revision SET value = value + 1";
        sqlx::query(raise).execute(&mut other).await.unwrap();
        soon(text, async || {
            let (got, body) = readyz(&admin).await;
            got == status && body["status"] == text
        })
        .await;
        assert!(read(&north).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_login_while_the_database_cannot_be_read_fails_for_that_time() {
    let (program, _sandbox) = clinic().await;
    let (_server, _, client) = served(&program).await;
    let south = client.at("south", "dev");
    let options = SqliteConnectOptions::new().filename(program.path(DATABASE));
    let mut other = SqliteConnection::connect_with(&options).await.unwrap();
    let lose = "ALTER TABLE credential_fields RENAME TO lost";
    sqlx::query(lose).execute(&mut other).await.unwrap();
    let arguments = json!({"clinic_id": "C2001"});
    let reply = south.call("get_clinic_details_basic", arguments).await;
    assert_eq!(
        reply.failure()["error_code"],
        "login_unavailable",
        "{}",
        reply.body
    );
    let find = "ALTER TABLE lost RENAME TO credential_fields";
    sqlx::query(find).execute(&mut other).await.unwrap();
    soon("the first pause is over", async || read(&south).await).await;
}
