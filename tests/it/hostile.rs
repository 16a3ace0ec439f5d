//! What hostile bytes and slow callers may cost: memory, time, and nobody else's calls. Not what becomes of the bytes:
//! that is `bad_input_*`.

mod bytes;
pub mod free_json;
mod receiving;
mod refused;
pub mod requests;
mod unfinished;

pub use requests::zipped;

use std::{
    fs, iter,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use serde_json::json;
use tokio::time::sleep;
use tonic::{Code, Request, Status, metadata::AsciiMetadataKey, transport::Endpoint};
use xpander_grpc_proxy::proto::{EventType, GetTaskRequest, Task};

use crate::support::{
    binary::Serving,
    calls::follow,
    live::{Followed, finished, result, within},
    platform::{Platform, Reply, event, task},
    proxy::Client,
    status::failure,
    time::{effort, waited_by_workers},
};

pub const MB: usize = 1 << 20;

/// The binary as a process before a platform, and what memory it takes.
pub struct Process {
    serving: Serving,
    _platform: Platform,
    idle: usize,
}

impl Process {
    pub async fn before(platform: Platform) -> Self {
        Self::with(platform, &[]).await
    }

    /// The same with these settings. The platform has a task `well`.
    pub async fn with(platform: Platform, environment: &[(&str, &str)]) -> Self {
        let serving = Serving::before(&platform.base_url(), environment).await;
        let mut process = Self { serving, _platform: platform, idle: 0 };
        // Idle, but no longer new.
        process.is_well().await;
        process.idle = process.memory("VmRSS");
        process
    }

    pub fn grpc(&self) -> &str {
        &self.serving.grpc
    }

    pub fn admin(&self) -> &str {
        &self.serving.admin
    }

    pub fn client(&self) -> Client {
        let channel = Endpoint::new(self.serving.grpc.clone()).expect("a URL").connect_lazy();
        Client::new(channel).max_decoding_message_size(usize::MAX)
    }

    /// What it took when it was idle.
    pub fn idle(&self) -> usize {
        self.idle
    }

    /// A line of its status, in bytes.
    pub fn memory(&self, line: &str) -> usize {
        let status = fs::read_to_string(format!("/proc/{}/status", self.serving.id())).expect("it runs on Linux");
        let line = status.lines().find_map(|known| known.strip_prefix(line)).expect("a line");
        let kilobytes = line.trim_matches(|c: char| !c.is_ascii_digit());
        kilobytes.parse::<usize>().expect("a number") << 10
    }

    /// The most memory it has taken since it was idle.
    pub fn peak(&self) -> usize {
        self.memory("VmHWM").saturating_sub(self.idle)
    }

    /// The processor time it has taken: what a busy machine does beside it does not count.
    pub fn effort(&self) -> Duration {
        effort(self.serving.id())
    }

    /// How long its threads for calls have waited for a processor.
    pub fn waited(&self) -> Duration {
        waited_by_workers(self.serving.id())
    }

    async fn is_well(&self) {
        assert_eq!(self.get("well").await.expect("it serves").id, "well");
    }

    pub async fn get(&self, id: &str) -> Result<Task, Status> {
        // However long that takes: a busy machine is slow at large ones, and it is memory that is measured.
        let answer = self.client().get_task(GetTaskRequest { task_id: id.to_owned() }).await?;
        Ok(*answer.into_inner().task.expect("a task"))
    }
}

/// A platform whose task `well` is, whose `task-1` is followed, and whose other tasks are this answer.
async fn platform(
    stream: impl Fn() -> Reply + Send + Sync + 'static,
    answer: impl Fn() -> Reply + Send + Sync + 'static,
) -> Platform {
    Platform::start(move |request| match &*request.path {
        path if path.ends_with("/events") => stream(),
        path if path.contains("/well/") => Reply::json(200, &task("well", "executing")),
        path if path.contains("/task-1/") => Reply::json(200, &task("task-1", "executing")),
        _ => answer(),
    })
    .await
}

fn made(pieces: impl Iterator<Item = Vec<u8>> + Send + 'static) -> Reply {
    Reply::Made(Box::new(pieces), Arc::default())
}

fn end() -> Vec<u8> {
    event("task_finished", &finished("completed", "done")).into_bytes()
}

/// Follows `task-1`, whose stream is bad bytes, then `good`, then the end; the processor time that took. Bad data has a
/// gap in its place.
async fn only_good_arrives(process: &Process, has_gap: bool) -> Duration {
    let before = process.effort();
    let mut followed = Followed::begin(&mut process.client()).await;
    if has_gap {
        assert_eq!(followed.next().await.r#type(), EventType::StreamGap);
    }
    assert_eq!(followed.text().await, "good");
    assert_eq!(result(&followed.next().await), "done");
    followed.is_over().await;
    process.effort() - before
}

/// A hundred megabytes in pieces of one, with this around them; then a good event and the end.
fn hundred_megabytes(before: &'static str, piece: Vec<u8>, after: &'static str) -> Reply {
    let good = event("chunk", &json!("good")).into_bytes();
    let bad = iter::once(before.into()).chain(iter::repeat_n(piece, 100));
    made(bad.chain([after.into(), good, end()]))
}

#[tokio::test]
async fn an_event_of_100_mb_costs_little_memory_and_the_next_one_arrives() {
    let line = ["data: ", &"x".repeat(64 << 10), "\n"].concat().repeat(16).into_bytes();
    type Shape = fn() -> Reply;
    let shapes: [(&str, bool, Shape); 3] = [
        ("no line end", true, || {
            hundred_megabytes("data: {\"type\": \"chunk\", \"data\": \"", vec![b'x'; MB], "\"}\n\n")
        }),
        ("an endless comment", false, || hundred_megabytes(": ", vec![b'x'; MB], "\n\n")),
        ("an endless id", false, || hundred_megabytes("id: ", vec![0xff; MB], "\n\n")),
    ];
    for (name, has_gap, shape) in shapes {
        let process = Process::before(platform(shape, || Reply::Silence).await).await;
        let time = only_good_arrives(&process, has_gap).await;
        assert!(process.peak() < 64 * MB, "{name}: {} MB", process.peak() / MB);
        assert!(time < Duration::from_secs(10), "{name}: {time:?}");
    }
    let lines = move || hundred_megabytes(": lines\n", line.clone(), "\n");
    let process = Process::before(platform(lines, || Reply::Silence).await).await;
    let time = only_good_arrives(&process, true).await;
    assert!(time < Duration::from_secs(10), "lines: {time:?}");
    assert!(process.peak() < 64 * MB, "lines: {} MB", process.peak() / MB);
}

/// Doubling an event doubles the processor time that it takes: the best of several rounds, since caches are shared.
#[tokio::test]
async fn an_event_takes_time_in_proportion_to_its_size() {
    const SIZES: [usize; 3] = [4 * MB - 4096, 8 * MB - 4096, 16 * MB - 4096];
    let size = Arc::new(AtomicUsize::new(0));
    let its_size = Arc::clone(&size);
    let stream = move || {
        let large = event("chunk", &json!("x".repeat(its_size.load(Relaxed))));
        let pieces: Vec<_> = large.as_bytes().chunks(16 << 10).map(<[u8]>::to_vec).collect();
        made(pieces.into_iter().chain([end()]))
    };
    let platform = platform(stream, || Reply::Silence).await;
    let process = Process::before(platform).await;
    let mut client = process.client();
    let mut best = [Duration::MAX; 3];
    for round in 0..6 {
        for (best, bytes) in best.iter_mut().zip(SIZES) {
            size.store(bytes, Relaxed);
            let before = process.effort();
            let mut followed = Followed::begin(&mut client).await;
            assert_eq!(followed.text().await.len(), bytes);
            assert_eq!(result(&followed.next().await), "done");
            *best = (*best).min(process.effort() - before);
        }
        if round > 0 && best.windows(2).all(|pair| pair[1] < pair[0].mul_f64(2.6)) {
            return;
        }
    }
    panic!("more than its share: {best:?} for {SIZES:?}");
}

#[tokio::test]
async fn nesting_of_a_million_costs_little_time_and_the_next_event_arrives() {
    let deep = "[".repeat(1_000_000) + &"]".repeat(1_000_000);
    let mut bad = String::new();
    for kind in ["chunk", "think", "task_updated", "auth_event", "brand_new"] {
        bad += &format!("data: {{\"type\": \"{kind}\", \"x\": {deep}, \"identity\": {deep}, \"data\": {deep}}}\n\n");
    }
    let answer = format!(r#"{{"id": "task-2", "x": {deep}, "input": {{"user": {deep}}}, "result": "fine"}}"#);
    let stream = move || made([bad.clone().into(), event("chunk", &json!("good")).into(), end()].into_iter());
    let answers = move || Reply::text(200, "application/json", &answer);
    let process = Process::before(platform(stream, answers).await).await;
    let before = process.effort();
    let task = process.get("task-2").await.expect("tolerated");
    assert_eq!(task.result.as_deref(), Some("fine"));
    let mut followed = Followed::begin(&mut process.client()).await;
    for _ in 0..5 {
        followed.next().await;
    }
    assert_eq!(followed.text().await, "good");
    let effort = process.effort() - before;
    assert!(effort > Duration::ZERO && effort < Duration::from_secs(10), "{effort:?}");
    process.is_well().await;
}

/// 500 MB, in events of a small size and of a large one.
#[tokio::test]
async fn a_caller_that_reads_slowly_costs_little_memory() {
    for size in [16 << 10, 4 * MB] {
        let written = Arc::new(AtomicUsize::new(0));
        let its_written = Arc::clone(&written);
        let stream = move || {
            let chunk = event("chunk", &json!("x".repeat(size))).into_bytes();
            Reply::Made(Box::new(iter::repeat_n(chunk, 500 * MB / size)), Arc::clone(&its_written))
        };
        let process = Process::before(platform(stream, || Reply::Silence).await).await;
        let mut followed = Followed::with(&mut process.client(), Request::new(follow("task-1"))).await;
        for _ in 0..15 {
            assert_eq!(followed.text().await.len(), size);
            sleep(Duration::from_millis(100)).await;
        }
        sleep(Duration::from_secs(1)).await;
        let written = written.load(Relaxed);
        assert!(process.peak() < 64 * MB, "{size}: {} MB", process.peak() / MB);
        assert!(written < 15 * size + 64 * MB, "{size}: {} MB of 500 were taken", written / MB);
        process.is_well().await;
    }
}
/// A zstd frame of so many blocks, each 128 KiB of white space in four bytes.
fn bomb(blocks: u32) -> Vec<u8> {
    let block = |last: bool| [&((128 << 13) | 2 | u32::from(last)).to_le_bytes()[..3], b" "].concat();
    let head = vec![0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x38];
    [head, block(false).repeat(blocks as usize - 1), block(true)].concat()
}

#[tokio::test]
async fn a_bomb_costs_no_more_memory_than_the_largest_answer() {
    let bombs = |status| move || Reply::Http(status, vec![("content-encoding", "zstd".to_owned())], bomb(32 << 10));
    // Four gigabytes each; the largest answer is one of 64 MB.
    let process = Process::before(platform(|| Reply::Silence, bombs(200)).await).await;
    let before = process.effort();
    for _ in 0..2 {
        let failure = failure(process.get("task-2").await);
        assert_eq!((failure.code, &*failure.reason), (Code::Internal, "PLATFORM_ANSWER_UNREADABLE"));
    }
    assert!(process.peak() < 160 * MB, "{} MB", process.peak() / MB);
    let effort = process.effort() - before;
    assert!(effort < Duration::from_secs(15), "{effort:?}");
    process.is_well().await;
    // As a refusal it is not even read so far.
    let process = Process::before(platform(|| Reply::Silence, bombs(403)).await).await;
    assert_eq!(failure(process.get("task-2").await).code, Code::PermissionDenied);
    assert!(process.peak() < 32 * MB, "{} MB", process.peak() / MB);
    assert!(process.effort() < Duration::from_secs(5), "{:?}", process.effort());
}

#[tokio::test]
async fn metadata_of_a_megabyte_is_refused_and_the_process_goes_on() {
    let process = Process::before(platform(|| Reply::Silence, || Reply::Silence).await).await;
    let mut client = process.client();
    for (count, size) in [(1, MB), (16, MB / 16), (4_096, MB / 4_096)] {
        let mut request = Request::new(GetTaskRequest { task_id: "well".to_owned() });
        for number in 0..count {
            let name: AsciiMetadataKey = format!("x-{number}").parse().expect("a name");
            request.metadata_mut().insert(name, "x".repeat(size).parse().expect("ASCII"));
        }
        let refused = within("an answer", client.get_task(request)).await.expect_err("a megabyte is too much");
        assert_ne!(refused.code(), Code::Ok);
        process.is_well().await;
    }
    assert!(process.peak() < 16 * MB, "{} MB", process.peak() / MB);
}
