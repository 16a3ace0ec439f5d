//! A platform whose event stream breaks off in one way or another, and begins again in one way or another.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::{Value, json};
use tonic::Request;
use xpander_grpc_proxy::{
    config::Settings,
    proto::{EventType, TaskEvent, task_event::Data},
};

use super::{
    calls::follow,
    live::{Followed, finished},
    platform::{Platform, Reply, Seen, event, task},
    proxy::{Proxy, settings},
    time::Moment,
};

/// How many chunks there are, before `task_finished`.
pub const CHUNKS: usize = 6;

const HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";

/// Where a connection begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begins {
    /// After `Last-Event-ID`; without one at the start.
    AsAsked,
    AtTheStart,
    /// One event is missed by each break.
    AtThePresent,
}

/// What the events carry as ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ids {
    /// One more each time.
    Numbers,
    /// Nothing that says what comes next.
    Words,
    None,
}

/// How a connection breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Break {
    /// As HTTP has it.
    End,
    EndInAnEvent,
    /// Closed behind an event.
    Torn,
    InALine,
    InACharacter,
    InAChunk,
    InAChunksHead,
    Reset,
    Silence,
    /// Closed before the answer.
    Unanswered,
    /// Refused.
    Status(u16),
}

/// Those in which a stream is opened, and events may have come.
pub const BREAKS: [Break; 9] = [
    Break::End,
    Break::EndInAnEvent,
    Break::Torn,
    Break::InALine,
    Break::InACharacter,
    Break::InAChunk,
    Break::InAChunksHead,
    Break::Reset,
    Break::Silence,
];

/// A task's life on the platform: each connection breaks before the chunk of that number; the last one does not.
#[derive(Clone, Debug)]
pub struct Course {
    pub begins: Begins,
    pub ids: Ids,
    pub breaks: Vec<(usize, Break)>,
    /// Sent before the events of each connection, those that break first.
    pub preludes: Vec<String>,
    /// After so many connections the task is over when it is read.
    pub over_after: usize,
}

/// A course under way, with a proxy before it.
pub struct Running {
    pub platform: Platform,
    pub proxy: Proxy,
    opened: Arc<Mutex<Vec<Moment>>>,
}

impl Course {
    pub fn new(begins: Begins, ids: Ids, breaks: &[(usize, Break)]) -> Self {
        Self { begins, ids, breaks: breaks.to_vec(), preludes: Vec::new(), over_after: usize::MAX }
    }

    pub async fn run(self) -> Running {
        self.run_with(|_| {}).await
    }

    /// With a short patience for silence and a long one for breaks, and other settings.
    pub async fn run_with(self, change: impl FnOnce(&mut Settings)) -> Running {
        let opened = Arc::new(Mutex::new(Vec::new()));
        let platform = Platform::start(self.script(Arc::clone(&opened))).await;
        let mut settings = settings(&platform.base_url());
        settings.events.idle_timeout = Duration::from_millis(400);
        settings.events.reconnect_budget = Duration::from_secs(15);
        change(&mut settings);
        let proxy = Proxy::with(&settings).await;
        Running { platform, proxy, opened }
    }

