use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::*;

const MOST: usize = 1 << 10;

/// What comes of an answer in pieces of this size: attributes as `name=value`, elements as they are.
fn parts(within: Option<&'static str>, answer: &[u8], piece: usize) -> Result<Vec<String>, Fault> {
    let (mut elements, mut parts) = (Elements::new(within, MOST), Vec::new());
    for piece in answer.chunks(piece) {
        elements.push(piece);
        while let Some(part) = elements.next_part()? {
            parts.push(match part {
                Part::Attribute(name, value) => format!("{name}={value}"),
                Part::Begin => "[".to_owned(),
                Part::Element(element) => element.into_owned(),
            });
        }
    }
    elements.end().map(|()| parts)
}

/// The same in pieces of every size, which make no difference.
fn taken(within: Option<&'static str>, answer: &[u8]) -> Result<Vec<String>, Fault> {
    let whole = parts(within, answer, answer.len().max(1));
    for piece in 1..answer.len() {
        // Where a fault comes before the end, less may have been looked at.
        assert_eq!(parts(within, answer, piece).ok(), whole.clone().ok(), "{piece}");
    }
    whole
}

#[test]
fn a_list_is_taken_apart_however_its_bytes_come() {
    let list = r#" [ {"a": "]\"}, {"} , 1,"x\\",null, [[], {}],NaN , "é" ] "#;
    let expected = [r#"{"a": "]\"}, {"}"#, "1", r#""x\\""#, "null", "[[], {}]", "NaN", r#""é""#];
    assert_eq!(taken(None, list.as_bytes()), Ok(expected.map(str::to_owned).to_vec()));
    assert_eq!(taken(None, "\u{feff}[]".as_bytes()), Ok(vec![]));
    assert_eq!(taken(None, b"[\"\xff\"]"), Ok(vec!["\"\u{fffd}\"".to_owned()]));
}

/// The elements of a list that are read where they stand, in pieces of this size.
fn read(list: &[u8], piece: usize) -> Result<Vec<String>, Fault> {
    let (mut elements, mut parts) = (Elements::new(None, MOST), Vec::new());
    for piece in list.chunks(piece) {
        elements.push(piece);
        elements.read(|json| {
            let element = json.skip().ok_or("no JSON")?;
            parts.push(element.to_owned());
            Ok(())
        })?;
    }
    elements.end().map(|()| parts)
}

#[test]
fn an_element_is_read_once_however_its_bytes_come() {
    let list = r#" [ {"a": "]\"}, {"} , {}, 1, {"é": [{}]},{"b":1} , [{}] ] "#;
    let expected = [r#"{"a": "]\"}, {"}"#, "{}", "1", r#"{"é": [{}]}"#, r#"{"b":1}"#, "[{}]"].map(str::to_owned);
    for piece in 1..=list.len() {
        assert_eq!(read(list.as_bytes(), piece), Ok(expected.to_vec()), "{piece}");
    }
    let broken = b"[{\"a\": \"\xff\xfe\"}, {\"b\": 1}]";
    for piece in 1..=broken.len() {
        assert_eq!(read(broken, piece).map(|read| read.len()), Ok(2), "{piece}");
    }
    for (wrong, fault) in [
        ("[{}, {\"a\": nothing}]", Fault::NoElement("no JSON")),
        ("[{}, {\"a\"]", Fault::NoElement("no JSON")),
        ("[{} {}]", Fault::NoList),
        ("[{},]", Fault::NoList),
        ("[{}\u{feff},{}]", Fault::NoList),
        ("\u{feff}\u{feff}[{}]", Fault::NoList),
        ("[{}", Fault::BreaksOff),
        ("[{}, {\"a\": ", Fault::BreaksOff),
    ] {
        for piece in 1..=wrong.len() {
            assert_eq!(read(wrong.as_bytes(), piece), Err(fault), "{wrong} by {piece}");
        }
    }
    let large = |size: usize| format!("[{{}}, {{\"a\":\"{}\"}}, {{}}]", "a".repeat(size - 8));
    for piece in [1, 7, 100, 10_000] {
        assert_eq!(read(large(MOST).as_bytes(), piece).map(|read| read.len()), Ok(3), "{piece}");
        assert_eq!(read(large(MOST + 1).as_bytes(), piece), Err(Fault::TooLarge(MOST)), "{piece}");
    }
}

#[test]
fn the_attributes_beside_a_list_are_told() {
    let answer = r#"{"id": "t", "m\u0065ssages": [{"messages": []}, 2], "user": {"a": [1]}, "n": 1}"#;
    let expected = [r#"id="t""#, "[", r#"{"messages": []}"#, "2", r#"user={"a": [1]}"#, "n=1"];
    assert_eq!(taken(Some("messages"), answer.as_bytes()), Ok(expected.map(str::to_owned).to_vec()));
    assert_eq!(taken(Some("messages"), b"{}"), Ok(vec![]));
    assert_eq!(taken(Some("messages"), br#"{"messages":[]}"#), Ok(vec!["[".to_owned()]));
}

#[test]
fn what_is_no_such_list_is_refused() {
    for wrong in ["{}", "1", "\"[]\"", "[,]", "[1,]", "[1 2]", "[1]]", "[1]x", "<html>", "[1}"] {
        assert_eq!(taken(None, wrong.as_bytes()), Err(Fault::NoList), "{wrong}");
    }
    for wrong in ["[]", "{,}", "{1:2}", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{\"messages\":null}", "{\"messages\":{}}"]
    {
        assert_eq!(taken(Some("messages"), wrong.as_bytes()), Err(Fault::NoList), "{wrong}");
    }
    for cut in ["", " ", "[", "[1", "[1,", "[\"a", "[\"a\\", "[{", "\u{feff}"] {
        assert_eq!(taken(None, cut.as_bytes()), Err(Fault::BreaksOff), "{cut}");
    }
}

#[test]
fn one_value_has_a_limit_and_all_together_have_none() {
    let one = |size: usize| format!("\"{}\"", "a".repeat(size - 2));
    let list = format!("[{},{}]", one(MOST), one(MOST));
    assert_eq!(taken(None, list.as_bytes()).map(|parts| parts.len()), Ok(2));
    assert_eq!(taken(None, format!("[{}]", one(MOST + 1)).as_bytes()), Err(Fault::TooLarge(MOST)));
    assert_eq!(taken(None, "[".repeat(2 * MOST).as_bytes()), Err(Fault::TooLarge(MOST)));
    let blank = |size: usize| format!("[1,{}2,{}3]", " ".repeat(size), " ".repeat(size));
    assert_eq!(parts(None, blank(MOST).as_bytes(), 100).map(|parts| parts.len()), Ok(3));
    assert_eq!(parts(None, blank(MOST + 1).as_bytes(), 100), Err(Fault::TooLarge(MOST)));
}

fn json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        ".{0,8}".prop_map(Json::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
            prop::collection::btree_map(".{0,4}", inner, 0..4).prop_map(|map| map.into_iter().collect()),
        ]
    })
}

proptest! {
    #[test]
    fn every_element_is_given_once_and_in_order(
        elements in prop::collection::vec(json(), 0..8),
        piece in 1_usize..40,
        is_pretty in any::<bool>(),
    ) {
        let written = |value: &Json| if is_pretty { format!("{value:#}") } else { value.to_string() };
        let read = |parts: Vec<String>| {
            parts.iter().map(|part| serde_json::from_str::<Json>(part).expect("JSON")).collect::<Vec<_>>()
        };
        let list = parts(None, written(&json!(elements)).as_bytes(), piece).expect("a list");
        prop_assert_eq!(read(list), elements.clone());
        let object = written(&json!({ "a": 1, "messages": elements, "z": [2] }));
        let mut inside = parts(Some("messages"), object.as_bytes(), piece).expect("an object");
        prop_assert_eq!(inside.remove(0), "a=1");
        prop_assert_eq!(inside.remove(0), "[");
        prop_assert!(inside.pop().is_some_and(|last| last.starts_with("z=[")));
        prop_assert_eq!(read(inside), elements);
    }

    #[test]
    fn no_bytes_make_it_panic_or_hold_more_than_it_may(
        bytes in prop::collection::vec(prop_oneof![
            4 => prop::sample::select(br#"[]{}",:\ 1"#.to_vec()), 1 => any::<u8>()
        ], 0..200),
        piece in 1_usize..20,
    ) {
        for within in [None, Some("a")] {
            let _ = parts(within, &bytes, piece);
        }
    }
}
