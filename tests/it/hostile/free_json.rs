//! Free JSON in every shape that is small on the wire and large as a tree: it costs a few times its size, both ways.

use prost::Message as _;
use tonic::Code;

use std::iter;

use super::{MB, Process, end, made, platform, requests::zipped};
use crate::support::{
    calls::invoke,
    direct::{Direct, frame},
    live::{Followed, result},
    platform::{Platform, Reply, task},
    status::failure,
};
use futures_util::future::join_all;

/// What a process takes beside the messages, whatever they are.
const BESIDE: usize = 16 * MB;

/// What lists of the platform's are full of: from two bytes an element to containers inside containers.
const ELEMENTS: [&str; 10] =
    ["0", "null", "\"\"", "[]", "{}", "[0]", "[[]]", "{\"\":0}", "[[[[[[[[]]]]]]]]", "{\"a\":{\"a\":{\"a\":{}}}}"];

/// A list of so many bytes.
fn list(element: &str, size: usize) -> String {
    let count = size / (element.len() + 1);
    format!("[{}{element}]", [element, ","].concat().repeat(count - 1))
}

#[tokio::test]
async fn an_answer_of_any_shape_costs_at_most_three_times_its_size() {
    const SIZE: usize = 6 * MB;
    for (at, element) in ELEMENTS.into_iter().enumerate() {
        let key = ["mood", "payload_extension"][at % 2];
        let value = list(element, SIZE);
        let answer = match key {
            "mood" => format!("{{\"id\": \"task-2\", \"mood\": {value}}}"),
            _ => format!("{{\"id\": \"task-2\", \"payload_extension\": {{\"k\": {value}}}}}"),
        };
        let answers = move || Reply::text(200, "application/json", &answer);
        let process = Process::before(platform(|| Reply::Silence, answers).await).await;
        let sent = match process.get("task-2").await {
            Ok(task) => task.encoded_len(),
            Err(status) => {
                assert_eq!(failure(Err::<(), _>(status)).reason, "RESPONSE_TOO_LARGE", "{element}");
                0
            }
        };
        let peak = process.peak();
        assert!(peak < 3 * SIZE.max(sent) + BESIDE, "{element}: {} MB for {} MB", peak / MB, sent / MB);
        process.is_well().await;
    }
}

