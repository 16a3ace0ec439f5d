//! The content codings of answers, as RFC 9110 has them: in any letter case, several behind each other, `x-gzip` for
//! `gzip`, and several members of gzip in a row. Decodes as it is read; how much may come out is for the reader.

mod members;

use std::{fmt, io};

use futures_util::TryStreamExt as _;
use http::{HeaderMap, HeaderValue, header};
use reqwest::{Body, Response};
use tokio::io::BufReader;
use tokio_util::io::{ReaderStream, StreamReader};

pub use self::members::Coding;
use self::members::{Members, Read};

/// What is asked for.
pub const ACCEPTED: HeaderValue = HeaderValue::from_static("gzip, br, zstd");
/// The most codings that are taken off one answer.
const MOST: usize = 4;
/// How much is decoded at a time.
const PIECE: usize = 64 << 10;
/// The registered ones that are not asked for. What is no coding at all (`none`, `utf-8`) is none.
const FOREIGN: [&str; 8] = ["aes128gcm", "compress", "dcb", "dcz", "exi", "pack200-gzip", "x-compress", "x-deflate"];

/// An answer whose coding is broken, and not its connection.
#[derive(Debug)]
pub struct Garbled;

/// The codings that an answer is in, in the order in which they were put on.
///
/// # Errors
/// When there is one that was not asked for, or too many.
pub fn of(headers: &HeaderMap) -> Result<Vec<Coding>, &'static str> {
    let mut codings = Vec::new();
    for value in headers.get_all(header::CONTENT_ENCODING) {
        // What is no text is no coding's name either.
        for word in value.to_str().unwrap_or_default().split(',') {
            match word.trim().to_ascii_lowercase().as_str() {
                "gzip" | "x-gzip" => codings.push(Coding::Gzip),
                "br" => codings.push(Coding::Brotli),
                "zstd" => codings.push(Coding::Zstd),
                "deflate" => codings.push(Coding::Deflate),
                word if FOREIGN.contains(&word) => return Err("it has a content coding that was not asked for"),
                _ => {}
            }
        }
    }
    if codings.len() > MOST { Err("it has too many content codings") } else { Ok(codings) }
}

/// The same answer without these codings.
pub fn taken_off(response: Response, codings: &[Coding]) -> Response {
    if codings.is_empty() {
        return response;
    }
    let (mut parts, body) = http::Response::<Body>::from(response).into_parts();
    parts.headers.remove(header::CONTENT_ENCODING);
    parts.headers.remove(header::CONTENT_LENGTH);
    let bytes = reqwest::Response::from(http::Response::new(body)).bytes_stream();
    // The connection's own failure goes through, wrapped.
    let mut read: Read = Box::pin(StreamReader::new(bytes.map_err(io::Error::other)));
    for coding in codings.iter().rev() {
        read = Box::pin(Members::new(*coding, BufReader::new(read)));
    }
    let decoded = ReaderStream::with_capacity(read, PIECE).map_err(failure);
    http::Response::from_parts(parts, Body::wrap_stream(decoded)).into()
}

fn failure(error: io::Error) -> Box<dyn std::error::Error + Send + Sync> {
    match error.downcast::<reqwest::Error>() {
        Ok(lost) => Box::new(lost),
        Err(_) => Box::new(Garbled),
    }
}

impl fmt::Display for Garbled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("its compression is broken")
    }
}

impl std::error::Error for Garbled {}
