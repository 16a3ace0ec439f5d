//! What holds for any bytes: one property for each fuzz target, shared with the test that replays the corpora. Not the
//! tests of what good bytes become.

use std::{collections::BTreeMap, iter};

use prost::Message;
use serde_json::{Map, Value, value::RawValue};
use url::Url;
use xpander_grpc_proxy::{
    cli::proto_json::{from_json, to_json},
    platform::{
        Refusal,
        lists::elements::{Elements, Fault, Part},
        sse::{Decoder, Frame, Payload},
        wire,
    },
    proto::{
        Agent, EventType, GetTaskActivityResponse, InvokeRequest, ListTasksResponse, Task, TaskEvent,
        activity_entry::Entry, get_task_activity_response::Item, json, task_event::Data,
    },
    translate::{self, lists},
};

/// What no caller may see, as the seeds and the dictionary have it.
const SECRET: &str = "s3cret-t0ken";
/// Names of attributes that an auth event is relieved of, and of the user's secrets.
const TOKENS: [&str; 5] = ["access_token", "refresh_token", "id_token", "user_oidc_token", "user_tokens"];
const USERS: [&str; 2] = ["user_oidc_token", "user_tokens"];

/// However the bytes are cut, the same events come out, none larger than the cap, and no more is held than a line and an
/// event of that size. The first byte is the cap, the second says where to cut.
pub fn event_decoder(bytes: &[u8]) {
    let [cap, seed, stream @ ..] = bytes else { return };
    let cap = usize::from(*cap) + 1;
    let mut rest = stream;
    let mut step = usize::from(*seed);
    let pieces = iter::from_fn(|| {
        step = (step * 31 + 7) % 251;
        let (piece, after) = rest.split_at_checked(step % 19 + 1).unwrap_or((rest, &[]));
        rest = after;
        (!piece.is_empty()).then_some(piece)
    });
    let whole = decode(cap, iter::once(stream));
    assert_eq!(decode(cap, pieces), whole, "cut somewhere");
    assert_eq!(decode(cap, stream.chunks(1)), whole, "cut everywhere");
    for Frame { id, data, .. } in &whole.0 {
        assert!(id.as_ref().is_none_or(|id| id.len() <= 1024));
        if let Payload::Data(data) = data {
            assert!(data.len() <= cap && !data.contains(&b'\r'), "too large, or a line end inside a line");
        }
    }
}

fn decode<'a>(cap: usize, pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<Frame>, Option<std::time::Duration>) {
    let mut decoder = Decoder::new(cap);
    let mut frames = Vec::new();
    for piece in pieces {
        decoder.push(piece);
        frames.extend(iter::from_fn(|| decoder.next_frame()));
        assert!(decoder.held() <= cap + cap + 9 + 1024, "more is held than the cap");
    }
    (frames, decoder.retry())
}

/// An event is what any protobuf reader can read, as the bytes that were sent; it carries no token; and what is an
/// event to any JSON reader is one here.
pub fn event(data: &[u8]) {
    let Ok(event) = translate::event(Some("7".to_owned()), data, false) else {
        let plain = serde_json::from_slice::<Map<String, Value>>(data);
        let is_event = plain.is_ok_and(|fields| fields.get("type").is_some_and(Value::is_string));
        // Of a key that comes twice, either may count.
        assert!(!is_event || count(data, "type") > 1, "an event was skipped");
        return;
    };
    let written = event.encode_to_vec();
    goes_there_and_back::<TaskEvent>(&written);
    to_json(&event).expect("within every reader's depth, and nothing that JSON cannot say");
    let mut free = vec![event.extra.as_ref().map(json::Struct::fields)];
    let kind = event.r#type();
    match &event.data {
        Some(Data::Auth(auth)) => free.push(auth.data.as_ref().map(json::Struct::fields)),
        Some(Data::Other(other)) => free.push(other.json().as_object().cloned()),
        Some(Data::Task(task)) => free.push(task.other.as_ref().map(json::Struct::fields)),
        _ => {}
    }
    let names: &[&str] = if kind == EventType::AuthEvent { &TOKENS } else { &USERS };
    for fields in free.into_iter().flatten() {
        assert!(!has_key(&fields, names, !data.contains(&b'\\')), "a token's name is left");
    }
    if kind == EventType::AuthEvent
        && TOKENS.iter().map(|name| marked(data, name)).sum::<usize>() == count(data, SECRET)
    {
        assert_eq!(count(&written, SECRET), 0, "a token is left");
    }
}

