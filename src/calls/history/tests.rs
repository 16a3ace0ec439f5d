use super::{memory::REMEMBERED, *};

/// When the callers of these tests came.
const NOW: Time = 1_000;

fn new(named: Option<&str>) -> History {
    History::new(named.map(str::to_owned), NOW)
}

/// What becomes of an event; None for a repeat.
fn at(history: &mut History, id: Option<&str>, data: &str, time: Option<Time>) -> Option<Arrival> {
    let print = history.print(data.as_bytes());
    (!history.is_repeat(id, print)).then(|| history.arrived(id, print, time))
}

/// The same in a letter each, of events with an id (`-` for none) and data: (r)epeat, (o)lder, (n)ext, after a (g)ap.
fn story(history: &mut History, events: &[&str]) -> String {
    let letter = |event: &&str| {
        let (id, data) = event.split_once(':').expect("an id and data");
        match at(history, Some(id).filter(|id| *id != "-"), data, Some(1)) {
            None => 'r',
            Some(Arrival::Older) => 'o',
            Some(Arrival::Next) => 'n',
            Some(Arrival::AfterGap) => 'g',
        }
    };
    events.iter().map(letter).collect()
}

/// The stories of connections one after the other.
fn stories(named: Option<&str>, connections: &[&[&str]]) -> Vec<String> {
    let mut history = new(named);
    let stories = connections.iter().enumerate().map(|(nth, events)| {
        if nth > 0 {
            history.reconnected();
        }
        story(&mut history, events)
    });
    stories.collect()
}

#[test]
fn on_one_connection_nothing_is_a_repeat() {
    assert_eq!(stories(None, &[&["-:a", "-:a", "1:x", "1:x", "3:b", "2:c"]]), ["nnnnnn"]);
}

#[test]
fn the_next_number_proves_that_nothing_is_missing() {
    for (last, next, expected) in [
        ("7", "8", "nn"),
        ("t-9", "t-10", "nn"),
        ("009", "010", "nn"),
        ("7", "9", "gn"),
        ("a", "b", "gn"),
        ("t-7", "u-8", "gn"),
        ("é7", "é8", "nn"),
        ("18446744073709551615", "18446744073709551616", "gn"),
    ] {
        let (first, second) = (format!("{last}:x"), format!("{next}:y"));
        assert_eq!(stories(None, &[&[&first], &[&second, "anything:z"]])[1], expected, "{last} {next}");
    }
}

#[test]
fn a_number_proves_nothing_where_numbers_are_clocks() {
    assert_eq!(stories(None, &[&["10:a", "17:b"], &["18:c"]]), ["nn", "g"]);
    assert_eq!(stories(None, &[&["10:a", "9:b"], &["10:c"]]), ["nn", "g"]);
}

#[test]
fn a_replay_by_ids_is_dropped_and_proves_that_nothing_is_missing() {
    assert_eq!(stories(None, &[&["x:1", "y:2"], &["x:1", "y:2", "z:3"]]), ["nn", "rrn"]);
    assert_eq!(stories(None, &[&["x:1", "y:2"], &["x:1", "z:3"]]), ["nn", "rg"], "without the last one");
}

/// Issue: ids 1, 2, 3, a break, and the server counts from 1 again.
#[test]
fn ids_that_begin_again_lose_nothing_and_prove_nothing_more() {
    let connections: [&[&str]; 3] = [&["1:a", "2:b", "3:c"], &["1:d", "2:e", "3:f", "4:g", "5:h"], &["6:i"]];
    assert_eq!(stories(None, &connections), ["nnn", "gnnnn", "g"]);
    assert_eq!(stories(None, &[&["1:a", "2:b", "3:c"], &["1:d"], &["2:e"]])[2], "g");
    // Words too, and where the last one comes back.
    assert_eq!(stories(None, &[&["x:a", "y:b"], &["x:c", "y:d"], &["y:d", "z:e"]]), ["nn", "gn", "rg"]);
}

#[test]
fn the_same_bytes_under_another_id_are_a_repeat_and_the_ids_prove_nothing() {
    assert_eq!(stories(None, &[&["1:a", "2:b"], &["3:a", "4:b", "5:c"]]), ["nn", "rrg"]);
    // What an id has proven before it contradicts itself is open again.
    assert_eq!(stories(None, &[&["1:a", "2:b"], &["3:x", "4:a", "5:b", "6:c"]]), ["nn", "nrrg"]);
}

#[test]
fn ids_that_stand_still_or_are_empty_lose_nothing() {
    assert_eq!(stories(None, &[&["x:a", "x:b"], &["x:b", "x:c"]]), ["nn", "rg"]);
    assert_eq!(stories(None, &[&[":a", ":b"], &[":a", ":b", ":c"]]), ["nn", "rrg"]);
}

#[test]
fn an_empty_id_takes_back_those_before_it_and_one_without_data_counts() {
    let mut history = new(None);
    story(&mut history, &["7:a"]);
    assert_eq!(history.last_id(), Some("7"));
    story(&mut history, &["-:b"]);
    assert_eq!(history.last_id(), Some("7"));
    history.passed("8");
    assert_eq!(history.last_id(), Some("8"));
    history.reconnected();
    history.passed("2");
    assert_eq!(history.last_id(), Some("8"), "a replay does not lead back");
    assert_eq!(story(&mut history, &["9:c", ":d"]), "nn");
    assert_eq!(history.last_id(), None);
    history.passed("");
    assert_eq!(history.last_id(), None);
}

#[test]
fn without_ids_a_replay_is_dropped_by_its_bytes_but_proves_nothing() {
    let connections: [&[&str]; 2] = [&["-:a", "-:b", "-:a"], &["-:a", "-:b", "-:a", "-:a"]];
    assert_eq!(stories(None, &connections), ["nnn", "rrrg"]);
}

