//! Requests of a few bytes an element, whose lists would be a hundred times as large once they are decoded.

use std::io::Write as _;

use flate2::{Compression, write::GzEncoder};
use tonic::{Code, Status};

use super::{MB, Process, platform};
use crate::support::{
    direct::{Direct, frame},
    live::within,
    platform::Reply,
    status::{Failure, failure},
};

/// An empty element of `mcp_servers`.
const SERVER: &[u8] = b"\xea\x01\x00";
/// The largest message that is taken.
const LARGEST: usize = 16 * MB;

/// As the field `invocation` of an `InvokeStreamRequest`.
fn streamed(invocation: &[u8]) -> Vec<u8> {
    let mut field = vec![0x0a];
    prost::encoding::encode_varint(invocation.len() as u64, &mut field);
    [&field, invocation].concat()
}

/// A compressed message in its gRPC frame.
pub fn zipped(message: &[u8]) -> Vec<u8> {
    let mut zip = GzEncoder::new(Vec::new(), Compression::fast());
    zip.write_all(message).expect("memory");
    let mut framed = frame(&zip.finish().expect("memory"));
    framed[0] = 1;
    framed
}

fn refused(status: Status) -> Failure {
    failure(Err::<(), _>(status))
}

#[tokio::test]
async fn a_list_of_millions_is_refused_before_it_takes_memory() {
    let process = Process::before(platform(|| Reply::Silence, || Reply::Silence).await).await;
    let mut caller = Direct::to(&process.serving.grpc).await;
    let plain = SERVER.repeat(LARGEST / SERVER.len() - 4);
    let rows = [
        ("Invoke", plain.clone(), "mcp_servers"),
        ("Invoke", b"\x22\x00".repeat(LARGEST / 2), "file_urls"),
        ("Invoke", b"\x82\x01\x00".repeat(LARGEST / 3), "attachments"),
        ("InvokeStream", streamed(&plain), "invocation.mcp_servers"),
        // A million pieces of one invocation.
        ("InvokeStream", streamed(SERVER).repeat(LARGEST / 5), "invocation.mcp_servers"),
    ];
    for (method, message, field) in rows {
        for (headers, body) in [(&[][..], frame(&message)), (&[("grpc-encoding", "gzip")], zipped(&message))] {
            let failure = refused(within("an answer", caller.post(method, headers, body)).await);
            assert_eq!((failure.code, &*failure.reason), (Code::InvalidArgument, "INVALID_REQUEST"), "{failure:?}");
            assert_eq!(failure.message, format!("{field} must have at most 1000 elements"));
            assert_eq!((&failure.fields[..], &*failure.facts["outcome"]), (&[field.to_owned()][..], "not_created"));
        }
    }
    assert!(process.peak() < 100 * MB, "{} MB", process.peak() / MB);
    process.is_well().await;
}

#[tokio::test]
async fn a_gzip_bomb_costs_no_more_memory_than_the_largest_request() {
    let process = Process::before(platform(|| Reply::Silence, || Reply::Silence).await).await;
    let mut caller = Direct::to(&process.serving.grpc).await;
    let bomb = zipped(&SERVER.repeat(128 * MB / SERVER.len()));
    for method in ["Invoke", "InvokeStream", "GetTask"] {
        let failure =
            refused(within("an answer", caller.post(method, &[("grpc-encoding", "gzip")], bomb.clone())).await);
        assert_eq!((failure.code, &*failure.reason), (Code::ResourceExhausted, "REQUEST_TOO_LARGE"), "{failure:?}");
    }
    assert!(process.peak() < 100 * MB, "{} MB", process.peak() / MB);
    process.is_well().await;
}
