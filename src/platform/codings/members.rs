//! A coding taken off, one member after the other. What stands behind a member and begins none is passed over, however
//! long: a line break, padding, what a gateway has appended. Other clients read such answers too, and nothing is lost by it,
//! since JSON says itself where it ends.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use async_compression::tokio::bufread::{BrotliDecoder, DeflateDecoder, GzipDecoder, ZlibDecoder, ZstdDecoder};
use tokio::io::{AsyncBufRead as _, AsyncRead, BufReader, ReadBuf};

/// Where bytes come from.
pub type Read = Pin<Box<dyn AsyncRead + Send>>;
type Coded = BufReader<Read>;

/// A coding that is taken off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coding {
    Gzip,
    Brotli,
    Zstd,
    /// Not asked for; there are servers that take it all the same.
    Deflate,
}

/// Reads what is coded.
pub struct Members {
    coding: Coding,
    /// What comes next, between two members; none within one, and at the end.
    coded: Option<Coded>,
    /// The member that is being read.
    decoder: Option<Box<dyn Decoder>>,
    is_first: bool,
}

/// Reads one member.
trait Decoder: AsyncRead + Send + Unpin {
    /// What stands behind it.
    fn rest(self: Box<Self>) -> Coded;
}

macro_rules! decoders {
    ($($decoder:ident)*) => {$(
        impl Decoder for $decoder<Coded> {
            fn rest(self: Box<Self>) -> Coded {
                (*self).into_inner()
            }
        }
    )*};
}

decoders! { BrotliDecoder DeflateDecoder GzipDecoder ZlibDecoder ZstdDecoder }

impl Members {
    /// Of what is in this coding.
    pub fn new(coding: Coding, coded: Coded) -> Self {
        Self { coding, coded: Some(coded), decoder: None, is_first: true }
    }
}

impl AsyncRead for Members {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        loop {
            if let Some(decoder) = &mut self.decoder {
                ready!(Pin::new(decoder).poll_read(cx, buf))?;
                if buf.filled().len() > before || buf.remaining() == 0 {
                    return Poll::Ready(Ok(()));
                }
                (self.coded, self.is_first) = (self.decoder.take().map(Decoder::rest), false);
            }
            let Some(coded) = &mut self.coded else { return Poll::Ready(Ok(())) };
            let next = ready!(Pin::new(coded).poll_fill_buf(cx))?.first().copied();
            let next = next.filter(|byte| self.is_first || self.coding.begins_again(*byte));
            // Without one it is over: what else comes is not waited for.
            self.decoder = self.coded.take().zip(next).map(|(coded, byte)| self.coding.decoder(byte, coded));
        }
    }
}

impl Coding {
    /// Whether another member begins with this byte.
    fn begins_again(self, byte: u8) -> bool {
        match self {
            Self::Gzip => byte == 0x1f,
            // A frame, or one that holds nothing of it.
            Self::Zstd => byte == 0x28 || byte & 0xf0 == 0x50,
            Self::Brotli | Self::Deflate => false,
        }
    }

    /// What reads a member that begins with this byte.
    fn decoder(self, byte: u8, coded: Coded) -> Box<dyn Decoder> {
        match self {
            Self::Gzip => Box::new(GzipDecoder::new(coded)),
            Self::Brotli => Box::new(BrotliDecoder::new(coded)),
            Self::Zstd => Box::new(ZstdDecoder::new(coded)),
            // As RFC 9110 has it, in zlib's frame; others leave that out, which cannot begin so.
            Self::Deflate if byte & 0x0f == 8 => Box::new(ZlibDecoder::new(coded)),
            Self::Deflate => Box::new(DeflateDecoder::new(coded)),
        }
    }
}
