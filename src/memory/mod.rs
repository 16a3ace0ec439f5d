//! What is large: the bytes that calls hold, bounded over all of them together, and work that would keep others waiting.
//!
//! Not a limit on one message: the settings have those where messages are read.

mod budget;
mod buffer;
mod few;
mod growing;

pub use budget::{Account, Budget, Held};
pub use buffer::make_room;
pub use few::{Few, Place};
pub use growing::{Growing, ROOM_TIME, UNCOUNTED};
use tokio::runtime::{Handle, RuntimeFlavor};

/// From so many bytes on, work on a message leaves the threads that serve everybody: below, it takes about a millisecond.
pub const LARGE: usize = 256 << 10;

/// Does work on so many bytes where it holds up nobody: large work lets another thread go on with the other calls.
pub fn aside<T>(bytes: usize, work: impl FnOnce() -> T) -> T {
    let others_can_go_on = || Handle::try_current().is_ok_and(|own| own.runtime_flavor() == RuntimeFlavor::MultiThread);
    if bytes >= LARGE && others_can_go_on() { tokio::task::block_in_place(work) } else { work() }
}
