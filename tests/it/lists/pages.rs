//! Pages of a list: in order, bound to what was asked, good whatever changes, and small however large the list is.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use serde_json::{Value, json};
use tonic::Code;
use xpander_grpc_proxy::{
    config::Settings,
    proto::{ListAgentsRequest, ListTasksRequest, ListTasksResponse},
};

use crate::{
    hostile::{MB, Process},
    support::{
        live::within,
        platform::{Platform, Reply, task},
        proxy::{Client, Proxy, settings},
        status::failure,
    },
};

/// A platform whose agents and tasks are this list, and a proxy before it that lets everybody see it.
async fn world(rows: Arc<Mutex<Vec<Value>>>, change: impl FnOnce(&mut Settings)) -> (Platform, Proxy) {
    let platform = Platform::start(move |_| Reply::json(200, &json!(*rows.lock().expect("no panic")))).await;
    let mut settings = settings(&platform.base_url());
    change(&mut settings);
    let proxy = Proxy::with(&settings).await;
    (platform, proxy)
}

fn row(id: usize) -> Value {
    // Three at a time are created at once.
    json!({
        "id": format!("task-{id:02}"), "agent_id": "agent-1", "organization_id": "org-1", "status": "completed",
        "created_at": format!("2026-04-10T19:01:{:02}Z", id / 3), "result": "r".repeat(100),
    })
}

fn list(page_size: i32, page_token: &str) -> ListTasksRequest {
    ListTasksRequest {
        agent_id: "agent-1".to_owned(),
        page_size,
        page_token: page_token.to_owned(),
        ..ListTasksRequest::default()
    }
}

async fn page(client: &mut Client, request: ListTasksRequest) -> ListTasksResponse {
    within("a page", client.list_tasks(request)).await.expect("OK").into_inner()
}

#[tokio::test]
async fn every_task_is_on_one_page_while_others_come_and_go_and_on_whichever_replica_the_next_is_asked_for() {
    let rows = Arc::new(Mutex::new((10..40).map(row).collect::<Vec<_>>()));
    let replicas = [world(Arc::clone(&rows), |_| {}).await, world(Arc::clone(&rows), |_| {}).await];
    let mut seen: Vec<String> = Vec::new();
    let (mut token, mut turn) = (String::new(), 0);
    loop {
        let (_platform, replica) = &replicas[turn % 2];
        let answer = page(&mut replica.client(), list(7, &token)).await;
        assert!(answer.tasks.len() <= 7);
        seen.extend(answer.tasks.into_iter().map(|task| task.id));
        token = answer.next_page_token;
        if token.is_empty() {
            break;
        }
        let mut rows = rows.lock().expect("no panic");
        rows.reverse();
        rows.push(row(50 + turn));
        rows.insert(0, row(turn));
        rows.retain(|row| row["id"] != format!("task-{}", 10 + turn * 2));
        turn += 1;
    }
    for id in (11..40).step_by(2).map(|id| format!("task-{id}")) {
        assert_eq!(seen.iter().filter(|seen| **seen == id).count(), 1, "{id} of {seen:?}");
    }
    // No token of theirs is good for another organization.
    let (_platform, other) = world(rows, |settings| settings.platform.organization_id = Some("org-2".to_owned())).await;
    let token = page(&mut replicas[0].1.client(), list(7, "")).await.next_page_token;
    let refused = failure(other.client().list_tasks(list(7, &token)).await);
    assert_eq!(refused.code, Code::InvalidArgument);
    let first: Vec<_> = seen.iter().take(7).map(String::as_str).collect();
    assert_eq!(first, ["task-39", "task-36", "task-37", "task-38", "task-33", "task-34", "task-35"]);
}

#[tokio::test]
async fn a_result_is_told_only_where_it_is_asked_for() {
    let (_platform, proxy) = world(Arc::new(Mutex::new(vec![row(1)])), |_| {}).await;
    for include_results in [false, true] {
        let request = ListTasksRequest { include_results, ..list(0, "") };
        let answer = page(&mut proxy.client(), request).await;
        assert_eq!(answer.tasks[0].result.is_some(), include_results);
        assert!(answer.tasks[0].other.is_none(), "{:?}", answer.tasks[0]);
    }
}

#[tokio::test]
async fn a_page_has_fifty_rows_unless_told_and_a_thousand_at_most() {
    let rows = Arc::new(Mutex::new((0..1_100).map(|id| json!({ "id": format!("id-{id}") })).collect::<Vec<_>>()));
    let (_platform, proxy) = world(rows, |_| {}).await;
    let mut client = proxy.client();
    for (page_size, expected) in [(0, 50), (1, 1), (1_000, 1_000), (5_000, 1_000)] {
        let tasks = page(&mut client, list(page_size, "")).await.tasks;
        let request = ListAgentsRequest { page_size, page_token: String::new() };
        let agents = within("a page", client.list_agents(request)).await.expect("OK").into_inner().agents;
        assert_eq!((tasks.len(), agents.len()), (expected, expected), "{page_size}");
    }
}

