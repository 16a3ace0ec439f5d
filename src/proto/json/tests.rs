use proptest::{
    collection::{btree_map, vec},
    prelude::*,
    sample::select,
};
use prost::{Message, encoding::encode_varint};
use prost_types::value::Kind;
use serde_json::{Value as Json, json};

use super::*;

fn through_the_wire(json: &str) -> Json {
    let bytes = Value::new(json).encode_to_vec();
    Value::decode(bytes.as_slice()).expect("our own bytes").json()
}

fn any_json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        (-(1_i64 << 53)..=(1 << 53)).prop_map(Json::from),
        any::<f64>().prop_filter("JSON has no NaN", |x| x.is_finite() && x.fract() != 0.0).prop_map(Json::from),
        ".*".prop_map(Json::from),
    ];
    leaf.prop_recursive(8, 64, 8, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..8).prop_map(Json::from),
            btree_map(".*", inner, 0..8).prop_map(|fields| Json::Object(fields.into_iter().collect())),
        ]
    })
}

/// What JSON a message of `prost_types` stands for; None where it cannot say it.
fn json_of(value: &prost_types::Value) -> Option<Json> {
    Some(match value.kind.as_ref() {
        None | Some(Kind::NullValue(_)) => Json::Null,
        Some(Kind::BoolValue(truth)) => json!(truth),
        Some(Kind::StringValue(text)) => json!(text),
        Some(Kind::NumberValue(double)) if !double.is_finite() => return None,
        // 2^53 and beyond: `1e20` and its digits are one number to who reads both as doubles.
        Some(Kind::NumberValue(double)) if double.fract() == 0.0 => {
            serde_json::from_str(&format!("{:.0}", double + 0.0)).ok()?
        }
        Some(Kind::NumberValue(double)) => json!(double),
        Some(Kind::ListValue(list)) => list.values.iter().map(json_of).collect::<Option<_>>()?,
        Some(Kind::StructValue(object)) => json_of_object(object)?,
    })
}

fn json_of_object(object: &prost_types::Struct) -> Option<Json> {
    let fields = object.fields.iter().map(|(key, value)| Some((key.clone(), json_of(value)?)));
    fields.collect::<Option<_>>().map(Json::Object)
}

fn field(tag: u32, bytes: &[u8]) -> Vec<u8> {
    let mut field = Vec::new();
    encode_varint(u64::from(tag << 3 | 2), &mut field);
    encode_varint(bytes.len() as u64, &mut field);
    [field, bytes.to_vec()].concat()
}

/// Between the fields of a message: some that it does not know.
fn unknown() -> impl Strategy<Value = Vec<u8>> {
    select(vec![
        vec![],
        vec![],
        vec![],
        vec![0x78, 7],
        field(15, b"x"),
        vec![0x7b, 0x0a, 0, 0x7c],
        vec![0x7d, 1, 2, 3, 4],
    ])
}

fn joined(fields: impl Strategy<Value = Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    vec((fields, unknown()), 0..4).prop_map(|fields| fields.into_iter().flat_map(|(a, b)| [a, b].concat()).collect())
}

/// Values as any writer may encode them: kinds that come twice, or one after the other, in pieces, with fields of
/// tomorrow between them.
fn any_value() -> impl Strategy<Value = Vec<u8>> {
    let doubles = select(vec![0.0, -0.0, 1.5, -7.0, 1e20, 1e300, 9_007_199_254_740_993.0, 0.1, f64::MIN_POSITIVE]);
    let scalar = prop_oneof![
        Just(vec![0x08, 0x00]),
        select(vec![vec![0x20, 0x00], vec![0x20, 0x01], vec![0x20, 0x02]]),
        doubles.prop_map(|double: f64| [&[0x11][..], &double.to_le_bytes()].concat()),
        "[a-z\"\u{1}é]{0,3}".prop_map(|text| field(3, text.as_bytes())),
    ];
    joined(scalar).prop_recursive(4, 48, 4, |value| {
        let entry = joined(prop_oneof![
            "[a-c]{0,1}".prop_map(|key| field(1, key.as_bytes())),
            value.clone().prop_map(|value| field(2, &value)),
        ]);
        let object = joined(entry.prop_map(|entry| field(1, &entry))).prop_map(|object| field(5, &object));
        let list = joined(value.prop_map(|value| field(1, &value))).prop_map(|list| field(6, &list));
        joined(prop_oneof![object, list, Just(vec![0x08, 0x00])])
    })
}

