//! Free JSON: `google.protobuf.Struct` and `Value`, held as the JSON they stand for.
//!
//! Not `prost_types`' own: those cost a second tree for every value and can only be decoded without a depth limit or
//! with one (prost's 100 levels, about 33 objects) that ends in an error naming no field. These decode straight into
//! JSON and keep what is wrong with a caller's value as a [`Fault`] beside it, for the validation to report.

mod wire;

use std::{fmt, str::FromStr};

use serde_json::{Map, Number, Value as Json};

/// How deep a caller's free JSON may be nested, in containers; the Struct itself is the first.
pub const MAX_DEPTH: usize = 64;

/// How many levels of protobuf messages free JSON may take on its way out. Most protobuf readers refuse a message
/// nested deeper than 100; what stands above the free JSON takes up to eight of them.
const MAX_LEVELS: usize = 90;
/// Levels an object takes: Struct, map entry, Value.
const OBJECT_LEVELS: usize = 3;
/// Levels a list takes: `ListValue`, Value.
const LIST_LEVELS: usize = 2;

/// Every whole number up to here is a double's own: 2^53.
const EXACT: u64 = 1 << 53;

/// A `google.protobuf.Struct`.
#[derive(Clone, PartialEq, Default)]
pub struct Struct {
    fields: Map<String, Json>,
    fault: Option<Fault>,
}

/// A `google.protobuf.Value`.
#[derive(Clone, PartialEq, Default)]
pub struct Value {
    json: Json,
    fault: Option<Fault>,
}

/// What is wrong with free JSON that a caller sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Fault {
    /// Nested deeper than [`MAX_DEPTH`]; what is deeper was dropped.
    #[error("is nested deeper than {MAX_DEPTH} levels")]
    TooDeep,
    /// NaN or an infinity, which JSON cannot say; replaced by null.
    #[error("holds NaN or an infinity, which JSON cannot express")]
    NotFinite,
}

impl Struct {
    /// Makes an object fit for the wire; see [`Value::new`].
    #[must_use]
    pub fn new(mut fields: Map<String, Json>) -> Self {
        for value in fields.values_mut() {
            fit(value, MAX_LEVELS - OBJECT_LEVELS);
        }
        Self { fields, fault: None }
    }

    /// The object, or what is wrong with it.
    ///
    /// # Errors
    /// The first [`Fault`] met while it was decoded.
    pub fn checked(&self) -> Result<&Map<String, Json>, Fault> {
        self.fault.map_or(Ok(&self.fields), Err)
    }

    /// The object as far as it could be decoded.
    #[must_use]
    pub fn fields(&self) -> &Map<String, Json> {
        &self.fields
    }
}

impl Value {
    /// Makes JSON fit for the wire: an integer that a double cannot hold exactly becomes its decimal string, as proto3
    /// JSON writes an int64; what is nested too deep for protobuf readers becomes its JSON text.
    #[must_use]
    pub fn new(mut json: Json) -> Self {
        fit(&mut json, MAX_LEVELS);
        Self { json, fault: None }
    }

    /// The value as far as it could be decoded.
    #[must_use]
    pub fn json(&self) -> &Json {
        &self.json
    }
}

/// Sizes only: free JSON holds prompts, results and tokens.
impl fmt::Debug for Struct {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Struct({} fields)", self.fields.len())
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Value(…)")
    }
}

fn fit(value: &mut Json, levels: usize) {
    match value {
        Json::Number(number) if !is_exact(number) => *value = Json::String(number.to_string()),
        Json::Array(items) => match levels.checked_sub(LIST_LEVELS) {
            Some(levels) => items.iter_mut().for_each(|item| fit(item, levels)),
            None => *value = Json::String(value.to_string()),
        },
        Json::Object(fields) => match levels.checked_sub(OBJECT_LEVELS) {
            Some(levels) => fields.values_mut().for_each(|field| fit(field, levels)),
            None => *value = Json::String(value.to_string()),
        },
        _ => {}
    }
}

/// Whether a double says what the number says: always for a number with a fraction or an exponent, unless it is beyond
/// a double's range.
fn is_exact(number: &Number) -> bool {
    if let Some(small) = number.as_i64() {
        return small.unsigned_abs() <= EXACT || is_exact_integer(i128::from(small));
    }
    let text = number.as_str();
    if text.contains(['.', 'e', 'E']) {
        return number.as_f64().is_some_and(f64::is_finite);
    }
    // Beyond the integers of this language a double's own digits tell.
    text.parse().map_or_else(|_| number.as_f64().is_some_and(|double| format!("{double:.0}") == text), is_exact_integer)
}

