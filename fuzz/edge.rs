//! What holds for any HTTP/2 that comes to the gRPC port: the connection ends when its caller does, nothing panics, nothing
//! of it is left, and the next caller is served. Frames are made of the bytes, so that they get past the first look.

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    sync::{
        OnceLock,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    thread,
    time::{Duration, Instant},
};

use tokio::runtime::{Builder, Runtime};
use xpander_grpc_proxy::{
    app::Bound,
    config::{Secret, Settings},
    sandbox::Sandbox,
};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const METHODS: [&str; 10] = [
    "/xpander.agent.v1.AgentService/Invoke",
    "/xpander.agent.v1.AgentService/StreamEvents",
    "/xpander.agent.v1.AgentService/InvokeStream",
    "/xpander.agent.v1.AgentService/GetTask",
    "/xpander.agent.v1.AgentService/WaitTask",
    "/xpander.agent.v1.AgentService/StopTask",
    "/xpander.agent.v1.AgentService/Nope",
    "/grpc.health.v1.Health/Check",
    "/grpc.health.v1.Health/Watch",
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
];
/// How long anything may take on a busy machine.
const TIME: Duration = Duration::from_secs(20);

static PANICS: AtomicUsize = AtomicUsize::new(0);

/// The server with the embedded platform behind it.
struct Server {
    grpc: SocketAddr,
    admin: SocketAddr,
    _runtime: Runtime,
}

impl Server {
    fn get() -> &'static Self {
        static SERVER: OnceLock<Server> = OnceLock::new();
        SERVER.get_or_init(|| {
            let before = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |info| {
                let is_the_servers = thread::current().name() == Some("edge");
                PANICS.fetch_add(usize::from(is_the_servers), SeqCst);
                before(info);
            }));
            let runtime = Builder::new_multi_thread().worker_threads(2).thread_name("edge").enable_all().build();
            let runtime = runtime.expect("a runtime");
            let (grpc, admin) = runtime.block_on(start());
            Server { grpc, admin, _runtime: runtime }
        })
    }

    /// A value on `/metrics`, all labels together.
    fn metric(&self, name: &str) -> f64 {
        let mut socket = TcpStream::connect(self.admin).expect("the admin port is open");
        socket.write_all(b"GET /metrics HTTP/1.0\r\nhost: proxy\r\n\r\n").expect("it takes a request");
        let mut text = String::new();
        socket.read_to_string(&mut text).expect("it answers");
        let values = text.lines().filter(|line| line.starts_with(name)).filter_map(|line| line.rsplit(' ').next());
        values.map(|value| value.parse::<f64>().expect("a number")).sum()
    }

    /// What it says to these bytes until it has heard their end and closes the connection.
    fn hear(&self, bytes: &[u8]) -> Vec<u8> {
        let socket = TcpStream::connect(self.grpc).expect("the port is open");
        let mut reading = socket.try_clone().expect("a socket");
        reading.set_read_timeout(Some(TIME)).expect("an option");
        let reader = thread::spawn(move || {
            let mut heard = Vec::new();
            // A reset is an end, too.
            let is_late =
                reading.read_to_end(&mut heard).is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock);
            assert!(!is_late, "the connection does not end");
            heard
        });
        let mut writing = &socket;
        // It may close the connection before it has heard all.
        let _ = writing.write_all(bytes);
        let _ = socket.shutdown(Shutdown::Write);
        reader.join().expect("it ends")
    }
}

async fn start() -> (SocketAddr, SocketAddr) {
    let here = SocketAddr::from(([127, 0, 0, 1], 0));
    let sandbox = Sandbox::start(here).await.expect("a sandbox");
    let mut settings = Settings::default();
    (settings.server.listen, settings.server.admin_listen) = (here, here);
    settings.platform.base_url = sandbox.base_url();
    settings.platform.api_key = Some(Secret::new("key-under-test"));
    settings.platform.organization_id = Some("org-1".to_owned());
    let bound = Bound::bind(&settings).await.expect("it binds");
    let addresses = (bound.grpc_address().expect("bound"), bound.admin_address().expect("bound"));
    tokio::spawn(async move {
        bound.run(std::future::pending()).await;
        drop(sandbox);
    });
    addresses
}

