//! Requests that are wrong below the fields: bytes that are no message, bombs, and metadata that says nothing.

use prost::{Message, encoding::encode_varint};
use prost_types::{Struct, Value, value::Kind};
use tonic::{Code, Request, codec::CompressionEncoding};
use xpander_grpc_proxy::proto::{InvokeRequest, McpServer, User};

use crate::support::{
    calls::invoke,
    direct::{Direct, frame},
    platform::{Platform, Reply, task},
    proxy::Proxy,
    status::{Failure, failure},
};

async fn start() -> (Platform, Proxy, Direct) {
    let platform = Platform::with_agents(|_| Reply::json(200, &task("task-1", "pending"))).await;
    let proxy = Proxy::start(&platform.base_url()).await;
    let direct = Direct::connect(&proxy).await;
    (platform, proxy, direct)
}

/// A field that holds bytes.
fn field(number: u64, bytes: &[u8]) -> Vec<u8> {
    let mut field = Vec::new();
    encode_varint(number << 3 | 2, &mut field);
    encode_varint(bytes.len() as u64, &mut field);
    field.extend(bytes);
    field
}

/// Every place of a request that takes free JSON, with the request that has this there.
fn places(object: &[u8]) -> [(&'static str, Vec<u8>); 6] {
    let request = invoke("agent-1").encode_to_vec();
    let with = |number, bytes: &[u8]| [&request[..], &field(number, bytes)].concat();
    let user = User { email: "ada@example.com".into(), ..User::default() }.encode_to_vec();
    let server = McpServer { url: Some("https://x/mcp".into()), ..McpServer::default() }.encode_to_vec();
    [
        ("tool_call_payload_extension", with(7, object)),
        ("output_schema", with(12, object)),
        ("user_tokens", with(32, object)),
        ("user_details.additional_attributes", with(5, &[user, field(5, object)].concat())),
        ("mcp_servers[0].headers", with(29, &[&server[..], &field(12, object)].concat())),
        ("mcp_servers[0].env_vars", with(29, &[&server[..], &field(13, object)].concat())),
    ]
}

async fn invoke_bytes(direct: &mut Direct, message: &[u8]) -> Failure {
    failure(Err::<(), _>(direct.post("Invoke", &[], frame(message)).await))
}

#[tokio::test]
async fn nan_and_the_infinities_are_refused_where_they_stand() {
    let (platform, _proxy, mut direct) = start().await;
    for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let value = Value { kind: Some(Kind::NumberValue(number)) };
        let list = Value { kind: Some(Kind::ListValue(prost_types::ListValue { values: vec![value.clone()] })) };
        for value in [value, list] {
            let object = Struct { fields: [("k".to_owned(), value)].into() }.encode_to_vec();
            for (place, request) in places(&object) {
                let failure = invoke_bytes(&mut direct, &request).await;
                assert_eq!((failure.code, failure.fields), (Code::InvalidArgument, vec![place.to_owned()]), "{number}");
                assert_eq!(failure.facts["outcome"], "not_created");
            }
        }
    }
    assert!(platform.seen().is_empty(), "{:?}", platform.paths());
}

/// A Struct of so many objects, each inside the one before. Built from the inside out and so backwards: a copy for each
/// level would take forever.
fn nested(levels: usize) -> Vec<u8> {
    fn put(backwards: &mut Vec<u8>, head: &[u8]) {
        let mut length = Vec::new();
        encode_varint(backwards.len() as u64, &mut length);
        backwards.extend(head.iter().copied().chain(length).rev());
    }
    let mut backwards = Vec::new();
    for _ in 1..levels {
        put(&mut backwards, &[0x2a]);
        put(&mut backwards, &[0x0a, 1, b'k', 0x12]);
        put(&mut backwards, &[0x0a]);
    }
    backwards.reverse();
    backwards
}

