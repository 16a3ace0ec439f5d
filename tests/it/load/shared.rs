//! A connection that many callers share, as a mesh opens it: what one of them does ends no other's calls. Each guard of the
//! HTTP/2 library that would end the connection, in one burst and over its life; ARCHITECTURE.md lists them.

use std::time::Duration;

use tokio::{io::AsyncWriteExt, net::TcpStream};
use tonic::{Code, Status};
use xpander_grpc_proxy::config::Settings;

use super::Busy;
use crate::{
    hostile::{MB, Process},
    support::{
        callers::hash,
        direct::frame,
        platform::{Platform, Reply, task},
        raw::{
            CONTINUATION, DATA, END_HEADERS, END_STREAM, Frame, GOAWAY, HEADERS, Heard, Manners, PING, PREFACE,
            RST_STREAM, Raw, SETTINGS, bytes, head, head_to, head_with, reset,
        },
    },
};

/// An invocation of `agent-1` with the prompt `hi`, and one whose create takes as long as the test likes.
const INVOCATION: &[u8] = b"\x0a\x07agent-1\x12\x02hi";
const HELD: &[u8] = b"\x0a\x04held\x12\x02hi";

const TOKEN: &str = "a-token-that-is-right";

/// The connection, with a create on it that is under way.
struct Shared {
    busy: Busy,
    raw: Raw,
    neighbour: u32,
}

impl Shared {
    async fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let busy = Busy::with(change).await;
        let mut raw = Raw::connect(&busy.proxy, Manners::Good).await;
        let (neighbour, call) = raw.call("Invoke", HELD);
        raw.send(&call).await;
        busy.has_seen("POST", 1).await;
        Self { busy, raw, neighbour }
    }

    /// The same where callers have tokens.
    async fn with_a_token(further: impl FnOnce(&mut Settings)) -> Self {
        let change = |settings: &mut Settings| {
            further(settings);
            settings.auth.tokens = [("orders".to_owned(), vec![hash(TOKEN)])].into();
            settings.server.max_streams = 1;
        };
        let busy = Busy::with(change).await;
        let mut raw = Raw::connect(&busy.proxy, Manners::Good).await;
        let neighbour = raw.stream();
        let head = bytes(HEADERS, END_HEADERS, neighbour, &head_with(TOKEN, "Invoke"));
        raw.send(&[head, bytes(DATA, END_STREAM, neighbour, &frame(HELD))].concat()).await;
        busy.has_seen("POST", 1).await;
        Self { busy, raw, neighbour }
    }

    /// What a head is answered with, which came in these frames.
    async fn refusal(&mut self, stream: u32) -> Heard {
        let heard = self.raw.until("a refusal", move |heard| heard.of(HEADERS, stream) > 0 || heard.is_over).await;
        assert!(!heard.is_over, "the connection has ended: {:?}", goaways(&heard));
        heard
    }

    /// The neighbour's create is answered, and nobody was told that the connection ends for an error.
    async fn stays_unharmed(mut self) {
        let Self { busy, raw, neighbour } = &mut self;
        // What was sent last has been read.
        raw.send(&bytes(PING, 0, 0, b"the last")).await;
        let is_read = |heard: &Heard| heard.frames.iter().any(|frame| frame.0 == PING && frame.3 == b"the last");
        let heard = raw.until("the last words", |heard| is_read(heard) || heard.is_over).await;
        assert!(!heard.is_over, "the connection has ended: {:?}", goaways(&heard));
        busy.go_on.notify_waiters();
        let heard = raw.until("the answer", |heard| heard.of(HEADERS, *neighbour) == 2 || heard.is_over).await;
        // A connection that was told to leave ends behind it.
        assert_eq!(heard.of(HEADERS, *neighbour), 2, "the connection has ended: {:?}", goaways(&heard));
        assert_eq!(heard.of(RST_STREAM, *neighbour), 0);
        assert!(goaways(&heard).iter().all(|goaway| goaway[4..8] == [0; 4]), "{:?}", goaways(&heard));
    }
}

fn goaways(heard: &Heard) -> Vec<Vec<u8>> {
    heard.frames.iter().filter(|frame| frame.0 == GOAWAY).map(|frame| frame.3.clone()).collect()
}

