//! Any number of waiters on one task cost the platform one follower, which reads it for all of them.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use prost::Message as _;
use tokio::{
    sync::{Notify, watch},
    time::{Instant, sleep},
};

use super::{
    super::Error,
    latest::{Latest, Waiter},
};
use crate::{
    memory::UNCOUNTED,
    platform::{Client, Context, Owner, wire},
    translate,
};

/// The first pause between two reads of a task; each one is half as long again as the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause between two reads.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// The longest pause that the platform's `retry-after` is followed for.
const LONGEST_WISH: Duration = Duration::from_secs(30);
/// How many transient failures in a row a follower bears.
const PATIENCE: u32 = 5;

/// The tasks that are waited for.
#[derive(Default)]
pub(in super::super) struct Waits {
    followers: Followers,
}

/// What leads to each follower: where it publishes, and how it is asked to read at once.
type Followers = Arc<Mutex<HashMap<Key, (watch::Sender<Latest>, Arc<Notify>)>>>;

/// Never shared between owners of keys. The proxy's own may change under way.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) owner: Owner,
    pub(super) task_id: String,
}

/// Reads one task for all who wait for it; ends with the task, or when nobody waits any more.
struct Follower {
    platform: Client,
    context: Context,
    place: Place,
}

/// A follower's place in the list. Given up when it ends, however that is: nobody waits for one that is gone.
struct Place {
    key: Key,
    publish: watch::Sender<Latest>,
    wanted: Arc<Notify>,
    followers: Followers,
}

impl Waits {
    /// Joins the task's follower, or starts one.
    pub(super) fn join(&self, platform: &Client, context: &Context, key: Key) -> Waiter {
        let mut followers = locked(&self.followers);
        match followers.entry(key) {
            Entry::Occupied(follower) => {
                let (publish, wanted) = follower.get();
                Waiter { latest: publish.subscribe(), wanted: Arc::clone(wanted) }
            }
            Entry::Vacant(vacant) => {
                let (publish, latest) = watch::channel(Latest::default());
                let wanted = Arc::<Notify>::default();
                let follower = Follower {
                    platform: platform.clone(),
                    // It may go on for others when its first waiter has left.
                    context: Context { permit: None, account: None, ..context.without_deadline() },
                    place: Place {
                        key: vacant.key().clone(),
                        publish: publish.clone(),
                        wanted: Arc::clone(&wanted),
                        followers: Arc::clone(&self.followers),
                    },
                };
                vacant.insert((publish, Arc::clone(&wanted)));
                tokio::spawn(follower.run());
                Waiter { latest, wanted }
            }
        }
    }
}

impl Follower {
    async fn run(mut self) {
        let mut pause = FIRST_PAUSE;
        let mut failures = 0;
        loop {
            let begun = Instant::now();
            // The key may have changed since the last time.
            self.context.credentials = self.context.credentials.in_force();
            // Nobody waits any more: the platform's connection is closed at once.
            let read = tokio::select! {
                () = self.place.publish.closed() => None,
                read = self.platform.task(&self.context, &self.place.key.task_id) => Some(read),
            };
            let is_last = match read {
                None => false,
                Some(Ok(task)) => {
                    failures = 0;
                    let is_final = is_settled(&task);
                    let task = translate::task(task);
                    let task = (task.encoded_len() <= UNCOUNTED).then(|| Arc::from(task));
                    self.place.publish.send_modify(|latest| {
                        (latest.task, latest.is_final) = (Some((begun, task)), is_final);
                    });
                    is_final
                }
                Some(Err(error)) => {
                    let is_final = !error.is_transient() || failures == PATIENCE;
                    failures += 1;
                    pause = pause.max(error.retry_after().unwrap_or_default().min(LONGEST_WISH));
                    self.place.publish.send_modify(|latest| {
                        (latest.failure, latest.is_final) = (Some((begun, Error::from(error))), is_final);
                    });
                    is_final
                }
            };
            // Waiters that come from now on start a follower of their own.
            if self.place.leave_if(is_last) {
                return;
            }
            tokio::select! {
                () = self.place.publish.closed() => {}
                () = self.place.wanted.notified() => {}
                () = sleep(pause) => {}
            }
            pause = (pause * 3 / 2).min(LONGEST_PAUSE);
            if self.place.leave_if(false) {
                return;
            }
        }
    }
}

impl Place {
    /// Leaves the list where this is the end or nobody waits. Under the lock, so that nobody can join in between.
    fn leave_if(&self, is_last: bool) -> bool {
        let mut followers = locked(&self.followers);
        let leaves = is_last || self.publish.receiver_count() == 0;
        if leaves {
            followers.remove(&self.key);
        }
        leaves
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut followers = locked(&self.followers);
        // Another one may have taken its place.
        if followers.get(&self.key).is_some_and(|(publish, _)| publish.same_channel(&self.publish)) {
            followers.remove(&self.key);
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether there is nothing more to wait for: the task is over, or it waits for a person.
fn is_settled(task: &wire::Task) -> bool {
    let waits_for_a_person = task.status == Some(wire::TaskStatus::Paused)
        || task.hitl_request.is_some()
        || task.pending_eca_request.is_some();
    task.is_terminal() || waits_for_a_person
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(followers: &Followers) -> (Place, watch::Receiver<Latest>) {
        let key = Key { owner: Owner::Proxy, task_id: "task-1".to_owned() };
        let (publish, latest) = watch::channel(Latest::default());
        let wanted = Arc::<Notify>::default();
        locked(followers).insert(key.clone(), (publish.clone(), Arc::clone(&wanted)));
        (Place { key, publish, wanted, followers: Arc::clone(followers) }, latest)
    }

    #[test]
    fn a_follower_that_ends_late_does_not_take_the_next_one_along() {
        let followers = Followers::default();
        let (old, _latest) = place(&followers);
        assert!(old.leave_if(true));
        let (_new, _latest) = place(&followers);
        drop(old);
        assert_eq!(locked(&followers).len(), 1);
    }
}
