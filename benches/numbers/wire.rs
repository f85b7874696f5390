//! As much HTTP/1.1 as load generator and upstream need: whole messages with a stated length.

use std::io::{Error, ErrorKind, Result};

use tokio::io::{AsyncRead, AsyncReadExt};

/// One message at the beginning of a buffer.
pub struct Message {
    /// Where the body begins.
    pub body: usize,
    /// Where the next message begins.
    pub end: usize,
}

/// Reads until `buffer` begins with a whole message; `None` when the other side closed instead.
pub async fn read(
    stream: &mut (impl AsyncRead + Unpin),
    buffer: &mut Vec<u8>,
) -> Result<Option<Message>> {
    let mut head = None;
    loop {
        head = head.or_else(|| find_head(buffer));
        if let Some(message) = head.take_if(|message| message.end <= buffer.len()) {
            return Ok(Some(message));
        }
        if stream.read_buf(buffer).await? == 0 {
            return match buffer.is_empty() {
                true => Ok(None),
                false => Err(Error::from(ErrorKind::UnexpectedEof)),
            };
        }
    }
}

fn find_head(buffer: &[u8]) -> Option<Message> {
    let body = buffer.windows(4).position(|bytes| bytes == b"\r\n\r\n")? + 4;
    let length = buffer[..body]
        .split(|byte| *byte == b'\n')
        .find_map(content_length)
        .unwrap_or(0);
    let end = body + length;
    Some(Message { body, end })
}

fn content_length(line: &[u8]) -> Option<usize> {
    const NAME: &[u8] = b"content-length:";
    let (name, value) = line.split_at_checked(NAME.len())?;
    if !name.eq_ignore_ascii_case(NAME) {
        return None;
    }
    std::str::from_utf8(value).ok()?.trim().parse().ok()
}