#[tokio::test]
async fn free_json_nested_deeper_than_64_is_refused_where_it_stands() {
    let (platform, _proxy, mut direct) = start().await;
    for levels in [65, 66, 200, 100_000] {
        for (place, request) in places(&nested(levels)) {
            let failure = invoke_bytes(&mut direct, &request).await;
            let expected = (Code::InvalidArgument, vec![place.to_owned()]);
            assert_eq!((failure.code, failure.fields), expected, "{levels} levels: {}", failure.message);
        }
    }
    assert!(platform.seen().is_empty(), "{:?}", platform.paths());
}

#[tokio::test]
async fn free_json_of_64_levels_arrives() {
    let (platform, _proxy, mut direct) = start().await;
    for (place, request) in places(&nested(64)) {
        let status = direct.post("Invoke", &[], frame(&request)).await;
        assert_eq!(status.code(), Code::Ok, "{place}: {status:?}");
    }
    let creates: Vec<_> = platform.seen().into_iter().filter(|request| request.method == "POST").collect();
    assert_eq!(creates.len(), 6);
    for create in creates {
        let depth = create.body.to_string().matches(r#"{"k":"#).count();
        assert_eq!(depth, 63, "the innermost object is empty: {}", create.body);
    }
}

/// A group that is opened so often and never closed.
fn groups(levels: usize) -> Vec<u8> {
    [0xa3, 0x06].repeat(levels)
}

/// Bytes that are no `InvokeRequest`.
fn no_messages() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("noise", vec![0xff; 40]),
        ("a length beyond the end", vec![0x0a, 0x7f, b'a']),
        ("text that is no UTF-8", field(2, &[0xc3, 0x28])),
        ("a number where a text belongs", vec![0x08, 1]),
        ("groups in groups", groups(100_000)),
        ("groups in free JSON", field(7, &groups(100_000))),
        ("free JSON that is noise", field(7, &[0xff; 40])),
        ("field zero", vec![0x00, 0x00]),
    ]
}

#[tokio::test]
async fn bytes_that_are_no_message_are_refused() {
    let (platform, _proxy, mut direct) = start().await;
    for (name, bytes) in no_messages() {
        let failure = invoke_bytes(&mut direct, &bytes).await;
        assert_eq!((failure.code, &*failure.reason), (Code::InvalidArgument, "REQUEST_UNREADABLE"), "{name}");
    }
    assert!(platform.seen().is_empty(), "{:?}", platform.paths());
}

/// Bodies that are no frame with a message, with the header that names their compression.
fn no_frames() -> Vec<(&'static str, Option<&'static str>, Vec<u8>)> {
    let whole = frame(&invoke("agent-1").encode_to_vec());
    let flagged = |flag: u8, body: &[u8]| [&[flag], &body[1..]].concat();
    vec![
        ("no message", None, Vec::new()),
        ("half a head", None, whole[..3].to_vec()),
        ("half a message", None, whole[..whole.len() - 4].to_vec()),
        ("compressed by nothing", None, flagged(1, &whole)),
        ("a flag of tomorrow", None, flagged(7, &whole)),
        ("no gzip", Some("gzip"), flagged(1, &whole)),
        ("no zstd", Some("zstd"), flagged(1, &whole)),
        ("an encoding of tomorrow", Some("brotli"), flagged(1, &whole)),
    ]
}

#[tokio::test]
async fn bodies_that_are_no_frame_are_refused_with_details() {
    let (platform, _proxy, mut direct) = start().await;
    let mut bare = Vec::new();
    for (name, encoding, body) in no_frames() {
        let headers: Vec<_> = encoding.map(|encoding| ("grpc-encoding", encoding)).into_iter().collect();
        let status = direct.post("Invoke", &headers, body).await;
        assert!(matches!(status.code(), Code::InvalidArgument | Code::Internal | Code::Unimplemented), "{name}");
        if status.details().is_empty() {
            bare.push((name, status.code(), status.message().to_owned()));
        }
    }
    assert!(platform.seen().is_empty(), "{:?}", platform.paths());
    assert!(bare.is_empty(), "each error carries an ErrorInfo: {bare:#?}");
}

