//! Calls that are refused while their bodies go on, and those that no limit refuses, on many connections at once: all
//! together they hold little, also where they have piled up while the process was busy, and what they leave behind is little.

use std::sync::Arc;

use futures_util::future::join_all;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, tcp::ReadHalf},
    sync::Notify,
};
use xpander_grpc_proxy::proto::StopTaskRequest;

use super::{MB, Process, platform};
use crate::support::{
    direct::frame,
    live::within,
    platform::{Reply, task},
    raw::{ACK, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PING, PREFACE, SETTINGS, bytes, head},
};

const CONNECTIONS: usize = 40;
/// Calls on each.
const CALLS: u32 = 500;

/// What is said behind the first words, and a ping behind it.
fn words(calls: impl Iterator<Item = Vec<u8>>) -> Vec<u8> {
    let first = [PREFACE, &bytes(SETTINGS, 0, 0, &[])].concat();
    [first].into_iter().chain(calls).chain([bytes(PING, 0, 0, b"the last")]).flatten().collect()
}

/// Calls with this head that do not end.
fn endless(calls: u32, head: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    (0..calls).map(|call| bytes(HEADERS, END_HEADERS, 2 * call + 11, head))
}

async fn connect(process: &Process) -> TcpStream {
    TcpStream::connect(process.grpc().trim_start_matches("http://")).await.expect("connects")
}

/// Reads until these words come.
async fn hears(socket: &mut ReadHalf<'_>, words: &[u8]) {
    let (mut heard, mut piece) = (Vec::new(), vec![0; 64 << 10]);
    while !heard.windows(words.len()).any(|heard| heard == words) {
        // What may be the beginning of them.
        heard.drain(..heard.len().saturating_sub(words.len()));
        match socket.read(&mut piece).await.expect("open") {
            0 => panic!("the connection has ended"),
            read => heard.extend_from_slice(&piece[..read]),
        }
    }
}

/// Says all of it, and reads until the ping is answered: all that stands before it has been taken in.
async fn say(socket: &mut TcpStream, words: &[u8]) {
    let (mut read, mut write) = socket.split();
    let pong = bytes(PING, ACK, 0, b"the last");
    let (sent, ()) = tokio::join!(write.write_all(words), hears(&mut read, &pong));
    sent.expect("open");
}

/// What has come by the time that the process goes on, on all connections, is taken in; the most memory that it takes.
async fn pile_up(process: &Process, head: &[u8]) -> usize {
    process.serving.signal("STOP").await;
    let words = words(endless(CALLS, head));
    let mut open = join_all((0..CONNECTIONS).map(|_| async {
        let socket = connect(process).await;
        // As much of it as the system takes by now.
        let sent = socket.try_write(&words).unwrap_or_default();
        (socket, sent)
    }))
    .await;
    process.serving.signal("CONT").await;
    let saying = open.iter_mut().map(|(socket, sent)| say(socket, &words[*sent..]));
    within("all of it to be read", join_all(saying)).await;
    assert_eq!(process.get("well").await.expect("it serves").id, "well");
    process.peak() / MB
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_that_are_refused_and_do_not_end_hold_little_however_many_have_piled_up() {
    // For its content type, its method, and its share, of which another one has taken the only one.
    for head in [vec![0x83, 0x86, 0x84], head("Nope"), head("StreamEvents")] {
        let few = ("XPANDER_PROXY_SERVER__MAX_STREAMS", "1");
        let process = Process::with(platform(|| Reply::Silence, || Reply::Silence).await, &[few]).await;
        let peak = pile_up(&process, &head).await;
        assert!(peak < 40, "{head:?}: {peak} MB");
    }
}

/// A stop is never refused for others, but one that does not say of which task is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stops_that_do_not_end_hold_little_and_keep_none_out() {
    let process = Process::before(platform(|| Reply::Silence, || Reply::Silence).await).await;
    let peak = pile_up(&process, &head("StopTask")).await;
    let stop = StopTaskRequest { task_id: "well".to_owned() };
    let stopped = within("a stop", process.client().stop_task(stop)).await.expect("it is stopped").into_inner();
    assert_eq!(stopped.task.expect("a task").id, "well");
    assert!(peak < 60, "{peak} MB");
}

/// Many calls that are refused before their bodies have ended, on more connections than may have had that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_connections_that_were_refused_much_the_oldest_leaves_and_its_calls_go_on() {
    let go_on = Arc::new(Notify::new());
    let told = Arc::clone(&go_on);
    let answer = move || Reply::After(Arc::clone(&told), Box::new(Reply::json(200, &task("task-2", "executing"))));
    let process = Process::before(platform(|| Reply::Silence, answer).await).await;
    let call = frame(b"\x0a\x06task-2");
    let call = [bytes(HEADERS, END_HEADERS, 1, &head("GetTask")), bytes(DATA, END_STREAM, 1, &call)].concat();
    let nope = head("Nope");
    let mut first = connect(&process).await;
    say(&mut first, &words([call].into_iter().chain(endless(20, &nope)))).await;
    let mut others = Vec::new();
    for _ in 0..256 {
        let mut socket = connect(&process).await;
        say(&mut socket, &words(endless(20, &nope))).await;
        others.push(socket);
    }
    let (mut read, _write) = first.split();
    // No more streams; no error.
    let goaway = bytes(GOAWAY, 0, 0, &[0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0]);
    within("a word to leave", hears(&mut read, &goaway)).await;
    go_on.notify_one();
    within("the answer", hears(&mut read, b"task-2")).await;
}
