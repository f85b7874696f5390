//! Requests to upstreams, for authorized calls and nothing else.

mod error;
mod rest;

pub use error::UpstreamError;
pub use rest::{FormedRequest, Rest, UpstreamReply};
