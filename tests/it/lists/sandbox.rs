//! The embedded platform's lists and logs through the proxy, and the commands that show them.

use xpander_grpc_proxy::proto::{
    ActivityEntry, ActivityRole, GetTaskActivityRequest, InvokeRequest, ListTasksRequest, TaskStatus, User,
    activity_entry::Entry, get_task_activity_response::Item, task_event::Data,
};

use crate::support::{
    binary::Serving,
    live::{Followed, within},
    sandbox::{World, asking},
};

async fn world() -> World {
    World::with(|settings| {
        settings.users.callers = ["*".to_owned()].into();
    })
    .await
}

async fn log(world: &World, task_id: &str) -> Vec<ActivityEntry> {
    let request = GetTaskActivityRequest { task_id: task_id.to_owned() };
    let mut stream = within("a log", world.proxy.client().get_task_activity(request)).await.expect("OK").into_inner();
    let mut entries = Vec::new();
    while let Some(message) = within("a message", stream.message()).await.expect("OK") {
        match message.item.expect("an item") {
            Item::Thread(thread) => assert_eq!(thread.id.as_deref(), Some(task_id)),
            Item::Entry(entry) => entries.push(*entry),
        }
    }
    entries
}

#[tokio::test]
async fn a_log_agrees_with_the_events_of_its_task() {
    let world = world().await;
    let mut client = world.client();
    let task = client.invoke(InvokeRequest { events_streaming: true, ..asking("tools", "compare them") }).await;
    let request = tonic::Request::new(crate::support::calls::follow(&task.id));
    let events = Followed::with(&mut world.proxy.client(), request).await.all().await;
    let entries = log(&world, &task.id).await;

    let ids: std::collections::BTreeSet<_> = entries.iter().map(|entry| entry.id.clone().expect("an id")).collect();
    assert_eq!(ids.len(), entries.len());
    let (Some(Entry::Message(first)), Some(Entry::Message(last))) =
        (&entries[0].entry, &entries[entries.len() - 1].entry)
    else {
        panic!("it begins and ends with a message")
    };
    assert_eq!((first.role(), first.text()), (ActivityRole::User, "compare them"));
    assert_eq!((last.role(), last.text()), (ActivityRole::Agent, "Looked into it: compare them"));
    let tools = |entries: &[ActivityEntry]| {
        entries
            .iter()
            .filter_map(|entry| match &entry.entry {
                Some(Entry::ToolCall(call)) => Some((call.tool_name().to_owned(), call.is_error())),
                _ => None,
            })
            .collect::<Vec<_>>()
    };
    let called: Vec<_> = events
        .iter()
        .filter_map(|event| match &event.data {
            Some(Data::ToolCallResult(result)) => Some((result.tool_name().to_owned(), result.is_error())),
            _ => None,
        })
        .collect();
    assert_eq!(tools(&entries), called);
    let count =
        |is_it: fn(&Entry) -> bool| entries.iter().filter(|entry| entry.entry.as_ref().is_some_and(is_it)).count();
    assert_eq!(count(|entry| matches!(entry, Entry::Reasoning(_))), 3);
    assert_eq!(count(|entry| matches!(entry, Entry::SubAgentTrigger(_))), 1);
    assert_eq!(count(|entry| matches!(entry, Entry::Auth(_))), 2);
    assert_eq!(count(|entry| matches!(entry, Entry::Other(_))), 1, "a decision of the gateway");
}

#[tokio::test]
async fn a_task_that_goes_on_has_one_log_and_one_row() {
    let world = world().await;
    let mut client = world.client();
    let task = client.ask("echo", "one").await;
    client.wait(&task.id).await;
    let existing_task_id = Some(task.id.clone());
    let again = client.invoke(InvokeRequest { existing_task_id, ..asking("echo", "two") }).await;
    assert_eq!(again.id, task.id);
    client.wait(&task.id).await;
    let said: Vec<_> = log(&world, &task.id)
        .await
        .into_iter()
        .filter_map(|entry| match entry.entry {
            Some(Entry::Message(message)) => message.text,
            _ => None,
        })
        .collect();
    assert_eq!(said, ["one", "one", "two", "two"]);
    let request = ListTasksRequest { agent_id: "echo".to_owned(), ..ListTasksRequest::default() };
    let tasks = world.proxy.client().list_tasks(request).await.expect("OK").into_inner().tasks;
    assert_eq!((tasks.len(), tasks[0].status()), (1, TaskStatus::Completed));
}

