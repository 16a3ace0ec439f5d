//! Three attempts at one name on two replicas, in all interleavings: commands and replies that are late or lost, creates that
//! are late, lost or refused, settles that are lost, replicas that crash and come back, attempts that stall for as long
//! as it takes a claim to expire.
//!
//! What one process remembers is left out: it only makes attempts fewer. Broken rules must be found to create twice.

use std::hash::{DefaultHasher, Hash, Hasher};

use stateright::{Checker, HasDiscoveries, Model, Property};

use super::{Effect, Event, Found, How, State, Told, step};

const ATTEMPTS: usize = 3;
/// Which replica each attempt is on.
const REPLICA: [usize; ATTEMPTS] = [0, 0, 1];

/// The rule, and ways to break it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Rule {
    Sound,
    /// A claim that is old is run again.
    OldClaimsAreTakenOver,
    /// While the store is away, a process goes on by itself.
    AloneWhileTheStoreIsAway,
    /// The store loses what it was told.
    TheStoreForgets,
    /// A create is sent however long ago its claim was made.
    ClaimsOutliveTheirTime,
    /// What is not known to have made a task counts as not created.
    UnknownIsNotCreated,
    /// In doubt, a claim is taken as granted.
    DoubtIsGranted,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Value {
    Claim(usize),
    Done,
    Unknown,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
enum Request {
    Claim,
    Look,
}

#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own, in any combination")]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
struct Attempt {
    state: State,
    is_dead: bool,
    /// Its create may not be sent any more: its claim was made too long ago.
    is_late: bool,
    request: Option<Request>,
    reply: Option<Event>,
    /// Claims on their way that nobody waits for any more.
    orphans: u8,
    /// Its create may be sent.
    may_send: bool,
    /// Its create is on its way to the platform.
    is_sent: bool,
    /// It waits for its create to end.
    awaits: bool,
    has_created: bool,
    settle: Option<How>,
    is_told_of_a_task: bool,
    /// In which of the name's lives its create was sent.
    life: u8,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
struct World {
    store: Option<Value>,
    attempts: [Attempt; ATTEMPTS],
    /// How often the name has expired, or was lost.
    life: u8,
    crashes: u8,
    losses: u8,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Action {
    Begin(usize),
    /// The store carries the attempt's request out.
    Carry(usize),
    /// The store carries out a claim that nobody waits for any more.
    CarryLate(usize),
    Reply(usize),
    /// What is there is old enough, or the attempt has waited for long enough.
    ReplyOld(usize),
    Time(usize),
    NotDone(usize),
    Leave(usize),
    Send(usize),
    /// The platform carries the create out.
    Create(usize),
    Hear(usize, How),
    Settle(usize),
    LoseSettle(usize),
    Crash(usize),
    Expire,
    Forget,
}

impl World {
    /// Has an attempt take a step.
    fn happens(&mut self, rule: Rule, of: usize, event: Event) {
        let attempt = &mut self.attempts[of];
        let (state, mut effect) = step(attempt.state, event);
        attempt.state = state;
        match (rule, event, effect) {
            (Rule::OldClaimsAreTakenOver, Event::Found(Found::Stale), _)
            | (Rule::AloneWhileTheStoreIsAway, _, Effect::GiveUp | Effect::Tell(Told::Away))
            | (Rule::DoubtIsGranted, _, Effect::GiveUp) => {
                (attempt.state, effect) = (State::Mine, Effect::Create);
            }
            (Rule::UnknownIsNotCreated, _, Effect::Settle(How::Unknown)) => effect = Effect::Settle(How::NotCreated),
            _ => {}
        }
        match effect {
            Effect::Claim => attempt.request = Some(Request::Claim),
            Effect::Look => attempt.request = Some(Request::Look),
            Effect::Create => attempt.may_send = true,
            Effect::Settle(how) => attempt.settle = Some(how),
            Effect::GiveUp => attempt.settle = Some(How::NotCreated),
            Effect::Tell(told) => attempt.is_told_of_a_task = told == Told::Task,
            Effect::Nothing => {}
        }
    }

    /// The store's `SET NX GET`: what the attempt hears of it.
    fn claim(&mut self, by: usize) -> Event {
        if self.store.is_none() {
            self.store = Some(Value::Claim(by));
        }
        self.look(by)
    }

    fn look(&self, by: usize) -> Event {
        match self.store {
            None => Event::Absent,
            Some(Value::Claim(other)) if other == by => Event::Granted,
            Some(Value::Claim(_)) => Event::Found(Found::UnderWay),
            Some(Value::Done) => Event::Found(Found::Done),
            Some(Value::Unknown) => Event::Found(Found::Unknown),
        }
    }

    /// What an attempt waited for comes too late, if at all.
    fn abandon(&mut self, of: usize) {
        let attempt = &mut self.attempts[of];
        // Two of them do no more than one.
        attempt.orphans |= u8::from(attempt.request == Some(Request::Claim));
        (attempt.request, attempt.reply) = (None, None);
    }

    /// The same world with as little told apart as may be: what is over, and which of two on one replica is which.
    fn normal(mut self) -> Self {
        for attempt in self.attempts.iter_mut().filter(|attempt| attempt.is_dead || attempt.state == State::Over) {
            let Attempt { orphans, is_sent, has_created, settle, is_told_of_a_task, life, .. } = *attempt;
            *attempt = Attempt {
                state: State::Over,
                orphans,
                is_sent,
                has_created,
                settle,
                is_told_of_a_task,
                life,
                ..Attempt::default()
            };
        }
        let hash = |attempt: &Attempt| {
            let mut hasher = DefaultHasher::new();
            attempt.hash(&mut hasher);
            hasher.finish()
        };
        if hash(&self.attempts[0]) > hash(&self.attempts[1]) {
            self.attempts.swap(0, 1);
            self.store = self.store.map(|value| match value {
                Value::Claim(at @ (0 | 1)) => Value::Claim(1 - at),
                value => value,
            });
        }
        self
    }
}

struct Fleet(Rule);

impl Model for Fleet {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        vec![World::default()]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        for (at, attempt) in world.attempts.iter().enumerate() {
            let mut may = |condition: bool, action| {
                if condition {
                    actions.push(action);
                }
            };
            let is_alive = !attempt.is_dead;
            let waits = attempt.request.is_some() || attempt.reply.is_some();
            may(is_alive && attempt.state == State::New, Action::Begin(at));
            may(attempt.request.is_some(), Action::Carry(at));
            may(attempt.orphans > 0, Action::CarryLate(at));
            may(is_alive && attempt.reply.is_some(), Action::Reply(at));
            may(is_alive && attempt.reply == Some(Event::Found(Found::UnderWay)), Action::ReplyOld(at));
            may(is_alive && waits, Action::Time(at));
            may(is_alive && attempt.request.is_some(), Action::NotDone(at));
            may(is_alive && (waits || attempt.may_send), Action::Leave(at));
            may(is_alive && attempt.may_send, Action::Send(at));
            may(attempt.is_sent, Action::Create(at));
            may(is_alive && attempt.awaits && attempt.has_created, Action::Hear(at, How::Created));
            may(is_alive && attempt.awaits && attempt.is_sent, Action::Hear(at, How::NotCreated));
            may(is_alive && attempt.awaits, Action::Hear(at, How::Unknown));
            may(attempt.settle.is_some(), Action::Settle(at));
            may(attempt.settle.is_some(), Action::LoseSettle(at));
        }
        if world.crashes == 0 {
            actions.extend([Action::Crash(0), Action::Crash(1)]);
        }
        if world.store.is_some() && world.life == 0 {
            actions.push(Action::Expire);
        }
        if self.0 == Rule::TheStoreForgets && world.store.is_some() && world.losses == 0 {
            actions.push(Action::Forget);
        }
    }

    fn next_state(&self, world: &World, action: Action) -> Option<World> {
        let (mut world, rule) = (world.clone(), self.0);
        match action {
            Action::Begin(at) => world.happens(rule, at, Event::Begins),
            Action::Carry(at) => {
                let reply = match world.attempts[at].request.take()? {
                    Request::Claim => world.claim(at),
                    Request::Look => world.look(at),
                };
                world.attempts[at].reply = Some(reply);
            }
            Action::CarryLate(at) => {
                world.attempts[at].orphans = 0;
                world.claim(at);
            }
            Action::Reply(at) => {
                let reply = world.attempts[at].reply.take()?;
                world.happens(rule, at, reply);
            }
            Action::ReplyOld(at) => {
                world.attempts[at].reply = None;
                world.happens(rule, at, Event::Found(Found::Stale));
            }
            Action::Time(at) => {
                world.abandon(at);
                world.happens(rule, at, Event::NoAnswer);
            }
            Action::NotDone(at) => {
                world.attempts[at].request = None;
                world.happens(rule, at, Event::NotDone);
            }
            Action::Leave(at) => {
                world.abandon(at);
                world.attempts[at].may_send = false;
                world.happens(rule, at, Event::Left);
            }
            Action::Send(at) => {
                let life = world.life;
                let attempt = &mut world.attempts[at];
                (attempt.may_send, attempt.life) = (false, life);
                if attempt.is_late && rule != Rule::ClaimsOutliveTheirTime {
                    world.happens(rule, at, Event::Ended(How::NotCreated));
                } else {
                    (attempt.is_sent, attempt.awaits) = (true, true);
                }
            }
            Action::Create(at) => {
                let attempt = &mut world.attempts[at];
                (attempt.is_sent, attempt.has_created) = (false, true);
            }
            Action::Hear(at, how) => {
                let attempt = &mut world.attempts[at];
                attempt.awaits = false;
                if how == How::NotCreated {
                    attempt.is_sent = false;
                }
                world.happens(rule, at, Event::Ended(how));
            }
            Action::Settle(at) => {
                let how = world.attempts[at].settle.take()?;
                if world.store == Some(Value::Claim(at)) {
                    world.store = match how {
                        How::Created => Some(Value::Done),
                        How::NotCreated => None,
                        How::Unknown => Some(Value::Unknown),
                    };
                }
            }
            Action::LoseSettle(at) => world.attempts[at].settle = None,
            Action::Crash(replica) => {
                world.crashes += 1;
                for (at, of) in REPLICA.into_iter().enumerate() {
                    // Those that come later meet the replica as it is again.
                    if of == replica && world.attempts[at].state != State::New {
                        world.abandon(at);
                        world.attempts[at].is_dead = true;
                    }
                }
            }
            Action::Expire => {
                world.store = None;
                world.life += 1;
                for attempt in world.attempts.iter_mut().filter(|attempt| attempt.state != State::New) {
                    attempt.is_late = true;
                }
            }
            Action::Forget => {
                world.store = None;
                world.losses += 1;
            }
        }
        Some(world.normal())
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("one create in a name's life", |_, world: &World| {
                let created =
                    |life| world.attempts.iter().filter(|attempt| attempt.has_created && attempt.life == life).count();
                created(0) <= 1 && created(1) <= 1
            }),
            Property::always("who is told of a task, is told of one that there is", |_, world: &World| {
                let has_created = world.attempts.iter().any(|attempt| attempt.has_created);
                has_created || world.attempts.iter().all(|attempt| !attempt.is_told_of_a_task)
            }),
            Property::sometimes("two are told of a third one's task", |_, world: &World| {
                world.attempts.iter().filter(|attempt| attempt.is_told_of_a_task).count() == 2
            }),
            Property::sometimes("a name that was not created is created by another", |_, world: &World| {
                let [first, second, third] = &world.attempts;
                let is_in_vain = |attempt: &Attempt| attempt.state == State::Over && !attempt.has_created;
                world.life == 0 && third.has_created && is_in_vain(first) && is_in_vain(second)
            }),
        ]
    }
}

#[test]
fn a_create_happens_once_in_all_interleavings() {
    let checker = Fleet(Rule::Sound).checker().threads(2).spawn_bfs().join();
    checker.assert_properties();
    println!("{} states", checker.unique_state_count());
    assert!(checker.unique_state_count() > 10_000, "{}", checker.unique_state_count());
}

#[test]
fn a_rule_that_is_broken_is_found_to_create_twice() {
    for rule in [
        Rule::OldClaimsAreTakenOver,
        Rule::AloneWhileTheStoreIsAway,
        Rule::TheStoreForgets,
        Rule::ClaimsOutliveTheirTime,
        Rule::UnknownIsNotCreated,
        Rule::DoubtIsGranted,
    ] {
        let checker = Fleet(rule).checker().finish_when(HasDiscoveries::AnyFailures).threads(2).spawn_bfs().join();
        assert!(checker.discovery("one create in a name's life").is_some(), "{rule:?} is not found");
    }
}
