//! A real redis-server on a free port: killed, paused, restarted with or without its data.

use std::{net::TcpListener, process::Stdio, time::Duration};

use redis::aio::MultiplexedConnection;
use tokio::{
    process::{Child, Command},
    time::sleep,
};

use super::{envoy::tool, folder::Folder, live::within};

/// A server; killed when it is dropped.
pub struct Redis {
    pub port: u16,
    folder: Folder,
    arguments: Vec<String>,
    child: Option<Child>,
}

impl Redis {
    /// One that keeps nothing over its end.
    pub async fn start() -> Self {
        Self::with(&[]).await
    }

    /// One with these arguments, e.g. `--appendonly yes`.
    pub async fn with(arguments: &[&str]) -> Self {
        let free = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let port = free.local_addr().expect("bound").port();
        drop(free);
        let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        let mut redis = Self { port, folder: Folder::new(), arguments, child: None };
        redis.run().await;
        redis
    }

    /// Runs it, again.
    pub async fn run(&mut self) {
        let has_own_port = self.arguments.iter().any(|argument| argument == "--tls-port");
        let port = if has_own_port { "0".to_owned() } else { self.port.to_string() };
        let arguments = self.arguments.iter().map(|argument| argument.replace("PORT", &self.port.to_string()));
        let child = Command::new(tool("redis-server"))
            .args(["--port", &port, "--bind", "127.0.0.1", "--save", "", "--dir"])
            .arg(self.folder.path())
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("redis-server runs: apt-get install redis-server");
        self.child = Some(child);
        within("redis-server listens", async {
            while tokio::net::TcpStream::connect(("127.0.0.1", self.port)).await.is_err() {
                sleep(Duration::from_millis(10)).await;
            }
        })
        .await;
    }

    pub async fn kill(&mut self) {
        within("its end", self.child.take().expect("it runs").kill()).await.expect("it ran");
    }

    /// Stops it where it is, with `STOP`, or has it go on, with `CONT`.
    pub async fn signal(&self, name: &str) {
        let id = self.child.as_ref().and_then(Child::id).expect("it runs").to_string();
        assert!(Command::new("kill").args(["-s", name, &id]).status().await.expect("kill runs").success());
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub async fn connection(&self) -> MultiplexedConnection {
        let client = redis::Client::open(self.url()).expect("a URL");
        within("a connection", client.get_multiplexed_async_connection()).await.expect("connected")
    }

    /// What it answers to a command.
    pub async fn ask<T: redis::FromRedisValue>(&self, command: &[&str]) -> T {
        let mut asked = redis::cmd(command[0]);
        command[1..].iter().for_each(|argument| {
            asked.arg(*argument);
        });
        asked.query_async(&mut self.connection().await).await.expect("an answer")
    }

    /// Everything in it.
    pub async fn content(&self) -> Vec<(String, String)> {
        let keys: Vec<String> = self.ask(&["KEYS", "*"]).await;
        let mut content = Vec::new();
        for key in keys {
            let value = self.ask(&["GET", &key]).await;
            content.push((key, value));
        }
        content
    }
}
