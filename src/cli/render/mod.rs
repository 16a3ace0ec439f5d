//! What people read: tasks and events as text. Pure: it returns text or writes to what it is given.
//!
//! All that comes from the platform passes [`clean`] or [`one_line`], so that it cannot steer the terminal.

mod event;
mod listing;
mod task;
mod text;
mod transcript;

pub use self::{
    listing::{activity_lines, agent_table, task_table},
    task::{continued_by, has_failed, status, task, waits_for},
    text::{Colour, ColourChoice, Look, Stream, clean, is_steering, one_line, shorten, span},
    transcript::Transcript,
};
