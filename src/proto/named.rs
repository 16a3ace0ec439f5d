//! Which agent a request names, found out on its bytes before they are decoded.

use super::fields::{Field, Fields};

/// The field of an `InvokeRequest` with the agent, and that of an `InvokeStreamRequest` with the `InvokeRequest`.
const AGENT_ID: u32 = 1;
const INVOCATION: u32 = 1;

/// The agent that a request to this method names, as its decoder would have it: of several the last one. None where it
/// names none, or cannot be read.
#[must_use]
pub fn named_agent<'a>(method: &str, message: &'a [u8]) -> Option<&'a str> {
    let last = |message, tag| Fields(message).filter(move |field| field.tag == tag).filter_map(Field::bytes).last();
    let agent = if method.ends_with("/InvokeStream") {
        // What comes in several pieces is one message in the end.
        let pieces = Fields(message).filter(|field| field.tag == INVOCATION).filter_map(Field::bytes);
        pieces.filter_map(|piece| last(piece, AGENT_ID)).last()?
    } else {
        last(message, AGENT_ID)?
    };
    std::str::from_utf8(agent).ok().filter(|agent| !agent.is_empty())
}
