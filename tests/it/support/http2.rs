//! A platform that speaks HTTP/2 by prior knowledge, in frames a test chooses: what a library would not send.

use std::{
    collections::{HashMap, VecDeque},
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use tokio::{
    io::{self, AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

use super::platform::task;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const ACK: u8 = 1;

pub const NO_ERROR: u32 = 0;
pub const INTERNAL_ERROR: u32 = 2;
pub const REFUSED_STREAM: u32 = 7;
pub const CANCEL: u32 = 8;
pub const ENHANCE_YOUR_CALM: u32 = 11;

/// `:status: 200` and `content-type: application/json`.
const OK: &[u8] = b"\x88\x0f\x10\x10application/json";
/// `:method: POST`, which comes first.
const POST: u8 = 0x83;

/// What a create meets, once it was received to its end.
#[derive(Clone, Copy, Debug)]
pub enum Act {
    /// The task.
    Answer,
    Reset(u32),
    /// The head of the answer, then a reset.
    HeadThenReset(u32),
    /// A GOAWAY that leaves the request out: it was not processed.
    GoAwayBefore(u32),
    /// A GOAWAY that says that the request was processed, then the connection's end.
    GoAwayAfter(u32),
    /// The connection's end.
    Close,
}

/// The platform; creates meet one act after the other, the last one again and again.
pub struct Http2 {
    address: SocketAddr,
    posts: Arc<AtomicUsize>,
    accepting: JoinHandle<()>,
}

impl Http2 {
    pub async fn start(acts: &[Act]) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let (acts, posts) = (Arc::new(Mutex::new(VecDeque::from(acts.to_vec()))), Arc::new(AtomicUsize::new(0)));
        let its_posts = Arc::clone(&posts);
        let accepting = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let connection = Connection {
                    socket,
                    acts: Arc::clone(&acts),
                    posts: Arc::clone(&its_posts),
                    are_posts: HashMap::new(),
                };
                tokio::spawn(connection.serve());
            }
        });
        Self { address, posts, accepting }
    }

    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How many creates were received.
    pub fn posts(&self) -> usize {
        self.posts.load(Relaxed)
    }
}

impl Drop for Http2 {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

struct Connection {
    socket: TcpStream,
    acts: Arc<Mutex<VecDeque<Act>>>,
    posts: Arc<AtomicUsize>,
    /// Whether the request of each stream is a create.
    are_posts: HashMap<u32, bool>,
}

impl Connection {
    async fn serve(mut self) -> io::Result<()> {
        self.socket.read_exact(&mut [0; b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".len()]).await?;
        self.send(SETTINGS, 0, 0, &[]).await?;
        loop {
            let mut head = [0; 9];
            self.socket.read_exact(&mut head).await?;
            let [a, b, c, kind, flags, stream @ ..] = head;
            let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
            self.socket.read_exact(&mut payload).await?;
            let stream = u32::from_be_bytes(stream);
            match kind {
                SETTINGS | PING if flags & ACK == 0 => {
                    let echo = if kind == PING { &payload[..] } else { &[] };
                    self.send(kind, ACK, 0, echo).await?;
                }
                HEADERS => {
                    self.are_posts.insert(stream, payload.first() == Some(&POST));
                }
                _ => {}
            }
            if matches!(kind, HEADERS | DATA) && flags & END_STREAM != 0 && !self.answer(stream).await? {
                return Ok(());
            }
        }
    }

    /// Answers a request; whether the connection goes on.
    async fn answer(&mut self, stream: u32) -> io::Result<bool> {
        let act = if self.are_posts.get(&stream) == Some(&true) { self.next_act() } else { Act::Answer };
        match act {
            Act::Answer => {
                self.send(HEADERS, END_HEADERS, stream, OK).await?;
                // An agent and a task in one.
                self.send(DATA, END_STREAM, stream, task("agent-1", "pending").to_string().as_bytes()).await?;
            }
            Act::Reset(code) => self.send(RST_STREAM, 0, stream, &code.to_be_bytes()).await?,
            Act::HeadThenReset(code) => {
                self.send(HEADERS, END_HEADERS, stream, OK).await?;
                self.send(RST_STREAM, 0, stream, &code.to_be_bytes()).await?;
            }
            Act::GoAwayBefore(code) => self.go_away(stream.saturating_sub(2), code).await?,
            Act::GoAwayAfter(code) => {
                self.go_away(stream, code).await?;
                return Ok(false);
            }
            Act::Close => return Ok(false),
        }
        Ok(true)
    }

    fn next_act(&self) -> Act {
        self.posts.fetch_add(1, Relaxed);
        let mut acts = self.acts.lock().expect("no panic");
        if acts.len() > 1 { acts.pop_front().expect("more than one") } else { acts[0] }
    }

    async fn go_away(&mut self, last: u32, code: u32) -> io::Result<()> {
        self.send(GOAWAY, 0, 0, &[last.to_be_bytes(), code.to_be_bytes()].concat()).await
    }

    async fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> io::Result<()> {
        let [_, a, b, c] = u32::try_from(payload.len()).expect("a frame").to_be_bytes();
        let [d, e, f, g] = stream.to_be_bytes();
        self.socket.write_all(&[&[a, b, c, kind, flags, d, e, f, g], payload].concat()).await
    }
}
