//! Heads that HTTP/2 itself refuses: nobody here hears of the request.

use crate::support::{
    platform::{Platform, Reply, task},
    proxy::Proxy,
    raw::{END_HEADERS, END_STREAM, HEADERS, Manners, RST_STREAM, Raw, bytes, head, head_to},
};

const PROTOCOL_ERROR: [u8; 4] = [0, 0, 0, 1];

#[tokio::test]
async fn what_http2_itself_refuses_is_counted_and_the_connection_goes_on() {
    let platform = Platform::start(|_| Reply::json(200, &task("task-1", "executing"))).await;
    let proxy = Proxy::start(&platform.base_url()).await;
    let mut raw = Raw::connect(&proxy, Manners::Good).await;
    let authorities = ["a|b", "a b", " ", "{host}", "a\\b", "http://[", "ä"];
    let mut heads: Vec<_> = authorities.iter().map(|authority| head_to(authority, "GetTask")).collect();
    // A head that has a method and nothing else, and one with a header that HTTP/2 has not.
    heads.push(vec![0x83]);
    heads.push([&head("GetTask")[..], b"\0\x0aconnection\x01x"].concat());
    for (number, head) in heads.iter().enumerate() {
        let stream = raw.stream();
        raw.send(&bytes(HEADERS, END_HEADERS | END_STREAM, stream, head)).await;
        let heard = raw
            .until(&format!("the reset of {number}"), |heard| heard.of(RST_STREAM, stream) > 0 || heard.is_over)
            .await;
        let reset = heard.frames.iter().find(|(kind, _, of, _)| (*kind, *of) == (RST_STREAM, stream));
        assert_eq!(
            reset.unwrap_or_else(|| panic!("{number}: {:?}", heard.frames.last())).3,
            PROTOCOL_ERROR,
            "{number}"
        );
    }
    let (stream, call) = raw.call("GetTask", b"\x0a\x06task-1");
    raw.send(&call).await;
    raw.until("head and trailers", |heard| heard.of(HEADERS, stream) == 2).await;
    let (_, metrics) = super::get(&format!("{}/metrics", proxy.admin)).await;
    let counted = metrics.lines().find_map(|line| line.strip_prefix("xpander_requests_malformed_total "));
    assert_eq!(counted, Some(&*heads.len().to_string()));
    assert_eq!(platform.paths().len(), 1);
}
