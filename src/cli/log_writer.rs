//! The log's output, written by a thread of its own: many lines with one system call, and no call
//! waits while a line is written.
//!
//! A line that comes alone is written at once. Those that come within the next [`PAUSE`] are
//! written together; so a process that is killed outright can lose that much. When the output
//! stands still, lines wait in memory, up to [`ROOM`] of them; then whoever logs waits. None is
//! dropped.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

const PAUSE: Duration = Duration::from_millis(5);
const ROOM: usize = 4096;

/// Where lines go; the subscriber has it. `None` is the end of the log.
#[derive(Clone)]
pub(super) struct Lines(SyncSender<Option<Vec<u8>>>);

/// Holds the log open. When it is dropped, what was logged is written.
#[must_use = "the log ends with it"]
pub(super) struct LogGuard {
    lines: Lines,
    thread: Option<JoinHandle<()>>,
}

/// Starts the thread that writes to `out`.
pub(super) fn start(out: impl Write + Send + 'static) -> io::Result<(Lines, LogGuard)> {
    let (sender, receiver) = sync_channel(ROOM);
    let thread = std::thread::Builder::new()
        .name("log".to_owned())
        .spawn(move || write_all(&receiver, out))?;
    let lines = Lines(sender);
    let guard = LogGuard {
        lines: lines.clone(),
        thread: Some(thread),
    };
    Ok((lines, guard))
}

/// Writes until the end of the log.
fn write_all(receiver: &Receiver<Option<Vec<u8>>>, mut out: impl Write) {
    let mut together = Vec::new();
    let mut open = true;
    while open {
        let Ok(first) = receiver.recv() else { return };
        together.clear();
        let waiting = receiver.try_iter().take(ROOM);
        for line in std::iter::once(first).chain(waiting) {
            match line {
                Some(line) => together.extend_from_slice(&line),
                None => open = false,
            }
        }
        // Nobody is left to tell that standard error is gone.
        let _ = out.write_all(&together);
        if open {
            std::thread::sleep(PAUSE);
        }
    }
}

impl Write for Lines {
    /// Takes a whole line. After the end of the log it goes to standard error here and now.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.0.send(Some(line.to_vec())).is_err() {
            io::stderr().write_all(line)?;
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for LogGuard {
    fn drop(&mut self) {
        let _ = self.lines.0.send(None);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn every_line_is_written_in_order_before_the_guard_is_gone() {
        let written = Written::default();
        let (mut lines, guard) = start(written.clone()).unwrap();
        let expected: String = (0..3 * ROOM).map(|n| format!("line {n}\n")).collect();
        for line in expected.split_inclusive('\n') {
            lines.write_all(line.as_bytes()).unwrap();
        }
        drop(guard);
        assert_eq!(written.0.lock().unwrap().as_slice(), expected.as_bytes());
    }
}
