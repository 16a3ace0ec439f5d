//! What each caller holds and may hold, found by its name without a lock that calls wait for. Not who it is: `auth` knows.
//!
//! Who holds nothing, and has not called since a sweep or two, is forgotten. A cache that forgets by time alone would forget
//! callers that hold streams for hours, and let them begin anew.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use papaya::HashMap;
use tokio::time::Instant;

use super::{
    super::auth::Auth,
    places::{POOLS, Places, part},
    pool::Part,
    rate::Rate,
};
use crate::config;

/// The most callers that are known at once; those beyond share what is one caller's.
const CAPACITY: usize = 16_384;
/// How often callers are forgotten.
const SWEEP: Duration = Duration::from_mins(1);
/// Stands for every caller that is not named.
const ANY: &str = "*";

/// A caller, as far as limits go.
#[derive(Debug)]
pub struct Caller {
    /// What it holds of each pool, and how much of that is its own.
    pub parts: [(Part, u32); POOLS],
    /// How often it may create, if that is limited.
    pub rate: Option<Rate>,
    /// Whether it has called since the last sweep.
    is_seen: AtomicBool,
}

/// All callers.
pub struct Callers {
    known: HashMap<Arc<str>, Arc<Caller>>,
    /// Those without a name.
    nameless: Arc<Caller>,
    /// Those for whom there was no room.
    others: Arc<Caller>,
    settings: config::Limits,
    /// How many places each pool has; none where nobody has a name, so that there are no shares.
    shared: Option<[u32; POOLS]>,
    begun: Instant,
    /// When the last sweep was, in nanoseconds since then.
    swept: AtomicU64,
}

impl Callers {
    /// Nobody yet. Where callers have no names, they have no shares either.
    pub fn new(settings: &config::Limits, places: &Places, have_names: bool) -> Self {
        let shared = have_names.then(|| places.most());
        let nobody = || Arc::new(Caller::new(settings, shared, &[ANY]));
        Self {
            known: HashMap::new(),
            nameless: nobody(),
            others: nobody(),
            settings: settings.clone(),
            shared,
            begun: Instant::now(),
            swept: AtomicU64::new(0),
        }
    }

    /// The caller of this name, and the name, which is kept.
    pub fn of(&self, auth: &Auth, name: Option<&str>) -> (Option<Arc<str>>, Arc<Caller>) {
        let Some(name) = name else { return (None, Arc::clone(&self.nameless)) };
        let known = self.known.pin();
        if let Some((name, caller)) = known.get_key_value(name) {
            caller.is_seen.store(true, Relaxed);
            return (Some(Arc::clone(name)), Arc::clone(caller));
        }
        let name: Arc<str> = name.into();
        self.sweep();
        let names: Vec<_> = auth.names(Some(&name)).chain([ANY]).collect();
        // Those that the settings name are not many.
        if known.len() >= CAPACITY && !names.iter().any(|name| *name != ANY && self.settings.has(name)) {
            return (Some(name.clone()), Arc::clone(&self.others));
        }
        let new = || Arc::new(Caller::new(&self.settings, self.shared, &names));
        let caller = Arc::clone(known.get_or_insert_with(Arc::clone(&name), new));
        (Some(name), caller)
    }

    /// The time for rates.
    pub fn now(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// Forgets who has been idle since the sweep before, now and then.
    fn sweep(&self) {
        let (now, last) = (self.now(), self.swept.load(Relaxed));
        let is_due = Duration::from_nanos(now - last.min(now)) >= SWEEP;
        if is_due && self.swept.compare_exchange(last, now, Relaxed, Relaxed).is_ok() {
            self.known.pin().retain(|_, caller| !caller.is_idle(now));
        }
    }
}

impl Caller {
    /// One that the settings have by the first of these names that they have.
    fn new(settings: &config::Limits, shared: Option<[u32; POOLS]>, names: &[&str]) -> Self {
        let share = find(&settings.shares, names).copied().unwrap_or(config::SHARE);
        let rate = find(&settings.creates_per_second, names).map(|&rate| {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most a million")]
            let burst = find(&settings.burst, names).copied().unwrap_or(rate.ceil() as u32);
            Rate::new(rate, burst)
        });
        let most = shared.map_or([u32::MAX; POOLS], |most| most.map(|most| part(most, share)));
        Self { parts: most.map(|most| (Part::new(), most)), rate, is_seen: AtomicBool::new(true) }
    }

