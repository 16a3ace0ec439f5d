//! What a caller or the platform may send that is no list, no log and no id.

use serde_json::json;
use tonic::Code;
use xpander_grpc_proxy::proto::{GetTaskActivityRequest, ListAgentsRequest, ListTasksRequest, TaskStatus};

use crate::support::{
    live::within,
    platform::{Platform, Reply, task},
    proxy::{Proxy, settings},
    status::{Failure, failure},
};

async fn before(platform: &Platform) -> Proxy {
    let mut settings = settings(&platform.base_url());
    settings.users.callers = ["*".to_owned()].into();
    Proxy::with(&settings).await
}

fn of(agent_id: &str, user_id: &str) -> ListTasksRequest {
    ListTasksRequest { agent_id: agent_id.to_owned(), user_id: user_id.to_owned(), ..ListTasksRequest::default() }
}

#[tokio::test]
async fn what_is_wrong_with_a_request_is_told_at_once_and_the_platform_hears_nothing() {
    let platform = Platform::start(|_| Reply::json(200, &json!([]))).await;
    let proxy = before(&platform).await;
    let mut client = proxy.client();
    let wrong = [
        ("page_size", ListTasksRequest { page_size: -1, ..of("a", "") }),
        ("page_token", ListTasksRequest { page_token: "x".to_owned(), ..of("a", "") }),
        ("agent_id", of("", "")),
        ("agent_id", of("a/b", "")),
        ("agent_id", of("a?b", "")),
        ("agent_id", of("a%2Fb", "")),
        ("agent_id", of("..", "")),
        ("user_id", of("", "..")),
        ("user_id", of("", "../x")),
        ("user_id", of("", "x\\..")),
        ("user_id", of("", "a\nb")),
        ("user_id", of("a", &"u".repeat(257))),
        ("status", ListTasksRequest { status: 99, ..of("a", "") }),
        ("parent_task_id", ListTasksRequest { parent_task_id: "a/b".to_owned(), ..of("a", "") }),
        ("triggering_agent_id", ListTasksRequest { triggering_agent_id: "a b".to_owned(), ..of("a", "") }),
        ("internal_status", ListTasksRequest { internal_status: "\0".to_owned(), ..of("a", "") }),
    ];
    for (field, request) in wrong {
        let told = failure(within("an answer", client.list_tasks(request)).await);
        assert_eq!((told.code, &*told.fields), (Code::InvalidArgument, &[field.to_owned()][..]), "{told:?}");
    }
    let many = ListTasksRequest { page_size: -1, status: 99, ..of("a/b", "") };
    assert_eq!(failure(client.list_tasks(many).await).fields, ["agent_id", "status", "page_size"]);
    let request = ListAgentsRequest { page_size: i32::MIN, page_token: String::new() };
    assert_eq!(failure(client.list_agents(request).await).fields, ["page_size"]);
    for task_id in ["", "a/b", "..", "a?b", "a%2Fb", "a b"] {
        let request = GetTaskActivityRequest { task_id: task_id.to_owned() };
        let told = failure(within("an answer", client.get_task_activity(request)).await);
        assert_eq!((told.code, &*told.fields), (Code::InvalidArgument, &["task_id".to_owned()][..]), "{task_id}");
    }
    assert_eq!(platform.paths(), Vec::<String>::new());
}

