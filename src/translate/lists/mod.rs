//! Lists: what is asked for, checked, and the platform's rows into protobuf.

mod activity;

use std::mem;

use prost::Message as _;
use prost_types::Timestamp;

pub use self::activity::{entry, thread};
use super::{
    check::{Check, Violation, set},
    is_id,
    task::{timestamp, translators},
    words::Words as _,
};
use crate::{
    platform::wire::{self, Object as _, Time, Wire},
    proto::{self, json::Reader},
};

/// How many rows a page has unless told, and at most.
const PAGE: (usize, usize) = (50, 1_000);
/// The longest text that is asked for, in bytes: a user's id, an internal status.
const MAX_TEXT: usize = 256;
/// The longest id of a row, in bytes: it becomes a part of a page's token.
const MAX_ROW_ID: usize = 256;

/// Where a row stands in its list: the newest first, those without a time last, those of one time by their ids. It does
/// not change while the row is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// When it was created: seconds and nanoseconds, as in a protobuf Timestamp.
    pub created: Option<(i64, i32)>,
    /// Its id.
    pub id: String,
}

impl Ord for Place {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        other.created.cmp(&self.created).then_with(|| self.id.cmp(&other.id))
    }
}

impl PartialOrd for Place {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// The tasks that are asked for.
#[derive(Debug, Clone)]
pub struct Wanted<'a> {
    /// Of this agent; else of the user.
    pub agent_id: Option<&'a str>,
    /// Of this user.
    pub user_id: Option<&'a str>,
    /// With this status, in the platform's word.
    pub status: Option<String>,
    /// With this internal status.
    pub internal_status: Option<&'a str>,
    /// That this task has started.
    pub parent_task_id: Option<&'a str>,
    /// That this agent has triggered.
    pub triggering_agent_id: Option<&'a str>,
    /// How many at most.
    pub page_size: usize,
}

/// The agent whose tasks a request asks for: the default one where it names neither agent nor user.
#[must_use]
pub fn listed_agent<'a>(request: &'a proto::ListTasksRequest, default: Option<&'a str>) -> Option<&'a str> {
    set(&request.agent_id).or(default.filter(|_| request.user_id.is_empty()))
}

/// Checks a request for tasks.
///
/// # Errors
/// Everything that is wrong with it.
pub fn wanted<'a>(
    request: &'a proto::ListTasksRequest,
    default_agent: Option<&'a str>,
) -> Result<Wanted<'a>, Vec<Violation>> {
    let mut check = Check::default();
    let agent_id = listed_agent(request, default_agent);
    check.that(agent_id.is_some() || !request.user_id.is_empty(), "agent_id", "or user_id is required");
    let ids = [
        ("agent_id", &request.agent_id),
        ("parent_task_id", &request.parent_task_id),
        ("triggering_agent_id", &request.triggering_agent_id),
    ];
    for (field, id) in ids {
        let must = "must match [A-Za-z0-9._~-]{1,128} and not be . or ..";
        check.that(id.is_empty() || is_id(id), field, must);
    }
    // Users are named by others: what they are called goes into the path encoded. Steps in a path cannot be.
    let has_steps = request.user_id.split(['/', '\\']).any(|step| matches!(step, "." | ".."));
    let must = "must be at most 256 bytes without control characters, and neither . nor .. between slashes";
    check.that(is_text(&request.user_id) && !has_steps, "user_id", must);
    let must = "must be at most 256 bytes without control characters";
    check.that(is_text(&request.internal_status), "internal_status", must);
    check.word::<proto::TaskStatus>("status", request.status);
    let page_size = page_size(&mut check, request.page_size);
    if !check.violations.is_empty() {
        return Err(check.violations);
    }
    let status = Some(request.status()).filter(|status| *status != proto::TaskStatus::Unspecified);
    Ok(Wanted {
        agent_id,
        user_id: set(&request.user_id),
        status: status.map(|status| status.as_str_name().trim_start_matches("TASK_STATUS_").to_lowercase()),
        internal_status: set(&request.internal_status),
        parent_task_id: set(&request.parent_task_id),
        triggering_agent_id: set(&request.triggering_agent_id),
        page_size,
    })
}

