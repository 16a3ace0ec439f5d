//! Large answers on their way hold up nobody else: whoever has a tenth of a second hears in time that it is over.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tonic::{Code, codec::CompressionEncoding, transport::Endpoint};
use xpander_grpc_proxy::proto::GetTaskRequest;

use crate::{
    hostile::{MB, Process},
    support::{
        direct::{Direct, frame},
        live::finished,
        platform::{Platform, Reply, task},
        proxy::Client,
    },
};

const DEADLINE: Duration = Duration::from_millis(100);
const CALLS: usize = 20;

/// Text that takes a compressor its time.
fn text(size: usize) -> String {
    let mut random = fastrand::Rng::with_seed(7);
    std::iter::repeat_with(|| random.alphanumeric()).take(size).collect()
}

async fn platform() -> Platform {
    // Written once: that takes a test its time.
    let large = finished("completed", &text(20 * MB)).to_string();
    Platform::start(move |request| match request.path.contains("/silent/") {
        true => Reply::Silence,
        false if request.path.contains("/well/") => Reply::json(200, &task("well", "executing")),
        false => Reply::text(200, "application/json", &large),
    })
    .await
}

/// How late it is told that the deadline has passed.
async fn lateness(direct: &mut Direct) -> Duration {
    let begun = Instant::now();
    let status = direct.post("GetTask", &[("grpc-timeout", "100m")], frame(b"\x0a\x06silent")).await;
    assert_eq!(status.code(), Code::DeadlineExceeded, "{status:?}");
    begun.elapsed().saturating_sub(DEADLINE)
}

/// How late a pause of the same time ends here: what the machine does besides, and what this test's own callers do.
async fn own_lateness() -> Duration {
    let begun = Instant::now();
    tokio::time::sleep(DEADLINE).await;
    begun.elapsed().saturating_sub(DEADLINE)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn answers_that_are_compressed_parsed_and_written_make_nobodys_deadline_late() {
    let process = Process::with(platform().await, &[]).await;
    let busy: Vec<_> = (0..3)
        .map(|_| {
            let channel = Endpoint::new(process.grpc().to_owned()).expect("a URL").connect_lazy();
            let client = Client::new(channel).accept_compressed(CompressionEncoding::Gzip);
            let mut client = client.max_decoding_message_size(usize::MAX);
            tokio::spawn(async move {
                loop {
                    client.get_task(GetTaskRequest { task_id: "task-1".to_owned() }).await.expect("OK");
                }
            })
        })
        .collect();
    let mut direct = Direct::to(process.grpc()).await;
    let mut late = Vec::new();
    for _ in 0..CALLS {
        let (theirs, ours) = tokio::join!(lateness(&mut direct), own_lateness());
        late.push(theirs.saturating_sub(ours));
    }
    assert!(busy.iter().all(|call| !call.is_finished()));
    busy.iter().for_each(tokio::task::JoinHandle::abort);
    join_all(busy).await;
    late.sort();
    assert!(late[CALLS * 9 / 10] < DEADLINE, "{late:?}");
}
