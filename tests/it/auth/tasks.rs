//! Whose tasks are in a caller's reach: one that is continued or named has to be of an agent that the caller may invoke,
//! and, where the settings say so, one that is read, followed, waited for or stopped, too.

use tonic::{Code, Status};
use xpander_grpc_proxy::{
    config::{Settings, Tasks},
    proto::{GetTaskRequest, InvokeRequest, InvokeStreamRequest, StopTaskRequest, Task, TaskStatus, WaitTaskRequest},
};

use crate::support::{
    callers::{bearer, let_in},
    calls::{follow, invoke},
    live::within,
    sandbox::{World, asking},
    status::failure,
};

/// A world where `admin` may invoke every agent, `orders` these, and reads are as `tasks` says.
async fn world(tasks: Tasks, agents: &[&str]) -> World {
    World::with(|settings: &mut Settings| {
        let_in(settings, &[("orders", "t-orders"), ("admin", "t-admin")]);
        let row = |agents: &[&str]| agents.iter().map(|agent| (*agent).to_owned()).collect();
        settings.auth.agents = [("orders".to_owned(), row(agents)), ("admin".to_owned(), row(&["*"]))].into();
        settings.auth.tasks = tasks;
    })
    .await
}

/// A task that `admin` has made.
async fn made(world: &World, agent: &str) -> Task {
    let request = InvokeRequest { events_streaming: true, ..asking(agent, "hi") };
    let task = within("an answer", world.proxy.client().invoke(bearer(request, "t-admin"))).await.expect("OK");
    let id = task.into_inner().task.expect("a task").id;
    let request = WaitTaskRequest { task_id: id, timeout: None };
    let task = within("an answer", world.proxy.client().wait_task(bearer(request, "t-admin"))).await.expect("OK");
    *task.into_inner().task.expect("a task")
}

/// Invokes by both calls as `orders`; how both ended.
async fn invocations(world: &World, request: InvokeRequest) -> [Result<(), Status>; 2] {
    let mut client = world.proxy.client();
    let unary = within("an answer", client.invoke(bearer(request.clone(), "t-orders"))).await.map(drop);
    let request = InvokeStreamRequest { invocation: Some(request), heartbeat: None };
    let stream = within("an answer", client.invoke_stream(bearer(request, "t-orders"))).await.map(drop);
    [unary, stream]
}

/// Every other call on a task as `orders`.
async fn others(world: &World, id: &str) -> Vec<(&'static str, Result<(), Status>)> {
    let (mut client, task_id) = (world.proxy.client(), id.to_owned());
    let get = bearer(GetTaskRequest { task_id: task_id.clone() }, "t-orders");
    let wait = bearer(WaitTaskRequest { task_id: task_id.clone(), timeout: None }, "t-orders");
    let stop = bearer(StopTaskRequest { task_id }, "t-orders");
    vec![
        ("GetTask", within("an answer", client.get_task(get)).await.map(drop)),
        ("WaitTask", within("an answer", client.wait_task(wait)).await.map(drop)),
        ("StreamEvents", within("an answer", client.stream_events(bearer(follow(id), "t-orders"))).await.map(drop)),
        ("StopTask", within("an answer", client.stop_task(stop)).await.map(drop)),
    ]
}

/// Refused, in the words that a task that is not there gets.
fn check_refused(result: Result<(), Status>, id: &str, creates: bool) {
    let refused = failure(result);
    assert_eq!((refused.code, &*refused.reason), (Code::PermissionDenied, "AGENT_NOT_ALLOWED"));
    let mut facts = refused.facts;
    assert_eq!(facts.remove("task_id").as_deref(), Some(id));
    assert_eq!(facts.remove("outcome").as_deref(), creates.then_some("not_created"));
    assert!(facts.is_empty(), "it tells whose it is: {facts:?}");
    assert_eq!(refused.message, "there is no such task, or it is of an agent that this caller may not invoke");
}

const UNKNOWN: &str = "01890000-0000-7000-8000-000000000000";

#[tokio::test]
async fn a_paused_task_of_another_agent_is_not_answered() {
    for tasks in [Tasks::Id, Tasks::Agent] {
        let world = world(tasks, &["echo"]).await;
        let paused = made(&world, "human").await;
        assert_eq!(paused.status(), TaskStatus::Paused);
        let creates = world.creates();
        for id in [&*paused.id, UNKNOWN] {
            let existing_task_id = Some(id.to_owned());
            let request = InvokeRequest { existing_task_id, ..asking("echo", "yes, pay") };
            for request in [request.clone(), InvokeRequest { request_id: "r-1".to_owned(), ..request }] {
                for result in invocations(&world, request).await {
                    check_refused(result, id, true);
                }
            }
        }
        assert_eq!(world.creates(), creates, "nothing was sent");
        let read = GetTaskRequest { task_id: paused.id };
        let task = world.proxy.client().get_task(bearer(read, "t-admin")).await.expect("OK").into_inner().task;
        assert_eq!(task.expect("a task").status(), TaskStatus::Paused);
    }
}

