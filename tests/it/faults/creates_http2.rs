//! Creates over HTTP/2, which can prove that a request was not processed: only then it is repeated.

use tonic::Code;
use xpander_grpc_proxy::config::Http2 as Setting;

use crate::support::{
    calls::invoke,
    http2::{Act, CANCEL, ENHANCE_YOUR_CALM, Http2, INTERNAL_ERROR, NO_ERROR, REFUSED_STREAM},
    live::within,
    proxy::{Proxy, settings},
    status::{Failure, failure},
};

/// Invokes before a platform whose creates meet these acts: the failure, if it is one, and how many creates it got.
async fn invoked(acts: &[Act]) -> (Option<Failure>, usize) {
    invoked_with(acts, 3).await
}

/// The same with so many retries.
async fn invoked_with(acts: &[Act], retries: u32) -> (Option<Failure>, usize) {
    let platform = Http2::start(acts).await;
    let mut settings = settings(&platform.base_url());
    settings.platform.http2 = Setting::PriorKnowledge;
    settings.platform.retries = retries;
    let proxy = Proxy::with(&settings).await;
    let answer = within("an answer", proxy.client().invoke(invoke("agent-1"))).await;
    let failure = match answer {
        Ok(answer) => {
            assert_eq!(answer.into_inner().task.expect("a task").id, "agent-1");
            None
        }
        answer => Some(failure(answer)),
    };
    (failure, platform.posts())
}

#[tokio::test]
async fn a_create_that_is_answered_is_sent_once() {
    let (failure, posts) = invoked(&[Act::Answer]).await;
    assert!(failure.is_none() && posts == 1, "{failure:?}");
}

#[tokio::test]
async fn a_create_on_a_refused_stream_is_sent_again() {
    let (failure, posts) = invoked(&[Act::Reset(REFUSED_STREAM), Act::Answer]).await;
    assert!(failure.is_none() && posts == 2, "{failure:?}, {posts} times");
}

#[tokio::test]
async fn a_create_that_a_goaway_leaves_out_is_sent_again() {
    for code in [NO_ERROR, INTERNAL_ERROR, ENHANCE_YOUR_CALM] {
        let (failure, posts) = invoked(&[Act::GoAwayBefore(code), Act::Answer]).await;
        assert!(failure.is_none() && posts == 2, "{code}: {failure:?}, {posts} times");
    }
}

/// It is a connection that ends, and no platform that fails: that is mended without the settings' retries.
#[tokio::test]
async fn a_create_that_http2_proves_unprocessed_is_sent_again_without_retries_too() {
    for act in [Act::Reset(REFUSED_STREAM), Act::GoAwayBefore(NO_ERROR)] {
        let (failure, posts) = invoked_with(&[act, act, Act::Answer], 0).await;
        assert!(failure.is_none() && posts == 3, "{act:?}: {failure:?}, {posts} times");
    }
}

#[tokio::test]
async fn a_create_that_http2_does_not_prove_unprocessed_is_sent_once_and_unknown() {
    let rows = [
        Act::Reset(CANCEL),
        Act::Reset(INTERNAL_ERROR),
        Act::Reset(NO_ERROR),
        Act::HeadThenReset(CANCEL),
        Act::HeadThenReset(INTERNAL_ERROR),
        // Nonsense behind a head, and no proof.
        Act::HeadThenReset(REFUSED_STREAM),
        Act::GoAwayAfter(NO_ERROR),
        Act::GoAwayAfter(INTERNAL_ERROR),
        Act::GoAwayAfter(ENHANCE_YOUR_CALM),
        Act::Close,
    ];
    for act in rows {
        // A second one would succeed.
        let (failure, posts) = invoked(&[act, Act::Answer]).await;
        let failure = failure.unwrap_or_else(|| panic!("{act:?}: sent {posts} times"));
        assert_eq!((failure.code, &*failure.reason), (Code::Unknown, "CREATE_OUTCOME_UNKNOWN"), "{act:?}");
        assert_eq!((&*failure.facts["outcome"], failure.pushback.as_deref()), ("unknown", Some("-1")), "{act:?}");
        assert_eq!(posts, 1, "{act:?}");
    }
}

/// However often: each refusal proves that there is no task.
#[tokio::test]
async fn a_create_that_is_refused_to_the_last_created_nothing() {
    for act in [Act::Reset(REFUSED_STREAM), Act::GoAwayBefore(NO_ERROR)] {
        let (failure, posts) = invoked(&[act]).await;
        let failure = failure.expect("never answered");
        assert!(posts >= 2, "{act:?}: {posts} times");
        assert_eq!((failure.code, &*failure.facts["outcome"]), (Code::Unavailable, "not_created"), "{act:?}");
        assert_eq!(failure.pushback, None, "{act:?}");
    }
}
