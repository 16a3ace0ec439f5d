//! How far a create has come, and who waits for it: one state, shared by its callers, by what drives it and by the body
//! of its request. Each step is taken by one of them at a time, so that a caller who leaves in the moment in which the
//! request goes out has either called it back or knows that it has not.
//!
//! Not what is told of a create: that is `calls::create`.

use std::{
    mem,
    pin::Pin,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::Instant;

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
    /// How it ended was told, to a caller or to the log.
    pub is_told: bool,
    /// Another process has claimed it, and may have made its task.
    pub is_elsewhere: bool,
}

/// One create's state.
#[derive(Debug)]
pub struct Progress {
    state: Mutex<State>,
    /// From then on it is not sent any more.
    until: OnceLock<Instant>,
    /// The task that another process has made under its name.
    made: OnceLock<Box<str>>,
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
    const BEGUN: Self = Self { phase: Phase::Preparing, callers: 1, is_told: false, is_elsewhere: false };

    /// Whether a task may have been made, as far as who asks now can know.
    #[must_use]
    pub fn may_have_created(self) -> bool {
        match self.phase {
            // It goes on for those who still wait.
            Phase::Preparing => self.callers > 0 || self.is_elsewhere,
            Phase::OnItsWay | Phase::Created | Phase::Unknown => true,
            Phase::NotCreated => self.is_elsewhere,
        }
    }

    /// One more caller waits for it; false where it has made no task and will make none.
    pub fn join(&mut self) -> bool {
        let joins = self.phase != Phase::NotCreated;
        self.callers += u32::from(joins);
        joins
    }

    /// A caller leaves, and learns what it leaves behind. The last one calls back what is not on its way, and tells the log of
    /// a task that nobody was told of.
    #[must_use]
    pub fn leave(&mut self) -> Self {
        self.callers = self.callers.saturating_sub(1);
        if self.callers == 0 && self.phase == Phase::Preparing {
            self.phase = Phase::NotCreated;
        }
        let left = *self;
        self.is_told |= self.callers == 0 && self.phase == Phase::Created;
        left
    }

    /// A caller leaves with its answer.
    #[must_use]
    pub fn hear(&mut self) -> Self {
        self.is_told = true;
        self.leave()
    }

    /// It goes out now, unless it was called back.
    pub(super) fn send(&mut self) -> Result<(), CalledBack> {
        if !matches!(self.phase, Phase::Preparing | Phase::OnItsWay) {
            return Err(CalledBack);
        }
        self.phase = Phase::OnItsWay;
        Ok(())
    }

    /// An attempt was proven not to have been processed. Whether another one may be made: somebody still waits.
    pub(super) fn come_back(&mut self) -> bool {
        if self.phase == Phase::OnItsWay {
            self.phase = if self.callers > 0 { Phase::Preparing } else { Phase::NotCreated };
        }
        self.phase == Phase::Preparing
    }

    /// It is over, as its answer says. Whatever the failure, what was not on its way has made no task. Where nobody waits, the
    /// log is told.
    #[must_use]
    pub fn end(&mut self, answer: Phase) -> Self {
        match (self.phase, answer) {
            (Phase::Preparing, Phase::Created) | (Phase::OnItsWay, _) => self.phase = answer,
            (Phase::Preparing, _) => self.phase = Phase::NotCreated,
            _ => {}
        }
        self.is_told |= self.callers == 0;
        *self
    }
}

impl Progress {
    /// A create that one caller begins.
    #[must_use]
    pub fn begin() -> Self {
        Self { state: Mutex::new(State::BEGUN), until: OnceLock::new(), made: OnceLock::new() }
    }

    /// Has it sent before this moment, or never, however long the process stalls: by then its claim may be another's.
    pub fn not_after(&self, moment: Instant) {
        let _ = self.until.set(moment);
    }

    /// Notes that another process has made this task under its name: whoever leaves from now on leaves that one behind.
    pub fn is_made(&self, task_id: &str) {
        self.step(|state| {
            state.is_elsewhere = true;
            let _ = self.made.set(task_id.into());
        });
    }

    /// The task that another process has made under its name, where that is known.
    #[must_use]
    pub fn made(&self) -> Option<&str> {
        self.made.get().map(|id| &**id)
    }

