//! What tasks cost: tokens and time, by agent, and how they ended. Each end is counted once by the process that sees it,
//! however many calls see it.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    hash::{BuildHasher as _, RandomState},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use opentelemetry::{
    KeyValue,
    metrics::{Counter, Histogram, Meter},
};

use crate::proto::{Task, TaskStatus};

/// How many ends are remembered, lest one is counted again: as many as a busy replica sees in an hour, in 6 MiB.
const REMEMBERED: usize = 1 << 16;
/// More than any task takes: a larger number says nothing, and would spoil a counter for good.
const MOST_TOKENS: u64 = 1 << 40;
/// The agents that no label names.
const OTHER: &str = "other";

/// What a task that is over has cost, as far as the platform says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// How it ended.
    pub status: TaskStatus,
    /// Tokens that its models read.
    pub input: Option<u64>,
    /// Tokens that they wrote.
    pub output: Option<u64>,
    /// Tokens read from their providers' caches.
    pub cache_read: Option<u64>,
    /// Tokens written there.
    pub cache_write: Option<u64>,
    /// How long it ran.
    pub duration: Option<Duration>,
}

/// The instruments, and what they have counted.
pub(super) struct Costs {
    tokens: Counter<u64>,
    ended: Counter<u64>,
    duration: Histogram<f64>,
    /// The agents that labels name.
    agents: BTreeSet<String>,
    counted: Mutex<Counted>,
}

/// Seconds and nanoseconds.
type Moment = (i64, i32);

/// The ends that were counted last.
#[derive(Default)]
struct Counted {
    hasher: RandomState,
    /// By task, and when each was over, as far as that was said.
    known: HashMap<u64, Option<Moment>>,
    order: VecDeque<u64>,
}

impl Cost {
    /// Of a task; None while it is not over.
    #[must_use]
    pub fn of(task: &Task) -> Option<Self> {
        use TaskStatus::{Completed, Error, Failed, Stopped};
        let status = task.status();
        if !matches!(status, Completed | Error | Failed | Stopped) {
            return None;
        }
        let tokens = task.tokens.unwrap_or_default();
        let count =
            |tokens: Option<i64>| tokens.and_then(|tokens| tokens.try_into().ok()).filter(|n| *n <= MOST_TOKENS);
        Some(Self {
            status,
            input: count(tokens.prompt_tokens),
            output: count(tokens.completion_tokens),
            cache_read: count(tokens.cache_read_tokens),
            cache_write: count(tokens.cache_write_tokens),
            duration: task.duration.and_then(|duration| duration.try_into().ok()),
        })
    }

    /// The platform's word for how it ended.
    pub(super) fn word(&self) -> &'static str {
        match self.status {
            TaskStatus::Completed => "completed",
            TaskStatus::Error => "error",
            TaskStatus::Failed => "failed",
            _ => "stopped",
        }
    }

    fn tokens(&self) -> [(&'static str, Option<u64>); 4] {
        [
            ("input", self.input),
            ("output", self.output),
            ("cache_read", self.cache_read),
            ("cache_write", self.cache_write),
        ]
    }
}

impl Costs {
    pub(super) fn new(meter: &Meter, duration: Histogram<f64>, agents: &BTreeSet<String>) -> Self {
        let counter = |name: &'static str, unit: &'static str, what: &'static str| {
            meter.u64_counter(name).with_unit(unit).with_description(what).build()
        };
        let costs = Self {
            tokens: counter("xpander.task.tokens", "{token}", "Tokens of tasks whose end was seen, by type and agent."),
            ended: counter("xpander.tasks.ended", "{task}", "Tasks whose end was seen, by final status and agent."),
            duration,
            agents: agents.clone(),
            counted: Mutex::default(),
        };
        // A counter that is not there until it counts hides its first step from whoever computes rates.
        for agent in agents.iter().map(String::as_str).chain([OTHER]) {
            for kind in ["input", "output", "cache_read", "cache_write"] {
                costs.tokens.add(0, &[of_type(kind), costs.agent(agent)]);
            }
            for status in ["completed", "error", "failed", "stopped"] {
                costs.ended.add(0, &[of_status(status), costs.agent(agent)]);
            }
        }
        costs
    }

    /// Counts a task's end; whether it is the first time.
    pub(super) fn ended(&self, task: &Task, cost: &Cost) -> bool {
        let finished = task.finished_at.map(|at| (at.seconds, at.nanos));
        let key = (&task.organization_id, &task.id);
        if !self.counted.lock().unwrap_or_else(PoisonError::into_inner).is_new(key, finished) {
            return false;
        }
        let agent = self.agent(&task.agent_id);
        for (kind, tokens) in cost.tokens() {
            if let Some(tokens) = tokens {
                self.tokens.add(tokens, &[of_type(kind), agent.clone()]);
            }
        }
        self.ended.add(1, &[of_status(cost.word()), agent]);
        if let Some(duration) = cost.duration {
            self.duration.record(duration.as_secs_f64(), &[of_status(cost.word())]);
        }
        true
    }

    fn agent(&self, id: &str) -> KeyValue {
        let known = self.agents.get(id).map_or(OTHER, String::as_str);
        KeyValue::new("xpander.agent.id", known.to_owned())
    }
}

impl Counted {
    /// Remembers a task's end; whether it was not known. A task that goes on ends again, later; one whose end has no time
    /// yet does not.
    fn is_new(&mut self, task: impl std::hash::Hash, finished: Option<Moment>) -> bool {
        let hash = self.hasher.hash_one(task);
        if let Some(known) = self.known.get_mut(&hash) {
            let is_later = known.is_some() && finished > *known;
            *known = finished.max(*known);
            return is_later;
        }
        self.known.insert(hash, finished);
        self.order.push_back(hash);
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        true
    }
}

fn of_type(kind: &'static str) -> KeyValue {
    KeyValue::new("xpander.token.type", kind)
}

fn of_status(status: &'static str) -> KeyValue {
    KeyValue::new("xpander.task.status", status)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::Tokens;

    fn task(status: TaskStatus, prompt_tokens: i64) -> Task {
        let tokens = Tokens { prompt_tokens: Some(prompt_tokens), ..Tokens::default() };
        Task { status: status.into(), tokens: Some(tokens), ..Task::default() }
    }

    #[test]
    fn a_task_that_is_over_has_a_cost_and_no_number_spoils_a_counter() {
        assert_eq!(Cost::of(&task(TaskStatus::Executing, 1)), None);
        let input = |tokens| Cost::of(&task(TaskStatus::Failed, tokens)).expect("over").input;
        assert_eq!([input(7), input(-1), input(i64::MAX)], [Some(7), None, None]);
    }

    #[test]
    fn an_end_is_new_once_and_what_is_remembered_is_bounded() {
        let mut counted = Counted::default();
        assert!(counted.is_new("a", None) && !counted.is_new("a", None));
        for end in 0..2 * REMEMBERED {
            counted.is_new(end, None);
        }
        assert_eq!((counted.known.len(), counted.order.len()), (REMEMBERED, REMEMBERED));
        assert!(!counted.is_new(2 * REMEMBERED - 1, None));
    }

    #[test]
    fn an_end_whose_time_comes_after_it_is_the_same_and_a_later_one_is_another() {
        let mut counted = Counted::default();
        let [first, second] = [Some((1, 0)), Some((2, 0))];
        let seen = [None, first, None, first, second, first, None, second];
        let new = seen.map(|finished| counted.is_new("a", finished));
        assert_eq!(new, [true, false, false, false, true, false, false, false]);
    }
}
