//! Tasks: what they know, what they did, and what is kept of them.

pub mod activity;
pub mod attributes;
pub mod log;
pub mod memory;
pub mod state;
pub mod status;
pub mod turn;
