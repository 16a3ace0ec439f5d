//! What a store says, held to what it has to say: lines and texts, none longer than the longest of them. The client's parser
//! takes texts of any length, and lists of any length in lists.
//!
//! Not what they mean: that parser says it, of what is let through.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The longest line or text, in bytes: what a store says of itself takes a few KiB, and a value less than 300 bytes.
const LONGEST: usize = 64 << 10;
/// The digits of a length, and the line's end.
const LENGTH: usize = 8;

/// A connection that ends where the store says something else.
pub struct Limited<S> {
    socket: S,
    place: Place,
}

/// What a store of claims never says.
#[derive(Debug, thiserror::Error)]
#[error("it says more than a store of idempotency keys has to say")]
pub struct TooMuch;

/// Where in its answers the store is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Between,
    /// After so many bytes of a line, the last of which is its end's first.
    Line(usize, bool),
    /// In a text's length, after so many bytes.
    Length([u8; LENGTH], usize),
    /// Before so many bytes of a text and its end.
    Text(usize),
}

impl<S> Limited<S> {
    pub fn new(socket: S) -> Self {
        Self { socket, place: Place::Between }
    }
}

impl Place {
    /// Behind these bytes, too.
    fn after(mut self, mut bytes: &[u8]) -> Result<Self, TooMuch> {
        while let Some((&byte, rest)) = bytes.split_first() {
            (self, bytes) = match self {
                Self::Between if byte == b'$' => (Self::Length([0; LENGTH], 0), rest),
                Self::Between if b"+-:".contains(&byte) => (Self::Line(0, false), rest),
                Self::Line(_, true) if byte == b'\n' => (Self::Between, rest),
                Self::Between | Self::Line(LONGEST.., _) => return Err(TooMuch),
                Self::Line(count, _) => (Self::Line(count + 1, byte == b'\r'), rest),
                Self::Length(mut line, count) => {
                    *line.get_mut(count).ok_or(TooMuch)? = byte;
                    let place = match line[..=count].strip_suffix(b"\r\n") {
                        Some(length) => Self::behind(length)?,
                        None => Self::Length(line, count + 1),
                    };
                    (place, rest)
                }
                Self::Text(left) if left > bytes.len() => (Self::Text(left - bytes.len()), &bytes[bytes.len()..]),
                Self::Text(left) => (Self::Between, &bytes[left..]),
            };
        }
        Ok(self)
    }

    /// Behind a text's length, which is -1 where there is none.
    fn behind(length: &[u8]) -> Result<Self, TooMuch> {
        if length == b"-1" {
            return Ok(Self::Between);
        }
        let length = str::from_utf8(length).ok().and_then(|length| length.parse().ok());
        let length: usize = length.filter(|length| *length <= LONGEST).ok_or(TooMuch)?;
        Ok(Self::Text(length + b"\r\n".len()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Limited<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.socket).poll_read(cx, buffer))?;
        let place = self.place.after(&buffer.filled()[before..]);
        Poll::Ready(place.map(|place| self.place = place).map_err(|too_much| {
            tracing::error!("deduplication.store: {too_much}; the connection is closed");
            io::Error::new(io::ErrorKind::InvalidData, too_much)
        }))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Limited<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(bytes: &[u8]) -> Option<Place> {
        Place::Between.after(bytes).ok()
    }

    #[test]
    fn what_a_store_has_to_say_is_let_through_however_it_is_cut() {
        let text = [&b"+OK\r\n$-1\r\n:1\r\n-ERR no\r\n$5\r\n$9\r\n\r\r\n$0\r\n\r\n+a\rb\nc\r\n"[..]].concat();
        assert_eq!(after(&text), Some(Place::Between));
        for cut in 0..text.len() {
            let place = after(&text[..cut]).expect("a part of it");
            assert_eq!(place.after(&text[cut..]).ok(), Some(Place::Between), "{cut}");
        }
        let longest = [format!("${LONGEST}\r\n").as_bytes(), &vec![b'x'; LONGEST], b"\r\n"].concat();
        assert_eq!(after(&longest), Some(Place::Between));
    }

    #[test]
    fn what_is_longer_or_something_else_is_not() {
        let line = [b"+", &vec![b'x'; LONGEST][..]].concat();
        assert!(after(&line).is_some());
        assert!(after(&[&line[..], b"x"].concat()).is_none());
        let length = format!("${}\r\n", LONGEST + 1);
        for more in [
            &length[..],
            "$9223372036854775807\r\n",
            "$00000000000",
            "$-2\r\n",
            "$-0\r\n",
            "$\r\n",
            "$1\n1\r\n",
            "*1\r\n",
            "*-1\r\n",
            "%1\r\n",
            ">1\r\n",
            "_\r\n",
            "=5\r\n",
            "x",
            "\r\n",
        ] {
            assert!(after(more.as_bytes()).is_none(), "{more}");
        }
    }
}