/// A task is what any protobuf reader can read, without the user's secrets, and with every attribute of tomorrow.
pub fn task(data: &[u8]) {
    let Ok(task) = wire::read::<wire::Task>(data).map(Box::new) else {
        assert!(serde_json::from_slice::<Map<String, Value>>(data).is_err(), "an object was refused");
        return;
    };
    let task = translate::task(task);
    let written = task.encode_to_vec();
    goes_there_and_back::<Task>(&written);
    to_json(&*task).expect("within every reader's depth, and nothing that JSON cannot say");
    let other = task.other.as_ref().map(json::Struct::fields).unwrap_or_default();
    assert!(!has_key(&other, &USERS, !data.contains(&b'\\')), "a secret's name is left");
    let sent: Map<String, Value> = serde_json::from_slice(data).unwrap_or_default();
    // No attribute of this version begins with these.
    let unknown = |key: &&String| key.starts_with(['x', 'y', 'z', ' ', '"']) || key.is_empty();
    for key in sent.keys().filter(unknown) {
        assert!(other.contains_key(key), "an attribute disappeared: {key:?}");
    }
    let hidden = sent.get("user_oidc_token").is_some_and(|token| token == SECRET);
    if hidden && count(data, SECRET) == 1 {
        assert_eq!(count(&written, SECRET), 0, "a secret is left");
    }
}

/// What a caller is told of a refusal: short, one line, without tags and without the key. The first byte is the status.
pub fn refusal(bytes: &[u8]) {
    let [status, body @ ..] = bytes else { return };
    let refusal = Refusal::read(400 + u16::from(*status), body, None, SECRET);
    let message = refusal.to_string();
    assert!(!message.is_empty() && refusal.violations.len() <= 64);
    let violations = refusal.violations.iter().flat_map(|violation| [&violation.field, &violation.description]);
    for text in iter::once(&message).chain(violations) {
        assert!(text.len() <= 1024 && !text.contains(SECRET), "{text}");
        assert!(!text.chars().any(char::is_control), "{text:?}");
        let mut tags = text.match_indices('<').filter_map(|(at, _)| text[at + 1..].chars().next());
        assert!(!tags.any(|next| next.is_ascii_alphabetic() || "/!?".contains(next)), "a tag: {text}");
    }
    assert!(!refusal.is_gateway || refusal.detail.is_none(), "a gateway's page is shown");
}

/// Free JSON that a caller sent is shallow and finite or a fault, and is the same after another journey; on its way out
/// everybody can read it.
pub fn free_json(bytes: &[u8]) {
    if let Ok(value) = json::Value::decode(bytes) {
        let again = value.encode_to_vec();
        assert_eq!(again.len(), value.encoded_len());
        assert!(json::Value::decode(&*again).expect("our own bytes").json() == value.json());
        let out = json::Value::new(value.json().to_string()).encode_to_vec();
        prost_types::Value::decode(&*out).expect("within every reader's depth");
    }
    if let Ok(object) = json::Struct::decode(bytes) {
        let again = object.encode_to_vec();
        assert_eq!(again.len(), object.encoded_len());
        assert!(json::Struct::decode(&*again).expect("our own bytes").fields() == object.fields());
        if object.checked().is_ok() {
            let text = serde_json::to_string(&object).expect("JSON");
            let fields: Map<String, Value> = serde_json::from_str(&text).expect("JSON");
            assert!(fields.values().map(depth).max().unwrap_or_default() < json::MAX_DEPTH);
            // Theirs have a limit of depth.
            if let Ok(theirs) = prost_types::Struct::decode(bytes) {
                assert!(theirs.fields.keys().eq(fields.keys()), "other attributes than prost_types finds");
            }
        }
        let out = json::Struct::new(Value::Object(object.fields()).to_string()).encode_to_vec();
        prost_types::Struct::decode(&*out).expect("within every reader's depth");
    }
}

/// What passes the checks of a request can go where it is sent; what does not is told field by field.
pub fn request(bytes: &[u8]) {
    let Ok(request) = InvokeRequest::decode(bytes) else { return };
    match translate::invocation(&request, Some("agent-1")) {
        Ok(invocation) => {
            let ids = [Some(invocation.agent_id), invocation.existing.as_deref(), invocation.body.id];
            assert!(ids.into_iter().flatten().all(translate::is_id));
            let headers = [invocation.agent_version, invocation.request_id];
            assert!(headers.into_iter().flatten().all(|text| http::HeaderValue::from_str(text).is_ok()));
            assert_eq!(invocation.existing.is_some(), translate::names_a_task(&request.prompt));
            let body = serde_json::to_string(&invocation.body).expect("JSON");
            let keys: BTreeMap<String, &RawValue> = serde_json::from_str(&body).expect("an object");
            assert_eq!(keys.len(), 27, "every key is always sent");
        }
        Err(violations) => {
            assert!(!violations.is_empty());
            assert!(
                violations.iter().all(|violation| !violation.field.is_empty() && !violation.description.is_empty())
            );
        }
    }
}

