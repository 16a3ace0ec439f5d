//! What every agent does: it says a text piece by piece, and completes its task.

use std::time::Duration;

use serde_json::json;
use tokio::time::sleep;

use crate::sandbox::tasks::{
    status::{Ending, Status},
    turn::Turn,
};

/// The pause between two pieces of text: short, so that a whole task takes well under a second.
pub const BEAT: Duration = Duration::from_millis(12);
/// A text is said in so many pieces at most, or a long prompt would take minutes to echo.
const PIECES: usize = 64;

/// The end of a task that went well.
pub fn completed(result: String) -> Ending {
    Ending { status: Status::Completed, result: Some(result), used_tools: Vec::new(), trimmed: false }
}

/// Sends a text word by word, or in larger pieces when it is long.
pub async fn say(turn: &Turn, text: &str) {
    let words: Vec<&str> = text.split_inclusive(char::is_whitespace).collect();
    for piece in words.chunks(words.len().div_ceil(PIECES).max(1)) {
        sleep(BEAT).await;
        turn.emit("chunk", json!(piece.concat()));
    }
}
