//! What is begun and never finished, on many connections and streams at once: it is bounded over all of them, and keeps
//! nobody else out.

use std::{
    iter,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use futures_util::future::join_all;
use serde_json::json;
use tokio::{io::AsyncWriteExt, net::TcpStream, sync::mpsc};
use tonic::Code;
use xpander_grpc_proxy::proto::{EventType, InvokeRequest, Task};

use super::{MB, Process, end, platform};
use crate::{
    load::{metric, until},
    support::{
        calls::invoke,
        live::{Followed, within},
        platform::{Platform, Reply, task},
        raw::{CONTINUATION, HEADERS, PREFACE, SETTINGS, bytes, head},
        status::failure,
    },
};

/// A connection on which this is said behind the first words.
async fn saying(process: &Process, words: &[u8]) -> TcpStream {
    let mut socket = TcpStream::connect(process.grpc().trim_start_matches("http://")).await.expect("connects");
    // The other end may have closed it already.
    let _ = socket.write_all(&[PREFACE, &bytes(SETTINGS, 0, 0, &[]), words].concat()).await;
    socket
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heads_without_an_end_hold_no_more_than_there_is_room() {
    const CONNECTIONS: usize = 400;
    let process = Process::before(platform(|| Reply::Silence, || Reply::Silence).await).await;
    // Five fields of 16,000 bytes.
    let field = |nth: u8| [&[0x00, 0x02, b'x', b'0' + nth, 0x7f, 0x81, 0x7c], &*vec![b'x'; 16_000]].concat();
    let block = iter::once(head("GetTask")).chain((0..5).map(field)).collect::<Vec<_>>().concat();
    let frames = block.chunks(16_384).enumerate();
    let frames = frames.flat_map(|(at, piece)| bytes(if at == 0 { HEADERS } else { CONTINUATION }, 0, 1, piece));
    let words: Vec<_> = frames.collect();
    let mut open = Vec::new();
    for _ in 0..CONNECTIONS {
        open.push(saying(&process, &words).await);
        if open.len() % 40 == 0 {
            assert_eq!(process.get("well").await.expect("it serves").id, "well");
        }
    }
    // Each would keep 160 KB.
    assert!(process.peak() < 40 * MB, "{} MB", process.peak() / MB);
}

/// Streams that each bring most of a large event: what there is no room for is left out, told as a gap.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_without_an_end_hold_no_more_than_there_is_room() {
    const STREAMS: usize = 20;
    const SIZE: usize = 12;
    let (streams, taken) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicUsize::new(0)));
    let (open, count) = (Arc::clone(&streams), Arc::clone(&taken));
    let stream = move || {
        let (send, pieces) = mpsc::unbounded_channel();
        open.lock().expect("no panic").push(send);
        Reply::Counted(pieces, Arc::clone(&count))
    };
    let process = Process::before(platform(stream, || Reply::Silence).await).await;
    let mut followed = join_all((0..STREAMS).map(|_| async { Followed::begin(&mut process.client()).await })).await;
    let reading = join_all(followed.iter_mut().map(Followed::next));
    let filled = async {
        let begin = b"data: {\"type\": \"chunk\", \"data\": \"".to_vec();
        for piece in iter::once(begin).chain(iter::repeat_n(vec![b'x'; MB], SIZE)) {
            for stream in streams.lock().expect("no panic").iter() {
                stream.send(piece.clone()).expect("open");
            }
        }
        until("all of it is taken", async || taken.load(Relaxed) > STREAMS * SIZE * MB).await;
        assert!(process.peak() < 130 * MB, "{} MB", process.peak() / MB);
        for stream in streams.lock().expect("no panic").iter() {
            stream.send([b"\"}\n\n", &*end()].concat()).expect("open");
        }
    };
    let (first, ()) = within("an event of each", async { tokio::join!(reading, filled) }).await;
    let left_out = first.iter().filter(|event| event.r#type() == EventType::StreamGap).count();
    assert!(left_out >= STREAMS / 2, "{left_out}");
}

/// A refusal in JSON is read to its end, since it may repeat the request, within the room that there is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_refusals_hold_no_more_than_there_is_room() {
    const CALLS: usize = 12;
    let words = Arc::new([&b"{\"detail\": \"no\", \"echo\": \""[..], &*vec![b'x'; 20 * MB], b"\"}"].concat());
    let refusal = move || Reply::Http(422, vec![("content-type", "application/json".into())], words.to_vec());
    let process = Process::before(platform(|| Reply::Silence, refusal).await).await;
    let refused = within("refusals", join_all((0..CALLS).map(|_| process.get("task-2")))).await;
    for refused in refused {
        assert_eq!(failure(refused).code, Code::InvalidArgument);
    }
    assert!(process.peak() < 150 * MB, "{} MB", process.peak() / MB);
}

