//! The master key and what it protects: a key that is wrong, missing or readable by others stops
//! every command and leaves the database as it was; a sealed value opens in its own place alone.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::PathBuf;

use locum::app::{App, AppError, Surroundings};
use locum::domain::credential::CredentialMetadata;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteSynchronous};
use sqlx::{Connection, Row};
use uuid::Uuid;

use crate::support::TestApp;
use crate::support::process::serve_logged;
use crate::support::program::{Program, write_private};

const KEY: &str = "data/master.key";
const DATABASE: &str = "data/locum.db";

async fn installation() -> Program {
    let program = Program::init().await;
    program.organization("north", &["dev"]).await;
    program
}

fn key_text(program: &Program) -> String {
    fs::read_to_string(program.path(KEY)).unwrap()
}

/// The id of the ring's only key, and its digits.
fn key_parts(text: &str) -> (String, String) {
    let line = text.lines().find(|line| !line.starts_with('#')).unwrap();
    let words: Vec<&str> = line.split(' ').collect();
    (words[0].to_owned(), words[2].to_owned())
}

fn set_mode(path: PathBuf, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// Every command that opens the installation ends with 78 and this text, and changes no byte.
async fn assert_locked(program: &Program, case: &str, expected: &str) {
    let before = fs::read(program.path(DATABASE)).unwrap();
    for arguments in [
        &["check"][..],
        &["serve"],
        &["org", "list"],
        &["org", "create", "intruder", "--name", "x"],
    ] {
        let (code, message) = program.fails(arguments).await;
        assert_eq!(code, 78, "{case}: {arguments:?}: {message}");
        assert!(
            message.contains(expected),
            "{case}: {arguments:?}: {message}"
        );
    }
    let after = fs::read(program.path(DATABASE)).unwrap();
    assert!(before == after, "{case}: the database changed");
    let log = fs::metadata(program.path("data/locum.db-wal")).map_or(0, |file| file.len());
    assert_eq!(log, 0, "{case}: something was written");
}

/// One way to spoil a key file: its name, what to do, what the message has to say.
type Spoiling = (&'static str, fn(&Program), &'static str);

const SPOILINGS: &[Spoiling] = &[
    (
        "missing",
        |p| fs::remove_file(p.path(KEY)).unwrap(),
        "only a copy of the old one opens",
    ),
    (
        "readable by all",
        |p| set_mode(p.path(KEY), 0o644),
        "run: chmod 600",
    ),
    (
        "readable by the group",
        |p| set_mode(p.path(KEY), 0o640),
        "run: chmod 600",
    ),
    (
        "writable by all",
        |p| set_mode(p.path(KEY), 0o622),
        "run: chmod 600",
    ),
    (
        "executable",
        |p| set_mode(p.path(KEY), 0o700),
        "run: chmod 600",
    ),
    (
        "folder open to the group",
        |p| set_mode(p.path("data"), 0o770),
        "run: chmod go-w",
    ),
    (
        "folder open to all",
        |p| set_mode(p.path("data"), 0o777),
        "run: chmod go-w",
    ),
    (
        "symbolic link",
        |p| {
            fs::rename(p.path(KEY), p.path("elsewhere")).unwrap();
            symlink(p.path("elsewhere"), p.path(KEY)).unwrap();
        },
        "vault.mounted_secret = true",
    ),
    (
        "link to nothing",
        |p| {
            fs::remove_file(p.path(KEY)).unwrap();
            symlink(p.path("nothing"), p.path(KEY)).unwrap();
        },
        "is a symbolic link",
    ),
    (
        "folder",
        |p| {
            fs::remove_file(p.path(KEY)).unwrap();
            fs::create_dir(p.path(KEY)).unwrap();
        },
        "is not a regular file",
    ),
    (
        "empty",
        |p| write_private(&p.path(KEY), ""),
        "exactly one key is to be active",
    ),
    (
        "garbage",
        |p| write_private(&p.path(KEY), "hunter2 hunter2\n"),
        "line 1: expected",
    ),
    (
        "one digit short",
        |p| write_private(&p.path(KEY), &key_text(p).trim_end()[1..].replace("# ", "")),
        "line 1: expected",
    ),
    (
        "another key of the same name",
        |p| {
            let text = key_text(p);
            let (_, digits) = key_parts(&text);
            write_private(&p.path(KEY), &text.replace(&digits, &"ab".repeat(32)));
        },
        "the master key does not fit the database",
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_key_file_that_is_not_as_it_should_be_stops_everything() {
    for (case, spoil, expected) in SPOILINGS {
        let program = installation().await;
        spoil(&program);
        assert_locked(&program, case, expected).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_key_is_named() {
    let program = installation().await;
    let text = key_text(&program);
    let (id, _) = key_parts(&text);
    write_private(&program.path(KEY), &text.replace(&id, "kek-other"));
    let expected = format!("the key ring has no key `{id}`; add it to the key file");
    assert_locked(&program, "another id", &expected).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_another_user_is_good_from_a_secret_mount_alone() {
    assert!(
        rustix::process::geteuid().is_root(),
        "only root can give a file away: run the tests as root"
    );
    let program = installation().await;
    chown(program.path(KEY), Some(65534), Some(65534)).unwrap();
    assert_locked(
        &program,
        "another owner",
        "belongs to another user; chown it",
    )
    .await;
    program.configure("[vault]\nmounted_secret = true\n");
    for mode in [0o600, 0o400, 0o444] {
        set_mode(program.path(KEY), mode);
        program.ok(&["check"]).await;
    }
    set_mode(program.path(KEY), 0o666);
    assert_locked(&program, "mount that all can write", "chmod 600").await;
    set_mode(program.path(KEY), 0o444);
    fs::rename(program.path(KEY), program.path("..data")).unwrap();
    symlink(program.path("..data"), program.path(KEY)).unwrap();
    program.ok(&["check"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_environment_gives_a_key_with_a_warning_and_only_without_a_file() {
    let program = installation().await;
    let text = key_text(&program);
    let other = text.replace(&key_parts(&text).1, &"ab".repeat(32));
    let with = |key: &str, arguments: &[&str]| {
        let mut command = program.command(arguments);
        command.env("LOCUM_MASTER_KEY", key);
        command
    };
    let with_file = with(&other, &["check"]).output().await.unwrap();
    assert!(
        with_file.status.success(),
        "the file comes first: {with_file:?}"
    );
    fs::remove_file(program.path(KEY)).unwrap();
    let without = with(&text, &["check"]).output().await.unwrap();
    assert!(without.status.success(), "{without:?}");
    let wrong = with(&other, &["check"]).output().await.unwrap();
    assert_eq!(wrong.status.code(), Some(78), "{wrong:?}");
    let none = with("nonsense", &["check"]).output().await.unwrap();
    let message = String::from_utf8(none.stderr).unwrap();
    assert!(
        message.contains("LOCUM_MASTER_KEY") && !message.contains("nonsense"),
        "{message}"
    );
    let (_server, log) = serve_logged(&program, &[("LOCUM_MASTER_KEY", &text)]).await;
    let log = fs::read_to_string(log).unwrap();
    assert!(log.contains("for development only"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn systemd_hands_the_key_over() {
    let program = installation().await;
    let credentials = program.path("credentials");
    fs::create_dir(&credentials).unwrap();
    fs::rename(program.path(KEY), credentials.join("locum.master-key")).unwrap();
    set_mode(credentials.join("locum.master-key"), 0o440);
    assert_locked(&program, "without systemd", "does not exist").await;
    let mut command = program.command(&["check"]);
    let output = command
        .env("CREDENTIALS_DIRECTORY", &credentials)
        .output()
        .await
        .unwrap();
    assert!(output.status.success(), "{output:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn init_never_overwrites() {
    for name in ["locum.toml", KEY, DATABASE] {
        let program = Program::empty();
        fs::create_dir(program.path("data")).unwrap();
        fs::write(program.path(name), "mine").unwrap();
        let (code, message) = program.fails(&["init"]).await;
        assert_eq!(code, 1, "{name}: {message}");
        assert!(message.contains("never overwrites"), "{name}: {message}");
        assert_eq!(fs::read_to_string(program.path(name)).unwrap(), "mine");
        for other in ["locum.toml", KEY, DATABASE]
            .iter()
            .filter(|other| **other != name)
        {
            assert!(!program.path(other).exists(), "{name}: {other} was made");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_none_or_too_new_is_refused_as_it_is() {
    let program = installation().await;
    let mut database = connection(program.path(DATABASE)).await;
    sqlx::query(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
         VALUES (9999, 'of a later version', 1, x'00', 0)",
    )
    .execute(&mut database)
    .await
    .unwrap();
    database.close().await.unwrap();
    assert_locked(&program, "too new", "was written by a newer locum").await;
    fs::write(program.path(DATABASE), "").unwrap();
    assert_locked(&program, "empty", "was never initialized").await;
    fs::write(program.path(DATABASE), "another file ".repeat(100)).unwrap();
    assert_locked(&program, "other", "locum.db is no database of locum").await;
    fs::remove_file(program.path(DATABASE)).unwrap();
    let (code, message) = program.fails(&["check"]).await;
    assert_eq!(code, 78);
    assert!(message.contains("run `locum init` first"), "{message}");
    assert!(!program.path(DATABASE).exists());
}

/// A second connection, beside the gateway's own.
async fn connection(path: PathBuf) -> SqliteConnection {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .synchronous(SqliteSynchronous::Off);
    SqliteConnection::connect_with(&options).await.unwrap()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Table {
    Fields,
    Keys,
}

/// A sealed value in the database, and a credential version that needs it.
#[derive(Clone, Debug)]
struct Place {
    table: Table,
    row: i64,
    version: Uuid,
    sealed: Vec<u8>,
}

/// A database with sealed values, and hands in it.
struct Tampered {
    app: TestApp,
    database: SqliteConnection,
    places: Vec<Place>,
    versions: Vec<CredentialMetadata>,
}

impl Tampered {
    async fn new() -> Self {
        let app = TestApp::builder()
            .org("north", &["dev", "prod"])
            .org("south", &["dev", "prod"])
            .start()
            .await;
        let versions = app.admin().credentials(None).await.unwrap();
        let path = app.running.app().loaded.database().unwrap();
        let mut database = connection(path).await;
        let fields = "SELECT rowid, sealed, version_id FROM credential_fields";
        let keys = "SELECT k.rowid, k.sealed, v.id FROM organization_keys k
                    JOIN credential_versions v USING (organization_id, environment)";
        let mut places = Vec::new();
        for (table, query) in [(Table::Fields, fields), (Table::Keys, keys)] {
            for row in sqlx::query(query).fetch_all(&mut database).await.unwrap() {
                places.push(Place {
                    table,
                    row: row.get(0),
                    sealed: row.get(1),
                    version: row.get(2),
                });
            }
        }
        assert_eq!(places.len(), 12, "eight fields and four keys");
        Self {
            app,
            database,
            places,
            versions,
        }
    }

    async fn put(&mut self, place: &Place, sealed: &[u8]) {
        let query = match place.table {
            Table::Fields => "UPDATE credential_fields SET sealed = ? WHERE rowid = ?",
            Table::Keys => "UPDATE organization_keys SET sealed = ? WHERE rowid = ?",
        };
        let query = sqlx::query(query).bind(sealed).bind(place.row);
        query.execute(&mut self.database).await.unwrap();
    }

    async fn restore(&mut self, place: &Place) {
        self.put(place, &place.sealed).await;
    }

    async fn opens(&self, version: Uuid) -> bool {
        let known = self.versions.iter().find(|known| known.id.0 == version);
        self.app
            .admin()
            .open_credential(known.unwrap())
            .await
            .is_ok()
    }

    async fn assert_all_open(&self) {
        for version in &self.versions {
            assert!(self.opens(version.id.0).await);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sealed_value_opens_in_no_other_place() {
    let mut tampered = Tampered::new().await;
    tampered.assert_all_open().await;
    let places = tampered.places.clone();
    for target in &places {
        for source in places
            .iter()
            .filter(|source| source.sealed != target.sealed)
        {
            tampered.put(target, &source.sealed).await;
            assert!(
                !tampered.opens(target.version).await,
                "{source:?} at {target:?}"
            );
        }
        tampered.restore(target).await;
    }
    tampered.assert_all_open().await;
    // Everything of one tenant at once, its key included, at the place of another.
    let of = |version: Uuid| places.iter().filter(move |place| place.version == version);
    for target in &tampered.versions.clone() {
        for source in &tampered.versions.clone() {
            if source.id == target.id {
                continue;
            }
            for (to, from) in of(target.id.0).zip(of(source.id.0)) {
                assert_eq!(to.table, from.table);
                tampered.put(to, &from.sealed).await;
            }
            assert!(!tampered.opens(target.id.0).await);
        }
        for place in of(target.id.0) {
            tampered.restore(place).await;
        }
    }
    tampered.assert_all_open().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sealed_value_opens_with_no_bit_changed_and_none_missing() {
    let mut tampered = Tampered::new().await;
    for place in tampered.places.clone() {
        let sealed = &place.sealed;
        for bit in 0..sealed.len() * 8 {
            let mut changed = sealed.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            tampered.put(&place, &changed).await;
            assert!(
                !tampered.opens(place.version).await,
                "bit {bit} of {place:?}"
            );
        }
        let longer = [sealed.as_slice(), &[0]].concat();
        for changed in [&[], &sealed[..1], &sealed[..sealed.len() - 1], &longer] {
            tampered.put(&place, changed).await;
            assert!(
                !tampered.opens(place.version).await,
                "{changed:?} of {place:?}"
            );
        }
        tampered.restore(&place).await;
    }
    tampered.assert_all_open().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_check_that_was_touched_opens_no_database() {
    let mut tampered = Tampered::new().await;
    let row = sqlx::query("SELECT key_check FROM installation")
        .fetch_one(&mut tampered.database)
        .await
        .unwrap();
    let check: Vec<u8> = row.get(0);
    let flipped = (0..check.len()).map(|at| {
        let mut changed = check.clone();
        changed[at] ^= 1 << (at % 8);
        changed
    });
    let foreign = tampered.places.iter().map(|place| place.sealed.clone());
    let all: Vec<Vec<u8>> = flipped.chain(foreign).chain([Vec::new()]).collect();
    for changed in all {
        sqlx::query("UPDATE installation SET key_check = ?")
            .bind(changed)
            .execute(&mut tampered.database)
            .await
            .unwrap();
        let app = tampered.app.running.app();
        let surroundings = Surroundings::default();
        let opened = App::open(app.loaded.clone(), &surroundings, app.clock.clone()).await;
        assert!(matches!(opened.err(), Some(AppError::Key { .. })));
    }
}
