//! What the tests stand on.

pub mod app;
pub mod client;
pub mod load;
pub mod program;
pub mod sdk;

pub use app::TestApp;
