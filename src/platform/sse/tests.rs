use proptest::prelude::*;

use super::*;

/// All events of these pieces: their ids, and their data as text, or how large it is not to be.
fn decode<'a>(cap: usize, pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<(Option<String>, Payload)> {
    let mut decoder = Decoder::new(cap);
    let mut frames = Vec::new();
    for piece in pieces {
        decoder.push(piece);
        frames.extend(std::iter::from_fn(|| decoder.next_frame()));
        assert!(decoder.held() <= 2 * cap + BEFORE_DATA + MAX_ID, "more is held than the cap");
    }
    frames.into_iter().map(|frame| (frame.id, frame.data)).collect()
}

fn data(stream: &str) -> Vec<String> {
    let text = |payload| match payload {
        Payload::Data(data) => String::from_utf8_lossy(&data).into_owned(),
        other => format!("{other:?}"),
    };
    decode(64, [stream.as_bytes()]).into_iter().map(|(_, payload)| text(payload)).collect()
}

#[test]
fn lines_end_in_lf_in_crlf_and_in_cr() {
    assert_eq!(data("data: a\n\ndata: b\r\n\r\ndata: c\r\rdata: d\n\n"), ["a", "b", "c", "d"]);
}

#[test]
fn comments_and_names_without_data_are_passed_over() {
    assert_eq!(data("\u{feff}: ping\n\nevent: x\n\ndata\n\ndata:a\ndata: b\n\nnothing: x\n\n"), ["", "a\nb"]);
}

/// As a writer leaves it that encodes each event by itself, with Python's `utf-8-sig` for one.
#[test]
fn a_byte_order_mark_before_a_line_costs_nothing() {
    let mark = "\u{feff}";
    assert_eq!(data(&format!("{mark}data: a\n\n{mark}data: b\n\n{mark}{mark}data: c\n\n")), ["a", "b", "c"]);
    assert_eq!(data(&format!("data: a\n{mark}\ndata: {mark}b\n\n{mark}:\n{mark}\n")), ["a", "\u{feff}b"]);
    assert_eq!(data(&format!("{}data: a\n\n", mark.repeat(20))), ["a"]);
    assert_eq!(data(&format!("{mark}data: {}\n\n", "x".repeat(65))), ["TooLarge"]);
    // As many as there may be of anything that is no data.
    let mut decoder = Decoder::new(3 << 20);
    decoder.push(format!("{}data: a\n\n", mark.repeat(1 << 20)).as_bytes());
    assert_eq!(decoder.next_frame().map(|frame| frame.data), Some(Payload::Data("a".into())));
}

#[test]
fn an_id_belongs_to_its_own_event_and_one_without_data_is_told_alone() {
    let frames = decode(
        64,
        [b"id: 7\ndata: a\n\ndata: b\n\nid: x\0y\ndata: c\n\nid: x\ty\ndata: c\n\nid\ndata: d\n\nid: 8\n\nid: 1\nid: 2\n:\n\n".as_slice()],
    );
    let ids: Vec<_> = frames.iter().map(|(id, _)| id.as_deref()).collect();
    assert_eq!(ids, [Some("7"), None, None, None, Some(""), Some("8"), Some("2")]);
    assert!(frames.iter().skip(5).all(|(_, data)| *data == Payload::None));
}

#[test]
fn a_keep_alive_is_told_by_its_name() {
    let stream = b"event: ping\ndata: 1\n\nevent: keep-alive\ndata: 2\n\nevent: pinged\ndata: 3\n\ndata: 4\n\n";
    let mut decoder = Decoder::new(64);
    decoder.push(stream);
    let pings: Vec<_> = std::iter::from_fn(|| decoder.next_frame()).map(|frame| frame.is_ping).collect();
    assert_eq!(pings, [true, true, false, false]);
}

#[test]
fn the_server_says_how_long_to_wait() {
    let mut decoder = Decoder::new(64);
    decoder.push(b"retry: 1500\nretry: soon\nretry: 99999999999999999999\n");
    assert_eq!(decoder.next_frame(), None);
    assert_eq!(decoder.retry(), Some(Duration::from_millis(1500)));
}

#[test]
fn what_no_blank_line_has_closed_is_no_event() {
    for open in ["data: b", "data: b\n", "data: b\nid: 7\n", "id: 7\n", "data: b\r"] {
        assert_eq!(data(&format!("data: a\n\n{open}")), ["a"], "{open:?}");
    }
    assert_eq!(data("data: a\n\ndata: b\r\n\r"), ["a", "b"]);
}

