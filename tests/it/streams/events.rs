//! Every type of event, from the sandbox's agent `tools`: each under its own type, in its own shape, none lost.

use tonic::Request;
use xpander_grpc_proxy::{
    cli::proto_json::to_json,
    proto::{EventType, InvokeRequest, TaskEvent, TaskStatus, task_event::Data},
    sandbox::Sandbox,
};

use crate::support::{
    calls::{follow, invoke},
    live::Followed,
    proxy::{Proxy, settings},
};

/// The platform's types, with the shape of their data.
const SHAPES: [(&str, &str); 28] = [
    ("connected", ""),
    ("task_created", "task"),
    ("task_updated", "task"),
    ("task_finished", "task"),
    ("sub_task_created", "task"),
    ("sub_task_updated", "task"),
    ("sub_task_finished", "task"),
    ("chunk", "chunk"),
    ("tool_call_request", "tool_call_request"),
    ("tool_call_result", "tool_call_result"),
    ("think", "reasoning"),
    ("analyze", "reasoning"),
    ("plan_updated", "plan"),
    ("auth_event", "auth"),
    ("sub_agent_trigger", "sub_agent_trigger"),
    ("task_compactization", "other"),
    ("context_status", "other"),
    ("agent_gateway_decision", "other"),
    ("process_state_changed", "other"),
    ("process_update", "other"),
    ("gateway_steer_applied", "other"),
    ("ask_user_questions", "other"),
    ("invite_member", "other"),
    ("member_invited", "other"),
    ("ask_for_secret", "other"),
    ("secret_saved", "other"),
    ("live_surface_created", "other"),
    ("inline_card", "other"),
];

fn shape(event: &TaskEvent) -> &'static str {
    match &event.data {
        None => "",
        Some(Data::Task(_)) => "task",
        Some(Data::Chunk(_)) => "chunk",
        Some(Data::ToolCallRequest(_)) => "tool_call_request",
        Some(Data::ToolCallResult(_)) => "tool_call_result",
        Some(Data::Reasoning(_)) => "reasoning",
        Some(Data::Plan(_)) => "plan",
        Some(Data::Auth(_)) => "auth",
        Some(Data::SubAgentTrigger(_)) => "sub_agent_trigger",
        Some(Data::Gap(_)) => "gap",
        Some(Data::Other(_)) => "other",
    }
}

/// What `tools` sends, followed by StreamEvents from its first event on.
async fn events(forward_access_tokens: bool) -> Vec<TaskEvent> {
    let sandbox = Sandbox::start(([127, 0, 0, 1], 0).into()).await.expect("a sandbox");
    let mut settings = settings(&sandbox.base_url());
    settings.events.forward_access_tokens = forward_access_tokens;
    let proxy = Proxy::with(&settings).await;
    let mut client = proxy.client();
    let request = InvokeRequest { events_streaming: true, ..invoke("tools") };
    let task = client.invoke(request).await.expect("a task").into_inner().task.expect("a task");
    Followed::with(&mut client, Request::new(follow(&task.id))).await.all().await
}

#[tokio::test]
async fn each_type_arrives_as_itself_in_its_shape() {
    let events = events(false).await;
    for (name, expected) in SHAPES {
        let known = EventType::from_str_name(&format!("EVENT_TYPE_{}", name.to_uppercase())).expect(name);
        let mut its = events.iter().filter(|event| event.type_name == name).peekable();
        assert!(its.peek().is_some(), "{name} did not arrive");
        for event in its {
            assert_eq!(event.r#type(), known, "{name}");
            // A thought can be a bare text.
            let is_text =
                matches!(&event.data, Some(Data::Other(value)) if name == "think" && value.json().is_string());
            assert!(shape(event) == expected || is_text, "{name}: {event:?}");
            assert!(event.task_id.is_some() && event.organization_id.is_some() && event.time.is_some(), "{name}");
            assert_eq!(event.extra, None, "{name}");
        }
    }
    let tomorrow: Vec<_> = events.iter().filter(|event| event.r#type() == EventType::Unspecified).collect();
    assert_eq!(tomorrow.iter().map(|event| &*event.type_name).collect::<Vec<_>>(), ["quantum_leap"]);
    assert_eq!(shape(tomorrow[0]), "other");
}

#[tokio::test]
async fn none_is_lost_and_none_comes_twice() {
    let events = events(false).await;
    assert_eq!((events[0].r#type(), &events[0].event_id), (EventType::Connected, &None));
    let ids: Vec<_> = events[1..].iter().map(|event| event.event_id.clone().expect("an id")).collect();
    assert_eq!(ids, (1..=ids.len()).map(|id| id.to_string()).collect::<Vec<_>>());
    let said: String = events
        .iter()
        .filter_map(|event| match &event.data {
            Some(Data::Chunk(text)) => Some(&**text),
            _ => None,
        })
        .collect();
    let Some(Data::Task(task)) = events.last().and_then(|event| event.data.as_ref()) else { panic!("no end") };
    assert_eq!((task.result(), task.status()), (&*said, TaskStatus::Completed));
    assert!(said.contains("hi"), "{said}");
}

#[tokio::test]
async fn an_access_token_is_left_out_unless_a_setting_forwards_it() {
    for forward in [false, true] {
        let events = events(forward).await;
        let tokens: Vec<_> = events
            .iter()
            .filter_map(|event| match &event.data {
                Some(Data::Auth(auth)) if auth.r#type() == "token_ready" => auth.data.as_ref(),
                _ => None,
            })
            .collect();
        let [data] = tokens[..] else { panic!("{tokens:?}") };
        assert_eq!(data.fields()["server_name"], "Example MCP");
        assert_eq!(data.fields().contains_key("access_token"), forward);
        let anywhere = events.iter().any(|event| to_json(event).expect("JSON").contains("sandbox-access-token"));
        assert_eq!(anywhere, forward);
    }
}

#[tokio::test]
async fn tool_calls_bring_payload_result_and_identity() {
    let events = events(false).await;
    let calls: Vec<_> = events
        .iter()
        .filter_map(|event| match &event.data {
            Some(Data::ToolCallRequest(call)) => Some((event, call)),
            _ => None,
        })
        .collect();
    let payload = calls[0].1.payload.as_ref().expect("a payload").json();
    // More than a double holds: its decimal string.
    assert_eq!((&payload["row"], &payload["ratio"]), (&"9007199254740993".into(), &serde_json::json!(0.25)));
    let identity = calls[1].0.identity.as_ref().expect("an identity");
    assert_eq!((identity.name(), identity.icon()), ("Analyst", "📊"));
    let results = events.iter().filter_map(|event| match &event.data {
        Some(Data::ToolCallResult(result)) => {
            Some((result.tool_name(), result.is_error(), &result.approval_request_id))
        }
        _ => None,
    });
    let expected = [("search", false, &None), ("sql", true, &Some("approval-1".to_owned()))];
    assert_eq!(results.collect::<Vec<_>>(), expected);
}