/// See the top of the file.
pub fn edge(bytes: &[u8]) {
    let server = Server::get();
    server.hear(&frames(bytes));
    let settled = Instant::now();
    let left = ["xpander_calls_active", "xpander_streams_active", "xpander_answers_size", "xpander_requests_size"];
    while left.iter().any(|name| server.metric(name) != 0.0) {
        assert!(settled.elapsed() < TIME, "something is left: {:?}", left.map(|name| server.metric(name)));
        thread::sleep(Duration::from_millis(1));
    }
    // A good call, as those frames have it that come of the bytes 0, 7, 0 and 2, 0.
    let heard = server.hear(&frames(&[0, 7, 1, 2, 0, 0]));
    assert!(heard.len() > 30, "the next caller is not served: {heard:?}");
    assert_eq!(PANICS.load(SeqCst), 0, "something has panicked");
}

/// Bytes to be read one after the other; zeros at the end.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn next(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    fn take(&mut self, most: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(most.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// The stream that is meant: one of the first sixteen, or one that a client may not open.
    fn stream(&mut self) -> u32 {
        let byte = u32::from(self.next());
        if byte < 240 { byte % 16 * 2 + 1 } else { byte - 240 }
    }
}

/// The frames that these bytes stand for.
fn frames(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = Bytes(bytes);
    let mut out = [PREFACE, &frame(4, 0, 0, &[])].concat();
    while !bytes.0.is_empty() && out.len() < 1 << 20 {
        let made = made(&mut bytes);
        out.extend(made);
    }
    out
}

fn made(bytes: &mut Bytes<'_>) -> Vec<u8> {
    let kind = bytes.next() % 14;
    match kind {
        // A whole head, then one with fields of its own, with or without its ends.
        0 | 1 => {
            let (method, stream) = (METHODS[usize::from(bytes.next()) % METHODS.len()], bytes.stream());
            let mut block = head(method);
            let mut flags = 4;
            if kind == 1 {
                flags = bytes.next() & 0x2d;
                let length = bytes.next();
                block.extend(bytes.take(length.into()));
            }
            frame(1, flags, stream, &block)
        }
        // A message that is as long as it says, or not, packed or not.
        2 | 3 => {
            let (stream, length) = (bytes.stream(), bytes.next());
            let message = bytes.take(length.into()).to_vec();
            let (flag, more) = if kind == 3 { (bytes.next() % 3, bytes.next()) } else { (0, 0) };
            let size = u32::try_from(message.len() + usize::from(more)).expect("short").to_be_bytes();
            frame(0, u8::from(more == 0), stream, &[&[flag], &size[..], &message].concat())
        }
        // Many small ones.
        4 => {
            let (stream, count, what) = (bytes.stream(), bytes.next(), bytes.next());
            frame(0, 0, stream, &[what][..usize::from(what % 2)]).repeat(usize::from(count) * 8)
        }
        5 => frame(3, 0, bytes.stream(), &[0, 0, 0, bytes.next()]),
        6 => frame(4, bytes.next() & 1, 0, &[0, bytes.next(), bytes.next(), bytes.next(), bytes.next(), bytes.next()]),
        7 => frame(6, bytes.next() & 1, 0, &[bytes.next(); 8]),
        8 => frame(8, 0, bytes.stream(), &[bytes.next(), bytes.next(), bytes.next(), bytes.next()]),
        9 => {
            let (flags, stream, length) = (bytes.next() & 4, bytes.stream(), bytes.next());
            frame(9, flags, stream, bytes.take(length.into()))
        }
        10 => frame(7, 0, 0, &[0, 0, 0, bytes.next(), 0, 0, 0, bytes.next()]),
        // Calls that are reset at once.
        11 => {
            let (first, count) = (bytes.stream(), u32::from(bytes.next()));
            let storm = (0..count).flat_map(|at| {
                let stream = first + 2 * at;
                [frame(1, 4, stream, &head(METHODS[3])), frame(3, 0, stream, &[0, 0, 0, 8])].concat()
            });
            storm.collect()
        }
        // Anything in a frame, and anything.
        12 => {
            let (kind, flags, stream, length) = (bytes.next(), bytes.next(), bytes.stream(), bytes.next());
            frame(kind, flags, stream, bytes.take(length.into()))
        }
        _ => {
            let length = bytes.next();
            bytes.take(length.into()).to_vec()
        }
    }
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let [_, a, b, c] = u32::try_from(payload.len()).expect("a frame").to_be_bytes();
    let [d, e, f, g] = stream.to_be_bytes();
    [&[a, b, c, kind, flags, d, e, f, g], payload].concat()
}

fn head(path: &str) -> Vec<u8> {
    let mut head = vec![0x83, 0x86];
    let fields: [(&[u8], &str); 3] = [(&[0x04], path), (&[0x01], "proxy"), (&[0x0f, 0x10], "application/grpc")];
    for (name, value) in fields {
        head.extend_from_slice(name);
        head.push(u8::try_from(value.len()).expect("short"));
        head.extend_from_slice(value.as_bytes());
    }
    head
}
