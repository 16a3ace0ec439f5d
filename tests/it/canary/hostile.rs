//! Callers who are refused: without a right, with a request that is wrong, with bytes that are none.

use tonic::{Code, metadata::MetadataMap};
use xpander_grpc_proxy::proto::{GetTaskRequest, InvokeRequest, McpServer, StreamEventsRequest, User};

use super::{
    marks::{TOKEN, WRONG_TOKEN, mark, request},
    told::{Shows, Told, add, showing},
    world::World,
};
use crate::support::{
    direct::{Direct, frame},
    live::within,
};

/// Each of them, once.
pub async fn callers(world: &World, told: &mut Told) {
    for (case, spoil) in METADATA {
        let mut request = showing(request("good"), Shows::Token);
        spoil(request.metadata_mut());
        let refused = within(case, world.client().invoke(request)).await.expect_err(case);
        told.failed(case, &refused);
    }
    for invalid in invalid_requests() {
        let refused = within("an answer", world.client().invoke(showing(invalid, Shows::Key))).await;
        told.failed("an invalid request", &refused.expect_err("invalid"));
    }
    let task_id = mark("task/../x");
    let refused = world.client().get_task(showing(GetTaskRequest { task_id: task_id.clone() }, Shows::Key)).await;
    told.failed("a task's id", &refused.expect_err("invalid"));
    let events = StreamEventsRequest { task_id, last_event_id: mark("event\n"), heartbeat: None };
    let refused = world.client().stream_events(showing(events, Shows::Key)).await.map(drop);
    told.failed("an event's id", &refused.expect_err("invalid"));
    let large = InvokeRequest { prompt: mark("large").repeat(2 << 20), ..request("good") };
    let refused = within("an answer", world.client().invoke(showing(large, Shows::Token))).await;
    told.failed("too large", &refused.expect_err("too large"));
    bytes(world, told).await;
    resets(world).await;
}

type Spoil = fn(&mut MetadataMap);

const METADATA: [(&str, Spoil); 7] = [
    ("a wrong token", |metadata| add(metadata, "authorization", &format!("Bearer {WRONG_TOKEN}"))),
    ("no token", |metadata| drop(metadata.remove("authorization"))),
    ("another scheme", |metadata| add(metadata, "authorization", &format!("Basic {WRONG_TOKEN}"))),
    ("a key with a space", |metadata| add(metadata, "x-api-key", &mark("key with a space"))),
    ("an organization", |metadata| {
        add(metadata, "x-api-key", &mark("key"));
        add(metadata, "x-organization-id", &mark("organization/"));
    }),
    ("a deadline", |metadata| add(metadata, "grpc-timeout", &mark("timeout"))),
    ("a long user", |metadata| {
        // Only where the request names none itself is the gateway's looked at.
        add(metadata, "x-api-key", &"c4n4ry".repeat(400));
    }),
];

fn invalid_requests() -> Vec<InvokeRequest> {
    let text = |about: &str| Some(mark(about));
    let server =
        McpServer { r#type: text("type"), transport: text("transport"), url: text("url"), ..McpServer::default() };
    vec![
        request(&mark("agent with spaces")),
        InvokeRequest { agent_version: text("version with spaces"), ..request("good") },
        InvokeRequest { existing_task_id: text("task/.."), ..request("good") },
        InvokeRequest { request_id: mark("request id"), ..request("good") },
        InvokeRequest { prompt: format!("{{\"xpander_task_id\": \"{}/..\"}}", mark("id")), ..request("good") },
        InvokeRequest { file_urls: vec![mark("file")], output_format: 99, ..request("good") },
        InvokeRequest { user_details: Some(User { email: mark("no address"), ..User::default() }), ..request("good") },
        InvokeRequest { mcp_servers: vec![server], ..request("good") },
        InvokeRequest { file_urls: vec![mark("file"); 2_000], ..request("good") },
    ]
}

/// Messages that cannot be read, and frames that are none.
async fn bytes(world: &World, told: &mut Told) {
    let bearer = format!("Bearer {TOKEN}");
    let marked = mark("bytes").into_bytes();
    let text = |tag: u8, content: &[u8]| [&[tag, u8::try_from(content.len()).expect("short")], content].concat();
    let with_flag = |flag: u8, mut frame: Vec<u8>| {
        frame[0] = flag;
        frame
    };
    let rows: [(&str, &str, Vec<u8>); 9] = [
        ("no message", "identity", frame(&marked)),
        ("no UTF-8", "identity", frame(&text(0x12, &[&marked[..], &[0xff]].concat()))),
        ("another type", "identity", frame(&text(0x52, &marked))),
        ("a half field", "identity", frame(&[&[0x12, 0x7f], &marked[..]].concat())),
        ("a half frame", "identity", frame(&marked)[..9].to_vec()),
        ("a frame without an end", "identity", [&[0, 0x7f, 0, 0, 0], &marked[..]].concat()),
        ("no such flag", "identity", with_flag(7, frame(&marked))),
        ("a flag without an encoding", "identity", with_flag(1, frame(&marked))),
        ("no gzip", "gzip", with_flag(1, frame(&marked))),
    ];
    for (case, encoding, body) in rows {
        for method in ["Invoke", "InvokeStream"] {
            let mut caller = Direct::to(&world.grpc).await;
            let headers = [("authorization", &*bearer), ("grpc-encoding", encoding), ("x-other", &*mark("header"))];
            let refused = within(case, caller.post(method, &headers, body.clone())).await;
            assert_ne!(refused.code(), Code::Ok, "{case}");
            told.failed(case, &refused);
        }
    }
    let mut caller = Direct::to(&world.grpc).await;
    told.failed("no such method", &caller.post("Dance", &[("authorization", &bearer)], frame(&marked)).await);
    // What speaks no HTTP/2 at all.
    let address = world.grpc.trim_start_matches("http://");
    for words in [
        format!("GET /{0} HTTP/1.1\r\nx: {0}\r\n\r\n", mark("path")),
        format!("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n{}", mark("frame")),
    ] {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let mut socket = tokio::net::TcpStream::connect(address).await.expect("connects");
        socket.write_all(words.as_bytes()).await.expect("written");
        let _ = within("the end of it", socket.read_to_end(&mut Vec::new())).await;
    }
}

/// Calls that are given up at any time.
async fn resets(world: &World) {
    for millis in 0..20 {
        let mut client = world.client();
        let call = client.invoke(showing(request("good"), Shows::Token));
        let _ = tokio::time::timeout(std::time::Duration::from_millis(millis), call).await;
    }
}