#[tokio::test]
async fn users_are_called_as_others_call_them_and_go_into_the_path_encoded() {
    let platform = Platform::start(|_| Reply::json(200, &json!([]))).await;
    let proxy = before(&platform).await;
    for (user, path) in [
        ("Jörg Groß", "J%C3%B6rg%20Gro%C3%9F"),
        ("auth0|7/b", "auth0|7%2Fb"),
        ("a?b#c", "a%3Fb%23c"),
        ("a%2Fb", "a%252Fb"),
        ("x@acme.io", "x@acme.io"),
        ("...", "..."),
    ] {
        within("an answer", proxy.client().list_tasks(of("", user))).await.expect("OK");
        let seen = platform.seen().pop().expect("a request").path;
        assert_eq!(seen, format!("/agent-execution/executions/history/user/{path}"));
        within("an answer", proxy.client().list_tasks(of("a", user))).await.expect("OK");
        let seen = platform.seen().pop().expect("a request").path;
        let query = seen.strip_prefix("/agent-execution/executions/history/a?").expect("a query");
        let pairs: Vec<_> = url::form_urlencoded::parse(query.as_bytes()).collect();
        assert_eq!(pairs, [("user_id".into(), user.into())]);
    }
}

#[tokio::test]
async fn each_filter_goes_into_the_query_of_an_agents_list_and_of_a_users() {
    let platform = Platform::start(|_| Reply::json(200, &json!([]))).await;
    let proxy = before(&platform).await;
    let filtered = |agent_id: &str, user_id: &str| ListTasksRequest {
        parent_task_id: "task-0".to_owned(),
        triggering_agent_id: "agent-9".to_owned(),
        status: TaskStatus::Stopped.into(),
        internal_status: "a+b &c=ü".to_owned(),
        ..of(agent_id, user_id)
    };
    let rest = "parent_task_id=task-0&triggering_agent_id=agent-9&status=stopped&internal_status=a%2Bb+%26c%3D%C3%BC";
    for (request, path) in [
        (filtered("a", ""), format!("a?{rest}")),
        (filtered("a", "u 1"), format!("a?user_id=u+1&{rest}")),
        (filtered("", "u 1"), format!("user/u%201?{rest}")),
        (ListTasksRequest { internal_status: " ".to_owned(), ..of("a", "") }, "a?internal_status=+".to_owned()),
        (of("a", ""), "a".to_owned()),
    ] {
        within("an answer", proxy.client().list_tasks(request)).await.expect("OK");
        let seen = platform.seen().pop().expect("a request").path;
        assert_eq!(seen, format!("/agent-execution/executions/history/{path}"));
    }
}

#[tokio::test]
async fn a_row_may_be_as_large_as_an_answer_and_no_larger() {
    for (size, is_read) in [(50_000, true), (200_000, false)] {
        let rows = json!([{ "id": "a" }, { "id": "b", "result": "x".repeat(size) }, { "id": "c" }]);
        let platform = Platform::start(move |_| Reply::json(200, &rows)).await;
        let mut settings = settings(&platform.base_url());
        settings.platform.max_answer_bytes = 100_000;
        let proxy = Proxy::with(&settings).await;
        let mut client = proxy.client();
        let tasks = within("an answer", client.list_tasks(of("a", ""))).await.map(drop);
        let agents = within("an answer", client.list_agents(ListAgentsRequest::default())).await.map(drop);
        for told in [tasks, agents] {
            assert_eq!(told.is_ok(), is_read, "{size}");
            if !is_read {
                assert_eq!(failure(told).reason, "PLATFORM_ANSWER_UNREADABLE");
            }
        }
    }
}

/// What the platform answers to a list, and to an activity log.
async fn answers(list: &str, log: &str) -> [Result<usize, Failure>; 3] {
    let (list, log) = (list.to_owned(), log.to_owned());
    let platform = Platform::start(move |request| match &*request.path {
        path if path.starts_with("/activity/") => Reply::text(200, "application/json", &log),
        path if path.ends_with("/status") => Reply::json(200, &task(request.task_id(), "executing")),
        _ => Reply::text(200, "application/json", &list),
    })
    .await;
    let proxy = before(&platform).await;
    let mut client = proxy.client();
    let told = |status| failure::<()>(Err(status));
    let tasks = within("an answer", client.list_tasks(of("a", ""))).await;
    let agents = within("an answer", client.list_agents(ListAgentsRequest::default())).await;
    let request = GetTaskActivityRequest { task_id: "task-1".to_owned() };
    let log = match within("an answer", client.get_task_activity(request)).await {
        Ok(stream) => {
            let (mut stream, mut count) = (stream.into_inner(), 0);
            loop {
                match within("an entry", stream.message()).await {
                    Ok(Some(_)) => count += 1,
                    Ok(None) => break Ok(count),
                    Err(status) => break Err(told(status)),
                }
            }
        }
        Err(status) => Err(told(status)),
    };
    [
        tasks.map(|answer| answer.into_inner().tasks.len()).map_err(told),
        agents.map(|answer| answer.into_inner().agents.len()).map_err(told),
        log,
    ]
}

