//! Any numbering of ids over any breaks: nothing is lost, nothing is repeated that its bytes show, and where something is
//! missing there is a gap.

use std::collections::{HashMap, HashSet};

use proptest::prelude::*;

use super::{Arrival, History, Time};

/// How a server makes ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ids {
    /// An event's place in the task's list: the only ones that are honest numbers.
    Numbers,
    /// One for each event, for good, which cannot be counted.
    Names,
    /// Another one for each time that an event is sent.
    Fresh,
    PerConnection,
    PerProcess,
    /// When the event happened; some happen at the same moment.
    Clock,
    Constant,
    Empty,
    Absent,
}

/// Where a connection begins.
#[derive(Clone, Copy, Debug)]
enum Begins {
    /// After `Last-Event-ID`, where the server finds it; else at the start.
    AsAsked,
    AtTheStart,
    /// Some events further than what has been sent so far.
    Beyond(usize),
    /// Some events back.
    Back(usize),
}

#[derive(Clone, Debug)]
struct Connection {
    begins: Begins,
    events: usize,
    has_greeting: bool,
}

struct Server {
    ids: Ids,
    clock: Vec<Time>,
    process: u64,
    fresh: u64,
    /// How many events have been sent to anybody so far.
    sent: usize,
}

impl Server {
    fn id(&mut self, event: usize, nth: usize) -> Option<String> {
        self.process += 1;
        self.fresh = self.fresh.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        Some(match self.ids {
            Ids::Numbers => event.to_string(),
            Ids::Names => format!("{:x}-", (event as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)),
            Ids::Fresh => format!("{:x}-", self.fresh),
            Ids::PerConnection => nth.to_string(),
            Ids::PerProcess => self.process.to_string(),
            Ids::Clock => self.clock[event].to_string(),
            Ids::Constant => "message".to_owned(),
            Ids::Empty => String::new(),
            Ids::Absent => return None,
        })
    }

    fn begin(&mut self, begins: Begins, last_id: Option<&str>) -> usize {
        match begins {
            Begins::Beyond(events) => self.sent + events,
            Begins::Back(events) => self.sent.saturating_sub(events),
            Begins::AsAsked if matches!(self.ids, Ids::Numbers | Ids::Names) => {
                let after =
                    last_id.and_then(|last| (0..self.sent).find(|event| self.id(*event, 0).as_deref() == Some(last)));
                after.map_or(0, |event| event + 1)
            }
            Begins::AsAsked | Begins::AtTheStart => 0,
        }
    }
}

/// What the caller was given: events by number, None for a gap; and what was sent.
fn run(ids: Ids, steps: &[Time], delays: &[Time], connections: &[Connection]) -> (Vec<Option<usize>>, HashSet<usize>) {
    let clock = steps.iter().scan(1_000, |now, step| {
        *now += step;
        Some(*now)
    });
    let mut server = Server { ids, clock: clock.collect(), process: 40, fresh: 7, sent: 0 };
    let mut history = History::new(None, 0);
    let (mut given, mut sent) = (Vec::new(), HashSet::new());
    for (number, connection) in connections.iter().enumerate() {
        if number > 0 {
            history.reconnected();
        }
        let from = server.begin(connection.begins, history.last_id());
        let greetings = usize::from(connection.has_greeting);
        if connection.has_greeting && number > 0 {
            let id = server.id(0, 0).filter(|_| matches!(ids, Ids::PerConnection | Ids::PerProcess));
            history.greeted(id.as_deref());
        }
        for (nth, event) in (from..(from + connection.events).min(server.clock.len())).enumerate() {
            let id = server.id(event, nth + greetings);
            // What tells an event is its time, and here its number.
            let (time, print) = (server.clock[event] - delays[event], history.print(&event.to_le_bytes()));
            server.sent = server.sent.max(event + 1);
            sent.insert(event);
            if history.is_repeat(id.as_deref(), print) {
                continue;
            }
            match history.arrived(id.as_deref(), print, Some(time)) {
                Arrival::Older => {}
                Arrival::Next => given.push(Some(event)),
                Arrival::AfterGap => given.extend([None, Some(event)]),
            }
        }
    }
    (given, sent)
}

