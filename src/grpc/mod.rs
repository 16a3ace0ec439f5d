//! The edge callers see: connections, who may call, metadata, the five-line calls and THE table of statuses.

mod attendance;
mod call;
mod connection;
mod door;
mod guard;
mod layers;
mod request;
mod response;
mod sent;
mod server;
mod service;
mod serving;

pub use self::connection::tls::{Tls, TlsError};
pub use self::request::auth::{Auth, Jwt, Tokens};
pub use self::response::status::code_name;
pub use server::{Parts, Server};
pub use service::SERVICE;
