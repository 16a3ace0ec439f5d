//! What callers want done: an agent, a prompt, and what the answer must be. The marker is the task's title.

use fastrand::Rng;
use xpander_grpc_proxy::proto::{InvokeRequest, Task, TaskStatus};

/// A text is said in so many pieces at most.
const PIECES: usize = 64;

/// One piece of work.
#[derive(Clone)]
pub struct Job {
    pub marker: String,
    agent: &'static str,
    prompt: String,
    /// The chunks that the agent says, all different.
    pub chunks: Vec<String>,
    result: String,
    status: TaskStatus,
}

impl Job {
    pub fn random(number: u64, rng: &mut Rng) -> Self {
        let marker = format!("job-{number}");
        let done = TaskStatus::Completed;
        match rng.u32(..10) {
            0 => {
                let text = "This will not end well. ";
                let result = "The agent gave up.".to_owned();
                Self::new(marker, "fail", String::new(), words(text), result, TaskStatus::Failed)
            }
            1 => {
                let bytes = rng.usize(1..50_000);
                let result = "0123456789abcdef".chars().cycle().take(bytes).collect();
                Self::new(marker, "big", bytes.to_string(), words("A big one. "), result, done)
            }
            2 => {
                let events = rng.u32(1..300);
                let chunks = (1..=events).map(|count| format!("{count} ")).collect();
                Self::new(marker, "burst", events.to_string(), chunks, format!("{events} events"), done)
            }
            3 => {
                let result = format!("Looked into it: {marker}");
                Self::new(marker.clone(), "tools", marker, words(&result), result, done)
            }
            _ => {
                let numbers = (0..rng.u32(..60)).map(|count| format!(" w{count}"));
                let prompt = format!("{marker}{}", numbers.collect::<String>());
                Self::new(marker, "echo", prompt.clone(), words(&prompt), prompt, done)
            }
        }
    }

    fn new(
        marker: String,
        agent: &'static str,
        prompt: String,
        chunks: Vec<String>,
        result: String,
        status: TaskStatus,
    ) -> Self {
        Self { marker, agent, prompt, chunks, result, status }
    }

    /// The request for it.
    pub fn request(&self, events_streaming: bool) -> InvokeRequest {
        InvokeRequest {
            agent_id: self.agent.to_owned(),
            prompt: self.prompt.clone(),
            title: Some(self.marker.clone()),
            events_streaming,
            ..InvokeRequest::default()
        }
    }

    /// What is wrong with a task that should be this job's.
    pub fn misfit(&self, task: &Task) -> Option<String> {
        if task.title() != self.marker {
            return Some(format!("a task of {:?}", task.title()));
        }
        let is_marked = task.other.as_ref().is_some_and(|other| other.fields().contains_key("_result_truncated"));
        let is_whole = task.result() == self.result && !is_marked;
        (is_over(task) && !is_stopped(task) && (task.status() != self.status || !is_whole))
            .then(|| format!("a task that is {:?} with a result of {} bytes", task.status(), task.result().len()))
    }
}

pub fn is_over(task: &Task) -> bool {
    use TaskStatus::{Completed, Error, Failed, Stopped};
    matches!(task.status(), Completed | Error | Failed | Stopped)
}

pub fn is_stopped(task: &Task) -> bool {
    task.status() == TaskStatus::Stopped
}

/// The pieces in which the platform says a text.
fn words(text: &str) -> Vec<String> {
    let words: Vec<&str> = text.split_inclusive(char::is_whitespace).collect();
    words.chunks(words.len().div_ceil(PIECES).max(1)).map(<[&str]>::concat).collect()
}
