//! One guard for a call, from its head to its last frame: its deadline, the drain, its share and its bytes hold in every
//! state that it can be in.

mod heads;
mod neighbours;
mod panics;
mod unread;