#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "the loss is what is asked for")]
fn is_exact_integer(integer: i128) -> bool {
    (integer as f64) as i128 == integer && integer != i128::MAX
}

/// A caller's number as JSON: a whole one as an integer (`1`, not `1.0`); none for NaN and the infinities.
#[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "the range is checked first")]
fn inward(double: f64) -> Option<Number> {
    if !double.is_finite() {
        return None;
    }
    if double.fract() != 0.0 {
        return Number::from_f64(double);
    }
    if double.abs() <= EXACT as f64 {
        return Some(Number::from(double as i64));
    }
    // Display writes a double's digits without an exponent.
    Number::from_str(&format!("{double:.0}")).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use prost::Message as _;
    use serde_json::json;

    use super::*;

    fn through_the_wire(json: Json) -> Json {
        let bytes = Value::new(json).encode_to_vec();
        Value::decode(bytes.as_slice()).expect("our own bytes").json
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
                prop::collection::vec(inner.clone(), 0..8).prop_map(Json::from),
                prop::collection::btree_map(".*", inner, 0..8)
                    .prop_map(|fields| Json::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn free_json_goes_there_and_back(json in any_json()) {
            prop_assert_eq!(through_the_wire(json.clone()), json);
        }

        #[test]
        fn every_integer_arrives_as_itself_or_as_its_decimal_string(integer in any::<i128>()) {
            let text = integer.to_string();
            let sent: Json = serde_json::from_str(&text).expect("an integer is JSON");
            match through_the_wire(sent) {
                Json::String(decimal) => prop_assert_eq!(decimal, text),
                Json::Number(number) => prop_assert_eq!(number.to_string(), text),
                other => prop_assert!(false, "{other}"),
            }
        }

        #[test]
        fn the_same_bytes_as_prost_types(json in any_json()) {
            let ours = Value::new(json).encode_to_vec();
            let theirs = prost_types::Value::decode(ours.as_slice()).expect("valid for everybody");
            prop_assert_eq!(Value::decode(theirs.encode_to_vec().as_slice()).expect("valid for us").encode_to_vec().len(), ours.len());
        }
    }

    #[test]
    fn an_integer_a_double_cannot_hold_becomes_its_decimal_string() {
        assert_eq!(through_the_wire(json!(9_007_199_254_740_993_i64)), json!("9007199254740993"));
        assert_eq!(through_the_wire(json!(9_007_199_254_740_992_i64)), json!(9_007_199_254_740_992_i64));
        assert_eq!(through_the_wire(json!(u64::MAX)), json!("18446744073709551615"));
        let huge: Json = serde_json::from_str("123456789012345678901234567890123456789012345").expect("JSON");
        assert_eq!(through_the_wire(huge), json!("123456789012345678901234567890123456789012345"));
        let exact: Json = serde_json::from_str(&format!("{:.0}", 1e300)).expect("JSON");
        assert_eq!(through_the_wire(exact.clone()), exact);
    }

    #[test]
    fn a_whole_double_is_written_as_an_integer() {
        let number = |double| inward(double).expect("finite").to_string();
        assert_eq!(number(1.0), "1");
        assert_eq!(number(-0.0), "0");
        assert_eq!(number(2.5), "2.5");
        assert_eq!(number(1e20), "100000000000000000000");
        assert!(inward(f64::NAN).is_none());
    }

    #[test]
    fn what_is_too_deep_for_readers_becomes_its_json_text() {
        let deep = (0..200).fold(json!(1), |inner, _| json!({ "k": inner }));
        let bytes = Value::new(deep).encode_to_vec();
        prost_types::Value::decode(bytes.as_slice()).expect("within everybody's limit");
    }

    #[test]
    fn nesting_is_capped_on_the_way_in_without_using_the_stack() {
        let nested = |depth: usize| {
            let mut bytes = Vec::new();
            for _ in 0..depth {
                let mut outer = vec![0x32];
                let mut list = vec![0x0a];
                prost::encoding::encode_varint(bytes.len() as u64, &mut list);
                list.extend(&bytes);
                prost::encoding::encode_varint(list.len() as u64, &mut outer);
                outer.extend(list);
                bytes = outer;
            }
            Value::decode(bytes.as_slice()).expect("decodes").fault
        };
        assert_eq!(nested(MAX_DEPTH), None);
        assert_eq!(nested(MAX_DEPTH + 1), Some(Fault::TooDeep));
        assert_eq!(nested(5_000), Some(Fault::TooDeep));
    }
}