#[tokio::test]
async fn tasks_are_found_by_agent_user_and_status() {
    let world = world().await;
    let mut client = world.client();
    let of = |agent: &str, user: &str, title: &str| InvokeRequest {
        user_details: Some(User { id: Some(user.to_owned()), email: "a@b.c".to_owned(), ..User::default() }),
        title: Some(title.to_owned()),
        ..asking(agent, "hi")
    };
    for (agent, user, title) in [("echo", "jörg 1", "a"), ("fail", "jörg 1", "b"), ("echo", "u-2", "c")] {
        let task = client.invoke(of(agent, user, title)).await;
        client.wait(&task.id).await;
    }
    let found = async |agent_id: &str, user_id: &str, status: TaskStatus| {
        let request = ListTasksRequest {
            agent_id: agent_id.to_owned(),
            user_id: user_id.to_owned(),
            status: status.into(),
            ..ListTasksRequest::default()
        };
        let answer = world.proxy.client().list_tasks(request).await.expect("OK").into_inner();
        answer.tasks.into_iter().filter_map(|task| task.title).collect::<Vec<_>>().concat()
    };
    let any = TaskStatus::Unspecified;
    assert_eq!(found("echo", "", any).await, "ca");
    assert_eq!(found("", "jörg 1", any).await, "ba");
    assert_eq!(found("echo", "jörg 1", any).await, "a");
    assert_eq!(found("", "jörg 1", TaskStatus::Failed).await, "b");
    assert_eq!(found("echo", "", TaskStatus::Failed).await, "");
}

#[tokio::test]
async fn the_commands_print_tables_and_json() {
    let serving =
        Serving::sandbox(&[("XPANDER_PROXY_AUTH__LIST_TASKS", "*"), ("XPANDER_PROXY_USERS__CALLERS", "*")]).await;
    let table = serving.run(&["agents"]).await.good();
    let heads: Vec<_> = table.lines().map(|line| line.split_whitespace().next().expect("a column")).collect();
    for agent in ["ID", "chat", "echo", "tools"] {
        assert!(heads.contains(&agent), "{table}");
    }
    let limited = serving.run(&["agents", "--limit", "2", "--json"]).await.json();
    assert_eq!((limited.len(), limited[0]["agents"].as_array().map(Vec::len)), (1, Some(2)));

    let invoke = ["invoke", "hello there", "--agent", "echo", "--wait", "--json", "--title", "Greeting"];
    let id = serving.run(&invoke).await.json()[0]["task"]["id"].as_str().expect("an id").to_owned();
    let table = serving.run(&["tasks", "--agent", "echo", "--status", "completed"]).await.good();
    let line = table.lines().nth(1).expect("a task");
    assert!(line.starts_with(&id) && line.contains("completed") && line.ends_with("Greeting"), "{table}");
    let lines = serving.run(&["tasks", "--agent", "echo", "--results", "--json"]).await.json();
    assert_eq!(lines[0]["tasks"][0]["result"], "hello there");
    assert_eq!(serving.run(&["tasks", "--user", "nobody"]).await.good().lines().count(), 1);
    let text = serving.run(&["activity", &id]).await.good();
    assert_eq!(text, "user: hello there\nagent: hello there\n");
    let lines = serving.run(&["activity", &id, "--json"]).await.json();
    assert_eq!((&lines[0]["thread"]["id"], lines.len()), (&serde_json::json!(id), 3));

    let chat = ["invoke", "one", "--agent", "chat", "--wait", "--json"];
    let head = serving.run(&chat).await.json()[0]["task"]["id"].as_str().expect("an id").to_owned();
    let turn = serving.run(&["invoke", "two", "--agent", "chat", "--existing-task", &head, "--stream"]).await.good();
    assert!(turn.contains(&format!("continue with {head}")), "{turn}");
}