/// An id stays where it is put in a path, and an event's id in its header.
pub fn names(bytes: &[u8]) {
    let text = &*String::from_utf8_lossy(bytes);
    if translate::is_id(text) {
        let url = Url::parse(&format!("https://platform/agents/{text}/x?y")).expect("a URL");
        assert_eq!(url.path_segments().expect("a path").collect::<Vec<_>>(), ["agents", text, "x"]);
        assert!(url.query() == Some("y") && text.len() <= 128);
    }
    match translate::event_id(text) {
        Ok(Some(value)) => assert_eq!(value.as_bytes(), text.as_bytes()),
        Ok(None) => assert!(text.is_empty()),
        Err(_) => assert!(text.len() > 1024 || text.chars().any(char::is_control), "{text:?}"),
    }
    assert!(!translate::request_field(text).is_empty() || text.is_empty());
}

/// JSON that is taken as a request is written and taken again as the same.
pub fn proto_json(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    let Ok(request) = from_json::<InvokeRequest>(text) else { return };
    let written = to_json(&request).expect("it was JSON");
    let again = from_json::<InvokeRequest>(&written).expect("its own JSON");
    assert_eq!(to_json(&again).expect("it was JSON"), written);
}

/// Reading and writing again changes nothing. (The sign of a zero is no number's in JSON.)
fn goes_there_and_back<M: Message + Default>(written: &[u8]) {
    let again = M::decode(written).expect("our own bytes").encode_to_vec();
    assert_eq!(again.len(), written.len());
    assert!(M::decode(&*again).expect("our own bytes").encode_to_vec() == again);
}

/// Whether an attribute has one of these names, at any depth. With `texts` also in free JSON that travels as its text,
/// being nested too deep: not to be told from any other text where the platform escaped a quote itself.
fn has_key(fields: &Map<String, Value>, names: &[&str], texts: bool) -> bool {
    fn inside(value: &Value, names: &[&str], texts: bool) -> bool {
        match value {
            Value::Object(fields) => has_key(fields, names, texts),
            Value::Array(items) => items.iter().any(|item| inside(item, names, texts)),
            Value::String(text) => texts && names.iter().any(|name| text.contains(&format!("\"{name}\":"))),
            _ => false,
        }
    }
    fields.iter().any(|(key, value)| names.contains(&&**key) || inside(value, names, texts))
}

/// How often the marker is the value of an attribute of this name: behind `{`, a comma or a space a quote opens a string
/// wherever the JSON is valid.
fn marked(data: &[u8], name: &str) -> usize {
    let places = ["{", ",", " "].map(|before| format!("{before}\"{name}\":\"{SECRET}"));
    places.iter().map(|place| count(data, place)).sum()
}

/// How many containers are inside each other.
fn depth(value: &Value) -> usize {
    match value {
        Value::Object(fields) => 1 + fields.values().map(depth).max().unwrap_or_default(),
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or_default(),
        _ => 0,
    }
}

fn count(data: &[u8], text: &str) -> usize {
    data.windows(text.len()).filter(|window| *window == text.as_bytes()).count()
}

/// However a list's bytes are cut, the same rows come out, none larger than the cap; each is what any protobuf reader can
/// read. What is a list to any JSON reader is one here. The first byte is the cap, the second says where to cut.
pub fn list(bytes: &[u8]) {
    for row in parts_of(None, bytes).into_iter().flatten() {
        let place = lists::place(&mut json::Reader::new(&row));
        let plain: Option<Map<String, Value>> = serde_json::from_str(&row).ok();
        let has_id = plain.is_some_and(|row| {
            let id = row.get("id").and_then(Value::as_str);
            id.is_some_and(|id| (1..=256).contains(&id.len()))
        });
        assert!(place.is_some() || !has_id || count(row.as_bytes(), "id") > 1, "a row was refused");
        for with_results in [false, true] {
            let tasks = lists::summary(&mut json::Reader::new(&row), with_results).into_iter().collect();
            let answer = ListTasksResponse { tasks, next_page_token: String::new() };
            goes_there_and_back::<ListTasksResponse>(&answer.encode_to_vec());
            to_json(&answer).expect("within every reader's depth, and nothing that JSON cannot say");
        }
        if let Some(agent) = lists::agent(&mut json::Reader::new(&row)) {
            goes_there_and_back::<Agent>(&agent.encode_to_vec());
        }
    }
}

