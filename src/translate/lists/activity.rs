//! An activity log: its thread, and its entries, which are told by their keys.

use std::mem;

use crate::{
    platform::wire::{self, Object, Wire},
    proto::{
        self,
        activity_entry::Entry,
        json::{Reader, Struct, Value, attributes},
    },
    translate::{
        auth::{harmless, may_hold_secrets},
        event::{sub_agent_trigger, tool_call_reasoning},
        task::{person, timestamp, translators},
        words::Words as _,
    },
};

/// The platform's kinds of auth events.
const AUTH: [&str; 4] = ["not_supported", "login_required", "token_issue", "token_ready"];

/// Translates what a log says of itself; None where it is no object.
#[must_use]
pub fn thread(json: &str) -> Option<proto::ActivityThread> {
    let mut thread = parsed::<wire::ActivityThread>(json)?;
    let other = mem::take(&mut thread.rest).into_struct();
    let mut thread = thread_of(thread);
    thread.other = other;
    Some(thread)
}

/// Translates an entry; None where it is no JSON. Of an auth event only what is harmless is kept unless
/// `forward_access_tokens` is set.
#[must_use]
pub fn entry(json: &str, forward_access_tokens: bool) -> Option<proto::ActivityEntry> {
    let names = ["id", "created_at", "role", "tool_name", "type", "agent_id", "query", "data", "action"];
    let given = attributes(json, names).or_else(|| is_json(json).then(Default::default))?;
    let [id, time, role, tool, kind, agent, query, data, action] = given.map(|value| value.filter(|it| *it != "null"));
    let mut extra = None;
    let kind = kind.and_then(text);
    let is_auth = kind.as_deref().is_some_and(|kind| AUTH.contains(&kind));
    let may_be_auth = kind.is_some() && data.is_some_and(may_hold_secrets);
    let mut known = if is_auth {
        None
    } else if role.is_some() {
        fitting(json, &mut extra).map(|entry| Entry::Message(message(entry).into()))
    } else if tool.is_some() {
        fitting(json, &mut extra).map(|entry| Entry::ToolCall(tool_call(entry).into()))
    } else if matches!(kind.as_deref(), Some("think" | "analyze")) {
        fitting(json, &mut extra).map(|entry| Entry::Reasoning(reasoning(entry).into()))
    } else if agent.is_some() && query.is_some() && action.is_none() {
        fitting(json, &mut extra).map(|entry: wire::ActivitySubAgent| {
            let wire::ActivitySubAgent { id: _, created_at: _, agent_id, query, files, reasoning, rest } = entry;
            let trigger = wire::SubAgentTrigger { agent_id, query, files, reasoning, rest };
            Entry::SubAgentTrigger(sub_agent_trigger(trigger).into())
        })
    } else {
        None
    };
    if is_auth || may_be_auth && known.is_none() {
        let (auth, more) = auth(json, forward_access_tokens);
        (known, extra) = (Some(Entry::Auth(auth)), more);
    } else if may_be_auth && !forward_access_tokens {
        // No shape but an auth event's has data: what is in there stands in what else the entry says.
        extra = None;
    }
    Some(proto::ActivityEntry {
        id: id.and_then(text),
        time: time.and_then(parsed).map(timestamp),
        entry: Some(known.unwrap_or_else(|| Entry::Other(Value::new(json)))),
        extra,
    })
}

fn is_json(text: &str) -> bool {
    let mut json = Reader::new(text);
    json.skip().is_some() && json.is_at_end()
}

/// An entry in its shape, and what the shape has no field for; None where it does not fit.
fn fitting<T: Object>(json: &str, extra: &mut Option<Struct>) -> Option<T> {
    let mut entry: T = parsed(json).filter(|entry: &T| !entry.rest().misfit)?;
    *extra = mem::take(entry.rest_mut()).into_struct();
    Some(entry)
}

