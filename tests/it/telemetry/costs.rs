//! What agents cost: tokens and tasks by agent, each end once; the line of the call that saw it; and the conventions for
//! generative AI.

use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use serde_json::json;
use xpander_grpc_proxy::{
    proto::{InvokeRequest, InvokeStreamRequest, OutputFormat, WaitTaskRequest},
    sandbox::Sandbox,
};

use super::{client, metrics::Scrape};
use crate::support::{
    binary::Serving,
    calls::follow,
    collector::{Collector, attributes},
    live::{Followed, finished, within},
    platform::{Platform, Reply, event, task},
    proxy::{Proxy, settings},
    sandbox::{World, asking},
};

const TOKENS: &str = "xpander_task_tokens_total";
const ENDED: &str = "xpander_tasks_ended_total";
const ECHO: &str = "xpander_agent_id=\"echo\"";
const OTHER: &str = "xpander_agent_id=\"other\"";
const INPUT: &str = "xpander_token_type=\"input\"";

async fn world() -> World {
    World::with(|settings| settings.telemetry.agents = ["echo".to_owned()].into()).await
}

#[tokio::test]
async fn each_end_of_a_task_is_counted_once_however_many_calls_see_it() {
    let world = world().await;
    let mut client = world.client();
    let request = InvokeRequest { events_streaming: true, ..asking("echo", "one two three") };
    let task = client.invoke(request).await;
    let streams = [(); 3].map(|()| world.proxy.client());
    for mut client in streams {
        let request = tonic::Request::new(follow(&task.id));
        Followed::with(&mut client, request).await.all().await;
    }
    for _ in 0..3 {
        client.wait(&task.id).await;
        client.get(&task.id).await;
        client.stop(&task.id).await;
    }
    // Not named, and told as one of the others.
    let failed = client.ask("fail", "now").await;
    client.wait(&failed.id).await;
    let scrape = Scrape::of(&world.proxy.admin).await;
    assert_eq!(scrape.value(TOKENS, &[ECHO, INPUT]), 3.0);
    assert_eq!(scrape.value(TOKENS, &[ECHO, "xpander_token_type=\"output\""]), 3.0);
    assert_eq!(scrape.value(TOKENS, &[ECHO, "xpander_token_type=\"cache_read\""]), 0.0);
    assert_eq!(scrape.value(ENDED, &[ECHO, "xpander_task_status=\"completed\""]), 1.0);
    assert_eq!(scrape.value(TOKENS, &[OTHER, INPUT]), 1.0);
    assert_eq!(scrape.value(ENDED, &[OTHER, "xpander_task_status=\"failed\""]), 1.0);
    assert_eq!(scrape.value(ENDED, &[]), 2.0);
    assert_eq!(scrape.value("xpander_task_duration_seconds_count", &[]), 2.0);

    // It goes on, under its id, and ends once more.
    let existing_task_id = Some(task.id.clone());
    client.invoke(InvokeRequest { existing_task_id, ..asking("echo", "four five") }).await;
    client.wait(&task.id).await;
    let scrape = Scrape::of(&world.proxy.admin).await;
    assert_eq!(scrape.value(TOKENS, &[ECHO, INPUT]), 5.0);
    assert_eq!(scrape.value(ENDED, &[ECHO, "xpander_task_status=\"completed\""]), 2.0);
}

/// The platform's stream is the task's: an end that names none is its end.
#[tokio::test]
async fn an_end_that_names_no_task_is_counted() {
    let mut over = finished("completed", "done");
    over["tokens"] = json!({ "prompt_tokens": 3, "completion_tokens": 2 });
    let end = event("task_finished", &over).replace("\"task_id\":\"task-1\",", "");
    let platform = Platform::start(move |request| match request.path.ends_with("/events") {
        true => Reply::events(&end),
        false => Reply::json(200, &task("task-1", "executing")),
    })
    .await;
    let proxy = Proxy::start(&platform.base_url()).await;
    let events = Followed::begin(&mut proxy.client()).await.all().await;
    assert_eq!(events.last().expect("an end").task_id, None);
    let scrape = Scrape::of(&proxy.admin).await;
    assert_eq!((scrape.value(TOKENS, &[INPUT]), scrape.value(ENDED, &[])), (3.0, 1.0));
}

