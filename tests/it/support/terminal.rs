//! A command on a terminal of its own: what a person sees and types.

use pty_process::{Command, OwnedReadPty, OwnedWritePty, Size, open};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    process::Child,
};

use super::live::within;

/// What ends a command that a person is tired of.
pub const CTRL_C: &[u8] = b"\x03";

const ROWS: u16 = 100;

/// A running command; killed when it is dropped.
pub struct Terminal {
    child: Child,
    keys: OwnedWritePty,
    screen: OwnedReadPty,
    /// All that was written so far, as the terminal got it.
    pub shown: String,
    read: Vec<u8>,
    /// Up to where it was waited for.
    at: usize,
}

impl Terminal {
    /// Runs the binary with this environment alone.
    pub fn run(columns: u16, arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let (pty, pts) = open().expect("a terminal");
        pty.resize(Size::new(ROWS, columns)).expect("a size");
        let command = Command::new(env!("CARGO_BIN_EXE_xpander-grpc-proxy")).args(arguments).env_clear();
        let environment = [&[("TERM", "xterm-256color")], environment].concat();
        let child = command.envs(environment).kill_on_drop(true).spawn(pts).expect("it runs");
        let (screen, keys) = pty.into_split();
        Self { child, keys, screen, shown: String::new(), read: Vec::new(), at: 0 }
    }

    /// Waits until this is shown, behind what was waited for before.
    pub async fn until(&mut self, text: &str) {
        within(text, async {
            while !self.shown[self.at..].contains(text) {
                assert!(self.more().await, "it ended without {text:?}: {:?}", self.shown);
            }
        })
        .await;
        self.at += self.shown[self.at..].find(text).unwrap_or_default() + text.len();
    }

    /// Presses keys.
    pub async fn press(&mut self, keys: &[u8]) {
        self.keys.write_all(keys).await.expect("a terminal");
    }

    /// Makes the window wider or narrower.
    pub fn resize(&self, columns: u16) {
        self.keys.resize(Size::new(ROWS, columns)).expect("a size");
    }

    /// Waits for the end; the exit code, and all that was shown.
    pub async fn ended(mut self) -> (Option<i32>, String) {
        within("the end", async { while self.more().await {} }).await;
        let status = within("the end", self.child.wait()).await.expect("it ran");
        (status.code(), self.shown)
    }

    /// Reads on, if there is more: a terminal whose last program has ended fails to be read.
    async fn more(&mut self) -> bool {
        let mut piece = [0; 4096];
        let Ok(length @ 1..) = self.screen.read(&mut piece).await else { return false };
        self.read.extend_from_slice(&piece[..length]);
        self.shown = String::from_utf8_lossy(&self.read).into_owned();
        true
    }
}

/// The text without colours and the like.
pub fn plain(shown: &str) -> String {
    let mut text = String::new();
    let mut letters = shown.chars();
    while let Some(letter) = letters.next() {
        if letter == '\u{1b}' {
            // `ESC [`, numbers, and the letter that ends it.
            letters.by_ref().skip(1).find(char::is_ascii_alphabetic);
        } else {
            text.push(letter);
        }
    }
    text
}
