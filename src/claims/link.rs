//! A connection to the store that many share: made anew whenever it is lost, and looked at each time before it is used.

use std::{sync::Arc, time::Duration};

use redis::aio::MultiplexedConnection;
use tokio::{
    sync::{Notify, watch},
    task::AbortHandle,
    time::{sleep, timeout},
};
use tracing::{info, warn};

use super::{
    endpoint::{Endpoint, Trouble},
    examine::{Examined, examine, is_primary},
};
use crate::telemetry::Metrics;

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(3);
/// The pauses between attempts to connect.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// A connection that many share.
pub struct Link {
    state: watch::Receiver<State>,
    suspect: Arc<Notify>,
    task: AbortHandle,
}

/// What a link is for, and what it is told by.
#[derive(Clone)]
pub struct Purpose {
    /// Whether what the store says of itself is told: one link does it for all.
    pub is_first: bool,
    /// How long a sign of life may take.
    pub patience: Duration,
    /// What happens to calls while there is no connection, for the log.
    pub meanwhile: &'static str,
    pub metrics: Metrics,
}

#[derive(Clone)]
enum State {
    /// The first attempt is on.
    Coming,
    Up(MultiplexedConnection),
    /// The last attempt failed, for this reason.
    Away(Arc<str>),
}

impl Link {
    /// Begins to connect.
    pub fn start(endpoint: watch::Receiver<Arc<Endpoint>>, purpose: Purpose) -> Self {
        let (tell, state) = watch::channel(State::Coming);
        let suspect = Arc::new(Notify::new());
        let keeper = Keeper { endpoint, tell, suspect: Arc::clone(&suspect), purpose, last: None, run_id: None };
        Self { state, suspect, task: tokio::spawn(keeper.keep()).abort_handle() }
    }

    /// The connection, if there is one within this time; None at once where the last attempt to make one has failed.
    pub async fn connection(&self, time: Duration) -> Option<MultiplexedConnection> {
        let mut state = self.state.clone();
        let state = timeout(time, state.wait_for(|state| !matches!(state, State::Coming))).await.ok()?.ok()?;
        match &*state {
            State::Up(connection) => Some(connection.clone()),
            State::Coming | State::Away(_) => None,
        }
    }

    /// Notes that the connection did not do what it should: it is looked at.
    pub fn suspect(&self) {
        self.suspect.notify_one();
    }

    /// Why there is no connection.
    pub fn trouble(&self) -> Option<Arc<str>> {
        match &*self.state.borrow() {
            State::Up(_) => None,
            State::Coming => Some("no connection yet".into()),
            State::Away(why) => Some(Arc::clone(why)),
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What makes connections.
struct Keeper {
    endpoint: watch::Receiver<Arc<Endpoint>>,
    tell: watch::Sender<State>,
    suspect: Arc<Notify>,
    purpose: Purpose,
    /// The trouble that was told last.
    last: Option<Arc<str>>,
    run_id: Option<String>,
}

impl Keeper {
    async fn keep(mut self) {
        let mut pause = FIRST_PAUSE;
        loop {
            let endpoint = Arc::clone(&self.endpoint.borrow_and_update());
            match self.connect(&endpoint).await {
                Ok((connection, driver)) => {
                    pause = FIRST_PAUSE;
                    self.tell.send_replace(State::Up(connection.clone()));
                    self.watch(connection, driver).await;
                    self.tell.send_replace(State::Coming);
                }
                Err(trouble) => {
                    self.is_away(&trouble);
                    tokio::select! {
                        () = sleep(pause.mul_f64(0.5 + fastrand::f64() / 2.0)) => {}
                        _ = self.endpoint.changed() => {}
                    }
                    pause = (2 * pause).min(LONGEST_PAUSE);
                }
            }
        }
    }

    async fn connect(&mut self, endpoint: &Endpoint) -> Result<(MultiplexedConnection, Driver), Trouble> {
        let connect = async {
            let (mut connection, driver) = endpoint.connect().await?;
            let driver = Driver(driver);
            let examined = examine(&mut connection).await?;
            Ok((connection, driver, examined))
        };
        let (connection, driver, examined) = timeout(CONNECT, connect).await.unwrap_or(Err(Trouble::Silent))?;
        self.is_here(examined);
        Ok((connection, driver))
    }

    /// Until the connection is lost, or says nothing any more, or another one is wanted.
    async fn watch(&mut self, mut connection: MultiplexedConnection, mut driver: Driver) {
        loop {
            tokio::select! {
                _ = &mut driver.0 => return,
                _ = self.endpoint.changed() => return,
                () = self.suspect.notified() => {
                    let ping = timeout(self.purpose.patience, is_primary(&mut connection));
                    if !matches!(ping.await, Ok(Ok(true))) {
                        return;
                    }
                }
            }
        }
    }

    fn is_here(&mut self, examined: Examined) {
        let had_trouble = self.last.take().is_some();
        if !self.purpose.is_first {
            return;
        }
        let Examined { run_id, policy } = examined;
        if self.run_id.is_none() || had_trouble {
            info!("the store of idempotency keys is connected");
        }
        if let Some(policy) = policy.filter(|policy| *policy != "noeviction") {
            warn!(
                policy,
                "deduplication.store: its maxmemory-policy lets it forget idempotency keys, which makes second tasks; set noeviction"
            );
        }
        if self.run_id.is_some() && run_id.is_some() && self.run_id != run_id {
            self.purpose.metrics.claims().store_restarted();
            warn!(
                "deduplication.store: another one has taken its place, or it was restarted; what it did not keep is forgotten, and \
                 may be created again"
            );
        }
        self.run_id = run_id.or(self.run_id.take());
    }

    fn is_away(&mut self, trouble: &Trouble) {
        let why: Arc<str> = trouble.to_string().into();
        if self.purpose.is_first && self.last.as_ref() != Some(&why) {
            tracing::error!(error = &*why, "deduplication.store is away: {}", self.purpose.meanwhile);
        }
        self.last = Some(Arc::clone(&why));
        self.tell.send_replace(State::Away(why));
    }
}

/// What drives a connection; ends with it.
struct Driver(tokio::task::JoinHandle<()>);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}
