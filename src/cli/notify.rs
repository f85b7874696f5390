//! Tells the service manager how far the process is (sd_notify(3)): one datagram to the socket
//! that `$NOTIFY_SOCKET` names. Without one, nothing happens.

use std::ffi::{OsStr, OsString};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// The manager's socket.
pub(super) struct Manager(Option<OsString>);

impl Manager {
    /// `socket` is a path, or `@` and an abstract name (unix(7)).
    pub(super) fn new(socket: Option<OsString>) -> Self {
        Self(socket)
    }

    /// It serves.
    pub(super) fn ready(&self) {
        self.tell("READY=1");
    }

    /// It was told to stop and lets requests in flight finish.
    pub(super) fn stopping(&self) {
        self.tell("STOPPING=1");
    }

    fn tell(&self, state: &str) {
        let Some(socket) = &self.0 else { return };
        if let Err(error) = send(socket, state) {
            tracing::warn!(%error, state, "the service manager could not be told");
        }
    }
}

fn send(socket: &OsStr, state: &str) -> std::io::Result<()> {
    let address = match socket.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        _ => SocketAddr::from_pathname(socket)?,
    };
    // A manager that does not read must not hold the process up.
    let datagram = UnixDatagram::unbound()?;
    datagram.set_nonblocking(true)?;
    datagram.send_to_addr(state.as_bytes(), &address)?;
    Ok(())
}
