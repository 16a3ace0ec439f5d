//! Who may see lists: refused before the platform is touched, and no row of an agent that is out of reach.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use serde_json::json;
use tonic::Code;
use xpander_grpc_proxy::{
    config::{Settings, Tasks},
    proto::{GetTaskActivityRequest, GetTaskRequest, ListAgentsRequest, ListTasksRequest},
};

use crate::support::{
    callers::{bearer, let_in},
    direct::Direct,
    live::within,
    platform::{Platform, Reply, task},
    proxy::{Proxy, settings},
    status::failure,
};

/// Two agents, each by its id and its name, and a task of each; three callers: `boss` may see everything, `lister` lists the
/// tasks of one agent, and `nobody` is in no list.
async fn world(change: impl FnOnce(&mut Settings)) -> (Platform, Proxy) {
    world_where(|| Reply::json(200, &json!({ "id": "agent-2" })), change).await
}

/// The same, where `second` is looked up so.
async fn world_where(
    second: impl Fn() -> Reply + Send + Sync + 'static,
    change: impl FnOnce(&mut Settings),
) -> (Platform, Proxy) {
    let platform = Platform::start(move |request| {
        let row = |id: &str, agent: &str| json!({ "id": id, "agent_id": agent, "organization_id": "org-1", "status": "pending" });
        match request.path.split('?').next().unwrap_or_default() {
            "/agents/list" => Reply::json(200, &json!([
                { "id": "agent-1", "name": "first" }, { "id": "agent-2", "name": "second" },
            ])),
            "/agents/second" => second(),
            "/activity/agent-1/task-1" => Reply::json(200, &json!({ "id": "task-1", "messages": [] })),
            path if path.starts_with("/agents/") => Reply::json(404, &json!({ "detail": "Agent not found" })),
            path if path.ends_with("/status") => {
                let id = request.task_id();
                let mut task = task(id, "executing");
                task["agent_id"] = json!(id.replace("task", "agent"));
                Reply::json(200, &task)
            }
            _ => Reply::json(200, &json!([row("task-1", "agent-1"), row("task-2", "agent-2"), row("task-3", "agent-3")])),
        }
    })
    .await;
    let mut settings = settings(&platform.base_url());
    let_in(&mut settings, &[("boss", "t-boss"), ("lister", "t-lister"), ("nobody", "t-nobody")]);
    settings.auth.list_tasks = ["boss".to_owned(), "lister".to_owned()].into();
    settings.users.callers = ["boss".to_owned()].into();
    let row = |agents: &[&str]| agents.iter().map(|agent| (*agent).to_owned()).collect();
    settings.auth.agents = [("*".to_owned(), row(&["*"])), ("lister".to_owned(), row(&["agent-1", "second"]))].into();
    change(&mut settings);
    let proxy = Proxy::with(&settings).await;
    (platform, proxy)
}

fn of(agent_id: &str, user_id: &str) -> ListTasksRequest {
    ListTasksRequest { agent_id: agent_id.to_owned(), user_id: user_id.to_owned(), ..ListTasksRequest::default() }
}

/// The tasks that a caller is shown, or why none.
async fn tasks(proxy: &Proxy, token: &str, request: ListTasksRequest) -> Result<Vec<String>, (Code, String)> {
    match within("an answer", proxy.client().list_tasks(bearer(request, token))).await {
        Ok(answer) => Ok(answer.into_inner().tasks.into_iter().map(|task| task.id).collect()),
        Err(status) => {
            let refused = failure::<()>(Err(status));
            Err((refused.code, refused.reason))
        }
    }
}

fn refused(reason: &str) -> Result<Vec<String>, (Code, String)> {
    Err((Code::PermissionDenied, reason.to_owned()))
}

