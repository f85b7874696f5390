//! Faults on request: which requests they strike, what they do, and playing them.

mod bomb;
mod play;
mod rule;
mod schedule;

pub use play::play;
pub use rule::{Fault, FaultRule, KINDS};
pub use schedule::{Faults, Scene};
