//! The pure parts of a call, each as something to run again and again: nothing here waits, reads a clock or does I/O.

use std::hint::black_box;

use prost::Message as _;
use xpander_grpc_proxy::{
    calls::Page,
    platform::{
        lists::{
            Collect as _,
            elements::{Elements, Part},
        },
        sse::Decoder,
        wire,
    },
    proto::{
        InvokeRequest, InvokeResponse, ListTasksResponse, TaskSummary,
        json::{Reader, Struct},
    },
    translate::{self, lists as rows},
};

use crate::samples;

/// As the settings have it.
const MAX_EVENT: usize = 16 << 20;
/// How much of a list or a log comes at a time.
const PIECE: usize = 64 << 10;
/// Events in one piece of work of the event decoder.
pub const EVENTS: u32 = 64;

/// A part with its input.
pub struct Workload {
    pub name: String,
    pub run: Box<dyn Fn()>,
}

/// All of them, in the order of a call.
pub fn all() -> Vec<Workload> {
    let mut all = Vec::from(unary());
    // A stream's bytes come in pieces of any size.
    all.extend([1, 16, 100, 1_000, 8_192, usize::MAX].map(event_decoder));
    all.extend(events());
    all.extend(free_json());
    all.extend(lists());
    all
}

fn workload(name: impl Into<String>, run: impl Fn() + 'static) -> Workload {
    Workload { name: name.into(), run: Box::new(run) }
}

/// What an Invoke goes through.
fn unary() -> [Workload; 4] {
    let encoded = samples::invoke_request("bench").encode_to_vec();
    // As it is when it has come.
    let request = InvokeRequest::decode(&*encoded).unwrap_or_default();
    let json = samples::task_json("task-1", "pending", None);
    let answer = InvokeResponse { task: Some(translate::task(task(&json))) };
    [
        workload("request decoded", move || drop(black_box(InvokeRequest::decode(black_box(&*encoded))))),
        workload("request translated", move || {
            drop(black_box(translate::invocation(black_box(&request), None).map(|invocation| invocation.json())));
        }),
        workload("task parsed", move || drop(black_box(translate::task(task(black_box(&json)))))),
        workload("answer encoded", move || drop(black_box(black_box(&answer).encode_to_vec()))),
    ]
}

fn task(json: &str) -> Box<wire::Task> {
    wire::read(json.as_bytes()).map_or_else(|error| panic!("a sample that is no task: {error}"), Box::new)
}

/// The decoder alone, fed by this many bytes at a time.
fn event_decoder(piece: usize) -> Workload {
    let stream = (0..EVENTS).map(|at| ["data: ", &*chunk(at), "\n\n"].concat()).collect::<Vec<_>>().concat();
    let size = if piece == usize::MAX { "in one piece".to_owned() } else { format!("by {piece} bytes") };
    workload(format!("{EVENTS} events decoded, {size}"), move || {
        let mut decoder = Decoder::new(MAX_EVENT);
        for piece in black_box(stream.as_bytes()).chunks(piece) {
            decoder.push(piece);
            while let Some(frame) = decoder.next_frame() {
                drop(black_box(frame));
            }
        }
    })
}

fn chunk(at: u32) -> String {
    samples::chunk_json("task-1", &format!("word {at} "))
}

/// An event's data into the message that is sent.
fn events() -> [Workload; 2] {
    let finished = samples::event_json("task_finished", "task-1", &samples::task_json("task-1", "completed", None));
    [("chunk event translated", chunk(7)), ("task event translated", finished)].map(|(name, data)| {
        workload(name, move || {
            let event = translate::event(None, black_box(data.as_bytes()), false);
            drop(black_box(event.map(|event| event.encode_to_vec())));
        })
    })
}

/// A list of 1,000 rows and an activity log of 1 MB as they come, in pieces of 64 KiB, each behind its floor: the same
/// bytes, put together and looked at as text.
fn lists() -> [Workload; 5] {
    let row = |at: usize| samples::task_json(&format!("task-{at:04}"), "completed", None);
    let rows = (0..1_000).map(row).collect::<Vec<_>>().join(",");
    let list = format!("[{rows}]");
    let others = list.clone();
    let text = "word ".repeat(180);
    let entry = |at: usize| {
        format!(r#"{{"id":"m-{at}","created_at":"2026-04-10T19:01:35Z","role":"agent","content":{{"text":"{text}"}}}}"#)
    };
    let entries = (0..1_024).map(entry).collect::<Vec<_>>().join(",");
    let log = format!(r#"{{"id":"task-1","messages":[{entries}]}}"#);
    let floor = |bytes: String| {
        move || {
            let mut whole = Vec::new();
            for piece in black_box(bytes.as_bytes()).chunks(PIECE) {
                whole.extend_from_slice(piece);
            }
            black_box(wire::text(&whole).len());
        }
    };
    [
        workload("the bytes of 1,000 rows read", floor(list.clone())),
        workload("1,000 rows read into a page of tasks", move || {
            let tasks = page(&list, 1_000);
            drop(black_box(ListTasksResponse { tasks, next_page_token: String::new() }.encode_to_vec()));
        }),
        // Each is older than the one before.
        workload("1,000 rows read of which one is on the page", move || drop(black_box(page(&others, 1)))),
        workload("the bytes of 1 MB of activity read", floor(log.clone())),
        workload("1 MB of activity read into entries", move || {
            logged(&log, |entry| {
                drop(black_box(rows::entry(&entry, false).map(|entry| entry.encode_to_vec())));
            });
        }),
    ]
}

/// A page of so many tasks, as `ListTasks` reads it.
fn page(list: &str, most: usize) -> Vec<TaskSummary> {
    let read = |json: &mut Reader<'_>| rows::summary(json, false);
    let (mut page, mut elements) =
        (Page::new(None, most, read, |_: &TaskSummary| true), Elements::new(None, MAX_EVENT));
    for piece in black_box(list.as_bytes()).chunks(PIECE) {
        elements.push(piece);
        assert!(elements.read(|json| page.row(json)).is_ok(), "a sample that is no list");
    }
    assert!(elements.end().is_ok(), "a sample that is no list");
    page.end().0
}

/// A log as `GetTaskActivity` reads it.
fn logged(log: &str, mut each: impl FnMut(String)) {
    let mut elements = Elements::new(Some("messages"), MAX_EVENT);
    for piece in black_box(log.as_bytes()).chunks(PIECE) {
        elements.push(piece);
        while let Ok(Some(part)) = elements.next_part() {
            if let Part::Element(element) = part {
                each(element.into_owned());
            }
        }
    }
    assert!(elements.end().is_ok(), "a sample that is no log");
}

/// A Struct off the wire, and JSON text onto it.
fn free_json() -> [Workload; 2] {
    let encoded = samples::free_json().encode_to_vec();
    [
        workload("Struct decoded", move || drop(black_box(Struct::decode(black_box(&*encoded))))),
        workload("JSON text made a Struct and encoded", move || {
            drop(black_box(Struct::new(black_box(samples::FREE_JSON)).encode_to_vec()));
        }),
    ]
}