    /// Whether nothing is lost when it is forgotten.
    fn is_idle(&self, now: u64) -> bool {
        let was_seen = self.is_seen.swap(false, Relaxed);
        let holds = self.parts.iter().any(|(part, _)| part.held() > 0);
        !was_seen && !holds && self.rate.as_ref().is_none_or(|rate| rate.is_rested(now))
    }
}

fn find<'a, T>(rows: &'a BTreeMap<String, T>, names: &[&str]) -> Option<&'a T> {
    names.iter().find_map(|name| rows.get(*name))
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    fn callers(change: impl FnOnce(&mut config::Limits)) -> (Callers, Auth) {
        let mut settings = config::Limits::default();
        change(&mut settings);
        let places = Places::new(&config::Server::default(), &settings);
        (Callers::new(&settings, &places, true), Auth::new(&config::Auth::default(), true))
    }

    #[tokio::test(start_paused = true)]
    async fn ten_thousand_names_are_forgotten_when_they_are_idle_and_no_sooner() {
        let (callers, auth) = callers(|limits| limits.creates_per_second = [("slow".to_owned(), 0.001)].into());
        let of = |name: &str| callers.of(&auth, Some(name)).1;
        let holding = of("holding");
        let places = Places::new(&config::Server::default(), &config::Limits::default());
        let (part, share) = &holding.parts[0];
        places.0[0].take(part, *share).expect("a place");
        assert_eq!(of("slow").rate.as_ref().map(|rate| rate.take(callers.now())), Some(Ok(())));
        for number in 0..10_000 {
            of(&format!("caller-{number}"));
        }
        assert_eq!(callers.known.len(), 10_002);
        for _ in 0..2 {
            advance(SWEEP).await;
            of("caller-7");
            of("a new one");
            callers.sweep();
        }
        assert!(Arc::ptr_eq(&holding, &of("holding")), "it holds a place");
        assert_eq!(of("slow").rate.as_ref().map(|rate| rate.take(callers.now()).is_ok()), Some(false));
        assert!(callers.known.len() <= 5, "{}", callers.known.len());
        // It has held nothing since.
        places.0[0].give_back(part);
        advance(SWEEP).await;
        callers.sweep();
        advance(SWEEP).await;
        callers.sweep();
        assert!(!Arc::ptr_eq(&holding, &of("holding")));
    }

    #[tokio::test(start_paused = true)]
    async fn callers_beyond_all_bounds_share_what_is_ones() {
        let (callers, auth) = callers(|limits| limits.burst = [("named".to_owned(), 7)].into());
        for number in 0..CAPACITY {
            callers.of(&auth, Some(&number.to_string()));
        }
        let (name, one) = callers.of(&auth, Some("one too many"));
        assert_eq!(name.as_deref(), Some("one too many"));
        assert!(Arc::ptr_eq(&one, &callers.of(&auth, Some("another")).1));
        assert_eq!(callers.known.len(), CAPACITY);
        assert!(!Arc::ptr_eq(&one, &callers.of(&auth, Some("0")).1));
        assert!(!Arc::ptr_eq(&one, &callers.of(&auth, Some("named")).1), "the settings have it");
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_known_is_found_without_an_allocation() {
        let (callers, auth) = callers(|_| {});
        callers.of(&auth, Some("orders"));
        let counted = allocation_counter::measure(|| {
            drop((callers.of(&auth, Some("orders")), callers.of(&auth, None)));
        });
        assert_eq!(counted.count_total, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_certificates_name_has_the_row_of_its_host() {
        let (callers, auth) = callers(|limits| limits.shares = [("orders.acme.io".to_owned(), 0.25)].into());
        let share = |name: Option<&str>| callers.of(&auth, name).1.parts[0].1;
        assert_eq!(share(Some("dns:orders.acme.io")), 1_250);
        assert_eq!((share(Some("jobs")), share(None)), (2_500, 2_500), "no row, the others' share");
    }
}
