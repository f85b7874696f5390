//! Requests to upstreams, for authorized calls and nothing else.

mod error;
mod meters;
mod rest;

pub use error::UpstreamError;
pub use meters::RequestMeters;
pub use rest::{Rest, UpstreamReply};
