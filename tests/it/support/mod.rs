//! What the tests stand on.

pub mod app;
pub mod client;
pub mod program;
pub mod sdk;

pub use app::TestApp;
