//! One attempt at a name in the store: what `decide` says is done, and what comes of it is told to it.

use std::{mem, sync::Arc, time::Duration};

use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::{
    End, Fingerprint, Name, Why,
    decide::{Effect, Event, Found, How, State, Told, step},
    store::{Heard, Store},
    value::{Content, Entry, Value},
};
use crate::{
    platform::{Phase, Progress},
    telemetry::Claimed,
};

/// The pauses between looks at another one's claim.
const FIRST_PAUSE: Duration = Duration::from_millis(25);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// An attempt at a name. Dropped, it gives up what it has not used.
pub struct Attempt {
    store: Arc<Store>,
    name: Name,
    content: Fingerprint,
    token: Uuid,
    progress: Arc<Progress>,
    state: State,
    /// When the claim was sent that is in the store, or the first one that may be.
    begun: Instant,
    /// When it began to ask for the claim.
    asked: Option<Instant>,
    /// How long a create may take, once it is on its way.
    longest: Duration,
    /// A claim was not answered, or not yet.
    is_in_doubt: bool,
    found: Option<Entry>,
    /// Since when it has seen what it has found.
    since: Instant,
}

/// What an attempt comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The create is sent, once, and not after this.
    Create(Instant),
    /// There is this task.
    Task(Box<str>),
    /// There may be one.
    Unknown(Why),
    /// The name stands for other content.
    Other,
    /// The store is away, and nothing was created.
    Away,
}

impl Attempt {
    /// Begins. A create may take as long as `longest` on its way.
    pub fn new(
        store: &Arc<Store>,
        (name, content): (Name, Fingerprint),
        progress: &Arc<Progress>,
        longest: Duration,
    ) -> Self {
        Self {
            store: Arc::clone(store),
            name,
            content,
            token: Uuid::now_v7(),
            progress: Arc::clone(progress),
            state: State::New,
            begun: Instant::now(),
            asked: None,
            longest,
            is_in_doubt: false,
            found: None,
            since: Instant::now(),
        }
    }

    /// Asks until it is decided. That it waits for another one's create, its progress is told.
    pub async fn decide(&mut self) -> Verdict {
        let begun = Instant::now();
        let (mut event, mut looks) = (Event::Begins, 0);
        let verdict = loop {
            let (state, effect) = step(self.state, event);
            self.state = state;
            self.progress.step(|progress| progress.is_elsewhere = state == State::Elsewhere);
            event = match effect {
                Effect::Claim => self.claim().await,
                Effect::Look => {
                    sleep(pause(looks)).await;
                    looks += 1;
                    self.look().await
                }
                Effect::Create => break Verdict::Create(self.begun + self.head_start()),
                Effect::Tell(Told::Task) => match self.found.take() {
                    Some(Entry::Done(id)) => break Verdict::Task(id),
                    _ => break Verdict::Unknown(Why::Abandoned),
                },
                Effect::Tell(Told::Unknown) => match self.found.take() {
                    Some(Entry::Unknown(why)) => break Verdict::Unknown(why),
                    _ => break Verdict::Unknown(Why::Abandoned),
                },
                Effect::Tell(Told::Other) => break Verdict::Other,
                Effect::GiveUp => {
                    self.settle(None);
                    break Verdict::Away;
                }
                Effect::Tell(Told::Away) | Effect::Settle(_) | Effect::Nothing => break Verdict::Away,
            };
        };
        self.store.metrics.claims().claimed(claimed(&verdict), looks > 0, begun.elapsed());
        verdict
    }

    /// Writes down how its create has ended, in the background.
    pub fn end(&mut self, end: End) {
        let (how, entry) = match end {
            End::Done(id) => (How::Created, Some(Entry::Done(id))),
            End::Unknown(why) => (How::Unknown, Some(Entry::Unknown(why))),
            End::Free => (How::NotCreated, None),
        };
        let (state, effect) = step(self.state, Event::Ended(how));
        self.state = state;
        if effect == Effect::Settle(how) {
            self.settle(entry);
        }
    }