fn connections() -> impl Strategy<Value = Vec<Connection>> {
    let begins = prop_oneof![
        Just(Begins::AsAsked),
        Just(Begins::AtTheStart),
        (0_usize..4).prop_map(Begins::Beyond),
        (0_usize..6).prop_map(Begins::Back),
    ];
    let connection = (begins, 0_usize..9, any::<bool>());
    let connection = connection.prop_map(|(begins, events, has_greeting)| Connection { begins, events, has_greeting });
    prop::collection::vec(connection, 1..7)
}

fn any_ids() -> impl Strategy<Value = Ids> {
    use Ids::{Absent, Clock, Constant, Empty, Fresh, Names, Numbers, PerConnection, PerProcess};
    prop::sample::select(vec![Numbers, Names, Fresh, PerConnection, PerProcess, Clock, Constant, Empty, Absent])
}

/// How far an event's time is behind: the task may be with another process by then, whose clock is slow.
fn delays() -> impl Strategy<Value = Vec<Time>> {
    prop::collection::vec(prop_oneof![3 => Just(0), 1 => 1_i64..20], 40)
}

/// Events happen at once or some time after each other.
fn steps() -> impl Strategy<Value = Vec<Time>> {
    prop::collection::vec(prop_oneof![Just(0), 2_i64..9], 40)
}

/// Whether a gap stands where this event would.
fn is_told(given: &[Option<usize>], event: usize) -> bool {
    let is_later = |place: &&[Option<usize>]| matches!(place, [None, Some(later)] if *later > event);
    given.windows(2).find(is_later).is_some_and(|_| given.iter().flatten().any(|earlier| *earlier < event))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn nothing_that_was_sent_is_lost_unsaid_and_nothing_comes_twice(
        ids in any_ids(),
        steps in steps(),
        delays in delays(),
        connections in connections(),
    ) {
        let (given, sent) = run(ids, &steps, &delays, &connections);
        let mut counts = HashMap::new();
        given.iter().flatten().for_each(|event| *counts.entry(*event).or_insert(0) += 1);
        prop_assert!(counts.values().all(|count| *count == 1), "{given:?}");
        for event in sent {
            prop_assert!(counts.contains_key(&event) || is_told(&given, event), "{event} is lost: {given:?}");
        }
    }

    /// A counter of the process alone cannot be told from a list's: it goes on where it was, too.
    #[test]
    fn what_was_not_sent_is_told_by_a_gap(
        ids in any_ids(),
        steps in steps(),
        delays in delays(),
        connections in connections(),
    ) {
        prop_assume!(ids != Ids::PerProcess);
        let (given, _) = run(ids, &steps, &delays, &connections);
        let (mut reached, mut has_gap) = (None::<usize>, true);
        for event in given {
            let Some(event) = event else {
                has_gap = true;
                continue;
            };
            let is_next = reached.is_none_or(|reached| event <= reached + 1);
            prop_assert!(is_next || has_gap, "{event} comes behind {reached:?}");
            (reached, has_gap) = (reached.max(Some(event)), false);
        }
    }

    #[test]
    fn honest_ids_need_no_gaps(is_numbered in any::<bool>(), steps in steps(), delays in delays(), mut connections in connections()) {
        let ids = if is_numbered { Ids::Numbers } else { Ids::Names };
        for connection in &mut connections {
            connection.begins = if is_numbered { Begins::AsAsked } else { Begins::AtTheStart };
            connection.has_greeting = false;
        }
        // Without an event before the first break nothing can be proven.
        connections[0].events += 1;
        let (given, sent) = run(ids, &steps, &delays, &connections);
        // Names have proved something only where a replay reaches the last one.
        prop_assert!(!is_numbered || given.iter().all(Option::is_some), "{given:?}");
        prop_assert_eq!(given.into_iter().flatten().collect::<Vec<_>>(), (0..sent.len()).collect::<Vec<_>>());
    }
}
