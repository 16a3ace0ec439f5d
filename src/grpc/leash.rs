//! A stream that ends when it must, also while its caller does not read.
//!
//! Not `StreamExt::take_until`: that looks at the time only when it is polled, and a stream whose caller has stopped
//! reading is not polled. What holds the platform's connection open then would outlive the call's deadline.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    task::{Context, Poll},
};

use futures_util::{Stream, task::AtomicWaker};
use tokio::task::AbortHandle;

/// A stream on a leash.
pub struct Leash<S, E> {
    held: Arc<Held<S, E>>,
    end: AbortHandle,
}

struct Held<S, E> {
    /// Taken away when the end comes.
    stream: Mutex<Option<Pin<Box<S>>>>,
    end: OnceLock<E>,
    reader: AtomicWaker,
}

impl<S: Stream + Send + 'static, E: Send + Sync + 'static> Leash<S, E> {
    /// Gives the stream's items until `end` comes; then the stream is dropped at once.
    pub fn new(stream: S, end: impl Future<Output = E> + Send + 'static) -> Self {
        let held =
            Held { stream: Mutex::new(Some(Box::pin(stream))), end: OnceLock::new(), reader: AtomicWaker::new() };
        let held = Arc::new(held);
        let its_held = Arc::clone(&held);
        let end = tokio::spawn(async move {
            let _ = its_held.end.set(end.await);
            let stream = its_held.stream.lock().unwrap_or_else(PoisonError::into_inner).take();
            drop(stream);
            its_held.reader.wake();
        });
        Self { held, end: end.abort_handle() }
    }

    /// What ended the stream from outside, if that is what ended it.
    pub fn end(&self) -> Option<&E> {
        self.held.end.get()
    }
}

impl<S: Stream, E> Stream for Leash<S, E> {
    type Item = S::Item;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<S::Item>> {
        self.held.reader.register(cx.waker());
        let mut stream = self.held.stream.lock().unwrap_or_else(PoisonError::into_inner);
        stream.as_mut().map_or(Poll::Ready(None), |stream| stream.as_mut().poll_next(cx))
    }
}

impl<S, E> Drop for Leash<S, E> {
    fn drop(&mut self) {
        self.end.abort();
    }
}
