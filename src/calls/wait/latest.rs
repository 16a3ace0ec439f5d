//! What is known of a task that is waited for: written by one, read by many.

use std::sync::Arc;

use tokio::{
    sync::{Notify, watch},
    time::Instant,
};

use super::super::{Error, Kind};
use crate::proto;

/// A task, or why it cannot be read; None for a large one, which each who waits reads by itself.
pub(super) type Found = Result<Option<Box<proto::Task>>, Error>;

/// The same, shared by all who wait.
type Known = Result<Option<Arc<proto::Task>>, Error>;

/// What the reads of a task have given so far.
#[derive(Default)]
pub(super) struct Latest {
    /// The last one that succeeded, and the last one that failed, each with the moment it began. A large task is not kept:
    /// a copy for each who waits would take more room than there is.
    pub(super) task: Option<(Instant, Option<Arc<proto::Task>>)>,
    pub(super) failure: Option<(Instant, Error)>,
    /// Whether there is nothing more to wait for.
    pub(super) is_final: bool,
}

/// One who waits for a task.
pub(super) struct Waiter {
    pub(super) latest: watch::Receiver<Latest>,
    /// Asks for a read at once.
    pub(super) wanted: Arc<Notify>,
}

impl Latest {
    /// What a read has given that began no earlier than this.
    fn since(&self, moment: Instant) -> Option<Known> {
        let is_new = |begun: &Instant| *begun >= moment;
        let task = self.task.as_ref().filter(|(begun, _)| is_new(begun)).map(|(_, task)| Ok(task.clone()));
        task.or_else(|| self.failure.as_ref().filter(|(begun, _)| is_new(begun)).map(|(_, error)| Err(error.clone())))
    }

    /// The end, once it has come.
    fn end(&self) -> Option<Known> {
        let last = self.task.iter().map(|(begun, _)| *begun).chain(self.failure.iter().map(|(begun, _)| *begun)).max();
        last.filter(|_| self.is_final).and_then(|last| self.since(last))
    }
}

impl Waiter {
    /// The task once it is over or waits for a person, or the failure that ends the waiting.
    pub(super) async fn settled(&mut self) -> Found {
        self.wait(Latest::end).await
    }

    /// The task or failure of a read that began no earlier than this; one is made where there was none.
    pub(super) async fn since(&mut self, moment: Instant) -> Found {
        let known = self.latest.borrow().since(moment);
        if let Some(found) = known {
            return own(found);
        }
        self.wanted.notify_one();
        self.wait(|latest| latest.since(moment)).await
    }

    async fn wait(&mut self, find: impl Fn(&Latest) -> Option<Known>) -> Found {
        match self.latest.wait_for(|latest| find(latest).is_some()).await.map(|latest| find(&latest)) {
            Ok(Some(found)) => own(found),
            // Whoever reads has died.
            _ => Err(Error::new(Kind::Internal)),
        }
    }
}

/// What is found as a waiter's own: a copy, unless nobody else has it.
fn own(found: Known) -> Found {
    found.map(|task| task.map(|task| Box::new(Arc::unwrap_or_clone(task))))
}
