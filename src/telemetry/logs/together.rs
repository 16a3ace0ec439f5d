//! Lines that are written together: under load a line costs a memory copy and not a call of the kernel, nor the waking of
//! the thread that writes.

use std::{
    io::{self, Write},
    thread,
    time::Duration,
};

/// How long lines are gathered after some were written; the first one after a pause is written at once.
const GATHERED: Duration = Duration::from_millis(5);
/// At so many bytes they are written in any case.
const MOST: usize = 64 << 10;

/// The end of the log, for `tracing-appender`'s thread: it writes line by line, and flushes when no line waits.
pub(super) struct Together<W> {
    lines: Vec<u8>,
    out: W,
}

impl<W: Write> Together<W> {
    /// Nothing yet.
    pub(super) fn new(out: W) -> Self {
        Self { lines: Vec::new(), out }
    }

    fn write_out(&mut self) -> io::Result<()> {
        let written = self.out.write_all(&self.lines);
        // What could not be written is no better a moment later, and must not pile up.
        self.lines.clear();
        written
    }
}

impl<W: Write> Write for Together<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.lines.extend_from_slice(line);
        if self.lines.len() >= MOST {
            self.write_out()?;
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.lines.is_empty() {
            return Ok(());
        }
        self.write_out()?;
        self.out.flush()?;
        thread::sleep(GATHERED);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How often it was written to, and what.
    #[derive(Default)]
    struct Calls(Vec<Vec<u8>>);

    impl Write for Calls {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.push(bytes.to_vec());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_that_wait_are_written_in_one_go() {
        let mut lines = Together::new(Calls::default());
        for line in ["one\n", "two\n", "three\n"] {
            lines.write_all(line.as_bytes()).expect("written");
        }
        assert_eq!(lines.out.0.len(), 0);
        lines.flush().expect("written");
        lines.flush().expect("nothing to write");
        assert_eq!(lines.out.0, [b"one\ntwo\nthree\n"]);
    }

    #[test]
    fn lines_without_a_pause_are_written_before_they_are_many() {
        let mut lines = Together::new(Calls::default());
        for _ in 0..3 * MOST {
            lines.write_all(b"x").expect("written");
        }
        assert_eq!(lines.out.0.len(), 3);
    }
}