/// How many agents are asked for.
///
/// # Errors
/// When that is a negative number.
pub fn wanted_agents(request: &proto::ListAgentsRequest) -> Result<usize, Vec<Violation>> {
    let mut check = Check::default();
    let page_size = page_size(&mut check, request.page_size);
    if check.violations.is_empty() { Ok(page_size) } else { Err(check.violations) }
}

/// As AIP-158 has it: too many are as many as there may be.
fn page_size(check: &mut Check, asked: i32) -> usize {
    check.that(asked >= 0, "page_size", "must not be negative");
    match usize::try_from(asked) {
        Ok(0) | Err(_) => PAGE.0,
        Ok(asked) => asked.min(PAGE.1),
    }
}

fn is_text(text: &str) -> bool {
    text.len() <= MAX_TEXT && !text.chars().any(char::is_control)
}

/// A row of a list, translated.
pub trait Row {
    /// Where it stands in its list; None where it has no id that can.
    fn place(&self) -> Option<Place>;

    /// How large it is encoded, in bytes.
    fn size(&self) -> usize;
}

impl Row for proto::TaskSummary {
    fn place(&self) -> Option<Place> {
        Place::of(&self.id, self.created_at)
    }

    fn size(&self) -> usize {
        self.encoded_len()
    }
}

impl Row for proto::Agent {
    fn place(&self) -> Option<Place> {
        Place::of(&self.id, self.created_at)
    }

    fn size(&self) -> usize {
        self.encoded_len()
    }
}

impl Place {
    /// Of a row with this id; None where that is none.
    #[must_use]
    pub fn of(id: &str, created: Option<Timestamp>) -> Option<Self> {
        let created = created.map(|Timestamp { seconds, nanos }| (seconds, nanos));
        (1..=MAX_ROW_ID).contains(&id.len()).then(|| Self { created, id: id.to_owned() })
    }
}

/// Where the row that is next stands in its list; None where that is no object with an id. For rows of which nothing else
/// matters.
#[must_use]
pub fn place(json: &mut Reader<'_>) -> Option<Place> {
    let [id, created] = json.attributes(["id", "created_at"])?;
    let id = Reader::new(id?).string()?.text();
    let created = created.and_then(|time| Time::read(&mut Reader::new(time)));
    Place::of(&id, created.map(timestamp))
}

/// The task's row that is next, with its result where that is wanted; None where it is no object.
#[must_use]
pub fn summary(json: &mut Reader<'_>, with_result: bool) -> Option<proto::TaskSummary> {
    let mut task = wire::TaskRow::default();
    json.object(|json, key| {
        let is_left_out = !with_result && key.is("result");
        if is_left_out { json.skip().map(drop) } else { task.attribute(key, json) }
    })?;
    let other = mem::take(&mut task.rest);
    let mut summary = summary_of(task);
    summary.other = other.into_struct();
    // As a task's: absent means pending, an unknown one is in `other`.
    if summary.status == 0 && !summary.other.as_ref().is_some_and(|other| other.has("status")) {
        summary.status = proto::TaskStatus::Pending.into();
    }
    Some(summary)
}

/// The agent's row that is next; None where it is no object.
#[must_use]
pub fn agent(json: &mut Reader<'_>) -> Option<proto::Agent> {
    wire::AgentRow::read(json).map(agent_of)
}

fn agent_of(row: wire::AgentRow) -> proto::Agent {
    let wire::AgentRow {
        id,
        name,
        icon,
        status,
        description,
        organization_id,
        created_at,
        created_by,
        access_scope,
        r#type,
    } = row;
    proto::Agent {
        id,
        name,
        icon,
        status,
        description,
        organization_id,
        created_at: created_at.map(timestamp),
        created_by,
        access_scope,
        r#type,
    }
}