/// An auth event, and what else it says where that may be told.
fn auth(json: &str, forward_access_tokens: bool) -> (proto::AuthEvent, Option<Struct>) {
    let kept = (!forward_access_tokens).then(|| harmless(json));
    let auth = parsed::<wire::ActivityAuth>(kept.as_deref().unwrap_or(json)).unwrap_or_default();
    let wire::ActivityAuth { id: _, created_at: _, r#type, data, rest } = auth;
    (proto::AuthEvent { r#type, data }, rest.into_struct().filter(|_| forward_access_tokens))
}

fn parsed<T: Wire>(json: &str) -> Option<T> {
    T::read(&mut Reader::new(json))
}

fn text(json: &str) -> Option<String> {
    parsed(json)
}

fn message(entry: wire::ActivityMessage) -> proto::ActivityMessage {
    let wire::ActivityMessage { id: _, created_at: _, role, content, user, sub_execution_result, rest: _ } = entry;
    let wire::ActivityContent { text, files, rest: _ } = content.unwrap_or_default();
    proto::ActivityMessage {
        role: proto::ActivityRole::number(role),
        text,
        files: files.unwrap_or_default(),
        user: user.map(person),
        sub_execution_result,
    }
}

fn tool_call(entry: wire::ActivityToolCall) -> proto::ActivityToolCall {
    let wire::ActivityToolCall {
        id: _,
        created_at: _,
        tool_name,
        payload,
        is_error,
        reasoning,
        result,
        plan_task_id,
        rest: _,
    } = entry;
    let reasoning = reasoning.map(tool_call_reasoning);
    proto::ActivityToolCall { tool_name, payload, is_error, reasoning, result, plan_task_id }
}

fn reasoning(entry: wire::ActivityReasoning) -> proto::Reasoning {
    let wire::ActivityReasoning {
        id,
        created_at: _,
        r#type,
        title,
        confidence,
        thought,
        action,
        result,
        analysis,
        plan_task_id,
        rest: _,
    } = entry;
    proto::Reasoning { id, r#type, title, confidence, thought, action, result, analysis, plan_task_id }
}

translators! {
    thread_of: ActivityThread => ActivityThread {
        id, created_at = created_at.map(timestamp), user = user.map(person); + other = None
    }
}

#[cfg(test)]
mod tests {
    use prost::Message as _;

    use super::*;

    /// Of JSON.
    fn entry(json: &str, is_forwarded: bool) -> proto::ActivityEntry {
        super::entry(json, is_forwarded).expect("JSON")
    }

    fn kind(json: &str) -> &'static str {
        match entry(json, false).entry.expect("an entry") {
            Entry::Message(_) => "message",
            Entry::ToolCall(_) => "tool call",
            Entry::Reasoning(_) => "reasoning",
            Entry::SubAgentTrigger(_) => "sub-agent",
            Entry::Auth(_) => "auth",
            Entry::Other(_) => "other",
        }
    }

    #[test]
    fn an_entry_is_told_by_its_keys() {
        for (json, expected) in [
            (r#"{"role": "user", "content": {"text": "hi"}}"#, "message"),
            (r#"{"tool_name": "sql", "payload": "select 1"}"#, "tool call"),
            (r#"{"type": "analyze", "title": "t"}"#, "reasoning"),
            (r#"{"agent_id": "a", "query": "q"}"#, "sub-agent"),
            (r#"{"type": "token_ready", "data": {}}"#, "auth"),
            (r#"{"type": "refresh", "data": {"accessToken": "x"}}"#, "auth"),
            (r#"{"type": "token_ready"}"#, "auth"),
            (r#"{"role": null, "type": "think"}"#, "reasoning"),
            (r#"{"type": "poll", "data": {"a": 1}}"#, "other"),
            (r#"{"action": "create_execution", "agent_id": "a", "query": "q"}"#, "other"),
            (r#"{"role": "oracle", "content": {"text": "hi"}}"#, "other"),
            (r#"{"role": "user", "content": "hi"}"#, "other"),
            ("17", "other"),
            ("null", "other"),
        ] {
            assert_eq!(kind(json), expected, "{json}");
        }
    }

    #[test]
    fn what_is_no_json_is_no_entry() {
        for json in ["", "secret", r#"{"id": "m""#, r#"{"id": "m"} x"#, r#"["a", ]"#, "\"a"] {
            assert!(super::entry(json, false).is_none(), "{json}");
        }
    }

    #[test]
    fn an_entry_keeps_what_its_shape_has_no_field_for() {
        let json = r#"{"id": "m", "created_at": "2026-04-10T19:01:35Z", "role": "agent",
            "content": {"text": "hi", "tone": "kind"}, "mood": 1}"#;
        let entry = entry(json, false);
        assert_eq!((entry.id.as_deref(), entry.time.map(|time| time.seconds)), (Some("m"), Some(1_775_847_695)));
        let extra = entry.extra.expect("more").fields();
        assert_eq!((&extra["mood"], &extra["content"]["tone"]), (&1.into(), &"kind".into()));
        let Some(Entry::Message(message)) = entry.entry else { panic!("a message is expected") };
        assert_eq!((message.role(), message.text()), (proto::ActivityRole::Agent, "hi"));
    }

    #[test]
    fn an_entry_that_does_not_fit_is_whole() {
        let json = r#"{"id": "m", "tool_name": ["a"], "payload": 1}"#;
        let entry = entry(json, false);
        assert_eq!(entry.id.as_deref(), Some("m"));
        let Some(Entry::Other(other)) = entry.entry else { panic!("free JSON is expected") };
        let whole = serde_json::json!({"id": "m", "tool_name": ["a"], "payload": 1});
        assert_eq!(other.json(), whole);
    }

    #[test]
    fn tokens_are_taken_out_unless_they_are_forwarded() {
        let json = r#"{"id": "m", "type": "token_ready", "data": {"server_name": "s", "access_token": "t"}, "k": 1}"#;
        for (is_forwarded, has) in [(false, false), (true, true)] {
            let entry = entry(json, is_forwarded);
            assert_eq!(entry.extra.is_some_and(|extra| extra.has("k")), has);
            let Some(Entry::Auth(auth)) = entry.entry else { panic!("an auth event is expected") };
            let data = auth.data.expect("data");
            assert_eq!((data.has("server_name"), data.has("access_token")), (true, has));
        }
    }

    #[test]
    fn a_token_is_taken_out_whatever_stands_beside_it() {
        for json in [
            r#"{"role": null, "type": "token_ready", "data": {"access_token": "s3cret"}}"#,
            r#"{"tool_name": null, "type": "token_ready", "data": {"access_token": "s3cret"}}"#,
            r#"{"role": "agent", "content": {"text": "hi"}, "type": "token_ready", "data": {"access_token": "s3cret"}}"#,
            r#"{"role": "agent", "content": {"text": "hi"}, "type": "refresh", "data": {"access_token": "s3cret"}}"#,
            r#"{"role": "oracle", "type": "refresh", "data": {"access_token": "s3cret"}}"#,
            r#"{"agent_id": "a", "query": "q", "type": "token_ready", "data": {"access_token": "s3cret"}}"#,
            r#"{"type": "token_ready", "access_token": "s3cret"}"#,
            r#"{"type": "token_ready", "data": null, "access_token": "s3cret"}"#,
            r#"{"type": "token_ready", "data": "s3cret"}"#,
        ] {
            let has = |is_forwarded| {
                let encoded = entry(json, is_forwarded).encode_to_vec();
                encoded.windows(6).any(|bytes| bytes == b"s3cret")
            };
            assert_eq!((has(false), has(true)), (false, true), "{json}");
        }
    }

    #[test]
    fn servers_secrets_are_left_out_of_a_thread() {
        let json = r#"{"id": "t", "mcp_servers": [{"name": "n", "api_key": "s3cret", "headers": {"a": "s3cret"}}]}"#;
        let other = thread(json).and_then(|thread| thread.other).expect("more").json();
        assert_eq!(other, serde_json::json!({"mcp_servers": [{"name": "n"}]}));
    }
}