proptest! {
    #[test]
    fn free_json_goes_there_and_back(json in any_json()) {
        prop_assert_eq!(through_the_wire(&json.to_string()), json);
    }

    #[test]
    fn every_integer_arrives_as_itself_or_as_its_decimal_string(integer in any::<i128>(), digits in "-?[1-9][0-9]{0,60}") {
        for text in [integer.to_string(), digits] {
            let bytes = Value::new(&*text).encode_to_vec();
            match prost_types::Value::decode(bytes.as_slice()).expect("valid for everybody").kind {
                Some(Kind::StringValue(decimal)) => prop_assert_eq!(decimal, text),
                Some(Kind::NumberValue(double)) => prop_assert_eq!(format!("{double:.0}"), text),
                other => prop_assert!(false, "{other:?}"),
            }
        }
    }

    #[test]
    fn what_is_encoded_is_what_prost_types_decodes(json in any_json()) {
        let ours = Value::new(json.to_string());
        let encoded = ours.encode_to_vec();
        prop_assert_eq!(encoded.len(), ours.encoded_len());
        let theirs = prost_types::Value::decode(encoded.as_slice()).expect("valid for everybody");
        prop_assert_eq!(json_of(&theirs), Some(json));
    }

    #[test]
    fn what_a_caller_encodes_is_what_prost_types_decodes(value in any_value()) {
        let theirs = prost_types::Value::decode(value.as_slice()).expect("valid");
        let ours = Value::decode(value.as_slice()).expect("valid for us too");
        prop_assert_eq!(Some(ours.json()), json_of(&theirs));
        // In a map, whose entries come in pieces as well.
        let entry = [field(2, &value), field(1, b"k"), field(2, &value)].concat();
        let object = [field(1, &entry), field(1, &field(1, b"a")), field(1, &entry)].concat();
        let theirs = prost_types::Struct::decode(object.as_slice()).expect("valid");
        let ours = Struct::decode(object.as_slice()).expect("valid for us too");
        prop_assert_eq!(Some(Json::Object(ours.fields())), json_of_object(&theirs));
        prop_assert_eq!(ours.encode_to_vec(), object);
    }

    #[test]
    fn no_bytes_make_it_panic(value in any_value(), noise in vec(any::<u8>(), 0..9), at in any::<prop::sample::Index>()) {
        let mut bytes = value;
        let at = at.index(bytes.len() + 1);
        bytes.splice(at..at, noise);
        let (ours, theirs) = (Value::decode(bytes.as_slice()), prost_types::Value::decode(bytes.as_slice()));
        prop_assert!(ours.is_ok() || theirs.is_err());
        drop(ours.map(|ours| ours.json()));
        drop(Struct::decode(bytes.as_slice()).map(|ours| ours.fields()));
        let text = String::from_utf8_lossy(&bytes);
        drop(Value::new(&*text).encode_to_vec());
    }

    #[test]
    fn a_text_is_json_where_serde_json_says_so(text in r#"[\[\]{}:, "\\u0d8truefalsn.eE+\-1]{0,12}"#) {
        let is_json = Reader::new(&text).skip().is_some() && {
            let mut json = Reader::new(&text);
            json.skip().is_some() && json.is_at_end()
        };
        let strict = serde_json::from_str::<&serde_json::value::RawValue>(&text).is_ok();
        prop_assert_eq!(is_json, strict, "{}", text);
        prop_assert_eq!(Value::new(&*text) == Value::default(), !strict);
    }

    #[test]
    fn a_string_says_what_serde_json_says(text in ".{0,30}", escaped in r#"(\\[bfnrt"/\\]|\\u[0-9a-cA-C]{4}|\\ud83d\\udd0e|[a-zé]){0,9}"#) {
        for written in [json!(text).to_string(), format!("\"{escaped}\"")] {
            let expected: String = serde_json::from_str(&written).expect("a string");
            let mut json = Reader::new(&written);
            prop_assert_eq!(json.string().expect("a string").text(), expected);
            prop_assert!(json.is_at_end());
        }
    }
}

#[test]
fn an_integer_a_double_cannot_hold_becomes_its_decimal_string() {
    assert_eq!(through_the_wire("9007199254740993"), json!("9007199254740993"));
    assert_eq!(through_the_wire("9007199254740992"), json!(9_007_199_254_740_992_i64));
    assert_eq!(through_the_wire("18446744073709551615"), json!("18446744073709551615"));
    let huge = "123456789012345678901234567890123456789012345";
    assert_eq!(through_the_wire(huge), json!(huge));
    assert_eq!(through_the_wire(&format!("{:.0}", 1e300)), json!(1e300));
    assert_eq!(through_the_wire("1e400"), json!("1e400"));
}

