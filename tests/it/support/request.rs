//! Reads HTTP/1.1 requests, as far as the proxy's client writes them.

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt};

use super::platform::Seen;

/// The next request on a connection; None at its end.
pub async fn read_request(read: &mut (impl AsyncBufReadExt + Unpin)) -> Option<Seen> {
    let mut line = String::new();
    let mut next = async |line: &mut String| {
        line.clear();
        matches!(read.read_line(line).await, Ok(1..))
    };
    if !next(&mut line).await {
        return None;
    }
    let (method, path) = line.trim_end().rsplit_once(' ')?.0.split_once(' ')?;
    let (method, path) = (method.to_owned(), path.to_owned());
    let mut headers = Vec::new();
    while next(&mut line).await && line != "\r\n" {
        let (name, value) = line.trim_end().split_once(':')?;
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length").map_or(0, |(_, n)| n.parse().unwrap_or(0));
    let mut body = vec![0; length];
    read.read_exact(&mut body).await.ok()?;
    let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
    Some(Seen { method, path, headers, body, connection: 0 })
}
