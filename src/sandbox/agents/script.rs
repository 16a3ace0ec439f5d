//! What the agents do with a prompt, step by step.
//!
//! It changes tasks only through the steps a `Turn` offers; the agent `tools` has a file of its own, `showcase`.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::sleep;

use super::{
    Behaviour,
    says::{BEAT, completed, say},
    showcase,
};
use crate::sandbox::tasks::{
    status::{Ending, Status},
    turn::Turn,
};

/// The pause between two pieces of text of the agent `slow`.
const SLOW_BEAT: Duration = Duration::from_millis(100);
/// How long `slow` takes unless told, and at most.
const SLOW: (u64, u64) = (30_000, 24 * 60 * 60 * 1000);
/// How many bytes `big` says unless told, and at most.
const BIG: (u64, u64) = (1 << 20, 32 << 20);
/// How many events `burst` sends unless told, and at most.
const BURST: (u64, u64) = (1_000, 100_000);
/// Sets an agent to work on a turn, in the background and until the turn is over.
pub fn start(turn: Arc<Turn>, behaviour: Behaviour) {
    let over = turn.over().clone();
    tokio::spawn(over.run_until_cancelled_owned(async move { work(&turn, behaviour).await }));
}

async fn work(turn: &Turn, behaviour: Behaviour) {
    sleep(BEAT).await;
    turn.begin();
    let prompt = turn.prompt();
    let ending = match behaviour {
        Behaviour::Echo => echo(turn, prompt).await,
        Behaviour::Tools => showcase::perform(turn, &prompt).await,
        Behaviour::Slow => slow(turn, &prompt).await,
        Behaviour::Human => human(turn, &prompt).await,
        Behaviour::Fail => fail(turn, &prompt).await,
        Behaviour::Big => big(turn, &prompt).await,
        Behaviour::Burst => burst(turn, &prompt).await,
        // These get no tasks.
        Behaviour::Refuses(_) | Behaviour::Hidden(_) => completed(String::new()),
    };
    turn.finish(&ending);
}

async fn echo(turn: &Turn, prompt: String) -> Ending {
    let schema = turn.attribute("output_schema");
    let result = match turn.attribute("output_format") {
        Value::String(format) if format == "json" && schema.is_object() => example(&schema, &prompt).to_string(),
        _ => prompt,
    };
    say(turn, &result).await;
    completed(result)
}

/// A value of this JSON schema, as far as types and properties go, with the prompt for every text.
fn example(schema: &Value, prompt: &str) -> Value {
    match schema["type"].as_str() {
        Some("object") => {
            let properties = schema["properties"].as_object().into_iter().flatten();
            properties.map(|(name, schema)| (name.clone(), example(schema, prompt))).collect()
        }
        Some("array") => json!([example(&schema["items"], prompt)]),
        Some("integer") => json!(42),
        Some("number") => json!(4.2),
        Some("boolean") => json!(true),
        Some("null") => Value::Null,
        _ => json!(prompt),
    }
}

async fn slow(turn: &Turn, prompt: &str) -> Ending {
    let milliseconds = number(prompt, SLOW);
    let mut left = Duration::from_millis(milliseconds);
    let mut said = 0_u64;
    while !left.is_zero() {
        let beat = left.min(SLOW_BEAT);
        sleep(beat).await;
        left -= beat;
        said += 1;
        turn.emit("chunk", json!(format!("{said} ")));
    }
    completed(format!("Done after {milliseconds} ms."))
}

async fn human(turn: &Turn, prompt: &str) -> Ending {
    say(turn, "Someone has to look at this. ").await;
    if prompt.contains("auth") {
        let request = json!({ "connector_name": "Google Drive", "auth_url": "https://auth.example.com/login?state=1" });
        turn.pause("pending_eca_request", request);
    } else {
        turn.pause("hitl_request", json!({ "wait_node_id": "node-approval" }));
    }
    turn.resumed().await;
    sleep(BEAT).await;
    turn.begin();
    let result = format!("Continued with: {}", turn.prompt());
    say(turn, &result).await;
    completed(result)
}

async fn fail(turn: &Turn, prompt: &str) -> Ending {
    say(turn, "This will not end well. ").await;
    let (status, result) = match prompt.trim() {
        "error" => (Status::Error, "The model provider could not be reached."),
        _ => (Status::Failed, "The agent gave up."),
    };
    Ending { status, ..completed(result.to_owned()) }
}

async fn big(turn: &Turn, prompt: &str) -> Ending {
    say(turn, "A big one. ").await;
    let bytes = usize::try_from(number(prompt, BIG)).unwrap_or_default();
    let result = "0123456789abcdef".chars().cycle().take(bytes).collect();
    Ending { trimmed: true, ..completed(result) }
}

async fn burst(turn: &Turn, prompt: &str) -> Ending {
    let events = number(prompt, BURST);
    for count in 1..=events {
        turn.emit("chunk", json!(format!("{count} ")));
        tokio::task::consume_budget().await;
    }
    completed(format!("{events} events"))
}

/// The number a prompt consists of, up to the most allowed; without one, the number to use unless told.
fn number(prompt: &str, (unless_told, most): (u64, u64)) -> u64 {
    prompt.trim().parse().map_or(unless_told, |number: u64| number.min(most))
}
