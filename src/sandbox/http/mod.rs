//! The platform's HTTP: connections, which request is which, and what tests see of it and let go wrong.

pub mod events;
pub mod faults;
pub mod platform;
pub mod reply;
pub mod route;
pub mod routes;
pub mod seen;
pub mod server;
pub mod shape;
