//! Checkpoints: a log whose end was cut off or written anew shows against one; others are refused.

use std::fs;

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::DATABASE;
use crate::support::database::alter;
use crate::support::program::Program;

/// Whether the holder of the public key signed it, as anybody can find out with that key alone.
fn auditor_accepts(checkpoint: &Value) -> bool {
    let text = |key: &str| checkpoint[key].as_str().unwrap().to_owned();
    let message = format!(
        "{}\ndatabase {}\nseq {}\nmac {}\nat {}\n",
        text("format"),
        text("database"),
        checkpoint["seq"],
        text("mac"),
        text("at")
    );
    let bytes = |key: &str| STANDARD.decode(text(key)).unwrap();
    let key = UnparsedPublicKey::new(&ED25519, bytes("public_key"));
    let signature = bytes("signature");
    key.verify(message.as_bytes(), &signature).is_ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_end_shows_against_a_checkpoint() {
    let program = Program::init().await;
    for name in ["a", "b", "c"] {
        program.ok(&["org", "create", name, "--name", name]).await;
    }
    let file = program.path("checkpoint.json");
    let file = file.to_str().unwrap();
    program.ok(&["audit", "checkpoint", "--output", file]).await;
    let checkpoint: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    assert_eq!(checkpoint["seq"], 3);
    assert!(auditor_accepts(&checkpoint));
    let mut forged = checkpoint.clone();
    forged["seq"] = json!(2);
    assert!(!auditor_accepts(&forged));

    let verify = ["audit", "verify", "--checkpoint", file];
    program.ok(&["org", "create", "d", "--name", "d"]).await;
    let found = program.json(&verify).await;
    assert_eq!(
        found,
        json!({"ok": true, "records": 4, "first": 1, "last": 4, "removed_to": null,
               "checkpoint": "agrees"})
    );
    alter(
        &program.path(DATABASE),
        "DELETE FROM audit_records WHERE seq > 1",
    )
    .await;
    program.ok(&["audit", "verify"]).await;
    let output = program.run(&verify).await;
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stdout).unwrap();
    let expected = "BROKEN: the end is cut off: the checkpoint saw records 2 to 3.\n";
    assert_eq!(text, expected);
    // Written anew as far as the checkpoint, by the program itself.
    for name in ["e", "f"] {
        program.ok(&["org", "create", name, "--name", name]).await;
    }
    program.ok(&["audit", "verify"]).await;
    let output = program.run(&[&verify[..], &["--json"]].concat()).await;
    assert_eq!(output.status.code(), Some(1));
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(found["damage"], json!({"seq": 3, "kind": "rewritten"}));
    assert_eq!(found["checkpoint"], "disagrees");
    // All of it gone.
    alter(&program.path(DATABASE), "DELETE FROM audit_records").await;
    let output = program.run(&[&verify[..], &["--json"]].concat()).await;
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(found["damage"], json!({"seq": 1, "kind": "cut", "to": 3}));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_of_something_else_is_refused() {
    let (program, other) = (Program::init().await, Program::init().await);
    let write = |name: &str, text: &str| {
        let path = program.path(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let own = program.ok(&["audit", "checkpoint"]).await;
    let foreign = other.ok(&["audit", "checkpoint"]).await;
    let (own, foreign): (Value, Value) = (
        serde_json::from_str(&own).unwrap(),
        serde_json::from_str(&foreign).unwrap(),
    );
    let with = |changes: &[(&str, &Value)]| {
        let mut changed = own.clone();
        for (key, value) in changes {
            changed[key] = (*value).clone();
        }
        changed.to_string()
    };
    let cases = [
        (foreign.to_string(), "is of another database"),
        (
            with(&[
                ("public_key", &foreign["public_key"]),
                ("signature", &foreign["signature"]),
            ]),
            "signed by another key",
        ),
        (
            with(&[("seq", &json!(7))]),
            "signature of the checkpoint is not right",
        ),
        (
            with(&[("format", &json!("x"))]),
            "no checkpoint of a format",
        ),
        (with(&[("more", &json!("x"))]), "unknown field `more`"),
        ("{}".to_owned(), "missing field"),
    ];
    for (text, message) in &cases {
        let file = write("checkpoint.json", text);
        let failed = program
            .fails(&["audit", "verify", "--checkpoint", &file])
            .await;
        assert!(failed.0 == 1 && failed.1.contains(message), "{failed:?}");
    }
    let file = write("checkpoint.json", &own.to_string());
    program
        .ok(&["audit", "verify", "--checkpoint", &file])
        .await;
}
