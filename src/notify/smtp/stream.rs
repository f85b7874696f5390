//! A connection of which no more is taken than a mail server ever has to say: lettre reads a line
//! to its end, however far that is.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};

use lettre::transport::smtp::client::AsyncTokioStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Everything that a server may send during one delivery, a TLS handshake included.
const MOST: usize = 256 * 1024;

/// How far a delivery came, for whoever has to say why it ended.
#[derive(Clone, Default)]
pub(super) struct Heard(Arc<Inner>);

#[derive(Default)]
struct Inner {
    connected: AtomicBool,
    bytes: AtomicUsize,
}

impl Heard {
    pub(super) fn connected(&self) {
        self.0.connected.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_connected(&self) -> bool {
        self.0.connected.load(Ordering::Relaxed)
    }

    pub(super) fn anything(&self) -> bool {
        self.0.bytes.load(Ordering::Relaxed) > 0
    }

    /// Whether what came is still no more than a server has to say.
    fn count(&self, bytes: usize) -> bool {
        self.0.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes <= MOST
    }
}

pub(super) struct Bounded<S> {
    stream: S,
    peer: SocketAddr,
    heard: Heard,
}

impl<S> Bounded<S> {
    pub(super) fn new(stream: S, peer: SocketAddr, heard: &Heard) -> Self {
        let heard = heard.clone();
        Self {
            stream,
            peer,
            heard,
        }
    }
}

impl<S> fmt::Debug for Bounded<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "connection to {}", self.peer)
    }
}

impl<S: AsyncRead + AsyncWrite + Send + Sync + Unpin> AsyncTokioStream for Bounded<S> {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.peer)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Bounded<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if !self.heard.count(buffer.filled().len() - before) {
            let message = format!("it sends more than {} KiB", MOST / 1024);
            return Poll::Ready(Err(io::Error::other(message)));
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Bounded<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
