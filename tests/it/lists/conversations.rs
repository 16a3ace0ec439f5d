//! Conversations: a task that is continued comes back as itself, or as a turn with an id of its own; whoever continues it
//! follows the id that came back.

use xpander_grpc_proxy::{
    config::Tasks,
    proto::{InvokeRequest, InvokeStreamRequest, ListTasksRequest, TaskStatus, invoke_stream_response::Item},
};

use crate::support::{
    callers::{bearer, let_in},
    live::within,
    sandbox::{World, asking},
    status::failure,
};

fn continuing(id: &str, prompt: &str) -> InvokeRequest {
    InvokeRequest { existing_task_id: Some(id.to_owned()), ..asking("chat", prompt) }
}

async fn world() -> World {
    World::with(|settings| settings.auth.list_tasks = ["*".to_owned()].into()).await
}

#[tokio::test]
async fn a_turn_has_an_id_of_its_own_and_names_its_conversation() {
    let world = world().await;
    let mut client = world.client();
    let head = client.ask("chat", "one").await;
    client.wait(&head.id).await;
    let second = client.invoke(continuing(&head.id, "two")).await;
    assert_ne!(second.id, head.id);
    assert_eq!((second.conversation_id(), second.conversation_kind.as_deref()), (&*head.id, None));
    let over = client.wait(&second.id).await;
    assert_eq!((over.status(), over.result()), (TaskStatus::Completed, "two"));
    // By the id that a caller is told to continue with, and by the turn's own.
    let third = client.invoke(continuing(second.conversation_id(), "three")).await;
    client.wait(&third.id).await;
    let fourth = client.invoke(continuing(&third.id, "four")).await;
    client.wait(&fourth.id).await;
    assert_eq!((third.conversation_id(), fourth.conversation_id()), (&*head.id, &*head.id));
    assert_eq!(client.get(&head.id).await.result(), "one", "the head stays as it was");

    let request = ListTasksRequest { agent_id: "chat".to_owned(), ..ListTasksRequest::default() };
    let tasks = world.proxy.client().list_tasks(request).await.expect("OK").into_inner().tasks;
    let heads: Vec<_> = tasks.iter().filter(|task| task.conversation_kind() == "direct").map(|task| &task.id).collect();
    assert_eq!((tasks.len(), heads), (4, vec![&head.id]));
}

#[tokio::test]
async fn a_stream_follows_the_turn_that_came_back() {
    let world = world().await;
    let mut client = world.client();
    let head = client.ask("chat", "one").await;
    client.wait(&head.id).await;
    let request = InvokeStreamRequest { invocation: Some(continuing(&head.id, "two")), heartbeat: None };
    let mut stream = world.proxy.client().invoke_stream(request).await.expect("OK").into_inner();
    let (mut turn, mut last) = (None, None);
    while let Some(message) = within("a message", stream.message()).await.expect("OK") {
        match message.item.expect("an item") {
            Item::Task(task) => turn = Some(task),
            Item::Event(event) => last = Some(event),
        }
    }
    let (turn, last) = (turn.expect("a task"), last.expect("an event"));
    assert_ne!(turn.id, head.id);
    assert_eq!((last.type_name.as_str(), last.task_id.as_deref()), ("task_finished", Some(&*turn.id)));
}

#[tokio::test]
async fn a_turn_takes_the_right_to_its_conversations_agent() {
    let world = World::with(|settings| {
        let_in(settings, &[("chatter", "t-chatter"), ("other", "t-other")]);
        let row = |agents: &[&str]| agents.iter().map(|agent| (*agent).to_owned()).collect();
        settings.auth.agents = [("chatter".to_owned(), row(&["chat"])), ("other".to_owned(), row(&["echo"]))].into();
        settings.auth.tasks = Tasks::Agent;
    })
    .await;
    let mut client = world.proxy.client();
    let head = client.invoke(bearer(asking("chat", "one"), "t-chatter")).await.expect("OK").into_inner().task;
    let head = head.expect("a task").id;
    let wait = |id: &str| {
        let request = xpander_grpc_proxy::proto::WaitTaskRequest { task_id: id.to_owned(), timeout: None };
        bearer(request, "t-chatter")
    };
    client.wait_task(wait(&head)).await.expect("OK");
    let creates = world.creates();
    for agent in ["chat", "echo"] {
        let request = InvokeRequest { agent_id: agent.to_owned(), ..continuing(&head, "two") };
        assert_eq!(failure(client.invoke(bearer(request, "t-other")).await).reason, "AGENT_NOT_ALLOWED");
    }
    assert_eq!(world.creates(), creates);
    let turn = client.invoke(bearer(continuing(&head, "two"), "t-chatter")).await.expect("OK").into_inner().task;
    let turn = turn.expect("a task").id;
    assert_ne!(turn, head);
    client.wait_task(wait(&turn)).await.expect("its own agent's");
    let get = |token| bearer(xpander_grpc_proxy::proto::GetTaskRequest { task_id: turn.clone() }, token);
    assert_eq!(failure(client.get_task(get("t-other")).await).reason, "AGENT_NOT_ALLOWED");
    client.get_task(get("t-chatter")).await.expect("its own agent's");
}
