//! The edge callers see: connections, who may call, metadata, the five-line calls and THE table of statuses.

mod attach;
mod auth;
mod call;
mod connection;
mod door;
mod frames;
mod gathered;
mod guard;
mod layers;
mod limits;
mod malformed;
mod metadata;
mod outgoing;
mod patience;
mod peer;
mod received;
mod sent;
mod server;
mod service;
mod serving;
mod status;
mod tls;
mod told;
mod traffic;
mod turn;
mod whole;

pub use auth::{Auth, Tokens};
pub use server::{Parts, Server};
pub use service::SERVICE;
pub use status::code_name;
pub use tls::{Tls, TlsError};