#[tokio::test]
async fn a_token_of_another_list_or_of_nothing_is_refused_before_the_platform_is_touched() {
    let rows = Arc::new(Mutex::new((10..20).map(row).collect::<Vec<_>>()));
    let (platform, proxy) = world(rows, |settings| settings.users.callers = ["*".to_owned()].into()).await;
    let mut client = proxy.client();
    let token = page(&mut client, list(3, "")).await.next_page_token;
    let agents = ListAgentsRequest { page_size: 3, page_token: String::new() };
    let of_agents = client.list_agents(agents).await.expect("OK").into_inner().next_page_token;
    let asked = platform.paths().len();
    let good = list(3, &token);
    let requests = [
        ListTasksRequest { agent_id: "agent-2".to_owned(), ..good.clone() },
        ListTasksRequest { agent_id: String::new(), user_id: "agent-1".to_owned(), ..good.clone() },
        ListTasksRequest { user_id: "u".to_owned(), ..good.clone() },
        ListTasksRequest { status: 2, ..good.clone() },
        ListTasksRequest { internal_status: "x".to_owned(), ..good.clone() },
        ListTasksRequest { parent_task_id: "x".to_owned(), ..good.clone() },
        ListTasksRequest { triggering_agent_id: "x".to_owned(), ..good.clone() },
        ListTasksRequest { include_results: true, ..good.clone() },
        list(3, &of_agents),
        list(3, &token[1..]),
        list(3, &token[..token.len() - 1]),
        list(3, &format!("{token}A")),
        list(3, &format!("C{}", &token[1..])),
        list(3, "made up"),
        list(3, &"A".repeat(10_000)),
        list(3, "ü/%2F"),
    ];
    for request in requests {
        let refused = failure(within("an answer", client.list_tasks(request)).await);
        assert_eq!(
            (refused.code, &*refused.fields),
            (Code::InvalidArgument, &["page_token".to_owned()][..]),
            "{refused:?}"
        );
    }
    assert_eq!(platform.paths().len(), asked);
    // As many as one likes is no other list.
    page(&mut client, list(5, &token)).await;
}

#[tokio::test]
async fn a_list_that_breaks_off_is_asked_for_again_and_no_row_of_it_is_there_twice() {
    let asked = AtomicUsize::new(0);
    let rows = json!([row(1), row(2), row(3)]).to_string();
    let platform = Platform::start(move |_| match asked.fetch_add(1, Relaxed) {
        0 => Reply::Raw(format!("HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n\r\n{}", &rows[..rows.len() - 9]).into()),
        _ => Reply::text(200, "application/json", &rows),
    })
    .await;
    let mut settings = settings(&platform.base_url());
    settings.platform.retries = 1;
    let proxy = Proxy::with(&settings).await;
    let answer = page(&mut proxy.client(), list(2, "")).await;
    let ids: Vec<_> = answer.tasks.iter().map(|task| &*task.id).collect();
    assert_eq!((ids, platform.paths().len()), (vec!["task-03", "task-01"], 2));
}

/// A list of 50,000 rows of 2 KB, made as it is written.
fn huge(count: usize, written: &Arc<AtomicUsize>) -> Reply {
    let filling = "x".repeat(1_850);
    let rows = (0..count).map(move |id| {
        // The newest come last, the worst order for who keeps the first ones.
        let created = format!("2026-04-10T{:02}:{:02}:{:02}Z", id / 3600, id / 60 % 60, id % 60);
        let row = json!({
            "id": format!("task-{id:06}"), "agent_id": "agent-1", "organization_id": "org-1", "status": "completed",
            "created_at": created, "result": filling,
        });
        format!("{}{row}", if id == 0 { "[" } else { "," }).into_bytes()
    });
    Reply::Made(Box::new(rows.chain([b"]".to_vec()])), Arc::clone(written))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_of_a_hundred_megabytes_are_read_in_a_few() {
    const COUNT: usize = 50_000;
    let written = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&written);
    let platform = Platform::start(move |request| match request.task_id() {
        "well" => Reply::json(200, &task("well", "executing")),
        _ => huge(COUNT, &counted),
    })
    .await;
    // As long as a busy machine takes.
    let patience = ("XPANDER_PROXY_PLATFORM__REQUEST_TIMEOUT", "5m");
    let process = Process::with(platform, &[("XPANDER_PROXY_AUTH__LIST_TASKS", "*"), patience]).await;
    let mut client = process.client();
    let both = [list(1_000, ""), ListTasksRequest { include_results: true, ..list(1_000, "") }];
    let [first, second] = both.map(|request| {
        let mut client = client.clone();
        tokio::spawn(async move { page(&mut client, request).await })
    });
    for answer in [first, second] {
        let answer = within("a page", answer).await.expect("no panic");
        assert_eq!((&*answer.tasks[0].id, answer.tasks.len()), ("task-049999", 1_000));
        assert!(!answer.next_page_token.is_empty());
    }
    assert!(written.load(Relaxed) > 190_000_000, "{}", written.load(Relaxed));
    assert!(process.peak() < 32 * MB, "{} MB", process.peak() / MB);
    // The last page is as good as the first.
    let last = page(&mut client, list(1, "")).await;
    assert_eq!(last.tasks[0].id, "task-049999");
}
