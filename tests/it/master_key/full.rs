//! A rotation of the master key on a disk without room for the new key file, or for what is written
//! after it.

use super::{assert_whole, ids, status};
use crate::support::process::serve_logged;
use crate::support::program::Program;
use crate::support::room::Room;

/// What a key file takes of the disk.
const KEY_FILE: u64 = 4_096;

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_that_finds_no_room_is_finished_when_there_is_some_with_one_new_key() {
    let mut program = Program::empty();
    let room = Room::around(&mut program, "2m").await;
    program.ok(&["init"]).await;
    program.configure("");
    program.organization("north", &["dev", "prod"]).await;
    // It keeps the database open, which takes room. Nobody calls it: for its first half minute it has
    // nothing to write.
    let (_server, _) = serve_logged(&program, &[]).await;
    let before = assert_whole(&program).await;

    room.fill();
    let (code, text) = program.fails(&["master-key", "rotate"]).await;
    let said = text.contains("master.key.new: No space left on device");
    assert!(code == 1 && said, "{code} {text}");
    assert_eq!(status(&program).await, before);

    room.spare(KEY_FILE);
    let (code, text) = program.fails(&["master-key", "rotate"]).await;
    let said = ["goes on with it", "disk of the database is full"];
    let said = said.iter().all(|said| text.contains(said));
    assert!(code == 1 && said, "{code} {text}");
    let open = status(&program).await;
    let named = ids(&open, "active");
    assert!(text.contains(&named[0]), "{text}");
    assert_eq!(open["complete"], false, "{open}");
    assert_eq!(ids(&open, "retired"), ids(&before, "active"));
    // Whatever is there, everything can be read.
    program.ok(&["check"]).await;

    room.empty();
    let report = program.json(&["master-key", "rotate"]).await;
    assert_eq!(report["added"], false, "{report}");
    assert_eq!(report["organization_keys"], 2, "{report}");
    let after = assert_whole(&program).await;
    assert_eq!(ids(&after, "active"), ids(&open, "active"));
    assert_eq!(ids(&after, "retired"), ids(&before, "active"));
}
