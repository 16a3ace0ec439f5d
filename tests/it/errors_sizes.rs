//! How large an error may be: clients that were told nothing take 8,192 bytes of metadata as HTTP/2 counts them, and
//! nginx 4,096 as they stand on the wire.

use serde_json::{Value, json};
use tonic::Code;

use crate::support::{
    calls::{At, EVERYWHERE, failing},
    direct::{Direct, frame},
    platform::{Platform, Reply},
    proxy::{Proxy, settings},
    raw::{CONTINUATION, HEADERS, Manners, Raw},
};

const MAX_COUNTED: usize = 8192;
const MAX_WIRE: usize = 4096;
/// The frames and their heads that come before and around an error on a connection of its own.
const AROUND: usize = 80;

/// A 422 with so many faults of this text.
fn faults(count: usize, text: &str) -> Value {
    let fault =
        |i| json!({ "loc": ["body", "attachments", i, "x".repeat(i % 5 * 30)], "msg": text, "type": "missing" });
    json!({ "detail": (0..count).map(fault).collect::<Vec<_>>() })
}

/// Answers that become large errors, and their HTTP status.
fn large() -> Vec<(u16, String)> {
    let texts = ["a plain word ".repeat(40), "ß".repeat(500), "👋".repeat(200), "\\".repeat(900), "<{`\"".repeat(200)];
    let mut answers = Vec::new();
    for text in &texts {
        answers.extend([1, 16, 64, 500].map(|count| (422, faults(count, text).to_string())));
        answers.extend([404, 502].map(|status| (status, json!({ "detail": text.repeat(9) }).to_string())));
    }
    answers
}

async fn refusing() -> (Platform, Proxy, usize) {
    let answers = large();
    let count = answers.len();
    let reply = move |case: &str| {
        let (status, body) = &answers[case.parse::<usize>().expect("a number")];
        Reply::text(*status, "application/json", body)
    };
    let platform = Platform::start(failing(reply)).await;
    let proxy = Proxy::with(&settings(&platform.base_url())).await;
    (platform, proxy, count)
}

/// The bytes of the frames that carry the only answer on a connection.
async fn on_the_wire(proxy: &Proxy, case: &str) -> usize {
    let mut raw = Raw::connect(proxy, Manners::Good).await;
    let message = [&[0x0a, u8::try_from(case.len()).expect("short")], case.as_bytes()].concat();
    let (stream, call) = raw.call("GetTask", &message);
    raw.send(&call).await;
    let heard = raw.until("the answer", |heard| heard.of(HEADERS, stream) > 0).await;
    let is_meant = |kind: u8, of: u32| matches!(kind, HEADERS | CONTINUATION) && of == stream;
    heard.frames.iter().filter(|(kind, _, of, _)| is_meant(*kind, *of)).map(|(.., payload)| payload.len()).sum()
}

#[tokio::test]
async fn every_error_fits_on_the_wire_and_as_clients_count_it() {
    let (_platform, proxy, count) = refusing().await;
    for case in 0..count {
        let case = format!("task-{case}");
        let wire = on_the_wire(&proxy, &case).await;
        assert!(wire + AROUND < MAX_WIRE, "{case}: {wire}");
        // The longest request id comes back beside it.
        let id = "\\".repeat(128);
        let body = frame(&[&[0x0a, u8::try_from(case.len()).expect("short")], case.as_bytes()].concat());
        let head = Direct::connect(&proxy).await.head("GetTask", &[("x-request-id", &id)], body).await;
        let counted = head.iter().map(|(name, value)| name.as_str().len() + value.len() + 32).sum::<usize>() + 42;
        assert!(counted < MAX_COUNTED, "{case}: {counted}");
        assert_eq!(head["x-request-id"], id, "{case}");
    }
}

#[tokio::test]
async fn a_422_of_many_long_faults_names_as_many_fields_as_fit_at_every_call() {
    let (_platform, proxy, _) = refusing().await;
    // The third answer: 64 faults in plain words.
    for at in EVERYWHERE {
        let failure = at.fail(&proxy.client(), "2", None).await;
        let status = failure.facts.get("http_status").map(String::as_str);
        assert_eq!((failure.code, status), (Code::InvalidArgument, Some("422")), "{at:?}: {failure:?}");
        assert!(failure.fields.len() >= 16, "{at:?}: {:?}", failure.fields.len());
    }
}

#[tokio::test]
async fn an_unknown_create_says_so_however_long_the_platforms_words_are() {
    let (_platform, proxy, count) = refusing().await;
    for case in (0..count).filter(|case| large()[*case].0 == 502) {
        for at in [At::Create, At::StreamCreate] {
            let failure = at.fail(&proxy.client(), &case.to_string(), None).await;
            assert_eq!((failure.code, &*failure.facts["outcome"]), (Code::Unknown, "unknown"), "{at:?}");
            assert_eq!(
                (&*failure.reason, failure.pushback.as_deref()),
                ("CREATE_OUTCOME_UNKNOWN", Some("-1")),
                "{at:?}"
            );
        }
    }
}