#[tokio::test]
async fn a_prompt_that_names_a_task_of_another_agent_does_not_read_it() {
    let world = world(Tasks::Id, &["echo"]).await;
    let paused = made(&world, "human").await;
    for id in [&*paused.id, UNKNOWN] {
        let named = format!(r#" {{"a": NaN, "xpander_task\u005fid": "{id}"}}"#);
        for request in [asking("echo", &named), asking("", &named)] {
            for result in invocations(&world, request).await {
                check_refused(result, id, true);
            }
        }
    }
    let own = made(&world, "echo").await;
    for result in invocations(&world, asking("echo", &format!(r#"{{"xpander_task_id": "{}"}}"#, own.id))).await {
        result.expect("its own agent's");
    }
}

#[tokio::test]
async fn a_continued_task_goes_on_with_its_own_agent_whichever_is_named() {
    let world = world(Tasks::Id, &["echo", "tools-agent"]).await;
    for (of, named) in [("echo", "echo"), ("tools", "echo"), ("echo", "tools-agent"), ("tools", "tools-agent")] {
        let task = made(&world, of).await;
        let existing_task_id = Some(task.id.clone());
        let request = InvokeRequest { existing_task_id, ..asking(named, "go on") };
        let answer = within("an answer", world.proxy.client().invoke(bearer(request, "t-orders"))).await.expect("OK");
        assert_eq!(answer.into_inner().task.expect("a task").agent_id, of, "named {named}");
        let last = world.seen("POST", "/agent-execution/").pop().expect("a create");
        assert_eq!(last.path, format!("/agent-execution/{of}"), "named {named}");
    }
}

#[tokio::test]
async fn who_may_invoke_every_agent_is_asked_nothing() {
    let world = world(Tasks::Agent, &["echo"]).await;
    let paused = made(&world, "human").await;
    let reads = world.seen("GET", "/agent-execution/").len();
    let request = InvokeRequest { existing_task_id: Some(paused.id), ..asking("human", "yes") };
    within("an answer", world.proxy.client().invoke(bearer(request, "t-admin"))).await.expect("OK");
    assert_eq!(world.seen("GET", "/agent-execution/").len(), reads, "no read before it");
}

#[tokio::test]
async fn tasks_of_other_agents_are_in_reach_by_their_id_unless_the_settings_say_otherwise() {
    let open = world(Tasks::Id, &["echo"]).await;
    let task = made(&open, "human").await;
    for (call, result) in others(&open, &task.id).await {
        result.unwrap_or_else(|status| panic!("{call}: {status:?}"));
    }
    let closed = world(Tasks::Agent, &["echo"]).await;
    let (task, own) = (made(&closed, "human").await, made(&closed, "echo").await);
    for id in [&*task.id, UNKNOWN] {
        for (_, result) in others(&closed, id).await {
            check_refused(result, id, false);
        }
    }
    assert_eq!(closed.seen("DELETE", "/").len(), 0, "nothing was stopped");
    for (call, result) in others(&closed, &own.id).await {
        result.unwrap_or_else(|status| panic!("{call}: {status:?}"));
    }
}

#[tokio::test]
async fn whose_a_task_is_costs_one_read() {
    let world = world(Tasks::Agent, &["tools-agent"]).await;
    let task = made(&world, "tools").await;
    let path = format!("/agent-execution/{}/status", task.id);
    let reads = || world.seen("GET", &path).len();
    let before = reads();
    let stop = || bearer(StopTaskRequest { task_id: task.id.clone() }, "t-orders");
    for _ in 0..5 {
        within("an answer", world.proxy.client().stop_task(stop())).await.expect("OK");
    }
    assert_eq!(
        (reads() - before, world.lookups("tools-agent")),
        (1, 1),
        "of the task, and of the name in the settings"
    );
}

#[tokio::test]
async fn an_empty_existing_task_id_continues_nothing() {
    let world = world(Tasks::Agent, &["echo"]).await;
    let request = InvokeRequest { existing_task_id: Some(String::new()), ..asking("echo", "hi") };
    for result in invocations(&world, request).await {
        result.expect("a new task");
    }
}

#[tokio::test]
async fn a_caller_without_any_agent_reaches_no_task() {
    let world = World::with(|settings| {
        let_in(settings, &[("orders", "t-orders"), ("admin", "t-admin")]);
        settings.auth.agents = [("admin".to_owned(), ["*".to_owned()].into())].into();
        settings.auth.tasks = Tasks::Agent;
    })
    .await;
    let task = made(&world, "echo").await;
    for (_, result) in others(&world, &task.id).await {
        check_refused(result, &task.id, false);
    }
    let request = InvokeRequest { existing_task_id: Some(task.id), ..invoke("") };
    assert!(invocations(&world, request).await.iter().all(Result::is_err));
}
