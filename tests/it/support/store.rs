//! A store that a test scripts, over real TCP: what it answers to each command, in bytes.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream, tcp::OwnedReadHalf},
    sync::Notify,
    task::JoinHandle,
};

/// What is written of an answer without an end before it ends all the same.
pub const ENOUGH: usize = 256 << 20;

/// What a command gets.
pub enum Said {
    /// These bytes.
    Bytes(Vec<u8>),
    /// These, and then the others again and again, until the proxy hangs up.
    Endless(Vec<u8>, Vec<u8>),
    /// Nothing until the test says so; then the script is asked again.
    Held(Arc<Notify>),
    /// The end of its connection.
    HangsUp,
}

/// The store; stops when it is dropped.
pub struct Store {
    address: SocketAddr,
    /// How many bytes of answers without an end could be written.
    written: Arc<AtomicUsize>,
    accepting: JoinHandle<()>,
}

impl Store {
    /// One that answers each command as the script says.
    pub async fn start(script: impl Fn(&[String]) -> Said + Send + Sync + 'static) -> Self {
        Self::by_connection(move |_, command| script(command)).await
    }

    /// The same, as the script says for each connection, counted from zero.
    pub async fn by_connection(script: impl Fn(usize, &[String]) -> Said + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let (script, written) = (Arc::new(script), Arc::new(AtomicUsize::new(0)));
        let count = Arc::clone(&written);
        let accepting = tokio::spawn(async move {
            for connection in 0.. {
                let Ok((socket, _)) = listener.accept().await else { return };
                let (script, count) = (Arc::clone(&script), Arc::clone(&count));
                tokio::spawn(
                    async move { serve(socket, &|command: &[String]| script(connection, command), &count).await },
                );
            }
        });
        Self { address, written, accepting }
    }

    pub fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    pub fn written(&self) -> usize {
        self.written.load(Relaxed)
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// What a store of this version says of itself; None for what it is not asked for.
pub fn info(command: &[String], version: &str) -> Option<Said> {
    let [name, section] = command else { return None };
    let text = match (&**name, &**section) {
        ("INFO", "server") => format!("# Server\r\nredis_version:{version}\r\nrun_id:0123\r\n"),
        ("INFO", "memory") => "# Memory\r\nmaxmemory_policy:noeviction\r\n".to_owned(),
        ("INFO", "replication") => "# Replication\r\nrole:master\r\n".to_owned(),
        _ => return None,
    };
    Some(Said::Bytes(format!("${}\r\n{text}\r\n", text.len()).into()))
}

/// A value, or nil.
pub fn text(text: Option<&str>) -> Said {
    text.map_or_else(|| line("$-1"), |text| line(&format!("${}\r\n{text}", text.len())))
}

/// A line, which may be an error.
pub fn line(text: &str) -> Said {
    Said::Bytes(format!("{text}\r\n").into())
}

async fn serve(socket: TcpStream, script: &(impl Fn(&[String]) -> Said + Sync), count: &AtomicUsize) {
    let (read, mut write) = socket.into_split();
    let mut read = BufReader::new(read);
    while let Some(command) = command(&mut read).await {
        let (first, again) = loop {
            match script(&command) {
                Said::Bytes(bytes) => break (bytes, Vec::new()),
                Said::Endless(first, again) => break (first, again),
                Said::Held(told) => told.notified().await,
                Said::HangsUp => return,
            }
        };
        if write.write_all(&first).await.is_err() {
            return;
        }
        while !again.is_empty() && count.load(Relaxed) < ENOUGH {
            if write.write_all(&again).await.is_err() {
                return;
            }
            count.fetch_add(again.len(), Relaxed);
        }
    }
}

/// The next command: an array of texts.
async fn command(read: &mut BufReader<OwnedReadHalf>) -> Option<Vec<String>> {
    let mut command = Vec::new();
    for _ in 0..number(read, '*').await? {
        let mut text = vec![0; number(read, '$').await? + 2];
        read.read_exact(&mut text).await.ok()?;
        text.truncate(text.len() - 2);
        command.push(String::from_utf8(text).expect("text"));
    }
    Some(command)
}

async fn number(read: &mut BufReader<OwnedReadHalf>, before: char) -> Option<usize> {
    let mut line = String::new();
    read.read_line(&mut line).await.ok().filter(|count| *count > 0)?;
    Some(line.strip_prefix(before).expect(&line).trim_end().parse().expect("a number"))
}
