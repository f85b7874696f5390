//! Thousands of clients that keep a connection and ask for nothing.

use std::time::Duration;

use rustix::process::{Resource, getrlimit};

use crate::support::load::spread;
use crate::support::process::serve_logged;
use crate::support::program::Program;
use crate::support::wire::{Draft, Wire};

const COUNT: usize = 10_000;
/// The server keeps a quarter of its files for other things, and serves everybody well until an
/// eighth of its places is left: it needs 15,340. This process has files of its own.
const FILES: u64 = 16_384;
/// One address has 28,000 ports, and other tests use some of them.
const PER_ADDRESS: usize = 2_000;

fn assert_files() {
    let limit = getrlimit(Resource::Nofile).maximum;
    assert!(
        limit.is_none_or(|limit| limit >= FILES),
        "{COUNT} connections need {FILES} open files, and the hard limit is {limit:?}: raise it, as \
         root with `ulimit -Hn {FILES}` in the shell that runs the tests"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_idle_connections_are_held_and_calls_beside_them_succeed() {
    assert_files();
    let program = Program::init().await;
    program.organization("north", &["dev"]).await;
    let key = program.key(&["north"]).await;
    let (server, _) = serve_logged(&program, &[]).await;
    let ping = r#"{"jsonrpc":"2.0","id":7,"method":"ping"}"#;
    let request = Draft::post("/t/north/dev/mcp", ping)
        .with(format!("Authorization: Bearer {key}"))
        .bytes();
    let open = {
        let (url, request) = (server.url.clone(), request.clone());
        move |number: usize| {
            let (url, request) = (url.clone(), request.clone());
            async move {
                let source = format!("127.0.0.{}", 10 + number / PER_ADDRESS);
                let mut wire = Wire::connect_from(&source, &url).await;
                assert_eq!(
                    wire.exchange(&request).await.status,
                    200,
                    "connection {number}"
                );
                wire
            }
        }
    };
    let mut wires = spread(COUNT, 64, open).await;
    for _ in 0..100 {
        let answer = Wire::connect(&server.url).await.exchange(&request).await;
        assert_eq!(answer.status, 200, "beside {COUNT} connections");
    }
    // Longer than idle connections get when places are scarce.
    tokio::time::sleep(Duration::from_secs(7)).await;
    for (number, wire) in wires.iter_mut().enumerate() {
        let answer = wire.exchange(&request).await;
        assert_eq!(answer.status, 200, "connection {number}");
    }
}
