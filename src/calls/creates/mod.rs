//! Creates: the one life of each, and what a `request_id` adds to it, a name.

pub mod create;
pub mod deduplicate;
pub mod known;
pub mod named;