    async fn claim(&mut self) -> Event {
        let (now, whole) = (Instant::now(), self.store.settings().store_timeout);
        if !self.is_in_doubt {
            self.begun = now;
        }
        // A dead store costs no call its timeout twice over: the second claim has what the first one has left.
        let left = whole.saturating_sub(self.asked.get_or_insert(now).elapsed());
        let time = if self.state == State::Asking { left / 2 } else { left };
        // Before it is asked: who leaves meanwhile hears no answer either.
        let was_in_doubt = mem::replace(&mut self.is_in_doubt, true);
        let heard = self.store.claim(&self.name, &self.own().to_string(), time).await;
        self.is_in_doubt = was_in_doubt || matches!(heard, Heard::NoAnswer | Heard::TooFew);
        if matches!(heard, Heard::Absent) {
            self.begun = now;
            return Event::Granted;
        }
        self.event(heard)
    }

    async fn look(&mut self) -> Event {
        self.asked = None;
        let heard = self.store.look(&self.name).await;
        match self.event(heard) {
            Event::NoAnswer | Event::NotDone if self.is_over(self.since.elapsed()) => Event::TooLong,
            event => event,
        }
    }

    fn event(&mut self, heard: Heard) -> Event {
        let (there, left) = match heard {
            Heard::Absent => return Event::Absent,
            Heard::NoAnswer => return Event::NoAnswer,
            Heard::NotDone(_) | Heard::HalfDone(_) => return Event::NotDone,
            Heard::TooFew => return Event::TooFew,
            Heard::Foreign => return Event::Found(Found::Foreign),
            Heard::There(there, left) => (there, left),
        };
        let Some(value) = Value::read(&there) else { return Event::Found(Found::Foreign) };
        if value == self.own() {
            return Event::Granted;
        }
        if !value.is_about(self.content) {
            return Event::Found(Found::Other);
        }
        if self.found.as_ref() != Some(&value.entry) {
            (self.found, self.since) = (Some(value.entry.clone()), Instant::now());
        }
        Event::Found(match value.entry {
            // By the store's clock; or by having seen it for so long, whatever other replicas have as `remembered`.
            Entry::Claim(_) if left.is_some_and(|left| self.is_over(self.age(left))) => Found::Stale,
            Entry::Claim(_) if self.is_over(self.since.elapsed()) => Found::Stale,
            Entry::Claim(_) => Found::UnderWay,
            Entry::Done(_) => Found::Done,
            Entry::Unknown(_) => Found::Unknown,
        })
    }

    /// Whether a create is over, however long it took, so long after its claim.
    fn is_over(&self, after: Duration) -> bool {
        after > self.head_start() + self.longest
    }

    fn age(&self, left: Duration) -> Duration {
        self.store.settings().remembered.saturating_sub(left)
    }

    /// How long after its claim a create may set out: claims that have expired are long past it.
    fn head_start(&self) -> Duration {
        self.longest.min(self.store.settings().remembered / 2)
    }

    fn own(&self) -> Value {
        Value { entry: Entry::Claim(self.token), content: Content::Known(self.content) }
    }

    /// Puts this in place of its claim, or nothing.
    fn settle(&self, entry: Option<Entry>) {
        let to = entry.map(|entry| Value { entry, content: Content::Known(self.content) }.to_string());
        let until = self.begun + self.store.settings().remembered;
        let is_in_doubt = self.is_in_doubt && to.is_none();
        self.store.settle(self.name, self.own().to_string(), to.unwrap_or_default(), until, is_in_doubt);
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        match self.progress.phase() {
            Phase::Preparing | Phase::NotCreated => {
                let (state, effect) = step(self.state, Event::Left);
                self.state = state;
                if effect == Effect::Settle(How::NotCreated) {
                    self.settle(None);
                }
            }
            // It breaks off with its create on its way.
            Phase::OnItsWay | Phase::Created | Phase::Unknown => self.end(End::Unknown(Why::Abandoned)),
        }
    }
}

fn claimed(verdict: &Verdict) -> Claimed {
    match verdict {
        Verdict::Create(_) => Claimed::Granted,
        Verdict::Task(_) => Claimed::Done,
        Verdict::Unknown(_) => Claimed::Unknown,
        Verdict::Other => Claimed::Other,
        Verdict::Away => Claimed::Away,
    }
}

fn pause(looks: u32) -> Duration {
    let bound = FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(looks)).min(LONGEST_PAUSE);
    bound.mul_f64(0.5 + fastrand::f64() / 2.0)
}
