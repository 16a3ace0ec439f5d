//! Content codings by RFC 9110: any letter case, several behind each other, several members, and words that are none.

use std::io::Write as _;

use async_compression::tokio::write::{BrotliEncoder, DeflateEncoder, ZlibEncoder, ZstdEncoder};
use flate2::{Compression, write::GzEncoder};
use serde_json::json;
use tokio::io::AsyncWriteExt as _;

use super::get;
use crate::support::{
    live::{Followed, finished, result, within},
    platform::{Platform, Reply, event, task},
    proxy::{Proxy, settings},
    status::failure,
};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(bytes).expect("memory");
    gzip.finish().expect("memory")
}

macro_rules! coded {
    ($($name:ident by $encoder:ident)*) => {$(
        async fn $name(bytes: &[u8]) -> Vec<u8> {
            let mut encoder = $encoder::new(Vec::new());
            encoder.write_all(bytes).await.expect("memory");
            encoder.shutdown().await.expect("memory");
            encoder.into_inner()
        }
    )*};
}

coded! { brotli by BrotliEncoder deflate by DeflateEncoder zlib by ZlibEncoder zstd by ZstdEncoder }

/// Reads a task that is answered so.
async fn read(headers: Vec<(&'static str, String)>, body: Vec<u8>) -> Result<(), String> {
    let platform = Platform::start(move |_| Reply::Http(200, headers.clone(), body.clone())).await;
    let proxy = Proxy::start(&platform.base_url()).await;
    let answer = within("an answer", proxy.client().get_task(get())).await.map_err(|status| status.to_string())?;
    assert_eq!(answer.into_inner().task.expect("a task").id, "task-1");
    Ok(())
}

fn codings(words: &[&str]) -> Vec<(&'static str, String)> {
    words.iter().map(|word| ("content-encoding", (*word).to_owned())).collect()
}

#[tokio::test]
async fn an_answer_is_read_in_each_coding_however_it_is_written() {
    let plain = task("task-1", "executing").to_string().into_bytes();
    let (gzipped, brotlied, zstded) = (gzip(&plain), brotli(&plain).await, zstd(&plain).await);
    let (deflated, zlibbed) = (deflate(&plain).await, zlib(&plain).await);
    for (words, body) in [
        (&["gzip"][..], &gzipped),
        (&["GZIP"], &gzipped),
        (&["Gzip"], &gzipped),
        (&["x-gzip"], &gzipped),
        (&["X-GZip"], &gzipped),
        (&[" gzip , identity"], &gzipped),
        (&["identity", "gzip"], &gzipped),
        (&["br"], &brotlied),
        (&["BR"], &brotlied),
        (&["zstd"], &zstded),
        (&["ZSTD"], &zstded),
        (&["br, gzip"], &gzip(&brotlied)),
        (&["zstd", "gzip"], &gzip(&zstded)),
        (&["gzip, gzip"], &gzip(&gzipped)),
        // Not asked for, and read all the same; in zlib's frame or without.
        (&["deflate"], &zlibbed),
        (&["Deflate"], &deflated),
        (&["deflate, gzip"], &gzip(&zlibbed)),
        (&["gzip, gzip, gzip, gzip"], &gzip(&gzip(&gzip(&gzipped)))),
        (&["gzip,,identity,"], &gzipped),
        (&["identity"], &plain),
        (&["none"], &plain),
        (&["None"], &plain),
        (&[""], &plain),
        (&["utf-8"], &plain),
        (&["8bit, binary"], &plain),
    ] {
        read(codings(words), body.clone()).await.unwrap_or_else(|error| panic!("{words:?}: {error}"));
    }
}

#[tokio::test]
async fn members_are_read_wherever_the_answer_is_split() {
    let plain = task("task-1", "executing").to_string().into_bytes();
    for at in [0, 1, 2, plain.len() / 2, plain.len() - 1, plain.len()] {
        let (head, tail) = plain.split_at(at);
        let gzipped = [gzip(head), gzip(tail)].concat();
        read(codings(&["gzip"]), gzipped).await.unwrap_or_else(|error| panic!("{at}: {error}"));
        let frames = [zstd(head).await, zstd(tail).await].concat();
        read(codings(&["zstd"]), frames).await.unwrap_or_else(|error| panic!("{at}: {error}"));
    }
    let bytes = plain.iter().flat_map(|byte| gzip(&[*byte])).collect();
    read(codings(&["gzip"]), bytes).await.expect("a member for each byte");
}

/// What gateways append: a line break, padding, a page of their own.
#[tokio::test]
async fn what_stands_behind_a_member_and_begins_none_is_passed_over() {
    let plain = task("task-1", "executing").to_string().into_bytes();
    let (head, tail) = plain.split_at(9);
    let gzipped = gzip(&plain);
    let empty_frame = [0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, b'a', b'b', b'c'];
    for junk in [&b"\0"[..], b"\r\n", b"junk", &[0; 512], &[b'<'; 100_000]] {
        for (words, body) in [
            (&["gzip"][..], gzipped.clone()),
            (&["gzip"], [gzip(head), gzip(tail)].concat()),
            (&["gzip, gzip"], gzip(&[&gzipped, junk].concat())),
            (&["br"], brotli(&plain).await),
            (&["zstd"], zstd(&plain).await),
            (&["zstd"], [zstd(head).await, empty_frame.to_vec(), zstd(tail).await, empty_frame.to_vec()].concat()),
            (&["deflate"], zlib(&plain).await),
        ] {
            let read = read(codings(words), [&body, junk].concat()).await;
            read.unwrap_or_else(|error| panic!("{words:?} and {} bytes: {error}", junk.len()));
        }
    }
}

/// An answer is one when its JSON is there: nobody waits for the end of what is no part of it.
#[tokio::test]
async fn what_stands_behind_a_member_is_not_waited_for() {
    let gzipped = gzip(task("task-1", "executing").to_string().as_bytes());
    let head = "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ntransfer-encoding: chunked\r\n\r\n";
    let chunk = [format!("{:x}\r\n", gzipped.len() + 1).as_bytes(), &gzipped, b"\0\r\n"].concat();
    let answer = [head.as_bytes(), &chunk].concat();
    let platform = Platform::start(move |_| Reply::Silent(answer.clone())).await;
    let proxy = Proxy::start(&platform.base_url()).await;
    let answer = within("an answer", proxy.client().get_task(get())).await.expect("a task");
    assert_eq!(answer.into_inner().task.expect("a task").id, "task-1");
}

#[tokio::test]
async fn what_is_cut_off_broken_or_in_another_coding_is_unreadable() {
    let plain = task("task-1", "executing").to_string().into_bytes();
    let gzipped = gzip(&plain);
    let mut flipped = gzipped.clone();
    let last = flipped.len() - 5;
    flipped[last] ^= 1;
    for (words, body) in [
        (&["gzip"][..], gzipped[..gzipped.len() - 9].to_vec()),
        (&["gzip"], flipped),
        (&["gzip"], plain.clone()),
        (&["gzip"], [&gzipped, &gzipped[..9]].concat()),
        (&["gzip"], Vec::new()),
        (&["br"], gzipped.clone()),
        (&["deflate"], plain.clone()),
        (&["compress"], plain.clone()),
        (&["gzip, gzip, gzip, gzip, gzip"], gzipped.clone()),
    ] {
        let error = read(codings(words), body).await.expect_err("unreadable");
        assert!(error.contains("cannot be read"), "{words:?}: {error}");
    }
}

#[tokio::test]
async fn a_stream_is_taken_with_a_word_that_is_no_coding_and_refused_with_one() {
    let events = event("chunk", &json!("one")) + &event("task_finished", &finished("completed", "done"));
    for (word, is_taken) in
        [("none", true), ("identity", true), ("utf-8", true), ("", true), ("gzip", false), ("GZIP", false)]
    {
        let body = if is_taken { events.clone().into_bytes() } else { gzip(events.as_bytes()) };
        let platform = Platform::start(move |request| {
            if !request.path.ends_with("/events") {
                return Reply::json(200, &task("task-1", "executing"));
            }
            let headers = vec![("content-type", "text/event-stream".into()), ("content-encoding", word.into())];
            Reply::Http(200, headers, body.clone())
        })
        .await;
        let proxy = Proxy::with(&settings(&platform.base_url())).await;
        let mut client = proxy.client();
        if is_taken {
            let events = Followed::begin(&mut client).await.all().await;
            assert_eq!(result(&events[1]), "done", "{word}");
        } else {
            let refused =
                failure(within("an end", client.stream_events(crate::support::calls::follow("task-1"))).await);
            assert!(refused.message.contains("compressed"), "{word}: {refused:?}");
        }
    }
}
