//! Auth events, which hold tokens under names that nobody here knows.

use prost::Message;
use serde_json::{Value, json};
use xpander_grpc_proxy::proto::{EventType, task_event::Data};

use crate::bad_input_events::{event_of, events_of};

#[tokio::test]
async fn of_an_auth_event_only_what_is_known_to_be_harmless_arrives() {
    let link = "https://auth.acme.io/authorize?client_id=a&state=b&response_type=code&code_challenge=c";
    let harmless = json!({
        "type": "login_required", "message": "Log in", "url": link, "auth_url": link, "server_url": "https://mcp.acme.io/sse",
        "server_name": "Acme", "connector": "github", "connector_name": "GitHub", "provider": "github",
        "scopes": ["repo", "user"], "expires_at": "2026-04-10T19:01:36Z", "expires_in": 3600,
    });
    let auth = |data: &Value| json!({ "type": "auth_event", "task_id": "task-1", "data": data });
    let event = event_of(&auth(&json!({ "type": "login_required", "data": harmless }))).await;
    let Some(Data::Auth(whole)) = event.data else { panic!("its shape") };
    assert_eq!(Value::Object(whole.data.expect("data").fields()), harmless);
    let mut leaks = Vec::new();
    let names = "access_token token jwt bearer code id state session cookie password secret api_key apikey key authorization \
                 headers credentials refresh ticket otp pin device_code user_code assertion samlresponse nonce Data TYPE \
                 urls message_ \u{65} accessToken";
    let secrets =
        [json!("t0ken"), json!(["t0ken"]), json!({ "type": "t0ken" }), json!({ "data": { "message": "t0ken" } })];
    let mut rows: Vec<(String, Value)> = Vec::new();
    for name in names.split_whitespace() {
        for secret in &secrets {
            rows.push((
                format!("{name} in the data"),
                auth(&json!({ "type": "token_ready", "data": { name: secret } })),
            ));
            rows.push((format!("{name} beside the data"), auth(&json!({ "type": "token_ready", name: secret }))));
            let mut beside = auth(&json!({ "type": "token_ready", "data": {} }));
            beside[name] = secret.clone();
            rows.push((format!("{name} beside the event's data"), beside));
        }
    }
    for (name, data) in [
        ("a bare text", json!("t0ken")),
        ("a list of texts", json!(["t0ken", ["t0ken"]])),
        ("data that is a text", json!({ "type": "token_ready", "data": "t0ken" })),
        ("data that is a list", json!({ "type": "token_ready", "data": ["t0ken", { "data": ["t0ken"] }] })),
        ("a message that is an object", json!({ "data": { "message": { "text": "t0ken" } } })),
        ("scopes with more in them", json!({ "data": { "scopes": ["a", { "b": "t0ken" }] } })),
        ("scopes that are an object", json!({ "data": { "scopes": { "b": "t0ken" } } })),
        ("a server's query", json!({ "data": { "server_url": "https://mcp.acme.io/sse?k=t0ken" } })),
        ("a server's password", json!({ "data": { "server_url": "https://me:t0ken@mcp.acme.io/" } })),
        ("a link's fragment", json!({ "data": { "url": "https://acme.io/#access_token=t0ken" } })),
        ("a link's query", json!({ "data": { "url": "https://acme.io/?Access_Token=t0ken" } })),
        ("a link's user", json!({ "data": { "auth_url": "https://t0ken@acme.io/" } })),
        ("no link", json!({ "data": { "url": "t0ken" } })),
        ("a link that is a list", json!({ "data": { "url": ["https://acme.io/t0ken"] } })),
        ("an error", json!({ "data": { "error": { "token": "t0ken" } } })),
    ] {
        rows.push((name.to_owned(), auth(&data)));
    }
    let stream: String = rows.iter().map(|(_, sent)| format!("data: {sent}\n\n")).collect();
    let events = events_of(stream.as_bytes(), |_| {}).await;
    for ((name, _), event) in rows.iter().zip(&events) {
        assert_eq!(event.r#type(), EventType::AuthEvent, "{name}");
        if String::from_utf8_lossy(&event.encode_to_vec()).contains("t0ken") {
            leaks.push(name);
        }
    }
    assert!(leaks.is_empty(), "{leaks:#?}");
}
