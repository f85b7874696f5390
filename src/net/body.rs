//! Bodies of answers, read to their end or to a limit.

use bytes::{Bytes, BytesMut};

use super::NetFailure;

/// Reads at most `limit` bytes, counted after decompression. An answer in one piece is not copied.
pub(super) async fn read(
    mut response: reqwest::Response,
    limit: usize,
) -> Result<Bytes, NetFailure> {
    let next = |error: reqwest::Error| NetFailure::of(&error);
    let Some(first) = response.chunk().await.map_err(next)? else {
        return Ok(Bytes::new());
    };
    let Some(second) = response.chunk().await.map_err(next)? else {
        return if first.len() <= limit {
            Ok(first)
        } else {
            Err(NetFailure::TooLarge(limit))
        };
    };
    let mut body = BytesMut::from(first.as_ref());
    let mut chunk = Some(second);
    while let Some(bytes) = chunk {
        if body.len() + bytes.len() > limit {
            return Err(NetFailure::TooLarge(limit));
        }
        body.extend_from_slice(&bytes);
        chunk = response.chunk().await.map_err(next)?;
    }
    Ok(body.freeze())
}