/// So many creates, each reset behind its last byte, in one piece.
async fn burst(resets: usize) {
    let mut shared = Shared::with(|_| {}).await;
    let mut all = Vec::new();
    for _ in 0..resets {
        let (stream, call) = shared.raw.call("Invoke", INVOCATION);
        all.extend([call, reset(stream)].concat());
    }
    shared.raw.send(&all).await;
    shared.stays_unharmed().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_burst_of_resets_ends_nobody_elses_call() {
    for resets in [21, 100, 500, 3_000] {
        burst(resets).await;
    }
}

/// As small as a request can be: more of them than fit into anything.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_burst_of_resets_of_heads_alone_ends_nobody_elses_call() {
    let mut shared = Shared::with(|_| {}).await;
    let mut all = Vec::new();
    for _ in 0..20_000 {
        let stream = shared.raw.stream();
        // `:method: POST`, `:scheme: http`, `:path: /`.
        all.extend([bytes(HEADERS, END_HEADERS, stream, &[0x83, 0x86, 0x84]), reset(stream)].concat());
    }
    shared.raw.send(&all).await;
    shared.stays_unharmed().await;
}

/// A head with this more, in frames of this size.
fn large_head(stream: u32, more: &[(usize, usize)], size: usize) -> Vec<u8> {
    let mut block = head("GetTask");
    for (at, (fields, length)) in more.iter().enumerate() {
        for field in 0..*fields {
            let name = format!("x-{at}-{field}");
            block.extend([0x00, u8::try_from(name.len()).expect("short")]);
            block.extend(name.as_bytes());
            // A length of more than seven bits goes on behind them.
            block.push(0x7f);
            let mut rest = length - 127;
            while rest >= 128 {
                block.push(u8::try_from(rest % 128).expect("seven bits") | 0x80);
                rest /= 128;
            }
            block.push(u8::try_from(rest).expect("seven bits"));
            block.extend(vec![b'x'; *length]);
        }
    }
    let pieces: Vec<_> = block.chunks(size).collect();
    let frames = pieces.iter().enumerate().map(|(at, piece)| {
        let is_last = at + 1 == pieces.len();
        let kind = if at == 0 { HEADERS } else { CONTINUATION };
        let end = if is_last { END_HEADERS } else { 0 };
        bytes(kind, end | if at == 0 { END_STREAM } else { 0 }, stream, piece)
    });
    frames.collect::<Vec<_>>().concat()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metadata_that_is_too_large_is_refused_as_that_one_request() {
    let mut shared = Shared::with(|_| {}).await;
    let heads: [&[(usize, usize)]; 7] = [
        &[(1, 20_000)],
        &[(1, 45_000)],
        &[(1, 60_000)],
        &[(45, 1_000)],
        &[(150, 400)],
        // Beyond what Envoy lets through by itself.
        &[(1, 80_000)],
        &[(80, 1_000)],
    ];
    for head in heads {
        let stream = shared.raw.stream();
        shared.raw.send(&large_head(stream, head, 16_384)).await;
        shared.refusal(stream).await;
    }
    shared.stays_unharmed().await;
}

#[tokio::test]
async fn metadata_that_is_too_large_is_told_as_resource_exhausted() {
    let busy = Busy::with(|_| {}).await;
    let call = async |size: usize| -> Result<(), Status> {
        let mut request = tonic::Request::new(super::get("task-1"));
        request.metadata_mut().insert("x-large", "x".repeat(size).parse().expect("a value"));
        let mut client = busy.proxy.client();
        client.get_task(request).await.map(drop)
    };
    call(15_000).await.expect("it fits");
    for size in [17_000, 45_000, 60_000, 98_000, 120_000] {
        let failure = crate::support::status::failure(call(size).await);
        assert_eq!((failure.code, &*failure.reason), (Code::ResourceExhausted, "METADATA_TOO_LARGE"), "{size}");
    }
}

/// A message of 20,000 bytes, one byte a frame, of a call that is served and of calls that are refused with its first word.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_of_one_byte_end_nobody_elses_call() {
    for method in ["GetTask", "Invoke", "Nope"] {
        let mut shared = Shared::with(|_| {}).await;
        let stream = shared.raw.stream();
        let mut all = bytes(HEADERS, END_HEADERS, stream, &head(method));
        let message = frame(&vec![b'x'; 20_000]);
        for (at, byte) in message.iter().enumerate() {
            let end = if at + 1 == message.len() { END_STREAM } else { 0 };
            all.extend(bytes(DATA, end, stream, &[*byte]));
        }
        shared.raw.send(&all).await;
        shared.refusal(stream).await;
        shared.stays_unharmed().await;
    }
}

