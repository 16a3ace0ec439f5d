//! Callers that are slow on purpose within a call: a request that never ends. What they hold comes back.

use std::{convert::Infallible, time::Duration};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use tonic::Code;

use super::{Busy, until_a_call_is_admitted};
use crate::support::{
    direct::{Direct, frame},
    live::within,
    raw::{DATA, END_HEADERS, END_STREAM, HEADERS, Manners, Raw, bytes, head},
    status::failure,
};

const RECEIVE: Duration = Duration::from_millis(300);
const CALLS: [&str; 6] = ["Invoke", "InvokeStream", "GetTask", "StreamEvents", "WaitTask", "StopTask"];

async fn busy() -> Busy {
    let busy = Busy::with(|settings| {
        settings.server.receive_timeout = RECEIVE;
        (settings.server.max_calls, settings.server.max_streams) = (1, 1);
    });
    busy.await
}

/// The beginning of a message of a hundred bytes, then nothing, or a byte now and then.
#[tokio::test]
async fn a_request_that_does_not_arrive_fails_and_gives_its_share_back() {
    let busy = busy().await;
    let mut direct = Direct::connect(&busy.proxy).await;
    let begin = frame(&[0; 100])[..20].to_vec();
    for method in CALLS {
        for is_dripping in [false, true] {
            let first = stream::iter([Ok::<_, Infallible>(Bytes::from(begin.clone()))]);
            let rest = stream::unfold((), move |()| async move {
                match is_dripping {
                    true => tokio::time::sleep(RECEIVE / 10).await,
                    false => std::future::pending().await,
                }
                Some((Ok(Bytes::from_static(&[0])), ()))
            });
            let body = axum::body::Body::from_stream(first.chain(rest));
            let begun = std::time::Instant::now();
            let status = within("a status", direct.post_body(method, &[], body)).await;
            let failure = failure(Err::<(), _>(status));
            assert!(begun.elapsed() >= RECEIVE, "{method}: {:?}", begun.elapsed());
            assert_eq!((failure.code, &*failure.reason), (Code::DeadlineExceeded, "REQUEST_TOO_SLOW"), "{method}");
            let outcome = method.starts_with("Invoke").then_some("not_created");
            assert_eq!(failure.facts.get("outcome").map(String::as_str), outcome, "{method}");
        }
    }
    assert_eq!(busy.platform.paths(), Vec::<String>::new());
    until_a_call_is_admitted(&busy.proxy.client()).await;
}

#[tokio::test]
async fn a_head_without_a_message_fails_too() {
    let busy = busy().await;
    let mut raw = Raw::connect(&busy.proxy, Manners::Good).await;
    let stream = raw.stream();
    raw.send(&bytes(HEADERS, END_HEADERS, stream, &head("GetTask"))).await;
    let heard = raw.until("an answer", |heard| heard.of(HEADERS, stream) > 0).await;
    let (_, flags, ..) = heard.frames.iter().find(|frame| (frame.0, frame.2) == (HEADERS, stream)).expect("heard");
    assert_ne!(flags & END_STREAM, 0, "a status, and no message");
    until_a_call_is_admitted(&busy.proxy.client()).await;
}

/// Ten thousand frames of nothing hold a call no longer than one does.
#[tokio::test]
async fn empty_frames_do_not_keep_a_request_alive() {
    let busy = busy().await;
    let mut raw = Raw::connect(&busy.proxy, Manners::Good).await;
    let stream = raw.stream();
    raw.send(&bytes(HEADERS, END_HEADERS, stream, &head("GetTask"))).await;
    let nothing = bytes(DATA, 0, stream, &[]);
    within("an answer, or the end", async {
        while raw.so_far().of(HEADERS, stream) == 0 && raw.send(&nothing).await {
            tokio::time::sleep(RECEIVE / 30).await;
        }
    })
    .await;
    until_a_call_is_admitted(&busy.proxy.client()).await;
}
