//! Which request is which, and its answer.
//!
//! It neither reads sockets (`server`) nor runs tasks (`script`).

use std::sync::Arc;

use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use percent_encoding::percent_decode_str;
use serde_json::Value;
use url::form_urlencoded;

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
    tasks::turn::Turn,
};

/// What a request is for.
#[derive(Debug)]
pub struct Target {
    /// Its route.
    pub route: Route,
    organization: String,
    /// The agent's, the task's or the user's.
    id: String,
    query: String,
}

/// Recognises a request by its method and path.
///
/// # Errors
/// When the platform has no such route, or not with this method.
pub fn recognise(method: &Method, uri: &Uri) -> Result<Target, Problem> {
    let path = uri.path();
    let segments: Vec<&str> = path.strip_prefix('/').unwrap_or(path).split('/').collect();
    let unknown = || Problem::new(StatusCode::NOT_FOUND, "Not Found");
    let (organization, resource) = mounted(&segments);
    let (allowed, id) = match resource {
        ["agent-execution", id] => ("POST, DELETE", id),
        ["agents", id]
        | ["activity", _, id]
        | ["agent-execution", id, "status" | "events"]
        | ["agent-execution", "executions", "history", id]
        | ["agent-execution", "executions", "history", "user", id] => ("GET", id),
        _ => return Err(unknown()),
    };
    if id.is_empty() || organization == Some("") {
        return Err(unknown());
    }
    let route = match (method.as_str(), resource) {
        ("GET", ["agents", "list"]) => Route::ListAgents,
        ("GET", ["agents", _]) => Route::LoadAgent,
        ("GET", ["activity", _, _]) => Route::ReadActivity,
        ("GET", ["agent-execution", "executions", "history", _]) => Route::ListTasks,
        ("GET", ["agent-execution", "executions", "history", "user", _]) => Route::ListUserTasks,
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
    // Users are called as others call them.
    let is_users = route == Route::ListUserTasks;
    let id = if is_users { percent_decode_str(id).decode_utf8_lossy().into_owned() } else { (*id).to_owned() };
    let query = uri.query().unwrap_or_default().to_owned();
    Ok(Target { route, organization, id, query })
}

/// The organization and the rest of a path, which may begin with an organization, and that with `/agent-controller`.
fn mounted<'a, 'b>(segments: &'b [&'a str]) -> (Option<&'a str>, &'b [&'a str]) {
    match segments {
        ["agents" | "agent-execution", _]
        | ["agent-execution", _, "status" | "events"]
        | ["agent-execution", "executions", "history", ..]
        | ["activity", _, _] => (None, segments),
        [organization, resource @ ..] if matches!(resource, ["agents" | "agent-execution" | "activity", ..]) => {
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
        Route::ListAgents => Ok(list_agents(target)),
        Route::ListTasks | Route::ListUserTasks => Ok(list_tasks(platform, target)),
        Route::ReadActivity => read_activity(platform, target),
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

fn list_agents(target: &Target) -> Answer {
    let current = Agent::version(None).unwrap_or_default();
    let agents: Vec<_> = Agent::listed().map(|agent| agent.to_json(&target.organization, current)).collect();
    reply::json(StatusCode::OK, &Value::from(agents))
}

/// Tasks as the platform lists them: oldest first here, which nobody may rely on.
fn list_tasks(platform: &Platform, target: &Target) -> Answer {
    let whose = if target.route == Route::ListTasks { "agent_id" } else { "user_id" };
    let wanted: Vec<_> = form_urlencoded::parse(target.query.as_bytes()).collect();
    let fits = |turn: &Arc<Turn>, row: &Value| {
        row["organization_id"] == target.organization
            && row[whose] == target.id
            && wanted.iter().all(|(name, value)| match &**name {
                "internal_status" => turn.attribute(name) == **value,
                name => row[name] == **value,
            })
    };
    let rows = platform.tasks.all().into_iter().filter_map(|turn| Some(turn.row()).filter(|row| fits(&turn, row)));
    reply::json(StatusCode::OK, &rows.collect())
}

fn read_activity(platform: &Platform, target: &Target) -> Answered {
    let turn = platform.tasks.find(&target.id).ok_or_else(|| Problem::new(StatusCode::NOT_FOUND, "Log not found"))?;
    Ok(reply::with_body(StatusCode::OK, "application/json", turn.activity()))
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
