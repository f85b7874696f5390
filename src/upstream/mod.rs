//! Requests to upstreams, for authorized calls and nothing else.

mod error;
#[cfg(fuzzing)]
pub mod fuzzing;
mod meters;
mod rest;

pub use error::UpstreamError;
pub use meters::RequestMeters;
pub use rest::{Asked, DescribedRequest, FormedRequest, Rest, UpstreamReply};
