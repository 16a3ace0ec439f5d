//! A scripted platform: a plain TCP server that reads HTTP/1.1 requests and answers with whatever bytes a test wants.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpSocket, TcpStream},
    sync::{Notify, mpsc, watch},
    task::JoinHandle,
    time::sleep,
};
use tokio_util::sync::CancellationToken;

use super::{live::within, request::read_request};

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct Seen {
    pub method: String,
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: Value,
    /// Which of the proxy's connections it came on, counted from zero.
    pub connection: usize,
}

/// What a request gets.
pub enum Reply {
    /// A status, headers beyond content-length, and a body.
    Http(u16, Vec<(&'static str, String)>, Vec<u8>),
    /// These bytes as they are; then the connection is closed.
    Raw(Vec<u8>),
    /// An event stream: each piece is sent as one HTTP chunk, at once; the end of the channel ends the stream.
    Stream(mpsc::UnboundedReceiver<Vec<u8>>),
    /// The same; the bytes of the pieces that could be written are added up.
    Counted(mpsc::UnboundedReceiver<Vec<u8>>, Arc<AtomicUsize>),
    /// An event stream that is cut off: as above, but the connection is closed without the last chunk.
    Torn(Vec<u8>),
    /// An event stream whose pieces are made as they are written, for those too large to be held; they are added up.
    Made(Box<dyn Iterator<Item = Vec<u8>> + Send>, Arc<AtomicUsize>),
    /// These bytes as they are, one at a time with this pause before each; then the connection is closed.
    Dripped(Vec<u8>, Duration),
    /// These bytes as they are; then the connection is reset.
    Reset(Vec<u8>),
    /// Nothing, until the proxy hangs up.
    Silence,
    /// These bytes as they are, then nothing, until the proxy hangs up.
    Silent(Vec<u8>),
    /// Nothing until the test says so, then this.
    After(Arc<Notify>, Box<Reply>),
}

/// The platform; stops when it is dropped.
pub struct Platform {
    pub address: SocketAddr,
    seen: Log,
    /// Connections that the proxy has closed while it was being answered.
    hung_up: watch::Receiver<usize>,
    /// Connections that are over.
    over: watch::Receiver<Vec<usize>>,
    accepting: JoinHandle<()>,
    connections: CancellationToken,
}

type Script = Arc<dyn Fn(&Seen) -> Reply + Send + Sync>;
type Log = Arc<Mutex<Vec<Seen>>>;

impl Seen {
    /// The task that the path names.
    pub fn task_id(&self) -> &str {
        self.path.split('/').skip_while(|part| *part != "agent-execution").nth(1).unwrap_or_default()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

impl Reply {
    pub fn json(status: u16, body: &Value) -> Self {
        Self::Http(status, vec![("content-type", "application/json".into())], body.to_string().into_bytes())
    }

    pub fn text(status: u16, content_type: &str, body: &str) -> Self {
        Self::Http(status, vec![("content-type", content_type.into())], body.as_bytes().to_vec())
    }

    /// A whole event stream that ends by itself.
    pub fn events(body: &str) -> Self {
        let (send, pieces) = mpsc::unbounded_channel();
        send.send(body.as_bytes().to_vec()).expect("open");
        Self::Stream(pieces)
    }
}

impl Platform {
    /// A platform that answers each request as the script says.
    pub async fn start(script: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        Self::at(([127, 0, 0, 1], 0).into(), script).await
    }

    /// The same on this port, where another platform may have been before.
    pub async fn at(address: SocketAddr, script: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_reuseaddr(true).expect("an option");
        // Small, so that what can be written is what the proxy takes.
        socket.set_send_buffer_size(128 << 10).expect("a size");
        socket.bind(address).expect("a free port");
        let listener = socket.listen(1024).expect("a bound socket");
        let address = listener.local_addr().expect("bound");
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (count, hung_up) = watch::channel(0);
        let (end, over) = watch::channel(Vec::new());
        let (script, log): (Script, _) = (Arc::new(script), Arc::clone(&seen));
        let connections = CancellationToken::new();
        let cut = connections.clone();
        let accepting = tokio::spawn(async move {
            let mut connection = 0;
            while let Ok((socket, _)) = listener.accept().await {
                let serving = serve(socket, connection, Arc::clone(&script), Arc::clone(&log), count.clone());
                let (serving, end) = (cut.clone().run_until_cancelled_owned(serving), end.clone());
                tokio::spawn(async move {
                    serving.await;
                    end.send_modify(|over| over.push(connection));
                });
                connection += 1;
            }
        });
        Self { address, seen, hung_up, over, accepting, connections }
    }

    /// A platform whose agents are there and whose other requests are answered as the script says.
    pub async fn with_agents(script: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        Self::start(move |request| match request.path.strip_prefix("/agents/") {
            Some(id) => Reply::json(200, &json!({ "id": id, "organization_id": "org-1" })),
            None => script(request),
        })
        .await
    }

    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("no panic").clone()
    }

    /// Requests by method and path, in order.
    pub fn paths(&self) -> Vec<String> {
        self.seen().iter().map(|request| format!("{} {}", request.method, request.path)).collect()
    }

    /// Takes no more connections.
    pub async fn stop(mut self) {
        self.accepting.abort();
        // Over: the listener is closed.
        let _ = (&mut self.accepting).await;
    }

    /// Goes away with all its connections; its address, to come back at.
    pub async fn vanish(self) -> SocketAddr {
        let (address, connections) = (self.address, self.connections.clone());
        self.stop().await;
        connections.cancel();
        address
    }

    /// How many answers the proxy has hung up on.
    pub fn hang_ups(&self) -> usize {
        *self.hung_up.borrow()
    }

    /// Waits until this connection is over, counted from zero.
    pub async fn connection_ends(&self, connection: usize) {
        let mut over = self.over.clone();
        let over = within("the connection's end", over.wait_for(|over| over.contains(&connection)));
        over.await.expect("the platform runs");
    }

    /// Waits until the proxy has hung up on `count` answers.
    pub async fn hung_up(&self, count: usize) {
        self.hung_up.clone().wait_for(|hung_up| *hung_up >= count).await.expect("the platform runs");
    }
}

impl Drop for Platform {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// A task as the platform answers with it.
pub fn task(id: &str, status: &str) -> Value {
    json!({
        "id": id, "agent_id": "agent-1", "organization_id": "org-1", "input": { "text": "hi" }, "status": status,
        "created_at": "2026-04-10T19:01:35.114410Z", "events_streaming": true, "source": "sdk",
    })
}

/// One server-sent event.
pub fn event(kind: &str, data: &Value) -> String {
    let event = json!({ "type": kind, "task_id": "task-1", "organization_id": "org-1", "time": "2026-04-10T19:01:36.5Z", "data": data });
    format!("data: {event}\n\n")
}

async fn serve(socket: TcpStream, connection: usize, script: Script, seen: Log, hung_up: watch::Sender<usize>) {
    let (read, mut write) = socket.into_split();
    let mut read = BufReader::new(read);
    while let Some(request) = read_request(&mut read).await {
        let request = Seen { connection, ..request };
        let reply = script(&request);
        seen.lock().expect("no panic").push(request);
        if let Reply::Reset(bytes) = &reply {
            write.as_ref().set_zero_linger().expect("an option");
            let _ = write.write_all(bytes).await;
            // Without the orderly end that a half gives when it is dropped.
            return write.forget();
        }
        let goes_on = tokio::select! {
            goes_on = answer(&mut write, reply) => goes_on,
            // The proxy sends nothing while it is answered; what ends the read is its hanging up.
            _ = read.fill_buf() => {
                hung_up.send_modify(|count| *count += 1);
                false
            }
        };
        if !goes_on {
            return;
        }
    }
}

/// Sends a reply; whether the connection goes on.
async fn answer(write: &mut (impl AsyncWriteExt + Unpin), reply: Reply) -> bool {
    const STREAM: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    match reply {
        Reply::Http(status, headers, body) => {
            let mut head = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n", body.len());
            for (name, value) in headers {
                head += &format!("{name}: {value}\r\n");
            }
            head.push_str("\r\n");
            write.write_all(&[head.as_bytes(), &body].concat()).await.is_ok()
        }
        Reply::Raw(bytes) | Reply::Reset(bytes) => {
            let _ = write.write_all(&bytes).await;
            false
        }
        Reply::Stream(mut pieces) => {
            let mut is_open = write.write_all(STREAM).await.is_ok();
            while is_open && let Some(piece) = pieces.recv().await {
                is_open = write.write_all(&chunk(&piece)).await.is_ok();
            }
            is_open && write.write_all(b"0\r\n\r\n").await.is_ok()
        }
        Reply::Counted(mut pieces, written) => {
            let mut is_open = write.write_all(STREAM).await.is_ok();
            while is_open && let Some(piece) = pieces.recv().await {
                is_open = write.write_all(&chunk(&piece)).await.is_ok();
                if !is_open {
                    // The end of what is read tells that the proxy has hung up.
                    return std::future::pending().await;
                }
                written.fetch_add(piece.len(), Relaxed);
            }
            is_open && write.write_all(b"0\r\n\r\n").await.is_ok()
        }
        Reply::Made(pieces, written) => {
            let mut is_open = write.write_all(STREAM).await.is_ok();
            for piece in pieces {
                is_open = is_open && write.write_all(&chunk(&piece)).await.is_ok();
                if !is_open {
                    // As above.
                    return std::future::pending().await;
                }
                written.fetch_add(piece.len(), Relaxed);
            }
            is_open && write.write_all(b"0\r\n\r\n").await.is_ok()
        }
        Reply::Dripped(bytes, pause) => {
            for byte in bytes {
                sleep(pause).await;
                if write.write_all(&[byte]).await.is_err() {
                    return std::future::pending().await;
                }
            }
            false
        }
        Reply::Torn(bytes) => {
            let _ = write.write_all(&[STREAM, &chunk(&bytes)].concat()).await;
            false
        }
        Reply::Silent(bytes) => {
            let _ = write.write_all(&bytes).await;
            std::future::pending().await
        }
        Reply::Silence => std::future::pending().await,
        Reply::After(told, reply) => {
            told.notified().await;
            Box::pin(answer(write, *reply)).await
        }
    }
}

/// A piece as a chunk of its own; nothing is none, since an empty chunk is the end.
fn chunk(bytes: &[u8]) -> Vec<u8> {
    if bytes.is_empty() {
        return Vec::new();
    }
    [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
}