#[tokio::test]
async fn only_callers_that_are_named_may_list_tasks() {
    let (platform, proxy) = world(|_| {}).await;
    for request in [of("agent-1", ""), of("agent-1", "u"), of("", "u"), of("", "")] {
        assert_eq!(tasks(&proxy, "t-nobody", request).await, refused("LISTS_NOT_ALLOWED"));
    }
    // Only for those who may speak for users.
    assert_eq!(tasks(&proxy, "t-lister", of("", "u")).await, refused("LISTS_NOT_ALLOWED"));
    // As on Invoke, by the name that is asked for.
    for agent in ["agent-2", "first", "agent-3"] {
        assert_eq!(tasks(&proxy, "t-lister", of(agent, "u")).await, refused("AGENT_NOT_ALLOWED"), "{agent}");
    }
    assert_eq!(platform.paths(), Vec::<String>::new());
    for (token, request) in [("t-lister", of("agent-1", "")), ("t-lister", of("agent-1", "u")), ("t-boss", of("", "u"))]
    {
        assert_eq!(tasks(&proxy, token, request).await.map(|tasks| tasks.len()), Ok(3));
    }
}

#[tokio::test]
async fn nobody_may_unless_told_and_the_refusal_says_how_to_switch_it_on() {
    let (platform, proxy) = world(|settings| settings.auth.list_tasks.clear()).await;
    let refused = failure(proxy.client().list_tasks(bearer(of("agent-1", ""), "t-boss")).await);
    assert_eq!((refused.code, &*refused.reason), (Code::PermissionDenied, "LISTS_NOT_ALLOWED"));
    assert!(refused.message.contains("auth.list_tasks"), "{}", refused.message);
    assert_eq!(platform.paths(), Vec::<String>::new());
}

#[tokio::test]
async fn the_default_agent_is_listed_where_neither_agent_nor_user_is_named() {
    let (platform, proxy) = world(|settings| settings.agents.default_id = Some("agent-1".to_owned())).await;
    tasks(&proxy, "t-lister", of("", "")).await.expect("OK");
    tasks(&proxy, "t-boss", of("", "u")).await.expect("OK");
    let history = "GET /agent-execution/executions/history";
    assert_eq!(platform.paths(), [format!("{history}/agent-1"), format!("{history}/user/u")]);
    let (platform, proxy) = world(|settings| settings.agents.default_id = Some("agent-3".to_owned())).await;
    assert_eq!(tasks(&proxy, "t-lister", of("", "")).await, refused("AGENT_NOT_ALLOWED"));
    let (_platform, none) = world(|_| {}).await;
    let wrong = failure(none.client().list_tasks(bearer(of("", ""), "t-boss")).await);
    assert_eq!((wrong.code, &*wrong.fields), (Code::InvalidArgument, &["agent_id".to_owned()][..]));
    assert_eq!(platform.paths(), Vec::<String>::new());
}

#[tokio::test]
async fn a_users_list_holds_no_task_of_an_agent_that_its_caller_may_not_invoke() {
    let (_platform, proxy) = world(|settings| settings.users.callers.extend(["lister".to_owned()])).await;
    assert_eq!(tasks(&proxy, "t-lister", of("", "u")).await, Ok(vec!["task-1".to_owned(), "task-2".to_owned()]));
    assert_eq!(tasks(&proxy, "t-boss", of("", "u")).await.map(|tasks| tasks.len()), Ok(3));
}

