//! What is printed for people who look for a fault: Debug and the words of errors.

use std::{fmt::Debug, sync::Arc};

use http::HeaderMap;
use xpander_grpc_proxy::{
    calls::{Error, Kind},
    config::{Flags, Secret, Settings, TokenHash, load},
    platform::{
        self, Context, Keys, Refusal,
        sse::{Decoder, Payload},
        wire,
    },
    proto::{InvokeRequest, InvokeStreamRequest, TaskEvent, json},
    telemetry::{Call, Metrics},
    translate,
};

use super::marks::{API_KEY, CALLERS_KEY, COLLECTOR_TOKEN, TOKEN, answer, events, mark, marks, request};

/// Prints it in both ways.
fn printed(value: &impl Debug) -> String {
    format!("{value:?} {value:#?}")
}

fn settings() -> Settings {
    let mut settings = Settings::default();
    settings.platform.api_key = Some(Secret::new(API_KEY));
    settings.platform.organization_id = Some("org-1".to_owned());
    settings.auth.tokens.insert("orders".to_owned(), vec![TokenHash([7; 32])]);
    settings
}

fn refusal() -> Refusal {
    let body = format!(
        r#"{{"detail": [{{"loc": ["body", "input"], "msg": "{0} {API_KEY}", "input": "{0}"}}]}}"#,
        mark("prompt")
    );
    Refusal::read(422, body.as_bytes(), None, API_KEY)
}

#[test]
fn no_debug_shows_a_marked_value() {
    let settings = settings();
    let keys = Keys::new(&settings.platform).expect("a key");
    let credentials = keys.own().expect("a key");
    let callers = keys.of_caller(CALLERS_KEY, "org-2").expect("a key");
    let mut headers = HeaderMap::new();
    for (name, value) in [("authorization", TOKEN), ("x-api-key", CALLERS_KEY), ("baggage", COLLECTOR_TOKEN)] {
        headers.insert(name, value.parse().expect("ASCII"));
    }
    let call = Call::begin(
        &Metrics::new(None, &xpander_grpc_proxy::config::Telemetry::default()).expect("metrics"),
        "/xpander.agent.v1.AgentService/Invoke",
        &headers,
    );
    let record = Arc::clone(call.record());
    let context = Context {
        credentials: Arc::clone(&callers),
        request_id: "r-1".parse().expect("ASCII"),
        deadline: None,
        record: Arc::clone(&record),
        permit: None,
        account: None,
    };
    let refused = platform::Error::Refused(Box::new(refusal()));
    let error = Error::new(Kind::Platform(refused.clone())).of_task("task-1");
    let invalid = translate::invocation(&InvokeRequest { file_urls: vec![mark("file")], ..request("a b") }, None).err();
    let invocation = request("agent-1");
    let structure: json::Struct = invocation.user_tokens.clone().expect("marked");
    let value = json::Value::new(serde_json::json!({ mark("key"): mark("value") }).to_string());
    let task = translate::task(
        wire::read(answer("task-1", "completed").to_string().as_bytes()).map(Box::new).expect("a task"),
    );
    let event: Vec<TaskEvent> = decoded().iter().filter_map(|data| translate::event(None, data, true).ok()).collect();
    let mut decoder = Decoder::new(1 << 20);
    decoder.push(events().as_bytes());
    let texts = [
        printed(&settings),
        printed(&settings.platform.api_key),
        printed(&credentials),
        printed(&callers),
        printed(&record),
        printed(&context),
        printed(&refused),
        printed(&error),
        printed(&Kind::from(refused.clone())),
        printed(&invalid),
        printed(&invocation),
        printed(&InvokeStreamRequest { invocation: Some(invocation.clone()), heartbeat: None }),
        printed(&structure),
        printed(&value),
        printed(&task),
        printed(&event),
        printed(&decoder.next_frame()),
        refused.summary(),
    ];
    for text in texts {
        assert!(text.len() > 5 && marks(&text).is_empty(), "{text}");
    }
    assert!(event.len() > 8 && refused.to_string().contains(&mark("prompt")), "what is hidden is there");
    assert!(!marks(&printed(&mark("planted"))).is_empty(), "the same search finds it");
}

/// The data of the marked events.
fn decoded() -> Vec<Vec<u8>> {
    let mut decoder = Decoder::new(1 << 20);
    decoder.push(events().as_bytes());
    let data = |payload| if let Payload::Data(data) = payload { Some(data.to_vec()) } else { None };
    std::iter::from_fn(|| decoder.next_frame()).filter_map(|frame| data(frame.data)).collect()
}

#[test]
fn no_fault_of_the_settings_shows_a_marked_value() {
    let (key, hash) = (mark("key with spaces"), format!("orders={}", mark("hash")));
    let mut faults = 0;
    for (name, value) in [
        ("XPANDER_API_KEY", &*key),
        ("XPANDER_API_KEY_FILE", API_KEY),
        ("XPANDER_PROXY_PLATFORM__APIKEY", API_KEY),
        ("XPANDER_PROXY_AUTH__TOKENS", TOKEN),
        ("XPANDER_PROXY_AUTH__TOKENS", &hash),
    ] {
        let variables = [("XPANDER_ORGANIZATION_ID", "org-1"), (name, value)];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let found = load(None, variables, &Flags::default()).expect_err(name);
        for fault in found {
            let text = format!("{fault} {}", printed(&fault));
            assert!(marks(&text).is_empty(), "{text}");
            faults += 1;
        }
    }
    assert!(faults >= 5);
}
