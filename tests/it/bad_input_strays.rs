//! Answers that are somebody else's: none to a read or a stop, and the end of the connection that brought them.

use std::sync::Mutex;

use serde_json::json;
use tonic::Code;
use xpander_grpc_proxy::proto::{GetTaskRequest, StopTaskRequest};

use crate::support::{
    calls::At,
    platform::{Platform, Reply, task},
    proxy::Proxy,
};

#[tokio::test]
async fn an_answer_of_another_organization_is_none_to_a_read_or_a_stop() {
    for (organization, is_good) in [
        (json!("org-1"), true),
        (json!(null), true),
        (json!(""), true),
        (json!("org-2"), false),
        (json!("ORG-1"), false),
    ] {
        let platform = Platform::start(move |request| {
            let mut task = task(request.task_id(), "completed");
            task["organization_id"] = organization.clone();
            Reply::json(200, &task)
        })
        .await;
        let proxy = Proxy::start(&platform.base_url()).await;
        let client = proxy.client();
        if is_good {
            let get = GetTaskRequest { task_id: "task-7".into() };
            client.clone().get_task(get).await.expect("its own organization's");
            continue;
        }
        for at in [At::Get, At::Stop, At::Wait, At::Follow] {
            let failure = at.fail(&client, "7", None).await;
            assert_eq!((failure.code, &*failure.reason), (Code::Internal, "PLATFORM_ANSWER_UNREADABLE"), "{at:?}");
            assert!(!failure.message.contains("org-2"), "{at:?}: {}", failure.message);
        }
    }
}

#[tokio::test]
async fn a_connection_that_brought_another_tasks_answer_brings_no_more() {
    for (reads, method) in [(true, "GET"), (false, "DELETE")] {
        // The first connection is one answer behind: it begins with one that nobody asked for.
        let last = Mutex::new("task-of-another".to_owned());
        let platform = Platform::start(move |request| {
            let mut answer = request.task_id().to_owned();
            if request.connection == 0 {
                answer = std::mem::replace(&mut *last.lock().expect("no panic"), answer);
            }
            Reply::json(200, &task(&answer, "completed"))
        })
        .await;
        let proxy = Proxy::start(&platform.base_url()).await;
        let client = proxy.client();
        for n in 0..5 {
            let id = format!("task-{n}");
            let mut client = client.clone();
            let answer = if reads {
                client.get_task(GetTaskRequest { task_id: id.clone() }).await.map(|got| got.into_inner().task)
            } else {
                client.stop_task(StopTaskRequest { task_id: id.clone() }).await.map(|got| got.into_inner().task)
            };
            match answer {
                Ok(task) => assert_eq!((n > 0, task.expect("a task").id), (true, id), "its own"),
                Err(status) => assert_eq!((n, status.code()), (0, Code::Internal), "{status:?}"),
            }
        }
        let connections: Vec<_> = platform.seen().iter().map(|seen| (seen.connection, seen.method.clone())).collect();
        let expected: Vec<_> = [0, 1, 1, 1, 1].map(|connection| (connection, method.to_owned())).to_vec();
        assert_eq!(connections, expected);
        platform.connection_ends(0).await;
    }
}
