//! A caller that writes HTTP/2 frame by frame: what a library would not send, or not as fast.

use std::sync::Arc;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::{Mutex, watch},
};

use super::{direct::frame, live::within, proxy::Proxy};

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;
pub const END_STREAM: u8 = 1;
pub const END_HEADERS: u8 = 4;
pub const ACK: u8 = 1;
const CANCEL: [u8; 4] = [0, 0, 0, 8];

pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// How a caller behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manners {
    /// Answers pings and settings.
    Good,
    /// Reads, and answers nothing.
    Mute,
}

/// A frame from the proxy: kind, flags, stream, payload.
pub type Frame = (u8, u8, u32, Vec<u8>);

/// What has come from the proxy so far.
#[derive(Clone, Debug, Default)]
pub struct Heard {
    pub frames: Vec<Frame>,
    /// The proxy has closed the connection.
    pub is_over: bool,
}

/// One connection; what comes on it is read all the time.
pub struct Raw {
    write: Arc<Mutex<OwnedWriteHalf>>,
    heard: watch::Receiver<Heard>,
    next: u32,
}

/// A connection on which nothing was said yet.
pub async fn socket(proxy: &Proxy) -> TcpStream {
    let address = proxy.grpc.trim_start_matches("http://").trim_start_matches("https://");
    let socket = TcpStream::connect(address).await.expect("connects");
    socket.set_nodelay(true).expect("connected");
    socket
}

/// Waits until the proxy closes the connection, whatever it says before.
pub async fn closed(socket: &mut (impl AsyncReadExt + Unpin)) {
    within("the connection's end", async { while matches!(socket.read(&mut [0; 4096]).await, Ok(1..)) {} }).await;
}

impl Heard {
    /// How many frames of this kind came, acknowledgements left out.
    pub fn count(&self, kind: u8) -> usize {
        let is_meant = |(k, flags, ..): &&Frame| *k == kind && (kind == HEADERS || flags & ACK == 0);
        self.frames.iter().filter(is_meant).count()
    }

    /// How many frames of this kind came on this stream.
    pub fn of(&self, kind: u8, stream: u32) -> usize {
        self.frames.iter().filter(|(k, _, s, _)| (*k, *s) == (kind, stream)).count()
    }
}

impl Raw {
    pub async fn connect(proxy: &Proxy, manners: Manners) -> Self {
        let (read, mut write) = socket(proxy).await.into_split();
        write.write_all(&[PREFACE, &bytes(SETTINGS, 0, 0, &[])].concat()).await.expect("connected");
        let (write, (tell, heard)) = (Arc::new(Mutex::new(write)), watch::channel(Heard::default()));
        tokio::spawn(listen(read, Arc::clone(&write), manners, tell));
        Self { write, heard, next: 1 }
    }

    /// Sends bytes as they are; whether the connection still takes them.
    pub async fn send(&self, bytes: &[u8]) -> bool {
        within("sending", async { self.write.lock().await.write_all(bytes).await.is_ok() }).await
    }

    /// A whole call in frames, without sending it, and its stream.
    pub fn call(&mut self, method: &str, message: &[u8]) -> (u32, Vec<u8>) {
        let stream = self.stream();
        let head = bytes(HEADERS, END_HEADERS, stream, &head(method));
        (stream, [head, bytes(DATA, END_STREAM, stream, &frame(message))].concat())
    }

    /// The next stream.
    pub fn stream(&mut self) -> u32 {
        self.next += 2;
        self.next - 2
    }

    /// Waits until this holds of what was heard.
    pub async fn until(&mut self, what: &str, holds: impl Fn(&Heard) -> bool) -> Heard {
        within(what, self.heard.wait_for(holds)).await.expect("it listens until then").clone()
    }

    /// Waits for this frame.
    pub async fn heard(&mut self, kind: u8) -> Heard {
        self.until(&format!("a frame of kind {kind}"), |heard| heard.count(kind) > 0).await
    }

    /// Waits until the proxy closes the connection; what it has said.
    pub async fn is_closed(&mut self) -> Heard {
        self.until("the connection's end", |heard| heard.is_over).await
    }

    /// What was heard until now.
    pub fn so_far(&self) -> Heard {
        self.heard.borrow().clone()
    }
}

/// A frame's bytes.
pub fn bytes(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let [_, a, b, c] = u32::try_from(payload.len()).expect("a frame").to_be_bytes();
    let [d, e, f, g] = stream.to_be_bytes();
    [&[a, b, c, kind, flags, d, e, f, g], payload].concat()
}

/// The frame that resets a stream.
pub fn reset(stream: u32) -> Vec<u8> {
    bytes(RST_STREAM, 0, stream, &CANCEL)
}

/// The head of a call, without a table and without Huffman's code.
pub fn head(method: &str) -> Vec<u8> {
    head_to("proxy", method)
}

/// The same with this `:authority`.
pub fn head_to(authority: &str, method: &str) -> Vec<u8> {
    head_of(authority, &format!("/xpander.agent.v1.AgentService/{method}"))
}

/// The same with this `:path`.
pub fn head_of(authority: &str, path: &str) -> Vec<u8> {
    // `:method: POST`, `:scheme: http`, then names from the static table with values of their own.
    let mut head = vec![0x83, 0x86];
    literal(&mut head, &[0x04], path);
    literal(&mut head, &[0x01], authority);
    literal(&mut head, &[0x0f, 0x10], "application/grpc");
    literal(&mut head, &[0x00, 0x02, b't', b'e'], "trailers");
    head
}

/// The head of a call with this token.
pub fn head_with(token: &str, method: &str) -> Vec<u8> {
    let mut head = head(method);
    literal(&mut head, &[0x0f, 0x08], &format!("Bearer {token}"));
    head
}

fn literal(head: &mut Vec<u8>, name: &[u8], value: &str) {
    head.extend_from_slice(name);
    head.push(u8::try_from(value.len()).ok().filter(|length| *length < 127).expect("a short value"));
    head.extend_from_slice(value.as_bytes());
}

async fn listen(
    mut read: OwnedReadHalf,
    write: Arc<Mutex<OwnedWriteHalf>>,
    manners: Manners,
    tell: watch::Sender<Heard>,
) {
    while let Some((kind, flags, stream, payload)) = next(&mut read).await {
        if manners == Manners::Good && matches!(kind, SETTINGS | PING) && flags & ACK == 0 {
            let echo = if kind == PING { &payload[..] } else { &[] };
            // An error is the connection's end, which is read next.
            let _ = write.lock().await.write_all(&bytes(kind, ACK, 0, echo)).await;
        }
        tell.send_modify(|heard| heard.frames.push((kind, flags, stream, payload)));
    }
    tell.send_modify(|heard| heard.is_over = true);
}

/// The next frame; None at the end.
async fn next(read: &mut OwnedReadHalf) -> Option<Frame> {
    let mut head = [0; 9];
    read.read_exact(&mut head).await.ok()?;
    let [a, b, c, kind, flags, stream @ ..] = head;
    let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
    read.read_exact(&mut payload).await.ok()?;
    Some((kind, flags, u32::from_be_bytes(stream), payload))
}