#[test]
fn data_may_be_as_large_as_the_cap() {
    for (size, fits) in [(63, true), (64, true), (65, false)] {
        let whole = "x".repeat(size);
        let in_lines = format!("{}\ndata:{}", "x".repeat(31), "x".repeat(size - 32));
        for stream in
            [format!("data: {whole}\n\n"), format!("data:{whole}\r\n\r\n"), format!("\u{feff}data: {in_lines}\n\n")]
        {
            assert_eq!(data(&stream)[0] != "TooLarge", fits, "{size}");
        }
    }
}

#[test]
fn an_event_over_the_cap_is_told_in_its_place_by_the_same_digest_each_time() {
    let large = format!("id: 3\ndata: {}\ndata: {}\n\n", "x".repeat(40), "y".repeat(40));
    let other = large.replace('y', "z");
    let stream = format!("data: a\n\n{large}data: b\n\n{other}{large}");
    for size in [1, 7, 1_000] {
        let frames = decode(64, stream.as_bytes().chunks(size));
        let [a, one, b, other, two] = &frames[..] else { panic!("{frames:?}") };
        assert_eq!((&a.1, &b.1), (&Payload::Data("a".into()), &Payload::Data("b".into())));
        assert!(matches!(one, (Some(id), Payload::TooLarge(_)) if id == "3"));
        assert!(one == two && one != other);
    }
}

/// Only data takes its event along.
#[test]
fn an_oversized_line_that_is_no_data_costs_the_event_behind_it_nothing() {
    for line in [": ", ":", "event: ", "retry: ", "id: ", "unknown: ", "dat: ", "datax: ", "\u{1}", ""] {
        for size in [65, 200, 5_000].into_iter().filter(|size| !line.starts_with("id") || *size > MAX_ID) {
            let large = format!("{line}{}", "x".repeat(size));
            let stream = format!("{large}\nid: 1\ndata: a\n\ndata: b\n{large}\n\n{large}\r\n\r\ndata: c\n\n");
            for pieces in [1, 9, 100_000] {
                let frames = decode(64, stream.as_bytes().chunks(pieces));
                let expected = [(Some("1"), "a"), (None, "b"), (None, "c")];
                let expected = expected.map(|(id, data)| (id.map(str::to_owned), Payload::Data(data.into())));
                assert_eq!(frames, expected, "{line:?} {size} {pieces}");
            }
        }
    }
}

/// A stream that is idle holds next to nothing, whatever went over it before.
#[test]
fn the_memory_of_a_large_event_is_given_back() {
    let mut decoder = Decoder::new(16 << 20);
    let large = format!("data: {}\n\n", "x".repeat(8 << 20));
    for stream in [&*large, &*format!("data: {}\n\n", "x".repeat(1_000)).repeat(400), &*format!(":{large}")] {
        for piece in stream.as_bytes().chunks(64 << 10) {
            decoder.push(piece);
            while decoder.next_frame().is_some() {}
        }
        assert!(decoder.pending.capacity() <= KEPT && decoder.room <= KEPT, "{}", decoder.room);
    }
}

#[test]
fn comments_are_between_events() {
    let mut decoder = Decoder::new(64);
    for (piece, is_in_event) in
        [("", false), (": pi", false), ("ng\n\n", false), ("id", true), (": 7\ndata: a\n", true), ("\n", false)]
    {
        decoder.push(piece.as_bytes());
        while decoder.next_frame().is_some() {}
        assert_eq!(decoder.is_in_event(), is_in_event, "{piece:?}");
    }
    decoder.push(&[b'd'; 100]);
    assert_eq!(decoder.next_frame(), None);
    assert!(!decoder.is_in_event(), "too large for anything that counts");
}

proptest! {
    #[test]
    fn any_split_of_the_bytes_gives_the_same_events(
        lines in prop::collection::vec(prop_oneof!["data: [a-zé]{0,12}", "id: [0-9]{0,3}", ":.{0,9}", "[a-z]{12}", Just(String::new())], 0..20),
        ends in prop::collection::vec(prop_oneof![Just("\n"), Just("\r\n"), Just("\r")], 20),
        cuts in prop::collection::vec(0_usize..400, 0..20),
        cap in 1_usize..20,
    ) {
        let stream: String = lines.iter().zip(ends).flat_map(|(line, end)| [line.as_str(), end]).collect();
        let stream = stream.as_bytes();
        let mut cuts: Vec<_> = cuts.into_iter().filter(|cut| *cut < stream.len()).collect();
        cuts.extend([0, stream.len()]);
        cuts.sort_unstable();
        let pieces = cuts.windows(2).map(|cut| &stream[cut[0]..cut[1]]);
        let bytewise = stream.chunks(1);
        let whole = decode(cap, [stream]);
        prop_assert_eq!(&decode(cap, pieces), &whole);
        prop_assert_eq!(&decode(cap, bytewise), &whole);
    }

    #[test]
    fn no_bytes_make_it_panic(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..20)) {
        decode(8, pieces.iter().map(Vec::as_slice));
    }
}
