//! Invokes an agent as production code does: with TLS, a token and deadlines, one task however often it is asked for, and its
//! events followed to the task's end, across connections and replicas. tonic reads no service config: what that says of
//! retries stands in here.
//!
//! `CA_FILE=ca.pem TOKEN=… cargo run --bin careful -- SERVER AGENT PROMPT`
//!
//! With `ONE_STORE=yes` too, where there is one replica, or all share a store (`deduplication.store`).

use std::{
    env, fs,
    io::{Write as _, stdout},
    time::Duration,
};

use agent_service_client::AgentServiceClient;
use task_event::Data;
use tokio::time::sleep;
use tonic::{
    Code, Request, Status,
    metadata::{Ascii, MetadataValue},
    service::{Interceptor, interceptor::InterceptedService},
    transport::{Certificate, Channel, ClientTlsConfig, Endpoint},
};
use tonic_types::StatusExt as _;

tonic::include_proto!("xpander.agent.v1");

type Error = Box<dyn std::error::Error>;
type Agents = AgentServiceClient<InterceptedService<Channel, Bearer>>;

/// A token, shown with each call.
#[derive(Clone)]
struct Bearer(MetadataValue<Ascii>);

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert("authorization", self.0.clone());
        Ok(request)
    }
}

fn connect(server: &str) -> Result<Agents, Error> {
    let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(fs::read(env::var("CA_FILE")?)?));
    let channel = Endpoint::new(format!("https://{server}"))?
        .tls_config(tls)?
        .http2_keep_alive_interval(Duration::from_secs(15))
        .keep_alive_timeout(Duration::from_secs(10))
        .connect_lazy();
    let token = Bearer(format!("Bearer {}", env::var("TOKEN")?).parse()?);
    Ok(AgentServiceClient::with_interceptor(channel, token).max_decoding_message_size(64 << 20))
}

/// Whether calling again may help. It harms no stream, which has its last event; a create only as its outcome says. CANCELLED
/// is tonic's word for a call that the old connection did not send, and for a deadline of its own.
fn again(status: &Status) -> bool {
    use Code::{Cancelled, DeadlineExceeded, Internal, ResourceExhausted, Unavailable, Unknown};
    matches!(status.code(), Unavailable | DeadlineExceeded | ResourceExhausted | Internal | Unknown | Cancelled)
}

/// What the proxy says of the task. Nothing, where it was not the proxy that answered.
fn outcome(status: &Status) -> Option<String> {
    status.get_error_details().error_info()?.metadata.get("outcome").cloned()
}

fn within<M>(time: Duration, message: M) -> Request<M> {
    let mut request = Request::new(message);
    request.set_timeout(time);
    request
}

async fn create(agents: &mut Agents, invocation: InvokeRequest) -> Result<Task, Error> {
    // Without it, a create that is sent again may reach a replica that does not know its key, and makes a second task.
    let one_store = env::var("ONE_STORE").is_ok_and(|value| value == "yes");
    let (mut attempt, mut unsure) = (0, false);
    loop {
        let status = match agents.invoke(within(Duration::from_secs(150), invocation.clone())).await {
            Ok(answer) => return Ok(answer.into_inner().task.ok_or("an answer without a task")?),
            Err(status) => status,
        };
        let outcome = outcome(&status);
        let told = outcome.as_deref();
        unsure |= told != Some("not_created");
        let safe = told == Some("not_created") || (one_store && told != Some("unknown"));
        if attempt == 4 || !again(&status) || !safe {
            if unsure {
                eprintln!("there may be a task: look for it before you create another");
            }
            return Err(status.into());
        }
        sleep(Duration::from_secs(1 << attempt)).await;
        attempt += 1;
    }
}

async fn follow(agents: &mut Agents, task_id: &str, show: impl Fn(TaskEvent)) -> Result<(), Error> {
    let (mut last_event_id, mut failures) = (String::new(), 0);
    loop {
        let heartbeat = Some(prost_types::Duration { seconds: 20, nanos: 0 });
        let request = StreamEventsRequest { task_id: task_id.into(), last_event_id: last_event_id.clone(), heartbeat };
        let status = match agents.stream_events(within(Duration::from_secs(3600), request)).await {
            Err(status) => status,
            Ok(messages) => {
                let mut messages = messages.into_inner();
                loop {
                    match messages.message().await {
                        Err(status) => break status,
                        Ok(None) => return Ok(()),
                        Ok(Some(message)) => {
                            failures = 0;
                            let event = message.event.unwrap_or_default();
                            last_event_id = event.event_id.clone().unwrap_or(last_event_id);
                            show(event);
                        }
                    }
                }
            }
        };
        failures += 1;
        if failures > 5 || !again(&status) {
            return Err(status.into());
        }
        eprintln!("resumed after event {last_event_id}");
        sleep(Duration::from_secs(failures)).await;
    }
}

fn show(event: TaskEvent) {
    let is_end = event.r#type() == EventType::TaskFinished;
    match event.data {
        Some(Data::Chunk(text)) => print!("{text}"),
        // A task that failed is no failed call: its status says so.
        Some(Data::Task(task)) if is_end => {
            println!("\n{}: {}", format!("{:?}", task.status()).to_lowercase(), task.result());
        }
        _ => {}
    }
    let _ = stdout().flush();
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [server, agent_id, prompt] = arguments.try_into().map_err(|_| "SERVER AGENT PROMPT")?;
    let mut agents = connect(&server)?;
    let request_id = uuid::Uuid::new_v4().to_string();
    let invocation = InvokeRequest { agent_id, prompt, events_streaming: true, request_id, ..Default::default() };
    let task = create(&mut agents, invocation).await?;
    println!("task {}", task.id);
    follow(&mut agents, &task.id, show).await
}
