//! How far a create has come, and who waits for it: one state, shared by its callers, by what drives it and by the body
//! of its request. Each step is taken by one of them at a time, so that a caller who leaves in the moment in which the
//! request goes out has either called it back or knows that it has not.
//!
//! Not what is told of a create: that is `calls::create`.

use std::{
    mem,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

/// How far a create has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Nothing of it has left the process: the agent is looked up, a connection is made.
    Preparing,
    /// Its request's body was asked for: from now on the platform may have it.
    OnItsWay,
    /// It made a task.
    Created,
    /// It made none, and nothing of it is sent any more.
    NotCreated,
    /// It may have made a task, and nobody will know.
    Unknown,
}

/// A create's phase, and who has a part in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct State {
    /// How far it has come.
    pub phase: Phase,
    /// How many wait for it.
    pub callers: u32,
    /// A caller has heard how it ended.
    pub is_heard: bool,
}

/// One create's state.
#[derive(Debug)]
pub struct Progress {
    state: Mutex<State>,
}

/// The body of a create's request. The first question for it is the moment from which on the platform may have it.
pub(super) struct CreateBody {
    /// Empty once it was given.
    bytes: Bytes,
    progress: Arc<Progress>,
}

/// A request that is called back: its callers left before it was on its way.
#[derive(Debug, thiserror::Error)]
#[error("the create was called back")]
pub(super) struct CalledBack;

impl State {
    /// A create that one caller begins.
    const BEGUN: Self = Self { phase: Phase::Preparing, callers: 1, is_heard: false };

    /// Whether a task may have been made, as far as who asks now can know.
    #[must_use]
    pub fn may_have_created(self) -> bool {
        match self.phase {
            // It goes on for those who still wait.
            Phase::Preparing => self.callers > 0,
            Phase::OnItsWay | Phase::Created | Phase::Unknown => true,
            Phase::NotCreated => false,
        }
    }

    /// One caller more, unless there is nothing left to wait for.
    fn joined(self) -> Option<Self> {
        (self.phase != Phase::NotCreated).then_some(Self { callers: self.callers + 1, ..self })
    }

    /// One caller less. The last one calls back what is not on its way.
    fn left(self) -> Self {
        let callers = self.callers.saturating_sub(1);
        let is_called_back = callers == 0 && self.phase == Phase::Preparing;
        Self { phase: if is_called_back { Phase::NotCreated } else { self.phase }, callers, ..self }
    }

    /// One caller less, who knows how it ended.
    fn heard(self) -> Self {
        Self { is_heard: true, ..self.left() }
    }

    /// On its way, unless it was called back.
    fn sent(self) -> Option<Self> {
        match self.phase {
            Phase::Preparing | Phase::OnItsWay => Some(Self { phase: Phase::OnItsWay, ..self }),
            Phase::Created | Phase::NotCreated | Phase::Unknown => None,
        }
    }

    /// Proven not to have been processed: it is sent again, if anybody still waits.
    fn returned(self) -> Self {
        match self.phase {
            Phase::OnItsWay if self.callers > 0 => Self { phase: Phase::Preparing, ..self },
            Phase::OnItsWay => Self { phase: Phase::NotCreated, ..self },
            _ => self,
        }
    }

    /// Over, as its answer says where there is one that says anything. Whatever the failure, what was not on its way has
    /// made no task.
    fn ended(self, answer: Phase) -> Self {
        let phase = match (self.phase, answer) {
            (Phase::Preparing, Phase::Created) | (Phase::OnItsWay, _) => answer,
            (Phase::Preparing, _) => Phase::NotCreated,
            (over, _) => over,
        };
        Self { phase, ..self }
    }
}

impl Progress {
    /// A create that one caller begins.
    #[must_use]
    pub fn begin() -> Self {
        Self { state: Mutex::new(State::BEGUN) }
    }

    /// What it is now.
    #[must_use]
    pub fn now(&self) -> State {
        self.step(|state| *state)
    }

    /// One more caller waits for it; false where it has made no task and will make none.
    #[must_use]
    pub fn join(&self) -> bool {
        self.step(|state| state.joined().map(|joined| *state = joined)).is_some()
    }

    /// A caller leaves without an answer. The last one calls back what is not on its way.
    pub fn leave(&self) -> State {
        self.step(|state| {
            *state = state.left();
            *state
        })
    }

    /// A caller leaves with its answer.
    pub fn hear(&self) -> State {
        self.step(|state| {
            *state = state.heard();
            *state
        })
    }

    /// Ends it, as its answer says, and has that published before anybody takes another step.
    pub fn end<T>(&self, answer: Phase, publish: impl FnOnce(State) -> T) -> T {
        self.step(|state| {
            *state = state.ended(answer);
            publish(*state)
        })
    }

    /// An attempt was proven not to have been processed; whether another one may be made.
    pub(super) fn is_returned(&self) -> bool {
        self.step(|state| {
            *state = state.returned();
            state.phase == Phase::Preparing
        })
    }

    /// It goes out now, unless it was called back.
    fn send(&self) -> Result<(), CalledBack> {
        self.step(|state| {
            *state = state.sent().ok_or(CalledBack)?;
            Ok(())
        })
    }

    fn step<T>(&self, step: impl FnOnce(&mut State) -> T) -> T {
        step(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl CreateBody {
    pub fn new(bytes: Bytes, progress: Arc<Progress>) -> Self {
        Self { bytes, progress }
    }
}

impl Body for CreateBody {
    type Data = Bytes;
    type Error = CalledBack;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, CalledBack>>> {
        if self.bytes.is_empty() {
            return Poll::Ready(None);
        }
        let sent = self.progress.send();
        Poll::Ready(Some(sent.map(|()| Frame::data(mem::take(&mut self.bytes)))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Exact, so that the request has a content-length.
    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.len() as u64)
    }
}
