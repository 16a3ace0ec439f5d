//! What a caller is told: messages in frames, what of them is still here, and THE table of statuses.

mod borders;
pub mod frames;
pub mod outgoing;
pub mod status;
pub mod told;