/// Refused while their bodies of 64 KiB and more are under way, again and again on one connection: for a wrong token, an
/// unknown method, a share that is not there. Refused with their heads, so that most of a body comes for what is over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_of_refused_calls_do_not_use_up_what_the_connection_may_do_in_its_life() {
    const EACH: usize = 1_200;
    let mut shared = Shared::with_a_token(|_| {}).await;
    let (follow, call) = (shared.raw.stream(), frame(b"\x0a\x06task-1"));
    let head = bytes(HEADERS, END_HEADERS, follow, &head_with(TOKEN, "StreamEvents"));
    shared.raw.send(&[head, bytes(DATA, END_STREAM, follow, &call)].concat()).await;
    shared.raw.until("a stream", |heard| heard.of(HEADERS, follow) > 0).await;
    let heads = [head_with("wrong", "Invoke"), head_with(TOKEN, "Nope"), head_with(TOKEN, "StreamEvents")];
    let pieces = vec![0; 16_384];
    for round in 0..EACH * heads.len() {
        let stream = shared.raw.stream();
        shared.raw.send(&bytes(HEADERS, END_HEADERS, stream, &heads[round % heads.len()])).await;
        shared.refusal(stream).await;
        let body = (0..4 + round % 5).flat_map(|_| bytes(DATA, 0, stream, &pieces));
        // Most callers reset a call that was answered; some send their last byte; small frames count more than large ones.
        let last = if round % 4 == 0 { reset(stream) } else { bytes(DATA, END_STREAM, stream, b"x") };
        let small = [bytes(DATA, 0, stream, b"x"), bytes(DATA, 0, stream, b"y"), last].concat();
        shared.raw.send(&body.chain(small).collect::<Vec<_>>()).await;
    }
    shared.stays_unharmed().await;
}

/// Trailers that were on their way when their stream was reset: more of them than HTTP/2 remembers, and longer after. They are
/// sent for calls that are refused before their end, and for heads that HTTP/2 itself refuses.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trailers_behind_a_reset_end_nobody_elses_call() {
    const CALLS: usize = 90;
    for head in [head("Nope"), head_to("a|b", "GetTask")] {
        let mut shared = Shared::with(|_| {}).await;
        let streams: Vec<_> = (0..CALLS).map(|_| shared.raw.stream()).collect();
        let heads = streams.iter().flat_map(|stream| bytes(HEADERS, END_HEADERS, *stream, &head));
        shared.raw.send(&heads.collect::<Vec<_>>()).await;
        // The bodies of the last ones are still taken.
        let are_reset = |heard: &Heard| heard.frames.iter().filter(|frame| frame.0 == RST_STREAM).count() >= CALLS - 32;
        shared.raw.until("resets", |heard| are_reset(heard) || heard.is_over).await;
        // `x: y`, without a table.
        let trailers = [0x00, 0x01, b'x', 0x01, b'y'];
        for (at, stream) in streams.iter().enumerate() {
            let whole = bytes(HEADERS, END_HEADERS | END_STREAM, *stream, &trailers);
            let (first, last) = trailers.split_at(3);
            let cut = [bytes(HEADERS, END_STREAM, *stream, first), bytes(CONTINUATION, END_HEADERS, *stream, last)];
            let trailers = if at % 2 == 0 { whole } else { cut.concat() };
            // In two pieces, which may arrive one by one.
            let (first, last) = trailers.split_at(at % trailers.len());
            shared.raw.send(first).await;
            shared.raw.send(last).await;
        }
        shared.stays_unharmed().await;
    }
}

/// Told to leave for one caller's resets, the connection goes on with the others' calls, their bodies too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_goes_on_to_come_on_a_connection_that_another_caller_has_reset_too_much_on() {
    const MOST: usize = 900_000;
    let limits = |settings: &mut Settings| {
        settings.server.max_resets_per_connection = 5;
        // Forty kilobytes a second would not do.
        settings.server.receive_timeout = Duration::from_secs(20);
    };
    let mut shared = Shared::with(limits).await;
    let length = [b"\x0a\x07agent-1\x12", &*varint(MOST)].concat();
    let message = frame(&[length, vec![b'x'; MOST]].concat());
    let upload = shared.raw.stream();
    let head = bytes(HEADERS, END_HEADERS, upload, &head("Invoke"));
    let (first, rest) = message.split_at(16_384);
    shared.raw.send(&[head, bytes(DATA, 0, upload, first)].concat()).await;
    // It is let in before a call that came behind it has been to the platform.
    let (read, call) = shared.raw.call("GetTask", b"\x0a\x06task-1");
    shared.raw.send(&call).await;
    shared.raw.until("a task", move |heard| heard.of(DATA, read) > 0 || heard.is_over).await;
    for _ in 0..50 {
        let (stream, call) = shared.raw.call("Invoke", INVOCATION);
        shared.raw.send(&[call, reset(stream)].concat()).await;
    }
    shared.raw.heard(GOAWAY).await;
    let pieces = rest.chunks(16_384).flat_map(|piece| bytes(DATA, 0, upload, piece));
    shared.raw.send(&pieces.chain(bytes(DATA, END_STREAM, upload, &[])).collect::<Vec<_>>()).await;
    let is_last = |(kind, flags, stream, _): &Frame| (*kind, *stream, flags & END_STREAM) == (HEADERS, upload, 1);
    let heard = shared.raw.until("an answer", |heard| heard.frames.iter().any(is_last) || heard.is_over).await;
    // A refusal has a head alone.
    assert_eq!((heard.of(DATA, upload), heard.is_over), (1, false), "{:?} {heard:?}", goaways(&heard));
    shared.stays_unharmed().await;
}

