//! Has the linker put the functions that a call runs through next to each other, before all others.
//!
//! A call executes about one part in a hundred of the program's text, in functions that lie all over
//! it: in more pages than a processor keeps translations of. `calls.ld` lists these functions, without
//! what another compiler or version would change of their names. docs/performance.md says what that is
//! worth, and docs/contributing.md how the list is made anew.

#![expect(
    clippy::disallowed_methods,
    reason = "that is how Cargo tells what it builds for"
)]

use std::env::var;
use std::path::Path;

fn main() {
    println!("cargo::rerun-if-changed=packaging/calls.ld");
    let is = |name: &str, value: &str| var(name).as_deref() == Ok(value);
    // Matching the list adds ten seconds to linking: that is not for builds while somebody works.
    // GNU ld and lld understand a script that inserts; Rust and Linux have them by default.
    if is("CARGO_CFG_TARGET_OS", "linux") && !is("OPT_LEVEL", "0") {
        let root = var("CARGO_MANIFEST_DIR").unwrap_or_default();
        let script = Path::new(&root).join("packaging/calls.ld");
        println!("cargo::rustc-link-arg-bins=-T{}", script.display());
    }
}
