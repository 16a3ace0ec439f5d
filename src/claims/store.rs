//! The store that all replicas share, Redis or Valkey: a claim, a look and a settle, each one command. Not what follows from
//! their answers: that is `decide`.

use std::{
    mem,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use redis::{Cmd, ErrorKind, FromRedisValue, Pipeline, RedisError, cmd, pipe};
use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    Name,
    endpoint::{Endpoint, EndpointError},
    link::{Link, Purpose},
};
use crate::{
    config::{Deduplication, Secret, WhenAway},
    telemetry::Metrics,
};

/// If the value is the one that is expected, another one is put in its place, or none.
const SETTLE: &str = "if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end \
                      if ARGV[2] == '' then return redis.call('DEL', KEYS[1]) end \
                      redis.call('SET', KEYS[1], ARGV[2], 'KEEPTTL') return 1";
/// The pauses between attempts to settle.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// After how many of its timeouts nothing is on its way any more that did not answer.
const LATE: u32 = 4;
/// The bytes that one takes, about, which is not settled yet.
const SETTLING: usize = 2048;
/// Why nothing is claimed while too much is not settled.
const BEHIND: &str = "it does not take what became of earlier claims";
/// What a store refuses with, and what that means; the rest of what it says is its own.
const REFUSALS: [(&str, &str); 9] = [
    ("ERR", "it does not know SET with NX and GET, or another command; Redis 7 or any Valkey is needed"),
    ("OOM", "its memory is full (its maxmemory)"),
    ("NOPERM", "its user may not do it (docs/operations.md has the permissions that suffice)"),
    ("READONLY", "it is a replica, which takes no writes"),
    ("NOREPLICAS", "it has too few replicas (its min-replicas-to-write)"),
    ("MISCONF", "it cannot write to its disk"),
    ("LOADING", "it is loading its data"),
    ("MOVED", "it is a node of a cluster, and another one serves the key"),
    ("CLUSTERDOWN", "its cluster is down"),
];
/// The part of a claim's time that the store's replicas have.
const FOR_REPLICAS: f64 = 0.7;

/// The store.
pub struct Store {
    endpoint: watch::Sender<Arc<Endpoint>>,
    shared: Link,
    /// Commands wait behind `WAIT`: claims have a connection of their own where there is one.
    claims: Option<Link>,
    settings: Deduplication,
    closing: CancellationToken,
    settling: TaskTracker,
    /// Why the last claim was refused, where it was.
    refusal: Mutex<Option<&'static str>>,
    pub(super) metrics: Metrics,
}

