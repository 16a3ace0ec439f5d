//! Prompts that are JSON: one that names a task reads it; any other is a prompt.

use serde_json::json;
use tonic::Code;
use xpander_grpc_proxy::{
    proto::TaskStatus,
    sandbox::{Fault, FaultBody, Route},
};

use crate::support::{
    sandbox::{World, asking},
    status::failure,
};

#[tokio::test]
async fn a_prompt_that_names_a_task_reads_it_and_creates_nothing() {
    let world = World::start().await;
    let mut caller = world.client();
    let first = caller.ask("echo", "hi").await;
    let done = caller.wait(&first.id).await;
    for prompt in [
        json!({ "xpander_task_id": first.id }).to_string(),
        json!({ "xpander_task_id": first.id, "more": [1, { "deep": null }] }).to_string(),
        format!(" \n{{\t\"xpander_task_id\" : \"{}\"}}\r\n ", first.id),
    ] {
        let read = caller.ask("echo", &prompt).await;
        assert_eq!((read.status(), &read), (TaskStatus::Completed, &done), "{prompt}");
    }
    assert_eq!((world.creates(), world.lookups("echo")), (1, 1));
}

#[tokio::test]
async fn any_other_json_is_an_ordinary_prompt() {
    let world = World::start().await;
    let mut caller = world.client();
    for prompt in [
        r#"["xpander_task_id"]"#,
        r#"[{"xpander_task_id": "t"}]"#,
        r#""xpander_task_id""#,
        r#"{"nested": {"xpander_task_id": "t"}}"#,
        r#"{"xpander_task_id": ""}"#,
        r#"{"xpander_task_id": 7}"#,
        r#"{"xpander_task_id": null}"#,
        r#"{"xpander_task_id": ["t"]}"#,
        r#"{"XPANDER_TASK_ID": "t"}"#,
        r#"{"xpander_task_id": "t""#,
        "{}",
        "7",
        "null",
    ] {
        let task = caller.ask("echo", prompt).await;
        assert_eq!(caller.wait(&task.id).await.result(), prompt);
    }
    let texts: Vec<_> = world.seen("POST", "/").iter().map(|request| request.body["input"]["text"].clone()).collect();
    assert_eq!((texts.len(), &texts[0]), (13, &json!(r#"["xpander_task_id"]"#)));
}

#[tokio::test]
async fn when_the_named_task_cannot_be_read_its_error_is_the_calls() {
    let world = World::start().await;
    let mut caller = world.client();
    let prompt = json!({ "xpander_task_id": "nothing" }).to_string();
    let unknown = failure(caller.0.invoke(asking("echo", &prompt)).await);
    assert_eq!((unknown.code, &*unknown.facts["task_id"]), (Code::NotFound, "nothing"));
    assert_eq!(unknown.facts["outcome"], "not_created");
    let body = FaultBody::Json(json!({ "detail": "no" }));
    world.sandbox.arm(Route::ReadTask, Fault::Answer { status: 403, body, retry_after: None });
    let refused = failure(caller.0.invoke(asking("echo", &prompt)).await);
    assert_eq!((refused.code, &*refused.message), (Code::PermissionDenied, "no"));
    assert_eq!((world.creates(), world.lookups("echo")), (0, 0));
}