/// A platform that could not be asked has not said that there is no such agent: whoever asks hears of the failure, and the
/// next one asks anew.
#[tokio::test]
async fn a_name_that_cannot_be_looked_up_is_no_agent_that_is_not_there() {
    let json = |status: u16| Reply::json(status, &json!({ "detail": "no" }));
    let html = |status: u16| Reply::text(status, "text/html", "<html>maintenance</html>");
    type Failure = (&'static str, Box<dyn Fn() -> Reply + Send + Sync>, bool);
    let failures: [Failure; 7] = [
        ("500", Box::new(move || json(500)), true),
        ("401", Box::new(move || json(401)), true),
        ("403", Box::new(move || json(403)), true),
        ("a gateway's 404", Box::new(move || html(404)), true),
        ("no JSON", Box::new(move || html(200)), true),
        ("silence", Box::new(|| Reply::Silence), true),
        ("404", Box::new(move || json(404)), false),
    ];
    for (name, fails, is_failure) in failures {
        let is_mended = Arc::new(AtomicBool::new(false));
        let mended = Arc::clone(&is_mended);
        let second = move || match mended.load(Relaxed) {
            true => Reply::json(200, &json!({ "id": "agent-2" })),
            false => fails(),
        };
        let (_platform, proxy) = world_where(second, |settings| {
            settings.auth.agents.insert("lister".to_owned(), ["second".to_owned()].into());
            settings.auth.tasks = Tasks::Agent;
            settings.users.callers.extend(["lister".to_owned()]);
        })
        .await;
        let read = async || {
            let request = bearer(GetTaskRequest { task_id: "task-2".to_owned() }, "t-lister");
            within("an answer", proxy.client().get_task(request)).await.map(|_| ()).map_err(|status| status.code())
        };
        if name == "silence" {
            let mut request = bearer(GetTaskRequest { task_id: "task-2".to_owned() }, "t-lister");
            request.set_timeout(Duration::from_millis(300));
            let mut client = Direct::connect(&proxy).await.client();
            let late = failure(within("an answer", client.get_task(request)).await);
            assert_eq!(late.code, Code::DeadlineExceeded);
        } else if is_failure {
            let (code, reason) = tasks(&proxy, "t-lister", of("", "u")).await.expect_err(name);
            assert!(reason.starts_with("PLATFORM_"), "{name}: {code:?} {reason}");
            assert_eq!(read().await, Err(code), "{name}");
        } else {
            assert_eq!(tasks(&proxy, "t-lister", of("", "u")).await, Ok(vec![]));
            assert_eq!(read().await, Err(Code::PermissionDenied));
        }
        is_mended.store(true, Relaxed);
        let (shown, is_read) = (tasks(&proxy, "t-lister", of("", "u")).await, read().await);
        if is_failure {
            assert_eq!((shown, is_read), (Ok(vec!["task-2".to_owned()]), Ok(())), "{name}");
        } else {
            assert_eq!((shown, is_read), (Ok(vec![]), Err(Code::PermissionDenied)), "it is remembered");
        }
    }
}

/// An agent that is in reach by its name is the one that the platform has under it.
#[tokio::test]
async fn a_list_of_agents_leaves_out_namesakes() {
    let (_platform, proxy) = world_where(
        || Reply::json(200, &json!({ "id": "agent-9" })),
        |settings| {
            settings.auth.agents.insert("lister".to_owned(), ["agent-1".to_owned(), "second".to_owned()].into());
        },
    )
    .await;
    let answer =
        within("an answer", proxy.client().list_agents(bearer(ListAgentsRequest::default(), "t-lister"))).await;
    let agents: Vec<_> = answer.expect("OK").into_inner().agents.into_iter().map(|agent| agent.id).collect();
    assert_eq!(agents, ["agent-1"]);
}

#[tokio::test]
async fn a_list_of_agents_leaves_out_those_that_its_caller_may_not_invoke() {
    let (platform, proxy) = world(|settings| {
        settings.auth.agents.insert("nobody".to_owned(), Default::default());
        settings.auth.agents.insert("lister".to_owned(), ["second".to_owned()].into());
    })
    .await;
    let agents = async |token: &str| {
        let answer = proxy.client().list_agents(bearer(ListAgentsRequest::default(), token)).await.expect("OK");
        answer.into_inner().agents.into_iter().map(|agent| agent.id).collect::<Vec<_>>()
    };
    assert_eq!(agents("t-nobody").await, Vec::<String>::new());
    assert_eq!(platform.paths(), Vec::<String>::new());
    assert_eq!(agents("t-lister").await, ["agent-2"]);
    assert_eq!(agents("t-boss").await, ["agent-1", "agent-2"]);
}

#[tokio::test]
async fn an_activity_log_takes_the_right_to_the_tasks_agent_where_reads_do() {
    for (way, is_told) in [(Tasks::Id, true), (Tasks::Agent, false)] {
        let (platform, proxy) = world(|settings| {
            settings.auth.agents.insert("lister".to_owned(), ["agent-2".to_owned()].into());
            settings.auth.tasks = way;
        })
        .await;
        let request = GetTaskActivityRequest { task_id: "task-1".to_owned() };
        let answer = within("an answer", proxy.client().get_task_activity(bearer(request, "t-lister"))).await;
        assert_eq!(answer.is_ok(), is_told);
        if let Err(status) = answer {
            assert_eq!(failure::<()>(Err(status)).reason, "AGENT_NOT_ALLOWED");
            assert!(platform.paths().iter().all(|path| !path.contains("/activity/")), "{:?}", platform.paths());
        }
    }
}