/// The same for an activity log, whose entries carry no token.
pub fn activity(bytes: &[u8]) {
    for json in parts_of(Some("messages"), bytes).into_iter().flatten() {
        let Some(entry) = lists::entry(&json, false) else {
            assert!(serde_json::from_str::<&RawValue>(&json).is_err(), "an entry was refused");
            continue;
        };
        let auth = match &entry.entry {
            Some(Entry::Auth(auth)) => Some(auth.data.as_ref().map(json::Struct::fields).unwrap_or_default()),
            _ => None,
        };
        if let Some(data) = auth {
            assert!(!has_key(&data, &TOKENS, !json.contains('\\')), "a token's name is left");
        }
        let answer = GetTaskActivityResponse { item: Some(Item::Entry(Box::new(entry))) };
        goes_there_and_back::<GetTaskActivityResponse>(&answer.encode_to_vec());
        to_json(&answer).expect("within every reader's depth, and nothing that JSON cannot say");
    }
}

/// The elements of a list, which are the same however its bytes are cut.
fn parts_of(within: Option<&'static str>, bytes: &[u8]) -> Option<Vec<String>> {
    let [cap, seed, list @ ..] = bytes else { return None };
    let cap = usize::from(*cap) * 4 + 1;
    let (mut rest, mut step) = (list, usize::from(*seed));
    let pieces = iter::from_fn(|| {
        step = (step * 31 + 7) % 251;
        let (piece, after) = rest.split_at_checked(step % 19 + 1).unwrap_or((rest, &[]));
        rest = after;
        (!piece.is_empty()).then_some(piece)
    });
    let (parts, end) = taken(within, cap, iter::once(list));
    assert_eq!(taken(within, cap, pieces), (parts.clone(), end), "cut somewhere");
    assert_eq!(taken(within, cap, list.chunks(1)), (parts.clone(), end), "cut everywhere");
    if within.is_none() {
        for size in [list.len().max(1), usize::from(*seed) + 1, 1] {
            let read = read(cap, list.chunks(size));
            assert_eq!(read.is_some(), end.is_ok() && parts.iter().all(|part| is_json(part)), "by {size} bytes");
            // A byte order mark is none of what is read.
            let plain = parts.iter().map(|part| part.strip_prefix('\u{feff}').unwrap_or(part));
            assert!(read.is_none_or(|read| read.iter().eq(plain)), "other rows, by {size} bytes");
        }
    }
    if within.is_none() && list.len() <= cap {
        let plain: Option<Vec<Box<RawValue>>> = serde_json::from_slice(list).ok();
        assert!(plain.is_none_or(|plain| end.is_ok() && plain.len() == parts.len()), "a list was refused");
    }
    Some(parts)
}

fn taken<'a>(
    within: Option<&'static str>,
    cap: usize,
    pieces: impl Iterator<Item = &'a [u8]>,
) -> (Vec<String>, Result<(), Fault>) {
    let (mut elements, mut parts) = (Elements::new(within, cap), Vec::new());
    for piece in pieces {
        elements.push(piece);
        loop {
            match elements.next_part() {
                Ok(Some(Part::Element(element))) => parts.push(element.into_owned()),
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(fault) => return (parts, Err(fault)),
            }
        }
        assert!(elements.size() <= cap + piece.len(), "more is held than the cap");
    }
    let end = elements.end();
    (parts, end)
}

fn is_json(text: &str) -> bool {
    let mut json = json::Reader::new(text);
    json.skip().is_some() && json.is_at_end()
}

/// The elements of a list, each read where it stands; None where it is none, or one of them no JSON.
fn read<'a>(cap: usize, pieces: impl Iterator<Item = &'a [u8]>) -> Option<Vec<String>> {
    let (mut elements, mut parts) = (Elements::new(None, cap), Vec::new());
    for piece in pieces {
        elements.push(piece);
        let all = elements.read(|json| {
            parts.push(json.skip().ok_or("no JSON")?.to_owned());
            Ok(())
        });
        all.ok()?;
    }
    elements.end().ok().map(|()| parts)
}
