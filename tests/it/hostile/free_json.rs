//! Free JSON in every shape that is small on the wire and large as a tree: it costs a few times its size, both ways.

use tonic::Code;

use super::{MB, Process, platform};
use crate::support::{
    direct::{Direct, frame},
    live::within,
    platform::{Platform, Reply},
    status::failure,
};

/// What lists are full of: from two bytes an element to containers inside containers.
const ELEMENTS: [&str; 10] =
    ["0", "null", "\"\"", "[]", "{}", "[0]", "[[]]", "{\"\":0}", "[[[[[[[[]]]]]]]]", "{\"a\":{\"a\":{\"a\":{}}}}"];

/// A list of so many bytes.
fn list(element: &str, size: usize) -> String {
    let count = size / (element.len() + 1);
    format!("[{}{element}]", [element, ","].concat().repeat(count - 1))
}

#[tokio::test]
async fn an_answer_of_any_shape_costs_at_most_three_times_its_size() {
    const SIZE: usize = 12 * MB;
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
            Ok(task) => prost::Message::encoded_len(&task),
            Err(status) => {
                assert_eq!(failure(Err::<(), _>(status)).reason, "RESPONSE_TOO_LARGE", "{element}");
                0
            }
        };
        let peak = process.peak();
        println!("{element} {key}: {} MB sent {} MB", peak / MB, sent / MB);
        assert!(peak < 3 * SIZE.max(sent) + 8 * MB, "{element}: {} MB for {} MB", peak / MB, sent / MB);
        process.is_well().await;
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

fn field(key: u8, bytes: &[u8]) -> Vec<u8> {
    let mut field = vec![key];
    prost::encoding::encode_varint(bytes.len() as u64, &mut field);
    [&field, bytes].concat()
}

/// Requests of 16 MB whose `output_schema` is full of the smallest values there are.
fn requests() -> Vec<(&'static str, Vec<u8>)> {
    const SIZE: usize = 16 * MB - 1024;
    let request = prost::Message::encode_to_vec(&crate::support::calls::invoke("agent-1"));
    let with = |name, schema: &[u8]| (name, [&request[..], &field(0x62, schema)].concat());
    let list = |value: &[u8]| field(0x0a, &[&b"\x0a\x01k"[..], &field(0x12, &field(0x32, value))].concat());
    let lists = VALUES.map(|(name, value)| with(name, &list(&value.repeat(SIZE / value.len()))));
    let huge = [&b"\x0a\x09\x11"[..], &1e300_f64.to_le_bytes()].concat();
    let keys = (0..SIZE / 16).map(|at| field(0x0a, &field(0x0a, format!("{at:012x}").as_bytes())));
    let mut keys: Vec<_> = keys.collect();
    fastrand::Rng::with_seed(7).shuffle(&mut keys);
    lists
        .into_iter()
        .chain([
            with("huge numbers", &list(&huge.repeat(SIZE / huge.len()))),
            with("a key again and again", &b"\x0a\x00".repeat(SIZE / 2)),
            with("two keys in turn", &b"\x0a\x00\x0a\x03\x0a\x01a".repeat(SIZE / 7)),
            with("keys in disorder", &keys.concat()),
            with("a list in pieces", &field(0x0a, &field(0x12, &b"\x32\x00".repeat(SIZE / 2)))),
            with("a value in pieces", &field(0x0a, &b"\x12\x00".repeat(SIZE / 2))),
        ])
        .collect()
}

#[tokio::test]
async fn a_request_of_any_shape_costs_at_most_three_times_its_size() {
    for (name, request) in requests() {
        let process = Process::before(
            Platform::with_agents(|request| match request.path.contains("/well/") {
                true => Reply::json(200, &crate::support::platform::task("well", "executing")),
                false => Reply::json(200, &crate::support::platform::task("task-1", "pending")),
            })
            .await,
        )
        .await;
        let mut caller = Direct::to(&process.serving.grpc).await;
        let status = within("an answer", caller.post("Invoke", &[], frame(&request))).await;
        let peak = process.peak();
        println!("{name}: {} MB, {:?} {}", peak / MB, status.code(), status.message());
        assert!(matches!(status.code(), Code::Ok | Code::InvalidArgument), "{name}: {status:?}");
        assert!(peak < 3 * request.len() + 8 * MB, "{name}: {} MB", peak / MB);
        process.is_well().await;
    }
}
