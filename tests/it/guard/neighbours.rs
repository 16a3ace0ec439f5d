//! Large messages on their way, in and out, hold up nobody else: whoever has a tenth of a second hears in time that it is
//! over.

use std::{
    iter,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use prost::Message as _;
use serde_json::json;
use tokio::task::JoinHandle;
use tonic::{Code, codec::CompressionEncoding, transport::Endpoint};
use xpander_grpc_proxy::proto::{GetTaskRequest, InvokeRequest, InvokeStreamRequest, WaitTaskRequest, json::Struct};

use crate::{
    hostile::{MB, Process, free_json::field, requests::zipped},
    support::{
        calls::{follow, invoke},
        direct::{Direct, frame},
        live::{Followed, finished},
        platform::{Platform, Reply, event, task},
        proxy::Client,
    },
};

const DEADLINE: Duration = Duration::from_millis(100);
const CALLS: usize = 10;
/// A busy machine costs rounds, and not truth: what holds others up does so in each of them.
const ROUNDS: usize = 8;

/// Text that takes a compressor its time.
fn text(size: usize) -> String {
    let mut random = fastrand::Rng::with_seed(7);
    std::iter::repeat_with(|| random.alphanumeric()).take(size).collect()
}

/// A platform with an agent, a task `well` and one that it is silent on; what else it is asked is answered so.
async fn platform(answer: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Platform {
    Platform::with_agents(move |request| match &*request.path {
        path if path.contains("/silent/") => Reply::Silence,
        path if path.contains("/well/") => Reply::json(200, &task("well", "executing")),
        path => answer(path),
    })
    .await
}

/// The binary with one thread for everybody, so that whatever holds that one up holds up everybody; and for large requests.
async fn process(platform: Platform) -> Process {
    let most = (64 * MB).to_string();
    // Room for all of them, so that none is refused for the others' bytes.
    let room = (256 * MB).to_string();
    let environment = [
        ("TOKIO_WORKER_THREADS", "1"),
        ("XPANDER_PROXY_SERVER__MAX_REQUEST_BYTES", &most),
        ("XPANDER_PROXY_SERVER__MAX_RECEIVING_BYTES", &room),
    ];
    Process::with(platform, &environment).await
}

/// How late it is told that the deadline has passed, but for the time in which the threads that may tell it had no processor.
async fn lateness(process: &Process, direct: &mut Direct) -> Duration {
    let (begun, waited) = (Instant::now(), process.waited());
    let status = direct.post("GetTask", &[("grpc-timeout", "100m")], frame(b"\x0a\x06silent")).await;
    assert_eq!(status.code(), Code::DeadlineExceeded, "{status:?}");
    begun.elapsed().saturating_sub(DEADLINE + process.waited().saturating_sub(waited))
}

/// How late a pause of the same time ends here: what the machine does besides, and what this test's own callers do.
async fn own_lateness() -> Duration {
    let begun = Instant::now();
    tokio::time::sleep(DEADLINE).await;
    begun.elapsed().saturating_sub(DEADLINE)
}

/// Callers that are busy all the time, and others who hear in time that their deadlines have passed.
async fn others_are_in_time(what: &str, process: &Process, busy: Vec<JoinHandle<()>>) {
    let mut direct = Direct::to(process.grpc()).await;
    let mut rounds = Vec::new();
    let is_good = |late: &[Duration]| late[CALLS * 9 / 10 - 1] < DEADLINE;
    while rounds.len() < ROUNDS && !rounds.last().is_some_and(|late: &Vec<_>| is_good(late)) {
        let mut late = Vec::new();
        for _ in 0..CALLS {
            let (theirs, ours) = tokio::join!(lateness(process, &mut direct), own_lateness());
            late.push(theirs.saturating_sub(ours));
        }
        late.sort();
        rounds.push(late);
    }
    assert!(busy.iter().all(|call| !call.is_finished()), "{what}");
    busy.iter().for_each(JoinHandle::abort);
    join_all(busy).await;
    assert!(rounds.last().is_some_and(|late| is_good(late)), "{what}: {rounds:?}");
}

/// A caller that makes this call again and again, over a connection of its own.
fn again<F: Future<Output = ()> + Send + 'static>(call: impl Fn() -> F + Send + 'static) -> JoinHandle<()> {
    tokio::spawn(async move {
        loop {
            call().await;
        }
    })
}

fn client(grpc: &str) -> Client {
    let channel = Endpoint::new(grpc.to_owned()).expect("a URL").connect_lazy();
    Client::new(channel).max_decoding_message_size(usize::MAX)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn answers_that_are_compressed_parsed_and_written_make_nobodys_deadline_late() {
    // Written once: that takes a test its time.
    let large = finished("completed", &text(20 * MB)).to_string();
    let answer = move |_: &str| Reply::text(200, "application/json", &large);
    let process = process(platform(answer).await).await;
    let get = |client: Client| async move {
        let mut client = client.accept_compressed(CompressionEncoding::Gzip);
        // Who cannot read fast enough on a busy machine gives way to the others.
        if let Err(status) = client.get_task(GetTaskRequest { task_id: "task-1".to_owned() }).await {
            assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
        }
    };
    let client = client(process.grpc());
    let busy = iter::repeat_with(|| client.clone()).take(3).map(|client| again(move || get(client.clone())));
    others_are_in_time("plain", &process, busy.collect()).await;
}

/// What the platform compresses, what has no field and is read again, refusals, and one answer for many who wait.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn answers_that_are_unpacked_kept_and_shared_make_nobodys_deadline_late() {
    let mood = format!(r#"{{"mood":[""{}],"#, format!(r#","{}""#, text(8)).repeat(20 * MB / 11));
    let unknown = task("task-1", "new").to_string().replacen('{', &mood, 1).into_bytes();
    let blank = [&vec![b' '; 60 * MB][..], &task("task-1", "executing").to_string().into_bytes()].concat();
    let detail = json!({ "detail": text(20 * MB) }).to_string().into_bytes();
    let brief = |json: &[u8]| zstd::bulk::compress(json, 1).expect("memory");
    let answers = Arc::new([(200, brief(&blank)), (200, brief(&unknown)), (422, brief(&detail))]);
    for at in 0..3 {
        let answers = Arc::clone(&answers);
        let answer = move |_: &str| {
            let (status, json) = answers[at].clone();
            Reply::Http(status, vec![("content-encoding", "zstd".to_owned())], json)
        };
        let process = process(platform(answer).await).await;
        let wait = |mut client: Client| async move {
            let task_id = "task-1".to_owned();
            // Until it is read once or twice, if it can be.
            let timeout = Some(prost_types::Duration { seconds: 0, nanos: 200_000_000 });
            let _ = client.wait_task(WaitTaskRequest { task_id, timeout }).await;
        };
        let client = client(process.grpc());
        let busy = iter::repeat_with(|| client.clone()).take(6).map(|client| again(move || wait(client.clone())));
        others_are_in_time(&at.to_string(), &process, busy.collect()).await;
    }
}

/// An object of two million keys, none in its place.
fn disorder() -> Vec<u8> {
    let key = |at: usize| field(0x0a, format!("{:06x}", at * 7_919 % 0xff_ffff).as_bytes());
    (0..2_000_000).flat_map(|at| field(0x0a, &key(at))).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn requests_that_are_unpacked_decoded_and_translated_make_nobodys_deadline_late() {
    let answer = |_: &str| Reply::json(200, &task("task-1", "pending"));
    let process = process(platform(answer).await).await;
    let prompt = InvokeRequest { prompt: text(20 * MB), ..invoke("agent-1") };
    let named = InvokeRequest { request_id: "one".to_owned(), ..prompt.clone() };
    let json = InvokeRequest { prompt: format!("[0{}]", ",0".repeat(10 * MB - 1)), ..invoke("agent-1") };
    let schema = Struct::new(format!(r#"{{"k":[{{}}{}]}}"#, ",{}".repeat(8 * MB - 1)));
    let free = InvokeRequest { output_schema: Some(schema), ..invoke("agent-1") };
    let streamed = InvokeStreamRequest { invocation: Some(json.clone()), heartbeat: None };
    let unsorted = [invoke("agent-1").encode_to_vec(), field(0x62, &disorder())].concat();
    let rows = [
        ("a prompt", "Invoke", prompt.encode_to_vec()),
        ("with a request id", "Invoke", named.encode_to_vec()),
        ("free JSON", "Invoke", free.encode_to_vec()),
        ("keys in disorder", "Invoke", unsorted),
        ("a prompt of JSON", "InvokeStream", streamed.encode_to_vec()),
    ];
    for (name, method, message) in rows {
        for is_packed in [false, true] {
            let headers: &[_] = if is_packed { &[("grpc-encoding", "gzip")] } else { &[] };
            let body = if is_packed { zipped(&message) } else { frame(&message) };
            let direct = Direct::to(process.grpc()).await;
            let send = move || {
                let (mut direct, body) = (direct.clone(), body.clone());
                async move {
                    direct.post(method, headers, body).await;
                }
            };
            let busy = iter::repeat_with(|| again(send.clone())).take(3);
            others_are_in_time(&format!("{name} {headers:?}"), &process, busy.collect()).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn events_that_are_read_and_translated_make_nobodys_deadline_late() {
    let large = event("brand_new", &json!(vec![json!({ "a": 0 }); MB])).into_bytes();
    let answer = move |path: &str| match path.ends_with("/events") {
        true => Reply::Made(Box::new(iter::repeat(large.clone())), Arc::default()),
        false => Reply::json(200, &task("task-1", "executing")),
    };
    let process = process(platform(answer).await).await;
    let client = client(process.grpc());
    let read = |mut client: Client| async move {
        let mut followed = Followed::with(&mut client, tonic::Request::new(follow("task-1"))).await;
        loop {
            followed.next().await;
        }
    };
    let busy = iter::repeat_with(|| client.clone()).take(3).map(|client| again(move || read(client.clone())));
    others_are_in_time("events", &process, busy.collect()).await;
}
