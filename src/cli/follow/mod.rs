//! A task is followed or waited for, across interruptions, and left with a word on how to come back to it.

mod events;
mod interrupt;
mod progress;
mod resume;
mod standing;
mod wait;

pub use self::{events::Following, interrupt::or_interrupted, standing::Standing, wait::wait_for};
