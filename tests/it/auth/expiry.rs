//! A certificate is worth nothing after its end: not in a resumed session, and not on a connection that is still open.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::rustls::{
    HandshakeKind,
    version::{TLS12, TLS13},
};
use tonic::Code;
use xpander_grpc_proxy::proto::StreamEventsRequest;

use super::{get, world};
use crate::support::{
    direct::frame,
    live::{Live, within},
    proxy::{Proxy, settings},
    raw::{DATA, END_HEADERS, END_STREAM, HEADERS, PREFACE, SETTINGS, bytes, head},
    secure_caller::{Authority, Files, Identity, Secure},
};

const ID: &str = "spiffe://acme.io/ns/shop/sa/orders";

/// A certificate that is good for so many seconds, and when it ends.
fn good_for(authority: &Authority, seconds: u64) -> (Identity, SystemTime) {
    let end = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs() + seconds;
    let identity = authority.issue_with(|params| {
        params.subject_alt_names = vec![rcgen::SanType::URI(ID.try_into().expect("ASCII"))];
        params.not_after = rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(end);
    });
    (identity, UNIX_EPOCH + Duration::from_secs(end))
}

#[tokio::test]
async fn no_session_is_resumed_where_callers_are_known_by_certificate() {
    for version in [&TLS12, &TLS13] {
        let mut files = None;
        let (_platform, proxy) = world(|settings| files = Some(Files::mutual(settings))).await;
        let files = files.expect("made");
        let caller = Secure::of(&[version], &[b"h2"], &files.authority, Some(&files.authority.issue(&[ID])));
        for _ in 0..3 {
            let kind = within("a handshake", caller.handshake(&proxy.grpc)).await;
            assert_eq!(kind, Some(HandshakeKind::Full), "{version:?}");
        }
        // Where nobody shows a certificate there is nothing to look at again, and the same caller's sessions are resumed.
        let (_platform, proxy) = world(|settings| files.serve(settings)).await;
        let caller = Secure::of(&[version], &[b"h2"], &files.authority, None);
        within("a handshake", caller.handshake(&proxy.grpc)).await.expect("heard");
        let kind = within("a handshake", caller.handshake(&proxy.grpc)).await;
        assert_eq!(kind, Some(HandshakeKind::Resumed), "{version:?}");
    }
}

#[tokio::test]
async fn no_call_is_taken_on_an_open_connection_after_the_certificates_end() {
    let mut files = None;
    let (platform, proxy) = world(|settings| files = Some(Files::mutual(settings))).await;
    let files = files.expect("made");
    let (identity, end) = good_for(&files.authority, 3);
    let caller = Secure::new(&files.authority, Some(&identity));
    let mut socket = caller.connect(&proxy.grpc).await.expect("a good certificate");
    // Neither settings nor pings are answered, so that the connection is told to leave and does not hear.
    socket.write_all(&[PREFACE, &bytes(SETTINGS, 0, 0, &[])].concat()).await.expect("open");
    call(&mut socket, 1).await;
    let before = platform.paths().len();
    assert_eq!(before, 1, "a good certificate");
    while SystemTime::now() <= end {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    call(&mut socket, 3).await;
    assert_eq!(platform.paths().len(), before, "one that has ended");
}

/// Calls `GetTask` and waits for the end of its answer.
async fn call(socket: &mut (impl AsyncReadExt + AsyncWriteExt + Unpin), stream: u32) {
    let head = bytes(HEADERS, END_HEADERS, stream, &head("GetTask"));
    let call = [head, bytes(DATA, END_STREAM, stream, &frame(b"\x0a\x06task-1"))].concat();
    socket.write_all(&call).await.expect("open");
    within("an answer", async {
        loop {
            let mut head = [0; 9];
            socket.read_exact(&mut head).await.expect("an answer");
            let [a, b, c, kind, flags, id @ ..] = head;
            socket.read_exact(&mut vec![0; u32::from_be_bytes([0, a, b, c]) as usize]).await.expect("whole");
            if (kind, u32::from_be_bytes(id)) == (HEADERS, stream) && flags & END_STREAM != 0 {
                return;
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_stream_ends_with_its_callers_certificate_and_can_be_followed_with_the_next_one() {
    let live = Live::executing().await;
    let mut settings = settings(&live.platform.base_url());
    let files = Files::mutual(&mut settings);
    let proxy = Proxy::with(&settings).await;
    let (identity, end) = good_for(&files.authority, 3);
    let caller = Secure::new(&files.authority, Some(&identity));
    let mut client = caller.client(&proxy.grpc);
    let request = StreamEventsRequest { task_id: "task-1".to_owned(), ..StreamEventsRequest::default() };
    let mut events = within("a stream", client.stream_events(request)).await.expect("OK").into_inner();
    live.chunk("one");
    within("an event", events.message()).await.expect("OK").expect("an event");
    let status = within("the end", events.message()).await.expect_err("it ends before its task");
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    assert!(SystemTime::now() >= end, "not before its time");
    // Nor does the next connection get in with it.
    let again = within("an answer", client.get_task(get())).await.expect_err("it has ended");
    assert!(matches!(again.code(), Code::Unavailable | Code::Unauthenticated), "{again:?}");
    within("an answer", files.caller(&[ID]).client(&proxy.grpc).get_task(get())).await.expect("the next one");
}