/// What the store says.
#[derive(Debug)]
pub enum Heard {
    /// Nothing was there.
    Absent,
    /// This was there, for so much longer.
    There(Vec<u8>, Option<Duration>),
    /// Something that is no text was there.
    Foreign,
    /// It has not said anything in time.
    NoAnswer,
    /// It did not do it: there is no connection, or it refuses for this reason.
    NotDone(Option<&'static str>),
    /// It did the first of what it was asked, and refuses the rest for this reason.
    HalfDone(Option<&'static str>),
    /// Too few of its replicas have it.
    TooFew,
}

impl Store {
    /// Begins to connect to the store of the settings, if they have one.
    ///
    /// # Errors
    /// When its URL or its authorities cannot be used.
    pub fn start(settings: &Deduplication, metrics: &Metrics) -> Result<Option<Arc<Self>>, EndpointError> {
        let Some(url) = &settings.store else { return Ok(None) };
        let endpoint = Endpoint::new(url, settings.store_ca_file.clone())?;
        let (endpoint, where_it_is) = watch::channel(Arc::new(endpoint));
        let purpose = Purpose {
            is_first: true,
            patience: settings.store_timeout,
            meanwhile: meanwhile(settings),
            metrics: metrics.clone(),
        };
        let of_claims = Purpose { is_first: false, ..purpose.clone() };
        let claims = (settings.store_replicas > 0).then(|| Link::start(where_it_is.clone(), of_claims));
        Ok(Some(Arc::new(Self {
            endpoint,
            shared: Link::start(where_it_is, purpose),
            claims,
            settings: settings.clone(),
            closing: CancellationToken::new(),
            settling: TaskTracker::new(),
            refusal: Mutex::new(None),
            metrics: metrics.clone(),
        })))
    }

    /// Finds what would keep it from starting; goes nowhere.
    ///
    /// # Errors
    /// When its address or its authorities cannot be used.
    pub fn check(settings: &Deduplication) -> Result<(), EndpointError> {
        let Some(url) = &settings.store else { return Ok(()) };
        Endpoint::new(url, settings.store_ca_file.clone()).map(drop)
    }

    /// The settings it was started with.
    pub fn settings(&self) -> &Deduplication {
        &self.settings
    }

    /// Goes to another place, or looks at its authorities again.
    ///
    /// # Errors
    /// When they cannot be used; all stays as it was.
    pub fn replace(&self, url: &Secret, ca_file: Option<PathBuf>) -> Result<(), EndpointError> {
        self.endpoint.send_replace(Arc::new(Endpoint::new(url, ca_file)?));
        Ok(())
    }

    /// Why it cannot be reached, or refuses claims.
    pub fn trouble(&self) -> Option<Arc<str>> {
        let refusal = || *self.refusal.lock().unwrap_or_else(PoisonError::into_inner);
        self.shared.trouble().or_else(|| refusal().map(Into::into))
    }

    /// Sets the value where there is none.
    pub(super) async fn claim(&self, name: &Name, value: &str, time: Duration) -> Heard {
        // What is not settled stays until it is, or its time is up: it is bounded where it begins.
        let is_behind = self.settling.len().saturating_mul(SETTLING) >= self.settings.memory_bytes;
        let heard = if is_behind { Heard::NotDone(Some(BEHIND)) } else { self.try_claim(name, value, time).await };
        let refusal = match heard {
            Heard::NotDone(why) | Heard::HalfDone(why) => why,
            Heard::Absent | Heard::There(..) | Heard::Foreign | Heard::TooFew => None,
            Heard::NoAnswer => return heard,
        };
        let before = mem::replace(&mut *self.refusal.lock().unwrap_or_else(PoisonError::into_inner), refusal);
        if let Some(why) = refusal.filter(|_| before != refusal) {
            tracing::error!("deduplication.store refuses claims: {why}: {}", meanwhile(&self.settings));
        }
        match heard {
            // Nobody says which replicas have it.
            Heard::HalfDone(_) => Heard::TooFew,
            heard => heard,
        }
    }

    async fn try_claim(&self, name: &Name, value: &str, time: Duration) -> Heard {
        let remembered = millis(self.settings.remembered);
        let mut set = cmd("SET");
        set.arg(name.key()).arg(value).arg("NX").arg("GET").arg("PX").arg(remembered);
        let Some(claims) = &self.claims else {
            return match self.ask::<(Option<Vec<u8>>,)>(&self.shared, pipe().add_command(set), time).await {
                Ok((None,)) => Heard::Absent,
                Ok((Some(there),)) => Heard::There(there, None),
                Err(heard) => heard,
            };
        };
        let begun = Instant::now();
        match self.ask_replicas::<Option<Vec<u8>>>(claims, set, time).await {
            Ok((there, false)) if is_own(there.as_deref(), value) => Heard::TooFew,
            Ok((None, _)) => Heard::Absent,
            // An earlier claim of this attempt's, over a connection that broke. `WAIT` answers for what its own connection
            // has written, and this one has written nothing: it is written again.
            Ok((Some(there), true)) if there == value.as_bytes() => {
                let left = time.saturating_sub(begun.elapsed());
                match self.ask_replicas::<i64>(claims, replace(name, value, value), left).await {
                    Ok((1, true)) => Heard::There(there, None),
                    Ok(_) => Heard::TooFew,
                    Err(heard) => heard,
                }
            }
            Ok((Some(there), _)) => Heard::There(there, None),
            Err(heard) => heard,
        }
    }

    /// Writes, and says whether enough replicas have what was written.
    async fn ask_replicas<T: FromRedisValue>(
        &self,
        link: &Link,
        write: Cmd,
        time: Duration,
    ) -> Result<(T, bool), Heard> {
        let (replicas, patience) = (self.settings.store_replicas, millis(time.mul_f64(FOR_REPLICAS)).max(1));
        let mut pipe = pipe();
        pipe.add_command(write).cmd("WAIT").arg(replicas).arg(patience);
        let (said, count) = self.ask::<(T, u64)>(link, &pipe, time).await?;
        Ok((said, count >= u64::from(replicas)))
    }

    /// Reads the value, and how long it stays.
    pub(super) async fn look(&self, name: &Name) -> Heard {
        let mut pipe = pipe();
        pipe.cmd("GET").arg(name.key()).cmd("PTTL").arg(name.key());
        match self.ask::<(Option<Vec<u8>>, i64)>(&self.shared, &pipe, self.settings.store_timeout).await {
            Ok((None, _)) => Heard::Absent,
            Ok((Some(there), left)) => Heard::There(there, u64::try_from(left).ok().map(Duration::from_millis)),
            Err(heard) => heard,
        }
    }

    /// Puts another value in place of this one, or none, in the background, again and again until the time is up. After a
    /// claim in doubt also for one that comes late.
    pub(super) fn settle(self: &Arc<Self>, name: Name, from: String, to: String, until: Instant, is_in_doubt: bool) {
        if tokio::runtime::Handle::try_current().is_err() {
            return;
        }
        let store = Arc::clone(self);
        self.settling.spawn(async move {
            store.settle_once(&name, &from, &to, until).await;
            if is_in_doubt {
                tokio::select! {
                    () = sleep(LATE * store.settings.store_timeout) => {}
                    () = store.closing.cancelled() => {}
                }
                store.settle_once(&name, &from, &to, until).await;
            }
        });
    }

    async fn settle_once(&self, name: &Name, from: &str, to: &str, until: Instant) {
        let mut pipe = pipe();
        pipe.add_command(replace(name, from, to));
        let mut pause = FIRST_PAUSE;
        while Instant::now() < until {
            match self.ask::<(i64,)>(&self.shared, &pipe, self.settings.store_timeout).await {
                Ok(_) => return,
                Err(_) if self.closing.is_cancelled() => return,
                Err(_) => {}
            }
            tokio::select! {
                () = sleep(pause.mul_f64(0.5 + fastrand::f64() / 2.0)) => {}
                () = self.closing.cancelled() => {}
            }
            pause = (2 * pause).min(LONGEST_PAUSE);
        }
    }

    /// Waits until all is settled.
    pub async fn settled(&self) {
        self.settling.close();
        self.settling.wait().await;
    }

    /// Has what is not settled tried once more, and no more.
    pub fn close(&self) {
        self.closing.cancel();
    }

    async fn ask<T: FromRedisValue>(&self, link: &Link, pipe: &Pipeline, time: Duration) -> Result<T, Heard> {
        let begun = Instant::now();
        let Some(mut connection) = link.connection(time).await else { return Err(Heard::NotDone(None)) };
        match timeout(time.saturating_sub(begun.elapsed()), pipe.query_async(&mut connection)).await {
            Ok(Ok(said)) => Ok(said),
            Ok(Err(error)) => {
                let heard = heard(&error);
                if !matches!(heard, Heard::Foreign) {
                    link.suspect();
                }
                Err(heard)
            }
            Err(_) => {
                link.suspect();
                Err(Heard::NoAnswer)
            }
        }
    }
}

/// What a failure means. The store's own refusals come before it does anything of the command.
fn heard(error: &RedisError) -> Heard {
    let refusals = error.clone().into_server_errors();
    let first = refusals.as_ref().and_then(|refusals| refusals.first());
    let (at, code) = first.map_or((0, error.code()), |(at, refusal)| (*at, Some(refusal.code())));
    match (error.kind(), code) {
        (_, Some("WRONGTYPE")) | (ErrorKind::UnexpectedReturnType, _) => Heard::Foreign,
        (ErrorKind::Server(_) | ErrorKind::Extension, code) => {
            let known = REFUSALS.iter().find(|(known, _)| code == Some(*known));
            let why = Some(known.map_or("it refuses the command", |(_, why)| *why));
            if at == 0 { Heard::NotDone(why) } else { Heard::HalfDone(why) }
        }
        _ => Heard::NoAnswer,
    }
}

/// What becomes of calls while it is away, for the log.
fn meanwhile(settings: &Deduplication) -> &'static str {
    match settings.when_away {
        WhenAway::Refuse => "calls with a request_id are refused",
        WhenAway::Alone => "each replica goes on with its own memory, and two of them may create the same twice",
    }
}

/// Puts another value in place of this one, or none.
fn replace(name: &Name, from: &str, to: &str) -> Cmd {
    let mut eval = cmd("EVAL");
    eval.arg(SETTLE).arg(1).arg(name.key()).arg(from).arg(to);
    eval
}

fn is_own(there: Option<&[u8]>, value: &str) -> bool {
    there.is_none_or(|there| there == value.as_bytes())
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