    /// What the platform answers; notes when the stream is opened.
    pub fn script(self, opened: Arc<Mutex<Vec<Moment>>>) -> impl Fn(&Seen) -> Reply + Send + Sync + 'static {
        move |request| {
            let mut opened = opened.lock().expect("no panic");
            if request.path.ends_with("/events") {
                opened.push(Moment::now());
                return self.connection(opened.len() - 1, request.header("last-event-id"));
            }
            match opened.len() > self.over_after {
                true => Reply::json(200, &finished("completed", "read")),
                false => Reply::json(200, &task("task-1", "executing")),
            }
        }
    }

    fn connection(&self, nth: usize, last_id: Option<&str>) -> Reply {
        let last = last_id.and_then(|last| (0..=CHUNKS).find(|n| self.id(*n).as_deref() == Some(last)));
        let from = match (self.begins, nth) {
            (Begins::AsAsked, _) => last.map_or(0, |last| last + 1),
            (Begins::AtThePresent, 1..) => self.breaks.get(nth - 1).map_or(0, |(until, _)| until + 1),
            _ => 0,
        };
        let (until, how) = self.breaks.get(nth).copied().unwrap_or((CHUNKS + 1, Break::End));
        let prelude = self.preludes.get(nth).cloned().unwrap_or_default();
        let events: String = (from..until).map(|n| self.event(n)).collect();
        let whole = prelude + &event("connected", &json!({ "connection": nth })) + &events;
        let next = self.event(until).into_bytes();
        let middle = next.iter().position(|byte| !byte.is_ascii()).map_or(40, |at| at + 1);
        let raw = |rest: &[u8]| {
            let chunk = format!("{HEAD}{:x}\r\n{whole}\r\n", whole.len());
            [chunk.as_bytes(), rest].concat()
        };
        match how {
            Break::End => Reply::events(&whole),
            Break::EndInAnEvent => Reply::events(&(whole + &String::from_utf8_lossy(&next[..40]))),
            Break::Torn => Reply::Torn(whole.into()),
            Break::InALine => Reply::Torn([whole.as_bytes(), &next[..40]].concat()),
            Break::InACharacter => Reply::Torn([whole.as_bytes(), &next[..middle]].concat()),
            Break::InAChunk => Reply::Raw(raw(&[b"fff\r\n", &next[..40]].concat())),
            Break::InAChunksHead => Reply::Raw(raw(b"f")),
            Break::Reset => Reply::Reset(raw(b"")),
            Break::Silence => Reply::Silent(raw(b"")),
            Break::Unanswered => Reply::Raw(Vec::new()),
            Break::Status(status) => Reply::json(status, &json!({ "detail": "not now" })),
        }
    }

    fn event(&self, n: usize) -> String {
        let id = self.id(n).map(|id| format!("id: {id}\n")).unwrap_or_default();
        match n {
            CHUNKS => id + &event("task_finished", &finished("completed", "told")),
            _ => id + &event("chunk", &Value::from(format!("é{n}"))),
        }
    }

    /// The id of an event.
    pub fn id(&self, n: usize) -> Option<String> {
        const WORDS: [&str; CHUNKS + 2] = ["ash", "oak", "elm", "fir", "yew", "box", "fig", "may"];
        match self.ids {
            Ids::Numbers => Some(format!("run-{}", n + 8)),
            Ids::Words => Some(WORDS[n].to_owned()),
            Ids::None => None,
        }
    }
}

impl Running {
    /// Follows the task to its end, which is OK.
    pub async fn followed(&self) -> Vec<TaskEvent> {
        Followed::begin(&mut self.proxy.client()).await.all().await
    }

    /// The same after an event that the caller has seen.
    pub async fn followed_after(&self, id: &str) -> Vec<TaskEvent> {
        let mut request = follow("task-1");
        request.last_event_id = id.to_owned();
        Followed::with(&mut self.proxy.client(), Request::new(request)).await.all().await
    }

    /// When the stream was opened.
    pub fn opened(&self) -> Vec<Moment> {
        self.opened.lock().expect("no panic").clone()
    }

    /// The `Last-Event-ID` of each opening.
    pub fn asked_after(&self) -> Vec<Option<String>> {
        let seen = self.platform.seen().into_iter().filter(|request| request.path.ends_with("/events"));
        seen.map(|request| request.header("last-event-id").map(str::to_owned)).collect()
    }
}

/// Events in short: the text of chunks, the result of the end, and the names of all others.
pub fn story(events: &[TaskEvent]) -> String {
    let word = |event: &TaskEvent| match (&event.data, event.r#type()) {
        (Some(Data::Chunk(text)), _) => text.clone(),
        (Some(Data::Task(task)), EventType::TaskFinished) => task.result().to_owned(),
        _ => event.type_name.clone(),
    };
    events.iter().map(word).collect::<Vec<_>>().join(" ")
}
