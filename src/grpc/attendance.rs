//! Who looks at a new call first: a task of its own, which its guard attends; where too many calls wait for theirs, the
//! connection's, before it takes in the next. So what has arrived while the process was busy does not pile up.

use std::{
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, Waker},
};

use tokio::sync::Semaphore;

use super::guard::{Guard, catch};

/// The calls whose task has not looked at them yet, over all connections: each takes some kilobytes, and most of those that
/// are refused are over with that look.
static UNSEEN: Semaphore = Semaphore::const_new(1_024);

/// Has each request's task attended by its guard. hyper makes the request's future, and then has it executed, in one turn
/// of the connection's task: what the service leaves here in between belongs to that future.
#[derive(Clone, Default)]
pub struct Attendance {
    next: Arc<Mutex<Option<Arc<Guard>>>>,
}

impl Attendance {
    /// Leaves the guard of the request whose future is executed next.
    pub fn announce(&self, guard: &Arc<Guard>) {
        *self.next.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(guard));
    }
}

impl<F: Future<Output = ()> + Send + 'static> hyper::rt::Executor<F> for Attendance {
    fn execute(&self, serving: F) {
        let Some(guard) = self.next.lock().unwrap_or_else(PoisonError::into_inner).take() else {
            drop(tokio::spawn(serving));
            return;
        };
        // Boxed, or it would be moved from one future into the next.
        let mut serving = Box::pin(serving);
        let unseen = UNSEEN.try_acquire().ok();
        // Its own task polls it again, so that nobody needs to be woken for this look.
        let look = || serving.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        if unseen.is_some() || matches!(catch(look), Some(Poll::Pending)) {
            drop(tokio::spawn(guard.attend(serving, unseen)));
        }
    }
}
