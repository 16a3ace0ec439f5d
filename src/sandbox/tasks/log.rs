//! The events of one turn of a task: append only, each kept as the bytes it has on an event stream.
//!
//! It does no I/O and takes no lock; the task that owns it does.

use bytes::Bytes;
use serde_json::{Value, json};

/// How the platform writes points in time.
pub fn now() -> String {
    format!("{:.6}", jiff::Timestamp::now())
}

/// Whom an event is about: the envelope's part that is the same for all events of a task.
#[derive(Debug, Clone)]
pub struct Subject {
    /// The task.
    pub task: String,
    /// The organization it belongs to.
    pub organization: String,
}

impl Subject {
    /// One event, as the JSON text that stands in a `data:` line.
    pub fn event(&self, kind: &str, data: &Value, identity: Option<Value>) -> String {
        let mut event = json!({
            "type": kind,
            "task_id": self.task,
            "organization_id": self.organization,
            "time": now(),
            "data": data,
        });
        if let Some(identity) = identity {
            event["identity"] = identity;
        }
        event.to_string()
    }

    /// The handshake each stream begins with.
    pub fn connected(&self) -> Bytes {
        Bytes::from(format!("data: {}\n\n", self.event("connected", &Value::Null, None)))
    }
}

/// The events of one turn.
#[derive(Debug)]
pub struct Log {
    /// The id of the first frame; ids go on where the task's turn before this one ended.
    first_id: u64,
    frames: Vec<Bytes>,
}

impl Log {
    /// A log whose first event will have this id.
    pub fn starting_at(first_id: u64) -> Self {
        Self { first_id, frames: Vec::new() }
    }

    /// The id the next event will have.
    pub fn next_id(&self) -> u64 {
        self.first_id + self.frames.len() as u64
    }

    /// Appends an event and says how many bytes it takes.
    pub fn push(&mut self, event: &str) -> usize {
        let frame = Bytes::from(format!("id: {}\ndata: {event}\n\n", self.next_id()));
        let bytes = frame.len();
        self.frames.push(frame);
        bytes
    }

    /// Up to `most` frames after the event with this id (0: from the first on).
    pub fn after(&self, id: u64, most: usize) -> Vec<Bytes> {
        let skipped = usize::try_from(id.saturating_add(1).saturating_sub(self.first_id)).unwrap_or(usize::MAX);
        self.frames.iter().skip(skipped).take(most).cloned().collect()
    }

    /// Where a reader begins who has seen the event with this id: ids of earlier turns and of the future, which a
    /// client may claim, count as the nearest end of this log.
    pub fn cursor(&self, id: u64) -> u64 {
        id.clamp(self.first_id.saturating_sub(1), self.next_id().saturating_sub(1))
    }
}
