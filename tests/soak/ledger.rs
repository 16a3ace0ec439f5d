//! The books: what each caller was told of its task, counted and compared with what the platform has.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt::Write as _,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// How late a deadline may come true, beside what the machine needs for a call that costs nothing.
const LATE: Duration = Duration::from_secs(3);

/// What one call that creates a task was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// This task.
    Created(String),
    /// Outcome unknown.
    Unknown,
    /// Outcome `not_created`.
    NotCreated,
    /// Nothing: the caller left.
    Left,
}

/// Everything there is to tell at the end.
#[derive(Default)]
pub struct Ledger {
    claims: Mutex<HashMap<String, Vec<Claim>>>,
    tasks: Mutex<HashMap<String, BTreeSet<String>>>,
    counts: Mutex<BTreeMap<String, u64>>,
    wrongs: Mutex<Vec<String>>,
    late: Mutex<Vec<(Duration, String)>>,
    slowest: Mutex<Duration>,
}

impl Ledger {
    /// Something counted once more.
    pub fn count(&self, what: &str) {
        self.add(what, 1);
    }

    pub fn add(&self, what: &str, times: u64) {
        let mut counts = locked(&self.counts);
        match counts.get_mut(what) {
            Some(count) => *count += times,
            None => drop(counts.insert(what.to_owned(), times)),
        }
    }

    /// How often something was counted.
    pub fn counted(&self, what: &str) -> u64 {
        locked(&self.counts).get(what).copied().unwrap_or_default()
    }

    /// A promise that was broken, and to whom.
    pub fn wrong(&self, marker: &str, what: impl AsRef<str>) {
        let what = what.as_ref();
        locked(&self.wrongs).push(format!("{marker}: {}", &what[..what.floor_char_boundary(600)]));
    }

    /// How late a call's deadline came true, and what to say of it.
    pub fn late(&self, by: Duration, what: impl FnOnce() -> String) {
        if by > LATE {
            locked(&self.late).push((by, what()));
        }
    }

    /// How long a call took that costs nothing: on a busy machine so much later comes every answer.
    pub fn answered_in(&self, time: Duration) {
        let mut slowest = locked(&self.slowest);
        *slowest = time.max(*slowest);
    }

    /// What a call of this marker was told.
    pub fn claim(&self, marker: &str, claim: Claim) {
        locked(&self.claims).entry(marker.to_owned()).or_default().push(claim);
    }

    /// A task the platform has.
    pub fn task(&self, marker: String, id: String) {
        locked(&self.tasks).entry(marker).or_default().insert(id);
    }

    /// Accounts for every task, once no call is under way any more.
    pub fn balance(&self) {
        let slowest = *locked(&self.slowest);
        for (_, what) in locked(&self.late).iter().filter(|(by, _)| *by > LATE + slowest) {
            self.wrong("a deadline", format!("{what}; a health check took {slowest:?} at most"));
        }
        let (claims, tasks) = (locked(&self.claims), locked(&self.tasks));
        for (marker, ids) in tasks.iter() {
            if !claims.contains_key(marker) {
                self.wrong(marker, format!("the tasks {ids:?} belong to no call"));
            }
        }
        for (marker, claims) in claims.iter() {
            let ids = tasks.get(marker).cloned().unwrap_or_default();
            self.count(if ids.is_empty() { "calls without a task" } else { "tasks" });
            if let Some(complaint) = complaint(claims, &ids) {
                self.wrong(marker, format!("{complaint}; told {claims:?}, the platform has {ids:?}"));
            }
            let claimed = |claim| claims.contains(&claim) && !claims.iter().any(|c| matches!(c, Claim::Created(_)));
            if !ids.is_empty() && claimed(Claim::Unknown) {
                self.count("tasks of calls told outcome=unknown");
            } else if !ids.is_empty() && claimed(Claim::Left) {
                self.count("tasks of callers that left");
            }
        }
    }

    /// What went wrong, a line each.
    pub fn wrongs(&self) -> Vec<String> {
        locked(&self.wrongs).clone()
    }

    /// What was counted, a line each.
    pub fn report(&self) -> String {
        let mut report = String::new();
        for (what, count) in locked(&self.counts).iter() {
            let _ = writeln!(report, "{count:>8}  {what}");
        }
        report
    }
}

fn complaint(claims: &[Claim], ids: &BTreeSet<String>) -> Option<&'static str> {
    let created = |claim: &Claim| if let Claim::Created(id) = claim { Some(id.clone()) } else { None };
    let told: BTreeSet<String> = claims.iter().filter_map(created).collect();
    if ids.len() > 1 {
        return Some("more than one task");
    }
    if !told.is_empty() && told != *ids {
        return Some("not the task that was told");
    }
    let is_impossible = claims.iter().all(|claim| *claim == Claim::NotCreated);
    (is_impossible && !ids.is_empty()).then_some("a task that was said not to be created")
}

pub fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn books(claims: &[Claim], ids: &[&str]) -> Vec<String> {
        let ledger = Ledger::default();
        for claim in claims {
            ledger.claim("job", claim.clone());
        }
        for id in ids {
            ledger.task("job".to_owned(), (*id).to_owned());
        }
        ledger.balance();
        ledger.wrongs()
    }

    #[test]
    fn a_deadline_may_be_as_late_as_the_machine_is() {
        let ledger = Ledger::default();
        ledger.late(LATE * 2, || "one".to_owned());
        ledger.late(LATE, || "another".to_owned());
        ledger.balance();
        assert_eq!(ledger.wrongs().len(), 1);
        let busy = Ledger::default();
        busy.late(LATE * 2, || "one".to_owned());
        busy.answered_in(LATE);
        busy.balance();
        assert!(busy.wrongs().is_empty());
    }

    #[test]
    fn the_books_balance_only_when_each_task_is_accounted_for_once() {
        let created = || Claim::Created("a".to_owned());
        assert!(books(&[created()], &["a"]).is_empty());
        assert!(books(&[Claim::NotCreated, created(), created(), Claim::Left], &["a"]).is_empty());
        for claims in [[Claim::Unknown], [Claim::Left]] {
            assert!(books(&claims, &[]).is_empty());
            assert!(books(&claims, &["a"]).is_empty());
            assert_eq!(books(&claims, &["a", "b"]).len(), 1);
        }
        assert!(books(&[Claim::NotCreated], &[]).is_empty());
        assert_eq!(books(&[Claim::NotCreated], &["a"]).len(), 1);
        assert_eq!(books(&[created()], &[]).len(), 1);
        assert_eq!(books(&[created()], &["b"]).len(), 1);
        assert_eq!(books(&[created(), Claim::Created("b".to_owned())], &["a"]).len(), 1);
        assert_eq!(books(&[], &["a"]).len(), 1);
    }
}