    /// How far it has come now.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.step(|state| state.phase)
    }

    /// Takes one step; nobody else takes one meanwhile.
    pub fn step<T>(&self, step: impl FnOnce(&mut State) -> T) -> T {
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
        let sent = match self.progress.until.get() {
            Some(until) if *until <= Instant::now() => Err(CalledBack),
            _ => self.progress.step(State::send),
        };
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

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    /// The most callers that are looked at: the next one changes nothing.
    const CALLERS: u32 = 3;

    /// What comes of each thing that can be done to a create, by name.
    fn steps(state: State) -> Vec<(&'static str, State)> {
        type Step = fn(&mut State);
        let (waits, may_join) = (state.callers > 0, state.callers < CALLERS);
        let steps: [(&str, bool, Step); 9] = [
            ("wait", state.phase == Phase::Preparing, |state| state.is_elsewhere = true),
            ("join", may_join, |state| _ = state.join()),
            ("leave", waits, |state| _ = state.leave()),
            ("hear", waits && is_over(state), |state| _ = state.hear()),
            ("send", true, |state| _ = state.send()),
            ("come back", true, |state| _ = state.come_back()),
            ("create", true, |state| _ = state.end(Phase::Created)),
            ("fail", true, |state| _ = state.end(Phase::NotCreated)),
            ("lose", true, |state| _ = state.end(Phase::Unknown)),
        ];
        let after = |step: Step| {
            let mut next = state;
            step(&mut next);
            next
        };
        steps
            .into_iter()
            .filter(|(_, is_possible, _)| *is_possible)
            .map(|(name, _, step)| (name, after(step)))
            .collect()
    }

    fn is_over(state: State) -> bool {
        !matches!(state.phase, Phase::Preparing | Phase::OnItsWay)
    }

    #[test]
    fn whatever_comes_in_whatever_order_a_create_is_called_back_or_accounted_for() {
        let (mut seen, mut left) = (HashSet::new(), vec![State::BEGUN]);
        while let Some(state) = left.pop() {
            if !seen.insert(state) {
                continue;
            }
            assert!(state.callers > 0 || state.phase != Phase::Preparing, "prepared for nobody: {state:?}");
            let may = state.phase != Phase::NotCreated || state.is_elsewhere;
            assert_eq!(state.may_have_created(), may, "{state:?}");
            let (mut joined, mut sent) = (state, state);
            assert_eq!(joined.join(), state.phase != Phase::NotCreated, "{state:?}");
            assert_eq!(sent.send().is_ok(), !is_over(state), "{state:?}");
            for (step, next) in steps(state) {
                let what = format!("{state:?}, {step}, {next:?}");
                assert!(!is_over(state) || next.phase == state.phase, "an end is for good: {what}");
                let is_made_untold =
                    |state: State| state.phase == Phase::Created && state.callers == 0 && !state.is_told;
                assert!(!is_made_untold(next), "nobody is told of its task: {what}");
                assert!(!state.is_told || next.is_told, "it is told once: {what}");
                if step == "leave" && state.phase == Phase::OnItsWay {
                    assert_eq!(next.phase, Phase::OnItsWay, "it cannot be called back: {what}");
                }
                if next.phase == Phase::Unknown && state.phase != Phase::Unknown {
                    assert_eq!(state.phase, Phase::OnItsWay, "what never left is known: {what}");
                }
                left.push(next);
            }
        }
        assert!(seen.len() > 20, "{}", seen.len());
    }

    #[test]
    fn a_body_is_given_once_and_only_while_its_create_is_not_called_back() {
        let poll =
            |body: &mut CreateBody| Pin::new(body).poll_frame(&mut Context::from_waker(std::task::Waker::noop()));
        let progress = Arc::new(Progress::begin());
        let mut body = CreateBody::new(Bytes::from_static(b"{}"), Arc::clone(&progress));
        assert_eq!((body.size_hint().exact(), progress.phase()), (Some(2), Phase::Preparing));
        assert!(matches!(poll(&mut body), Poll::Ready(Some(Ok(_)))));
        assert_eq!((body.is_end_stream(), progress.phase()), (true, Phase::OnItsWay));
        assert!(matches!(poll(&mut body), Poll::Ready(None)));

        let progress = Arc::new(Progress::begin());
        let mut body = CreateBody::new(Bytes::from_static(b"{}"), Arc::clone(&progress));
        assert!(!progress.step(State::leave).may_have_created());
        assert!(matches!(poll(&mut body), Poll::Ready(Some(Err(CalledBack)))));
        assert_eq!(progress.phase(), Phase::NotCreated);

        // Neither is one whose time is up.
        let progress = Arc::new(Progress::begin());
        progress.not_after(Instant::now());
        assert!(matches!(poll(&mut CreateBody::new(Bytes::from_static(b"{}"), progress)), Poll::Ready(Some(Err(_)))));
    }
}