#[tokio::test]
async fn a_method_that_is_none_is_unimplemented() {
    let (_platform, _proxy, mut direct) = start().await;
    let failure = failure(Err::<(), _>(direct.post("Revoke", &[], frame(b"")).await));
    assert_eq!((failure.code, &*failure.reason), (Code::Unimplemented, "METHOD_UNKNOWN"));
}

#[tokio::test]
async fn a_prompt_of_20_mb_is_refused_for_its_size() {
    let (platform, proxy, _direct) = start().await;
    let request = InvokeRequest { prompt: "x".repeat(20 << 20), ..invoke("agent-1") };
    let failure = failure(proxy.client().invoke(request).await);
    assert_eq!((failure.code, &*failure.reason), (Code::ResourceExhausted, "REQUEST_TOO_LARGE"), "{failure:?}");
    assert!(platform.seen().is_empty(), "{:?}", platform.paths());
}

#[tokio::test]
async fn a_bomb_of_compressed_bytes_is_refused_for_its_size() {
    let (platform, proxy, _direct) = start().await;
    for encoding in [CompressionEncoding::Gzip, CompressionEncoding::Zstd] {
        let request = InvokeRequest { prompt: "x".repeat(128 << 20), ..invoke("agent-1") };
        let failure = failure(proxy.client().send_compressed(encoding).invoke(request).await);
        assert_eq!((failure.code, &*failure.reason), (Code::ResourceExhausted, "REQUEST_TOO_LARGE"), "{encoding:?}");
    }
    assert!(platform.seen().is_empty(), "{:?}", platform.paths());
}

#[tokio::test]
async fn a_compressed_request_of_a_fair_size_arrives() {
    let (platform, proxy, _direct) = start().await;
    for encoding in [CompressionEncoding::Gzip, CompressionEncoding::Zstd] {
        let request = InvokeRequest { prompt: "x".repeat(1 << 20), ..invoke("agent-1") };
        proxy.client().send_compressed(encoding).invoke(request).await.expect("created");
    }
    let creates: Vec<_> = platform.seen().into_iter().filter(|request| request.method == "POST").collect();
    assert!(
        creates.len() == 2
            && creates.iter().all(|create| create.body["input"]["text"].as_str().map(str::len) == Some(1 << 20))
    );
}

const BAD_TIMEOUTS: [&str; 8] = ["", "S", "1", "-1S", "1.5S", "123456789S", "1s", "1 S"];

#[tokio::test]
async fn a_deadline_that_says_nothing_is_refused() {
    let (platform, proxy, _direct) = start().await;
    for timeout in BAD_TIMEOUTS {
        let mut request = Request::new(invoke("agent-1"));
        request.metadata_mut().insert("grpc-timeout", timeout.parse().expect("ASCII"));
        let failure = failure(proxy.client().invoke(request).await);
        assert_eq!(
            (failure.code, &*failure.fields),
            (Code::InvalidArgument, &["grpc-timeout".to_owned()][..]),
            "{timeout:?}"
        );
    }
    assert!(platform.seen().is_empty(), "{:?}", platform.paths());
}

#[tokio::test]
async fn a_create_that_is_refused_before_it_begins_says_so() {
    let (_platform, proxy, mut direct) = start().await;
    let invocation = frame(&invoke("agent-1").encode_to_vec());
    let large = InvokeRequest { prompt: "x".repeat(17 << 20), ..invoke("agent-1") };
    let statuses = [
        ("a malformed deadline", direct.post("Invoke", &[("grpc-timeout", "soon")], invocation.clone()).await),
        ("noise", direct.post("Invoke", &[], frame(&[0xff; 40])).await),
        ("noise, as a stream", direct.post("InvokeStream", &[], frame(&[0xff; 40])).await),
        ("too large", proxy.client().invoke(large).await.expect_err("too large")),
    ];
    let outcomes = statuses.map(|(name, status)| (name, failure(Err::<(), _>(status)).facts.remove("outcome")));
    assert!(outcomes.iter().all(|(_, outcome)| outcome.as_deref() == Some("not_created")), "{outcomes:#?}");
}
