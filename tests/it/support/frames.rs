//! A platform over HTTP/2 by prior knowledge whose answers, event streams and silences a test chooses for each connection.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use h2::{
    RecvStream, SendStream,
    server::{self, SendResponse},
};
use http::{Request, Response};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinHandle,
    time::sleep,
};

use super::live::within;

/// What a request gets.
pub enum Act {
    /// A head, and a body of frames as they are given.
    Answer(Response<()>, Vec<Bytes>),
    /// An event stream of these frames again and again, as fast as they are taken.
    Endless(Vec<Bytes>),
    /// An event stream of these frames, and no more.
    Held(Vec<Bytes>),
    /// An event stream of this frame, again and again with such a pause between.
    Ticking(Bytes, Duration),
    /// Nothing; pings are answered.
    Silence,
    /// Nothing, and nothing more on the whole connection, which stays open.
    Death,
    /// The end of the connection.
    Close,
}

/// A request's path and connection, counted from zero.
pub struct Asked {
    pub path: String,
    pub connection: usize,
}

/// The platform; stops when it is dropped.
pub struct Frames {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    ended: Arc<AtomicUsize>,
    written: Arc<AtomicUsize>,
    accepting: JoinHandle<()>,
}

type Script = Arc<dyn Fn(&Asked) -> Act + Send + Sync>;

impl Frames {
    pub async fn start(script: impl Fn(&Asked) -> Act + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let [connections, ended, written] = [(); 3].map(|()| Arc::new(AtomicUsize::new(0)));
        let counts = [&connections, &ended, &written].map(Arc::clone);
        let script: Script = Arc::new(script);
        let accepting = tokio::spawn(async move {
            let [count, ends, bytes] = counts;
            while let Ok((socket, _)) = listener.accept().await {
                let connection = count.fetch_add(1, Relaxed);
                let (ends, served) =
                    (Arc::clone(&ends), serve(socket, connection, Arc::clone(&script), Arc::clone(&bytes)));
                tokio::spawn(async move {
                    served.await;
                    ends.fetch_add(1, Relaxed);
                });
            }
        });
        Self { address, connections, ended, written, accepting }
    }

    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How many connections were made.
    pub fn connections(&self) -> usize {
        self.connections.load(Relaxed)
    }

    /// How many connections have ended.
    pub fn ended(&self) -> usize {
        self.ended.load(Relaxed)
    }

    /// How many bytes of endless streams were taken.
    pub fn written(&self) -> usize {
        self.written.load(Relaxed)
    }

    /// Waits until no endless stream goes on.
    pub async fn stands_still(&self) {
        const STILL: Duration = Duration::from_millis(500);
        let mut before = usize::MAX;
        while self.written() != before || before == 0 {
            before = self.written();
            sleep(STILL).await;
        }
    }
}

impl Drop for Frames {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn serve(socket: TcpStream, connection: usize, script: Script, written: Arc<AtomicUsize>) {
    let Ok(mut http2) = server::handshake(socket).await else { return };
    // What was answered with silence, which the end of its stream would break.
    let held = Arc::new(Mutex::new(Vec::new()));
    while let Some(Ok((request, respond))) = http2.accept().await {
        let path = request.uri().path().to_owned();
        match script(&Asked { path, connection }) {
            Act::Close => return,
            Act::Death => return std::future::pending().await,
            Act::Silence => held.lock().expect("no panic").push((request, respond)),
            act => drop(tokio::spawn(answer(request, respond, act, Arc::clone(&written)))),
        }
    }
}

async fn answer(
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    act: Act,
    written: Arc<AtomicUsize>,
) -> Option<()> {
    let mut body = request.into_body();
    while let Some(data) = body.data().await {
        body.flow_control().release_capacity(data.ok()?.len()).ok()?;
    }
    let stream = || Response::builder().header("content-type", "text/event-stream").body(()).expect("a head");
    match act {
        Act::Answer(head, frames) => {
            let mut send = respond.send_response(head, frames.is_empty()).ok()?;
            let last = frames.len();
            for (at, frame) in frames.into_iter().enumerate() {
                write(&mut send, frame, at + 1 == last).await?;
            }
        }
        Act::Endless(frames) => {
            let mut send = respond.send_response(stream(), false).ok()?;
            for frame in frames.iter().cycle() {
                write(&mut send, frame.clone(), false).await?;
                written.fetch_add(frame.len(), Relaxed);
            }
        }
        Act::Ticking(frame, pause) => {
            let mut send = respond.send_response(stream(), false).ok()?;
            loop {
                write(&mut send, frame.clone(), false).await?;
                sleep(pause).await;
            }
        }
        Act::Held(frames) => {
            let mut send = respond.send_response(stream(), false).ok()?;
            for frame in frames {
                write(&mut send, frame, false).await?;
            }
            std::future::pending::<()>().await;
        }
        Act::Silence | Act::Death | Act::Close => {}
    }
    Some(())
}

/// Sends a frame once the proxy has room for all of it.
async fn write(send: &mut SendStream<Bytes>, frame: Bytes, is_last: bool) -> Option<()> {
    send.reserve_capacity(frame.len());
    while send.capacity() < frame.len() {
        std::future::poll_fn(|cx| send.poll_capacity(cx)).await?.ok()?;
    }
    send.send_data(frame, is_last).ok()
}

/// A head of status 200 with JSON.
pub fn json_head() -> Response<()> {
    Response::builder().header("content-type", "application/json").body(()).expect("a head")
}

/// An answer with JSON.
pub fn json(body: &serde_json::Value) -> Act {
    Act::Answer(json_head(), vec![body.to_string().into()])
}

/// Makes the call again and again for so often at most; how often it failed before it succeeded.
pub async fn failures<T, E>(most: usize, mut call: impl AsyncFnMut() -> Result<T, E>) -> usize {
    for failed in 0..most {
        let result = within("an end", call()).await;
        if result.is_ok() {
            return failed;
        }
    }
    most
}