/// It may be days old: who reads it has not seen its end.
#[tokio::test]
async fn a_task_that_is_only_read_is_not_counted() {
    let world = world().await;
    let mut client = world.client();
    let task = client.ask("echo", "one").await;
    within("the end", async {
        while client.get(&task.id).await.result.is_none() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(Scrape::of(&world.proxy.admin).await.value(ENDED, &[]), 0.0);
}

#[tokio::test]
async fn no_number_of_the_platforms_spoils_a_counter() {
    for tokens in [json!(-5), json!(i64::MAX), json!("many"), json!(null)] {
        let mut over = finished("completed", "x");
        over["tokens"] = json!({ "prompt_tokens": tokens, "completion_tokens": 2 });
        let platform = Platform::start(move |_| Reply::json(200, &over)).await;
        let proxy = Proxy::with(&settings(&platform.base_url())).await;
        let request = WaitTaskRequest { task_id: "task-1".to_owned(), timeout: None };
        within("an answer", proxy.client().wait_task(request)).await.expect("OK");
        let scrape = Scrape::of(&proxy.admin).await;
        assert_eq!(scrape.value(TOKENS, &[INPUT]), 0.0, "{tokens}");
        assert_eq!(scrape.value(TOKENS, &[]), 2.0, "{tokens}");
    }
}

#[tokio::test]
async fn the_line_of_a_call_that_sees_the_end_has_what_it_cost() {
    let mut serving = Serving::sandbox(&[]).await;
    let mut client = client(&serving);
    let task = within("a task", client.invoke(asking("echo", "one two"))).await.expect("OK").into_inner().task;
    let line = serving.line("call").await;
    assert!(
        ["tokens_input", "task_status", "task_duration_ms"].iter().all(|name| !line.contains_key(*name)),
        "{line:?}"
    );
    let task_id = task.expect("a task").id;
    within("its end", client.wait_task(WaitTaskRequest { task_id, timeout: None })).await.expect("OK");
    let line = serving.line("call").await;
    assert_eq!((&line["tokens_input"], &line["tokens_output"]), (&json!(2), &json!(2)), "{line:?}");
    assert_eq!((&line["tokens_cache_read"], &line["task_status"]), (&json!(0), &json!("completed")));
    assert!(line["task_duration_ms"].as_f64().is_some(), "{line:?}");
}

#[tokio::test]
async fn the_conventions_for_generative_ai_are_followed_where_that_is_switched_on() {
    let sandbox = Sandbox::start(([127, 0, 0, 1], 0).into()).await.expect("a sandbox");
    let collector = Collector::grpc().await;
    let variables = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &*collector.url),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ("OTEL_BSP_SCHEDULE_DELAY", "20"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "3600000"),
        ("XPANDER_PROXY_TELEMETRY__GEN_AI", "true"),
        ("XPANDER_PROXY_SERVER__DRAIN_DELAY", "0s"),
    ];
    let serving = Serving::before(&sandbox.base_url(), &variables).await;
    let mut client = client(&serving);
    let invocation = InvokeRequest {
        output_format: OutputFormat::Markdown.into(),
        llm_model_name: Some("gpt-5".to_owned()),
        agent_version: Some("2".to_owned()),
        ..asking("echo", "a-secret prompt")
    };
    let request = InvokeStreamRequest { invocation: Some(invocation), heartbeat: None };
    let mut stream = within("a stream", client.invoke_stream(request)).await.expect("OK").into_inner();
    let mut task_id = String::new();
    while let Some(message) = within("a message", stream.message()).await.expect("OK") {
        if let Some(xpander_grpc_proxy::proto::invoke_stream_response::Item::Task(task)) = message.item {
            task_id = task.id;
        }
    }
    let failed = within("a task", client.invoke(asking("fail", "x"))).await.expect("OK").into_inner().task;
    let request = WaitTaskRequest { task_id: failed.expect("a task").id, timeout: None };
    within("its end", client.wait_task(request)).await.expect("OK");

    let [span, waited] = collector.spans(["invoke_agent echo-agent", "invoke_agent"]).await;
    for (name, value) in [
        ("gen_ai.operation.name", "invoke_agent"),
        ("gen_ai.provider.name", "xpander.ai"),
        ("gen_ai.agent.id", "echo"),
        ("gen_ai.agent.name", "echo-agent"),
        ("gen_ai.agent.version", "2"),
        ("gen_ai.conversation.id", &*task_id),
        ("gen_ai.output.type", "text"),
        ("gen_ai.request.model", "gpt-5"),
        ("gen_ai.usage.input_tokens", "2"),
        ("gen_ai.usage.output_tokens", "2"),
        ("gen_ai.usage.cache_read.input_tokens", "0"),
        ("gen_ai.usage.cache_creation.input_tokens", "0"),
        ("error.type", ""),
        ("rpc.method", "xpander.agent.v1.AgentService/InvokeStream"),
    ] {
        assert_eq!(span.attribute(name), value, "{name}");
    }
    assert!(!format!("{span:?}").contains("a-secret"));
    // No agent was loaded, so that its name is not known; the call was no failure, and its task was one.
    assert_eq!((&*waited.attribute("gen_ai.agent.id"), &*waited.attribute("error.type")), ("fail", "failed"));

    serving.signal("TERM").await;
    assert_eq!(serving.ended().await, Some(0));
    let received = collector.received();
    let metrics = &received.metrics[0].resource_metrics[0].scope_metrics[0].metrics;
    let points = |name: &str, unit: &str| {
        let metric = metrics.iter().find(|metric| metric.name == name).expect(name);
        assert_eq!(metric.unit, unit, "{name}");
        let Some(Data::Histogram(histogram)) = &metric.data else { panic!("no histogram: {metric:?}") };
        histogram.data_points.clone()
    };
    let duration = points("gen_ai.client.operation.duration", "s");
    assert_eq!(duration.iter().map(|point| point.count).sum::<u64>(), 3);
    assert_eq!((duration[0].explicit_bounds[0], duration[0].explicit_bounds[13]), (0.01, 81.92));
    assert!(
        duration.iter().any(|point| attributes(&point.attributes).get("error.type").is_some_and(|e| e == "failed"))
    );
    let chunk = points("gen_ai.client.operation.time_to_first_chunk", "s");
    assert_eq!(chunk.iter().map(|point| point.count).sum::<u64>(), 1);
    let usage = points("gen_ai.client.token.usage", "{token}");
    let of = |kind: &str| {
        let is_of = |point: &&opentelemetry_proto::tonic::metrics::v1::HistogramDataPoint| {
            attributes(&point.attributes)["gen_ai.token.type"] == kind
        };
        usage.iter().find(is_of).and_then(|point| point.sum).expect(kind)
    };
    assert_eq!(usage[0].explicit_bounds[13], 67_108_864.0);
    // Two words and one, and what came of them.
    assert!(of("input") == 3.0 && of("output") > 2.0, "{} {}", of("input"), of("output"));
}

#[tokio::test]
async fn nothing_is_told_by_these_conventions_unless_that_is_switched_on() {
    let world = world().await;
    let mut client = world.client();
    let task = client.ask("echo", "one").await;
    client.wait(&task.id).await;
    let text = reqwest::Client::builder().no_proxy().build().expect("a client");
    let text = text.get(format!("{}/metrics", world.proxy.admin)).send().await.expect("an answer").text().await;
    assert!(!text.expect("a text").contains("gen_ai"));
}
