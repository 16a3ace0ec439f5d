//! What one caller has heard of one task, over all its streams, checked event by event.

use xpander_grpc_proxy::proto::{EventType, TaskEvent, task_event::Data};

use super::jobs::{Job, is_over, is_stopped};

/// Where the present stream is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// It has brought nothing.
    Start,
    Amid,
    /// It has brought a gap, and nothing with an id since.
    AfterGap,
}

/// What was heard so far.
pub struct Transcript<'a> {
    job: &'a Job,
    task_id: String,
    /// The number of the last event that had an id: the sandbox counts them from 1.
    pub last_id: u64,
    /// The chunk to come next.
    next_chunk: usize,
    place: Place,
    pub gaps: u64,
    pub is_over: bool,
    /// Whether a stream found the task over, and so told nothing but that.
    pub was_late: bool,
}

impl<'a> Transcript<'a> {
    pub fn new(job: &'a Job, task_id: String) -> Self {
        let (last_id, next_chunk, gaps) = (0, 0, 0);
        Self { job, task_id, last_id, next_chunk, place: Place::Start, gaps, is_over: false, was_late: false }
    }

    pub fn task_id(&self) -> &str {
        &self.task_id
    }

    /// A new stream begins after the last event.
    pub fn resumed(&mut self) {
        self.place = Place::Start;
    }

    /// Takes in the next event.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn hear(&mut self, event: &TaskEvent) -> Result<(), String> {
        if self.is_over {
            return Err(format!("after TASK_FINISHED: {event:?}"));
        }
        if event.task_id() != self.task_id && !event.type_name.starts_with("sub_task_") {
            return Err(format!("of another task: {event:?}"));
        }
        match event.r#type() {
            EventType::Heartbeat => return Ok(()),
            EventType::StreamGap => {
                self.gaps += 1;
                if self.place == Place::AfterGap {
                    return Err("two gaps in a row".to_owned());
                }
                self.place = Place::AfterGap;
                return Ok(());
            }
            _ => {}
        }
        self.number(event)?;
        if let Some(Data::Chunk(text)) = &event.data {
            self.chunk(text)?;
        }
        if event.r#type() == EventType::TaskFinished {
            // What a finished task's stream begins with: the contract has it so.
            self.was_late = self.place == Place::Start && event.event_id.is_none();
            self.end(event)?;
        }
        if self.place != Place::AfterGap || event.event_id.is_some() {
            self.place = Place::Amid;
        }
        Ok(())
    }

    fn number(&mut self, event: &TaskEvent) -> Result<(), String> {
        let Some(id) = &event.event_id else { return Ok(()) };
        let (id, last): (u64, _) = (id.parse().map_err(|_| format!("the id {id:?}"))?, self.last_id);
        self.last_id = id;
        if id <= last {
            return Err(format!("event {id} after event {last}: again, or too late"));
        }
        match (id == last + 1, self.place == Place::AfterGap) {
            (false, false) => Err(format!("event {id} after event {last} and no gap before it")),
            // Without an id to go on after there is nothing to prove it by.
            (true, true) if last > 0 => Err(format!("a gap between events {last} and {id}")),
            _ => Ok(()),
        }
    }

    fn chunk(&mut self, text: &str) -> Result<(), String> {
        let expected = &self.job.chunks;
        let at = expected[self.next_chunk..].iter().position(|chunk| chunk == text);
        let Some(skipped) = at else {
            let is_known = expected.iter().any(|chunk| chunk == text);
            return Err(format!("the chunk {text:?}, {}", if is_known { "again" } else { "which nobody said" }));
        };
        let first = self.next_chunk;
        self.next_chunk += skipped + 1;
        if skipped > 0 && self.place != Place::AfterGap {
            return Err(format!("{skipped} chunks from {:?} on are missing, and no gap", expected[first]));
        }
        Ok(())
    }

    fn end(&mut self, event: &TaskEvent) -> Result<(), String> {
        self.is_over = true;
        let Some(Data::Task(task)) = &event.data else { return Err(format!("an end without a task: {event:?}")) };
        if let Some(misfit) = self.job.misfit(task) {
            return Err(format!("TASK_FINISHED with {misfit}"));
        }
        if !is_over(task) || task.id != self.task_id {
            return Err(format!("TASK_FINISHED with the task {} that is {:?}", task.id, task.status()));
        }
        let missing = self.job.chunks.len() - self.next_chunk;
        // How much a task said that was stopped nobody knows.
        if missing > 0 && self.place != Place::AfterGap && !self.was_late && !is_stopped(task) {
            return Err(format!("the last {missing} chunks are missing, and no gap"));
        }
        Ok(())
    }
}