#[test]
fn what_a_later_connection_delivered_is_known_to_the_next() {
    assert_eq!(stories(None, &[&["-:a"], &["-:a", "-:b"], &["-:a", "-:b"]]), ["n", "rg", "rr"]);
}

#[test]
fn a_replay_of_what_the_caller_has_seen_is_dropped() {
    let connections: [&[&str]; 2] = [&["-:hello", "e-1:a", "e-7:b", "e-8:c"], &["e-1:a", "e-7:b", "e-8:c", "e-9:d"]];
    assert_eq!(stories(Some("e-7"), &connections), ["noon", "oorn"]);
    // Before anything came too.
    assert_eq!(stories(Some("7"), &[&["6:a", "7:b"], &["6:a", "7:b", "8:c"]]), ["oo", "oon"]);
}

#[test]
fn a_jump_after_what_the_caller_has_seen_is_a_gap() {
    for (last, id, expected) in [("7", "9", "ng"), ("7", "8", "nn"), ("a", "b", "nn")] {
        assert_eq!(stories(Some(last), &[&["-:hello", &format!("{id}:x")]]), [expected], "{last} {id}");
    }
}

/// What happened after the caller came back it has not seen, whatever its id.
#[test]
fn an_event_that_is_younger_than_the_callers_call_is_new() {
    for (id, expected) in [("1", Arrival::AfterGap), ("7", Arrival::Older), ("8", Arrival::Next)] {
        let mut history = new(Some("7"));
        assert_eq!(at(&mut history, Some(id), "x", Some(NOW)), Some(expected), "{id}");
    }
    let mut history = new(Some("3"));
    let began_again = ["1", "2", "3", "4"].map(|id| at(&mut history, Some(id), id, Some(NOW)));
    assert_eq!(began_again.map(Option::unwrap), [Arrival::AfterGap, Arrival::Next, Arrival::Next, Arrival::Next]);
    let mut history = new(Some("7"));
    assert_eq!(at(&mut history, Some("1"), "x", None), Some(Arrival::AfterGap), "in doubt");
    // One id for all: the first one may have been the caller's.
    assert_eq!(stories(Some("x"), &[&["x:a", "x:b", "x:c"]]), ["ogn"]);
}

/// By number and by time it comes before what was delivered: the caller knows of the gap, and gets events in order.
#[test]
fn what_a_gap_has_skipped_does_not_come_late() {
    let late = |id: &str, time: Option<Time>| {
        let mut history = new(None);
        at(&mut history, Some("3"), "a", Some(3));
        history.reconnected();
        at(&mut history, Some("5"), "b", Some(5));
        history.reconnected();
        let late = at(&mut history, Some(id), "late", time);
        assert_eq!(at(&mut history, Some("5"), "b", Some(5)), None);
        (late, at(&mut history, Some("6"), "c", Some(6)))
    };
    assert_eq!(late("4", Some(4)), (Some(Arrival::Older), Some(Arrival::Next)));
    // One of the two proves nothing: a counter that began again; a name; what was before all.
    for (id, time) in [("4", Some(5)), ("4", None), ("x", Some(4)), ("2", Some(2))] {
        assert_eq!(late(id, time).0, Some(Arrival::AfterGap), "{id} {time:?}");
    }
}

/// Times are those of several processes, whose clocks differ: an id that was seen before, or is none of those in between,
/// is a new event's.
#[test]
fn ids_that_begin_again_lose_nothing_though_a_clock_is_slow() {
    for (before, id) in [(["1", "2", "3"], "2"), (["41", "42", "43"], "1")] {
        let mut history = new(None);
        for (id, time) in before.into_iter().zip([10, 20, 30]) {
            at(&mut history, Some(id), id, Some(time));
        }
        history.reconnected();
        assert_eq!(at(&mut history, Some(id), "new", Some(25)), Some(Arrival::AfterGap), "{id}");
    }
}

#[test]
fn a_greeting_whose_id_begins_again_shows_that_ids_do() {
    let mut history = new(None);
    story(&mut history, &["1:hello"]);
    history.reconnected();
    history.greeted(Some("1"));
    assert_eq!(story(&mut history, &["2:a"]), "g");
}

#[test]
fn what_is_older_than_the_memory_is_told_by_its_time() {
    let mut history = new(None);
    let many = Time::try_from(REMEMBERED).expect("small") + 100;
    let event = |history: &mut History, n: Time| at(history, None, &n.to_string(), Some(n));
    for n in 0..many {
        assert_eq!(event(&mut history, n), Some(Arrival::Next));
    }
    history.reconnected();
    for n in 0..many {
        assert_eq!(event(&mut history, n), (n < 100).then_some(Arrival::Older), "{n}");
    }
    assert_eq!(event(&mut history, many), Some(Arrival::AfterGap));
    // Behind what is new, an old time says nothing.
    assert_eq!(at(&mut history, None, "late", Some(3)), Some(Arrival::Next));
}

#[test]
fn where_times_stand_still_or_are_absent_what_is_forgotten_is_delivered_again_behind_a_gap() {
    for time in [Some(5), None] {
        let mut history = new(None);
        for n in 0..=REMEMBERED {
            at(&mut history, None, &n.to_string(), time);
        }
        history.reconnected();
        assert_eq!(at(&mut history, None, "1", time), None);
        assert_eq!(at(&mut history, None, "0", time), Some(Arrival::AfterGap));
        assert_eq!(at(&mut history, None, "new", time), Some(Arrival::Next));
    }
}
