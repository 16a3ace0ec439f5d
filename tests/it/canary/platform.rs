//! A platform that is fine for some ids and fails for the others, echoing what it was asked: the id says how.

use std::{sync::Arc, time::Duration};

use serde_json::json;
use tokio::{
    sync::{Notify, mpsc},
    time::sleep,
};

use super::marks::{answer, events, mark};
use crate::support::{
    live::finished,
    platform::{Reply, Seen, event},
};

/// Every status of the table, and some that are in none.
const STATUSES: [u16; 20] =
    [400, 401, 402, 403, 404, 408, 409, 412, 413, 418, 422, 429, 499, 500, 501, 502, 503, 504, 520, 599];
/// What a refusal's body is.
const BODIES: [&str; 5] = ["html", "words", "list", "text", "nothing"];
/// What a garbled answer is.
const GARBLED: [&str; 9] = ["html", "text", "number", "list", "half", "types", "no-id", "encoding", "length"];
/// How an exchange breaks.
const BROKEN: [&str; 3] = ["silence", "closed", "reset"];

/// The ids that fail, each in another way.
pub fn failing() -> Vec<String> {
    let refused = STATUSES.iter().flat_map(|status| BODIES.iter().map(move |body| format!("status.{status}.{body}")));
    let garbled = GARBLED.iter().map(|how| format!("garbled.{how}"));
    refused.chain(garbled).chain(BROKEN.iter().map(|how| format!("broken.{how}"))).collect()
}

/// Whether the platform's own words about this id repeat the prompt: they are for its caller, and for nobody else.
pub fn repeats_the_prompt(id: &str) -> bool {
    ["words", "list", "text", "refused"].iter().any(|end| id.ends_with(end))
}

/// What the platform answers; `release` lets the answers come that are held back.
pub fn script(release: Arc<Notify>) -> impl Fn(&Seen) -> Reply + Send + Sync + 'static {
    move |request| {
        let path = request.path.split('?').next().unwrap_or_default();
        if path == "/agents/list" {
            let agent = json!({ "id": "agent-1", "instructions": mark("agent"), "api_key": mark("agent") });
            return Reply::json(200, &json!([agent]));
        }
        if let Some(agent) = path.strip_prefix("/agents/") {
            return match agent.strip_prefix("lookup.") {
                Some(how) => failure(how, request),
                None => Reply::json(200, &json!({ "id": agent, "name": "agent-1", "instructions": mark("agent") })),
            };
        }
        let id = path.trim_end_matches("/status").trim_end_matches("/events").rsplit('/').next().unwrap_or_default();
        // A user is called so before the id.
        let id = id.rsplit('~').next().unwrap_or_default();
        let (kind, rest) = id.split_once('.').unwrap_or((id, ""));
        if ["good", "late", "held", "torn", "live"].contains(&kind) && path.contains("/history/") {
            return Reply::json(200, &json!([answer(id, "completed"), { "id": "t", "process": mark("process") }]));
        }
        if path.starts_with("/activity/") {
            let entries = json!([
                { "role": "user", "content": { "text": mark("prompt") }, "user": { "email": mark("email") } },
                { "tool_name": "t", "payload": mark("payload"), "result": mark("result") },
                { "type": "token_ready", "data": { "access_token": mark("access-token") } },
                { "action": "approval_card", "card": mark("card") },
            ]);
            return Reply::json(200, &json!({ "id": id, "messages": entries }));
        }
        match (kind, path.ends_with("/events")) {
            ("held", _) if request.method == "POST" => {
                Reply::After(Arc::clone(&release), Box::new(failure(rest, request)))
            }
            // A create that succeeds when nobody waits any more; the stop that follows is refused.
            ("late", _) if request.method == "POST" => {
                Reply::After(Arc::clone(&release), Box::new(Reply::json(200, &answer("status.403.words", "pending"))))
            }
            ("good" | "late" | "held" | "torn" | "live", false) => Reply::json(200, &answer(id, "executing")),
            ("good" | "late" | "held", true) => {
                let mut end = finished("completed", &mark("result"));
                end["id"] = id.into();
                Reply::events(&(events() + &event("task_finished", &end).replace("task-1", id)))
            }
            ("torn", true) => match rest {
                "end" => Reply::events(&events()),
                "reset" => Reply::Reset([HEAD, events().as_bytes()].concat()),
                "in.the.middle" => Reply::Torn(events().as_bytes()[..3000].to_vec()),
                // Torn once, then refused.
                _ if request.header("last-event-id").is_some() => failure("status.403.words", request),
                _ => Reply::Torn((events() + &event("chunk", &json!(1)).replace("data:", "id: 1\ndata:")).into()),
            },
            ("live", true) => endless(),
            _ => failure(id, request),
        }
    }
}

/// Events, then a comment now and then.
fn endless() -> Reply {
    let (send, pieces) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let mut piece = events();
        while send.send(piece.into_bytes()).is_ok() {
            sleep(Duration::from_millis(100)).await;
            piece = format!(": {}\n", mark("comment"));
        }
    });
    Reply::Stream(pieces)
}

const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";

/// The failure that `how` names, with the whole request in it.
fn failure(how: &str, request: &Seen) -> Reply {
    let echo = format!("{:?} {}", request.headers, request.body);
    let key = request.header("x-api-key").unwrap_or_default();
    let words = format!("{key} must not say {} of {}", mark("prompt"), mark("email"));
    let parts: Vec<_> = how.split('.').collect();
    match parts[..] {
        ["status", status, body] => {
            let status = status.parse().expect("a status");
            match body {
                "html" => Reply::text(status, "text/html", &format!("<html><body>{echo}</body></html>")),
                "words" => Reply::json(status, &json!({ "detail": words, "request": echo })),
                "list" => Reply::json(
                    status,
                    &json!({ "detail": [{
                        "loc": ["body", "input", "text"], "msg": words, "type": "missing", "input": request.body,
                        "ctx": { "headers": echo },
                    }] }),
                ),
                "text" => Reply::text(status, "text/plain", &words),
                _ => Reply::Http(status, vec![("retry-after", "1".to_owned())], Vec::new()),
            }
        }
        ["garbled", how] => garbled(how, &echo),
        ["broken", "closed"] => Reply::Raw(format!("HTTP/1.1 200 OK\r\ncontent-length: 9999999\r\n\r\n{echo}").into()),
        ["broken", "reset"] => Reply::Reset(format!("HTTP/1.1 {echo}").into()),
        _ => Reply::Silence,
    }
}

fn garbled(how: &str, echo: &str) -> Reply {
    let good = answer("task-1", "executing").to_string();
    match how {
        "html" => Reply::text(200, "text/html", &format!("<html>{echo}</html>")),
        "text" => Reply::text(200, "text/plain", echo),
        "number" => Reply::text(200, "application/json", &format!("1{echo}")),
        "list" => Reply::json(200, &json!([echo, { "id": mark("id") }])),
        "half" => Reply::text(200, "application/json", &good[..good.len() / 2]),
        "types" => Reply::json(200, &json!({ "id": { "x": echo }, "status": echo, "created_at": echo })),
        "no-id" => Reply::json(200, &json!({ "result": echo })),
        "encoding" => Reply::Http(200, vec![("content-encoding", "gzip".to_owned())], echo.into()),
        _ => Reply::Raw(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", mark("length")).into()),
    }
}
