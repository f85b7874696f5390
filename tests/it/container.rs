//! The image's contract with the real program, without a container engine: the file system that
//! the Dockerfile lays out, as a read-only root in namespaces of its own, a user without
//! privileges, the variables of Dockerfile and compose file, and secrets mounted as engines do it.
//! It needs root, as an engine does.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::support::commands::{feed, stderr};

const USER: u32 = 65_532;
const PROGRAM: &str = "/usr/local/bin/locum";

/// Runs in new namespaces: `$1` is the root, `$2` the volume, `$3` the secrets, `$4` where they go.
const START: &str = r#"
set -eu
root=$1 volume=$2 secrets=$3 place=$4
shift 4
ip link set lo up
mount --bind "$root" "$root"
mount --bind "$volume" "$root/var/lib/locum"
mount --bind "$secrets" "$root$place"
mount -t proc proc "$root/proc"
mount -o remount,bind,ro "$root"
exec setpriv --no-new-privs chroot --userspec=65532:65532 --groups= "$root" /usr/local/bin/locum "$@"
"#;

/// What the engine would keep.
struct Engine {
    folder: TempDir,
    /// The image's variables and those of the compose file's services.
    variables: Vec<(String, String)>,
}

fn source(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

/// `LOCUM…=value` and `LOCUM…: value` in a text; of names that come twice the last.
fn variables(text: &str, between: &str) -> Vec<(String, String)> {
    let lines = text
        .lines()
        .map(|line| line.trim().trim_start_matches("ENV "));
    let pairs = lines.filter_map(|line| line.split_once(between));
    pairs
        .filter(|(name, _)| name.starts_with("LOCUM"))
        .map(|(name, value)| {
            (
                name.to_owned(),
                value.trim_end_matches(" \\").trim_matches('"').to_owned(),
            )
        })
        .collect()
}

/// The variables of a service: those of all, and its own lines.
fn compose_variables(service: &str) -> Vec<(String, String)> {
    let text = source("docker-compose.yml");
    let (common, services) = text.split_once("\nservices:\n").unwrap();
    let own = services.split_once(&format!("  {service}:\n")).unwrap().1;
    let own: Vec<&str> = own
        .lines()
        .take_while(|line| line.is_empty() || line.starts_with("    "))
        .collect();
    let mut all = variables(common, ": ");
    all.extend(variables(&own.join("\n"), ": "));
    // Compose fills such a value in; this is its default.
    for (_, value) in &mut all {
        if let Some(rest) = value.strip_prefix("${") {
            *value = rest
                .split_once(":-")
                .unwrap()
                .1
                .trim_end_matches('}')
                .to_owned();
        }
    }
    all
}

impl Engine {
    fn new() -> Self {
        assert!(
            rustix::process::geteuid().is_root(),
            "the tests of the container need root"
        );
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let engine = Self {
            folder,
            variables: variables(&source("Dockerfile"), "="),
        };
        assert_eq!(engine.variables.len(), 3, "{:?}", engine.variables);
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/rootfs.sh");
        let made = std::process::Command::new(script)
            .args([Path::new(env!("CARGO_BIN_EXE_locum")), &engine.path("root")])
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        // What an engine makes by itself: /proc, and the places of mounts.
        for name in ["root/proc", "root/secrets", "volume", "secrets"] {
            fs::create_dir_all(engine.path(name)).unwrap();
        }
        // A new volume is as the image's folder; secrets are as the compose file says.
        let image = fs::metadata(engine.path("root/var/lib/locum")).unwrap();
        assert_eq!((image.uid(), image.mode() & 0o7777), (USER, 0o700));
        for name in ["volume", "secrets"] {
            chown(engine.path(name), Some(USER), Some(USER)).unwrap();
            fs::set_permissions(engine.path(name), fs::Permissions::from_mode(0o700)).unwrap();
        }
        engine
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn environment(&self, command: &mut Command, service: &str) {
        command
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .envs(self.variables.iter().cloned())
            .envs(compose_variables(service))
            .kill_on_drop(true);
    }

    /// `docker compose run SERVICE`, with the secrets at a place.
    fn run(&self, service: &str, place: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new("unshare");
        command
            .args([
                "--mount",
                "--pid",
                "--net",
                "--ipc",
                "--uts",
                "--fork",
                "--kill-child",
            ])
            .args(["sh", "-c", START, "sh"])
            .args([self.path("root"), self.path("volume"), self.path("secrets")])
            .arg(place)
            .args(arguments);
        self.environment(&mut command, service);
        command
    }

    /// `docker compose exec locum /usr/local/bin/locum …`
    fn exec(&self, container: &Container, arguments: &[&str]) -> Command {
        let mut command = Command::new("nsenter");
        command
            .args([
                "-t",
                &container.process.to_string(),
                "-m",
                "-p",
                "-n",
                "-i",
                "-u",
                "-r",
                "-w",
            ])
            .args(["-S", "65532", "-G", "65532", "--", PROGRAM])
            .args(arguments);
        self.environment(&mut command, "locum");
        command
    }

    async fn init(&self) {
        let mut command = self.run("init", "/secrets", &["init"]);
        let output = command.output().await.unwrap();
        assert!(output.status.success(), "{output:?}");
        let key = fs::metadata(self.path("secrets/master.key")).unwrap();
        assert_eq!((key.uid(), key.mode() & 0o7777), (USER, 0o600));
    }

    async fn serve(&self) -> Container {
        let mut command = self.run("locum", "/run/secrets", &["serve"]);
        let log = fs::File::create(self.path("log")).unwrap();
        let child = command.stdin(Stdio::null()).stderr(log).spawn().unwrap();
        for _ in 0..400 {
            let id = child.id().unwrap();
            let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children"));
            let process = children.unwrap().trim().parse();
            let log = fs::read_to_string(self.path("log")).unwrap();
            match process {
                Ok(process) if log.contains("serving") => return Container { child, process },
                _ => tokio::time::sleep(Duration::from_millis(25)).await,
            }
        }
        panic!("{}", fs::read_to_string(self.path("log")).unwrap());
    }
}

/// A container that serves.
struct Container {
    child: Child,
    /// Its first process, as the host sees it.
    process: i32,
}

impl Container {
    /// `docker stop`
    async fn stop(mut self) {
        kill_process(Pid::from_raw(self.process).unwrap(), Signal::TERM).unwrap();
        let end = tokio::time::timeout(Duration::from_secs(10), self.child.wait());
        assert!(
            end.await
                .expect("an end within ten seconds")
                .unwrap()
                .success()
        );
    }

    /// A request from within its network, by the host's programs.
    async fn post(&self, path: &str, key: &str, body: &str) -> Output {
        let id = self.process.to_string();
        Command::new("nsenter")
            .args([
                "-t",
                &id,
                "-n",
                "--",
                "curl",
                "-s",
                "--noproxy",
                "*",
                "-w",
                "%{http_code}",
            ])
            .args([
                "-H",
                &format!("Authorization: Bearer {key}"),
                "-H",
                "Content-Type: application/json",
            ])
            .args(["-d", body, &format!("http://127.0.0.1:8080{path}")])
            .output()
            .await
            .unwrap()
    }
}

async fn ok(mut command: Command) -> String {
    let output = command.stdin(Stdio::null()).output().await.unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// Not how large the program is: here it is as tests are built.
#[test]
fn the_image_holds_the_program_and_little_else() {
    let engine = Engine::new();
    let found = std::process::Command::new("find")
        .arg(engine.path("root"))
        .args(["-type", "f", "-printf", "%f %s\n"])
        .output()
        .unwrap();
    assert!(found.status.success(), "{found:?}");
    let found = String::from_utf8(found.stdout).unwrap();
    let files: Vec<(&str, u64)> = found
        .lines()
        .map(|line| line.split_once(' ').unwrap())
        .map(|(name, size)| (name, size.parse().unwrap()))
        .collect();
    let expected = [
        "locum",
        "ca-certificates.crt",
        "nsswitch.conf",
        "passwd",
        "group",
    ];
    let libraries = ["ld-linux", "libc.so", "libm.so", "libgcc_s.so"];
    for (name, _) in &files {
        let is_library = libraries.iter().any(|library| name.starts_with(library));
        assert!(expected.contains(name) || is_library, "{name}: {found}");
    }
    assert_eq!(files.len(), expected.len() + libraries.len(), "{found}");
    let beside = files.iter().filter(|(name, _)| *name != "locum");
    let beside: u64 = beside.map(|(_, size)| size).sum();
    assert!(beside < 6 << 20, "{found}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_image_serves_from_a_read_only_root_as_nobody_in_particular() {
    let engine = Engine::new();
    engine.init().await;
    let container = engine.serve().await;
    ok(engine.exec(&container, &["health"])).await;

    let status = fs::read_to_string(format!("/proc/{}/status", container.process)).unwrap();
    let field = |name: &str| {
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix(&format!("{name}:")));
        line.unwrap()
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(field("Uid"), "65532 65532 65532 65532");
    assert_eq!(
        (field("CapPrm"), field("CapEff")),
        ("0000000000000000".into(), "0000000000000000".into())
    );
    assert_eq!(
        (field("NoNewPrivs"), field("Groups")),
        ("1".into(), String::new())
    );
    assert_eq!(
        field("NSpid").split(' ').next_back(),
        Some("1"),
        "it is the first process"
    );
    let inside = PathBuf::from(format!("/proc/{}/root", container.process));
    for name in ["usr/local/bin/x", "tmp/x", "etc/x"] {
        let error = fs::write(inside.join(name), "").unwrap_err();
        assert_eq!(
            error.kind(),
            std::io::ErrorKind::ReadOnlyFilesystem,
            "{name}"
        );
    }

    ok(engine.exec(&container, &["org", "create", "north", "--name", "North"])).await;
    let place = "credential set --org north --env dev --provider eka-care --from-file -";
    let set: Vec<&str> = place.split(' ').collect();
    let fields = "client_id = \"a\"\nclient_secret = \"b\"\n";
    let output = feed(engine.exec(&container, &set), fields).await;
    assert!(output.status.success(), "{}", stderr(&output));
    let key = "key create --name k --all-envs --org north --json";
    let key: Vec<&str> = key.split(' ').collect();
    let created: serde_json::Value =
        serde_json::from_str(&ok(engine.exec(&container, &key)).await).unwrap();
    // The HTTP client is made with the image's CA roots, and every credential opens.
    ok(engine.exec(&container, &["check"])).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
    let output = container
        .post("/t/north/dev/mcp", created["key"].as_str().unwrap(), body)
        .await;
    let answer = String::from_utf8(output.stdout).unwrap();
    assert!(
        answer.ends_with("200") && answer.contains("search_patients"),
        "{answer}"
    );
    container.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_read_as_engines_and_clusters_mount_it_and_its_lack_is_a_refusal() {
    let engine = Engine::new();
    engine.init().await;
    // A cluster's: links into a folder of another owner, readable by the group alone.
    let key = engine.path("secrets/master.key");
    fs::create_dir(engine.path("secrets/..2026")).unwrap();
    let kept = engine.path("secrets/..2026/master.key");
    fs::rename(&key, &kept).unwrap();
    symlink("..2026", engine.path("secrets/..data")).unwrap();
    symlink("..data/master.key", &key).unwrap();
    chown(&kept, Some(0), Some(USER)).unwrap();
    fs::set_permissions(&kept, fs::Permissions::from_mode(0o440)).unwrap();
    let container = engine.serve().await;
    ok(engine.exec(&container, &["health"])).await;
    container.stop().await;

    for (mode, text) in [(0o400, "Permission denied"), (0o446, "has mode 0446")] {
        fs::set_permissions(&kept, fs::Permissions::from_mode(mode)).unwrap();
        let mut serve = engine.run("locum", "/run/secrets", &["serve"]);
        let output = serve.output().await.unwrap();
        assert_eq!(output.status.code(), Some(78), "{}", stderr(&output));
        assert!(stderr(&output).contains(text), "{}", stderr(&output));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_installation_the_image_says_what_is_missing() {
    let engine = Engine::new();
    for arguments in [&["serve"][..], &["health"]] {
        let mut command = engine.run("locum", "/run/secrets", arguments);
        let output = command.output().await.unwrap();
        assert_eq!(output.status.code(), Some(78), "{}", stderr(&output));
        assert!(
            stderr(&output).contains("run `locum init`"),
            "{}",
            stderr(&output)
        );
    }
}
