//! A task's events as they come, to the task's end: a stream that breaks is opened again after the last event.

use std::{
    io,
    time::{Duration, Instant},
};

use super::{
    super::{
        client::{Agents, Deadline, Messages, Proxy},
        exit::Exit,
        failure::Failure,
        output::Output,
        render::{Transcript, waits_for},
    },
    resume::Resumption,
    standing::Standing,
    wait::exit,
};
use crate::proto::{
    EventType, InvokeStreamRequest, InvokeStreamResponse, StreamEventsRequest, StreamEventsResponse, Task, TaskEvent,
    invoke_stream_response::Item, task_event::Data,
};

/// A stream that went on for so long was worth opening, whatever came.
const LONG: Duration = Duration::from_mins(1);

/// A task that is followed.
pub struct Following<'a> {
    proxy: &'a Proxy,
    standing: &'a Standing<'a>,
    output: Output,
    heartbeat: Option<prost_types::Duration>,
    deadline: Deadline,
    resumption: Resumption,
    transcript: Transcript<io::Stdout>,
    /// Whether it was said how the task is answered.
    is_answer_told: bool,
    end: Option<Exit>,
    /// Whether the last event was the task's end: one that is set going again has several.
    is_over: bool,
}

impl<'a> Following<'a> {
    /// Nothing was asked for yet.
    pub fn new(
        proxy: &'a Proxy,
        standing: &'a Standing<'a>,
        output: Output,
        heartbeat: Option<prost_types::Duration>,
        is_resumed: bool,
    ) -> Self {
        Self {
            proxy,
            standing,
            output,
            heartbeat,
            deadline: proxy.deadline(),
            resumption: Resumption::new(is_resumed),
            transcript: Transcript::new(io::stdout(), output.look),
            is_answer_told: false,
            end: None,
            is_over: false,
        }
    }

    /// Creates a task and follows it to its end.
    pub async fn create(mut self, question: InvokeStreamRequest) -> Result<Exit, Failure> {
        let call = async |mut agents: Agents, request| agents.invoke_stream(request).await;
        let messages = self.proxy.stream(self.deadline, question, call).await?;
        self.resumption.has_news();
        let ended = self.read_created(messages).await;
        self.until_the_end(ended).await
    }

    /// Follows the task that is known, to its end.
    pub async fn follow(mut self) -> Result<Exit, Failure> {
        let messages = self.open().await?;
        self.resumption.has_news();
        let ended = self.read(messages).await;
        self.until_the_end(ended).await
    }

    /// Opens the stream again as often as it breaks.
    async fn until_the_end(mut self, mut ended: Result<(), Failure>) -> Result<Exit, Failure> {
        loop {
            match (ended, self.end) {
                (Ok(()), Some(end)) => return Ok(end),
                (Err(Failure::Call(..)), Some(end)) if self.is_over => return Ok(end),
                (Ok(()), None) => {
                    return Err(Failure::Answer("the proxy ended the stream before the task was over".to_owned()));
                }
                (Err(failure), _) if self.standing.task().is_none() => return Err(failure),
                (Err(failure), _) => {
                    self.transcript.end_line()?;
                    self.resumption.pause(failure, self.deadline, self.output).await?;
                }
            }
            ended = match self.open().await {
                Ok(messages) => self.read(messages).await,
                Err(failure) => Err(failure),
            };
        }
    }

    /// The stream of the known task, after the last event.
    async fn open(&self) -> Result<Messages<StreamEventsResponse>, Failure> {
        let (task_id, last_event_id) = self.standing.task().unwrap_or_default();
        let question = StreamEventsRequest { task_id, last_event_id, heartbeat: self.heartbeat };
        let call = async |mut agents: Agents, request| agents.stream_events(request).await;
        self.proxy.stream(self.deadline, question, call).await
    }

    async fn read_created(&mut self, mut messages: Messages<InvokeStreamResponse>) -> Result<(), Failure> {
        let opened = Instant::now();
        while let Some(message) = self.next(&mut messages, opened).await? {
            // First of all what to come back to, should it not be printed.
            if let Some(Item::Task(task)) = &message.item {
                self.standing.created(&task.id, "events");
            }
            if self.output.is_json {
                Output::json(&message)?;
            }
            match &message.item {
                Some(Item::Task(task)) => self.created(task)?,
                Some(Item::Event(event)) => self.event(event)?,
                None => {}
            }
        }
        Ok(())
    }

    async fn read(&mut self, mut messages: Messages<StreamEventsResponse>) -> Result<(), Failure> {
        let opened = Instant::now();
        while let Some(message) = self.next(&mut messages, opened).await? {
            if self.output.is_json {
                Output::json(&message)?;
            }
            if let Some(event) = &message.event {
                self.event(event)?;
            }
        }
        Ok(())
    }

    async fn next<M>(&mut self, messages: &mut Messages<M>, opened: Instant) -> Result<Option<M>, Failure> {
        let next = messages.next().await;
        if opened.elapsed() >= LONG {
            self.resumption.has_news();
        }
        next
    }

    fn created(&mut self, task: &Task) -> Result<(), Failure> {
        if !self.output.is_json {
            self.transcript.created(task)?;
        }
        Ok(())
    }

    fn event(&mut self, event: &TaskEvent) -> Result<(), Failure> {
        if !self.output.is_json {
            self.transcript.event(event)?;
        }
        let id = event.event_id();
        if !id.is_empty() {
            self.resumption.has_news();
        }
        self.standing.seen(id);
        self.is_over = false;
        match (event.r#type(), &event.data) {
            // On a shared stream another task's end is one event of many.
            (EventType::TaskFinished, Some(Data::Task(task)))
                if self.standing.is_of(event.task_id.as_ref().unwrap_or(&task.id)) =>
            {
                self.end = Some(match exit(task) {
                    Exit::Failed => Exit::Failed,
                    // It is over, whatever its status says.
                    _ => Exit::Completed,
                });
                self.is_over = true;
                self.standing.over();
            }
            (EventType::TaskUpdated, Some(Data::Task(task))) if waits_for(task).is_some() => self.answers(task),
            _ => {}
        }
        Ok(())
    }

    fn answers(&mut self, task: &Task) {
        if !std::mem::replace(&mut self.is_answer_told, true) {
            self.output.advice("the task waits for a person", &self.standing.answers(task));
        }
    }
}
