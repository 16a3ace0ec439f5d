//! What a greedy caller costs the others: `cargo bench --bench fairness`, a minute; `-- --check` fails where a bar is missed.
//!
//! Two callers read tasks one after the other, alone and then beside a third one, which keeps ten times its share of calls
//! under way and comes back a tenth of a second after each refusal. The platform takes ten milliseconds for an answer. The
//! bars are the contract's: at most 1 % of the others' calls fail, and their p99 grows by at most a fifth.

use std::{
    env,
    error::Error,
    process::ExitCode,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::{Duration, Instant},
};

use axum::{Router, extract::Path, routing::get};
use futures_util::future::join_all;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tokio::{
    net::TcpListener,
    runtime::{Builder, Runtime},
    time::sleep,
};
use tokio_util::sync::CancellationToken;
use tonic::{Code, Request, transport::Endpoint};
use xpander_grpc_proxy::{
    app::Bound,
    config::{Secret, Settings, TokenHash},
    proto::{GetTaskRequest, agent_service_client::AgentServiceClient},
};

type Outcome<T = ()> = Result<T, Box<dyn Error + Send + Sync>>;

/// The places there are, the part of them that is a caller's, and how many calls the greedy one keeps under way.
const PLACES: u32 = 40;
const SHARE: f64 = 0.25;
const GREED: usize = 100;
/// How many calls each of the others has under way, how many it makes, and how many rounds there are.
const UNDER_WAY: usize = 5;
const CALLS: usize = 400;
const ROUNDS: usize = 5;
const ANSWER: Duration = Duration::from_millis(10);
const REST: Duration = Duration::from_millis(100);
/// The bars.
const MOST_FAILED: f64 = 0.01;
const MOST_SLOWER: f64 = 1.2;

/// What one round of the others' calls came to.
#[derive(Default)]
struct Round {
    times: Vec<Duration>,
    failed: usize,
}

fn main() -> ExitCode {
    let is_check = env::args().any(|word| word == "--check");
    match measure() {
        Ok(is_good) if is_good || !is_check => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("fairness: {error}");
            ExitCode::FAILURE
        }
    }
}

fn runtime() -> Outcome<Runtime> {
    Ok(Builder::new_multi_thread().worker_threads(2).enable_all().build()?)
}

fn measure() -> Outcome<bool> {
    let (edge, town) = (runtime()?, runtime()?);
    let address = edge.block_on(serve())?;
    let (mut alone, mut beside) = (Round::default(), Round::default());
    let greedy = town.block_on(async {
        let mut refused = 0;
        // In turns, so that what the machine does besides meets both.
        for _ in 0..ROUNDS {
            others(&address, &mut alone).await?;
            let (over, count) = (CancellationToken::new(), AtomicU64::new(0));
            let round = async {
                let done = others(&address, &mut beside).await;
                over.cancel();
                done
            };
            let (done, greed) = tokio::join!(round, greed(&address, &over, &count));
            done?;
            greed?;
            refused += count.load(Relaxed);
        }
        Outcome::Ok(refused)
    })?;
    Ok(report(alone, beside, greedy))
}

fn report(mut alone: Round, mut beside: Round, greedy: u64) -> bool {
    let [quiet, loud] = [&mut alone, &mut beside].map(|round| {
        round.times.sort_unstable();
        round.times[round.times.len() * 99 / 100].as_secs_f64()
    });
    #[expect(clippy::cast_precision_loss, reason = "thousands")]
    let failed = beside.failed as f64 / (2 * CALLS * ROUNDS) as f64;
    let slower = loud / quiet;
    println!("the others alone:             p99 {:.1} ms, {} failed", quiet * 1e3, alone.failed);
    println!("beside ten times a share:     p99 {:.1} ms, {} failed", loud * 1e3, beside.failed);
    println!("the greedy caller:            {greedy} refused");
    println!("failed beside it: {:.2} % (at most {} %)", failed * 100.0, MOST_FAILED * 100.0);
    println!("p99 beside it:    {slower:.2} x (at most {MOST_SLOWER} x)");
    failed <= MOST_FAILED && slower <= MOST_SLOWER
}

/// A platform and a proxy before it; the proxy's address.
async fn serve() -> Outcome<String> {
    let task = async |Path(id): Path<String>| {
        sleep(ANSWER).await;
        let task = json!({
            "id": id, "agent_id": "agent-1", "organization_id": "org-1", "input": {"text": "hi"},
            "created_at": "2026-11-27T22:00:00Z", "status": "executing",
        });
        ([("content-type", "application/json")], task.to_string())
    };
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let platform = listener.local_addr()?;
    let routes = Router::new().route("/agent-execution/{id}/status", get(task));
    tokio::spawn(async move { axum::serve(listener, routes).await });
    let mut settings = Settings::default();
    settings.server.listen = ([127, 0, 0, 1], 0).into();
    settings.server.admin_listen = ([127, 0, 0, 1], 0).into();
    settings.server.max_calls = PLACES;
    settings.platform.base_url = format!("http://{platform}");
    settings.platform.api_key = Some(Secret::new("key-of-a-bench"));
    settings.platform.organization_id = Some("org-1".to_owned());
    settings.limits.shares = [("*".to_owned(), SHARE)].into();
    settings.limits.lend = 0.5;
    for name in ["greedy", "one", "another"] {
        settings.auth.tokens.insert(name.to_owned(), vec![TokenHash(Sha256::digest(name).into())]);
    }
    let bound = Bound::bind(&settings).await?;
    let address = format!("http://{}", bound.grpc_address()?);
    tokio::spawn(bound.run(std::future::pending()));
    Ok(address)
}

/// One call of a caller: how it ended.
async fn read(client: &AgentServiceClient<tonic::transport::Channel>, caller: &str) -> Result<(), Code> {
    let mut request = Request::new(GetTaskRequest { task_id: "task-1".to_owned() });
    if let Ok(token) = format!("Bearer {caller}").parse() {
        request.metadata_mut().insert("authorization", token);
    }
    client.clone().get_task(request).await.map(drop).map_err(|status| status.code())
}

/// The calls of the others.
async fn others(address: &str, round: &mut Round) -> Outcome {
    let mut callers = Vec::new();
    for caller in ["one", "another"] {
        let client = AgentServiceClient::new(Endpoint::new(address.to_owned())?.connect().await?);
        callers.extend((0..UNDER_WAY).map(|_| (caller, client.clone())));
    }
    let rounds = callers.into_iter().map(|(caller, client)| async move {
        let mut round = Round::default();
        for _ in 0..CALLS / UNDER_WAY {
            let begun = Instant::now();
            match read(&client, caller).await {
                Ok(()) => round.times.push(begun.elapsed()),
                Err(_) => round.failed += 1,
            }
        }
        round
    });
    for each in join_all(rounds).await {
        round.times.extend(each.times);
        round.failed += each.failed;
    }
    Ok(())
}

/// The calls of the greedy one, until the round is over; how many were refused.
async fn greed(address: &str, over: &CancellationToken, refused: &AtomicU64) -> Outcome {
    let client = AgentServiceClient::new(Endpoint::new(address.to_owned())?.connect().await?);
    let calls = (0..GREED).map(|_| async {
        while !over.is_cancelled() {
            if read(&client, "greedy").await.is_err() {
                refused.fetch_add(1, Relaxed);
                over.run_until_cancelled(sleep(REST)).await;
            }
        }
    });
    join_all(calls).await;
    Ok(())
}
