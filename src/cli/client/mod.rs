//! The way to a running proxy: which one, how it is trusted and shown who calls, its calls. What is called is the
//! commands' business.

mod connection;
mod proxy;
mod security;
mod socket;

pub use self::{
    connection::Connection,
    proxy::{Agents, Deadline, Messages, Proxy},
    security::Security,
};
