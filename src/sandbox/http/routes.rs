//! Which request is which, and its answer.
//!
//! It neither reads sockets (`server`) nor runs tasks (`script`).

use std::sync::Arc;

use http::{HeaderMap, HeaderValue, Method, StatusCode};
use serde_json::Value;

use super::{
    events,
    faults::Fault,
    platform::Platform,
    reply::{self, Answer, Problem},
    route::Route,
    shape,
};
use crate::sandbox::{
    agents::{Agent, Behaviour},
    store::{Order, Refusal},
};

/// What a request is for.
#[derive(Debug)]
pub struct Target {
    /// Its route.
    pub route: Route,
    organization: String,
    /// The agent's or the task's.
    id: String,
}

/// Recognises a request by its method and path.
///
/// # Errors
/// When the platform has no such route, or not with this method.
pub fn recognise(method: &Method, path: &str) -> Result<Target, Problem> {
    let segments: Vec<&str> = path.strip_prefix('/').unwrap_or(path).split('/').collect();
    let unknown = || Problem::new(StatusCode::NOT_FOUND, "Not Found");
    let (organization, resource) = mounted(&segments);
    let (allowed, id) = match resource {
        ["agent-execution", id] => ("POST, DELETE", id),
        ["agents", id] | ["agent-execution", id, "status" | "events"] => ("GET", id),
        _ => return Err(unknown()),
    };
    if id.is_empty() || organization == Some("") {
        return Err(unknown());
    }
    let route = match (method.as_str(), resource) {
        ("GET", ["agents", _]) => Route::LoadAgent,
        ("POST", ["agent-execution", _]) => Route::CreateTask,
        ("DELETE", ["agent-execution", _]) => Route::StopTask,
        ("GET", [_, _, "status"]) => Route::ReadTask,
        ("GET", [_, _, "events"]) => Route::FollowTask,
        _ => {
            return Err(Problem::new(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed").allow(allowed));
        }
    };
    // Requests whose path names none could be of any.
    let organization = organization.unwrap_or_default().to_owned();
    Ok(Target { route, organization, id: (*id).to_owned() })
}

/// The organization and the rest of a path, which may begin with an organization, and that with `/agent-controller`.
fn mounted<'a, 'b>(segments: &'b [&'a str]) -> (Option<&'a str>, &'b [&'a str]) {
    match segments {
        ["agents" | "agent-execution", _] | ["agent-execution", _, "status" | "events"] => (None, segments),
        [organization, resource @ ..] if matches!(resource, ["agents" | "agent-execution", ..]) => {
            (Some(organization), resource)
        }
        [mount, organization, resource @ ..] if mount.eq_ignore_ascii_case("agent-controller") => {
            (Some(organization), resource)
        }
        _ => (None, segments),
    }
}

/// Answers a request. The fault matters to event streams only.
pub fn answer(platform: &Platform, target: &Target, headers: &HeaderMap, body: &[u8], fault: Option<&Fault>) -> Answer {
    if headers.get("x-api-key").is_none_or(HeaderValue::is_empty) {
        return Problem::new(StatusCode::UNAUTHORIZED, "Invalid API key").into();
    }
    let done = match target.route {
        Route::LoadAgent => load_agent(target, headers),
        Route::CreateTask => create_task(platform, target, headers, body),
        Route::ReadTask => read_task(platform, target),
        Route::StopTask => stop_task(platform, target),
        Route::FollowTask => follow_task(platform, target, headers, fault),
    };
    done.unwrap_or_else(Answer::from)
}

type Answered = Result<Answer, Problem>;

fn load_agent(target: &Target, headers: &HeaderMap) -> Answered {
    let agent = Agent::by_id_or_name(&target.id).ok_or_else(|| Problem::not_found("Agent"))?;
    if let Behaviour::Hidden(status) = agent.behaviour {
        return Err(Problem::on_demand(status));
    }
    let version = version(headers)?;
    Ok(reply::json(StatusCode::OK, &agent.to_json(&target.organization, version)))
}

fn create_task(platform: &Platform, target: &Target, headers: &HeaderMap, body: &[u8]) -> Answered {
    let agent = Agent::by_id(&target.id).ok_or_else(|| Problem::not_found("Agent"))?;
    if let Behaviour::Refuses(status) | Behaviour::Hidden(status) = agent.behaviour {
        return Err(Problem::on_demand(status));
    }
    let version = version(headers)?;
    let read: Value =
        serde_json::from_slice(body).map_err(|error| Problem::unprocessable(vec![shape::not_json(&error)]))?;
    let complaints = shape::complaints(&read);
    let read = match &read {
        Value::Object(read) if complaints.is_empty() => read,
        _ => return Err(Problem::unprocessable(complaints)),
    };
    let organization = target.organization.as_str();
    let order = Order { agent: &agent, version, organization, body: read, bytes: body.len() };
    let turn = match read.get("id").and_then(Value::as_str).filter(|id| !id.is_empty()) {
        Some(id) => platform.tasks.resume(id, &order),
        None => platform.tasks.create(&order),
    };
    Ok(reply::json(StatusCode::OK, &turn.map_err(refusal)?.snapshot()))
}

fn read_task(platform: &Platform, target: &Target) -> Answered {
    let turn = platform.tasks.find(&target.id).ok_or_else(|| Problem::not_found("Task"))?;
    Ok(reply::json(StatusCode::OK, &turn.snapshot()))
}

fn stop_task(platform: &Platform, target: &Target) -> Answered {
    let turn = platform.tasks.find(&target.id).ok_or_else(|| Problem::not_found("Task"))?;
    turn.stop();
    Ok(reply::json(StatusCode::OK, &turn.snapshot()))
}

fn follow_task(platform: &Platform, target: &Target, headers: &HeaderMap, fault: Option<&Fault>) -> Answered {
    let turn = platform.tasks.find(&target.id).ok_or_else(|| Problem::not_found("Task"))?;
    if turn.attribute("events_streaming") != Value::Bool(true) {
        return Err(Problem::new(StatusCode::NOT_FOUND, "Task has no event stream"));
    }
    let last_event_id = headers.get("last-event-id").and_then(|id| id.to_str().ok()?.parse().ok()).unwrap_or_default();
    Ok(events::follow(Arc::clone(&turn), last_event_id, fault, &platform.open_streams))
}

/// The version of the agent that the request pins, or the current one.
fn version(headers: &HeaderMap) -> Result<&'static str, Problem> {
    let asked = headers.get("x-agent-version").map(|version| version.to_str().unwrap_or_default());
    Agent::version(asked).ok_or_else(|| Problem::not_found("Agent version"))
}

fn refusal(refusal: Refusal) -> Problem {
    match refusal {
        Refusal::Unknown => Problem::not_found("Task"),
        Refusal::Running => Problem::new(StatusCode::CONFLICT, "Task is still running"),
        Refusal::Full => Problem::new(StatusCode::SERVICE_UNAVAILABLE, "Too many tasks are running").retry_after("1"),
    }
}