/// Keys are on their way for ten seconds: the issuer takes connections, and says nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_whose_caller_waits_for_keys_does_not_end_the_connection() {
    const MADE_UP: &str = "eyJhbGciOiJSUzI1NiIsImtpZCI6Im1hZGUtdXAifQ.e30.AA";
    let issuer = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let jwks = format!("http://{}/jwks", issuer.local_addr().expect("bound"));
    let takes_jwts = |settings: &mut Settings| {
        let jwt = &mut settings.auth.jwt;
        (jwt.issuer, jwt.audience) = (Some("an-issuer".to_owned()), Some("the-proxy".to_owned()));
        jwt.jwks_url = Some(jwks);
    };
    let mut shared = Shared::with_a_token(takes_jwts).await;
    let stream = shared.raw.stream();
    shared.raw.send(&bytes(HEADERS, END_HEADERS, stream, &head_with(MADE_UP, "GetTask"))).await;
    // More small frames than may wait to be read on a connection.
    shared.raw.send(&bytes(DATA, 0, stream, b"x").repeat(140_000)).await;
    shared.refusal(stream).await;
    shared.stays_unharmed().await;
}

fn varint(number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    prost::encoding::encode_varint(number as u64, &mut bytes);
    bytes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_that_http2_refuses_do_not_use_up_what_the_connection_may_do_in_its_life() {
    let mut shared = Shared::with(|_| {}).await;
    for round in 0..3_000 {
        let stream = shared.raw.stream();
        let head = if round % 2 == 0 { head_to("a|b", "GetTask") } else { vec![0x83, 0x86] };
        shared.raw.send(&bytes(HEADERS, END_HEADERS | END_STREAM, stream, &head)).await;
    }
    shared.stays_unharmed().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_too_many_do_not_use_up_what_the_connection_may_do_in_its_life() {
    let mut shared = Shared::with(|settings| settings.server.max_streams_per_connection = 1).await;
    for _ in 0..1_500 {
        let (_, call) = shared.raw.call("GetTask", b"\x0a\x06task-1");
        shared.raw.send(&call).await;
    }
    shared.stays_unharmed().await;
}

/// Requests that HTTP/2 refuses, whose answers nobody reads: what it has to say to them would pile up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_reads_no_answers_is_not_read_for_ever() {
    const MOST: usize = 64 * MB;
    let platform = Platform::start(|_| Reply::json(200, &task("well", "executing"))).await;
    let process = Process::before(platform).await;
    let (_unread, mut write) =
        TcpStream::connect(process.grpc().trim_start_matches("http://")).await.expect("connects").into_split();
    write.write_all(&[PREFACE, &bytes(SETTINGS, 0, 0, &[])].concat()).await.expect("connected");
    let (mut stream, mut sent) = (1, 0);
    while sent < MOST {
        let heads = (0..1_000).flat_map(|at| bytes(HEADERS, END_HEADERS | END_STREAM, stream + 2 * at, &[0x83, 0x86]));
        let heads: Vec<_> = heads.collect();
        (stream, sent) = (stream + 2_000, sent + heads.len());
        // It is full, or the connection is over.
        let writing = tokio::time::timeout(Duration::from_secs(2), write.write_all(&heads)).await;
        if !matches!(writing, Ok(Ok(()))) {
            break;
        }
    }
    assert!(sent < MOST, "it reads on and on");
    assert!(process.peak() < 16 * MB, "{} MB", process.peak() / MB);
    assert_eq!(process.get("well").await.expect("it serves").id, "well");
}
