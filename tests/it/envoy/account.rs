//! The account of a rehearsal: how much was called and followed, and what became of it. It is printed, for the page on
//! Kubernetes and for whoever looks at a run (`--show-output`).

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    time::Duration,
};

use tonic::Code;

use crate::support::{
    fleet::Fleet,
    follower::{Follower, Transcript},
    load::{DEADLINE, Ledger},
};

#[derive(Debug, Default)]
pub struct Account {
    reads: usize,
    pub failed_reads: usize,
    slowest_read: Duration,
    creates: usize,
    pub failed_creates: BTreeMap<String, usize>,
    slowest_create: Duration,
    /// Tasks of one title beyond the first.
    doubled_tasks: usize,
    /// Tasks whose callers were told of them and that are not there.
    lost_tasks: usize,
    streams: usize,
    pub cuts: usize,
    events: usize,
    doubled_events: usize,
    lost_events: usize,
    sent_again: u64,
}

impl Account {
    /// Ends the streams and draws it up. Nothing is lost or doubled in any rehearsal, no read fails, and no call waits for
    /// its deadline.
    pub async fn of(name: &str, fleet: &Fleet, ledger: &Ledger, followers: Vec<Follower>) -> (Self, Vec<Transcript>) {
        let mut transcripts = Vec::new();
        for follower in followers {
            transcripts.push(follower.finish().await);
        }
        let mut account = Self { sent_again: fleet.envoy.counter("upstream_rq_retry").await, ..Self::default() };
        account.calls(ledger, &fleet.titles());
        transcripts.iter().for_each(|transcript| account.stream(transcript));
        println!("{name}: {account}");
        assert!(ledger.read_failures.is_empty(), "{:?}", ledger.read_failures);
        let lost = [account.doubled_tasks, account.lost_tasks, account.doubled_events, account.lost_events];
        assert_eq!(lost, [0; 4], "lost or doubled: {account}");
        assert!(account.slowest_read.max(account.slowest_create) < DEADLINE, "answered by its deadline: {account}");
        (account, transcripts)
    }

    fn calls(&mut self, ledger: &Ledger, there: &BTreeMap<String, usize>) {
        (self.reads, self.failed_reads) = (ledger.reads, ledger.read_failures.len());
        (self.slowest_read, self.slowest_create) = (ledger.slowest_read, ledger.slowest_create);
        self.creates = ledger.created.len() + ledger.create_failures.len();
        for failed in ledger.create_failures.values() {
            *self.failed_creates.entry(format!("{:?}", failed.status.code())).or_default() += 1;
        }
        self.doubled_tasks = there.values().map(|count| count - 1).sum();
        self.lost_tasks = ledger.created.keys().filter(|title| !there.contains_key(*title)).count();
    }

    fn stream(&mut self, transcript: &Transcript) {
        let ids = transcript.ids();
        let distinct: BTreeSet<_> = ids.iter().collect();
        self.streams += 1;
        self.cuts += transcript.cuts.len();
        self.events += ids.len();
        self.doubled_events += ids.len() - distinct.len();
        self.lost_events += ids.iter().max().copied().unwrap_or_default() - distinct.len();
    }

    /// Asserts that no create failed.
    pub fn is_without_failure(&self) {
        assert_eq!(self.failed_creates, BTreeMap::new());
    }

    /// Asserts that creates failed, and all as UNAVAILABLE.
    pub fn has_unavailable_creates_alone(&self) {
        let codes: Vec<_> = self.failed_creates.keys().cloned().collect();
        assert_eq!(codes, [format!("{:?}", Code::Unavailable)]);
    }
}

impl fmt::Display for Account {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { reads, failed_reads, slowest_read, creates, failed_creates, slowest_create, .. } = self;
        let Self { doubled_tasks, lost_tasks, streams, cuts, events, doubled_events, lost_events, sent_again, .. } =
            self;
        writeln!(formatter, "{reads} reads, {failed_reads} failed, slowest {slowest_read:.1?};")?;
        writeln!(formatter, "  {creates} creates, failed {failed_creates:?}, slowest {slowest_create:.1?},")?;
        writeln!(formatter, "  {doubled_tasks} tasks doubled, {lost_tasks} lost; {sent_again} calls sent again;")?;
        write!(formatter, "  {streams} streams with {events} events, resumed {cuts} times, ")?;
        write!(formatter, "{doubled_events} events doubled, {lost_events} lost")
    }
}
