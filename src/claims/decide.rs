//! The decision: what one attempt at a name does next, whatever happens to it. The rule is that a claim is never taken over:
//! one atomic claim gives the right to create, once, and all that comes later only decides what is told.
//!
//! Pure: no I/O, no clock. The code that runs follows it to the letter (`run`), and `model` walks all its ways.

#[cfg(test)]
mod model;

/// How far an attempt has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum State {
    /// Nothing was asked.
    #[default]
    New,
    /// Its claim is on its way.
    Asking,
    /// The same, and an earlier one may have been carried out.
    InDoubt,
    /// It waits for another attempt's create.
    Elsewhere,
    /// The claim is its own: its create may be sent, once.
    Mine,
    /// It is told, or its create is over.
    Over,
}

/// What happens to an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Event {
    /// It begins.
    Begins,
    /// The claim is there, as its own.
    Granted,
    /// Something else is there.
    Found(Found),
    /// Nothing is there.
    Absent,
    /// The store did not answer: what was asked may have been done.
    NoAnswer,
    /// What was asked was not done, for certain: there is no connection, or the store refused.
    NotDone,
    /// The claim is there, but too few of the store's replicas have it.
    TooFew,
    /// It has waited for longer than any create can take.
    TooLong,
    /// Its create is over.
    Ended(How),
    /// Nobody waits any more, and its create was not sent.
    Left,
}

/// What stands under a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Found {
    /// Another attempt's claim, whose create may still be under way.
    UnderWay,
    /// The same, older than any create can take.
    Stale,
    /// A task.
    Done,
    /// A create that may have made a task.
    Unknown,
    /// A create of other content.
    Other,
    /// Nothing that this version knows.
    Foreign,
}

/// How a create ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum How {
    /// It made a task.
    Created,
    /// It made none, for certain, and never will.
    NotCreated,
    /// It may have made one.
    Unknown,
}

/// What an attempt does then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Effect {
    /// Claims the name, each time with the same token.
    Claim,
    /// Looks at the name after a pause.
    Look,
    /// Sends the create.
    Create,
    /// Writes down how the create ended, in the background; what made none is deleted. Where the claim is still its own.
    Settle(How),
    /// The same for what was never sent, and tells that the store is away.
    GiveUp,
    /// Tells what it has found.
    Tell(Told),
    /// Nothing.
    Nothing,
}

/// What an attempt without a create of its own is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Told {
    /// The task that there is.
    Task,
    /// There may be a task.
    Unknown,
    /// The name stands for other content.
    Other,
    /// The store is away; nothing was created.
    Away,
}

/// One step of an attempt.
#[must_use]
pub fn step(state: State, event: Event) -> (State, Effect) {
    use Event::{Absent, Begins, Ended, Granted, Left, NoAnswer, NotDone, TooFew, TooLong};
    use State::{Asking, Elsewhere, InDoubt, Mine, New, Over};
    match (state, event) {
        (New, Begins) => (Asking, Effect::Claim),
        (Asking | InDoubt, Granted) => (Mine, Effect::Create),
        (Asking | InDoubt | Elsewhere, Event::Found(found)) => match found {
            Found::UnderWay => (Elsewhere, Effect::Look),
            Found::Done => (Over, Effect::Tell(Told::Task)),
            Found::Other => (Over, Effect::Tell(Told::Other)),
            // Never taken over, however old it is, and whatever it may mean.
            Found::Stale | Found::Unknown | Found::Foreign => (Over, Effect::Tell(Told::Unknown)),
        },
        (Asking, NotDone) => (Over, Effect::Tell(Told::Away)),
        (InDoubt, NoAnswer | NotDone) | (Asking | InDoubt, TooFew) => (Over, Effect::GiveUp),
        // An own claim that is found while waiting is one that was late: it is confirmed first. Earlier ones may still be on
        // their way.
        (Asking, NoAnswer) | (Elsewhere, Absent | Granted) => (InDoubt, Effect::Claim),
        (Elsewhere, NoAnswer | NotDone) => (Elsewhere, Effect::Look),
        (Elsewhere, TooLong) => (Over, Effect::Tell(Told::Unknown)),
        (Mine, Ended(how)) => (Over, Effect::Settle(how)),
        (Asking | InDoubt | Mine, Left) => (Over, Effect::Settle(How::NotCreated)),
        (New | Elsewhere, Left) => (Over, Effect::Nothing),
        _ => (state, Effect::Nothing),
    }
}