/// Two answers of unknown length, each of which holds the room that the other needs: who reads is told so in time, and what a
/// create has made is told in any case.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_that_wait_for_each_others_room_do_not_wait_for_ever() {
    const HALF: usize = 9 * MB;
    let open = Arc::new(Mutex::new(Vec::new()));
    let answers = Arc::clone(&open);
    let answer = move || {
        let (send, pieces) = mpsc::unbounded_channel();
        answers.lock().expect("no panic").push(send);
        Reply::Stream(pieces)
    };
    let room = ("XPANDER_PROXY_SERVER__MAX_BUFFERED_BYTES", "39845888");
    let platform = Platform::with_agents(move |request| match request.path.contains("/well/") {
        true => Reply::json(200, &task("well", "executing")),
        false => answer(),
    });
    let process = Process::with(platform.await, &[room]).await;
    let holds = async |bytes: usize| {
        let bytes = bytes.to_string();
        until("room", async || metric(process.admin(), "xpander_answers_size_bytes", "").await == bytes).await;
    };
    // So much of both that each holds 16 MiB; then what needs 32, which are there for one of them alone.
    let begin = async || {
        until("both are asked", async || open.lock().expect("no panic").len() == 2).await;
        let answers = std::mem::take(&mut *open.lock().expect("no panic"));
        for answer in &answers {
            let begin = br#"{"id": "task-2", "result": ""#.to_vec();
            answer.send([begin, vec![b'x'; HALF]].concat()).expect("open");
        }
        holds(32 * MB).await;
        answers
    };
    let end = |answer: mpsc::UnboundedSender<Vec<u8>>| {
        answer.send([&vec![b'x'; HALF][..], b"\"}"].concat()).expect("open");
    };
    let reads = join_all((0..2).map(|_| process.get("task-2")));
    let answered = async {
        let mut answers = begin().await;
        end(answers.remove(0));
        // The other one holds its room until this one has given up, and is answered then.
        holds(16 * MB).await;
        end(answers.remove(0));
    };
    let (reads, ()) = within("both reads", async { tokio::join!(reads, answered) }).await;
    let (good, mut bad): (Vec<_>, Vec<_>) = reads.into_iter().partition(Result::is_ok);
    assert_eq!(good.len(), 1, "{bad:?}");
    let refusal = failure(bad.remove(0));
    assert_eq!((refusal.code, &*refusal.reason), (Code::ResourceExhausted, "PROXY_OVERLOADED"));
    assert!(refusal.retry_seconds.is_some(), "{refusal:?}");
    let creates = join_all((0..2).map(|_| async { process.client().invoke(invoke("agent-1")).await }));
    let answered = async { begin().await.into_iter().for_each(end) };
    let (creates, ()) = within("both creates", async { tokio::join!(creates, answered) }).await;
    for create in creates {
        let task: Task = *create.expect("it was created").into_inner().task.expect("a task");
        assert_eq!(task.result().len(), 2 * HALF);
    }
}

/// Halves of large events hold all of the room for as long as they like. A read whose answer is there hears that in time, and
/// that it is not the platform's fault.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_that_finds_no_room_in_its_time_says_so() {
    let half = || {
        let (send, pieces) = mpsc::unbounded_channel();
        send.send([&br#"data: {"type": "chunk", "data": ""#[..], &vec![b'x'; 9 * MB]].concat()).expect("open");
        // Never closed.
        std::mem::forget(send);
        Reply::Stream(pieces)
    };
    let large = move || {
        let mut large = task("task-2", "executing");
        large["result"] = json!("x".repeat(MB));
        Reply::json(200, &large)
    };
    let environment = [("XPANDER_PROXY_PLATFORM__REQUEST_TIMEOUT", "3s")];
    let process = Process::with(platform(half, large).await, &environment).await;
    let (mut one, mut other) = (process.client(), process.client());
    let _followed = (Followed::begin(&mut one).await, Followed::begin(&mut other).await);
    let full = (32 * MB).to_string();
    until("no room", async || metric(process.admin(), "xpander_answers_size_bytes", "").await == full).await;
    let refusal = failure(within("a refusal", process.get("task-2")).await);
    assert_eq!((refusal.code, &*refusal.reason), (Code::ResourceExhausted, "PROXY_OVERLOADED"));
    assert!(refusal.retry_seconds.is_some(), "{refusal:?}");
    assert_eq!(process.get("well").await.expect("it is small").id, "well");
}

/// Reads that stand still in the middle hold nearly all of the room. What a create has made is told all the same, whether its
/// answer says how long it is or not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_to_a_create_that_finds_no_room_at_all_is_read() {
    let made = Arc::new(Mutex::new(Vec::new()));
    let open = Arc::clone(&made);
    let platform = Platform::with_agents(move |request| {
        let is_create = request.method == "POST";
        let mut created = task("task-1", "pending");
        created["result"] = json!("x".repeat(8 * MB));
        match (is_create, request.path.contains("/well/")) {
            (_, true) => Reply::json(200, &task("well", "executing")),
            (true, _) if request.body.to_string().contains("chunked") => {
                let (send, pieces) = mpsc::unbounded_channel();
                send.send(created.to_string().into_bytes()).expect("open");
                Reply::Stream(pieces)
            }
            (true, _) => Reply::json(200, &created),
            _ => {
                let (send, pieces) = mpsc::unbounded_channel();
                send.send([br#"{"id": "task-2", "result": ""#.to_vec(), vec![b'x'; 9 * MB]].concat()).expect("open");
                open.lock().expect("no panic").push(send);
                Reply::Stream(pieces)
            }
        }
    });
    let process = Process::with(platform.await, &[("XPANDER_PROXY_PLATFORM__REQUEST_TIMEOUT", "5m")]).await;
    let full = async {
        let full = (32 * MB).to_string();
        until("no room", async || metric(process.admin(), "xpander_answers_size_bytes", "").await == full).await;
        for prompt in ["plain", "chunked"] {
            let request = InvokeRequest { prompt: prompt.to_owned(), ..invoke("agent-1") };
            let answer =
                within("a create", process.client().max_decoding_message_size(usize::MAX).invoke(request)).await;
            let task = *answer.expect("it was created").into_inner().task.expect("a task");
            assert_eq!(task.result().len(), 8 * MB, "{prompt}");
        }
    };
    let reads = join_all((0..2).map(|_| process.get("task-2")));
    tokio::select! {
        () = full => {}
        reads = reads => panic!("{:?}", reads.into_iter().map(|read| read.map(drop)).collect::<Vec<_>>()),
    }
}