/// Lists whose elements have a type, which is larger than their text: where in a task they stand.
const LISTS: [(&str, &str); 9] = [
    (r#""used_tools": LIST"#, "\"\""),
    (r#""used_tools": [], "sub_executions": LIST"#, "\"a\""),
    (r#""mcp_servers": LIST"#, "{}"),
    (r#""mcp_servers": LIST"#, r#"{"a":1}"#),
    (r#""mcp_servers": LIST"#, r#"{"allowed_tools":["",""]}"#),
    (r#""deep_planning": {"tasks": LIST}"#, "{}"),
    (r#""input": {"files": LIST}"#, "\"\""),
    (r#""input": {"attachments": LIST}"#, "{}"),
    (r#""result": "LIST""#, "\u{80}"),
];

/// None of it is lost: what has too many elements for its type stands in `other`.
#[tokio::test]
async fn a_list_of_any_type_costs_at_most_three_times_its_size() {
    const SIZE: usize = 3 * MB;
    for (attribute, element) in LISTS {
        // What is no text costs its characters.
        let list = if element == "\u{80}" { "\u{80}".repeat(SIZE / 2) } else { list(element, SIZE) };
        let text = format!(r#"{{"id": "task-2", {}}}"#, attribute.replace("LIST", &list));
        let bytes: Vec<u8> = text.into_bytes().into_iter().filter(|byte| *byte != 0xc2).collect();
        let answers = move || Reply::Http(200, Vec::new(), bytes.clone());
        let process = Process::before(platform(|| Reply::Silence, answers).await).await;
        let task = process.get("task-2").await.expect("a task");
        let (sent, peak) = (task.encoded_len(), process.peak());
        assert!(peak < 3 * SIZE.max(sent) + BESIDE, "{attribute}: {} MB for {} MB", peak / MB, sent / MB);
        let other = task.other.as_ref().map_or(0, |other| other.encoded_len());
        assert!(other > SIZE / 2 || attribute.contains("result"), "{attribute}: {other} bytes in other");
    }
}

/// Lists that have a type of their own, of elements that take many times their text in memory: they are kept as text.
#[tokio::test]
async fn an_answer_of_typed_lists_costs_at_most_three_times_its_size_and_loses_nothing() {
    const SIZE: usize = 6 * MB;
    for (name, element) in [("mcp_servers", "{}"), ("used_tools", "\"\""), ("sub_executions", "\"abcdefghijkl\"")] {
        let answer = format!("{{\"id\": \"task-2\", \"title\": \"T\", \"{name}\": {}}}", list(element, SIZE));
        let answers = move || Reply::text(200, "application/json", &answer);
        let process = Process::before(platform(|| Reply::Silence, answers).await).await;
        let sent = match process.get("task-2").await {
            Ok(task) => {
                assert_eq!(task.title.as_deref(), Some("T"));
                assert!(task.other.as_ref().is_some_and(|other| other.encoded_len() > SIZE / 3), "{name}");
                task.encoded_len()
            }
            Err(status) => {
                assert_eq!(failure(Err::<(), _>(status)).reason, "RESPONSE_TOO_LARGE", "{name}");
                0
            }
        };
        let peak = process.peak();
        assert!(peak < 3 * SIZE.max(sent) + BESIDE, "{name}: {} MB for {} MB", peak / MB, sent / MB);
    }
    // The longest lists that are used keep their type.
    let names: Vec<_> = (0..20_000).map(|at| at.to_string()).collect();
    let mut long = task("task-2", "executing");
    long["used_tools"] = names.clone().into();
    let process = Process::before(platform(|| Reply::Silence, move || Reply::json(200, &long)).await).await;
    let task = process.get("task-2").await.expect("a task");
    assert_eq!((task.used_tools, task.other), (names, None));
}

#[tokio::test]
async fn an_event_of_any_shape_costs_at_most_three_times_its_size() {
    const SIZE: usize = 3 * MB;
    for element in ELEMENTS {
        let event = format!("data: {{\"type\": \"brand_new\", \"data\": {}}}\n\n", list(element, SIZE)).into_bytes();
        let stream = move || made(iter::once(event.clone()).chain([end()]));
        let process = Process::before(platform(stream, || Reply::Silence).await).await;
        let mut followed = Followed::begin(&mut process.client()).await;
        let sent = followed.next().await.encoded_len();
        assert_eq!(result(&followed.next().await), "done");
        let peak = process.peak();
        assert!(peak < 3 * SIZE.max(sent) + BESIDE, "{element}: {} MB for {} MB", peak / MB, sent / MB);
    }
}

/// What lists are full of on the way in: Values, as fields of a `ListValue`.
const VALUES: [(&str, &[u8]); 6] = [
    ("empty", b"\x0a\x00"),
    ("null", b"\x0a\x02\x08\x00"),
    ("zero", b"\x0a\x09\x11\0\0\0\0\0\0\0\0"),
    ("text", b"\x0a\x02\x1a\x00"),
    ("list", b"\x0a\x02\x32\x00"),
    ("objects", b"\x0a\x08\x2a\x06\x0a\x04\x12\x02\x2a\x00"),
];

pub fn field(key: u8, bytes: &[u8]) -> Vec<u8> {
    let mut field = vec![key];
    prost::encoding::encode_varint(bytes.len() as u64, &mut field);
    [&field, bytes].concat()
}

/// The largest request that is taken.
const LARGEST: usize = 16 * MB - 1024;

/// Requests of about this size whose `output_schema` is full of the smallest values there are.
fn requests(size: usize) -> Vec<(&'static str, Vec<u8>)> {
    let request = invoke("agent-1").encode_to_vec();
    let with = |name, schema: &[u8]| (name, [&request[..], &field(0x62, schema)].concat());
    let list = |value: &[u8], size| {
        let list = field(0x32, &value.repeat(size / value.len()));
        field(0x0a, &[&b"\x0a\x01k"[..], &field(0x12, &list)].concat())
    };
    let huge = [&b"\x0a\x09\x11"[..], &1e300_f64.to_le_bytes()].concat();
    let disorder =
        (0..2 * MB / 16).map(|at| field(0x0a, &field(0x0a, format!("{:012x}", at * 7_919 % 99_991).as_bytes())));
    let mut requests: Vec<_> = VALUES.map(|(name, value)| with(name, &list(value, size))).into();
    requests.extend([
        with("huge numbers", &list(&huge, size)),
        with("one key", &b"\x0a\x00".repeat(size / 2)),
        with("two keys in turn", &b"\x0a\x00\x0a\x03\x0a\x01a".repeat(2 * MB / 7)),
        with("keys in disorder", &disorder.collect::<Vec<_>>().concat()),
        with("a list in pieces", &field(0x0a, &field(0x12, &b"\x32\x00".repeat(size / 2)))),
        with("a value in pieces", &field(0x0a, &b"\x12\x00".repeat(size / 2))),
    ]);
    requests
}

/// The binary before a platform that makes a task of every request. With one thread, so that what has come of a request
/// is taken however busy the machine is, and an allocator that gives back at once what was let go: neither what waits in
/// the connection's window nor what is given back late is a matter of shapes.
async fn creating(environment: &[(&str, &str)]) -> Process {
    let platform = Platform::with_agents(|request| match request.path.contains("/well/") {
        true => Reply::json(200, &task("well", "executing")),
        false => Reply::json(200, &task("task-1", "pending")),
    });
    let measured = [("TOKIO_WORKER_THREADS", "1"), ("MIMALLOC_PURGE_DELAY", "0")];
    Process::with(platform.await, &[environment, &measured].concat()).await
}

#[tokio::test]
async fn four_requests_that_are_small_until_they_are_unpacked_cost_no_more_than_their_size() {
    let (_, request) = requests(LARGEST).remove(0);
    // Room for all of them: what is bounded here is what one costs.
    let process = creating(&[("XPANDER_PROXY_SERVER__MAX_RECEIVING_BYTES", "268435456")]).await;
    let zipped = zipped(&request);
    assert!(zipped.len() < MB / 10);
    let caller = Direct::to(&process.serving.grpc).await;
    let calls = iter::repeat_with(|| (caller.clone(), zipped.clone())).take(4);
    join_all(calls.map(async |(mut caller, zipped)| {
        let status = caller.post("Invoke", &[("grpc-encoding", "gzip")], zipped).await;
        assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    }))
    .await;
    assert!(process.peak() < 4 * 3 * request.len() + BESIDE, "{} MB", process.peak() / MB);
}

#[tokio::test]
async fn a_request_of_any_shape_costs_at_most_three_times_its_size() {
    // The first at the largest size that is taken, all at what takes a test no time.
    for (name, request) in requests(LARGEST).into_iter().take(1).chain(requests(4 * MB)) {
        let process = creating(&[]).await;
        let mut caller = Direct::to(&process.serving.grpc).await;
        let status = caller.post("Invoke", &[], frame(&request)).await;
        let peak = process.peak();
        if status.code() != Code::Ok {
            let failure = failure(Err::<(), _>(status));
            assert_eq!((failure.code, &failure.fields[..]), (Code::InvalidArgument, &["output_schema".to_owned()][..]));
            assert!(failure.message.contains("larger than"), "{name}: {failure:?}");
        }
        assert!(peak < 3 * request.len() + BESIDE, "{name}: {} MB", peak / MB);
        process.is_well().await;
    }
}
