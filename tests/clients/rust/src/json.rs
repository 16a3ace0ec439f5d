//! Free JSON as protobuf's `Struct` and back, for which prost-types has the parts only.

use prost_types::{ListValue, Struct, Value, value::Kind};
use serde_json::{Value as Json, json};

/// The fields of a JSON object; nothing of any other value.
pub fn object(json: Json) -> Struct {
    let Json::Object(fields) = json else { return Struct::default() };
    Struct { fields: fields.into_iter().map(|(name, field)| (name, value(field))).collect() }
}

fn value(json: Json) -> Value {
    let kind = match json {
        Json::Null => Kind::NullValue(0),
        Json::Bool(is) => Kind::BoolValue(is),
        Json::Number(number) => Kind::NumberValue(number.as_f64().unwrap_or(f64::NAN)),
        Json::String(text) => Kind::StringValue(text),
        Json::Array(items) => Kind::ListValue(ListValue { values: items.into_iter().map(value).collect() }),
        json @ Json::Object(_) => Kind::StructValue(object(json)),
    };
    Value { kind: Some(kind) }
}

/// The value of a field as JSON; null where there is none.
pub fn field(object: Option<&Struct>, name: &str) -> Json {
    object.and_then(|object| object.fields.get(name)).map_or(Json::Null, to_json)
}

pub fn to_json(value: &Value) -> Json {
    match &value.kind {
        None | Some(Kind::NullValue(_)) => Json::Null,
        Some(Kind::BoolValue(is)) => json!(is),
        Some(Kind::NumberValue(number)) => json!(number),
        Some(Kind::StringValue(text)) => json!(text),
        Some(Kind::ListValue(list)) => list.values.iter().map(to_json).collect(),
        Some(Kind::StructValue(object)) => {
            object.fields.iter().map(|(name, field)| (name.clone(), to_json(field))).collect()
        }
    }
}