#[test]
fn a_whole_double_is_written_as_an_integer() {
    let number = |double: f64| {
        let value = prost_types::Value { kind: Some(Kind::NumberValue(double)) }.encode_to_vec();
        serde_json::to_string(&Value::decode(&*value).expect("valid")).expect("JSON")
    };
    assert_eq!(number(1.0), "1");
    assert_eq!(number(-0.0), "0");
    assert_eq!(number(2.5), "2.5");
    assert_eq!(number(1e20), "100000000000000000000");
}

#[test]
fn nan_and_infinities_are_a_fault_wherever_they_stand() {
    for double in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let value = [&[0x11][..], &double.to_le_bytes()].concat();
        let entry = [field(2, &field(6, &field(1, &value))), field(2, &[])].concat();
        let object = Struct::decode(&*field(1, &entry)).expect("decodes");
        assert_eq!(object.checked(), Err(Fault::NotFinite));
    }
}

#[test]
fn what_python_writes_beyond_json_is_read_as_python_reads_it() {
    let written = "\u{feff}{\"a\": [NaN, -Infinity, Infinity], \"caf\\ud83d\": \"\\udd0e\\ud83d\\ud83d\\udd0e\"}";
    let expected = json!({ "a": ["NaN", "-Infinity", "Infinity"], "caf\u{fffd}": "\u{fffd}\u{fffd}🔎" });
    assert_eq!(through_the_wire(written), expected);
    for no_json in
        ["nan", "Nan", "+Infinity", "-NaN", "'a'", "01", "1.", ".5", "\"\t\"", "[1,]", "\u{feff}\u{feff}1", "1 1"]
    {
        assert_eq!(Value::new(no_json), Value::default(), "{no_json}");
    }
}

#[test]
fn of_two_attributes_with_one_name_the_last_one_counts() {
    assert_eq!(through_the_wire(r#"{"a": 1, "b": 2, "\u0061": [3]}"#), json!({ "a": [3], "b": 2 }));
}

#[test]
fn secrets_are_left_out_however_their_names_are_written() {
    let written = r#"{"user_tokens": 1, "k": [{"user_oidc\u005ftoken": {"k": 1}, "headers": 1}],
        "mcp\u005fservers": [{"url": "u", "api_key": "s", "more": {"headers": {}, "env_vars": 1}}], "access_token": 7}"#;
    let left = json!({ "k": [{ "headers": 1 }], "mcp_servers": [{ "url": "u", "more": {} }], "access_token": 7 });
    assert_eq!(through_the_wire(written), left);
    let deep = format!("{}{written}{}", "[".repeat(60), "]".repeat(60));
    let bytes = Value::new(&*deep).encode_to_vec();
    assert!(String::from_utf8_lossy(&bytes).contains("omitted"));
}

#[test]
fn what_is_too_deep_for_readers_becomes_its_json_text() {
    let deep = format!("{}1{}", r#"{"k":"#.repeat(200), "}".repeat(200));
    let bytes = Value::new(&*deep).encode_to_vec();
    prost_types::Value::decode(bytes.as_slice()).expect("within everybody's limit");
    assert!(String::from_utf8_lossy(&bytes).contains(r#"{"k":{"k":1}}"#));
}

#[test]
fn brackets_are_matched_at_any_depth() {
    let open: String = (0..1_000).map(|at| if at % 3 == 0 { "[" } else { r#"{"":"# }).collect();
    let close: String = (0..1_000).rev().map(|at| if at % 3 == 0 { ']' } else { '}' }).collect();
    let text = format!("{open}1{close}");
    assert_eq!(Reader::new(&text).skip(), Some(&*text));
    for at in [1, 63, 64, 65, 500, 999] {
        let mut wrong = close.clone().into_bytes();
        wrong[at] ^= b']' ^ b'}';
        let text = format!("{open}1{}", String::from_utf8(wrong).expect("ASCII"));
        assert_eq!(Reader::new(&text).skip(), None, "{at}");
    }
}

#[test]
fn nesting_is_capped_on_the_way_in_without_using_the_stack() {
    let nested = |depth: usize| {
        let bytes = (0..depth).fold(Vec::new(), |inner, _| field(6, &field(1, &inner)));
        Value::decode(bytes.as_slice()).expect("decodes").checked().err()
    };
    assert_eq!(nested(MAX_DEPTH), None);
    assert_eq!(nested(MAX_DEPTH + 1), Some(Fault::TooDeep));
    assert_eq!(nested(5_000), Some(Fault::TooDeep));
}