#[tokio::test]
async fn a_list_that_is_none_is_an_unreadable_answer() {
    for list in [
        "{}",
        "",
        "null",
        "<html>",
        "\"[]\"",
        r#"[{"id": "secret"}, "secret"]"#,
        r#"[{"id": "secret"}, 7]"#,
        r#"[{"id": "secret"}"#,
        r#"[{"id": "secret"}, {"id": "sec"#,
        r#"[{"name": "secret"}]"#,
        r#"[{"id": ["secret"]}]"#,
        r#"[{"id": "secret", }]"#,
        r#"[{"id": "secret"}] secret"#,
    ] {
        let [tasks, agents, _] = answers(list, "{}").await;
        for told in [tasks, agents] {
            let told = told.expect_err(list);
            assert_eq!((told.code, &*told.reason), (Code::Internal, "PLATFORM_ANSWER_UNREADABLE"), "{list}");
            assert!(!told.message.contains("secret"), "{told:?}");
        }
    }
}

#[tokio::test]
async fn a_log_that_is_none_is_an_unreadable_answer_and_what_has_come_of_it_is_told() {
    for log in [
        "{}",
        "[]",
        "",
        r#"{"id": "task-1"}"#,
        r#"{"id": "task-1", "messages": null}"#,
        r#"{"id": "task-1", "messages": {"secret": 1}}"#,
        r#"{"id": "secret", "messages": []}"#,
        r#"{"id": "task-1", "user": secret, "messages": []}"#,
        r#"{"id": "task-1", "messages": [{"id": "m1"}, {"id": "secret"#,
        r#"{"id": "task-1", "messages": [{"id": "m1"}, secret]}"#,
        r#"{"messages": [], "id": "secret"}"#,
    ] {
        let [.., told] = answers("[]", log).await;
        let told = told.expect_err(log);
        assert_eq!((told.code, &*told.reason), (Code::Internal, "PLATFORM_ANSWER_UNREADABLE"), "{log}");
        assert_eq!(told.facts["task_id"], "task-1", "{log}");
        assert!(!told.message.contains("secret"), "{told:?}");
    }
}

#[tokio::test]
async fn what_can_be_read_of_strange_lists_and_logs_is_told() {
    for (list, rows) in [
        ("[]", 0),
        (" [ ] ", 0),
        ("\u{feff}[{\"id\": \"a\"}]", 1),
        (r#"[{"id": "a", "created_at": NaN, "title": "\ud800", "process": 7, "status": 9}]"#, 1),
    ] {
        let [tasks, agents, _] = answers(list, "{}").await;
        assert_eq!((tasks.ok(), agents.ok()), (Some(rows), Some(rows)), "{list}");
    }
    for (log, messages) in [
        (r#"{"messages": []}"#, 1),
        (r#"{"id": "task-1", "messages": ["hi", 7, null, [], {}], "user": null}"#, 6),
        (r#"{"id": 7, "created_at": "soon", "messages": [{"role": "user"}]}"#, 2),
        (r#"{"messages": [{"role": "user"}], "id": "task-1"}"#, 2),
    ] {
        let [.., told] = answers("[]", log).await;
        assert_eq!(told.ok(), Some(messages), "{log}");
    }
}
