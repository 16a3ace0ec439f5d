//! How much of what has arrived one turn of a connection's task takes in: what comes in one burst is answered, taken and
//! dropped piece by piece, whatever HTTP/2 does with it. Not a limit on a call, nor on a connection.

use std::{
    future::poll_fn,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::time::{Sleep, sleep};

use super::{arriving::Looked, traffic::Traffic};

/// How much that is, in bytes: some 2,000 frames of one byte.
const MOST: usize = 16 << 10;
/// What each request's head counts for beside its own bytes: thirty in a turn. HTTP/2 keeps, as long as the connection lives,
/// the room of the most streams that it ever had, and a call that is refused has none beyond its turn.
const EACH_HEAD: usize = 512;
/// How much of what is no data is read at once where the other end has reset too much, and how long that takes then at
/// least: what it goes on sending costs little, and the calls under way go on, their bodies as fast as they come.
const FEW: usize = 2 << 10;
const PAUSE: Duration = Duration::from_millis(50);

/// The turns of one connection's task.
pub struct Turns {
    /// In the turn that goes on.
    read: Arc<AtomicUsize>,
    traffic: Arc<Traffic>,
}

/// What one turn may still take in.
pub struct Turn {
    read: Arc<AtomicUsize>,
    traffic: Arc<Traffic>,
    /// How much was read since the last pause that is no data, and the pause.
    others: usize,
    pause: Option<Pin<Box<Sleep>>>,
}

impl Turns {
    /// The turns of the connection with this traffic.
    pub fn new(traffic: &Arc<Traffic>) -> Self {
        Self { read: Arc::default(), traffic: Arc::clone(traffic) }
    }

    /// What looks after each of them, for the one who reads.
    pub fn turn(&self) -> Turn {
        Turn { read: Arc::clone(&self.read), traffic: Arc::clone(&self.traffic), others: 0, pause: None }
    }

    /// Polls the connection to its end, each time in a turn of its own.
    pub async fn each<F: Future>(&self, mut connection: Pin<&mut F>) -> F::Output {
        poll_fn(|cx| {
            self.read.store(0, Relaxed);
            connection.as_mut().poll(cx)
        })
        .await
    }
}

impl Turn {
    /// Notes what was read; what it counts for.
    pub fn read(&mut self, looked: &Looked) -> usize {
        let counts = looked.bytes + looked.heads * EACH_HEAD;
        self.read.fetch_add(counts, Relaxed);
        self.traffic.read();
        if self.traffic.is_abused() {
            self.others += looked.others;
        }
        counts
    }

    /// How many more bytes may be read, and heads in them, once it is some; until then another turn is certain.
    pub fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<(usize, usize)> {
        let Some(more @ 1..) = MOST.checked_sub(self.read.load(Relaxed)) else {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        };
        if !self.traffic.is_abused() {
            return Poll::Ready((more, more.div_ceil(EACH_HEAD)));
        }
        if self.others >= FEW {
            ready!(self.pause.get_or_insert_with(|| Box::pin(sleep(PAUSE))).as_mut().poll(cx));
            (self.pause, self.others) = (None, 0);
        }
        let more = more.min(FEW);
        Poll::Ready((more, more.div_ceil(EACH_HEAD)))
    }
}
