//! Streams: begun, heard out or left, and come back to.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};
use tonic::Streaming;
use xpander_grpc_proxy::proto::{
    InvokeStreamRequest, InvokeStreamResponse, StreamEventsRequest, StreamEventsResponse, Task, TaskEvent,
    invoke_stream_response::Item,
};

use super::{
    super::{
        calls::{Ended, Failure, Limits, PATIENCE},
        ledger::Claim,
        transcript::Transcript,
    },
    Scene, created,
};

/// How often a caller comes back to a stream that failed.
const RESUMES: u32 = 6;

/// How a stream ended.
enum End {
    /// With OK, or it was left for good.
    Done,
    /// The caller may come back.
    Broken,
}

impl Scene {
    pub(super) async fn invoke_stream(&mut self) {
        let limits = self.limits();
        let heartbeat = self.rng.bool().then_some(prost_types::Duration { seconds: 0, nanos: 100_000_000 });
        let message = InvokeStreamRequest { invocation: Some(self.job.request(true)), heartbeat };
        let (mut client, start) = (self.client(limits), Instant::now());
        let begun = self.desk.call("InvokeStream", limits, client.invoke_stream(limits.request(message))).await;
        let mut stream = match begun {
            Ended::Answer(stream) => stream,
            Ended::Failed(failure) => return self.not_created("InvokeStream", &failure),
            Ended::Left => return self.desk.ledger.claim(&self.job.marker, Claim::Left),
        };
        let until = start + limits.leaves.unwrap_or(PATIENCE);
        let Some(task) = self.first(limits, until, &mut stream).await else { return };
        self.created(&task);
        let job = self.job.clone();
        let mut transcript = Transcript::new(&job, task.id);
        let event = |message: InvokeStreamResponse| match message.item {
            Some(Item::Event(event)) => Some(event),
            _ => None,
        };
        if let End::Broken = self.listen("InvokeStream", limits, stream, event, &mut transcript).await {
            self.resume(&mut transcript).await;
        }
        self.desk.ledger.add("gaps", transcript.gaps);
    }

    /// The created task, with which the stream begins.
    async fn first(
        &self,
        limits: Limits,
        until: Instant,
        stream: &mut Streaming<InvokeStreamResponse>,
    ) -> Option<Task> {
        let claim = match timeout_at(until, stream.message()).await {
            Ok(Ok(Some(InvokeStreamResponse { item: Some(Item::Task(task)) }))) => return Some(*task),
            Ok(Ok(_)) => {
                self.desk.wrong("the first message is no task");
                Claim::Left
            }
            // The deadline passed before its caller had the first message: as good as left.
            Ok(Err(status)) => {
                match self.desk.failed("InvokeStream's first message", limits, &status).fact("task_id") {
                    "" => Claim::Left,
                    id => created(id),
                }
            }
            Err(_) => Claim::Left,
        };
        self.desk.ledger.claim(&self.job.marker, claim);
        None
    }

    /// Follows the task from after the last event on, and again when it fails.
    pub(super) async fn resume(&mut self, transcript: &mut Transcript<'_>) {
        for attempt in 0..RESUMES {
            let limits = self.limits();
            let mut client = self.client(limits);
            let last_event_id = if transcript.last_id == 0 { String::new() } else { transcript.last_id.to_string() };
            let is_resumed = !last_event_id.is_empty();
            let task_id = transcript.task_id().to_owned();
            let message = StreamEventsRequest { task_id, last_event_id, heartbeat: None };
            let request = limits.request(message);
            let name = if is_resumed { "StreamEvents resumed" } else { "StreamEvents" };
            transcript.resumed();
            let ended = self.desk.call(name, limits, client.stream_events(request)).await;
            match ended {
                Ended::Answer(stream) => {
                    let event = |message: StreamEventsResponse| message.event;
                    if let End::Done = self.listen(name, limits, stream, event, transcript).await {
                        return;
                    }
                }
                Ended::Failed(failure) => self.of_task(name, &failure, transcript),
                Ended::Left => {}
            }
            sleep(Duration::from_millis(u64::from(attempt) * 50)).await;
        }
        self.desk.ledger.count("streams given up by their callers");
    }

    /// Hears a stream out, or leaves.
    async fn listen<M>(
        &mut self,
        name: &str,
        limits: Limits,
        mut stream: Streaming<M>,
        event: impl Fn(M) -> Option<TaskEvent>,
        transcript: &mut Transcript<'_>,
    ) -> End {
        let leaves_after = if self.rng.u32(..8) == 0 { self.rng.u32(..30) } else { u32::MAX };
        let is_slow = self.rng.u32(..15) == 0;
        let mut heard = 0;
        loop {
            let message = match timeout_at(Instant::now() + PATIENCE, stream.message()).await {
                Ok(Ok(Some(message))) => message,
                Ok(Ok(None)) => {
                    self.is_over(name, transcript);
                    return End::Done;
                }
                Ok(Err(status)) => {
                    let failure = self.desk.failed(&format!("{name} in the stream"), limits, &status);
                    self.of_task(name, &failure, transcript);
                    return End::Broken;
                }
                Err(_) => {
                    self.desk.wrong(format!("{name} hung after event {}", transcript.last_id));
                    return End::Done;
                }
            };
            self.desk.ledger.count("events");
            let heard_well = event(message).ok_or("no event".to_owned()).and_then(|event| transcript.hear(&event));
            if let Err(complaint) = heard_well {
                self.desk.wrong(format!("{name} of {}: {complaint}", transcript.task_id()));
                return End::Done;
            }
            heard += 1;
            if heard > leaves_after && !transcript.is_over {
                self.desk.ledger.count(&format!("stream {name} left"));
                return if self.rng.bool() { End::Broken } else { End::Done };
            }
            if is_slow {
                sleep(Duration::from_millis(5)).await;
            }
        }
    }

    /// A stream has ended with OK.
    fn is_over(&self, name: &str, transcript: &Transcript<'_>) {
        self.desk.ledger.count(&format!("stream {name} over"));
        if transcript.was_late {
            self.desk.ledger.count(&format!("stream {name} found the task over"));
        }
        if !transcript.is_over {
            self.desk.wrong(format!("{name} ended with OK without TASK_FINISHED"));
        }
    }

    /// A stream that fails names its task and the last event.
    fn of_task(&self, name: &str, failure: &Failure, transcript: &Transcript<'_>) {
        if !failure.is_of(transcript.task_id()) {
            self.desk.wrong(format!("{name} failed without its task: {failure:?}"));
        }
        if transcript.is_over {
            self.desk.wrong(format!("{name} failed after TASK_FINISHED: {failure:?}"));
        }
        let last = failure.fact("last_event_id");
        let must_say = failure.reason == "EVENT_STREAM_INTERRUPTED" && transcript.last_id > 0;
        if (!last.is_empty() || must_say) && last != transcript.last_id.to_string() {
            self.desk.wrong(format!("{name} failed after event {}: {failure:?}", transcript.last_id));
        }
    }
}
