//! The edge callers see: connections, metadata, the five-line calls and THE table of statuses.

mod access;
mod leash;
mod metadata;
mod server;
mod service;
mod status;

pub use server::{SERVICE, Server};
pub use status::code_name;
