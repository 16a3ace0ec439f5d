//! `WaitTask`: any number of waiters on one task cost the platform one follower.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout_at},
};

use super::{Calls, Error, Kind, checked_task_id};
use crate::{
    platform::{Client, Context, Credentials, wire},
    proto, translate,
};

/// The first pause between two reads of a task; each one is half as long again as the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause between two reads.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// The longest pause that the platform's `retry-after` is followed for.
const LONGEST_WISH: Duration = Duration::from_secs(30);
/// How many transient failures in a row a follower bears.
const PATIENCE: u32 = 5;
/// How much of the time until the deadline is kept back to send the latest state, in parts of it and at the most.
const RESERVE: (u32, Duration) = (10, Duration::from_millis(250));

type Latest = Option<Result<(Box<proto::Task>, bool), Error>>;

/// The tasks that are waited for.
#[derive(Default)]
pub(super) struct Waits {
    followers: Arc<Mutex<HashMap<Key, watch::Sender<Latest>>>>,
}

/// Never shared between keys of the platform.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    credentials: Arc<Credentials>,
    task_id: String,
}

impl Calls {
    /// Waits until a task is over or waits for a person, or until the time is up; then the latest state is the answer.
    ///
    /// # Errors
    /// For a request that is wrong, and when the task cannot be read.
    pub async fn wait_task(
        &self,
        context: &Context,
        request: &proto::WaitTaskRequest,
    ) -> Result<Box<proto::Task>, Error> {
        let task_id = checked_task_id(&request.task_id)?;
        let patience = request.timeout.map(translate::positive).transpose();
        let patience = patience.map_err(|must| Error::invalid("timeout", must))?;
        let now = Instant::now();
        let until =
            [patience.and_then(|patience| now.checked_add(patience)), context.deadline.map(|at| before(now, at))];
        let key = Key { credentials: Arc::clone(&context.credentials), task_id: task_id.to_owned() };
        let mut latest = self.shared.waits.follow(&self.shared.platform, context, key);

        let settled = latest.wait_for(|latest| !matches!(latest, None | Some(Ok((_, false)))));
        match until.into_iter().flatten().min() {
            Some(until) => drop(timeout_at(until, settled).await),
            None => drop(settled.await),
        }
        // Out of time before the first read came back: the state is worth the rest of the deadline.
        let known = latest.wait_for(Option::is_some);
        let known = match context.deadline {
            Some(deadline) => {
                timeout_at(deadline, known).await.map_err(|_| Error::new(Kind::Deadline).of_task(task_id))?
            }
            None => known.await,
        };
        match known.as_deref() {
            Ok(Some(Ok((task, _)))) => Ok(task.clone()),
            Ok(Some(Err(error))) => Err(error.clone()),
            _ => Err(Error::new(Kind::Internal).of_task(task_id)),
        }
    }
}

impl Waits {
    /// Joins the task's follower, or starts one.
    fn follow(&self, platform: &Client, context: &Context, key: Key) -> watch::Receiver<Latest> {
        let mut followers = self.followers.lock().unwrap_or_else(PoisonError::into_inner);
        match followers.entry(key) {
            Entry::Occupied(follower) => follower.get().subscribe(),
            Entry::Vacant(vacant) => {
                let (publish, latest) = watch::channel(None);
                let follower = Follower {
                    platform: platform.clone(),
                    // It may go on for others when its first waiter has left.
                    context: Context { permit: None, account: None, ..context.without_deadline() },
                    key: vacant.key().clone(),
                    publish,
                    followers: Arc::clone(&self.followers),
                };
                vacant.insert(follower.publish.clone());
                tokio::spawn(follower.run());
                latest
            }
        }
    }
}

/// Reads one task for all who wait for it; ends with the task, or when nobody waits any more.
struct Follower {
    platform: Client,
    context: Context,
    key: Key,
    publish: watch::Sender<Latest>,
    followers: Arc<Mutex<HashMap<Key, watch::Sender<Latest>>>>,
}

impl Follower {
    async fn run(self) {
        let mut pause = FIRST_PAUSE;
        let mut failures = 0;
        loop {
            // Nobody waits any more: the platform's connection is closed at once.
            let read = tokio::select! {
                () = self.publish.closed() => None,
                read = self.platform.task(&self.context, &self.key.task_id) => Some(read),
            };
            let is_last = match read {
                None => false,
                Some(Ok(task)) => {
                    failures = 0;
                    let is_settled = is_settled(&task);
                    self.publish.send_replace(Some(Ok((translate::task(task), is_settled))));
                    is_settled
                }
                Some(Err(error)) if error.is_transient() && failures < PATIENCE => {
                    failures += 1;
                    pause = pause.max(error.retry_after().unwrap_or_default().min(LONGEST_WISH));
                    false
                }
                Some(Err(error)) => {
                    self.publish.send_replace(Some(Err(Error::from(error).of_task(&self.key.task_id))));
                    true
                }
            };
            // Waiters that come from now on start a follower of their own.
            if self.leave_if(is_last) {
                return;
            }
            tokio::select! {
                () = self.publish.closed() => {}
                () = sleep(pause) => {}
            }
            pause = (pause * 3 / 2).min(LONGEST_PAUSE);
            if self.leave_if(false) {
                return;
            }
        }
    }

    /// Leaves the list where this is the end or nobody waits. Under the lock, so that nobody can join in between.
    fn leave_if(&self, is_last: bool) -> bool {
        let mut followers = self.followers.lock().unwrap_or_else(PoisonError::into_inner);
        let leaves = is_last || self.publish.receiver_count() == 0;
        if leaves {
            followers.remove(&self.key);
        }
        leaves
    }
}

/// Whether there is nothing more to wait for: the task is over, or it waits for a person.
fn is_settled(task: &wire::Task) -> bool {
    let waits_for_a_person = task.status == Some(wire::TaskStatus::Paused)
        || task.hitl_request.is_some()
        || task.pending_eca_request.is_some();
    task.is_terminal() || waits_for_a_person
}

/// A moment before the deadline, so that the latest state still arrives.
fn before(now: Instant, deadline: Instant) -> Instant {
    let left = deadline.saturating_duration_since(now);
    let (part, most) = RESERVE;
    deadline - (left / part).min(most)
}