translators! {
    summary_of: TaskRow => TaskSummary {
        id = id.unwrap_or_default(), agent_id = agent_id.unwrap_or_default(), user_id, parent_task_id,
        triggering_agent_id, organization_id = organization_id.unwrap_or_default(),
        status = proto::TaskStatus::number(status), created_at = created_at.map(timestamp),
        updated_at = updated_at.map(timestamp), source_node_type, result, title, execution_kind, process,
        conversation_kind; + other = None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(row: &str, with_result: bool) -> Option<proto::TaskSummary> {
        super::summary(&mut Reader::new(row), with_result)
    }

    #[test]
    fn rows_stand_with_the_newest_first_and_those_without_a_time_last() {
        let row = |id: &str, created: &str| format!(r#"{{"created_at": {created}, "id": "{id}"}}"#);
        let rows = [
            row("d", "null"),
            row("b", "\"2026-04-10T19:01:35Z\""),
            row("a", "\"2026-04-10T21:01:35+02:00\""),
            row("c", "\"yesterday\""),
            row("e", "\"2026-04-10T19:01:35.000001\""),
        ];
        let place = |row: &str| place(&mut Reader::new(row));
        let mut places: Vec<_> = rows.iter().map(|row| place(row).expect("a row")).collect();
        places.sort();
        let ids: Vec<_> = places.iter().map(|place| &*place.id).collect();
        assert_eq!(ids, ["e", "a", "b", "c", "d"]);
        for wrong in ["1", "\"a\"", "{}", r#"{"id": 1}"#, r#"{"id": ""}"#, r#"{"id": "a""#, r#"{"id": "a"; "b"}"#] {
            assert_eq!(place(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_row_of_tomorrow_is_kept_and_a_result_only_where_it_is_wanted() {
        let row = r#"{"id": "t", "status": "levitating", "result": {"a": 1}, "cost": 3, "process": {"n": 1}}"#;
        let with = summary(row, true).expect("a row");
        let other = with.other.expect("more").fields();
        assert_eq!(with.status, 0);
        assert_eq!(
            (&other["status"], &other["cost"], &other["result"]["a"]),
            (&"levitating".into(), &3.into(), &1.into())
        );
        let without = summary(row, false).expect("a row").other.expect("more");
        assert!(without.has("cost") && !without.has("result"));
        assert_eq!(summary(r#"{"id": "t"}"#, false).expect("a row").status(), proto::TaskStatus::Pending);
    }

    #[test]
    fn servers_secrets_are_left_out_of_a_row() {
        let row = r#"{"id": "t", "mcp_servers": [{"name": "n", "api_key": "s3cret", "client_secret": "s3cret",
            "headers": {"a": "s3cret"}, "env_vars": {"a": "s3cret"}}]}"#;
        for with_result in [true, false] {
            let other = summary(row, with_result).and_then(|summary| summary.other).expect("more").json();
            assert_eq!(other, serde_json::json!({"mcp_servers": [{"name": "n"}]}));
        }
    }

    #[test]
    fn nothing_is_read_of_an_agent_but_what_a_list_shows() {
        let row = r#"{"id": "a", "name": ["n"], "icon": null, "status": "ACTIVE", "type": 7, "description": "d",
            "instructions": {"role": ["secret"]}, "api_key": "secret", "created_at": "soon"}"#;
        let agent = agent(&mut Reader::new(row)).expect("an agent");
        assert_eq!(
            (&*agent.id, agent.status.as_deref(), agent.description.as_deref()),
            ("a", Some("ACTIVE"), Some("d"))
        );
        assert_eq!((agent.name, agent.icon, agent.r#type, agent.created_at), (None, None, None, None));
    }
}
