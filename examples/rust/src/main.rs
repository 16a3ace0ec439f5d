//! Invokes an agent and prints what it says, as it says it: `cargo run -- [SERVER]`

use std::io::{Write as _, stdout};

use invoke_stream_response::Item;
use task_event::Data;

tonic::include_proto!("xpander.agent.v1");

#[tokio::main]
async fn main() {
    let server = std::env::args().nth(1).unwrap_or("localhost:50051".into());
    if let Err(error) = follow(&server).await {
        eprintln!("{error}");
        std::process::exit(1);
    }
}

async fn follow(server: &str) -> Result<(), Box<dyn std::error::Error>> {
    let mut agents = agent_service_client::AgentServiceClient::connect(format!("http://{server}")).await?;
    let invocation = InvokeRequest { agent_id: "echo".into(), prompt: "hello from Rust".into(), ..Default::default() };
    let request = InvokeStreamRequest { invocation: Some(invocation), heartbeat: None };
    let mut messages = agents.invoke_stream(request).await?.into_inner();
    while let Some(message) = messages.message().await? {
        match message.item {
            Some(Item::Task(task)) => println!("task {}", task.id),
            Some(Item::Event(TaskEvent { data: Some(Data::Chunk(text)), .. })) => {
                print!("{text}");
                stdout().flush()?;
            }
            Some(Item::Event(TaskEvent { data: Some(Data::Task(task)), type_name, .. }))
                if type_name == "task_finished" =>
            {
                println!("\n{}: {}", format!("{:?}", task.status()).to_lowercase(), task.result());
            }
            _ => {}
        }
    }
    Ok(())
}
