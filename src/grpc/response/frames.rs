//! A stream's messages as gRPC puts them on the wire: those of one moment together, each compressed where the caller
//! does so too.
//!
//! Not tonic's encoder: that one keeps the buffer of its largest message for as long as the stream lives, and compresses
//! it on the threads that serve everybody.

use std::{
    io::{self, Read, Write as _},
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{BufMut as _, Bytes, BytesMut};
use futures_util::{Stream, StreamExt as _};
use http::HeaderMap;
use prost::Message;
use tonic::Status;

use super::borders::Borders;
use crate::{calls::Error, memory};

/// The flag and the length before each message.
const HEADER: usize = 5;
/// How much is put together at most, in bytes.
const BATCH: usize = 32 << 10;
/// The smallest and the largest message that is compressed, in bytes: the smaller ones cost more time than they save on
/// the way, the larger ones more than others should wait.
pub const COMPRESSED_FROM: usize = 16 << 10;
pub const COMPRESSED_TO: usize = 8 << 20;

/// A compression that callers and proxy may agree on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    Gzip,
    Zstd,
}

impl Encoding {
    /// The one that an answer's head names, if it names one.
    pub fn of(head: &HeaderMap) -> Option<Self> {
        match head.get("grpc-encoding")?.as_bytes() {
            b"gzip" => Some(Self::Gzip),
            b"zstd" => Some(Self::Zstd),
            _ => None,
        }
    }

    /// What reads the message that is packed here. A window larger than the largest request is none of its own.
    ///
    /// # Errors
    /// When the compression cannot be begun.
    pub fn unpacking(self, packed: &[u8]) -> io::Result<Box<dyn Read + '_>> {
        Ok(match self {
            Self::Gzip => Box::new(flate2::read::GzDecoder::new(packed)),
            Self::Zstd => Box::new(zstd::Decoder::with_buffer(packed)?),
        })
    }

    fn compress(self, message: &[u8]) -> io::Result<Vec<u8>> {
        match self {
            Self::Gzip => {
                // The level that tonic takes is dear: this one is half as dear and a tenth larger.
                let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                gzip.write_all(message)?;
                gzip.finish()
            }
            Self::Zstd => zstd::bulk::compress(message, zstd::DEFAULT_COMPRESSION_LEVEL),
        }
    }
}

/// The messages of a stream that go out, and at its end the status.
pub trait Messages: Send {
    /// The next frames that are ready together, or the trailers. What it gave before has been handed out by now.
    fn poll(&mut self, cx: &mut Context<'_>, encoding: Option<Encoding>) -> Poll<Result<Bytes, Status>>;

    /// Where the message ends to which the first so many bytes of the last frames lead, and the id of the last event until
    /// there; empty before the first.
    fn border(&self, bytes: usize) -> (usize, &str);
}

/// Encodes what a stream gives: messages with their sizes in bytes.
pub struct Encoded<S, I, R> {
    messages: Pin<Box<S>>,
    /// The id of the event in a message, where it has one.
    id: I,
    /// The status of a failure.
    refuse: R,
    /// The end behind what is sent first.
    last: Option<Result<(), Error>>,
    /// How much was put together last: most often it is as much again.
    usual: usize,
    borders: Borders,
}

impl<S, I, R> Encoded<S, I, R> {
    pub fn new<M>(messages: S, id: I, refuse: R) -> Self
    where
        S: Stream<Item = Result<(M, usize), Error>>,
        I: Fn(&M) -> Option<&str>,
    {
        Self { messages: Box::pin(messages), id, refuse, last: None, usual: 0, borders: Borders::default() }
    }
}

impl<M, S, I, R> Messages for Encoded<S, I, R>
where
    M: Message,
    S: Stream<Item = Result<(M, usize), Error>> + Send,
    I: Fn(&M) -> Option<&str> + Send,
    R: Fn(Error) -> Status + Send,
{
    fn border(&self, bytes: usize) -> (usize, &str) {
        self.borders.behind(bytes)
    }

    fn poll(&mut self, cx: &mut Context<'_>, encoding: Option<Encoding>) -> Poll<Result<Bytes, Status>> {
        // Only now, since a failure says where the caller stands: at the end of what it was handed.
        let status = |end: Result<(), Error>| end.map_or_else(&self.refuse, |()| Status::ok(""));
        if let Some(end) = self.last.take() {
            return Poll::Ready(Err(status(end)));
        }
        self.borders.begin();
        let mut bytes = BytesMut::new();
        loop {
            let end = match self.messages.poll_next_unpin(cx) {
                Poll::Pending if bytes.is_empty() => {
                    self.borders.rest();
                    return Poll::Pending;
                }
                Poll::Pending => break,
                Poll::Ready(Some(Ok((message, size)))) => {
                    if bytes.is_empty() {
                        bytes.reserve(self.usual);
                    }
                    if let Err(error) = put(&mut bytes, &message, size, encoding) {
                        return Poll::Ready(Err(Status::internal(error.to_string())));
                    }
                    self.borders.push(bytes.len(), (self.id)(&message));
                    if bytes.len() >= BATCH {
                        break;
                    }
                    continue;
                }
                Poll::Ready(Some(Err(error))) => Err(error),
                Poll::Ready(None) => Ok(()),
            };
            if bytes.is_empty() {
                return Poll::Ready(Err(status(end)));
            }
            self.last = Some(end);
            break;
        }
        self.usual = bytes.len().min(BATCH);
        Poll::Ready(Ok(bytes.freeze()))
    }
}

/// Puts one message of this size behind the others.
fn put(bytes: &mut BytesMut, message: &impl Message, size: usize, encoding: Option<Encoding>) -> io::Result<()> {
    let encoding = encoding.filter(|_| (COMPRESSED_FROM..=COMPRESSED_TO).contains(&size));
    memory::aside(size, || {
        let Some(encoding) = encoding else {
            bytes.reserve(HEADER + size);
            head(bytes, 0, size)?;
            message.encode_raw(bytes);
            return Ok(());
        };
        let message = encoding.compress(&message.encode_to_vec())?;
        bytes.reserve(HEADER + message.len());
        head(bytes, 1, message.len())?;
        bytes.put_slice(&message);
        Ok(())
    })
}

fn head(bytes: &mut BytesMut, flag: u8, size: usize) -> io::Result<()> {
    bytes.put_u8(flag);
    bytes.put_u32(size.try_into().map_err(io::Error::other)?);
    Ok(())
}
